//! How directives are written, for `confinectl`: noted only where the configuration is to be described.

use std::ffi::CString;

use confine::dump;

use super::{Generation, Written};
use crate::httpd::{
    command::{Command, Run, Runner},
    hooks,
};

/// Whether this process is to describe the configuration (`httpd -t -D CONFINE_DUMP`).
pub fn wanted() -> bool {
    hooks::only_testing() && is_defined(dump::DUMP)
}

/// Whether `name` is defined for this reading of the configuration.
pub fn is_defined(name: &str) -> bool {
    CString::new(name).is_ok_and(|name| hooks::defined(&name))
}

/// Runs a directive, and notes how it is written where that is to be shown.
pub struct Noting;

impl Runner for Noting {
    fn run(command: &mut Command<'_>, run: Run) -> Result<(), String> {
        if !wanted() {
            return run(command);
        }
        let (Some(pool), Some(server)) = (command.pool(), command.server()) else { return run(command) };
        let words = command.words.iter().map(|w| (*w).to_owned()).collect();
        let first = Generation::edit(pool, |g| g.drafts.len());
        let result = run(command);
        let mut sections = command.sections();
        sections.reverse();
        let mut written = Written {
            directive: command.name().into(),
            words,
            origin: command.origin(),
            server: server.as_ptr(),
            list: command.directory_config().addr(),
            sections,
            drafts: 0..0,
        };
        Generation::edit(pool, |g| {
            written.drafts = first..g.drafts.len();
            g.written.push(written);
        });
        result
    }
}
