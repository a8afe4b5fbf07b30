//! Compares patterns of paths, one by one and all together, with their definition in the simplest code.

use super::asker::{Asker, DEFAULT, name};
use crate::map::{Map, MapSubject, syntax::glob};

/// The number of patterns that are looked at.
const MOST_PATTERNS: usize = 24;

/// The longest path that the definition is asked about, in bytes.
const LONGEST_PATH: usize = 300;

/// The input is patterns, one on each line, and a path behind a NUL byte.
pub(crate) fn path_pattern(data: &[u8]) {
    let end = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    let path = data.get(end + 1..).unwrap_or_default();
    let text = String::from_utf8_lossy(&data[..end]);
    // A map holds no control characters.
    let good = |p: &&str| !p.contains(char::is_control) && glob::check(p).is_ok();
    let patterns: Vec<_> = text.lines().filter(good).take(MOST_PATTERNS).collect();
    if patterns.is_empty() {
        return;
    }
    let answers: Vec<_> = patterns.iter().map(|p| glob::matches(p, path)).collect();
    if path.len() <= LONGEST_PATH {
        for (pattern, answer) in patterns.iter().zip(&answers) {
            assert_eq!(means(pattern, path), *answer, "{pattern}");
        }
    }
    let lines: String = patterns.iter().map(|p| format!("{} x\n", MapSubject::Path(p))).collect();
    let map = Map::parse(name(), lines.as_bytes(), DEFAULT).expect("good patterns");
    assert_eq!(map.len(), patterns.len());
    let asker = Asker { path: Some(path.to_vec()), ..Asker::default() };
    let line = map.lookup(&asker.subject()).map(|hit| hit.line as usize - 1);
    assert_eq!(line, answers.iter().position(|a| *a), "{patterns:?}");
}

/// Whether `path` matches `pattern` by the definition. Every cell of the table is computed, so the time is limited.
fn means(pattern: &str, path: &[u8]) -> bool {
    let Some(inner) = path.strip_prefix(b"/") else { return false };
    let names: Vec<_> = inner.split(|b| *b == b'/').filter(|c| !c.is_empty()).collect();
    if names.iter().any(|name| *name == b"." || *name == b"..") {
        return false;
    }
    let parts: Vec<_> = pattern.split('/').filter(|c| !c.is_empty()).collect();
    // This goes from the end: whether the parts from p on can match the names from n on.
    let mut rest = vec![false; names.len() + 1];
    rest[names.len()] = true;
    for part in parts.iter().rev() {
        let here = (0..=names.len()).map(|n| match *part {
            "**" => rest[n..].contains(&true),
            part => n < names.len() && rest[n + 1] && name_means(part.as_bytes(), names[n]),
        });
        rest = here.collect();
    }
    rest[0]
}

/// One letter of a component of a pattern.
enum Letter {
    Any,
    One(Vec<u8>),
}

fn letters(mut pattern: &[u8]) -> Vec<Letter> {
    let mut letters = Vec::new();
    while let Some((&first, rest)) = pattern.split_first() {
        pattern = rest;
        letters.push(match first {
            b'*' => Letter::Any,
            b'?' => Letter::One((0..=255).collect()),
            b'[' => {
                let (bytes, length) = class(rest);
                pattern = &rest[length..];
                Letter::One(bytes)
            }
            byte => Letter::One(vec![byte]),
        });
    }
    letters
}

/// The bytes of the class that `[` opened, and the length of its text.
fn class(text: &[u8]) -> (Vec<u8>, usize) {
    let negated = matches!(text.first(), Some(b'!' | b'^'));
    let first = usize::from(negated);
    let mut members = Vec::new();
    let mut at = first;
    while at == first || text[at] != b']' {
        let low = text[at];
        let is_range = text.get(at + 1) == Some(&b'-') && text.get(at + 2).is_some_and(|b| *b != b']');
        let high = if is_range { text[at + 2] } else { low };
        members.extend(low..=high);
        at += if is_range { 3 } else { 1 };
    }
    ((0..=255).filter(|b| members.contains(b) != negated).collect(), at + 1)
}

fn name_means(pattern: &[u8], name: &[u8]) -> bool {
    let mut rest = vec![false; name.len() + 1];
    rest[name.len()] = true;
    for letter in letters(pattern).iter().rev() {
        let here = (0..=name.len()).map(|n| match letter {
            Letter::Any => rest[n..].contains(&true),
            Letter::One(bytes) => n < name.len() && rest[n + 1] && bytes.contains(&name[n]),
        });
        rest = here.collect();
    }
    rest[0]
}
