//! What happens when a user types a name in another case than the map has it.
//!
//! A directory (LDAP, Active Directory) and many databases accept `ALICE` for `alice`, with her password. But a map
//! that compares names exactly does not use her line. It uses the line for everybody.

use confine::{ContextList, Subject, map::Map};

/// The line `*` of a map that has users and compares their names exactly.
#[derive(Debug)]
pub struct Fallback {
    /// The line, from 1.
    pub line: u32,
    contexts: ContextList,
}

/// What proves users, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A directory or a database is one of the providers.
    MayIgnoreCase,
    /// Files and similar providers, which compare names exactly.
    Exact,
    /// Only providers that are not known here.
    Unknown,
}

impl Proof {
    /// Reads the names of httpd's providers.
    pub fn of(providers: &[String]) -> Self {
        let is = |names: &[&str]| providers.iter().any(|p| names.contains(&p.as_str()));
        if is(&["ldap", "dbd"]) {
            Self::MayIgnoreCase
        } else if is(&["file", "dbm"]) {
            Self::Exact
        } else {
            Self::Unknown
        }
    }
}

impl Fallback {
    /// Finds this line in a map, if it has one.
    pub fn of(map: &Map) -> Option<Self> {
        if !map.has_users() || map.ignores_case() {
            return None;
        }
        // No line names a user with a NUL byte, so only `*` can match.
        let hit = map.lookup(&Subject { user: Some(b"\0"), ..Subject::default() })?;
        Some(Self { line: hit.line, contexts: map.list(hit.list)?.contexts })
    }

    /// Whether the line exempts requests.
    pub fn is_exemption(&self) -> bool {
        self.contexts == ContextList::Unconfined
    }

    /// What to know, and what to do.
    pub fn text(&self) -> String {
        let width =
            if self.is_exemption() { "and exempts them" } else { "and may be wider than their own lines" };
        format!(
            "* {} is also for users who type their names in another case than on their lines, {width}; where a \
             directory or a database takes both for one user, write __names__ ignore-case before the first rule",
            self.contexts
        )
    }
}
