//! Whether the section that is suggested grants what was done. Each access is asked of the section as it is written, by
//! inodes, as the kernel would be asked.

use std::{collections::BTreeMap, path::Path};

use confine::{
    Origin,
    dump::Ruleset,
    learn::{Deed, Learned},
    lsm::{
        NoValues,
        landlock::{
            FileAccess, Grants, PathAccess, PathRule, PathTemplate, RulesetSpec,
            include::{self, Grant},
        },
    },
};

use super::{
    existing::Existing,
    ground::{Ground, grants},
    group::Decision,
    lift::standing,
};

/// What came of asking.
#[derive(Debug, Default)]
pub struct Verified<'a> {
    /// How many accesses the section grants.
    pub granted: usize,
    /// How many it grants once the lines for decision are granted.
    pub undecided: usize,
    /// What it refuses although it is meant to grant it.
    pub refused: Vec<&'a Learned>,
}

/// The section that is asked.
pub struct Section<'a> {
    /// Its lines as they are written, without comments.
    pub lines: Vec<&'a str>,
    /// What somebody has to decide.
    pub decisions: &'a BTreeMap<(String, String), Decision>,
    /// The ruleset that is there already.
    pub there: Option<&'a Ruleset>,
    pub ground: &'a Ground,
}

impl Section<'_> {
    /// Asks about each access.
    ///
    /// # Errors
    /// The server would not start with the section, or this kernel has no Landlock. The text says why.
    pub fn verify<'l>(&self, learned: &'l [Learned]) -> Result<Verified<'l>, String> {
        let own = Asked::new(self.spec(&self.lines)?)?;
        // Which ports are for decision is asked by the directive alone, because not all of them are named.
        let is_port = |directive: &str| matches!(directive, "LandlockConnect" | "LandlockBind");
        let decided = self.decisions.keys().filter(|(directive, _)| !is_port(directive));
        let decided: Vec<_> =
            decided.map(|(directive, argument)| format!("{directive} {argument}")).collect();
        let lines = self.lines.iter().copied().chain(decided.iter().map(String::as_str));
        let with_decisions = Asked::new(self.spec(&lines.collect::<Vec<_>>())?)?;
        let mut verified = Verified::default();
        for learned in learned {
            if own.grants(&learned.deed) || self.is_a_requests_own(&learned.deed) {
                verified.granted += 1;
            } else if with_decisions.grants(&learned.deed) || self.is_undecided(&learned.deed) {
                verified.undecided += 1;
            } else {
                verified.refused.push(learned);
            }
        }
        Ok(verified)
    }

    /// The ruleset that the server makes of these lines. Paths with expressions are left out.
    fn spec(&self, lines: &[&str]) -> Result<RulesetSpec, String> {
        let mut spec = RulesetSpec::new("suggested", Origin::new("suggestion", 1));
        for (directive, words) in self.there.iter().flat_map(|there| &there.words) {
            match directive.as_str() {
                "LandlockABI" => {
                    spec.min_abi = words.first().and_then(|w| w.parse().ok()).unwrap_or_default()
                }
                "LandlockScope" => {
                    spec.scope.add(words.iter().map(String::as_str)).map_err(|e| e.to_string())?;
                }
                // They are in quotes, as arguments of all directives with paths may be.
                "LandlockTrustPaths" => {
                    let line = format!("LandlockRead {}", words.join(" "));
                    let lines = include::parse(&line).map_err(|e| e.to_string())?;
                    spec.trusted
                        .extend(lines.iter().flat_map(|line| &line.words).map(|word| Path::new(word).into()));
                }
                _ => {}
            }
        }
        for line in lines {
            match line.split_once(' ') {
                Some(("LandlockABI", number)) => spec.min_abi = number.parse().unwrap_or(spec.min_abi),
                Some(("LandlockScope", words)) if self.is_decision(line) => {
                    spec.scope.add(words.split(' ')).map_err(|e| e.to_string())?;
                }
                // Those of the ruleset that is there were added above. What makes devices is no directive.
                Some(("LandlockScope" | "LandlockTrustPaths" | "make", _)) => {}
                _ => self.add(&mut spec, line)?,
            }
        }
        Ok(spec)
    }

    fn add(&self, spec: &mut RulesetSpec, line: &str) -> Result<(), String> {
        for line in include::parse(line).map_err(|e| e.to_string())? {
            let words = || line.words.iter().map(String::as_str);
            match line.grant {
                Grant::Path(access) => {
                    words().try_for_each(|word| add_path(spec, access, word))?;
                }
                Grant::Connect => spec.connect.add(words()).map_err(|e| e.to_string())?,
                Grant::Bind => spec.bind.add(words()).map_err(|e| e.to_string())?,
                Grant::Include => words().try_for_each(|name| self.add_included(spec, name))?,
            }
        }
        Ok(())
    }

    /// What a shipped file grants, or a file that the ruleset includes already.
    fn add_included(&self, spec: &mut RulesetSpec, name: &str) -> Result<(), String> {
        if let Some(include) = self.ground.include(name) {
            for (access, path) in &include.grants {
                add_path(spec, *access, &format!("-{}", path.display()))?;
            }
        }
        for line in self.there.iter().flat_map(|there| &there.grants) {
            let all = [PathAccess::Read, PathAccess::Write, PathAccess::Execute];
            let access = all.into_iter().find(|access| access.directive() == line.directive);
            let is_own = self.there.is_some_and(|there| there.origin.file == line.origin.file);
            if let Some(access) = access.filter(|_| !is_own) {
                add_path(spec, access, &format!("-{}", line.path))?;
            }
        }
        Ok(())
    }

    fn is_decision(&self, line: &str) -> bool {
        let is = |key: &(String, String)| line.split_once(' ') == Some((&key.0, &key.1));
        self.decisions.keys().any(is)
    }

    /// Whether a path with an expression grants it.
    fn is_a_requests_own(&self, deed: &Deed) -> bool {
        let existing = Existing::of(self.there);
        let Some((access, path, _)) = deed.as_file() else { return false };
        let target = if access.is_of_entry() { path.parent().unwrap_or(path) } else { path };
        existing.zip(access.granted_by()).is_some_and(|(existing, granted)| existing.grants(granted, target))
    }

    /// What no line of a ruleset grants is a decision, too: more ports than are named, and devices.
    fn is_undecided(&self, deed: &Deed) -> bool {
        let of = |directive: &str| self.decisions.keys().any(|(known, _)| known.starts_with(directive));
        match deed {
            Deed::Connect(_) => of("LandlockConnect"),
            Deed::Bind(_) => of("LandlockBind"),
            Deed::Abstract(_) | Deed::Signal => of("LandlockScope"),
            deed => deed.as_file().is_some_and(|(access, ..)| access.granted_by().is_none()) && of("make"),
        }
    }
}

fn add_path(spec: &mut RulesetSpec, access: PathAccess, word: &str) -> Result<(), String> {
    let (optional, path) = word.strip_prefix('-').map_or((false, word), |path| (true, path));
    let (path, expressions) = PathTemplate::parse(path, 0).map_err(|e| e.to_string())?;
    if expressions.is_empty() {
        spec.paths.push(PathRule { access, path, optional, origin: spec.origin.clone() });
    }
    Ok(())
}

/// A ruleset, and what it grants.
struct Asked {
    spec: RulesetSpec,
    grants: Grants,
}

impl Asked {
    fn new(spec: RulesetSpec) -> Result<Self, String> {
        let grants = Grants::of(&spec, &NoValues).map_err(|e| e.to_string())?;
        Ok(Self { spec, grants })
    }

    fn grants(&self, deed: &Deed) -> bool {
        match deed {
            Deed::Connect(port) => self.grants.connect(*port).is_ok(),
            Deed::Bind(port) => self.grants.bind(*port).is_ok(),
            Deed::Abstract(_) => self.grants.abstract_socket().is_ok(),
            Deed::Signal => self.grants.signal().is_ok(),
            Deed::Full => true,
            Deed::File { .. } => {
                deed.as_file().is_some_and(|(access, path, _)| self.grants_file(access, path))
            }
        }
    }

    fn grants_file(&self, access: FileAccess, path: &Path) -> bool {
        let target = if access.is_of_entry() { path.parent().unwrap_or(path) } else { path };
        let stands = standing(target);
        let granted = self.grants.path(&stands, access).is_ok_and(|answer| answer.is_ok());
        // A line for what is gone grants it when it is there again.
        granted || (stands != target && self.names(access, target))
    }

    fn names(&self, access: FileAccess, path: &Path) -> bool {
        let covers = |rule: &PathRule| path.starts_with(rule.path.prefix());
        let fits = |rule: &PathRule| access.granted_by().is_some_and(|access| grants(rule.access, access));
        self.spec.paths.iter().any(|rule| fits(rule) && covers(rule))
    }
}

#[cfg(test)]
mod tests;
