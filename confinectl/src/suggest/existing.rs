//! The ruleset that is there already: which of its lines are used, and what it grants.

use std::{
    fs,
    path::{Path, PathBuf},
};

use confine::{
    dump::{GrantedPath, Ruleset},
    lsm::landlock::PathAccess,
};

use super::{ground::grants, group::Suggestion};

/// A line of the section itself.
#[derive(Debug, PartialEq, Eq)]
pub struct OwnLine {
    /// The directive's name.
    pub directive: String,
    /// Its one argument, as it is written.
    pub argument: String,
    /// Whether something that was done needs it, or nobody can tell.
    pub is_used: bool,
}

/// A ruleset that has something in it.
pub struct Existing<'a>(&'a Ruleset);

impl<'a> Existing<'a> {
    /// That of a section; `None` where there is none, or it is empty.
    pub fn of(ruleset: Option<&'a Ruleset>) -> Option<Self> {
        let is_empty = |r: &Ruleset| r.grants.is_empty() && r.words.is_empty() && r.included.is_empty();
        ruleset.filter(|ruleset| ruleset.defined && !is_empty(ruleset)).map(Self)
    }

    /// The files that it includes.
    pub fn included(&self) -> &'a [String] {
        &self.0.included
    }

    /// Whether it grants this.
    pub fn grants(&self, access: PathAccess, path: &Path) -> bool {
        self.0.grants.iter().any(|line| grants_here(line, access) && covers(line, path))
    }

    /// Whether it grants this port.
    pub fn grants_port(&self, directive: &str, port: u16) -> bool {
        let words = self.0.words.iter().filter(|(name, _)| name == directive).flat_map(|(_, words)| words);
        words.into_iter().any(|word| word == "any" || word.parse() == Ok(port))
    }

    /// The lines that stand in the section itself, as far as they grant or lift something.
    pub fn lines(&self, suggestion: &Suggestion) -> Vec<OwnLine> {
        let is_own = |line: &&GrantedPath| line.origin.file == self.0.origin.file;
        let paths = self.0.grants.iter().filter(is_own).map(|line| {
            let mut asked = suggestion.asked.iter();
            let needed = asked.any(|(access, path)| grants_here(line, *access) && covers(line, path));
            let path = confine::lsm::landlock::quoted_path(Path::new(&line.path));
            let argument = if line.optional { format!("\"-{}", &path[1..]) } else { path };
            // The rest of its path is a request's to say.
            let is_used = needed || line.path.contains("%{");
            OwnLine { directive: line.directive.clone(), argument, is_used }
        });
        let words = self.0.words.iter().flat_map(|(directive, words)| {
            let ports = match directive.as_str() {
                "LandlockConnect" => Some(&suggestion.connect),
                "LandlockBind" => Some(&suggestion.bind),
                _ => None,
            };
            words.iter().map(move |word| {
                let is_used = match (ports, word.as_str()) {
                    (None, _) => true,
                    (Some(ports), "none") => ports.is_empty(),
                    (Some(ports), "any") => !ports.is_empty(),
                    (Some(ports), word) => word.parse().is_ok_and(|port| ports.contains(&port)),
                };
                OwnLine { directive: directive.clone(), argument: word.clone(), is_used }
            })
        });
        paths.chain(words).collect()
    }
}

fn grants_here(line: &GrantedPath, access: PathAccess) -> bool {
    let all = [PathAccess::Read, PathAccess::Write, PathAccess::Execute];
    all.into_iter().any(|granted| granted.directive() == line.directive && grants(granted, access))
}

/// Whether a line's path is `path`, or a folder above it. An expression stands for any one component.
fn covers(line: &GrantedPath, path: &Path) -> bool {
    if !line.path.contains("%{") {
        let granted = fs::canonicalize(&line.path).unwrap_or_else(|_| PathBuf::from(&line.path));
        return path.starts_with(granted);
    }
    let (mut shape, mut depth) = (String::new(), 0_usize);
    for (at, c) in line.path.char_indices() {
        match c {
            '%' if depth == 0 && line.path[at..].starts_with("%{") => shape.push('\0'),
            '{' if depth > 0 || shape.ends_with('\0') => depth += 1,
            '}' if depth > 0 => depth -= 1,
            c if depth == 0 => shape.push(c),
            _ => {}
        }
    }
    let mut parts = path.components();
    Path::new(&shape).components().all(|wanted| {
        let found = parts.next();
        found == Some(wanted) || (found.is_some() && wanted.as_os_str().to_string_lossy().contains('\0'))
    })
}
