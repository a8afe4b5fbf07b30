//! Bodies of the fuzz targets for domains and patterns.

use std::path::Path;

use crate::policy::transition_map::TransitionMap;

use super::{
    Domain, Domains, Pattern, Profiles,
    pattern::slow::slow,
    policy::Header,
    text::{Notation, Written},
};

/// What administrators write, and what the kernel prints.
pub(crate) fn text(text: &str) {
    let own = Domain::parse("<kernel> /usr/sbin/apache2").expect("a domain");
    for notation in [Notation::Tomoyo, Notation::Raw] {
        match Written::parse(text, notation).and_then(|w| w.complete(&own)) {
            Ok(domain) => {
                let name = domain.as_str();
                // Nothing in it ends a line of the policy's, or a word where none ends.
                assert!(name.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "{name}");
                assert_eq!(Domain::parse(name).as_ref(), Ok(&domain));
                assert!(!domain.namespace().is_empty() && !domain.is_below(&domain));
            }
            Err(error) => {
                crate::fuzz_log::fit_for_a_log(&error.why);
                crate::fuzz_log::fit_for_a_log(&error.remedy);
            }
        }
    }
    let _ = Header::parse(text.as_bytes(), b"pid=7");
    let _ = (Domains::parse(text).iter().count(), Profiles::parse(text).is_empty());
}

/// So many patterns are looked at.
const MOST_PATTERNS: usize = 16;

/// Patterns, one a line, each by itself and in a table; behind a NUL byte the name of a file.
pub(crate) fn pattern(data: &[u8]) {
    let end = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    let (text, name) = (&data[..end], data.get(end + 1..).unwrap_or_default());
    match TransitionMap::parse(Path::new("t"), text) {
        Ok(table) => drop(table.lookup(name)),
        Err(error) => crate::fuzz_log::fit_for_a_log(&error.to_string()),
    }
    let text = String::from_utf8_lossy(text);
    let patterns = text.lines().filter_map(|line| Some((line, Pattern::parse(line).ok()?)));
    let patterns: Vec<_> = patterns.take(MOST_PATTERNS).collect();
    let answers: Vec<_> = patterns.iter().map(|(_, pattern)| pattern.matches(name)).collect();
    for ((pattern, _), answer) in patterns.iter().zip(&answers) {
        if is_quick(pattern, name) {
            assert_eq!(slow(pattern, name), *answer, "{pattern}");
        }
    }
    if patterns.is_empty() {
        return;
    }
    let table: String = patterns.iter().map(|(pattern, _)| format!("{pattern} //x\n")).collect();
    let table = TransitionMap::parse(Path::new("t"), table.as_bytes()).expect("patterns and domains");
    let line = table.lookup(name).map(|(line, _)| line as usize - 1);
    assert_eq!(line, answers.iter().position(|a| *a));
}

/// Whether trying every way takes a bearable time.
fn is_quick(pattern: &str, name: &[u8]) -> bool {
    let wild = ["\\*", "\\@", "\\$", "\\X", "\\A"].iter().map(|w| pattern.matches(w).count()).sum::<usize>();
    name.len() <= 40 && pattern.len() <= 200 && wild <= 5 && pattern.matches("\\{").count() <= 2
}
