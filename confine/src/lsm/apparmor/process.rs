//! What AppArmor asks of a process that moves to its profile and then executes a program.
//!
//! The process moves as a thread does and executes the program in the profile, which must let it (`ix`). The other way,
//! a profile that the kernel sets when the program is executed (`change_onexec`, or `px` in the profile), is refused
//! under no_new_privs. And the kernel then forgets that the program ends with its manager (security/apparmor/domain.c,
//! apparmor_bprm_committing_creds clears the signal at the parent's death where the label changes).

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{
    profiles::{Mode, Profiles},
    text::Written,
};
use crate::{lsm::quoted, problem::Problem};

/// The kernel's file for questions (security/apparmor/apparmorfs.c, query_label).
fn query_file(securityfs: &Path) -> PathBuf {
    securityfs.join("apparmor/.access")
}

/// Files, among the classes of what a profile has rules for (security/apparmor/include/apparmor.h).
const CLASS_FILE: u8 = 2;
/// The right to execute (AA_MAY_EXEC, which is MAY_EXEC).
const MAY_EXECUTE: u32 = 1;

/// Whether the loaded policy lets a process with this label execute `program`. It does not tell in which profile the
/// program then runs. What the policy does not tell is no error, and neither is a profile that refuses nothing.
pub(super) fn may_execute(
    securityfs: &Path,
    label: &str,
    written: Written<'_>,
    program: &Path,
) -> Result<(), Problem> {
    let Ok(program) = fs::canonicalize(program) else { return Ok(()) };
    if Profiles::read(securityfs).is_ok_and(|all| all.mode(written.name) == Some(&Mode::Complain)) {
        return Ok(());
    }
    match rights(&query_file(securityfs), label, &program) {
        Ok(rights) if rights & MAY_EXECUTE == 0 => Err(Problem::new(
            format!("{written} may not execute {}", quoted(&program.to_string_lossy())),
            to_execute(written, &program),
        )),
        _ => Ok(()),
    }
}

/// The rule that lets a process in the profile execute `program`, and stay.
pub(super) fn to_execute(written: Written<'_>, program: &Path) -> String {
    let resolved = fs::canonicalize(program).unwrap_or_else(|_| program.to_owned());
    format!(
        "add `{} mrix,` to the profile {} (`ix`, so that it stays there); for PHP, abstractions/mod_confine_php_cgi has it",
        resolved.display(),
        written.name
    )
}

/// What the policy grants this label on a path. The question is written and the answer is read through the same
/// descriptor.
fn rights(query: &Path, label: &str, path: &Path) -> io::Result<u32> {
    let question = [b"label\0", label.as_bytes(), &[0, CLASS_FILE], path.as_os_str().as_bytes()].concat();
    let mut file = OpenOptions::new().read(true).write(true).open(query)?;
    file.write_all(&question)?;
    let mut answer = String::new();
    file.read_to_string(&mut answer)?;
    allowed(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Reads an answer: lines `allow 0x...`, `deny 0x...` and others.
fn allowed(answer: &str) -> Option<u32> {
    let number = |name: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix(name))?;
        u32::from_str_radix(line.trim().trim_start_matches("0x"), 16).ok()
    };
    Some(number("allow ")? & !number("deny ").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_answer_is_read() {
        let answer = "allow 0x00000005\ndeny 0x00000000\naudit 0x00000000\nquiet 0x00000000\n";
        assert_eq!(allowed(answer), Some(5));
        assert_eq!(allowed("allow 0x00000005\ndeny 0x00000001\n"), Some(4));
        assert_eq!(allowed(""), None);
        assert_eq!(allowed("allow x\n"), None);
    }

    #[test]
    fn what_cannot_be_asked_is_no_error() {
        let written = Written::parse("blog").unwrap();
        let nowhere = Path::new("/nonexistent");
        assert_eq!(may_execute(nowhere, "blog", written, Path::new("/bin/sh")), Ok(()));
    }

    #[test]
    fn a_missing_right_is_named_by_the_programs_real_path() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let (real, link) = (folder.join("php-cgi8.2"), folder.join("php-cgi"));
        fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let rule = to_execute(Written::parse("stack blog").unwrap(), &link);
        assert!(rule.starts_with(&format!("add `{} mrix,` to the profile blog (", real.display())), "{rule}");
    }
}
