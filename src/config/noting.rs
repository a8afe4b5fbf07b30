//! How directives are written: noted for `confinectl`, only where the configuration is to be described.

use std::ffi::CString;

use confine::dump;

use super::{Written, WrittenDirective};
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
        let first = Written::edit(pool, |written| written.rules.len());
        let result = run(command);
        let mut sections = command.sections();
        sections.reverse();
        let mut directive = WrittenDirective {
            directive: command.name().into(),
            words,
            origin: command.origin(),
            server: server.id(),
            section: command.section_id(),
            sections,
            rules: 0..0,
        };
        Written::edit(pool, |written| {
            directive.rules = first..written.rules.len();
            written.directives.push(directive);
        });
        result
    }
}
