//! What a map says of itself, before its first rule.

use super::{
    error::LineError,
    parse::{LineFault, Word},
    subject::MapSubject,
};

/// The word that such a line begins with. No subject is called so: words in double underscores are no users.
const NAMES: &str = "__names__";

/// What may stand behind it.
const IGNORE_CASE: &str = "ignore-case";

/// The options of a map, as its lines come from the top.
#[derive(Default)]
pub(in crate::map) struct Options {
    /// Users match in any case of ASCII letters. Other letters are compared as they are: a database whose names
    /// ignore the case of ASCII alone (SQLite's NOCASE) keeps `k` and the Kelvin sign U+212A apart, which are the
    /// same letter to Unicode, so that somebody could register a name that means another user here.
    pub ignore_case: bool,
    /// A rule stands before.
    has_rules: bool,
}

impl Options {
    /// Whether a line is one of these; if so, it counts from here on.
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

    /// A subject, as this map compares it.
    pub fn subject<'a>(&self, subject: MapSubject<'a>) -> MapSubject<'a> {
        match subject {
            MapSubject::User(name) if self.ignore_case => MapSubject::UserInAnyCase(name),
            other => other,
        }
    }
}
