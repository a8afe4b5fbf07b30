//! What a decision needs to know of one request, and why a rule can fail on it.
//!
//! ```
//! use confine::policy::facts::Statement;
//!
//! let sql = c"SELECT context FROM tenants WHERE name = %s".to_owned();
//! assert_eq!(Statement { label: c"tenants".to_owned(), sql }.parameters(), Ok(1));
//! ```

use std::ffi::{CStr, CString};

use super::answer_cache::Holds;
use crate::{lsm::PrepareError, subject::Subject, value::ValueError};

/// The facts of one request, which the server gives.
pub trait Facts<E> {
    /// Who is behind it.
    fn subject(&self) -> Subject<'_>;
    /// A variable of the request's environment.
    fn env(&self, name: &CStr) -> Option<&[u8]>;
    /// The value of an expression. The error is the evaluator's message. A user name that is not proven must be empty
    /// in the value.
    fn expr(&self, expr: &E) -> Result<Vec<u8>, String>;
    /// The number of the database that this request would ask. An answer of one database is not used for another.
    fn database(&self) -> usize;
    /// Whether this request may hold a connection to a database that another request could be waiting for.
    fn holds(&self) -> Holds;
    /// Asks that database. There are as many `values` as the statement has parameters. The error says what went wrong.
    fn ask(&self, statement: &Statement, values: &[&[u8]]) -> Result<Rows, String>;
}

/// A statement that the server has prepared in its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The name under which it was prepared.
    pub label: CString,
    /// Its text.
    pub sql: CString,
}

/// Why a statement cannot be asked with texts as its values.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// A `%` stands before a byte that is a letter in some locales and not in others.
    #[error("its text holds {0:?}; write %% for a percent sign, and %s for a parameter")]
    Percent(String),
    /// A parameter does not take a text.
    #[error("its parameter {0} is for binary data; write %s")]
    Binary(String),
}

impl Statement {
    /// How many parameters the statement has, counted as APR does (apr-util, dbd/apr_dbd.c, apr_dbd_prepare): `%`
    /// and a letter, the start of a type's name, is one; `%%` stands for a percent sign.
    ///
    /// # Errors
    /// Not every parameter takes one text.
    pub fn parameters(&self) -> Result<usize, StatementError> {
        let (mut count, mut rest) = (0, self.sql.to_bytes());
        while let Some(percent) = rest.iter().position(|&b| b == b'%') {
            rest = &rest[percent + 1..];
            let shown = || format!("%{}", String::from_utf8_lossy(&rest[..rest.len().min(3)]));
            match rest {
                [b'%', behind @ ..] => rest = behind,
                // A parameter of these types takes four values.
                [b'p', b'D', b'b' | b'c', ..] => return Err(StatementError::Binary(shown())),
                [letter, ..] if letter.is_ascii_alphabetic() => count += 1,
                [byte, ..] if !byte.is_ascii() => return Err(StatementError::Percent(shown())),
                _ => {}
            }
        }
        Ok(count)
    }
}

/// The answer to a statement: the first column of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// No row.
    None,
    /// One row. It is empty for NULL, too.
    One(Vec<u8>),
    /// More than one.
    Several,
}

/// Why a rule cannot be carried out on this request.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The expression's evaluation failed.
    #[error("the expression failed: {0}; mend the expression of this rule")]
    Expression(String),
    /// The value is not text.
    #[error("the {0} gave a value that is not UTF-8; contexts are plain text")]
    NotText(&'static str),
    /// The value is not a context.
    #[error("the {of} gave {value:?}: {error}")]
    Value {
        /// `environment variable` or `expression`.
        of: &'static str,
        /// What it gave.
        value: String,
        /// What is wrong with it.
        error: ValueError,
    },
    /// The value says `unconfined`, which only a configuration or a map may say.
    #[error(
        "the {of} gave `{value}`, which only a configuration or a map may say; write it there, or give a context"
    )]
    Unconfined {
        /// `environment variable` or `expression`.
        of: &'static str,
        /// The word as it was given.
        value: String,
    },
    /// A line of a table has no prepared context. This is a fault of this program, and the request is refused.
    #[error("the table's line has no prepared context; report this as a bug of mod_confine")]
    NoContext,
    /// No pattern of a table matches the file.
    #[error("no pattern of {table} matches {path:?}; add a line for it")]
    NoTransition {
        /// The file that the request maps to.
        path: String,
        /// The table.
        table: String,
    },
    /// The database could not be asked.
    #[error(
        "the database could not be asked with {label}: {error}; mend the database or the way to it, \
         no restart is needed"
    )]
    Database {
        /// The statement's label.
        label: String,
        /// What went wrong.
        error: String,
    },
    /// What the database gave cannot be used.
    #[error("the database gave {value} for {label}: {why}; correct what it gives")]
    Row {
        /// The statement's label.
        label: String,
        /// What it gave, as it may stand in a message.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// No backend knows the context.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
}
