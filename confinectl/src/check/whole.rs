//! Checks a whole configuration, as the server reads it.

use std::{
    collections::{HashMap, HashSet},
    io::Write,
    path::Path,
};

use confine::{
    ContextList, Subject,
    context::BackendName,
    dump::{Dump, Kind, Rule, Setting},
    lsm::landlock::NOT_WHOLE,
    map::{Map, MapText, Readable},
};

use super::{
    Finding,
    case::{Fallback, Proof},
    contexts::distinct_contexts,
    more_lines,
    owners::strangers,
    report::{MapFile, Place, Remark, Report, around},
    shadowed, syntax,
};
use crate::{
    Failure, Outcome,
    described::{self, HOW_TO_LOAD, Reading},
    directives::with_advice,
    out::Out,
    term::during,
};

/// Checks the configuration and writes the findings.
pub fn run(
    args: &described::ServerArgs,
    list: bool,
    json: bool,
    out: &mut Out<impl Write>,
) -> Result<Outcome, Failure> {
    let shown = args.shown();
    let (reading, _) = args.read(None)?;
    let (report, valid) = match reading {
        Reading::Described(dump) => {
            let valid = dump.faults.is_empty();
            (during("checking the maps", 0, |_| examine(*dump)), valid)
        }
        Reading::NotLoaded => {
            let text = format!("mod_confine is not loaded, so no request is confined; {HOW_TO_LOAD}");
            let finding =
                Remark { place: args.config().map_or_else(Place::default, |c| Place::file(&c)), text };
            (Report { findings: vec![finding], unread: true, ..Report::default() }, true)
        }
        Reading::Refused(said) => {
            (Report { findings: refusals(&said), unread: true, ..Report::default() }, false)
        }
    };
    if json {
        out.json(&report.json(args.config().as_deref(), valid))?;
    } else {
        report.write(&shown, list, out)?;
    }
    Ok(if report.findings.is_empty() { Outcome::Good } else { Outcome::Bad })
}

/// What the server said when it refused the configuration, each with the place that it names. A message stands behind
/// its place, or on the next line: `AH00526: Syntax error on line 3 of /etc/x.conf:`. Where one file includes the other,
/// the innermost place comes last.
pub fn refusals(said: &[String]) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut lines = said.iter();
    while let Some(line) = lines.next() {
        let place = line.rsplit_once("Syntax error on line ").and_then(|(_, rest)| {
            let (number, rest) = rest.split_once(" of ")?;
            let (file, text) = match rest.strip_suffix(':') {
                Some(file) => (file, None),
                None => rest.split_once(": ").map(|(file, text)| (file, Some(text)))?,
            };
            Some((Place { file: Some(file.to_owned()), line: number.parse().ok(), column: None }, text))
        });
        remarks.push(match place {
            Some((place, text)) => {
                let text = text.or_else(|| lines.next().map(String::as_str)).unwrap_or("a syntax error");
                Remark { place, text: with_advice(text) }
            }
            None => Remark { place: Place::default(), text: with_advice(line) },
        });
    }
    remarks
}

fn examine(dump: Dump) -> Report {
    let mut report = Report { dump, ..Report::default() };
    let mut told = report.dump.faults.clone();
    let mut owned = HashSet::new();
    let mut fallbacks = Vec::new();
    for rule in report.dump.rules.clone() {
        let Some(file) = &rule.file else { continue };
        if owned.insert(file.clone()) {
            report.findings.extend(writable(&rule, file, &report.dump));
        }
        if rule.kind != Kind::Map || report.map_of(&rule).is_some() {
            continue;
        }
        let (map, findings) = look_at_map(&rule, file);
        if findings.iter().any(|f| f.place.column.is_some()) {
            // The server reports these, too, at the place of the directive. Here each has its own place.
            let first = format!("{}: {}: {file}:", rule.written.origin, rule.written.directive);
            told.retain(|fault| !fault.starts_with(&first));
        }
        let proof = Proof::of(&report.dump.providers);
        if let Some((fallback, told)) =
            map.fallback.as_ref().filter(|_| proof != Proof::Exact).map(|f| (f, told_of(f, &rule, file)))
        {
            let is_finding = proof == Proof::MayIgnoreCase && fallback.is_exemption();
            if is_finding { report.findings.push(told) } else { fallbacks.push(told) }
        }
        report.maps.push(map);
        report.findings.extend(findings);
    }
    let mut findings: Vec<_> = told.iter().map(|fault| Remark::parse(fault)).collect();
    // What a running server outlives keeps another one from starting.
    let warnings = std::mem::take(&mut report.dump.warnings);
    let (not_whole, warnings): (Vec<_>, Vec<_>) = warnings.into_iter().partition(|w| w.ends_with(NOT_WHOLE));
    findings.extend(not_whole.iter().map(|warning| Remark::parse(warning)));
    report.dump.warnings = warnings;
    findings.extend(report.dump.findings.iter().map(|finding| Remark::parse(finding)));
    findings.append(&mut report.findings);
    findings.extend(never_asked(&report));
    report.findings = findings;
    report.notes = notes(&report);
    report.notes.append(&mut fallbacks);
    report
}

/// A remark about the line of a map that a user gets whose name has another case.
fn told_of(fallback: &Fallback, rule: &Rule, file: &str) -> Remark {
    let place = Place { file: Some(file.to_owned()), line: Some(fallback.line), column: None };
    Remark {
        place,
        text: format!("{} ({} at {})", fallback.text(), rule.written.directive, rule.written.origin),
    }
}

/// Remarks about who can change a map or a table.
fn writable(rule: &Rule, file: &str, dump: &Dump) -> Vec<Remark> {
    let place = Place::at(&rule.written.origin);
    let remark = |text| Remark { place: place.clone(), text: format!("{}: {text}", rule.written) };
    strangers(Path::new(file), dump.user.as_ref()).into_iter().map(remark).collect()
}

/// What is wrong with a map, or useless in it, as `check MAP` finds it. The server has asked the kernel about the
/// contexts.
fn look_at_map(rule: &Rule, file: &str) -> (MapFile, Vec<Remark>) {
    let backend = rule.backend.clone();
    let mut found = MapFile { file: file.to_owned(), backend, ..MapFile::default() };
    let Some(default) = BackendName::parse(&rule.backend) else {
        return (found, Vec::new());
    };
    let remark = |finding: Finding| Remark {
        place: Place { file: Some(file.to_owned()), line: finding.line, column: finding.column },
        text: format!("{} ({} at {})", finding.text, rule.written.directive, rule.written.origin),
    };
    let path = Path::new(file);
    // A compiled map has no lines that could be read.
    let text = MapText::load(path, default).ok();
    let (map, mut findings) = match &text {
        Some(text) => {
            let Readable { map, errors, more } = text.readable();
            let mut findings: Vec<_> = errors.into_iter().map(syntax).collect();
            findings.extend(more_lines(more));
            (map, findings)
        }
        // If the map cannot be read at all, the server has reported it.
        None => (Map::load(path, default).ok(), Vec::new()),
    };
    if let Some(map) = &map {
        let contexts = distinct_contexts(map);
        found.rules = map.len();
        found.contexts = contexts.len();
        found.matches_everything = matches_everything(map);
        // A line that cannot be read may say how names are compared.
        found.fallback = Some(map).filter(|_| findings.is_empty()).and_then(Fallback::of);
        let rulesets = contexts.iter().filter(|(c, _)| c.backend == BackendName::LANDLOCK);
        found.rulesets = rulesets.map(|(c, _)| c.text.to_string()).collect();
    }
    findings.extend(text.iter().flat_map(shadowed));
    (found, findings.into_iter().map(remark).collect())
}

/// Whether the map has a line `*`. No line names a user with a NUL byte, so only `*` can match.
fn matches_everything(map: &Map) -> bool {
    map.lookup(&Subject { user: Some(b"\0"), ..Subject::default() }).is_some()
}

/// Rules that are never asked, because a rule of the same section before them always matches.
fn never_asked(report: &Report) -> Vec<Remark> {
    let mut always: HashMap<usize, &Setting> = HashMap::new();
    let mut remarks = Vec::new();
    for rule in report.dump.rules.iter().filter(|rule| !rule.early) {
        let written = &rule.written;
        if let Some(first) = always.get(&written.list) {
            let text = format!(
                "{written} is never asked: {first} at {} stands before it{} and matches every request; move this \
                 line above it, or remove it",
                first.origin,
                inside(written)
            );
            remarks.push(Remark { place: Place::at(&written.origin), text });
            continue;
        }
        let matches = match rule.kind {
            Kind::Constant | Kind::Transitions => true,
            Kind::Map => report.map_of(rule).is_some_and(|map| map.matches_everything),
            Kind::Env | Kind::Expr | Kind::Database => false,
        };
        if matches {
            always.insert(written.list, written);
        }
    }
    remarks
}

fn inside(written: &Setting) -> String {
    let around = around(written);
    if around.is_empty() { String::new() } else { format!(" in {around}") }
}

/// Remarks about things that are correct but that a reader should know.
fn notes(report: &Report) -> Vec<Remark> {
    let dump = &report.dump;
    let mut notes: Vec<_> = dump.warnings.iter().map(|warning| Remark::parse(warning)).collect();
    notes.extend(dump.notes.iter().map(|note| Remark { place: Place::default(), text: note.clone() }));
    notes.extend(without_rules(dump));
    notes.extend(dump.settings.iter().filter_map(|s| left_on(s, dump)));
    if !dump.rules.is_empty() {
        let lets = report.lets_others_make_content();
        let has_pools = !dump.programs.is_empty();
        let text = |module: &String| out_of_process(module, lets, has_pools);
        notes.extend(dump.modules.iter().map(|m| Remark { place: Place::default(), text: text(m) }));
        notes.extend(dump.unknown_handlers.iter().map(|module| unknown_handler(module)));
    }
    // A map with a bad line may name a ruleset that seems unused.
    if dump.faults.is_empty() {
        notes.extend(unused_rulesets(report));
    }
    notes
}

fn without_rules(dump: &Dump) -> Vec<Remark> {
    if !dump.servers.iter().any(|s| s.has_rules) {
        let text =
            "there is no rule, so no request is confined; write one, such as ConfineContext or ConfineMap";
        return vec![Remark { place: Place::default(), text: text.to_owned() }];
    }
    let hosts = dump.servers.iter().filter(|s| !s.has_rules);
    hosts
        .filter_map(|server| {
            let place = Place::at(server.origin.as_ref()?);
            let text = format!(
                "the virtual host {} has no rule: its requests run with the server's privileges",
                server.name
            );
            Some(Remark { place, text })
        })
        .collect()
}

/// A remark about a setting that is for trying out, or that lets requests through.
fn left_on(setting: &Setting, dump: &Dump) -> Option<Remark> {
    let word = setting.words.first()?.to_ascii_lowercase();
    let text = match (setting.directive.to_ascii_lowercase().as_str(), word.as_str()) {
        ("confinemode", "learn") => "nothing is confined here, only written down",
        ("confinemode", "report") => "nothing is confined here, only logged",
        ("confinephpcache", "shared") => {
            "PHP shows each context what the others left in its caches and links"
        }
        ("confineunmatched", "allow") => "a request that no rule matches runs with the server's privileges",
        ("confineoutofprocess", "allow" | "warn") if !dump.modules.is_empty() => {
            "content that another process makes is not confined"
        }
        _ => return None,
    };
    Some(Remark { place: Place::at(&setting.origin), text: format!("{setting}{}: {text}", inside(setting)) })
}

/// A remark about a module that makes content outside of every context. `lets` says that a setting allows this
/// somewhere.
fn out_of_process(module: &str, lets: bool, has_pools: bool) -> String {
    let name = module.strip_suffix(".c").or(module.strip_suffix(".cpp")).unwrap_or(module);
    if has_pools && ["mod_proxy", "mod_proxy_fcgi"].contains(&name) {
        let but = if lets { ", and not confined where ConfineOutOfProcess lets them through" } else { "" };
        return format!(
            "{name} is loaded, which <ConfineFastCGI> needs: requests to its pools are confined. All others that it leads \
             to other processes are refused under a rule{but}; see ConfineOutOfProcess"
        );
    }
    let (made, what) = match name {
        "mod_cgid" => ("starts CGI programs from another process", "load mod_cgi instead"),
        "mod_fcgid" | "mod_fastcgi" => ("makes content in other processes", "use mod_cgi"),
        "mod_wsgi" => (
            "hands requests to its daemons (WSGIDaemonProcess)",
            "run the applications embedded, without WSGIDaemonProcess",
        ),
        _ => ("leads requests to other processes", "confine those by their own means"),
    };
    let but = if lets { ", and not confined where ConfineOutOfProcess lets them through" } else { "" };
    format!(
        "{name} is loaded, and {made}: under a rule they are refused{but}; {what}, or see ConfineOutOfProcess"
    )
}

/// Says what `check` cannot know, so that nobody takes its silence for an answer.
fn unknown_handler(module: &str) -> Remark {
    let text = format!(
        "{module} has a content handler, and it is not known whether it makes content in the request's own thread or \
         leaves it to another process, which no context would reach: look it up in that module's manual"
    );
    Remark { place: Place::default(), text }
}

fn unused_rulesets(report: &Report) -> Vec<Remark> {
    let dump = &report.dump;
    let by_rules =
        dump.rules.iter().filter(|r| r.kind == Kind::Constant).map(|r| (&r.written.words, &r.backend));
    let moves = |s: &&Setting| s.directive.eq_ignore_ascii_case("ConfineServerContext");
    let main = dump.servers.first().map(|s| &s.backend);
    let by_server = dump.settings.iter().filter(moves).filter_map(|s| Some((&s.words, main?)));
    let mut used: Vec<String> = report.maps.iter().flat_map(|map| map.rulesets.clone()).collect();
    for (words, backend) in by_rules.chain(by_server) {
        let backend = BackendName::parse(backend).unwrap_or(BackendName::SELINUX);
        if let Ok(ContextList::Contexts(list)) = ContextList::parse(words.iter().map(String::as_str), backend)
        {
            used.extend(
                list.iter().filter(|c| c.backend == BackendName::LANDLOCK).map(|c| c.text.to_string()),
            );
        }
    }
    // In the result of a rule, a ruleset of a virtual host has its full name.
    let resolved = dump.rules.iter().filter_map(|r| r.contexts.as_deref());
    used.extend(
        resolved.flat_map(|c| c.split(' ')).filter_map(|c| c.strip_prefix("landlock:")).map(str::to_owned),
    );
    let is_used = |name: &str| {
        let own = name.split_once('@').map_or(name, |(own, _)| own);
        let by_a_map = report.maps.iter().any(|map| map.rulesets.iter().any(|r| r == own));
        by_a_map || used.iter().any(|u| u == name)
    };
    let by_requests = dump.rules.iter().any(|r| matches!(r.kind, Kind::Env | Kind::Expr | Kind::Database));
    let caveat = if by_requests { ", unless a variable, an expression or a database does" } else { "" };
    let unused = dump.rulesets.iter().filter(|r| !is_used(&r.name));
    unused
        .map(|r| Remark {
            place: Place::at(&r.origin),
            text: format!("nothing names the ruleset {}{caveat}", r.name),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_errors_are_placed() {
        let said = [
            "AH00526: Syntax error on line 3 of /etc/x.conf:".to_owned(),
            "Invalid command 'Konfine', perhaps misspelled".to_owned(),
            "AH00014: Configuration check failed".to_owned(),
            "apache2: Syntax error on line 2 of /etc/a.conf: Syntax error on line 14 of /etc/b.conf: Expected </X> but \
             saw </Y>"
                .to_owned(),
        ];
        let remarks = refusals(&said);
        assert_eq!(remarks.len(), 3);
        let place = Place { file: Some("/etc/x.conf".to_owned()), line: Some(3), column: None };
        assert_eq!(remarks[0].place, place);
        assert_eq!(remarks[0].text, "Invalid command 'Konfine', perhaps misspelled");
        assert_eq!(remarks[1].place, Place::default());
        assert_eq!(remarks[2].to_string(), "/etc/b.conf:14: Expected </X> but saw </Y>");
    }
}
