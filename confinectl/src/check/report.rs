//! The result of checking a configuration, for people and for programs.

use std::{collections::BTreeMap, fmt, io::Write};

use anstyle::AnsiColor;
use confine::dump::{Dump, Program, Rule, Server, Setting};
use serde_json::{Value, json};

use super::{case::Fallback, counted};
use crate::{
    Failure,
    out::{self, Out},
};

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file. `None` if the remark is about everything.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column in bytes, from 1.
    pub column: Option<usize>,
}

/// Something to correct or to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    pub place: Place,
    /// What, and what to do.
    pub text: String,
}

/// A map that rules name.
#[derive(Debug, Default)]
pub struct MapFile {
    pub file: String,
    /// The backend of contexts that name none. Another rule may use the map with another one.
    pub backend: String,
    pub rules: usize,
    /// Distinct contexts.
    pub contexts: usize,
    /// Whether some rule matches every request.
    pub matches_everything: bool,
    /// The line that a user gets whose name has another case.
    pub fallback: Option<Fallback>,
    /// The names of the Landlock rulesets that it gives.
    pub rulesets: Vec<String>,
}

/// The whole report.
#[derive(Default)]
pub struct Report {
    /// Whether the module did not see the configuration.
    pub unread: bool,
    pub dump: Dump,
    pub maps: Vec<MapFile>,
    pub findings: Vec<Remark>,
    pub notes: Vec<Remark>,
}

impl Place {
    /// A line of a file.
    pub fn at(origin: &confine::Origin) -> Self {
        Self { file: Some(origin.file.display().to_string()), line: Some(origin.line), column: None }
    }

    /// A whole file.
    pub fn file(file: &str) -> Self {
        Self { file: Some(file.to_owned()), line: None, column: None }
    }

    /// `FILE:LINE:COLUMN: `, as far as it is known.
    fn prefix(&self) -> String {
        let Some(file) = &self.file else { return String::new() };
        let line = self.line.map(|n| format!(":{n}")).unwrap_or_default();
        let column = self.column.map(|n| format!(":{n}")).unwrap_or_default();
        format!("{file}{line}{column}: ")
    }

    fn json(&self) -> (&Option<String>, Option<u32>, Option<usize>) {
        (&self.file, self.line, self.column)
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place.prefix(), self.text)
    }
}

impl Remark {
    /// Splits a text that begins with `FILE:LINE: ` or `FILE:LINE:COLUMN: `.
    pub fn parse(text: &str) -> Self {
        Self::placed(text).unwrap_or_else(|| Self { place: Place::default(), text: text.to_owned() })
    }

    fn placed(text: &str) -> Option<Self> {
        let (head, rest) = text.split_once(": ")?;
        let (before, last) = head.rsplit_once(':')?;
        let last: u32 = last.parse().ok()?;
        let with_column = before.rsplit_once(':').and_then(|(file, line)| Some((file, line.parse().ok()?)));
        let place = match with_column {
            Some((file, line)) => {
                Place { file: Some(file.to_owned()), line: Some(line), column: Some(last as usize) }
            }
            None => Place { file: Some(before.to_owned()), line: Some(last), column: None },
        };
        Some(Self { place, text: rest.to_owned() })
    }

    fn json(&self) -> Value {
        let (file, line, column) = self.place.json();
        json!({"file": file, "line": line, "column": column, "text": self.text})
    }
}

impl Report {
    /// Writes the report for people.
    pub fn write(&self, shown: &str, list: bool, out: &mut Out<impl Write>) -> Result<(), Failure> {
        if list {
            self.write_rules(out)?;
        }
        for Remark { place, text } in &self.findings {
            writeln!(out, "{}{text}", out::paint(AnsiColor::Red.on_default(), &place.prefix()))?;
        }
        for Remark { place, text } in &self.notes {
            let word = out::paint(AnsiColor::Cyan.on_default(), "note:");
            writeln!(out, "{}{word} {text}", place.prefix())?;
        }
        if self.unread {
            writeln!(
                out,
                "{shown}: {}, and nothing else was looked at",
                counted(self.findings.len(), "finding")
            )?;
            return Ok(());
        }
        let hosts = self.dump.servers.len().saturating_sub(1);
        let counts = [
            counted(hosts, "virtual host"),
            counted(self.dump.rules.len(), "rule"),
            counted(self.maps.len(), "map"),
            counted(self.dump.rulesets.len(), "Landlock ruleset"),
        ];
        let programs = counted(self.dump.programs.len(), "program of pools");
        let programs = Some(programs).filter(|_| !self.dump.programs.is_empty());
        let rest = [counted(self.findings.len(), "finding"), counted(self.notes.len(), "note")];
        let beyond = self.beyond();
        if !beyond.is_empty() {
            let word = out::paint(AnsiColor::Yellow.on_default(), "not confined:");
            writeln!(out, "{shown}: {word} what other processes make, by {}", beyond.join(", "))?;
        }
        let counts: Vec<_> = counts.into_iter().chain(programs).chain(rest).collect();
        writeln!(out, "{shown}: {}", counts.join(", "))?;
        Ok(())
    }

    /// Whether a setting lets other processes make content where rules apply.
    pub fn lets_others_make_content(&self) -> bool {
        let lets = |setting: &Setting| {
            let word = setting.words.first().map(|word| word.to_ascii_lowercase());
            setting.directive.eq_ignore_ascii_case("ConfineOutOfProcess")
                && matches!(word.as_deref(), Some("allow" | "warn"))
        };
        !self.dump.rules.is_empty() && self.dump.settings.iter().any(lets)
    }

    /// Modules whose content no context reaches, and that a setting lets make it where rules apply.
    fn beyond(&self) -> Vec<&str> {
        if !self.lets_others_make_content() {
            return Vec::new();
        }
        let name = |module: &'_ String| module.rsplit_once('.').map_or(module.len(), |(name, _)| name.len());
        self.dump.modules.iter().map(|module| &module[..name(module)]).collect()
    }

    /// Every rule, by server and section, in the order in which they are asked.
    fn write_rules(&self, out: &mut Out<impl Write>) -> Result<(), Failure> {
        for (number, server) in self.dump.servers.iter().enumerate() {
            writeln!(out, "{}", title(server))?;
            let mut lists: BTreeMap<usize, Vec<&Rule>> = BTreeMap::new();
            for rule in self.dump.rules.iter().filter(|r| r.written.server == number) {
                let list = if rule.early { usize::MAX } else { rule.written.list };
                lists.entry(list).or_default().push(rule);
            }
            for rules in lists.values() {
                let around = around(&rules[0].written);
                if !around.is_empty() {
                    writeln!(out, "  {around}")?;
                }
                let indent = if around.is_empty() { "  " } else { "    " };
                for rule in rules {
                    writeln!(out, "{indent}{}: {}{}", rule.written.origin, rule.written, self.gives(rule))?;
                }
            }
        }
        Ok(())
    }

    /// What to say about a rule in addition to its directive.
    fn gives(&self, rule: &Rule) -> String {
        if let Some(map) = self.map_of(rule) {
            return format!(" ({}, {})", counted(map.rules, "rule"), counted(map.contexts, "context"));
        }
        match &rule.contexts {
            Some(contexts) if *contexts != rule.written.words.join(" ") => format!(" ({contexts})"),
            _ => String::new(),
        }
    }

    /// The map that a rule names.
    pub fn map_of(&self, rule: &Rule) -> Option<&MapFile> {
        self.maps.iter().find(|map| Some(&map.file) == rule.file.as_ref() && map.backend == rule.backend)
    }

    /// The report for programs.
    pub fn json(&self, config: Option<&str>, valid: bool) -> Value {
        let servers: Vec<_> = self.dump.servers.iter().map(server_json).collect();
        let rules: Vec<_> = self.dump.rules.iter().map(rule_json).collect();
        let map = |m: &MapFile| json!({"file": m.file, "rules": m.rules, "contexts": m.contexts});
        let ruleset = |r: &confine::dump::Ruleset| json!({"name": r.name, "file": r.origin.file.display().to_string(), "line": r.origin.line});
        json!({
            "configuration": config,
            "valid": valid,
            "servers": servers,
            "rules": rules,
            "maps": self.maps.iter().map(map).collect::<Vec<_>>(),
            "rulesets": self.dump.rulesets.iter().map(ruleset).collect::<Vec<_>>(),
            "programs": self.dump.programs.iter().map(program_json).collect::<Vec<_>>(),
            "findings": self.findings.iter().map(Remark::json).collect::<Vec<_>>(),
            "notes": self.notes.iter().map(Remark::json).collect::<Vec<_>>(),
            "not_confined": self.beyond(),
        })
    }
}

/// The sections around a directive, the outermost first.
pub fn around(written: &Setting) -> String {
    written.sections.iter().map(|s| s.title.as_str()).collect::<Vec<_>>().join(" ")
}

/// A server's name, and how its requests are taken over.
fn title(server: &Server) -> String {
    let Server { name, gate, workers, backend, .. } = server;
    let at = server.origin.as_ref().map(|o| format!(", {o}")).unwrap_or_default();
    let what = if server.origin.is_some() { "virtual host" } else { "main server" };
    let rules = if server.has_rules { "" } else { ", no rules" };
    format!("{what} {name}{at}: gate {gate}, workers {workers}, backend {backend}{rules}")
}

fn server_json(server: &Server) -> Value {
    json!({
        "name": server.name,
        "aliases": server.aliases,
        "addresses": server.addresses,
        "file": server.origin.as_ref().map(|o| o.file.display().to_string()),
        "line": server.origin.as_ref().map(|o| o.line),
        "gate": server.gate,
        "workers": server.workers,
        "backend": server.backend,
        "has_rules": server.has_rules,
        "early": server.early,
    })
}

fn program_json(program: &Program) -> Value {
    let place =
        |origin: &confine::Origin| json!({"file": origin.file.display().to_string(), "line": origin.line});
    json!({
        "name": program.name,
        "program": program.file,
        "file": program.origin.file.display().to_string(),
        "line": program.origin.line,
        "handlers": program.handlers.iter().map(place).collect::<Vec<_>>(),
    })
}

fn rule_json(rule: &Rule) -> Value {
    let written = &rule.written;
    let sections: Vec<_> = written.sections.iter().map(|s| &s.title).collect();
    json!({
        "directive": written.directive,
        "words": written.words,
        "file": written.origin.file.display().to_string(),
        "line": written.origin.line,
        "server": written.server,
        "sections": sections,
        "kind": rule.kind,
        "source": rule.file,
        "backend": rule.backend,
        "contexts": rule.contexts,
        "early": rule.early,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_split_from_its_text() {
        let place = |text| {
            let remark = Remark::parse(text);
            (remark.place.file, remark.place.line, remark.place.column, remark.text)
        };
        let some = |s: &str| Some(s.to_owned());
        assert_eq!(
            place("/etc/x.conf:3: bad: so"),
            (some("/etc/x.conf"), Some(3), None, "bad: so".to_owned())
        );
        assert_eq!(place("/etc/m:3:14: bad"), (some("/etc/m"), Some(3), Some(14), "bad".to_owned()));
        assert_eq!(place("no place"), (None, None, None, "no place".to_owned()));
        assert_eq!(place("AH00526: x"), (None, None, None, "AH00526: x".to_owned()));
    }
}
