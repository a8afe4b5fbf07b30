//! Two directives of mod_ssl, whose values this module needs, too. mod_ssl itself reports errors in them.

use std::ffi::CStr;

use crate::{
    config::{edit::note_name_in_certificate, unverified_certificates},
    httpd::{command::Command, hooks},
};

type Done = Result<(), String>;

/// `SSLUserName VARIABLE`
pub fn user_name(command: &Command<'_>, name: &CStr) -> Done {
    known(command)?;
    note_name_in_certificate(command, name)
}

/// `SSLVerifyClient LEVEL`
pub fn verify_client(command: &Command<'_>, level: &CStr) -> Done {
    known(command)?;
    if level.to_bytes().eq_ignore_ascii_case(b"optional_no_ca") {
        unverified_certificates::let_in();
    }
    Ok(())
}

/// Without mod_ssl there is no such directive, and the server's own words say so (server/config.c, ap_walk_config_sub).
fn known(command: &Command<'_>) -> Done {
    if hooks::module_loaded(c"mod_ssl.c") {
        return Ok(());
    }
    Err(format!(
        "Invalid command '{}', perhaps misspelled or defined by a module not included in the server configuration",
        command.name()
    ))
}
