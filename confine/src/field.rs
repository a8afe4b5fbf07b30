//! Values in log lines.

use std::fmt;

/// A value in a log line: `-` where there is none, and in double quotes with escapes where it holds anything
/// but plain characters, so that no name can forge another field.
pub struct Field<'a>(pub Option<&'a [u8]>);

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"._/:@%+~,*?=&!$'()[];#-".contains(b);
        match self.0 {
            None | Some(b"") => f.write_str("-"),
            Some(bytes) if bytes.iter().all(plain) => f.write_str(&String::from_utf8_lossy(bytes)),
            Some(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_pass_for_another_field() {
        let shown = |text: &str| Field(Some(text.as_bytes())).to_string();
        assert_eq!(shown("/srv/a.map:3"), "/srv/a.map:3");
        assert_eq!(shown("x rule=y"), "\"x rule=y\"");
        assert_eq!(shown("a\"b\n"), "\"a\\\"b\\n\"");
        assert_eq!(shown(""), "-");
        assert_eq!(Field(None).to_string(), "-");
    }
}
