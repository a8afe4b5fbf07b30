//! Values in log lines.
//!
//! httpd writes a backslash before every backslash and every control character of a line, and leaves double quotes
//! unchanged (`ap_escape_errorlog_item`, server/util.c). A server that is built with `AP_UNSAFE_ERROR_LOG_UNESCAPED`
//! writes everything unchanged. So an escape with a backslash would be changed, and an escaped quote would end a quoted
//! value. These values need neither: all that could end a value or a line is written as in URLs, as `%` and two
//! hexadecimal digits.
//!
//! ```
//! use confine::field::Field;
//!
//! assert_eq!(Field(Some(b"alice")).to_string(), "alice");
//! assert_eq!(Field(Some(b"x rule=y")).to_string(), "x%20rule%3Dy");
//! assert_eq!(Field(None).to_string(), "-");
//! ```

use std::fmt::{self, Write as _};

/// The longest value, in bytes. A longer one is cut. All fields of a line then fit into httpd's 8192 bytes
/// (`MAX_STRING_LEN`), and a long path cannot push the fields behind it out of the line.
const MAX: usize = 1024;

/// Stands at the end of a value that was cut. No value contains it, because two digits follow each `%` of a value.
const CUT: &str = "%...";

/// A value in a log line, as one word. It is `-` if there is no value.
///
/// Letters, digits and most signs of ASCII are written unchanged. So is a backslash before a letter or a digit
/// (`EXAMPLE\alice`; the log has two). Every other byte is written as `%` and two digits. So is a `=` that would look
/// like the end of a field's name.
pub struct Field<'a>(pub Option<&'a [u8]>);

impl Field<'_> {
    /// The value, if a line has it byte for byte. This is usual, and such a value need not be formatted.
    ///
    /// ```
    /// use confine::field::Field;
    ///
    /// assert_eq!(Field(Some(b"alice")).as_it_is(), Some(&b"alice"[..]));
    /// assert_eq!(Field(Some(b"al ice")).as_it_is(), None);
    /// ```
    pub fn as_it_is(&self) -> Option<&[u8]> {
        self.0.filter(|bytes| {
            let is_word = !bytes.is_empty() && *bytes != b"-" && bytes.len() <= MAX;
            // There is no branch for each byte, because this runs for every request under a rule.
            is_word && bytes.iter().fold(true, |plain, &byte| plain & PLAIN[usize::from(byte)])
        })
    }
}

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None | Some(b"") => f.write_str("-"),
            // This is a value, and `-` alone means that there is none.
            Some(b"-") => f.write_str("%2D"),
            Some(bytes) => encode(f, bytes, MAX, |_| false),
        }
    }
}

/// Contexts in a log line. If they are one word, they are written as a [`Field`]. Otherwise they stand in double
/// quotes, with their blanks. Between the quotes there is neither a quote nor a backslash.
pub struct Words<'a>(pub Option<&'a str>);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(words) if words.contains(' ') => write!(f, "\"{}\"", Bare(words.as_bytes())),
            words => Field(words.map(str::as_bytes)).fmt(f),
        }
    }
}

/// Contexts in a place where they end without quotes. They are written as [`Words`] writes them between its quotes.
pub struct Bare<'a>(pub &'a [u8]);

impl fmt::Display for Bare<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.contains(&b' ') {
            return Field(Some(self.0)).fmt(f);
        }
        let mut inside = String::with_capacity(self.0.len());
        encode(&mut inside, self.0, 2 * MAX, |byte| b" <>".contains(&byte))?;
        f.write_str(&inside.replace('\\', "%5C"))
    }
}

/// Whether a byte is written unchanged at every place.
const PLAIN: [bool; 256] = {
    let signs = b"._/:@+~,*?&!$'()[];#-";
    let mut plain = [false; 256];
    let mut at = 0;
    while at < 256 {
        plain[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    at = 0;
    while at < signs.len() {
        plain[signs[at] as usize] = true;
        at += 1;
    }
    plain
};

/// Writes `bytes`. Those that are not plain are written as `%` and two digits.
///
/// For every request under a rule, values are written for its notes. Almost all bytes are plain, so runs of plain
/// bytes are written together.
fn encode(f: &mut impl fmt::Write, bytes: &[u8], max: usize, also_plain: fn(u8) -> bool) -> fmt::Result {
    let mut left = max;
    let mut at = 0;
    while at < bytes.len() {
        let plain = plain_run(bytes, at, also_plain);
        // All of it is ASCII.
        f.write_str(std::str::from_utf8(&plain[..plain.len().min(left)]).map_err(|_| fmt::Error)?)?;
        if plain.len() > left {
            return f.write_str(CUT);
        }
        left -= plain.len();
        at += plain.len();
        let Some(byte) = bytes.get(at) else { break };
        if left < 3 {
            return f.write_str(CUT);
        }
        write!(f, "%{byte:02X}")?;
        left -= 3;
        at += 1;
    }
    Ok(())
}

/// The bytes from `from` on that are written unchanged.
fn plain_run(bytes: &[u8], from: usize, also_plain: fn(u8) -> bool) -> &[u8] {
    let is_plain = |at: usize, byte: u8| {
        PLAIN[usize::from(byte)]
            || match byte {
                b'\\' => bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric),
                // A search for `user=root` must only find the field.
                b'=' => !ends_with_mark(&bytes[..=at]),
                _ => also_plain(byte),
            }
    };
    let length = bytes[from..].iter().enumerate().take_while(|&(i, &byte)| is_plain(from + i, byte)).count();
    &bytes[from..from + length]
}

/// The start of each line, and the names of its fields. No value of a line may look like one of them.
const MARKS: [&str; 6] = ["confine: ", "user=", "addr=", "vhost=", "rule=", "context="];

/// The text at the end of a log line. It says why, and what to do, and it may hold values of a request. No such value
/// can look like a field or like the start of a line, and none can end a quote.
///
/// A character that cannot be printed, or is not ASCII, is written as in a [`Field`]. So is an escaped quote (`\"`, as
/// `{:?}` of Rust writes it), and the last byte of a text that looks like the name of a field.
pub struct Reason<'a>(pub &'a str);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.as_bytes();
        let mut at = 0;
        loop {
            // A reason is written for every request that a pool serves. Nearly all of it is written as it is.
            let same = bytes[at..].iter().take_while(|byte| SAME_IN_REASONS[usize::from(**byte)]).count();
            f.write_str(&self.0[at..at + same])?;
            at += same;
            let Some(first) = self.0[at..].chars().next() else { return Ok(()) };
            at += first.len_utf8();
            match (first, bytes.get(at)) {
                ('\\', Some(b'"')) => {
                    f.write_str("%22")?;
                    at += 1;
                }
                ('\\', Some(b'\\')) => {
                    f.write_str("%5C")?;
                    at += 1;
                }
                ('=', _) if ends_with_mark(&bytes[..at]) => f.write_str("%3D")?,
                (':', Some(_)) if ends_with_mark(&bytes[..=at]) => f.write_str("%3A")?,
                (first, _) => printable(f, first)?,
            }
        }
    }
}

/// Whether a byte is written unchanged in every reason, whatever is around it.
const SAME_IN_REASONS: [bool; 256] = {
    let mut same = [false; 256];
    let mut at = b' ';
    while at <= b'~' {
        same[at as usize] = !matches!(at, b'\\' | b'=' | b':');
        at += 1;
    }
    same
};

fn ends_with_mark(bytes: &[u8]) -> bool {
    MARKS.iter().any(|mark| bytes.ends_with(mark.as_bytes()))
}

/// Writes a character that can be printed as it is, and any other as its bytes in UTF-8.
fn printable(f: &mut impl fmt::Write, c: char) -> fmt::Result {
    if c == ' ' || c.is_ascii_graphic() {
        return f.write_char(c);
    }
    c.encode_utf8(&mut [0; 4]).bytes().try_for_each(|byte| write!(f, "%{byte:02X}"))
}

/// A text without control characters. It is one line, whatever writes it, and it is shown in the order in which it is
/// written. (Unicode's marks of direction could change that order.)
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        // Writing to a String cannot fail.
        let _ = if c.is_control() || turns_text(c) { printable(&mut line, c) } else { line.write_char(c) };
    }
    line
}

/// Whether a character ends a line, or changes the direction of the text that follows (Unicode, UAX #9).
fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(text: &str) -> String {
        Field(Some(text.as_bytes())).to_string()
    }

    fn reason(text: &str) -> String {
        Reason(text).to_string()
    }

    #[test]
    fn a_value_is_one_word() {
        assert_eq!(field("/srv/a.map:3"), "/srv/a.map:3");
        assert_eq!(field("x rule=y"), "x%20rule%3Dy");
        assert_eq!(field("a\"b\n"), "a%22b%0A");
        assert_eq!(field("100%"), "100%25");
        assert_eq!(field("\u{e4}"), "%C3%A4");
        assert_eq!(Field(Some(b"\xFF")).to_string(), "%FF");
        assert_eq!(field("uid=alice,ou=people"), "uid=alice,ou=people");
    }

    #[test]
    fn a_name_of_a_windows_domain_stays_readable() {
        assert_eq!(field("EXAMPLE\\alice"), "EXAMPLE\\alice");
        assert_eq!(field("back\\"), "back%5C");
        assert_eq!(field("a\\\\\"b"), "a%5C%5C%22b");
    }

    #[test]
    fn no_value_is_a_dash_and_a_dash_is_not() {
        assert_eq!((field(""), Field(None).to_string()), ("-".to_owned(), "-".to_owned()));
        assert_eq!(field("-"), "%2D");
        assert_eq!(field("--"), "--");
    }

    #[test]
    fn a_long_value_is_cut() {
        assert_eq!(field(&"x".repeat(MAX)).len(), MAX);
        let cut = field(&"\"".repeat(8000));
        assert!(cut.len() <= MAX + CUT.len() && cut.ends_with("%22%..."), "{cut}");
    }

    #[test]
    fn several_contexts_stand_in_quotes() {
        let words = |text| Words(Some(text)).to_string();
        assert_eq!(words("landlock:a"), "landlock:a");
        assert_eq!(words("landlock:a selinux:b_t:s0"), "\"landlock:a selinux:b_t:s0\"");
        assert_eq!(words("a\" user=root \\b"), "\"a%22 user%3Droot %5Cb\"");
        assert_eq!(Words(None).to_string(), "-");
    }

    #[test]
    fn a_reason_holds_no_field() {
        assert_eq!(
            reason("the value \"x\\\" user=root context=y\" is none; use it"),
            "the value \"x%22 user%3Droot context%3Dy\" is none; use it"
        );
        assert_eq!(reason("a\nconfine: confined GET"), "a%0Aconfine%3A confined GET");
        assert_eq!(reason("\\u{1b} \\x \u{1b}\u{202e}"), "\\u{1b} \\x %1B%E2%80%AE");
        let plain = "add (typebounds httpd_t httpd_dog_t), or `* CONTEXT`; %{REMOTE_USER} is empty (EPERM)";
        assert_eq!(reason(plain), plain);
    }

    #[test]
    fn a_line_has_no_control_characters() {
        assert_eq!(one_line("a\n\u{1b}[1m\u{85}b"), "a%0A%1B[1m%C2%85b");
        assert_eq!(one_line("\u{e4}"), "\u{e4}");
        assert_eq!(one_line("a\u{202e}b"), "a%E2%80%AEb");
    }

    proptest! {
        /// Every value can be read back, and it ends where its field ends.
        #[test]
        fn any_value_reads_back(bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            let shown = Field(Some(&bytes)).to_string();
            prop_assert!(shown.bytes().all(|b| b.is_ascii_graphic() && b != b'"'), "{}", shown);
            if let Some(as_it_is) = Field(Some(&bytes)).as_it_is() {
                prop_assert_eq!(as_it_is, shown.as_bytes());
            }
            let mut read = Vec::new();
            let mut rest = shown.as_bytes();
            while let Some((first, behind)) = rest.split_first() {
                rest = behind;
                read.push(*first);
                if *first == b'%' {
                    let digits = std::str::from_utf8(&rest[..2]).expect("digits");
                    *read.last_mut().expect("a byte") = u8::from_str_radix(digits, 16).expect("digits");
                    rest = &rest[2..];
                }
            }
            prop_assert_eq!(read, bytes);
        }

        #[test]
        fn no_reason_holds_a_mark(parts in prop::collection::vec(
            prop_oneof![
                prop::sample::select(&MARKS[..]).prop_map(str::to_owned),
                prop::sample::select(&["us", "er=", "\\", "\"", "\n", " "][..]).prop_map(str::to_owned),
                any::<String>(),
            ], 0..8)) {
            let shown = reason(&parts.concat());
            prop_assert!(MARKS.iter().all(|mark| !shown.contains(mark)), "{}", shown);
            prop_assert!(shown.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "{}", shown);
            prop_assert!(!shown.contains("\\\""), "{}", shown);
        }
    }
}
