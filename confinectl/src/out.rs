//! The only way to the terminal. What others wrote (names of files and hosts, lines of maps, the words of httpd) is
//! shown, and the terminal never obeys it.
//!
//! All output goes through [`Out`], and all error messages go through [`complain`]. Both show these as escapes:
//! control characters, characters that cannot be seen or that change the direction of text, and bytes that are not
//! UTF-8. Colours are the exception: [`paint`] marks them with a number that is new in each run, so no file can
//! contain it.

use std::{
    fmt::{self, Display, Write as _},
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, IsTerminal, Write},
    path::Path,
    sync::OnceLock,
};

use anstyle::Style;
use serde_json::Value;

use crate::term;

/// The characters before and after the mark of a style. Unicode reserves both for the internal use of programs.
const BEGIN: char = '\u{FDD0}';
const END: char = '\u{FDD1}';

/// Standard output.
pub struct Out<W: Write> {
    inner: W,
    to_terminal: bool,
}

impl Out<io::BufWriter<io::StdoutLock<'static>>> {
    /// Standard output of this process.
    pub fn standard() -> Self {
        let out = io::stdout();
        let to_terminal = out.is_terminal();
        Self { inner: io::BufWriter::new(out.lock()), to_terminal }
    }
}

impl<W: Write> Out<W> {
    /// Another writer, for tests.
    #[cfg(test)]
    pub fn to(inner: W) -> Self {
        Self { inner, to_terminal: true }
    }

    /// The writer.
    #[cfg(test)]
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// Writes the content of a file that is to be made. It is written unchanged, but not to a terminal.
    pub fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.to_terminal {
            return self.inner.write_all(bytes);
        }
        self.inner.write_all(clean(bytes, false).as_bytes())
    }

    /// Writes JSON.
    pub fn json(&mut self, value: &Value) -> io::Result<()> {
        self.inner.write_all(format!("{}\n", json(value)).as_bytes())
    }
}

impl<W: Write> Write for Out<W> {
    /// Takes whole characters, because the macros of the standard library write whole pieces of text.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A line ends at the end of a piece of text. A line end inside of a piece is part of somebody's name.
        let (text, end) = bytes.strip_suffix(b"\n").map_or((bytes, ""), |text| (text, "\n"));
        self.inner.write_all(clean(text, true).replace('\n', "\\n").as_bytes())?;
        self.inner.write_all(end.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes one line to standard error. If that is closed, only the exit status is left.
pub fn complain(text: &dyn Display) {
    let _ = writeln!(io::stderr(), "{}", one_line(&text.to_string()));
}

/// The message of the command line's parser, on one line, and where to read on. It quotes what was typed, and it has
/// several lines. So the parser runs once more with words that are escaped already.
pub fn usage(error: &clap::Error, command: clap::Command) -> String {
    let words: Vec<_> = std::env::args_os().map(|word| one_line(&word.to_string_lossy())).collect();
    let help = help_for(&command, &words);
    let text = match command.try_get_matches_from(words) {
        Err(again) => clean(again.render().to_string().as_bytes(), false),
        Ok(_) => one_line(&error.render().to_string()),
    };
    format!("{}; see {help}", joined(text.strip_prefix("error: ").unwrap_or(&text)))
}

/// The help of the command that these words name.
fn help_for(command: &clap::Command, words: &[String]) -> String {
    let mut name = command.get_name().to_owned();
    let mut command = command;
    for word in words.iter().skip(1) {
        let Some(below) = command.find_subcommand(word) else { break };
        name = format!("{name} {word}");
        command = below;
    }
    format!("{name} --help")
}

/// The lines of a complaint as one: what is listed below a colon belongs to it, what stands apart is a remedy. The
/// synopsis goes, because the help has it whole.
fn joined(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines = lines.take_while(|line| !["Usage: ", "For more"].iter().any(|end| line.starts_with(end)));
    lines.fold(String::new(), |said, line| match line.strip_prefix("tip: ") {
        _ if said.is_empty() => line.to_owned(),
        Some(tip) => format!("{said}; {tip}"),
        None => format!("{said} {line}"),
    })
}

/// A file's name, on one line.
pub fn shown(path: &Path) -> String {
    one_line(&path.display().to_string())
}

/// A text as one line.
pub fn one_line(text: &str) -> String {
    clean(text.as_bytes(), false).replace('\n', "\\n")
}

/// A text in this style, if standard output takes colours.
pub fn paint(style: Style, text: &str) -> String {
    if !term::colors() {
        return text.to_owned();
    }
    let mark = |sequence: String| format!("{BEGIN}{}{}{END}", token(), sequence.trim_start_matches('\u{1b}'));
    format!("{}{text}{}", mark(style.render().to_string()), mark(style.render_reset().to_string()))
}

/// JSON without characters that a terminal would obey.
fn json(value: &Value) -> String {
    let text = format!("{value:#}");
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || !is_unseen(c) {
            shown.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown
}

/// The mark of the styles of this run.
fn token() -> &'static str {
    static TOKEN: OnceLock<String> = OnceLock::new();
    TOKEN.get_or_init(|| format!("{:016x}", RandomState::new().build_hasher().finish()))
}

fn clean(bytes: &[u8], styles: bool) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(c) = rest.chars().next() {
            if let Some((sequence, behind)) = style(rest).filter(|_| styles) {
                shown.push('\u{1b}');
                shown.push_str(sequence);
                rest = behind;
                continue;
            }
            rest = &rest[c.len_utf8()..];
            let _ = show(&mut shown, c);
        }
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02X}");
        }
    }
    shown
}

fn show(out: &mut impl fmt::Write, c: char) -> fmt::Result {
    if c == '\n' || !is_unseen(c) { out.write_char(c) } else { write!(out, "{}", c.escape_unicode()) }
}

/// Reads a style that [`paint`] wrote. The result is the style and the rest of the text.
fn style(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix(BEGIN)?.strip_prefix(token())?.split_once(END)
}

/// Whether a character does something else than to be visible at its place.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FDD0}'..='\u{FDEF}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{FFFE}' | '\u{FFFF}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use anstyle::AnsiColor;

    use super::*;

    fn written(text: &[u8]) -> String {
        let mut out = Out { inner: Vec::new(), to_terminal: true };
        out.write_all(text).expect("written");
        String::from_utf8(out.inner).expect("UTF-8")
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(written("a\u{1b}[2J\r\u{9b}8m\n".as_bytes()), "a\\u{1b}[2J\\u{d}\\u{9b}8m\n");
        assert_eq!(written("\u{202e}txt\u{200b}".as_bytes()), "\\u{202e}txt\\u{200b}");
        assert_eq!(written(b"a\xFF\xC3z"), "a\\xFF\\xC3z");
        let usual = "m:1: \u{e4}\u{65e5}\u{672c} \"x\" -> y\n";
        assert_eq!(written(usual.as_bytes()), usual);
    }

    #[test]
    fn colours_are_what_this_run_marked() {
        let style = AnsiColor::Red.on_default();
        let mark =
            |token: &str, style: String| format!("{BEGIN}{token}{}{END}", style.trim_start_matches('\u{1b}'));
        let painted = mark(token(), style.render().to_string());
        assert_eq!(written(painted.as_bytes()), style.render().to_string());
        let guessed = mark("0123456789abcdef", style.render().to_string());
        assert!(!written(guessed.as_bytes()).contains('\u{1b}'));
        assert!(!clean(painted.as_bytes(), false).contains('\u{1b}'), "no colours in complaints");
    }

    #[test]
    fn json_reads_back() {
        let value = serde_json::json!({"text": "a\u{7f}\u{9b}\u{202e}\u{e0041}\u{1b}\u{e4}"});
        let shown = json(&value);
        assert!(shown.chars().all(|c| c == '\n' || !is_unseen(c)), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).expect("JSON"), value);
    }

    #[test]
    fn a_complaint_is_one_line() {
        let text = "unexpected argument '--lst' found\n\n  tip: a similar argument exists: '--list'\n\nUsage: x \
                    --list\n           [MAP]\n\nFor more information, try '--help'.\n";
        assert_eq!(joined(text), "unexpected argument '--lst' found; a similar argument exists: '--list'");
        let text = "the following required arguments were not provided:\n  --path <FILE>\n\nUsage: x\n";
        assert_eq!(joined(text), "the following required arguments were not provided: --path <FILE>");
    }

    #[test]
    fn a_name_is_one_line() {
        assert_eq!(shown(Path::new("m\nx.conf: 0 findings")), "m\\nx.conf: 0 findings");
    }

    #[test]
    fn the_content_of_a_file_is_itself() {
        let mut out = Out { inner: Vec::new(), to_terminal: false };
        out.content(b"# \x1b[1m\n").expect("written");
        assert_eq!(out.inner, b"# \x1b[1m\n");
    }
}
