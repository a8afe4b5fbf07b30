//! The loaded profiles and their modes. They are read at startup, as only root can read them.

use std::{collections::HashMap, fs, io, path::PathBuf};

/// What the kernel does when a program wants something that its profile does not grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The kernel refuses it. (The kernel's words are `enforce`, `kill` and `prompt`.)
    Enforces,
    /// The kernel allows it and writes a line to its log.
    Complain,
    /// The kernel confines nothing (`flags=(unconfined)`).
    Unconfined,
}

/// The profiles of the server's namespace by their names, hats included.
pub(super) struct Profiles(HashMap<String, Mode>);

impl Profiles {
    /// The file that lists the profiles, each on a line `NAME (MODE)` (kernel: security/apparmor/apparmorfs.c,
    /// seq_show_profile). Only root can read it.
    pub(super) fn path(securityfs: &std::path::Path) -> PathBuf {
        securityfs.join("apparmor/profiles")
    }

    pub(super) fn read(securityfs: &std::path::Path) -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string(Self::path(securityfs))?))
    }

    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (name, mode) = line.rsplit_once(" (")?;
            let mode = match mode.strip_suffix(')')? {
                "complain" => Mode::Complain,
                "unconfined" => Mode::Unconfined,
                _ => Mode::Enforces,
            };
            Some((name.to_owned(), mode))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// All profiles with their modes, sorted by name.
    pub(super) fn sorted(self) -> Vec<(String, Mode)> {
        let mut all: Vec<_> = self.0.into_iter().collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    pub(super) fn mode(&self, name: &str) -> Option<&Mode> {
        self.0.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_is_read() {
        let list =
            "blog (enforce)\napache2//a (complain)\n/usr/bin/x y (z) (kill)\npodman (unconfined)\nbroken\n";
        let profiles = Profiles::parse(list);
        assert_eq!(profiles.mode("blog"), Some(&Mode::Enforces));
        assert_eq!(profiles.mode("apache2//a"), Some(&Mode::Complain));
        assert_eq!(profiles.mode("/usr/bin/x y (z)"), Some(&Mode::Enforces));
        assert_eq!(profiles.mode("podman"), Some(&Mode::Unconfined));
        assert_eq!(profiles.mode("broken"), None);
        assert_eq!(profiles.mode("blog (enforce)"), None);
        let names: Vec<_> = profiles.sorted().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["/usr/bin/x y (z)", "apache2//a", "blog", "podman"]);
    }

    #[test]
    fn without_securityfs_the_errno_says_so() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Profiles::read(dir.path()).err().and_then(|e| e.raw_os_error()), Some(libc::ENOENT));
        fs::create_dir(dir.path().join("apparmor")).unwrap();
        fs::write(Profiles::path(dir.path()), "blog (enforce)\n").unwrap();
        assert_eq!(Profiles::read(dir.path()).unwrap().mode("blog"), Some(&Mode::Enforces));
    }
}
