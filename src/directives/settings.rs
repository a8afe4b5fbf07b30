//! Directives that set one value for a scope.

use confine::lsm::BackendName;

use super::{choice, one};
#[cfg(feature = "fault-injection")]
use crate::config::Fault;
use crate::{
    config::{Gate, Mode, OutOfProcess, Unmatched, edit_server, edit_settings, set_server_context},
    httpd::command::Command,
};

type Done = Result<(), String>;

pub fn unmatched(command: &mut Command<'_>) -> Done {
    let value = choice(&command.words, &[("deny", Unmatched::Deny), ("allow", Unmatched::Allow)])?;
    edit_settings(command, |s| s.unmatched = Some(value))
}

pub fn mode(command: &mut Command<'_>) -> Done {
    let value = choice(&command.words, &[("enforce", Mode::Enforce), ("report", Mode::Report)])?;
    edit_settings(command, |s| s.mode = Some(value))
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

pub fn gate(command: &mut Command<'_>) -> Done {
    let value = choice(&command.words, &[("process", Gate::Process), ("handler", Gate::Handler)])?;
    edit_server(command, |s| s.gate = Some(value))
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

#[cfg(feature = "fault-injection")]
pub fn fault(command: &mut Command<'_>) -> Done {
    let choices =
        [("panic-in-gate", Fault::Gate), ("panic-in-worker", Fault::Worker), ("panic-in-move", Fault::Move)];
    let value = choice(&command.words, &choices)?;
    edit_settings(command, |s| s.fault = Some(value))
}
