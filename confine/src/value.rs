//! Contexts that a request supplies, in part or as a whole: by a variable, an expression or a database's row.
//!
//! Which LSM they belong to stands in the configuration: in `ConfineBackend`, or literally in the directive. A
//! value is taken byte for byte, and it is one word: it names no backend and no exemption, holds no blank of any
//! kind, and goes no deeper than where the directive's own text puts it. Each backend says what a word is in its
//! notation ([`Backend::prepare_value`]); what holds for all of them is looked at here.
//!
//! [`Backend::prepare_value`]: crate::lsm::Backend::prepare_value
//!
//! ```
//! use confine::{
//!     BackendName,
//!     value::{Given, ValueError, of_backend},
//! };
//!
//! let tenant = of_backend(&Given::whole("tenant-a"), BackendName::LANDLOCK, false)?;
//! assert_eq!(tenant.text(), "tenant-a");
//! // A value never exempts a request.
//! let exemption = of_backend(&Given::whole("unconfined"), BackendName::LANDLOCK, false);
//! assert_eq!(exemption, Err(ValueError::Unconfined));
//! # Ok::<(), ValueError>(())
//! ```

use std::ops::Range;

use crate::context::{self, BackendName, Context, ContextError, UNCONFINED, excerpt};

/// The text of a context, without the prefix of a backend. A request supplied all its bytes or some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    text: String,
    /// The bytes that the request supplied, in their order. A part may be empty.
    parts: Vec<Range<usize>>,
}

impl Given {
    /// A text that the request supplied as a whole.
    pub fn whole(text: &str) -> Self {
        Self { text: text.to_owned(), parts: std::iter::once(0..text.len()).collect() }
    }

    /// Joins pieces. The `bool` before a piece says whether the request supplied it.
    pub fn join<'a>(pieces: impl IntoIterator<Item = (bool, &'a str)>) -> Self {
        let mut joined = Self { text: String::new(), parts: Vec::new() };
        for (is_value, piece) in pieces {
            let start = joined.text.len();
            joined.text.push_str(piece);
            if is_value {
                joined.parts.push(start..joined.text.len());
            }
        }
        joined
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the request supplied the whole text.
    pub fn is_whole(&self) -> bool {
        self.parts.iter().map(ExactSizeIterator::len).sum::<usize>() == self.text.len()
    }

    /// The places of the parts that the request supplied.
    pub fn parts(&self) -> &[Range<usize>] {
        &self.parts
    }

    /// Whether the request supplied any of these bytes.
    pub fn touches(&self, bytes: Range<usize>) -> bool {
        self.parts.iter().any(|part| part.start < bytes.end && bytes.start < part.end)
    }

    /// Whether a part that the request should supply is empty, beside text of the configuration.
    pub fn has_gap(&self) -> bool {
        !self.is_whole() && self.parts.iter().any(Range::is_empty)
    }

    /// The text without its first `length` bytes.
    fn behind(&self, length: usize) -> Self {
        let parts = self.parts.iter().map(|p| p.start.saturating_sub(length)..p.end.saturating_sub(length));
        Self { text: self.text[length..].to_owned(), parts: parts.collect() }
    }
}

/// Why a value is not a context. In none of these cases the next rule is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// It is not UTF-8.
    #[error("it is not UTF-8; contexts are plain text")]
    NotText,
    /// It is `unconfined`, in letters of any case.
    #[error("only a configuration or a map may say `unconfined`; write it there, or give a context")]
    Unconfined,
    /// It begins with the prefix of a backend.
    #[error(
        "a value may not name a backend, the configuration alone does: it is {backend} here; take \"{prefix}:\" out of \
         the value, and where another backend is meant write it in the directive before the value, or in ConfineBackend"
    )]
    NamesBackend {
        /// The text before the colon.
        prefix: String,
        /// The backend of the directive.
        backend: BackendName,
    },
    /// It holds a blank, a control character, or a character that cannot be seen.
    #[error(
        "it holds U+{:04X}, {}, at byte {at}; a value is one word and is taken as it is, byte for byte: remove it from \
         the value",
        u32::from(*.character),
        kind(*.character)
    )]
    Blank {
        /// The character.
        character: char,
        /// Its place in the whole text, in bytes from 1.
        at: usize,
    },
    /// Another reason why the text is not a context.
    #[error(transparent)]
    Context(#[from] ContextError),
}

/// The kind of a character that a value may not hold.
fn kind(character: char) -> &'static str {
    match character {
        c if c.is_control() => "a control character",
        c if c.is_whitespace() => "a blank",
        _ => "a character that cannot be seen",
    }
}

/// Whether a character is a blank, a control character, or one that cannot be seen: White_Space, Cc, Cf and the rest of
/// Default_Ignorable_Code_Point (Unicode 16, PropList.txt and DerivedCoreProperties.txt). With such characters two
/// different names could look alike.
pub fn is_blank(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control() || c == ' ';
    }
    c.is_whitespace()
        || c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}'
            | '\u{890}'..='\u{891}' | '\u{8E2}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Reads `given` as a context of the directive's backend. `named` says that the prefix of this backend stands literally
/// before it. If it does not, the value may begin with the same prefix, which changes nothing.
///
/// # Errors
/// The value is not exactly one word of that backend.
pub fn of_backend(given: &Given, backend: BackendName, named: bool) -> Result<Given, ValueError> {
    if given.text.eq_ignore_ascii_case(UNCONFINED) {
        return Err(ValueError::Unconfined);
    }
    let mut rest = given.clone();
    if let Some((prefix, _)) = given.text.split_once(':').filter(|(prefix, _)| context::is_prefix(prefix)) {
        if prefix != backend.as_str() || named {
            return Err(ValueError::NamesBackend { prefix: excerpt(prefix), backend });
        }
        rest = given.behind(prefix.len() + 1);
    }
    for part in &given.parts {
        if let Some((at, character)) = given.text[part.clone()].char_indices().find(|(_, c)| is_blank(*c)) {
            return Err(ValueError::Blank { character, at: part.start + at + 1 });
        }
    }
    Context::of(backend, &rest.text)?;
    Ok(rest)
}

/// A part of a string expression, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stretch<'a> {
    /// Literal text without escapes.
    Plain(&'a str),
    /// Literal text with escapes, which the compiler of expressions reads. A request supplies nothing of it.
    Escaped(&'a str),
    /// A value of the request, with `%{` and `}`.
    Value(&'a str),
}

/// Splits a string expression (ap_expr). A value of the request begins with `%{`, unless a backslash stands before it
/// (httpd: server/util_expr_scan.l, the state `str`). All other text is literal. Braces can nest, so a value inside a
/// value belongs to one part. Where a brace is not closed, the part goes to the end, and the compiler reports the
/// error.
pub fn stretches(text: &str) -> Vec<Stretch<'_>> {
    let bytes = text.as_bytes();
    let (mut found, mut start, mut at, mut escaped) = (Vec::new(), 0, 0, false);
    let literal = |found: &mut Vec<_>, from: usize, to: usize, escaped: bool| {
        if from < to {
            let text = &text[from..to];
            found.push(if escaped { Stretch::Escaped(text) } else { Stretch::Plain(text) });
        }
    };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => (escaped, at) = (true, at + 2),
            // A back reference has nothing to refer to here, but it is not a dollar sign either.
            b'$' if bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => (escaped, at) = (true, at + 2),
            b'%' if bytes.get(at + 1) == Some(&b'{') => {
                literal(&mut found, start, at, escaped);
                let end = at + value_length(&bytes[at..]);
                found.push(Stretch::Value(&text[at..end]));
                (start, at, escaped) = (end, end, false);
            }
            _ => at += 1,
        }
    }
    literal(&mut found, start, bytes.len(), escaped);
    found
}

/// The length of the value at the start of `bytes`, with its closing brace.
fn value_length(bytes: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests;
