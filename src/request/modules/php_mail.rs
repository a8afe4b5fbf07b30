//! `mail()` of PHP for programs that get no privileges from their files.
//!
//! A Landlock ruleset sets `no_new_privs`. So the set-group-ID program `postdrop`, which `sendmail` starts, runs
//! without its group. Postfix's `postdrop` then tries to write to the queue again and again without end (Postfix:
//! global/mail_queue.c, mail_queue_enter), and the request does not end either. So under `no_new_privs` PHP's
//! `sendmail_path` gets a time limit by timeout(1), unless the server's configuration sets it itself
//! (`php_admin_value sendmail_path`). The server's error log then says why mail failed.

use std::ffi::{CStr, CString};

use confine::php::{self, MAIL_LIMIT as LIMIT};

use crate::httpd::{directives::Directives, php::Module, server::Server};

const NAME: &CStr = c"sendmail_path";

/// How `mail()` is configured.
pub struct Mail {
    /// The command that PHP starts, as php.ini has it.
    command: String,
}

impl Mail {
    /// Asks PHP. `None` if PHP cannot be asked or starts no program for mail. A command that is more than a program
    /// and its arguments is left as the administrator wrote it.
    pub fn of(php: &Module) -> Option<Self> {
        let command = php.setting(NAME)?.into_string().ok()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || " /._-+=@:,".contains(c);
        (command.starts_with('/') && command.chars().all(plain)).then_some(Self { command })
    }

    /// The setting with a time limit.
    pub fn bounded(&self, main: &Server<'_>) -> Result<Directives, String> {
        let command = shell(&self.command);
        let quoted = format!("sendmail_path \"{}\"", command.replace('\\', "\\\\").replace('"', "\\\""));
        let arguments = CString::new(quoted).map_err(|e| e.to_string())?;
        Directives::read(main, &[(c"php_admin_value", &arguments)])
    }

    /// The warning, if a program that the command starts needs the privileges of its file.
    pub fn warning(&self) -> Option<String> {
        let program = self.command.split(' ').next()?;
        php::mail_fails(program).map(|text| format!("{text}; {}", php::MAIL_REMEDY))
    }
}

/// The command as one word for sh. PHP gives it to sh with further arguments.
fn shell(command: &str) -> String {
    format!(
        "c() {{ timeout -k 5 {LIMIT} \"$@\"; s=$?; case $s in \
         124|137) echo \"confine: mail() gave up: $1 took more than {LIMIT} s; under no_new_privs a set-ID program \
         behind it (Postfix's postdrop) has no privilege and may wait for ever\" >&2;; \
         126|127) echo \"confine: mail() failed: the context lets sh not run timeout or $1\" >&2;; \
         esac; return $s; }}; c {command}"
    )
}
