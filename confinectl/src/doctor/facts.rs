//! What `doctor` looks at: plain data, gathered in one place and judged in another, so that tests can
//! judge machines that are not there.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use confine::{
    BackendName,
    lsm::{Inactive, apparmor::Mode, selinux::ServerPolicy},
};

/// Something that may not have been seen. The error says why not and what to do.
pub type Seen<T> = Result<T, Unseen>;

/// Why something was not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// The cause.
    pub why: String,
    /// What to do to see it.
    pub remedy: String,
}

impl Unseen {
    /// Made of its two texts.
    pub fn new(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { why: why.into(), remedy: remedy.into() }
    }

    /// A file that could not be read. `remedy` is what to do where it is not a matter of rights.
    pub fn file(path: &str, error: &io::Error, remedy: &str) -> Self {
        let remedy =
            if error.kind() == io::ErrorKind::PermissionDenied { "run this as root" } else { remedy };
        Self::new(format!("{path} cannot be read: {error}"), remedy)
    }
}

/// What the kernel says of one LSM.
#[derive(Clone, Debug)]
pub enum Presence<T> {
    /// It cannot confine anything here.
    Inactive(Inactive),
    /// It is active; how it is set up was not seen.
    Unseen(Unseen),
    /// It is active.
    Active(T),
}

/// A machine.
pub struct Facts {
    /// The kernel's release.
    pub kernel: Seen<String>,
    /// The active security modules, in the kernel's order.
    pub modules: Seen<Vec<String>>,
    /// SELinux, with a policy.
    pub selinux: Presence<Selinux>,
    /// The version of libselinux's package. The module does not need the library; other programs on the
    /// machine do.
    pub libselinux: Seen<String>,
    /// The backends that have no field of their own here.
    pub others: Vec<(BackendName, Presence<()>)>,
    /// TOMOYO.
    pub tomoyo: Presence<Tomoyo>,
    /// AppArmor: the loaded profiles.
    pub apparmor: Presence<Vec<(String, Mode)>>,
    /// Landlock's ABI.
    pub landlock: Presence<u32>,
    /// The server's program.
    pub server: Seen<Server>,
    /// The server that runs, if one does.
    pub running: Option<Running>,
    /// Limits of threads.
    pub limits: ThreadLimits,
}

/// SELinux, as far as it concerns the server.
#[derive(Clone, Debug)]
pub struct Selinux {
    /// The server's context: that of the running one, or what the command line says.
    pub context: String,
    /// Whether the kernel enforces.
    pub enforcing: Seen<bool>,
    /// What the policy says.
    pub policy: Seen<ServerPolicy>,
}

/// TOMOYO, as far as it concerns the server.
#[derive(Clone, Debug)]
pub struct Tomoyo {
    /// The server's domain, as the command line says or by the server's program.
    pub domain: String,
    /// Whether the policy holds it.
    pub is_known: bool,
    /// How many domains it may move to.
    pub ways: usize,
    /// What the library finds worth knowing, each with its remedy behind the last `; `.
    pub findings: Vec<String>,
}

/// The server's program and configuration.
#[derive(Clone, Debug)]
pub struct Server {
    /// The program.
    pub program: String,
    /// What it says of its version, such as `Apache/2.4.66 (Debian)`.
    pub version: Seen<String>,
    /// What it read.
    pub config: Seen<Config>,
}

/// What the server says of its configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Loaded modules, and the file of each that was loaded from one.
    pub modules: BTreeMap<String, Option<String>>,
    /// Directives, each a name and the rest of the line. Sections begin with `<`.
    pub directives: Seen<Vec<(String, String)>>,
    /// Whether PHP's module was built for threads, where it is loaded.
    pub php_threads: Option<Seen<bool>>,
    /// What is to be known of PHP's `mail()` under Landlock rulesets.
    pub mail_fails: Option<String>,
}

impl Config {
    /// Whether a module is loaded.
    pub fn has(&self, module: &str) -> bool {
        self.modules.contains_key(module)
    }

    /// The argument of a directive where it stands last, outside of the order of sections.
    pub fn argument(&self, name: &str) -> Option<&str> {
        let directives = self.directives.as_ref().ok()?;
        directives.iter().rev().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, argument)| &**argument)
    }

    /// Whether a ruleset names the folder of time zones, or one above it, or includes what has it.
    pub fn grants_time_zones(&self) -> bool {
        let zones = Path::new("/usr/share/zoneinfo");
        let above = |word: &str| {
            let word = word.trim_matches('"');
            let path = word.strip_prefix('-').unwrap_or(word);
            path.starts_with('/') && zones.starts_with(path)
        };
        let directives = self.directives.as_ref().map(Vec::as_slice).unwrap_or_default();
        directives.iter().any(|(name, words)| match name.to_ascii_lowercase().as_str() {
            "landlockinclude" => true,
            "landlockread" | "landlockexecute" => words.split_whitespace().any(above),
            _ => false,
        })
    }

    /// Whether its rules may lead to more than one context, as far as their words tell.
    pub fn has_several_contexts(&self) -> bool {
        let is = |name: &str, words: &[&str]| words.iter().any(|word| name.eq_ignore_ascii_case(word));
        let directives = self.directives.as_ref().map(Vec::as_slice).unwrap_or_default();
        let asking = ["ConfineMap", "ConfineEnv", "ConfineExpr", "selinuxDomainMap", "selinuxDomainEnv"];
        let constant =
            directives.iter().filter(|(name, _)| is(name, &["ConfineContext", "selinuxDomainVal"]));
        let constant =
            constant.map(|(_, words)| words.trim_matches('"')).filter(|words| *words != "unconfined");
        directives.iter().any(|(name, _)| is(name, &asking)) || constant.collect::<BTreeSet<_>>().len() > 1
    }

    /// The MPM's name, without `mpm_` and `_module`.
    pub fn mpm(&self) -> Option<&str> {
        self.modules.keys().find_map(|m| m.strip_prefix("mpm_")?.strip_suffix("_module"))
    }
}

/// The server's parent process.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// Its number.
    pub pid: u32,
    /// Its label under SELinux or AppArmor, as the kernel prints it.
    pub label: Option<String>,
}

/// Limits of threads. `None` is no limit.
#[derive(Clone, Debug)]
pub struct ThreadLimits {
    /// Of the whole machine (/proc/sys/kernel/threads-max).
    pub threads_max: Seen<u64>,
    /// Of the server's user (`ulimit -u`), which root alone passes by.
    pub processes: Seen<Option<u64>>,
    /// Of the server's control group or one above it: where it is said, and how many.
    pub group: Seen<Option<(String, u64)>>,
}
