//! From bytes to the words of one line. This file knows the form of a line, but not what its words mean.

use std::borrow::Cow;

use super::{MAX_LINE, error::LineError, progress::Progress};

/// A fault and its place in the line.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::map) struct LineFault {
    /// The offset in the line, in bytes from 0.
    pub at: usize,
    /// What is wrong there.
    pub problem: LineError,
}

impl LineFault {
    /// `problem` at offset `at`.
    pub fn new(at: usize, problem: LineError) -> Self {
        Self { at, problem }
    }
}

/// A word of a line.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::map) struct Word<'a> {
    /// The word without its quotes.
    pub text: Cow<'a, str>,
    /// The offset of its first byte, or of its quote, in the line.
    pub start: usize,
    /// The offset behind its last byte, or behind its quote.
    pub end: usize,
}

/// The lines of a file with their numbers from 1. They have no line ends (LF or CRLF), and no byte order mark, which
/// some editors put first. `bytes` is at most 1 GiB, so a `u32` can count its lines.
pub(in crate::map) fn lines(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    (1..).zip(bytes.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)))
}

/// As [`lines`], and it tells `progress` from time to time.
pub(in crate::map) fn watched_lines<'b>(
    bytes: &'b [u8],
    progress: &Progress,
) -> impl Iterator<Item = (u32, &'b [u8])> {
    let mut untold = 0;
    lines(bytes).inspect(move |(line, raw)| {
        untold += raw.len() as u64 + 1;
        if line % 1024 == 0 {
            progress.advance(std::mem::take(&mut untold));
        }
    })
}

/// Puts the words of a line, up to its comment, into `words`, in place of what was there.
pub(in crate::map) fn split<'a>(line: &'a [u8], words: &mut Vec<Word<'a>>) -> Result<&'a str, LineFault> {
    words.clear();
    let line = text(line)?;
    let mut from = 0;
    while let Some(word) = next_word(line, from)? {
        from = word.end;
        words.push(word);
    }
    Ok(line)
}

/// A line as text. Comments must be text, too. A NUL or a single carriage return means that the file is not what it
/// seems, and it could hide rules.
fn text(line: &[u8]) -> Result<&str, LineFault> {
    if line.len() > MAX_LINE {
        return Err(LineFault::new(MAX_LINE, LineError::TooLong));
    }
    let text = std::str::from_utf8(line).map_err(|e| {
        let at = e.valid_up_to();
        LineFault::new(at, LineError::NotUtf8 { byte: line.get(at).copied().unwrap_or(0) })
    })?;
    if !line.contains(&0) && !line.contains(&b'\r') {
        return Ok(text);
    }
    match line.iter().position(|&b| b == 0 || b == b'\r') {
        None => Ok(text),
        Some(at) if line.get(at) == Some(&0) => Err(LineFault::new(at, LineError::Nul)),
        Some(at) => Err(LineFault::new(at, LineError::CarriageReturn)),
    }
}

/// Whether a byte separates words.
fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Whether a character looks like a blank, or cannot be seen.
pub(in crate::map) fn is_invisible(c: char) -> bool {
    !c.is_ascii()
        && (c.is_whitespace() || matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}'))
}

/// The first word that begins at `from` or later. `from` is the start of the line or the end of a word.
fn next_word(line: &str, from: usize) -> Result<Option<Word<'_>>, LineFault> {
    let bytes = line.as_bytes();
    let rest = bytes.get(from..).unwrap_or_default();
    let Some(start) = rest.iter().position(|&b| !is_blank(b)).map(|skipped| from + skipped) else {
        return Ok(None);
    };
    let rest = bytes.get(start..).unwrap_or_default();
    if rest.starts_with(b"#") {
        return Ok(None);
    }
    let stop = rest.iter().position(|&b| is_blank(b) || b == b'"').map_or(bytes.len(), |n| start + n);
    let plain = line.get(start..stop).unwrap_or_default();
    check_characters(plain, start, true)?;
    if bytes.get(stop) != Some(&b'"') {
        return Ok(Some(Word { text: Cow::Borrowed(plain), start, end: stop }));
    }
    if !plain.is_empty() && !plain.ends_with(':') {
        return Err(LineFault::new(stop, LineError::StrayQuote));
    }
    let (quoted, end) = quoted(line, stop)?;
    if bytes.get(end).is_some_and(|&b| !is_blank(b)) {
        return Err(LineFault::new(end, LineError::AfterQuote));
    }
    let text = if plain.is_empty() { quoted } else { Cow::Owned(format!("{plain}{quoted}")) };
    Ok(Some(Word { text, start, end }))
}

/// The text between the quote at `open` and the quote that closes it, and the offset behind that.
fn quoted(line: &str, open: usize) -> Result<(Cow<'_, str>, usize), LineFault> {
    let inner = line.get(open + 1..).unwrap_or_default();
    let mut escaped = false;
    let mut escapes = 0;
    for (i, byte) in inner.bytes().enumerate() {
        match (escaped, byte) {
            (true, b'"' | b'\\') => escaped = false,
            (true, _) => return Err(LineFault::new(open + i, LineError::Escape)),
            (false, b'\\') => {
                escaped = true;
                escapes += 1;
            }
            (false, b'"') => {
                let raw = inner.get(..i).unwrap_or_default();
                check_characters(raw, open + 1, false)?;
                let text = if escapes == 0 { Cow::Borrowed(raw) } else { Cow::Owned(unescape(raw)) };
                return Ok((text, open + 1 + i + 1));
            }
            (false, _) => {}
        }
    }
    Err(LineFault::new(open, LineError::OpenQuote))
}

/// Removes the backslash of each escape. Each backslash in `raw` begins one.
fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.extend(chars.next()),
            c => text.push(c),
        }
    }
    text
}

/// Refuses control characters. In a word without quotes it also refuses characters that cannot be seen.
fn check_characters(text: &str, offset: usize, bare: bool) -> Result<(), LineFault> {
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    for (at, character) in text.char_indices() {
        if character.is_control() {
            return Err(LineFault::new(offset + at, LineError::Control { character }));
        }
        if bare && is_invisible(character) {
            return Err(LineFault::new(offset + at, LineError::Invisible { character }));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a line, or the column (from 1) and the text of what is wrong.
    fn words(line: &[u8]) -> Result<Vec<String>, (usize, String)> {
        let mut words = Vec::new();
        match split(line, &mut words) {
            Ok(_) => Ok(words.into_iter().map(|w| w.text.into_owned()).collect()),
            Err(fault) => Err((fault.at + 1, fault.problem.to_string())),
        }
    }

    fn ok(line: &str) -> Vec<String> {
        words(line.as_bytes()).expect("words")
    }

    fn error(line: &[u8]) -> (usize, String) {
        words(line).expect_err("an error")
    }

    #[test]
    fn lines_end_in_lf_or_crlf_or_with_the_file() {
        let all = |bytes| lines(bytes).map(|(n, l)| (n, l.to_vec())).collect::<Vec<_>>();
        assert_eq!(all(b"a\r\nb\nc"), [(1, b"a".to_vec()), (2, b"b".to_vec()), (3, b"c".to_vec())]);
        assert_eq!(all(b"\xEF\xBB\xBFa"), [(1, b"a".to_vec())]);
    }

    #[test]
    fn words_stand_between_blanks() {
        assert_eq!(ok("alice  a:b\tc "), ["alice", "a:b", "c"]);
        assert_eq!(ok(" \t alice x"), ["alice", "x"]);
        assert_eq!(ok(""), Vec::<String>::new());
        assert_eq!(ok("日本 \\x"), ["日本", "\\x"]);
    }

    #[test]
    fn a_comment_begins_a_line_or_follows_a_blank() {
        assert_eq!(ok("# all \" of it"), Vec::<String>::new());
        assert_eq!(ok("  #x"), Vec::<String>::new());
        assert_eq!(ok("a b#c # d"), ["a", "b#c"]);
        assert_eq!(ok("a \"b #c\" #\u{1}\u{a0}"), ["a", "b #c"]);
        assert_eq!(ok("\"#a\" b"), ["#a", "b"]);
    }

    #[test]
    fn quotes_hold_blanks_and_escapes() {
        assert_eq!(ok(r#""John Smith" x"#), ["John Smith", "x"]);
        assert_eq!(ok(r#"user:"John Smith" x"#), ["user:John Smith", "x"]);
        assert_eq!(ok(r#""a\"b\\c" "" x"#), ["a\"b\\c", "", "x"]);
        assert_eq!(ok("\"a\u{a0}b\""), ["a\u{a0}b"]);
    }

    #[test]
    fn the_words_places_are_those_of_the_line() {
        let mut words = Vec::new();
        split(b"  a \"b c\" # d", &mut words).expect("words");
        assert_eq!(words.iter().map(|w| (w.start, w.end)).collect::<Vec<_>>(), [(2, 3), (4, 9)]);
    }

    #[test]
    fn every_bad_line_has_its_answer() {
        let long = vec![b'x'; MAX_LINE + 1];
        for (line, column, text) in [
            (&b"a \xFFb"[..], 3, "the byte 0xFF is not UTF-8 here; save the file in UTF-8"),
            (b"\xFF\xFEa\0", 1, "the byte 0xFF is not UTF-8 here; save the file in UTF-8"),
            (b"a b # \xC3", 7, "the byte 0xC3 is not UTF-8 here; save the file in UTF-8"),
            (b"a\0b", 2, "there is a NUL byte; a map is plain text in UTF-8, save it as such"),
            (b"#\0", 2, "there is a NUL byte; a map is plain text in UTF-8, save it as such"),
            (b"# old\ralice x", 6, "there is a carriage return inside the line; end lines with LF or CRLF"),
            (b"a \x1b[1m", 3, "there is the control character U+001B; remove it"),
            (b"a \"b\tc\"", 5, "there is the control character U+0009; remove it"),
            (
                "alice\u{a0}x".as_bytes(),
                6,
                "there is the invisible character U+00A0, which separates no words; \
                 type a blank instead, or put a word that shall hold it in double quotes",
            ),
            (b"a \"b c", 3, "the double quote that opens here is not closed on this line; close it"),
            (b"a \"b\\\"", 3, "the double quote that opens here is not closed on this line; close it"),
            (
                b"al\"ice x",
                3,
                "there is a double quote inside a word; put the whole word in double quotes and write \\\" \
                 for a quote that belongs to it",
            ),
            (
                b"\"a\"b x",
                4,
                "the word goes on after its closing double quote; put a blank there, or the rest inside the quotes",
            ),
            (
                b"\"DOG\\bob\" x",
                5,
                "in double quotes a backslash stands before \\ or \" only; write \\\\ for a backslash",
            ),
            (
                &long,
                MAX_LINE + 1,
                "the line is longer than 64 KiB; a rule is one subject and its contexts, is a line end missing?",
            ),
        ] {
            assert_eq!(error(line), (column, text.to_owned()), "{:?}", String::from_utf8_lossy(line));
        }
        assert_eq!(ok(&"x".repeat(MAX_LINE)).len(), 1);
    }
}
