//! Directives that set one value for a scope.

use std::time::Duration;

use confine::{context::BackendName, tally::MOST_ROWS};

#[cfg(feature = "fault-injection")]
use crate::config::Fault;
use crate::config::directives::{choice, one};
use crate::{
    config::{
        Gate, Mode, OutOfProcess, PhpCache, Unmatched, WorkerLimits, Workers,
        edit::{
            edit_server, edit_settings, edit_written, note_handler, set_server_context, set_workers, standing,
        },
    },
    httpd::command::Command,
};

type Done = Result<(), String>;

pub fn unmatched(command: &mut Command<'_>) -> Done {
    let value = choice(&command.words, &[("deny", Unmatched::Deny), ("allow", Unmatched::Allow)])?;
    edit_settings(command, |s| s.unmatched = Some(value))
}

pub fn mode(command: &mut Command<'_>) -> Done {
    let choices = [("enforce", Mode::Enforce), ("report", Mode::Report), ("learn", Mode::Learn)];
    let value = choice(&command.words, &choices)?;
    if value != Mode::Enforce {
        edit_written(command, |written| (written.watches, written.reports) = (true, true))?;
    }
    if value == Mode::Learn {
        let server = command.server().ok_or("the server gave no section")?.id();
        edit_written(command, |written| written.learning.insert(server))?;
    }
    let standing = standing(command)?;
    edit_written(command, |written| written.modes.push((standing, value)))?;
    edit_settings(command, |s| s.mode = Some(value))
}

/// Where the files of learned rulesets lie.
pub fn learn_folder(command: &mut Command<'_>) -> Done {
    command.outside_virtual_hosts()?;
    let word = one(&command.words, "folder")?;
    let folder = command.below_server_root(word).ok_or_else(|| format!("{word:?} is not a usable path"))?;
    edit_written(command, |written| written.learn_folder = Some(folder.into()))
}

pub fn explain(command: &mut Command<'_>) -> Done {
    let on = choice(&command.words, &[("on", true), ("off", false)])?;
    if on {
        edit_written(command, |written| written.watches = true)?;
    }
    edit_settings(command, |s| s.explain = Some(on))
}

pub fn out_of_process(command: &mut Command<'_>) -> Done {
    let choices =
        [("deny", OutOfProcess::Deny), ("warn", OutOfProcess::Warn), ("allow", OutOfProcess::Allow)];
    let value = choice(&command.words, &choices)?;
    edit_settings(command, |s| s.out_of_process = Some(value))
}

pub fn allow_cache(command: &mut Command<'_>) -> Done {
    let value = choice(&command.words, &[("on", true), ("off", false)])?;
    edit_settings(command, |s| s.allow_cache = Some(value))
}

/// `SetHandler`. Core has this directive too, and says what is wrong with it.
pub fn set_handler(command: &mut Command<'_>) -> Done {
    match &command.words[..] {
        [name] => note_handler(command, name),
        _ => Ok(()),
    }
}

pub fn php_cache(command: &mut Command<'_>) -> Done {
    if command.words.iter().any(|word| word.eq_ignore_ascii_case("file")) {
        let why = "\"file\" cannot be had: a context would have to write its own cache, whose files PHP runs without \
                   checking them, as native code in this process; write off or shared";
        return Err(why.to_owned());
    }
    let value = choice(&command.words, &[("off", PhpCache::Off), ("shared", PhpCache::Shared)])?;
    edit_settings(command, |s| s.php_cache = Some(value))
}

pub fn gate(command: &mut Command<'_>) -> Done {
    let value = choice(&command.words, &[("process", Gate::Process), ("handler", Gate::Handler)])?;
    edit_server(command, |s| s.gate = Some(value))
}

pub fn workers(command: &mut Command<'_>) -> Done {
    let Some((kind, limits)) = command.words.split_first() else {
        return Err("takes one-time, or per-context and its limits".into());
    };
    let kept = choice(&[kind], &[("one-time", false), ("per-context", true)])?;
    let value = match (kept, limits) {
        (true, limits) => Workers::PerContext(parse_limits(limits)?),
        (false, []) => Workers::OneTime,
        (false, [word, ..]) => return Err(format!("{word:?}: one-time workers have no limits")),
    };
    set_workers(command, value)
}

fn parse_limits(words: &[&str]) -> Result<WorkerLimits, String> {
    let mut limits = WorkerLimits::default();
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let number = value.parse::<u32>().ok().filter(|n| *n > 0);
        match (name, number) {
            ("max", Some(n)) => limits.max = n as usize,
            ("idle", Some(n)) => limits.idle = Duration::from_secs(n.into()),
            ("requests", Some(n)) => limits.requests = n,
            ("max" | "idle" | "requests", None) => {
                return Err(format!("{word:?}: {name} takes a whole number from 1 on"));
            }
            _ => return Err(format!("{word:?} is no limit; there are: max=, idle= and requests=")),
        }
    }
    Ok(limits)
}

pub fn backend(command: &mut Command<'_>) -> Done {
    let word = one(&command.words, "name of a backend")?;
    let value = BackendName::parse(word).ok_or_else(|| {
        let known: Vec<_> = BackendName::ALL.iter().map(|b| b.as_str()).collect();
        format!("{word:?} is no backend of this build; there are: {}", known.join(", "))
    })?;
    edit_server(command, |s| s.backend = Some(value))
}

pub fn server_context(command: &mut Command<'_>) -> Done {
    if command.words.is_empty() {
        return Err("takes at least one context".into());
    }
    let words = command.words.iter().map(|w| (*w).to_owned()).collect();
    set_server_context(command, words)
}

pub fn trust_scripts(command: &mut Command<'_>) -> Done {
    command.outside_virtual_hosts()?;
    if command.words.is_empty() {
        return Err("takes at least one module".into());
    }
    let names = command.words.iter().map(|word| trusted_module(word)).collect::<Result<Vec<_>, _>>()?;
    edit_written(command, |written| written.trusted.extend(names))
}

/// What `ConfineTrustScripts` may name.
const TRUSTED_MODULES: [&str; 6] = ["mod_lua", "mod_perl", "mod_python", "mod_ruby", "mod_tcl", "mod_wsgi"];

/// A word of `ConfineTrustScripts`: the module's name without `.c`.
fn trusted_module(word: &str) -> Result<String, String> {
    let short = word.strip_suffix(".c").unwrap_or(word);
    let known = TRUSTED_MODULES.iter().find(|name| name.eq_ignore_ascii_case(short));
    known
        .map(|name| (*name).to_owned())
        .ok_or_else(|| format!("{word:?} is not known here; write {}", TRUSTED_MODULES.join(", ")))
}

pub fn core_dumps(command: &mut Command<'_>) -> Done {
    command.outside_virtual_hosts()?;
    let on = choice(&command.words, &[("on", true), ("off", false)])?;
    edit_written(command, |written| written.core_dumps = on)
}

pub fn status_rows(command: &mut Command<'_>) -> Done {
    command.outside_virtual_hosts()?;
    let word = one(&command.words, "number of rows")?;
    let number = word.parse().ok().filter(|number| (1..=MOST_ROWS).contains(number));
    let number = number.ok_or_else(|| format!("{word:?} is no whole number from 1 to {MOST_ROWS}"))?;
    edit_written(command, |written| written.status_rows = Some(number))
}

#[cfg(feature = "fault-injection")]
pub fn fault(command: &mut Command<'_>) -> Done {
    let choices = [
        ("panic-in-gate", Fault::Gate),
        ("panic-in-worker", Fault::Worker),
        ("panic-in-move", Fault::Move),
        ("no-memory-in-worker", Fault::Memory),
    ];
    let value = choice(&command.words, &choices)?;
    edit_settings(command, |s| s.fault = Some(value))
}
