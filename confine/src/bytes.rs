//! Bytes in JSON. JSON can only hold text, and the names of files and users need not be text.

use std::{
    fmt::{self, Write},
    ops::Deref,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Any bytes. As JSON they are a string: UTF-8 as it is, every other byte as `\xHH`, and a backslash as two.
///
/// ```
/// use confine::bytes::Bytes;
///
/// let name = Bytes::from(b"caf\xe9".to_vec());
/// assert_eq!(serde_json::to_string(&name).unwrap(), r#""caf\\xe9""#);
/// assert_eq!(serde_json::from_str::<Bytes>(r#""caf\\xe9""#).unwrap(), name);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bytes(Vec<u8>);

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Bytes {
    /// The string that stands for these bytes in JSON, before JSON's own escapes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                if c == '\\' { f.write_str("\\\\")? } else { f.write_char(c)? }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

impl Bytes {
    /// Reads the form that [`Bytes`] displays. `None` says that a backslash does not begin an escape.
    fn read(text: &str) -> Option<Self> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((plain, escaped)) = rest.split_once('\\') {
            bytes.extend_from_slice(plain.as_bytes());
            rest = if let Some(behind) = escaped.strip_prefix('\\') {
                bytes.push(b'\\');
                behind
            } else {
                let digits = escaped.strip_prefix('x')?.get(..2)?;
                // `from_str_radix` would also accept a sign.
                let digits = Some(digits).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                &escaped[3..]
            };
        }
        bytes.extend_from_slice(rest.as_bytes());
        Some(Self(bytes))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| D::Error::custom("a backslash that begins no escape"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives() {
        let bytes = Bytes::from((0..=255).collect::<Vec<u8>>());
        let json = serde_json::to_string(&bytes).expect("JSON");
        assert_eq!(serde_json::from_str::<Bytes>(&json).expect("bytes"), bytes);
        for text in ["日本\u{85}\u{1b}", "\\x00", "\\\\", ""] {
            let bytes = Bytes::from(text.as_bytes());
            assert_eq!(Bytes::read(&bytes.to_string()), Some(bytes), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_escape_is_refused() {
        for bad in ["\\", "\\x", "\\x4", "\\xgg", "\\x+1", "\\n", "\\xé"] {
            assert_eq!(Bytes::read(bad), None, "{bad:?}");
        }
    }
}
