//! `confinectl check`: what is wrong with a map or a whole configuration, or useless in it.

mod case;
mod contexts;
mod owners;
mod report;
mod whole;

use std::{
    collections::HashMap,
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anstyle::AnsiColor;
use confine::{
    context::BackendName,
    lsm::{PrepareError, selinux::SecurityContext, tomoyo::Domain},
    map::{Cover, Hit, MapError, MapLine, MapSubject, MapText, Readable},
};
use serde_json::{Value, json};

use crate::{
    Failure, Outcome, described,
    out::{Out, paint, shown},
    term::{during, size},
};

use contexts::distinct_contexts;

pub use contexts::checker;
pub use report::around;
pub use whole::refusals;

/// The command line of `check`.
#[derive(clap::Args)]
pub struct Args {
    /// The map. Without one, the whole configuration of the server is checked.
    map: Option<PathBuf>,
    #[command(flatten)]
    server: described::ServerArgs,
    /// For a configuration: also list every rule, with the sections around it.
    #[arg(long, conflicts_with = "map")]
    list: bool,
    #[command(flatten)]
    assumed: Assumed,
    /// Print one JSON object instead of lines of text.
    #[arg(long)]
    pub json: bool,
}

/// What a map alone does not say: the configuration and the server that it is for.
#[derive(clap::Args)]
pub struct Assumed {
    /// For a map: the backend of contexts without a prefix, as the directive ConfineBackend sets it.
    #[arg(long, value_name = "NAME", default_value = "selinux", value_parser = crate::backend, requires = "map")]
    pub default_backend: BackendName,
    /// For a map: the security context of the server, from which requests would move to those in the map (`ps -eZ`
    /// shows it).
    #[arg(
        long,
        value_name = "CONTEXT",
        default_value = "system_u:system_r:httpd_t:s0",
        value_parser = server_context,
        requires = "map"
    )]
    pub server_context: SecurityContext,
    /// For a map: the TOMOYO domain of the server, to which //NAME is added (the server reads it in
    /// /sys/kernel/security/tomoyo/self_domain).
    #[arg(
        long,
        value_name = "DOMAIN",
        default_value = "<kernel> /usr/sbin/apache2",
        value_parser = Domain::parse,
        requires = "map"
    )]
    pub server_domain: Domain,
}

/// A security context, for the command line.
pub fn server_context(text: &str) -> Result<SecurityContext, String> {
    SecurityContext::parse(text)
        .ok_or_else(|| "a security context is user:role:type or user:role:type:range".to_owned())
}

/// Something to correct.
struct Finding {
    /// The line, from 1. `None` if the whole file has the fault.
    line: Option<u32>,
    /// The column in bytes, from 1, if it is known.
    column: Option<usize>,
    /// The earlier line that keeps this one from matching.
    earlier: Option<u32>,
    /// What is wrong and what to do, without file and line.
    text: String,
}

impl Finding {
    fn at(line: u32, earlier: Option<u32>, text: String) -> Self {
        Self { line: Some(line), column: None, earlier, text }
    }
}

/// What was checked, and the result.
#[derive(Default)]
struct Report {
    /// Whether the server would accept the map: every line can be read, and there is at least one.
    valid: bool,
    /// Lines that can be read.
    rules: usize,
    contexts: usize,
    findings: Vec<Finding>,
    /// What a reader should know about the checks.
    notes: Vec<String>,
    /// Contexts that could not be checked, and why.
    unchecked: Vec<(String, String)>,
}

/// Checks a map or a configuration, and writes the findings.
pub fn run(args: &Args, out: &mut Out<impl Write>) -> Result<Outcome, Failure> {
    match &args.map {
        Some(_) if args.server.is_any() => Err(Failure::Refused(
            "a map is checked alone; leave the map out to check a configuration with its maps".to_owned(),
        )),
        Some(map) => check_map(args, map, out),
        None => whole::run(&args.server, args.list, args.json, out),
    }
}

fn check_map(args: &Args, map: &Path, out: &mut Out<impl Write>) -> Result<Outcome, Failure> {
    // The map is read once for its errors, and once for the lines that never match.
    let report = during("checking the map", 2 * size(map), |progress| {
        let text = MapText::load(map, args.assumed.default_backend).map_err(|e| Failure::Map(vec![e]))?;
        let text = text.watched_by(progress);
        Ok::<_, Failure>(examine(&text, args))
    })?;
    if args.json {
        out.json(&report.json(&map.display().to_string()))?;
    } else {
        report.write(&shown(map), out)?;
    }
    Ok(if report.findings.is_empty() { Outcome::Good } else { Outcome::Bad })
}

/// A finding that counts the bad lines which are not shown.
fn more_lines(more: usize) -> Option<Finding> {
    let text = format!("{more} more lines cannot be read; mend those that are shown first");
    (more > 0).then_some(Finding { line: None, column: None, earlier: None, text })
}

/// An error of the map's text as a finding.
fn syntax(error: MapError) -> Finding {
    match error {
        MapError::Line { line, column, problem, .. } => {
            Finding { line: Some(line), column: Some(column), earlier: None, text: problem.to_string() }
        }
        MapError::TooLarge { ref path } | MapError::Empty { ref path } => {
            let text = error.to_string();
            let prefix = format!("{}: ", path.display());
            let text = text.strip_prefix(&prefix).map_or(text.clone(), str::to_owned);
            Finding { line: None, column: None, earlier: None, text }
        }
        other => Finding { line: None, column: None, earlier: None, text: other.to_string() },
    }
}

/// Checks all that can be checked. A line that cannot be read is a finding, and the other lines are checked
/// nevertheless.
fn examine(text: &MapText, args: &Args) -> Report {
    let Readable { map, errors, more } = text.readable();
    let is_whole = errors.is_empty();
    let mut report =
        Report { findings: errors.into_iter().map(syntax).collect(), valid: is_whole, ..Report::default() };
    report.findings.extend(more_lines(more));
    let Some(map) = map else { return report };
    report.findings.extend(shadowed(text));
    let contexts = distinct_contexts(&map);
    (report.rules, report.contexts) = (map.len(), contexts.len());
    for name in BackendName::ALL {
        let used: Vec<_> = contexts.iter().filter(|(c, _)| c.backend == *name).collect();
        if used.is_empty() {
            continue;
        }
        let what = counted(used.len(), &format!("{name} context"));
        let mut refused = |check: &dyn Fn(&str) -> Result<(), PrepareError>| {
            report.findings.extend(used.iter().filter_map(|(context, line)| {
                let error = check(&context.text).err()?;
                Some(Finding::at(*line, None, error.to_string()))
            }));
        };
        match checker(*name, &args.assumed) {
            Ok((backend, how)) => {
                refused(&|text| backend.check(text));
                report.notes.push(format!("{what} checked {how}"));
                report.notes.extend(backend.warnings());
            }
            Err(why) => {
                refused(&|text| contexts::form(*name, text, &args.assumed));
                report.unchecked.push((what, why));
            }
        }
    }
    report.findings.sort_by_key(|f| f.line.unwrap_or(u32::MAX));
    // The configuration says what proves the users, and a line that cannot be read may be about it.
    let fallback = Some(&map).filter(|_| is_whole).and_then(case::Fallback::of);
    report.notes.extend(fallback.map(|f| format!("line {}: {}", f.line, f.text())));
    report
}

/// The lines that never match.
fn shadowed(text: &MapText) -> Vec<Finding> {
    let mut cover = Cover::default();
    // The contexts of each line, as numbers of distinct lists.
    let mut lists = HashMap::new();
    let mut findings = Vec::new();
    text.scan(|line| {
        // Faults of a bad line are reported elsewhere.
        if let Ok(MapLine { line, subject, contexts }) = line {
            let next = lists.len() as u32;
            let hit = Hit { line, list: *lists.entry(contexts).or_insert(next) };
            if let Some((first, earlier)) = cover.add(subject, hit) {
                let text = shadow_text(subject, first, earlier.line, hit.list == earlier.list);
                findings.push(Finding::at(line, Some(earlier.line), text));
            }
        }
        ControlFlow::Continue(())
    });
    findings
}

/// Why a line never matches. `first` is the subject of line `number`, an earlier line. `same` says whether that line
/// gives the same contexts.
fn shadow_text(subject: MapSubject<'_>, first: MapSubject<'_>, number: u32, same: bool) -> String {
    let remedy =
        if same { "both give the same contexts, remove this line" } else { "move this line above it" };
    match first {
        first if first == subject && same => {
            format!("{subject} never matches: line {number} is the same rule; remove this line")
        }
        first if first == subject => format!(
            "{subject} never matches: line {number} has the same subject and other contexts, and comes \
             first; keep the one that is meant"
        ),
        MapSubject::Any => {
            format!("{subject} never matches: line {number} (*) matches everything and comes first; {remedy}")
        }
        first => {
            format!(
                "{subject} never matches: line {number} ({first}) holds all of it and comes first; {remedy}"
            )
        }
    }
}

/// `1 rule`, `2 rules`.
fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

impl Report {
    fn write(&self, file: &str, out: &mut Out<impl Write>) -> Result<(), Failure> {
        for Finding { line, column, text, .. } in &self.findings {
            let numbers = line.map(u64::from).into_iter().chain(column.map(|c| c as u64));
            let place = numbers.fold(format!("{file}:"), |place, number| format!("{place}{number}:"));
            writeln!(out, "{} {text}", paint(AnsiColor::Red.on_default(), &place))?;
        }
        for note in &self.notes {
            writeln!(out, "{file}: {} {note}", paint(AnsiColor::Cyan.on_default(), "note:"))?;
        }
        for (what, why) in &self.unchecked {
            let word = paint(AnsiColor::Yellow.on_default(), "not checked:");
            writeln!(out, "{file}: {word} {what}: {why}")?;
        }
        let findings = counted(self.findings.len(), "finding");
        let (rules, contexts) = (counted(self.rules, "rule"), counted(self.contexts, "context"));
        if self.valid {
            writeln!(out, "{file}: {rules}, {contexts}, {findings}")?;
        } else if self.rules > 0 {
            writeln!(out, "{file}: not a valid map, {findings}; {rules} and {contexts} can be read")?;
        } else {
            writeln!(out, "{file}: not a valid map, {findings}")?;
        }
        Ok(())
    }

    fn json(&self, file: &str) -> Value {
        let findings: Vec<_> = self.findings.iter().map(Finding::json).collect();
        let unchecked: Vec<_> =
            self.unchecked.iter().map(|(what, why)| json!({"what": what, "why": why})).collect();
        json!({
            "map": file,
            "valid": self.valid,
            "rules": self.rules,
            "contexts": self.contexts,
            "findings": findings,
            "notes": self.notes,
            "not_checked": unchecked,
        })
    }
}

impl Finding {
    fn json(&self) -> Value {
        json!({"line": self.line, "column": self.column, "earlier": self.earlier, "text": self.text})
    }
}
