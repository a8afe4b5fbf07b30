//! Code that directives of other modules name for a place. [`crate::request::modules::scripts`] says why it matters.

use std::fmt;

use crate::{
    config::Policy,
    httpd::{
        command::Command,
        named_code::{Directive, Kind},
    },
};

/// Code that a directory configuration names.
#[derive(Clone, Copy, Default)]
pub struct NamedCode {
    early: bool,
    log: bool,
    paths: bool,
    /// One of the directives.
    by: Option<Directive>,
}

impl NamedCode {
    /// What a directive of this kind names; `None` where the server gave no pool.
    pub fn of(kind: Kind, command: &Command<'_>) -> Option<Self> {
        let by = Some(Directive::of(command)?);
        let paths = kind == Kind::Paths;
        Some(Self { early: kind == Kind::Early, log: !paths, paths, by })
    }

    /// The code of this scope and of an outer one.
    pub fn and(self, outer: Self) -> Self {
        Self {
            early: self.early || outer.early,
            log: self.log || outer.log,
            paths: self.paths || outer.paths,
            by: self.by.or(outer.by),
        }
    }

    /// Whether any code is named.
    pub fn is_any(&self) -> bool {
        self.by.is_some()
    }

    /// Whether code runs before the content. A path on which code is looked for counts only if the configuration
    /// itself has functions run in these phases.
    pub fn runs_early(&self, policy: &Policy) -> bool {
        self.early || (self.paths && policy.lua_hooks)
    }

    /// Whether code runs when the request is logged.
    pub fn runs_at_log(&self, policy: &Policy) -> bool {
        self.log || (self.paths && policy.lua_hooks)
    }
}

impl fmt::Display for NamedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Some(directive) => directive.fmt(f),
            None => f.write_str("nothing"),
        }
    }
}
