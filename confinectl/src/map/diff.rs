//! `confinectl map diff`: whose contexts change from one map to another.
//!
//! Both maps are asked about each subject that either of them names: which is the first rule that covers the whole
//! subject (the same subject, a network around it, or `*`). So a line that moved only counts if it changes an answer.
//! Some answers only change for requests with further facts. The lines for these facts show that.

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
};

use confine::map::{Cover, Hit, MapSubject, MapText};

/// The line number that marks a question among the rules of a [`Cover`]. No map has so many lines.
const QUESTION: u32 = u32::MAX;

/// What a map gives to a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The line of the rule, from 1.
    pub line: u32,
    /// The contexts.
    pub contexts: String,
}

/// What changes for a subject. A side is `None` if no rule covers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The answer of the old map.
    pub old: Option<Given>,
    /// The answer of the new map.
    pub new: Option<Given>,
}

/// The rules of a map, ready to be asked.
#[derive(Default)]
struct Rules {
    cover: Cover,
    /// Whether users match in any case.
    ignores_case: bool,
    /// The distinct lists of contexts.
    lists: Vec<String>,
}

impl Rules {
    /// Reads a map without bad lines.
    fn of(text: &MapText) -> Self {
        let mut rules = Self { ignores_case: text.ignores_case(), ..Self::default() };
        let mut known = HashMap::new();
        text.scan(|line| {
            if let Ok(line) = line {
                let contexts = line.contexts.to_string();
                let next = rules.lists.len() as u32;
                let list = *known.entry(contexts.clone()).or_insert(next);
                if list == next {
                    rules.lists.push(contexts);
                }
                rules.cover.add(line.subject, Hit { line: line.line, list });
            }
            ControlFlow::Continue(())
        });
        rules
    }

    fn ask(&mut self, subject: MapSubject<'_>) -> Option<Given> {
        // The name is compared as this map does. The other map may do it otherwise.
        let subject = match subject {
            MapSubject::User(name) if self.ignores_case => MapSubject::UserInAnyCase(name),
            MapSubject::UserInAnyCase(name) if !self.ignores_case => MapSubject::User(name),
            other => other,
        };
        let (_, hit) = self.cover.add(subject, Hit { line: QUESTION, list: 0 })?;
        let contexts = self.lists.get(hit.list as usize).filter(|_| hit.line != QUESTION)?;
        Some(Given { line: hit.line, contexts: contexts.clone() })
    }
}

/// The changes by subject, in the order of their texts.
pub fn diff(old: &MapText, new: &MapText) -> BTreeMap<String, Change> {
    let (mut before, mut after) = (Rules::of(old), Rules::of(new));
    let mut changes = BTreeMap::new();
    for text in [old, new] {
        text.scan(|line| {
            if let Ok(line) = line {
                let change = Change { old: before.ask(line.subject), new: after.ask(line.subject) };
                let contexts = |given: &Option<Given>| given.as_ref().map(|g| g.contexts.clone());
                if contexts(&change.old) != contexts(&change.new) {
                    changes.insert(line.subject.to_string(), change);
                }
            }
            ControlFlow::Continue(())
        });
    }
    changes
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use confine::context::BackendName;

    use super::*;

    fn changes(old: &str, new: &str) -> Vec<String> {
        let map = |text: &str| MapText::of(Path::new("m"), text.into(), BackendName::LANDLOCK);
        let shown = |given: &Option<Given>| {
            given
                .as_ref()
                .map_or("-".to_owned(), |g| format!("{}@{}", g.contexts.replace("landlock:", ""), g.line))
        };
        let changes = diff(&map(old), &map(new));
        changes.iter().map(|(s, c)| format!("{s} {} {}", shown(&c.old), shown(&c.new))).collect()
    }

    #[test]
    fn added_removed_and_changed_rules_are_changes() {
        assert_eq!(
            changes("carol a\nalice a\nbob b\n", "alice b\nbob b # same\ndave a\n"),
            ["alice a@2 b@1", "carol a@1 -", "dave - a@3"]
        );
    }

    #[test]
    fn what_takes_no_effect_is_no_change() {
        assert_eq!(changes("alice a\nbob b\n", "bob b\nalice a\n"), [""; 0]);
        assert_eq!(changes("* a\n", "alice a\n* a\n"), [""; 0]);
        assert_eq!(changes("alice a\n", "alice a\nalice b\n"), [""; 0]);
    }

    #[test]
    fn a_rule_for_more_counts_where_it_comes_first() {
        assert_eq!(changes("alice a\n* b\n", "* b\nalice a\n"), ["alice a@1 b@1"]);
        assert_eq!(
            changes("10.1.0.0/16 a\n10.0.0.0/8 b\n", "10.0.0.0/8 c\n10.1.0.0/16 a\n"),
            ["10.0.0.0/8 b@2 c@1", "10.1.0.0/16 a@1 c@1"]
        );
    }

    #[test]
    fn names_are_asked_as_each_map_compares_them() {
        let option = "__names__ ignore-case\n";
        assert_eq!(changes(&format!("{option}Alice a\n"), &format!("{option}ALICE a\n")), [""; 0]);
        assert_eq!(
            changes("Alice a\n* b\n", &format!("{option}alice a\n* b\n")),
            ["alice b@2 a@2"],
            "Alice keeps a, and alice had what everybody has"
        );
    }

    #[test]
    fn a_question_is_no_rule() {
        // The new map is asked about the network before it is asked about the address.
        assert_eq!(
            changes("10.0.0.0/8 a\n10.1.1.1 b\n", "x c\n"),
            ["10.0.0.0/8 a@1 -", "10.1.1.1 a@1 -", "x - c@1"]
        );
    }
}
