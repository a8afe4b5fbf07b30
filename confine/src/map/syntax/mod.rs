//! The language of maps: from the bytes of a file to lines, subjects and patterns, and the errors that say what is
//! wrong.

pub(in crate::map) mod address;
pub(in crate::map) mod error;
pub(in crate::map) mod fmt;
pub(in crate::map) mod glob;
pub(in crate::map) mod options;
pub(in crate::map) mod parse;
pub(in crate::map) mod progress;
pub(in crate::map) mod subject;
pub(in crate::map) mod text;

/// The largest file that is read, in bytes. It has far fewer lines than a `u32` can count.
pub(in crate::map) const MAX_FILE: u64 = 1 << 30;

/// The longest line, in bytes, without its line end.
pub(in crate::map) const MAX_LINE: usize = 64 << 10;

/// How many bad lines `MapText::all_errors` reports at most.
pub(in crate::map) const MAX_ERRORS: usize = 100;
