//! What meets a user whose name is typed in another case than on the lines of a map.
//!
//! A directory (LDAP, Active Directory) and many a database take `ALICE` for `alice` and her password; a map that
//! compares names exactly does not, and her line is passed over for the one that is for everybody.

use confine::{ContextList, Subject, map::Map};

/// The line `*` of a map that has users and compares them exactly.
#[derive(Debug)]
pub struct Fallback {
    /// From 1.
    pub line: u32,
    contexts: ContextList,
}

/// What proves users, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A directory or a database is among it.
    MayIgnoreCase,
    /// Files and the like, which compare exactly.
    Exact,
    /// Nothing that this knows.
    Unknown,
}

impl Proof {
    /// From the names of httpd's providers.
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
    /// Of a map, if there is such a line.
    pub fn of(map: &Map) -> Option<Self> {
        if !map.has_users() || map.ignores_case() {
            return None;
        }
        // No user of another line has a NUL byte in the name.
        let hit = map.lookup(&Subject { user: Some(b"\0"), ..Subject::default() })?;
        Some(Self { line: hit.line, contexts: map.list(hit.list)?.contexts })
    }

    /// Whether it exempts.
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
