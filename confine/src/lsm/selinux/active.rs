//! Whether SELinux is active. Only the kernel is asked.

use std::{fs, io, path::Path};

use super::{BackendName, Inactive, SecurityContext};
use crate::lsm::selfattr::{self, LsmId};
use crate::problem::Problem;

/// What the kernel says about its security modules.
#[derive(Default)]
pub(super) struct Evidence {
    /// The answer of `lsm_list_modules(2)`, where the kernel has this call.
    pub modules: Option<Vec<LsmId>>,
    /// The text of /sys/kernel/security/lsm, where securityfs is mounted and readable.
    pub names: Option<String>,
    /// The text of /proc/filesystems. The kernel registers selinuxfs only if SELinux was started at boot
    /// (security/selinux/selinuxfs.c, init_sel_fs).
    pub filesystems: Option<String>,
    /// Whether selinuxfs is mounted where it belongs.
    pub mounted: bool,
}

impl Evidence {
    pub(super) fn collect(proc: &Path, securityfs: &Path, selinuxfs: &Path) -> Self {
        Self {
            modules: selfattr::active_modules(),
            names: fs::read_to_string(securityfs.join("lsm")).ok(),
            filesystems: fs::read_to_string(proc.join("filesystems")).ok(),
            mounted: selinuxfs.join("enforce").exists(),
        }
    }

    /// The first source that has an answer decides.
    fn is_started(&self) -> bool {
        if let Some(modules) = &self.modules {
            return modules.contains(&LsmId::SELINUX);
        }
        if let Some(names) = &self.names {
            return names.trim().split(',').any(|n| n == "selinux");
        }
        let registered = self
            .filesystems
            .as_ref()
            .is_some_and(|list| list.lines().any(|l| l.split_whitespace().last() == Some("selinuxfs")));
        registered || self.mounted
    }
}

/// The server's own context, if SELinux is active and a policy is loaded. `current` is the kernel's answer for the
/// calling thread.
pub(super) fn own_context(
    evidence: &Evidence,
    current: io::Result<String>,
) -> Result<SecurityContext, Inactive> {
    if !evidence.is_started() {
        let among = match &evidence.names {
            Some(names) => format!(" ({})", names.trim().escape_debug()),
            None => String::new(),
        };
        return inactive(
            format!("it is not among the active security modules{among}"),
            "boot with security=selinux or with selinux in lsm= on the kernel's command line; this takes a \
             kernel with CONFIG_SECURITY_SELINUX=y and an installed policy",
        );
    }
    let current = match current {
        Ok(current) => current,
        Err(e) => {
            return inactive(
                format!("the server's own context could not be read: {e}"),
                "mount /proc for the server, and let its domain read /proc/thread-self/attr/current",
            );
        }
    };
    match SecurityContext::parse(&current) {
        Some(own) => Ok(own),
        // Before a policy is loaded, every task has the initial context "kernel" (kernel:
        // security/selinux/ss/services.c, security_sid_to_context_core).
        None if matches!(&*current, "kernel" | "init") => inactive(
            "no policy is loaded".to_owned(),
            "install a policy, such as selinux-policy-default or selinux-policy-targeted, set SELINUX=enforcing in \
             /etc/selinux/config, and reboot",
        ),
        None => inactive(
            format!("the server's own context \"{}\" is not user:role:type", current.escape_debug()),
            "see that the policy was loaded at boot (sestatus)",
        ),
    }
}

fn inactive(why: String, remedy: &str) -> Result<SecurityContext, Inactive> {
    Err(Inactive {
        backend: BackendName::SELINUX,
        problem: Problem { why, errno: None, remedy: remedy.to_owned() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "system_u:system_r:httpd_t:s0";

    fn own(evidence: &Evidence) -> Result<String, String> {
        own_context(evidence, Ok(OWN.to_owned())).map(|c| c.to_string()).map_err(|e| e.to_string())
    }

    fn started() -> Evidence {
        Evidence { modules: Some(vec![LsmId::SELINUX]), ..Evidence::default() }
    }

    #[test]
    fn every_source_can_tell_that_it_is_started() {
        for evidence in [
            started(),
            Evidence { names: Some("capability,yama,selinux\n".to_owned()), ..Evidence::default() },
            Evidence {
                filesystems: Some("nodev\tproc\nnodev\tselinuxfs\n\text4\n".to_owned()),
                ..Evidence::default()
            },
            Evidence { mounted: true, ..Evidence::default() },
        ] {
            assert_eq!(own(&evidence).as_deref(), Ok(OWN));
        }
    }

    #[test]
    fn the_call_is_believed_more_than_the_files() {
        let stale = Evidence { modules: Some(vec![LsmId::APPARMOR]), mounted: true, ..Evidence::default() };
        assert!(own(&stale).is_err());
    }

    #[test]
    fn not_started_says_how_to_start_it() {
        let rest = "; boot with security=selinux or with selinux in lsm= on the kernel's command line; this takes a \
                    kernel with CONFIG_SECURITY_SELINUX=y and an installed policy";
        let none = Evidence { filesystems: Some("nodev\tproc\n".to_owned()), ..Evidence::default() };
        assert_eq!(
            own(&none).unwrap_err(),
            format!(
                "selinux is not active in this kernel: it is not among the active security modules{rest}"
            )
        );
        let other = Evidence { names: Some("capability,yama,apparmor\n".to_owned()), ..Evidence::default() };
        assert_eq!(
            own(&other).unwrap_err(),
            format!(
                "selinux is not active in this kernel: it is not among the active security modules \
                 (capability,yama,apparmor){rest}"
            )
        );
    }

    #[test]
    fn a_policy_must_be_loaded_and_the_own_context_readable() {
        let says = |current: io::Result<String>| own_context(&started(), current).unwrap_err().to_string();
        assert!(
            says(Ok("kernel".to_owned()))
                .starts_with("selinux is not active in this kernel: no policy is loaded; install a policy")
        );
        assert_eq!(
            says(Ok("x\n".to_owned())),
            "selinux is not active in this kernel: the server's own context \"x\\n\" is not user:role:type; see \
             that the policy was loaded at boot (sestatus)"
        );
        assert_eq!(
            says(Err(io::Error::from_raw_os_error(libc::EACCES))),
            "selinux is not active in this kernel: the server's own context could not be read: Permission denied \
             (os error 13); mount /proc for the server, and let its domain read /proc/thread-self/attr/current"
        );
    }
}
