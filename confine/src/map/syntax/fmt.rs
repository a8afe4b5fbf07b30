//! The one layout of all maps (`confinectl map fmt`). It changes no word, but only the blanks between words.
//!
//! - One blank stands between words. A paragraph is a run of lines without an empty line. In a paragraph all contexts
//!   begin in one column, if that is at most [`WIDEST`]. Behind a longer subject there is one blank.
//! - Two blanks stand before a comment behind a rule. A line that is a comment begins with its `#`.
//! - No line ends in blanks. One empty line stands between paragraphs, and none at the start or the end.
//! - Lines end in LF, and there is no byte order mark.

use std::fmt::Write;

use super::{parse, progress::Progress};

/// The widest subject that others are aligned with, in characters.
const WIDEST: usize = 32;

/// A line of a map, cut into words that keep their quotes.
struct Line<'a> {
    /// The words, with their quotes.
    words: Vec<&'a str>,
    comment: Option<&'a str>,
}

/// `text` in the layout of all maps. `text` is a valid map. `progress` advances by its size.
pub fn layout(text: &str, progress: &Progress) -> String {
    let mut laid_out = String::with_capacity(text.len());
    let mut paragraph: Vec<Line<'_>> = Vec::new();
    for (_, line) in parse::watched_lines(text.as_bytes(), progress) {
        let line = cut(std::str::from_utf8(line).unwrap_or_default());
        if line.words.is_empty() && line.comment.is_none() {
            put_paragraph(&paragraph, &mut laid_out);
            paragraph.clear();
        } else {
            paragraph.push(line);
        }
    }
    put_paragraph(&paragraph, &mut laid_out);
    laid_out
}

fn put_paragraph(paragraph: &[Line<'_>], out: &mut String) {
    if !out.is_empty() && !paragraph.is_empty() {
        out.push('\n');
    }
    let widths = paragraph.iter().filter_map(|l| l.words.first()).map(|w| w.chars().count());
    let column = widths.filter(|w| *w <= WIDEST).max().unwrap_or(0);
    for line in paragraph {
        put(line, column, out);
    }
}

fn put(line: &Line<'_>, column: usize, out: &mut String) {
    if let Some((subject, contexts)) = line.words.split_first() {
        // Writing to a string does not fail.
        let _ = write!(out, "{subject:<column$} {}", contexts.join(" "));
    }
    if let Some(comment) = line.comment {
        out.push_str(if line.words.is_empty() { "" } else { "  " });
        out.push_str(comment);
    }
    out.push('\n');
}

/// Cuts a line as [`parse`] does: a quote may hold blanks, and in quotes a backslash belongs to the character behind
/// it. The words keep their quotes, which the parser removes.
fn cut(line: &str) -> Line<'_> {
    let blank = |c: char| c == ' ' || c == '\t';
    let mut rest = line.trim_matches(blank);
    let mut words = Vec::new();
    while !rest.is_empty() {
        if rest.starts_with('#') {
            return Line { words, comment: Some(rest) };
        }
        let (mut in_quotes, mut escaped) = (false, false);
        let end = rest.find(|c| {
            match c {
                _ if escaped => escaped = false,
                '\\' if in_quotes => escaped = true,
                '"' => in_quotes = !in_quotes,
                c => return blank(c) && !in_quotes,
            }
            false
        });
        let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
        words.push(word);
        rest = behind.trim_start_matches(blank);
    }
    Line { words, comment: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(text: &str) -> String {
        super::layout(text, &Progress::default())
    }

    #[test]
    fn contexts_of_a_paragraph_begin_in_one_column() {
        let text = "\u{FEFF}\n\n  # who\t\nalice\tlandlock:a   b\r\n10.0.0.0/8 c # lan \n\n\n\n* unconfined";
        let expected = "# who\nalice      landlock:a b\n10.0.0.0/8 c  # lan\n\n* unconfined\n";
        assert_eq!(layout(text), expected);
        assert_eq!(layout(expected), expected);
    }

    #[test]
    fn a_long_subject_moves_no_other() {
        let long = "path:/srv/www/a-folder/of/many/letters/**";
        let text = format!("a x\n{long}    y\nbob z\n");
        assert_eq!(layout(&text), format!("a   x\n{long} y\nbob z\n"));
    }

    #[test]
    fn words_stay_as_they_are_written() {
        let first = r#"user:"John  \" # Smith""#;
        let text = format!("{first}   \"landlock:a\"\nb#c d#e  #f\n");
        let expected = format!("{first} \"landlock:a\"\n{:23} d#e  #f\n", "b#c");
        assert_eq!(layout(&text), expected);
        assert_eq!(layout(&expected), expected);
    }

    #[test]
    fn a_carriage_return_at_the_very_end_is_a_line_end() {
        assert_eq!(layout("a x\r"), "a x\n");
    }

    #[test]
    fn a_file_without_lines_stays_empty() {
        assert_eq!(layout(""), "");
        assert_eq!(layout(" \n\t\n"), "");
    }
}
