//! The text forms of contexts: which backend, and that backend's own words.
//!
//! `selinux:httpd_dog_t:s0`, `landlock:tenant-a`, `tomoyo://dog`, `apparmor:blog`; without a known
//! prefix the text belongs to the default backend, so `httpd_dog_t:s0` works as it stands.

use std::fmt;

use crate::lsm::BackendName;

/// One LSM's label for a subject, as written: not yet known to be accepted by the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    /// The LSM whose label this is.
    pub backend: BackendName,
    /// The label in that LSM's own form, without the prefix. Never empty, no control bytes.
    pub text: Box<str>,
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.backend, self.text)
    }
}

/// What a rule gives: contexts to enter one after the other, or, in so many words, none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ContextList {
    /// The word `unconfined`: the request is exempt.
    Unconfined,
    /// One or more contexts, applied in this order, all or nothing.
    Contexts(Box<[Context]>),
}

/// Why a text is not a context.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContextError {
    /// No word at all.
    #[error("no context given; write at least one, such as landlock:NAME, or the word unconfined")]
    Missing,
}

impl Context {
    /// Reads one word. `default` is the backend of a text that names none.
    pub fn parse(_word: &str, _default: BackendName) -> Result<Self, ContextError> {
        todo!()
    }
}

impl ContextList {
    /// Reads the words of one rule. `unconfined` must stand alone.
    pub fn parse<'a>(
        _words: impl IntoIterator<Item = &'a str>,
        _default: BackendName,
    ) -> Result<Self, ContextError> {
        todo!()
    }
}
