//! The body of the fuzz target for TOMOYO's patterns. It tests each pattern alone, and all of them in one table.

use std::path::Path;

use super::TransitionMap;
use crate::{fuzz_log::fit_for_a_log, lsm::tomoyo};

/// `data` holds patterns, one on each line, and the name of a file behind a NUL byte.
pub(crate) fn tomoyo_pattern(data: &[u8]) {
    let end = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    let (text, name) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    match TransitionMap::parse(Path::new("t"), text) {
        Ok(table) => drop(table.lookup(name)),
        Err(error) => fit_for_a_log(&error.to_string()),
    }
    let text = String::from_utf8_lossy(text);
    let answers = tomoyo::fuzz::patterns(&text, name);
    if answers.is_empty() {
        return;
    }
    let table: String = answers.iter().map(|(pattern, _)| format!("{pattern} //x\n")).collect();
    let table = TransitionMap::parse(Path::new("t"), table.as_bytes()).expect("patterns and domains");
    let line = table.lookup(name).map(|(line, _)| line as usize - 1);
    assert_eq!(line, answers.iter().position(|(_, matches)| *matches));
}
