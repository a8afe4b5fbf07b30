//! The options that a map sets before its first rule.

use super::{
    error::LineError,
    parse::{LineFault, Word},
    subject::MapSubject,
};

/// The first word of such a line. It cannot be a user, because words in double underscores are not.
const NAMES: &str = "__names__";

/// The word that follows.
const IGNORE_CASE: &str = "ignore-case";

/// The options of a map while its lines are read from the top.
#[derive(Default)]
pub(in crate::map) struct Options {
    /// Whether the case of ASCII letters in the names of users is ignored. Other letters are always compared as they
    /// are. To Unicode `k` and the Kelvin sign U+212A are one letter in different cases. A database that only ignores
    /// the case of ASCII (SQLite's NOCASE) keeps them apart, so somebody could register a name with the Kelvin sign
    /// and be taken for another user here.
    pub ignore_case: bool,
    /// Whether a rule has been read.
    has_rules: bool,
}

impl Options {
    /// Whether a line sets an option. If so, it counts from here on.
    pub fn take(&mut self, words: &[Word<'_>]) -> Result<bool, LineFault> {
        let Some((first, rest)) = words.split_first() else { return Ok(false) };
        if first.text != NAMES {
            self.has_rules = true;
            return Ok(false);
        }
        match rest {
            [word] if word.text == IGNORE_CASE && self.has_rules => {
                Err(LineFault::new(first.start, LineError::LateOption))
            }
            [word] if word.text == IGNORE_CASE => {
                self.ignore_case = true;
                Ok(true)
            }
            _ => Err(LineFault::new(rest.first().map_or(first.end, |word| word.start), LineError::Option)),
        }
    }

    /// A subject, in the form in which this map compares it.
    pub fn subject<'a>(&self, subject: MapSubject<'a>) -> MapSubject<'a> {
        match subject {
            MapSubject::User(name) if self.ignore_case => MapSubject::UserInAnyCase(name),
            other => other,
        }
    }
}
