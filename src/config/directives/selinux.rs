//! mod_selinux's directives, with the meaning that they had there. Their contexts are SELinux's, whatever
//! `ConfineBackend` says. The server's own context exempts a request. A list of rules that are all mod_selinux's lets
//! unmatched requests run as the server. docs/mod_selinux.md lists what is stricter here.

use std::ffi::CString;

use crate::config::directives::{choice, one};
use crate::{
    config::{
        WrittenSource,
        edit::{add_rule_of_mod_selinux, edit_settings, set_server_context},
    },
    httpd::command::Command,
};

type Done = Result<(), String>;

pub fn server_domain(command: &mut Command<'_>) -> Done {
    let domain = one(&command.words, "domain")?;
    set_server_context(command, vec![of_selinux(domain)])
}

pub fn domain_map(command: &mut Command<'_>) -> Done {
    let file = one(&command.words, "file")?;
    let path = command.below_server_root(file).ok_or_else(|| format!("{file:?} is not a usable path"))?;
    add_rule_of_mod_selinux(command, WrittenSource::Map(path))
}

pub fn domain_env(command: &mut Command<'_>) -> Done {
    let name = one(&command.words, "name of an environment variable")?;
    let name = CString::new(name).map_err(|_| "the name holds a NUL byte")?;
    add_rule_of_mod_selinux(command, WrittenSource::Env(name, None))
}

pub fn domain_val(command: &mut Command<'_>) -> Done {
    let domain = one(&command.words, "domain")?;
    add_rule_of_mod_selinux(command, WrittenSource::Constant(vec![of_selinux(domain)]))
}

pub fn allow_caches(command: &mut Command<'_>) -> Done {
    let value = choice(&command.words, &[("on", true), ("off", false)])?;
    edit_settings(command, |s| s.allow_cache = Some(value))
}

/// The context with its backend named.
fn of_selinux(domain: &str) -> String {
    if domain.starts_with("selinux:") { domain.to_owned() } else { format!("selinux:{domain}") }
}
