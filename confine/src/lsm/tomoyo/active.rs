//! Whether TOMOYO is active, and which policy it enforces. Only the kernel is asked.

use crate::problem::Problem;
use std::{fs, io, path::Path};

use super::{BackendName, Domain, Domains, Inactive, Kernel, Profiles, Snapshot, Unanswered, policy::Header};

/// The loaded policy. `securityfs` is where that file system is mounted. The error says what is missing.
pub(super) fn snapshot(securityfs: &Path) -> Result<Snapshot, Inactive> {
    let folder = securityfs.join("tomoyo");
    is_started(securityfs, &folder)?;
    let kernel = Kernel::open(&folder).map_err(|(path, error)| unopened(&path, &error))?;
    let profile = folder.join("profile");
    let profiles = fs::read_to_string(&profile)
        .map_err(|error| unopened(&profile.display().to_string(), &error))
        .map(|text| Profiles::parse(&text))?;
    if profiles.is_empty() {
        return Err(no_policy());
    }
    let domains = kernel.transitions().map_err(|e| unread(&e))?;
    let own = kernel.own_text().map_err(|e| unread(&e))?;
    place(&own, Domains::parse(&domains), profiles)
}

/// Whether the kernel has TOMOYO and nothing at boot disabled it.
fn is_started(securityfs: &Path, folder: &Path) -> Result<(), Inactive> {
    if folder.join("self_domain").exists() {
        return Ok(());
    }
    match fs::read_to_string(securityfs.join("lsm")) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(inactive(
            format!("there is no {}", securityfs.join("lsm").display()),
            format!(
                "mount securityfs (mount -t securityfs securityfs {}), also for a server in a container",
                securityfs.display()
            ),
        )),
        Err(e) => Err(inactive(
            format!("{} cannot be read: {e}", securityfs.join("lsm").display()),
            "start the server as root",
        )),
        Ok(names) if names.trim().split(',').any(|name| name == "tomoyo") => Err(inactive(
            format!("it is active, and {} is not there", folder.join("self_domain").display()),
            "let the server see the machine's own securityfs",
        )),
        Ok(names) => Err(inactive(
            format!("it is not among the active security modules ({})", names.trim().escape_debug()),
            "boot with tomoyo in lsm= on the kernel's command line; this takes a kernel with \
             CONFIG_SECURITY_TOMOYO=y and the package tomoyo-tools",
        )),
    }
}

/// Finds the server in its policy. `own` is the answer to a `select` of the calling thread.
fn place(own: &str, domains: Domains, profiles: Profiles) -> Result<Snapshot, Inactive> {
    let asked = own.lines().next().and_then(|l| l.strip_prefix("# select ")).unwrap_or_default();
    let header = Header::parse(own.as_bytes(), asked.as_bytes());
    let Ok(Some(header)) = header else { return Err(unread(&Unanswered::Garbled)) };
    let name = Domain::parse(header.name)
        .map_err(|e| inactive(format!("the server's own domain \"{}\": {e}", header.name), "report this"))?;
    let own_entry = Domains::parse(own).get(&name).cloned();
    match own_entry {
        Some(own_entry) => {
            Ok(Snapshot { own: name, own_entry, own_deleted: header.deleted, domains, profiles })
        }
        None => Err(unread(&Unanswered::Garbled)),
    }
}

/// The error for a file that could not be opened.
pub(super) fn unopened(path: &str, error: &io::Error) -> Inactive {
    let remedy = match error.raw_os_error() {
        Some(libc::EACCES) => {
            "start the server as root (its children open the file before they become User): without it nobody could \
             say whether the policy holds a domain, and the kernel would make one that confines nothing"
        }
        Some(libc::EPERM) => {
            "add to the policy of the server's own domain what conf/tomoyo/domain_policy.conf has"
        }
        Some(libc::EMFILE | libc::ENFILE) => "raise the limit of open files (LimitNOFILE=, ulimit -n)",
        _ => "mount securityfs at /sys/kernel/security",
    };
    inactive(format!("{path} cannot be opened: {error}"), remedy)
}

fn unread(error: &Unanswered) -> Inactive {
    let why = match error {
        Unanswered::Io(e) => format!("its policy could not be read: {e}"),
        Unanswered::Garbled => "its policy is not in the form that Linux 3.2 and later print".to_owned(),
    };
    inactive(why, "see the kernel's log, and report this with its version")
}

fn no_policy() -> Inactive {
    inactive(
        "no policy is loaded".to_owned(),
        "run /usr/lib/tomoyo/init_policy, and boot with security=tomoyo or with TOMOYO_trigger= and the path of init \
         on the kernel's command line; then /sbin/tomoyo-init loads /etc/tomoyo",
    )
}

fn inactive(why: String, remedy: impl Into<String>) -> Inactive {
    Inactive { backend: BackendName::TOMOYO, problem: Problem { why, errno: None, remedy: remedy.into() } }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that stands for securityfs.
    fn securityfs(lsm: Option<&str>, files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        if let Some(lsm) = lsm {
            fs::write(root.path().join("lsm"), lsm).unwrap();
        }
        fs::create_dir(root.path().join("tomoyo")).unwrap();
        for (name, text) in files {
            fs::write(root.path().join("tomoyo").join(name), text).unwrap();
        }
        root
    }

    fn says(root: &tempfile::TempDir) -> String {
        let text = snapshot(root.path()).unwrap_err().to_string();
        text.replace(&root.path().display().to_string(), "/sec")
    }

    #[test]
    fn what_is_missing_is_said_with_its_remedy() {
        assert_eq!(
            says(&securityfs(None, &[])),
            "tomoyo is not active in this kernel: there is no /sec/lsm; mount securityfs (mount -t securityfs \
             securityfs /sec), also for a server in a container"
        );
        assert_eq!(
            says(&securityfs(Some("capability,landlock,yama\n"), &[])),
            "tomoyo is not active in this kernel: it is not among the active security modules \
             (capability,landlock,yama); boot with tomoyo in lsm= on the kernel's command line; this takes a kernel \
             with CONFIG_SECURITY_TOMOYO=y and the package tomoyo-tools"
        );
        assert_eq!(
            says(&securityfs(Some("yama,tomoyo\n"), &[])),
            "tomoyo is not active in this kernel: it is active, and /sec/tomoyo/self_domain is not there; let the \
             server see the machine's own securityfs"
        );
        let files = [("self_domain", ""), ("domain_policy", ""), ("profile", "PROFILE_VERSION=20150505\n")];
        assert_eq!(
            says(&securityfs(Some("tomoyo\n"), &files)),
            "tomoyo is not active in this kernel: no policy is loaded; run /usr/lib/tomoyo/init_policy, and boot with \
             security=tomoyo or with TOMOYO_trigger= and the path of init on the kernel's command line; then \
             /sbin/tomoyo-init loads /etc/tomoyo"
        );
    }

    #[test]
    fn a_policy_that_only_root_may_read_says_so() {
        let error = unopened(
            "/sys/kernel/security/tomoyo/domain_policy",
            &io::Error::from_raw_os_error(libc::EACCES),
        );
        assert_eq!(
            error.to_string(),
            "tomoyo is not active in this kernel: /sys/kernel/security/tomoyo/domain_policy cannot be opened: \
             Permission denied (os error 13); start the server as root (its children open the file before they become \
             User): without it nobody could say whether the policy holds a domain, and the kernel would make one that \
             confines nothing"
        );
    }

    #[test]
    fn the_server_is_found_in_its_policy_also_when_it_was_deleted_there() {
        let profiles = Profiles::parse("3-CONFIG={ mode=enforcing }\n");
        let own = "# select pid=7\n# This is a deleted domain.\n<kernel> /usr/sbin/apache2\nuse_profile 2\n\ntask \
                   manual_domain_transition <kernel> /usr/sbin/apache2 //dog\n";
        let snapshot = place(own, Domains::default(), profiles.clone()).unwrap();
        assert_eq!(snapshot.own.as_str(), "<kernel> /usr/sbin/apache2");
        assert!(snapshot.own_deleted);
        assert_eq!(snapshot.own_entry.moves_to.len(), 1);
        assert!(place("# select pid=7\n", Domains::default(), profiles.clone()).is_err());
        assert!(place("", Domains::default(), profiles).is_err());
    }
}
