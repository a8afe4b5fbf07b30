//! The questions that selinuxfs answers about the loaded policy. Kernel: security/selinux/selinuxfs.c.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    path::PathBuf,
};

/// The mount point of selinuxfs. Tests use a directory that looks like it.
#[derive(Clone)]
pub(super) struct Selinuxfs {
    pub root: PathBuf,
}

/// What the policy grants one context on another, for one class of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// One bit for each permission (see [`Selinuxfs::permission`]).
    pub allowed: u32,
    /// Whether the domain of the source is permissive, so that the kernel logs denials and refuses nothing.
    pub permissive: bool,
}

impl Selinuxfs {
    /// Whether the kernel enforces the policy.
    pub(super) fn enforcing(&self) -> io::Result<bool> {
        match fs::read_to_string(self.root.join("enforce"))?.trim() {
            "0" => Ok(false),
            "1" => Ok(true),
            _ => Err(unexpected("enforce")),
        }
    }

    /// The newest version of the policy format that the kernel reads.
    pub(super) fn policy_version(&self) -> io::Result<u32> {
        self.number("policyvers")
    }

    /// Asks whether `context` is valid under the policy. The error is EINVAL if it is not.
    pub(super) fn validate(&self, context: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.root.join("context"))?;
        file.write_all(format!("{context}\0").as_bytes())
    }

    /// Asks what `source` may do to `target`, an object of the class with the name `class`.
    pub(super) fn access(&self, source: &str, target: &str, class: &str) -> io::Result<Decision> {
        let answer = self.ask("access", source, target, class)?;
        decision(&answer).ok_or_else(|| unexpected("access"))
    }

    /// Asks which context something of the class with the name `class` gets that `source` makes in `target`, or which
    /// one `source` gets that executes `target` (class process).
    pub(super) fn made(&self, source: &str, target: &str, class: &str) -> io::Result<String> {
        let answer = self.ask("create", source, target, class)?;
        Ok(answer.trim_matches(['\0', '\n']).to_owned())
    }

    /// The question is written and the answer is read through the same descriptor.
    fn ask(&self, file: &str, source: &str, target: &str, class: &str) -> io::Result<String> {
        let index = self.number(&format!("class/{class}/index"))?;
        let mut opened = OpenOptions::new().read(true).write(true).open(self.root.join(file))?;
        opened.write_all(format!("{source} {target} {index}").as_bytes())?;
        // The kernel's answers are at most as long as its contexts, which fit into a page.
        let mut answer = [0; 4096];
        let len = opened.read(&mut answer)?;
        String::from_utf8(answer[..len].to_vec()).map_err(|_| unexpected(file))
    }

    /// The bit of the permission `name` of the class `class`. The file holds a number that counts from 1.
    pub(super) fn permission(&self, class: &str, name: &str) -> io::Result<u32> {
        let path = format!("class/{class}/perms/{name}");
        let number = self.number(&path)?;
        number.checked_sub(1).and_then(|n| 1_u32.checked_shl(n)).ok_or_else(|| unexpected(&path))
    }

    fn number(&self, path: &str) -> io::Result<u32> {
        fs::read_to_string(self.root.join(path))?.trim().parse().map_err(|_| unexpected(path))
    }
}

/// Reads an answer: `allowed decided auditallow auditdeny seqno flags`, all in hexadecimal except seqno
/// (sel_write_access). Bit 0 of flags says that the domain is permissive (security/selinux/include/security.h,
/// AVD_FLAGS_PERMISSIVE).
fn decision(answer: &str) -> Option<Decision> {
    let mut fields = answer.trim_matches(['\0', '\n', ' ']).split(' ');
    let allowed = u32::from_str_radix(fields.next()?, 16).ok()?;
    let flags = u32::from_str_radix(fields.nth(4)?, 16).ok()?;
    Some(Decision { allowed, permissive: flags & 1 != 0 })
}

fn unexpected(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("selinuxfs: {path} holds something unexpected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand_in(files: &[(&str, &str)]) -> (tempfile::TempDir, Selinuxfs) {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let selinuxfs = Selinuxfs { root: dir.path().to_owned() };
        (dir, selinuxfs)
    }

    #[test]
    fn enforcing_is_read_as_the_kernel_writes_it() {
        assert!(stand_in(&[("enforce", "1")]).1.enforcing().unwrap());
        assert!(!stand_in(&[("enforce", "0\n")]).1.enforcing().unwrap());
        let (_dir, selinuxfs) = stand_in(&[("enforce", "x")]);
        assert_eq!(
            selinuxfs.enforcing().unwrap_err().to_string(),
            "selinuxfs: enforce holds something unexpected"
        );
        assert_eq!(stand_in(&[]).1.enforcing().unwrap_err().raw_os_error(), Some(libc::ENOENT));
    }

    #[test]
    fn classes_and_permissions_are_looked_up_by_name() {
        let (_dir, selinuxfs) = stand_in(&[
            ("class/process/index", "2"),
            ("class/process/perms/dyntransition", "24"),
            ("class/process/perms/fork", "1"),
            ("class/process/perms/zero", "0"),
            ("class/process/perms/far", "33"),
        ]);
        assert_eq!(selinuxfs.number("class/process/index").unwrap(), 2);
        assert_eq!(selinuxfs.permission("process", "dyntransition").unwrap(), 1 << 23);
        assert_eq!(selinuxfs.permission("process", "fork").unwrap(), 1);
        assert!(selinuxfs.permission("process", "zero").is_err());
        assert!(selinuxfs.permission("process", "far").is_err());
        assert!(selinuxfs.permission("process", "none").is_err());
    }

    #[test]
    fn decisions_are_hexadecimal() {
        assert_eq!(
            decision("800001 ffffffff 0 ffffffff 12 0"),
            Some(Decision { allowed: 0x80_0001, permissive: false })
        );
        assert_eq!(
            decision("0 ffffffff 0 ffffffff 12 1\n\0"),
            Some(Decision { allowed: 0, permissive: true })
        );
        for wrong in ["", "1 2 3", "x ffffffff 0 0 1 0", "1 ffffffff 0 0 1 x"] {
            assert_eq!(decision(wrong), None, "{wrong}");
        }
    }
}
