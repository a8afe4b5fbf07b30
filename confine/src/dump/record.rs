//! One line: a kind, and named values. Any bytes are good, as escapes keep them on their line.

use std::fmt::{self, Write as _};

use crate::Origin;

/// What every line begins with, so that it is known among what other modules print.
const PREFIX: &str = "confine.";

/// A kind and its named values, in order. A name may occur more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    kind: String,
    fields: Vec<(String, Vec<u8>)>,
}

/// A record that is not as the module writes it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A field is missing, or is no such value.
    #[error(
        "the record {kind:?} has no usable {field:?}; the module and confinectl are of different versions, install \
         both from one build"
    )]
    Field {
        /// The record's kind.
        kind: String,
        /// The field.
        field: &'static str,
    },
    /// The last record is missing.
    #[error("the description is cut short")]
    CutShort,
    /// There is none.
    #[error("the server printed no description")]
    Missing,
}

impl Record {
    /// A record without fields.
    pub fn new(kind: &str) -> Self {
        Self { kind: kind.to_owned(), fields: Vec::new() }
    }

    /// With one field more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// With one field more, if there is a value.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<impl AsRef<[u8]>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With a field for each value.
    #[must_use]
    pub fn each<T: AsRef<[u8]>>(self, name: &str, values: impl IntoIterator<Item = T>) -> Self {
        values.into_iter().fold(self, |record, value| record.with(name, value))
    }

    /// With a place in two fields.
    #[must_use]
    pub fn at(self, origin: &Origin) -> Self {
        self.with("file", origin.file.as_os_str().as_encoded_bytes()).with("line", origin.line.to_string())
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The first value of this name.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The first value of this name as text; what is not UTF-8 is replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        self.bytes(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Every value of this name.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let name = name.to_owned();
        self.fields.iter().filter(move |(n, _)| *n == name).map(|(_, value)| value.as_slice())
    }

    /// Every value of this name as text.
    pub fn texts(&self, name: &str) -> Vec<String> {
        self.all(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// The value of a field that must be there.
    pub fn need<T: std::str::FromStr>(&self, field: &'static str) -> Result<T, RecordError> {
        let value = self.bytes(field).and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse().ok());
        value.ok_or_else(|| self.bad(field))
    }

    /// The place that [`Record::at`] wrote, if it did.
    pub fn origin(&self) -> Option<Origin> {
        Some(Origin::new(self.text("file")?, self.text("line")?.parse().ok()?))
    }

    /// The place that must be there.
    pub fn need_origin(&self) -> Result<Origin, RecordError> {
        self.origin().ok_or_else(|| self.bad("line"))
    }

    /// The error that a field is not usable.
    pub fn bad(&self, field: &'static str) -> RecordError {
        RecordError::Field { kind: self.kind.clone(), field }
    }

    /// Reads one line; `None` where it is none of these.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix(PREFIX)?.split('\t');
        let kind = words.next().filter(|kind| !kind.is_empty())?.to_owned();
        let field = |word: &str| {
            let (name, value) = word.split_once('=')?;
            Some((name.to_owned(), unescape(value)?))
        };
        Some(Self { kind, fields: words.map(field).collect::<Option<_>>()? })
    }
}

impl fmt::Display for Record {
    /// The line, without its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.kind)?;
        for (name, value) in &self.fields {
            write!(f, "\t{name}=")?;
            escape(value, f)?;
        }
        Ok(())
    }
}

/// UTF-8 text as it is, but for control characters and backslashes; other bytes as `\xHH`.
fn escape(value: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                c if c.is_control() => {
                    let mut bytes = [0; 4];
                    c.encode_utf8(&mut bytes).bytes().try_for_each(|b| write!(f, "\\x{b:02x}"))?;
                }
                c => f.write_char(c)?,
            }
        }
        chunk.invalid().iter().try_for_each(|b| write!(f, "\\x{b:02x}"))?;
    }
    Ok(())
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        out.extend_from_slice(plain.as_bytes());
        if let Some(after) = escaped.strip_prefix('\\') {
            out.push(b'\\');
            rest = after;
        } else {
            let digits = escaped.strip_prefix('x')?.get(..2)?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &escaped[3..];
        }
    }
    out.extend_from_slice(rest.as_bytes());
    Some(out)
}
