//! Looks at the kernel. The server and the limits have files of their own.

use std::{fs, path::Path, process::Command};

use confine::{
    BackendName,
    backends::Backends,
    lsm::{
        self, Backend,
        apparmor::AppArmor,
        landlock::Landlock,
        selinux::{self, SecurityContext},
        tomoyo::{self, Domain},
    },
};

use super::{
    Args,
    facts::{Facts, Presence, Running, Seen, Selinux, Server, Tomoyo, Unseen},
    limits, server,
};

/// The context of httpd in the reference policy, and in policies that are made from it.
const USUAL_CONTEXT: &str = "system_u:system_r:httpd_t:s0";

/// Gathers all that this process can see.
pub fn gather(args: &Args) -> Facts {
    let modules = lsm::active_modules().map_err(|e| {
        Unseen::file("/sys/kernel/security/lsm", &e, "mount securityfs at /sys/kernel/security")
    });
    let server = server::look(args.httpd.as_deref(), args.config.as_deref());
    let running = server.as_ref().ok().and_then(|s| server::running(Path::new("/proc"), &s.program));
    let listed = |name: &str| modules.as_ref().is_ok_and(|names| names.iter().any(|n| n == name));
    Facts {
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .map(|release| release.trim().to_owned())
            .map_err(|e| Unseen::file("/proc/sys/kernel/osrelease", &e, "mount /proc")),
        selinux: selinux(args, running.as_ref()),
        libselinux: libselinux(),
        others: others(),
        tomoyo: tomoyo(args, server.as_ref().ok(), listed("tomoyo")),
        apparmor: apparmor(),
        landlock: Landlock::abi().map_or_else(Presence::Inactive, Presence::Active),
        audit: audit(),
        limits: limits::look(running.as_ref().map(|r| r.pid)),
        modules,
        server,
        running,
    }
}

/// The backends about which `doctor` only says whether they are active.
fn others() -> Vec<(BackendName, Presence<()>)> {
    const TOLD: [BackendName; 4] =
        [BackendName::SELINUX, BackendName::TOMOYO, BackendName::APPARMOR, BackendName::LANDLOCK];
    let Ok(backends) = Backends::new(Vec::new()) else { return Vec::new() };
    let others = backends.iter().filter(|backend| !TOLD.contains(&backend.name()));
    others.map(|b| (b.name(), b.active().map_or_else(Presence::Inactive, Presence::Active))).collect()
}

fn selinux(args: &Args, running: Option<&Running>) -> Presence<Selinux> {
    let of_running = || running.and_then(|r| SecurityContext::parse(r.label.as_deref()?));
    let usual = || SecurityContext::parse(USUAL_CONTEXT);
    let Some(context) = args.server_context.clone().or_else(of_running).or_else(usual) else {
        return Presence::Unseen(Unseen::new("no context of a server is known", "give --server-context"));
    };
    let backend = selinux::Selinux::assuming(context.clone());
    if let Err(inactive) = backend.active() {
        return Presence::Inactive(inactive);
    }
    let root = "mount selinuxfs at /sys/fs/selinux";
    Presence::Active(Selinux {
        context: context.to_string(),
        enforcing: backend.enforcing().map_err(|e| Unseen::file("/sys/fs/selinux/enforce", &e, root)),
        policy: backend.server_policy().map_err(|e| Unseen::file("/sys/fs/selinux", &e, root)),
    })
}

/// The version from the package managers of both families, because the library does not tell its version.
fn libselinux() -> Seen<String> {
    let managers: [(&str, &[&str]); 2] = [
        ("dpkg-query", &["-W", "-f", "${Version}", "libselinux1"]),
        ("rpm", &["-q", "--qf", "%{VERSION}-%{RELEASE}", "libselinux"]),
    ];
    for (program, arguments) in managers {
        let Ok(output) = Command::new(program).args(arguments).output() else { continue };
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && !version.is_empty() {
            return Ok(version);
        }
    }
    Err(Unseen::new("neither dpkg-query nor rpm knows its package", "ask the package manager of this system"))
}

/// Whether audit is on. The kernel tells only the user of `auditctl`; where that program is missing, the command line
/// of the kernel may say it (Documentation/admin-guide/kernel-parameters.txt, audit=).
fn audit() -> Seen<bool> {
    let unseen = |why| Unseen::new(why, "install auditd and run this as root (auditctl -s says it)");
    if let Ok(output) = Command::new("auditctl").arg("-s").output() {
        let told = String::from_utf8_lossy(&output.stdout);
        let enabled = told.lines().find_map(|line| line.strip_prefix("enabled ")).map(str::trim);
        return enabled.map(|n| n != "0").ok_or_else(|| unseen("auditctl does not say whether audit is on"));
    }
    let line =
        fs::read_to_string("/proc/cmdline").map_err(|e| Unseen::file("/proc/cmdline", &e, "mount /proc"))?;
    let last = line.split_ascii_whitespace().filter_map(|word| word.strip_prefix("audit=")).next_back();
    match last {
        Some("0" | "off") => Ok(false),
        Some("1" | "on") => Ok(true),
        _ => Err(unseen(
            "auditctl is not installed, and the kernel's command line does not say whether audit is on",
        )),
    }
}

fn tomoyo(args: &Args, server: Option<&Server>, is_listed: bool) -> Presence<Tomoyo> {
    let program = server.map_or("/usr/sbin/apache2", |s| &s.program);
    let domain = args.server_domain.clone().map_or_else(|| Domain::parse(&format!("<kernel> {program}")), Ok);
    let domain = match domain {
        Ok(domain) => domain,
        Err(e) => return Presence::Unseen(Unseen::new(e, "give --server-domain")),
    };
    let backend = tomoyo::Tomoyo::assuming(domain.clone());
    let snapshot = match backend.snapshot() {
        Ok(snapshot) => snapshot,
        // Only root can read its policy.
        Err(e) if is_listed && !is_root() => {
            return Presence::Unseen(Unseen::new(e.problem.why.clone(), "run this as root"));
        }
        Err(e) => return Presence::Inactive(e.clone()),
    };
    Presence::Active(Tomoyo {
        is_known: snapshot.domains.get(&domain).is_some(),
        ways: snapshot.domains.get(&domain).map_or(0, |entry| entry.moves_to.len()),
        domain: domain.to_string(),
        findings: backend.findings(),
    })
}

fn apparmor() -> Presence<Vec<(String, lsm::apparmor::Mode)>> {
    let backend = AppArmor::of_another_process();
    if let Err(inactive) = backend.active() {
        return Presence::Inactive(inactive);
    }
    backend.profiles().map_or_else(
        |e| {
            let path = "/sys/kernel/security/apparmor/profiles";
            Presence::Unseen(Unseen::file(path, &e, "mount securityfs at /sys/kernel/security"))
        },
        Presence::Active,
    )
}

/// Whether this process has root's permissions for files. The owner of the kernel's files about this process shows
/// that.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}
