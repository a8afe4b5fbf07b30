//! What `doctor` looks at, as plain data. One place gathers it and another one judges it, so tests can judge machines
//! that do not exist.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use confine::{
    BackendName,
    lsm::{
        Inactive,
        apparmor::Mode,
        landlock::{
            PathAccess,
            include::{self, Grant},
        },
        selinux::ServerPolicy,
    },
};

use super::pools::PoolProgram;

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
    /// Made from the two texts.
    pub fn new(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { why: why.into(), remedy: remedy.into() }
    }

    /// A file that could not be read. `remedy` says what to do if it is not a question of permissions.
    pub fn file(path: &str, error: &io::Error, remedy: &str) -> Self {
        let remedy =
            if error.kind() == io::ErrorKind::PermissionDenied { "run this as root" } else { remedy };
        Self::new(format!("{path} cannot be read: {error}"), remedy)
    }
}

/// What the kernel says about one LSM.
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
    /// The version of libselinux's package. The module does not need this library, but other programs on the machine
    /// do.
    pub libselinux: Seen<String>,
    /// The backends that have no field of their own here.
    pub others: Vec<(BackendName, Presence<()>)>,
    /// TOMOYO.
    pub tomoyo: Presence<Tomoyo>,
    /// AppArmor: the loaded profiles.
    pub apparmor: Presence<Vec<(String, Mode)>>,
    /// Landlock's ABI.
    pub landlock: Presence<u32>,
    /// Whether the kernel writes audit records.
    pub audit: Seen<bool>,
    /// The server's program.
    pub server: Seen<Server>,
    /// The server that runs, if one does.
    pub running: Option<Running>,
    /// Limits of threads.
    pub limits: ThreadLimits,
}

/// What SELinux says about the server.
#[derive(Clone, Debug)]
pub struct Selinux {
    /// The server's context: that of the running one, or what the command line says.
    pub context: String,
    /// Whether the kernel enforces.
    pub enforcing: Seen<bool>,
    /// The facts of the policy.
    pub policy: Seen<ServerPolicy>,
}

/// What TOMOYO says about the server.
#[derive(Clone, Debug)]
pub struct Tomoyo {
    /// The server's domain, from the command line or from the server's program.
    pub domain: String,
    /// Whether the policy contains it.
    pub is_known: bool,
    /// The number of domains to which it may move.
    pub ways: usize,
    /// Findings of the library. In each the remedy follows the last `; `.
    pub findings: Vec<String>,
}

/// The server's program and configuration.
#[derive(Clone, Debug)]
pub struct Server {
    /// The program.
    pub program: String,
    /// Its version, as it prints it: `Apache/2.4.66 (Debian)`.
    pub version: Seen<String>,
    /// The configuration that it read.
    pub config: Seen<Config>,
    /// Whether it read all of it, with root's rights, and refuses it: so it would not start.
    pub refuses: bool,
}

/// What the server says about its configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Loaded modules, and the file of each that was loaded from one.
    pub modules: BTreeMap<String, Option<String>>,
    /// Directives, each a name and the rest of the line. Sections begin with `<`.
    pub directives: Seen<Vec<(String, String)>>,
    /// Whether PHP's module was built for threads, where it is loaded.
    pub php_threads: Option<Seen<bool>>,
    /// The programs that have processes of their own.
    pub pools: Vec<PoolProgram>,
    /// What a reader should know about PHP's `mail()` under Landlock rulesets.
    pub mail_fails: Option<String>,
}

impl Config {
    /// Whether a module is loaded.
    pub fn has(&self, module: &str) -> bool {
        self.modules.contains_key(module)
    }

    /// The argument of a directive at its last place, whatever its section.
    pub fn argument(&self, name: &str) -> Option<&str> {
        let directives = self.directives.as_ref().ok()?;
        directives.iter().rev().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, argument)| &**argument)
    }

    /// Whether a ruleset names the folder of time zones, or a folder above it, or includes a part that has it.
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

    /// The paths that a ruleset lets be written and not read, each with the ruleset's name.
    pub fn written_only(&self) -> Vec<(String, String)> {
        let directives = self.directives.as_ref().map(Vec::as_slice).unwrap_or_default();
        let mut rulesets: Vec<(&str, Vec<String>, Vec<String>)> = Vec::new();
        for (name, words) in directives {
            if name.eq_ignore_ascii_case("<ConfineLandlock") {
                rulesets.push((words.trim_end_matches('>').trim_matches('"'), Vec::new(), Vec::new()));
            }
            let Some((_, read, written)) = rulesets.last_mut() else { continue };
            for line in include::parse(&format!("{name} {words}")).unwrap_or_default() {
                match line.grant {
                    Grant::Path(PathAccess::Write) => written.extend(line.words),
                    Grant::Path(_) => read.extend(line.words),
                    Grant::Connect | Grant::Bind | Grant::Include => {}
                }
            }
        }
        fn plain(word: &str) -> &str {
            word.strip_prefix('-').unwrap_or(word)
        }
        let only = |(name, read, written): (&str, Vec<String>, Vec<String>)| {
            let is_read = |path: &str| read.iter().any(|above| Path::new(path).starts_with(plain(above)));
            let paths = written.iter().map(|word| plain(word)).filter(|path| !path.starts_with("/dev/"));
            let only = paths.filter(|path| !is_read(path)).map(|path| (name.to_owned(), path.to_owned()));
            only.collect::<Vec<_>>()
        };
        rulesets.into_iter().flat_map(only).collect()
    }

    /// Whether its rules may lead to more than one context, as far as their words say.
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

    /// The MPM's name, without `mpm_` and `_module`. mpm-itk is none by itself: it is loaded beside prefork.
    pub fn mpm(&self) -> Option<&str> {
        let mut names = self.modules.keys().filter_map(|m| m.strip_prefix("mpm_")?.strip_suffix("_module"));
        names.find(|name| *name != "itk")
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
    /// The limit of the server's user (`ulimit -u`). It does not apply to root.
    pub processes: Seen<Option<u64>>,
    /// The limit of the server's control group or of one above it: where it is set, and its value.
    pub group: Seen<Option<(String, u64)>>,
}
