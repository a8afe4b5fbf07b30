//! `TOMOYO_TransitionMap` and `CCS_TransitionMap`: the directive of TOMOYO's own Apache module, by its
//! two names. docs/mod_ccs.md lists what differs here.

use crate::config::directives::one;
use crate::{
    config::{WrittenSource, edit::add_rule},
    httpd::command::Command,
};

pub fn transition_map(command: &mut Command<'_>) -> Result<(), String> {
    let file = one(&command.words, "file")?;
    let path = command.below_server_root(file).ok_or_else(|| format!("{file:?} is not a usable path"))?;
    add_rule(command, WrittenSource::Transitions(path))
}
