//! Bodies of the fuzz targets for domains and patterns.

use super::{
    Domain, Domains, Pattern, Profiles,
    pattern::slow::slow,
    policy::Header,
    text::{Notation, Written},
};

/// Reads `text` as an administrator writes a context, and as the kernel prints a domain and its policy.
pub(crate) fn text(text: &str) {
    let own = Domain::parse("<kernel> /usr/sbin/apache2").expect("a domain");
    for notation in [Notation::Tomoyo, Notation::Raw] {
        match Written::parse(text, notation).and_then(|w| w.complete(&own)) {
            Ok(domain) => {
                let name = domain.as_str();
                // The name must not end a line of the policy or begin another word.
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

/// How many patterns of an input are tried at most.
const MOST_PATTERNS: usize = 16;

/// The lines of `text` that are patterns, each with the answer whether it matches the file `name`.
///
/// # Panics
/// A pattern and its definition disagree.
pub(crate) fn patterns<'t>(text: &'t str, name: &[u8]) -> Vec<(&'t str, bool)> {
    let patterns = text.lines().filter_map(|line| Some((line, Pattern::parse(line).ok()?)));
    let answers: Vec<_> =
        patterns.take(MOST_PATTERNS).map(|(line, pattern)| (line, pattern.matches(name))).collect();
    for (pattern, answer) in &answers {
        if is_quick(pattern, name) {
            assert_eq!(slow(pattern, name), *answer, "{pattern}");
        }
    }
    answers
}

/// Whether the definition is fast enough. It tries all possibilities, so its time grows exponentially.
fn is_quick(pattern: &str, name: &[u8]) -> bool {
    let wild = ["\\*", "\\@", "\\$", "\\X", "\\A"].iter().map(|w| pattern.matches(w).count()).sum::<usize>();
    name.len() <= 40 && pattern.len() <= 200 && wild <= 5 && pattern.matches("\\{").count() <= 2
}
