//! `mail()` of PHP where programs get no privilege of their files.
//!
//! A Landlock ruleset comes with `no_new_privs`: a set-group-ID `postdrop` behind `sendmail` then runs without its
//! group. Postfix's tries to write to the queue again and again, without end (Postfix: global/mail_queue.c,
//! mail_queue_enter), and the request with it. So under `no_new_privs`, PHP's `sendmail_path` is given a limit of
//! time, by timeout(1), unless the server's configuration sets one itself (`php_admin_value sendmail_path`). What
//! fails says why in the server's error log.

use std::{
    ffi::{CStr, CString},
    fs,
    os::unix::fs::PermissionsExt,
};

use crate::httpd::{directives::Directives, php::Module, server::Server};

/// How long a program behind `mail()` may take, in seconds.
const LIMIT: u32 = 30;

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
        // Postfix's sendmail has no privilege of its own and starts this one.
        let set_id = [program, "/usr/sbin/postdrop"].into_iter().find(|path| is_set_id(path))?;
        Some(format!(
            "mail() of PHP starts {program}, and {set_id} is set-ID: under a Landlock ruleset it runs without that \
             privilege (no_new_privs), and mail() fails, after {LIMIT} s at the latest; let php.ini or php_admin_value \
             sendmail_path name a program that needs none, such as msmtp, or send by SMTP"
        ))
    }
}

fn is_set_id(path: &str) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o6000 != 0)
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
