//! The tables that answer for a map. They are one block of memory, which has an index for each kind of subject.

pub(in crate::map) mod block;
pub(in crate::map) mod builder;
pub(in crate::map) mod names;
pub(in crate::map) mod networks;
pub(in crate::map) mod paths;
pub(in crate::map) mod source;
pub(in crate::map) mod texts;
pub(in crate::map) mod tree;

use bytemuck::{Pod, Zeroable};

/// The rule that a look-up found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Hit {
    /// The line of the map, from 1.
    pub line: u32,
    /// What the rule gives: an index for [`Map::list`](crate::map::Map::list).
    pub list: u32,
}

impl Hit {
    /// Stands in tables where there is no rule.
    pub(in crate::map) const NONE: Self = Self { line: 0, list: 0 };

    /// The rule, or `None` for [`Hit::NONE`].
    pub(in crate::map) fn found(self) -> Option<Self> {
        (self.line != 0).then_some(self)
    }
}
