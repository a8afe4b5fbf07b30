//! What an administrator should know about PHP in the server's process. All programs use these texts.
//!
//! ```
//! assert_eq!(confine::php::MAILER, "/usr/sbin/sendmail");
//! ```

use std::{fs, os::unix::fs::PermissionsExt};

/// What contexts in one process share in spite of all settings.
pub const SHARED: &str = "mod_php is loaded, and more than one context may use it: no setting keeps apart sockets that \
                          stay open (pfsockopen, STREAM_CLIENT_PERSISTENT), persistent links of PDO and others, APCu, \
                          SOAP's cache of WSDL in memory, and System V shared memory, semaphores and queues";

/// What to do about it.
pub const SHARED_REMEDY: &str = "name what is not needed in disable_functions of php.ini (pfsockopen, shmop_open, \
                                 shm_attach, ...), do not load APCu, and see \"What PHP shares\" in the threat model";

/// The program that `mail()` starts, unless php.ini names another one.
pub const MAILER: &str = "/usr/sbin/sendmail";

/// Postfix's own `sendmail` has no privileges. It starts this program, which has some.
const POSTDROP: &str = "/usr/sbin/postdrop";

/// How long a program that `mail()` starts may run under `no_new_privs`, in seconds.
pub const MAIL_LIMIT: u32 = 30;

/// What an administrator should know about `mail()` under Landlock rulesets, if the program that it starts, or one
/// that this program can start, needs the privileges of its file.
pub fn mail_fails(program: &str) -> Option<String> {
    let set_id = [program, POSTDROP].into_iter().find(|path| is_set_id(path))?;
    Some(format!(
        "mail() of PHP starts {program}, and {set_id} is set-ID: under a Landlock ruleset it runs without that privilege \
         (no_new_privs), and mail() fails, after {MAIL_LIMIT} s at the latest"
    ))
}

/// What to do about it.
pub const MAIL_REMEDY: &str = "let sendmail_path in php.ini, or by php_admin_value, name a program that needs no privilege, \
                               such as msmtp, or send by SMTP";

fn is_set_id(path: &str) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o6000 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_privilege_is_no_reason_to_warn() {
        assert!(is_set_id("/usr/bin/passwd"));
        assert!(!is_set_id("/bin/sh") && !is_set_id("/") && !is_set_id("/nonexistent"));
        let text = mail_fails("/usr/bin/passwd").unwrap_or_default();
        assert!(text.contains("/usr/bin/passwd is set-ID"), "{text}");
    }
}
