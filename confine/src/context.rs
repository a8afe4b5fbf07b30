//! How contexts are written: a prefix that names the backend, and the backend's own notation.
//!
//! `selinux:httpd_dog_t:s0`, `landlock:tenant-a`; without a known prefix the text belongs to the
//! default backend, so `httpd_dog_t:s0` works as it stands. The prefix of an LSM that this build does
//! not offer is an error, never text for another LSM.
//!
//! ```
//! use confine::{BackendName, ContextList};
//!
//! let list = ContextList::parse(["httpd_dog_t:s0", "landlock:tenant-a"], BackendName::SELINUX)?;
//! assert_eq!(list.to_string(), "selinux:httpd_dog_t:s0 landlock:tenant-a");
//! // The exemption is a word of its own, and stands alone.
//! assert!(ContextList::parse(["unconfined", "landlock:tenant-a"], BackendName::SELINUX).is_err());
//! # Ok::<(), confine::context::ContextError>(())
//! ```

use std::fmt;

use crate::spelling::nearest;

/// The name of a backend that this build knows. Only [`BackendName::parse`] makes one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BackendName(&'static str);

macro_rules! names {
    ($($(#[$about:meta])* $name:ident, $text:literal, $example:literal, $make:expr;)*) => {
        impl BackendName {
            $($(#[$about])* pub const $name: Self = Self($text);)*
            /// All backends of this build.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }

        /// An example of a context of this backend.
        fn example(backend: &BackendName) -> &'static str {
            match backend.0 {
                $($text => $example,)*
                _ => "",
            }
        }
    };
}

every_backend!(names);

impl BackendName {
    /// The backend with this name, if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|b| b.0 == name)
    }

    /// The name, as configurations have it.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The word that exempts a request, in place of a list of contexts.
pub(crate) const UNCONFINED: &str = "unconfined";

/// LSMs that later versions may support. Their prefixes are reserved. A configuration for such a version fails here,
/// and does not mean something else.
const RESERVED: &[&str] = &["smack"];

/// A context as it is written. The kernel may still refuse it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    /// The LSM that the context belongs to.
    pub backend: BackendName,
    /// The context in the form of that LSM, without the prefix. It is never empty and has no control characters.
    pub text: Box<str>,
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.backend, self.text)
    }
}

/// What a rule gives: contexts that are entered one after the other, or the word `unconfined`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ContextList {
    /// The word `unconfined`: the request is exempt.
    Unconfined,
    /// One or more contexts. They are entered in this order, all of them or none.
    Contexts(Box<[Context]>),
}

impl fmt::Display for ContextList {
    /// The contexts with their backends' prefixes, one blank between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unconfined => f.write_str(UNCONFINED),
            Self::Contexts(contexts) => {
                for (i, context) in contexts.iter().enumerate() {
                    write!(f, "{}{context}", if i == 0 { "" } else { " " })?;
                }
                Ok(())
            }
        }
    }
}

/// Why a text is not a context.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContextError {
    /// There is no word.
    #[error("no context given; write at least one, such as landlock:NAME, or the word unconfined")]
    Missing,
    /// A word is empty, or has only blanks.
    #[error("an empty word is no context; write one, such as landlock:NAME, or leave the word out")]
    Empty,
    /// A prefix has nothing behind it.
    #[error("{backend}: has no context behind it; write it there without a blank, such as {}", example(.backend))]
    PrefixAlone {
        /// The backend that the prefix names.
        backend: BackendName,
    },
    /// A word has a control character, which no LSM accepts and no log line can show.
    #[error(
        "{word:?} holds the control character U+{:04X} at byte {at}; contexts are printable text, remove it",
        u32::from(*.character)
    )]
    Control {
        /// The word as written, cut where it is long.
        word: String,
        /// The character, NUL among them.
        character: char,
        /// Its place in the word, in bytes from 1.
        at: usize,
    },
    /// The prefix is that of an LSM which this build does not support.
    #[error(
        "{word:?} names the LSM {lsm}, which this version does not offer; \
         the backends are {}, later versions add {lsm}",
        backends()
    )]
    NotOffered {
        /// The word as written, cut where it is long.
        word: String,
        /// The LSM.
        lsm: &'static str,
    },
    /// The prefix is the name of a backend in other letters.
    #[error("{word:?}: backends are written in lower case; write {backend}: before the context")]
    PrefixCase {
        /// The word as written, cut where it is long.
        word: String,
        /// The backend that was probably meant.
        backend: BackendName,
    },
    /// What is no backend's name, and nearly one.
    #[error(
        "{word:?}: there is no backend called {written:?}; write {backend}: if that was meant (the backends are {})\
         {}",
        backends(),
        as_it_is(word, *default)
    )]
    PrefixMisspelt {
        /// The word as written, cut where it is long.
        word: String,
        /// What stands before its first colon.
        written: String,
        /// The backend that was probably meant.
        backend: BackendName,
        /// The backend of contexts that name none, where that is known.
        default: Option<BackendName>,
    },
    /// What is not `unconfined`, and nearly that.
    #[error(
        "{word:?} is not the word that exempts; write {UNCONFINED} if that was meant{}",
        as_it_is(word, Some(*default))
    )]
    UnconfinedMisspelt {
        /// The word as written, cut where it is long.
        word: String,
        /// The backend of contexts that name none.
        default: BackendName,
    },
    /// `unconfined` stands where a context must stand.
    #[error("unconfined is not a context but the exemption from all of them; write a context here")]
    Unconfined,
    /// `unconfined` stands in a list with contexts.
    #[error(
        "unconfined must stand alone: it exempts the request, and the list also confines it; \
         keep either the word or the contexts"
    )]
    UnconfinedNotAlone,
    /// A context is in the list twice.
    #[error(
        "{} is in the list twice; contexts are entered one after the other and the second \
         time would change nothing, remove one",
        excerpt(&.context.to_string())
    )]
    Repeated {
        /// The context, with its backend's prefix.
        context: Context,
    },
}

/// How a text that looks like something else is given to a backend all the same.
fn as_it_is(word: &str, default: Option<BackendName>) -> String {
    match default {
        // No ruleset is called so.
        Some(BackendName::LANDLOCK) if word.contains(':') => String::new(),
        Some(default) => format!(", or {default}:{word} if it is a context of that backend as it stands"),
        None => String::new(),
    }
}

/// The backends of this build, for a message.
fn backends() -> String {
    BackendName::ALL.iter().map(|b| b.as_str()).collect::<Vec<_>>().join(", ")
}

/// A text for a message. Only the beginning of a long text is shown, so that it does not fill the log.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 100;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

impl Context {
    /// Reads one word. `default` is the backend of a text that names none.
    ///
    /// # Errors
    /// The word is empty, holds a control character, is `unconfined`, or begins with the prefix of an
    /// LSM that this build does not offer.
    pub fn parse(word: &str, default: BackendName) -> Result<Self, ContextError> {
        if word.trim().is_empty() && !word.contains(char::is_control) {
            return Err(ContextError::Empty);
        }
        if let Some((at, character)) = word.char_indices().find(|(_, c)| c.is_control()) {
            return Err(ContextError::Control { word: excerpt(word), character, at: at + 1 });
        }
        if word == UNCONFINED {
            return Err(ContextError::Unconfined);
        }
        let (backend, text) = match split_prefix(word, Some(default))? {
            Some(named) => named,
            None if is_nearly_unconfined(word) => {
                return Err(ContextError::UnconfinedMisspelt { word: excerpt(word), default });
            }
            None => (default, word),
        };
        if text.trim().is_empty() {
            return Err(ContextError::PrefixAlone { backend });
        }
        Ok(Self { backend, text: text.into() })
    }

    /// Reads a context of this backend. No prefix can stand before it.
    ///
    /// # Errors
    /// As [`Context::parse`], apart from prefixes.
    pub fn of(backend: BackendName, text: &str) -> Result<Self, ContextError> {
        Self::parse(&format!("{backend}:{text}"), backend)
    }
}

/// Removes the prefix of a backend. `None` says that there is no prefix.
fn split_prefix(
    word: &str,
    default: Option<BackendName>,
) -> Result<Option<(BackendName, &str)>, ContextError> {
    let Some((prefix, text)) = word.split_once(':') else { return Ok(None) };
    if let Some(backend) = BackendName::parse(prefix) {
        return Ok(Some((backend, text)));
    }
    // Without this check `SELinux:dog` would be a security context of the SELinux user `SELinux`.
    if let Some(&backend) = BackendName::ALL.iter().find(|b| prefix.eq_ignore_ascii_case(b.as_str())) {
        return Err(ContextError::PrefixCase { word: excerpt(word), backend });
    }
    if let Some(lsm) = RESERVED.iter().find(|lsm| prefix.eq_ignore_ascii_case(lsm)) {
        return Err(ContextError::NotOffered { word: excerpt(word), lsm });
    }
    // `landlok:bob` would otherwise be a domain of SELinux's called `landlok`, and be found out on the first request, or
    // never where nobody asks that kernel.
    match misspelt(prefix, text) {
        Some(backend) => Err(ContextError::PrefixMisspelt {
            word: excerpt(word),
            written: excerpt(prefix),
            backend,
            default,
        }),
        None => Ok(None),
    }
}

/// The backend that `prefix` was probably meant to be, where `text` follows behind a colon. Names of SELinux's own say
/// by their end what they are (`landlock_t`, `landlock_u`), and so does a whole context, whose second part is a role.
fn misspelt(prefix: &str, text: &str) -> Option<BackendName> {
    let has_role = text.split_once(':').is_some_and(|(second, _)| second.ends_with("_r"));
    if has_role || prefix.ends_with("_t") || prefix.ends_with("_u") {
        return None;
    }
    nearest(prefix, BackendName::ALL.iter().map(|b| b.as_str())).and_then(BackendName::parse)
}

/// Whether somebody probably meant `unconfined`. (`unconfined_t` is a domain of SELinux's.)
fn is_nearly_unconfined(word: &str) -> bool {
    let others = word.eq_ignore_ascii_case(UNCONFINED) || nearest(word, [UNCONFINED]).is_some();
    others && word.starts_with(['u', 'U']) && !word.ends_with("_t")
}

/// Whether `word` is a prefix where a colon follows: the name of an LSM of this build or of later ones, in letters of
/// any case.
pub(crate) fn is_prefix(word: &str) -> bool {
    let known = BackendName::ALL.iter().map(|backend| backend.as_str()).chain(RESERVED.iter().copied());
    known.into_iter().any(|lsm| word.eq_ignore_ascii_case(lsm))
}

/// Removes the prefix of a backend from text that stands literally in a configuration. `None` says that there is no
/// prefix.
///
/// # Errors
/// The prefix is that of an LSM that this build does not support, or it is written in other letters.
pub fn literal_prefix(text: &str) -> Result<Option<(BackendName, &str)>, ContextError> {
    split_prefix(text, None)
}

impl ContextList {
    /// Reads the words of one rule. `unconfined` must stand alone.
    ///
    /// # Errors
    /// There is no word, one of them is not a context, one is repeated, or `unconfined` has company.
    pub fn parse<'a>(
        words: impl IntoIterator<Item = &'a str>,
        default: BackendName,
    ) -> Result<Self, ContextError> {
        Self::parse_indexed(words, default).map_err(|(_, error)| error)
    }

    /// Reads what [`fmt::Display`] made of contexts. A word that begins with the name of a backend and a colon begins a
    /// context, as the text of some backends has blanks in it (`tomoyo://dog //blog`, `apparmor:stack blog`).
    ///
    /// # Errors
    /// As [`ContextList::parse`].
    pub fn of_text(text: &str) -> Result<Self, ContextError> {
        let begins =
            |word: &str| word.split_once(':').is_some_and(|(prefix, _)| BackendName::parse(prefix).is_some());
        let mut contexts: Vec<String> = Vec::new();
        for word in text.split(' ') {
            match contexts.last_mut() {
                Some(last) if !begins(word) => {
                    last.push(' ');
                    last.push_str(word);
                }
                _ => contexts.push(word.to_owned()),
            }
        }
        Self::parse(contexts.iter().map(String::as_str), BackendName::SELINUX)
    }

    /// As [`ContextList::parse`]. The error also gives the number of the word at fault, from 0. Where a word is missing
    /// it is the number after the last.
    pub(crate) fn parse_indexed<'a>(
        words: impl IntoIterator<Item = &'a str>,
        default: BackendName,
    ) -> Result<Self, (usize, ContextError)> {
        let mut unconfined = false;
        let mut contexts: Vec<Context> = Vec::new();
        for (i, word) in words.into_iter().enumerate() {
            if unconfined || (word == UNCONFINED && i > 0) {
                return Err((i, ContextError::UnconfinedNotAlone));
            }
            if word == UNCONFINED {
                unconfined = true;
                continue;
            }
            let context = Context::parse(word, default).map_err(|e| (i, e))?;
            if contexts.contains(&context) {
                return Err((i, ContextError::Repeated { context }));
            }
            contexts.push(context);
        }
        match (unconfined, contexts.is_empty()) {
            (true, _) => Ok(Self::Unconfined),
            (false, true) => Err((0, ContextError::Missing)),
            (false, false) => Ok(Self::Contexts(contexts.into())),
        }
    }
}

#[cfg(test)]
mod tests;
