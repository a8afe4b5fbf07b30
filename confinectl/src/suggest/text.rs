//! A suggestion as a section of a configuration, as what differs from the section that is there, and as JSON.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::Path,
};

use anstyle::AnsiColor;
use confine::{
    dump::Ruleset,
    learn::{Deed, Reading},
    lsm::landlock::{DEFAULT_MIN_ABI, PathAccess, quoted_path},
};
use serde_json::{Value, json};

use super::{
    existing::Existing,
    ground::Ground,
    group::{Decision, Suggestion},
    verify::{Section, Verified},
};
use crate::out::{Out, one_line, paint};

/// Decisions that are written one by one. Whoever reads more does not decide any more.
const MOST_DECISIONS: usize = 40;
/// Accesses that the section refuses against its purpose, which are written one by one.
const MOST_REFUSED: usize = 20;
/// The longest request beside a decision.
const LONGEST: usize = 200;

/// What a text is made of.
pub struct Shown<'a> {
    /// The ruleset's full name.
    pub source: &'a str,
    pub reading: &'a Reading,
    /// What was refused and no directive grants, in the kernel's words.
    pub beyond: &'a BTreeSet<String>,
    pub suggestion: &'a Suggestion,
    /// The ruleset as the configuration has it.
    pub there: Option<&'a Ruleset>,
}

/// Whether a line is new, stays or goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark {
    Adds,
    Stays,
    Goes,
}

/// A line of the section, or a comment in it.
#[derive(Debug)]
struct Line {
    mark: Mark,
    text: String,
}

/// What is written for one ruleset.
pub struct Answer {
    name: String,
    /// Comments above the section.
    head: Vec<String>,
    lines: Vec<Line>,
    decisions: Vec<Value>,
    verified: Result<Verification, String>,
    /// Whether it is written as what differs.
    differs: bool,
    is_full: bool,
    damaged: usize,
}

/// What the section answers when it is asked about each access.
struct Verification {
    granted: usize,
    undecided: usize,
    /// What it refuses against its purpose, with the request.
    refused: Vec<(String, String)>,
}

/// The directives in the order in which they stand in a section.
const ORDER: [&str; 9] = [
    "LandlockABI",
    "LandlockTrustPaths",
    "LandlockInclude",
    "LandlockRead",
    "LandlockWrite",
    "LandlockExecute",
    "LandlockConnect",
    "LandlockBind",
    "LandlockScope",
];

impl Shown<'_> {
    /// The answer: the whole section where there is none yet or that is asked for, and else what differs.
    pub fn text(&self, ground: &Ground, whole: bool) -> Answer {
        let existing = Existing::of(self.there);
        let mut lines = Vec::new();
        for directive in ORDER {
            let mut of_directive = self.lines(directive, existing.as_ref(), ground);
            of_directive.retain(|line| !line.text.is_empty());
            lines.append(&mut of_directive);
        }
        let verified = self.verify(&lines, ground);
        let decided = self.decisions();
        lines.extend(decided.iter().map(|text| Line { mark: Mark::Adds, text: text.clone() }));
        Answer {
            name: self.source.split('@').next().unwrap_or_default().to_owned(),
            head: self.head(ground, existing.is_some(), &verified),
            lines,
            decisions: self.decisions_as_json(),
            verified,
            differs: existing.is_some() && !whole,
            is_full: self.reading.is_full,
            damaged: self.reading.damaged,
        }
    }

    /// Asks the section about each access that it is made of.
    fn verify(&self, lines: &[Line], ground: &Ground) -> Result<Verification, String> {
        let written = lines.iter().filter(|line| line.mark != Mark::Goes && !line.text.starts_with('#'));
        let section = Section {
            lines: written.map(|line| line.text.as_str()).collect(),
            decisions: &self.suggestion.decisions,
            there: self.there,
            ground,
        };
        let Verified { granted, undecided, refused } = section.verify(&self.reading.learned)?;
        let refused = refused.iter().map(|learned| (done(&learned.deed), request(&learned.request)));
        Ok(Verification { granted, undecided, refused: refused.collect() })
    }

    fn head(&self, ground: &Ground, exists: bool, verified: &Result<Verification, String>) -> Vec<String> {
        let hosts: Vec<_> = ground.hosts.iter().map(|host| one_line(host)).collect();
        let of_hosts = if hosts.is_empty() { String::new() } else { format!(" of {}", hosts.join(", ")) };
        let mut head = vec![format!(
            "# landlock:{}, by {} different accesses{of_hosts}",
            self.source,
            self.reading.learned.len()
        )];
        if let Some((_, host)) = self.source.split_once('@') {
            head.push(format!("# This section belongs into the <VirtualHost> of {}.", one_line(host)));
        }
        if let Some(there) = self.there.filter(|_| exists) {
            head.push(format!("# What differs from {}:", there.origin));
        }
        if self.reading.is_full {
            head.push("# THERE WAS MORE: the file that was learned is full. Take this, empty the file, and learn on.".to_owned());
        }
        if self.reading.damaged > 0 {
            head.push(format!(
                "# {} lines of the file that was learned cannot be read: what they said is not here.",
                self.reading.damaged
            ));
        }
        head.extend(verification(verified));
        if !self.beyond.is_empty() {
            let words: Vec<_> = self.beyond.iter().map(|word| one_line(word)).collect();
            head.push(format!("# Refused as well, and no directive grants it: {}.", words.join(", ")));
        }
        head
    }

    /// The lines of one directive.
    fn lines(&self, directive: &str, existing: Option<&Existing<'_>>, ground: &Ground) -> Vec<Line> {
        let line = |mark, argument: &str| Line { mark, text: format!("{directive} {argument}") };
        let mut lines = Vec::new();
        let own = existing.map(|existing| existing.lines(self.suggestion)).unwrap_or_default();
        for own in own.iter().filter(|own| own.directive == directive) {
            lines.push(line(if own.is_used { Mark::Stays } else { Mark::Goes }, &own.argument));
        }
        let path_access = [PathAccess::Read, PathAccess::Write, PathAccess::Execute]
            .into_iter()
            .find(|access| access.directive() == directive);
        if let Some(access) = path_access {
            let is_new = |path: &&std::path::PathBuf| !existing.is_some_and(|e| e.grants(access, path));
            for path in self.suggestion.paths(access).iter().filter(is_new) {
                if let Some(note) = self.suggestion.notes.get(path).filter(|_| access == PathAccess::Write) {
                    lines.push(Line { mark: Mark::Adds, text: format!("# {note}") });
                }
                lines.push(line(Mark::Adds, &argument(path)));
            }
        }
        match directive {
            "LandlockABI" if existing.is_none() && (1..DEFAULT_MIN_ABI).contains(&ground.abi) => {
                lines.push(Line {
                    mark: Mark::Adds,
                    text: format!("# This kernel's Landlock is older than ABI {DEFAULT_MIN_ABI}."),
                });
                lines.push(line(Mark::Adds, &ground.abi.to_string()));
            }
            "LandlockInclude" => {
                let there = existing.map(Existing::included).unwrap_or_default();
                if !there.is_empty() {
                    lines.push(line(Mark::Stays, &there.join(" ")));
                }
                let new: Vec<_> = self
                    .suggestion
                    .includes
                    .iter()
                    .filter(|name| !there.iter().any(|t| t == *name))
                    .copied()
                    .collect();
                if !new.is_empty() {
                    lines.push(line(Mark::Adds, &new.join(" ")));
                }
            }
            "LandlockConnect" | "LandlockBind" => {
                let ports = if directive == "LandlockBind" {
                    &self.suggestion.bind
                } else {
                    &self.suggestion.connect
                };
                let is_new = |port: &&u16| !existing.is_some_and(|e| e.grants_port(directive, **port));
                let new: Vec<_> = ports.iter().filter(is_new).map(u16::to_string).collect();
                if !new.is_empty() {
                    lines.push(line(Mark::Adds, &new.join(" ")));
                }
            }
            _ => {}
        }
        lines
    }

    /// Comments: what somebody has to decide.
    fn decisions(&self) -> Vec<String> {
        let open = &self.suggestion.decisions;
        if open.is_empty() {
            return Vec::new();
        }
        let mut lines = vec![
            "# For your decision, and not granted. Take the # away from what the application shall have."
                .to_owned(),
        ];
        for ((directive, argument), decision) in open.iter().take(MOST_DECISIONS) {
            lines.push(format!("# {directive} {argument}"));
            let request = request(&decision.request);
            let by = if request.is_empty() { String::new() } else { format!(" ({request})") };
            lines.push(format!("#     {}{by}.", decision.why));
        }
        if open.len() > MOST_DECISIONS {
            lines.push(format!("# And {} more, which --json tells.", open.len() - MOST_DECISIONS));
        }
        lines
    }

    fn decisions_as_json(&self) -> Vec<Value> {
        let decision = |(line, decision): (&(String, String), &Decision)| {
            json!({
                "line": format!("{} {}", line.0, line.1),
                "why": decision.why,
                "request": request(&decision.request),
            })
        };
        self.suggestion.decisions.iter().map(decision).collect()
    }
}

/// The argument for a path. What is not there may be absent, or the server would not start.
fn argument(path: &Path) -> String {
    let quoted = quoted_path(path);
    if path.exists() { quoted } else { format!("\"-{}", &quoted[1..]) }
}

/// Comments: whether the section does what it is for.
fn verification(verified: &Result<Verification, String>) -> Vec<String> {
    let Verification { granted, undecided, refused } = match verified {
        Ok(verification) => verification,
        Err(why) => return vec![format!("# NOT VERIFIED: {}", one_line(why))],
    };
    let waits = match undecided {
        0 => String::new(),
        number => format!(", and leaves {number} to your decision"),
    };
    let mut comments = vec![format!("# Asked about each of them, this section grants {granted}{waits}.")];
    if !refused.is_empty() {
        comments
            .push(format!("# IT WOULD STILL REFUSE {}, which is a fault of this command:", refused.len()));
        let lines = refused.iter().take(MOST_REFUSED).map(|(done, by)| format!("#     {done} ({by})"));
        comments.extend(lines);
    }
    comments
}

/// What was done, as the log says it.
fn done(deed: &Deed) -> String {
    match deed {
        Deed::Connect(port) => format!("connect tcp:{port}"),
        Deed::Bind(port) => format!("bind tcp:{port}"),
        Deed::Abstract(name) => format!("connect unix:@{}", one_line(&name.to_string())),
        Deed::Signal => "signal".to_owned(),
        Deed::Full => String::new(),
        Deed::File { access, path, .. } => {
            format!("{} {}", one_line(access), one_line(&path.to_string()))
        }
    }
}

fn request(text: &str) -> String {
    one_line(text).chars().take(LONGEST).collect()
}

impl Answer {
    /// Writes it.
    pub fn write(&self, out: &mut Out<impl Write>) -> io::Result<()> {
        for comment in &self.head {
            writeln!(out, "{comment}")?;
        }
        let (plain, indent) = if self.differs { (" ", "    ") } else { ("", "    ") };
        writeln!(out, "{plain}<ConfineLandlock {}>", self.name)?;
        for line in self.lines.iter().filter(|line| self.differs || line.mark != Mark::Goes) {
            let mark = match line.mark {
                _ if !self.differs => "",
                Mark::Adds => "+",
                Mark::Goes => "-",
                Mark::Stays => " ",
            };
            let text = format!("{mark}{indent}{}", line.text);
            let text = match line.mark {
                Mark::Adds if self.differs => paint(AnsiColor::Green.on_default(), &text),
                Mark::Goes => paint(AnsiColor::Red.on_default(), &text),
                _ => text,
            };
            writeln!(out, "{text}")?;
        }
        writeln!(out, "{plain}</ConfineLandlock>")
    }

    /// Whether the section grants all that it is meant to.
    pub fn is_verified(&self) -> bool {
        self.verified.as_ref().is_ok_and(|verified| verified.refused.is_empty())
    }

    fn verified_as_json(&self) -> Value {
        match &self.verified {
            Err(why) => json!({ "why_not": why }),
            Ok(Verification { granted, undecided, refused }) => {
                let refused = refused.iter().map(|(done, by)| json!({ "access": done, "request": by }));
                json!({
                    "granted": granted,
                    "undecided": undecided,
                    "refused": refused.collect::<Vec<_>>(),
                })
            }
        }
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let of = |mark: Mark| -> Vec<&str> {
            let lines = self.lines.iter().filter(|line| line.mark == mark && !line.text.starts_with('#'));
            lines.map(|line| line.text.as_str()).collect()
        };
        json!({
            "name": self.name,
            "adds": of(Mark::Adds),
            "stays": of(Mark::Stays),
            "takes": of(Mark::Goes),
            "decisions": self.decisions,
            "verified": self.verified_as_json(),
            "full": self.is_full,
            "damaged": self.damaged,
        })
    }
}
