//! Contexts in a database: which statement is asked, with which values, and what the answer means.
//!
//! The server asks the database ([`Facts::ask`]). The prepared contexts of an answer are kept for some time
//! ([`AnswerCache`]). A request whose answer is kept costs about as much as one that a map decides. A failure is never
//! kept.
//!
//! ```
//! use confine::policy::database::RowsAre;
//!
//! // Unless a directive says `rows=rules`, a row is one context and nothing else.
//! assert_eq!(RowsAre::default(), RowsAre::Values);
//! ```

use std::{
    ffi::CStr,
    sync::{Arc, atomic::AtomicU64},
};

use super::{
    answer_cache::{AnswerCache, CacheLimits, Counts},
    facts::{Facts, Failure, Rows, Statement},
    supplied::{self, Unusable},
};
use crate::{
    backends::{Backends, Moves, Prepared, SameContext},
    context::{BackendName, excerpt},
    map,
    tally::DatabaseCounts,
    value::{Given, ValueError},
};

/// The longest text of a row, in bytes. A message shows a part of a longer one.
const LONGEST: usize = 4096;

/// The values for the parameters of a statement.
#[derive(Clone)]
pub enum Parameters<E> {
    /// The statement has one parameter, which is the proven user. A request without one asks nothing, and the next rule
    /// is asked.
    User,
    /// Each parameter gets the value of an expression.
    Values(Box<[E]>),
}

/// What a row is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowsAre {
    /// A row is data: one context of the directive's backend, byte for byte.
    #[default]
    Values,
    /// A row is configuration (`rows=rules`): what can stand behind the subject on a line of a map.
    Rules,
}

/// A rule whose contexts are in a database.
pub struct Database<E> {
    statement: Statement,
    parameters: Parameters<E>,
    default: BackendName,
    rows: RowsAre,
    /// The answer without contexts says that there is no row.
    answers: AnswerCache<Option<Arc<Moves>>, Failure>,
}

impl<E> Database<E> {
    /// A rule that has not asked yet. `default` is the backend of contexts that name none.
    pub fn new(
        statement: Statement,
        parameters: Parameters<E>,
        default: BackendName,
        rows: RowsAre,
        limits: CacheLimits,
    ) -> Self {
        Self { statement, parameters, default, rows, answers: AnswerCache::new(limits) }
    }

    /// The statement's name.
    pub fn label(&self) -> &CStr {
        &self.statement.label
    }

    /// How often it was asked so far, and what is kept.
    pub fn counts(&self) -> Counts {
        self.answers.counts()
    }

    /// Has several processes count together. To be called before they are forked.
    pub fn count_in(&self, shared: DatabaseCounts<'static>) {
        self.answers.count_in(shared);
    }

    /// Says there how many answers are kept, from now on.
    pub fn tell_entries(&self, place: &'static AtomicU64) {
        self.answers.tell_entries(place);
    }

    /// The contexts of the row for this request. `None` means that the next rule is asked.
    ///
    /// # Errors
    /// The request must be refused.
    pub fn contexts(&self, facts: &dyn Facts<E>, backends: &Backends) -> Result<Option<Arc<Moves>>, Failure> {
        let answer = |values: &[&[u8]]| {
            with_key(facts.database(), values, |key| {
                self.answers.get(key, || facts.holds(), || self.ask(facts, values, backends))
            })
        };
        match &self.parameters {
            Parameters::User => match facts.subject().user {
                None | Some(b"") => Ok(None),
                Some(user) => answer(&[user]),
            },
            Parameters::Values(expressions) => {
                let values: Result<Vec<_>, _> = expressions.iter().map(|e| facts.expr(e)).collect();
                let values = values.map_err(Failure::Expression)?;
                answer(&values.iter().map(Vec::as_slice).collect::<Vec<_>>())
            }
        }
    }

    fn ask(
        &self,
        facts: &dyn Facts<E>,
        values: &[&[u8]],
        backends: &Backends,
    ) -> Result<Option<Arc<Moves>>, Failure> {
        let label = || self.statement.label.to_string_lossy().into_owned();
        let rows = facts.ask(&self.statement, values);
        let unusable = |value: String, why: String| Failure::Row { label: label(), value, why };
        match rows.map_err(|error| Failure::Database { label: label(), error })? {
            Rows::None => Ok(None),
            // The order of rows is not defined, so none of them may count.
            Rows::Several => Err(unusable(
                "more than one row".to_owned(),
                "which one counts would be left to chance; select one, say by LIMIT 1 behind an ORDER BY"
                    .to_owned(),
            )),
            Rows::One(value) => self
                .prepare(&value, backends)
                .map_err(|why| unusable(format!("{:?}", excerpt(&String::from_utf8_lossy(&value))), why)),
        }
    }

    /// The moves of a row.
    ///
    /// # Errors
    /// Why the row cannot be used.
    fn prepare(&self, row: &[u8], backends: &Backends) -> Result<Option<Arc<Moves>>, String> {
        if row.len() > LONGEST {
            return Err(format!("it is longer than {LONGEST} bytes, which no contexts are"));
        }
        let text = std::str::from_utf8(row).map_err(|_| ValueError::NotText.to_string())?;
        let prepared = match self.rows {
            _ if text.is_empty() => return Ok(None),
            RowsAre::Values => self.value(text, backends)?,
            RowsAre::Rules => self.rule(text, backends)?,
        };
        match prepared {
            Some(Prepared::Moves(moves)) => Ok(Some(moves)),
            Some(Prepared::Unconfined) => Err(ValueError::Unconfined.to_string()),
            None => Ok(None),
        }
    }

    /// Reads one context of the directive's backend.
    fn value(&self, text: &str, backends: &Backends) -> Result<Option<Prepared>, String> {
        let prepared = supplied::prepare(&Given::whole(text), self.default, false, backends);
        prepared.map(Some).map_err(|unusable| match unusable {
            Unusable::Value(error @ ValueError::Blank { character: ' ', .. }) => format!(
                "{error} (a column of type CHAR pads: use VARCHAR), or write rows=rules where a row holds what a map's \
                 line does"
            ),
            Unusable::Value(error @ ValueError::NamesBackend { .. }) => format!("{error}; or write rows=rules"),
            other => other.to_string(),
        })
    }

    /// Reads what can stand behind the subject on a line of a map. `unconfined` is refused: applications often write to
    /// databases, and an application must not exempt requests.
    fn rule(&self, text: &str, backends: &Backends) -> Result<Option<Prepared>, String> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        if text.is_empty() {
            return Ok(None);
        }
        let list = map::contexts(text, self.default).map_err(|e| e.to_string())?;
        backends.prepare(&list, SameContext::Refused).map(Some).map_err(|e| e.to_string())
    }
}

/// Calls `body` with a key that only this question has: each value with its length before it. Most keys fit into a
/// buffer on the stack, so a request whose answer is kept allocates nothing.
fn with_key<T>(database: usize, values: &[&[u8]], body: impl FnOnce(&[u8]) -> T) -> T {
    const NUMBER: usize = size_of::<usize>();
    let length = values.iter().fold(NUMBER, |sum, value| sum + NUMBER + value.len());
    let (mut short, mut long) = ([0; 256], Vec::new());
    let key = match short.get_mut(..length) {
        Some(key) => key,
        None => {
            long.resize(length, 0);
            &mut long[..]
        }
    };
    let mut rest = &mut *key;
    let mut put = |bytes: &[u8]| {
        let (place, behind) = std::mem::take(&mut rest).split_at_mut(bytes.len());
        place.copy_from_slice(bytes);
        rest = behind;
    };
    put(&database.to_ne_bytes());
    for value in values {
        put(&value.len().to_ne_bytes());
        put(value);
    }
    body(key)
}

#[cfg(test)]
mod tests;
