//! `confinectl suggest`: a Landlock ruleset of what requests did in learn mode, or of what the audit log says was refused.

mod audit;
mod existing;
mod ground;
mod group;
mod lift;
mod territory;
#[cfg(test)]
mod tests;
mod text;
mod verify;

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs, io,
    io::Write,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use confine::{
    dump::{Dump, Ruleset},
    learn::{ENDING, Reading},
    lsm::landlock::PathAccess,
};

use self::{existing::Existing, ground::Ground, text::Shown};
use crate::{
    Failure, Outcome,
    described::{self, HOW_TO_LOAD},
    out::{Out, shown},
};

/// The command line of `suggest`.
#[derive(clap::Args)]
pub struct Args {
    /// The ruleset, or a file that learn mode wrote; by default each ruleset that was learned.
    #[arg(value_name = "NAME|FILE")]
    what: Option<PathBuf>,
    #[command(flatten)]
    server: described::ServerArgs,
    /// Read what Landlock refused from this audit log (Linux 6.15), and not what was learned.
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,
    /// Write the whole section, where the default would be what differs from the ruleset that is there.
    #[arg(long)]
    whole: bool,
    /// Answer as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What is known of one ruleset.
struct Source {
    /// The full name, with the virtual host that it belongs to.
    name: String,
    reading: Reading,
    /// What was refused and no directive grants, in the kernel's words.
    beyond: BTreeSet<String>,
}

/// Writes a suggestion for each ruleset.
pub fn run(args: &Args, out: &mut Out<impl Write>) -> Result<Outcome, Failure> {
    let dump = read_configuration(&args.server)?;
    let sources = match &args.audit {
        Some(file) => vec![audited(file, args.what.as_deref(), &dump)?],
        None => learned(args.what.as_deref(), &dump)?,
    };
    let mut answers = Vec::new();
    for source in &sources {
        let theirs = written_by_others(&dump, &source.name);
        let ground = Ground::of(&dump, &source.name, &source.reading.learned, &theirs);
        let there = dump.rulesets.iter().find(|ruleset| ruleset.name == source.name);
        let suggestion = group::suggest(&source.reading.learned, &ground, Existing::of(there).as_ref());
        let Source { name, reading, beyond } = source;
        let shown = Shown { source: name, reading, beyond, suggestion: &suggestion, there };
        answers.push(shown.text(&ground, args.whole));
    }
    if args.json {
        let rulesets: Vec<_> = answers.iter().map(text::Answer::json).collect();
        out.json(&serde_json::json!({ "rulesets": rulesets }))?;
    } else {
        for (number, answer) in answers.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            answer.write(out)?;
        }
    }
    Ok(if answers.iter().all(text::Answer::is_verified) { Outcome::Good } else { Outcome::Bad })
}

/// The configuration, which must be one that the server would start with.
fn read_configuration(server: &described::ServerArgs) -> Result<Dump, Failure> {
    let refused = |text: String| Err(Failure::Refused(text));
    match server.read(None)?.0 {
        described::Reading::Described(dump) if dump.faults.is_empty() => Ok(*dump),
        described::Reading::Described(dump) => {
            refused(format!("{}: {}; mend that first", server.shown(), dump.faults.join("; ")))
        }
        described::Reading::NotLoaded => refused(format!("mod_confine is not loaded; {HOW_TO_LOAD}")),
        described::Reading::Refused(said) => {
            refused(format!("{}: {}; mend that first", server.shown(), said.join(" ")))
        }
    }
}

/// What was learned: of one ruleset, of one file, or of all rulesets that have a file.
fn learned(what: Option<&Path>, dump: &Dump) -> Result<Vec<Source>, Failure> {
    if let Some(file) = what.filter(|what| what.as_os_str().as_bytes().contains(&b'/')) {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = name.strip_suffix(ENDING).unwrap_or(&name).to_owned();
        return Ok(vec![Source { name, reading: read(file)?, beyond: BTreeSet::new() }]);
    }
    let Some(folder) = learn_folder(dump) else {
        return Err(Failure::Refused(
            "ConfineMode learn stands nowhere in this configuration, so nothing is learned; write it where the \
             application is, reload the server, and use the application; or name the file that was learned before"
                .to_owned(),
        ));
    };
    let names = match what {
        Some(name) => vec![whole_name(&name.to_string_lossy(), dump)?],
        None => dump.rulesets.iter().map(|ruleset| ruleset.name.clone()).collect(),
    };
    let mut sources = Vec::new();
    for name in names {
        let file = folder.join(format!("{name}{ENDING}"));
        match read(&file) {
            Ok(reading) if what.is_some() || !reading.learned.is_empty() => {
                sources.push(Source { name, reading, beyond: BTreeSet::new() })
            }
            Err(failure) if what.is_some() => return Err(failure),
            Ok(_) | Err(_) => {}
        }
    }
    if sources.iter().all(|source| source.reading.learned.is_empty()) {
        return Err(Failure::Refused(format!(
            "nothing is learned yet in {}; reload the server with ConfineMode learn, use the application, and ask again \
             (as root)",
            shown(&folder)
        )));
    }
    Ok(sources)
}

fn learn_folder(dump: &Dump) -> Option<PathBuf> {
    dump.learn_folder.as_ref().map(|bytes| PathBuf::from(OsStr::from_bytes(bytes)))
}

/// The folders in which requests of other rulesets write: by what was learned of them, and by what they grant.
fn written_by_others(dump: &Dump, name: &str) -> BTreeSet<PathBuf> {
    let folder = learn_folder(dump);
    let mut written = BTreeSet::new();
    for other in dump.rulesets.iter().filter(|other| other.name != name) {
        let file = folder.as_ref().map(|folder| folder.join(format!("{}{ENDING}", other.name)));
        let reading = file.and_then(|file| read(&file).ok()).unwrap_or_default();
        written.extend(territory::written(&reading.learned));
        let granted = other.grants.iter().filter(|line| line.directive == PathAccess::Write.directive());
        written.extend(granted.filter_map(|line| fs::canonicalize(&line.path).ok()));
    }
    written
}

/// The full name of a ruleset: `blog`, or `blog@HOST` where only one virtual host has one of that name.
fn whole_name(name: &str, dump: &Dump) -> Result<String, Failure> {
    let is = |ruleset: &&Ruleset| ruleset.name == name;
    let of_host =
        |ruleset: &&Ruleset| ruleset.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('@'));
    let found: Vec<_> = match dump.rulesets.iter().find(is) {
        Some(ruleset) => vec![ruleset],
        None => dump.rulesets.iter().filter(of_host).collect(),
    };
    match &found[..] {
        [one] => Ok(one.name.clone()),
        several => {
            let names = if several.is_empty() { dump.rulesets.iter().collect() } else { several.to_vec() };
            let names: Vec<_> = names.iter().map(|ruleset| ruleset.name.as_str()).collect();
            Err(Failure::Refused(format!(
                "{name:?}: write the name of one ruleset; there are: {}",
                names.join(", ")
            )))
        }
    }
}

fn read(file: &Path) -> Result<Reading, Failure> {
    let refused = |e: io::Error| {
        let remedy = match e.kind() {
            io::ErrorKind::NotFound => "use the application under ConfineMode learn first",
            _ => "run this as root",
        };
        Failure::Refused(format!("{}: cannot be read: {e}; {remedy}", shown(file)))
    };
    fs::read(file).map(|text| Reading::of(&text)).map_err(refused)
}

/// What an audit log says. It names no rulesets, so the one is to be named, or there is only one.
fn audited(file: &Path, what: Option<&Path>, dump: &Dump) -> Result<Source, Failure> {
    let text = fs::read(file)
        .map_err(|e| Failure::Refused(format!("{}: cannot be read: {e}; run this as root", shown(file))))?;
    let name = match (what, &dump.rulesets[..]) {
        (Some(name), _) => whole_name(&name.to_string_lossy(), dump)?,
        (None, [one]) => one.name.clone(),
        (None, all) => {
            let names: BTreeSet<_> = all.iter().map(|ruleset| ruleset.name.as_str()).collect();
            let names: Vec<_> = names.into_iter().collect();
            return Err(Failure::Refused(format!(
                "the audit log does not say which ruleset refused something; name one of: {}",
                names.join(", ")
            )));
        }
    };
    let audit::Refused { learned, other } = audit::refused(&text);
    if learned.is_empty() && other.is_empty() {
        return Err(Failure::Refused(format!(
            "{} has no record of Landlock's (LANDLOCK_ACCESS) about this server; confinectl doctor says whether the \
             kernel writes them",
            shown(file)
        )));
    }
    Ok(Source { name, reading: Reading { learned, ..Reading::default() }, beyond: other })
}
