//! Whether AppArmor is active. Only the kernel is asked.

use std::{fs, path::Path};

use super::{BackendName, Inactive};
use crate::lsm::selfattr::{self, LsmId};
use crate::problem::Problem;

/// What the kernel says about its security modules.
#[derive(Default)]
pub(super) struct Evidence {
    /// The answer of `lsm_list_modules(2)`, where the kernel has this call.
    pub modules: Option<Vec<LsmId>>,
    /// The text of /sys/kernel/security/lsm, where securityfs is mounted and readable.
    pub names: Option<String>,
    /// The text of /sys/module/apparmor/parameters/enabled: Y if AppArmor was started at boot. The file does not exist
    /// where the kernel was built without AppArmor.
    pub enabled: Option<String>,
}

impl Evidence {
    pub(super) fn collect(securityfs: &Path, sysfs: &Path) -> Self {
        Self {
            modules: selfattr::active_modules(),
            names: fs::read_to_string(securityfs.join("lsm")).ok(),
            enabled: fs::read_to_string(sysfs.join("module/apparmor/parameters/enabled")).ok(),
        }
    }

    /// The first source that has an answer decides.
    fn is_started(&self) -> bool {
        if let Some(modules) = &self.modules {
            return modules.contains(&LsmId::APPARMOR);
        }
        if let Some(names) = &self.names {
            return names.trim().split(',').any(|n| n == "apparmor");
        }
        self.enabled.as_deref().map(str::trim) == Some("Y")
    }

    pub(super) fn active(&self) -> Result<(), Inactive> {
        if self.is_started() {
            return Ok(());
        }
        let among = match &self.names {
            Some(names) => format!(" ({})", names.trim().escape_debug()),
            None => String::new(),
        };
        Err(Inactive { backend: BackendName::APPARMOR, problem: Problem { why: format!("it is not among the active security modules{among}"), errno: None, remedy: "boot with security=apparmor or with apparmor in lsm= on the kernel's command line, and without \
                     apparmor=0; this takes a kernel with CONFIG_SECURITY_APPARMOR=y"
                .to_owned() } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_can_tell_that_it_is_started() {
        for evidence in [
            Evidence { modules: Some(vec![LsmId::APPARMOR]), ..Evidence::default() },
            Evidence { names: Some("capability,yama,apparmor\n".to_owned()), ..Evidence::default() },
            Evidence { enabled: Some("Y\n".to_owned()), ..Evidence::default() },
        ] {
            assert_eq!(evidence.active(), Ok(()));
        }
    }

    #[test]
    fn the_first_source_that_can_be_asked_decides() {
        let stale = Evidence {
            modules: Some(vec![LsmId::SELINUX]),
            enabled: Some("Y\n".to_owned()),
            ..Evidence::default()
        };
        assert!(stale.active().is_err());
        let named = Evidence {
            names: Some("capability,selinux\n".to_owned()),
            enabled: Some("Y\n".to_owned()),
            ..Evidence::default()
        };
        assert_eq!(
            named.active().unwrap_err().to_string(),
            "apparmor is not active in this kernel: it is not among the active security modules \
             (capability,selinux); boot with security=apparmor or with apparmor in lsm= on the kernel's command line, \
             and without apparmor=0; this takes a kernel with CONFIG_SECURITY_APPARMOR=y"
        );
        assert!(Evidence { enabled: Some("N\n".to_owned()), ..Evidence::default() }.active().is_err());
        assert!(Evidence::default().active().is_err());
    }
}
