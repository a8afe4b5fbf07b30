//! How a description and a question are written and read: as JSON.
//!
//! Each part of a description has a line: a mark, the part's name, a blank, its value. The last line holds the
//! number of those before it:
//!
//! ```text
//! confine.modules ["mod_cgid.c"]
//! confine.user {"id":33,"name":"www-data"}
//! confine.end 2
//! ```
//!
//! Other modules of the server may print lines of their own in between. If such a line swallows one of these, or
//! if the end is missing, the number is not right, and the whole description is refused.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Dump, Question};

/// Every line of a description begins with this.
const MARK: &str = "confine.";

/// The name in the last line, in place of a part's name.
const END: &str = "end";

/// Why there is no description.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// A part of it is unknown to this version.
    #[error(
        "the description cannot be read: {0}; the module and confinectl are of different versions, install both from \
         one build"
    )]
    OtherVersion(#[from] serde_json::Error),
    /// Lines are missing.
    #[error("the description is cut short")]
    CutShort,
    /// No line is one of a description.
    #[error("the server printed no description")]
    Missing,
}

impl Dump {
    /// The lines, which [`Dump::parse`] reads.
    pub fn lines(&self) -> Result<String, serde_json::Error> {
        let parts = serde_json::to_value(self)?;
        let mut lines = String::new();
        let mut count = 0;
        for (name, part) in parts.as_object().into_iter().flatten() {
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(lines, "{MARK}{name} {}", json(part)?);
            count += 1;
        }
        let _ = writeln!(lines, "{MARK}{END} {count}");
        Ok(lines)
    }

    /// Reads the description from what a server printed.
    pub fn parse(printed: &str) -> Result<Self, DumpError> {
        let marked = printed.lines().filter_map(|line| line.strip_prefix(MARK));
        let lines: Vec<_> = marked.map(|line| line.split_once(' ').unwrap_or((line, ""))).collect();
        let Some(((END, count), parts)) = lines.split_last().map(|(last, parts)| (*last, parts)) else {
            return Err(if lines.is_empty() { DumpError::Missing } else { DumpError::CutShort });
        };
        if count.parse() != Ok(parts.len()) {
            return Err(DumpError::CutShort);
        }
        let part = |(name, value): &(&str, &str)| Ok(((*name).to_owned(), serde_json::from_str(value)?));
        let parts = parts.iter().map(part).collect::<Result<Map<_, Value>, serde_json::Error>>()?;
        serde_json::from_value::<Self>(parts.into())?.consistent()
    }

    /// Refuses indices of servers and rules that do not exist.
    fn consistent(self) -> Result<Self, DumpError> {
        let written = self.rules.iter().map(|r| &r.written).chain(&self.settings);
        let servers = written.map(|w| w.server).chain(self.answer.iter().map(|a| a.server));
        let early = self.servers.iter().filter_map(|s| s.early);
        let verdicts = self.answer.iter().flat_map(|a| a.early.iter().chain(&a.verdicts)).map(|v| v.rule);
        if servers.max().is_some_and(|n| n >= self.servers.len())
            || early.chain(verdicts).max().is_some_and(|n| n >= self.rules.len())
        {
            return Err(DumpError::CutShort);
        }
        Ok(self)
    }
}

impl Question {
    /// The text for the environment variable [`EXPLAIN`](super::EXPLAIN). It holds no NUL byte.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        json(self)
    }

    /// Reads what [`Question::to_json`] wrote.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// JSON on one line. serde_json does not escape DEL and the control characters of Unicode, which a terminal would
/// obey. They only occur in strings, and JSON has an escape for every character there.
fn json(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(value)?;
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
    Ok(line)
}
