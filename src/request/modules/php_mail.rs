//! `mail()` of PHP where programs get no privilege of their files.
//!
//! A Landlock ruleset comes with `no_new_privs`: a set-group-ID `postdrop` behind `sendmail` then runs without its
//! group. Postfix's tries to write to the queue again and again, without end (Postfix: global/mail_queue.c,
//! mail_queue_enter), and the request with it. So under `no_new_privs`, PHP's `sendmail_path` is given a limit of
//! time, by timeout(1), unless the server's configuration sets one itself (`php_admin_value sendmail_path`). What
//! fails says why in the server's error log.

use std::ffi::{CStr, CString};

use confine::php::{self, MAIL_LIMIT as LIMIT};

use crate::httpd::{directives::Directives, php::Module, server::Server};

const NAME: &CStr = c"sendmail_path";

/// `mail()` as it is configured.
pub struct Mail {
    /// What PHP starts, as in php.ini.
    command: String,
}

impl Mail {
    /// Asks PHP; `None` where it cannot be asked, or starts no program for mail. A command that is more than a
    /// program and its arguments is the administrator's own business.
    pub fn of(php: &Module) -> Option<Self> {
        let command = php.setting(NAME)?.into_string().ok()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || " /._-+=@:,".contains(c);
        (command.starts_with('/') && command.chars().all(plain)).then_some(Self { command })
    }

    /// The setting with its limit.
    pub fn bounded(&self, main: &Server<'_>) -> Result<Directives, String> {
        let command = shell(&self.command);
        let quoted = format!("sendmail_path \"{}\"", command.replace('\\', "\\\\").replace('"', "\\\""));
        let arguments = CString::new(quoted).map_err(|e| e.to_string())?;
        Directives::read(main, &[(c"php_admin_value", &arguments)])
    }

    /// What is to be known where a program behind it needs the privilege of its file.
    pub fn warning(&self) -> Option<String> {
        let program = self.command.split(' ').next()?;
        php::mail_fails(program).map(|text| format!("{text}; {}", php::MAIL_REMEDY))
    }
}

/// For sh, to which PHP gives it with more arguments behind it.
fn shell(command: &str) -> String {
    format!(
        "c() {{ timeout -k 5 {LIMIT} \"$@\"; s=$?; case $s in \
         124|137) echo \"confine: mail() gave up: $1 took more than {LIMIT} s; under no_new_privs a set-ID program \
         behind it (Postfix's postdrop) has no privilege and may wait for ever\" >&2;; \
         126|127) echo \"confine: mail() failed: the context lets sh not run timeout or $1\" >&2;; \
         esac; return $s; }}; c {command}"
    )
}
