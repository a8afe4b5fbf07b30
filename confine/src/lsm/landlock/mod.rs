//! Landlock: rulesets under which any process may put itself. They need no policy of the system.
//!
//! A ruleset *handles* rights, and it grants some of them. A right that it handles and does not grant is refused. Each
//! ruleset here handles all rights on files that the running kernel knows, both TCP rights (since ABI 4) and both
//! scopes (since ABI 6). The administrator can take TCP and the scopes out. If the kernel is older than the ruleset
//! requires, that is an error. A weaker ruleset is never made.
//!
//! | directive | on files | in addition on directories, for everything below |
//! |---|---|---|
//! | `LandlockRead` | read | list |
//! | `LandlockWrite` | write, truncate, device ioctl, connect to a socket file (ABI 9) | make files, directories, symbolic links, sockets and pipes; remove; rename and link across directories |
//! | `LandlockExecute` | execute, read | list |
//!
//! What to know about rulesets:
//! - No directive grants the making of device nodes.
//! - A path is opened at startup, or up to its first expression if it has any. It grants the directory that was opened.
//!   If the directory is moved away and a new one is made in its place, the new one is not granted: restart the server
//!   (gracefully).
//! - On the way to a path only those links are followed that nobody but the administrator can have made.
//! - A program that is linked dynamically also needs `LandlockExecute` on its loader (`/lib64/ld-linux-x86-64.so.2`)
//!   and `LandlockRead` on its libraries.
//! - A file that is already open stays usable. What a ruleset does not handle is not restricted: metadata (`stat`,
//!   `chmod`, `chown`, extended attributes), changing the working directory, and UDP.
//! - A move sets `no_new_privs`. From then on programs with the set-user-ID bit (suexec, sudo) run without their
//!   privileges.
//! - A thread can be under several rulesets, up to 16. It may do what all of them grant.
//! - Rights of ABIs after 9 are not handled, because this build does not know what that would break.
//!
//! The interface is described in the kernel's Documentation/userspace-api/landlock.rst, and implemented in
//! security/landlock/syscalls.c.
//!
//! ```
//! use confine::lsm::landlock::PathTemplate;
//!
//! let (template, expressions) = PathTemplate::parse("/srv/tenants/%{REMOTE_USER}/data", 0)?;
//! assert_eq!(template.prefix().to_str(), Some("/srv/tenants/"));
//! assert_eq!(expressions, ["%{REMOTE_USER}"]);
//! # Ok::<(), confine::lsm::landlock::TemplateError>(())
//! ```

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    sync::Arc,
};

use super::{Backend, Inactive, Move, PrepareError, escaped, quoted};
use crate::{context::BackendName, origin::Origin, problem::Problem, value::Given};

mod abi;
mod absent;
mod access;
mod advice;
mod attempt;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod grants;
pub mod include;
mod kernel;
mod place;
mod ruleset;
mod ruleset_move;
mod spec;
mod template;
#[cfg(test)]
mod tests;
pub(super) mod way;

pub use absent::NOT_WHOLE;
pub use access::FileAccess;
pub use advice::{Directive, is_shared, path_to_grant, quoted_path, whole_folder};
pub use attempt::attempt;
pub use grants::{Denied, Grants};
pub use place::{FileId, Place};
pub use ruleset::RulesetError;
pub use spec::{DEFAULT_MIN_ABI, PathAccess, PathRule, Ports, RulesetSpec, Scope, Scopes, WordsError};
pub use template::{PathTemplate, TemplateError};

pub use kernel::AUDITS;
use ruleset_move::{RulesetMove, make};

/// The backend. It holds all rulesets of the configuration by their names.
///
/// A ruleset may belong to a virtual host. The rules of that host find the host's own ruleset first, and the server's
/// second. Two hosts may use the same name for different rulesets.
pub struct Landlock {
    rulesets: Arc<Rulesets>,
    /// The virtual host whose rules ask for rulesets.
    host: Option<Box<str>>,
}

/// By virtual host (`None` is the server) and name.
type Rulesets = BTreeMap<(Option<Box<str>>, Box<str>), Arc<RulesetMove>>;

/// What happens when a path does not exist, or when a link on the way to it may not be the administrator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The configuration has a fault, and the server does not start.
    Fault,
    /// Requests that need the ruleset are refused until all its paths exist. A running server reads its configuration
    /// again in this way, because one ruleset must not end it.
    Refuse,
}

impl Landlock {
    /// As [`Landlock::made`]. A path that does not exist is a fault.
    pub fn new(specs: Vec<RulesetSpec>) -> Result<Self, Vec<RulesetError>> {
        Self::made(specs, Missing::Fault)
    }

    /// Opens the paths that do not depend on the request, and makes the rulesets that do not depend on it in the
    /// kernel. Without any ruleset this succeeds on every kernel.
    ///
    /// The descriptors are close-on-exec. Processes made by fork share them.
    ///
    /// # Errors
    /// All faults of all rulesets.
    pub fn made(specs: Vec<RulesetSpec>, missing: Missing) -> Result<Self, Vec<RulesetError>> {
        let mut errors = duplicates(&specs);
        let mut rulesets = BTreeMap::new();
        let abi = if specs.is_empty() { Ok(0) } else { Self::abi() };
        for spec in specs {
            let name = (spec.host.clone(), spec.name.clone());
            match abi
                .as_ref()
                .map_err(|e| vec![no_landlock(&spec, e)])
                .and_then(|abi| make(spec, *abi, missing))
            {
                Ok(made) => {
                    rulesets.insert(name, Arc::new(made));
                }
                Err(e) => errors.extend(e),
            }
        }
        if errors.is_empty() { Ok(Self { rulesets: Arc::new(rulesets), host: None }) } else { Err(errors) }
    }

    /// The same rulesets, as the rules of a virtual host find them.
    pub fn of_host(&self, host: &str) -> Self {
        Self { rulesets: Arc::clone(&self.rulesets), host: Some(host.into()) }
    }

    /// The Landlock ABI of the running kernel. The kernel is asked.
    pub fn abi() -> Result<u32, Inactive> {
        kernel::abi()
            .map_err(|e| inactive(&e, fs::read_to_string("/sys/kernel/security/lsm").ok().as_deref()))
    }

    /// The names of the rulesets that rules find here, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let seen = |host: &Option<Box<str>>| host.is_none() || *host == self.host;
        let names: BTreeSet<&str> =
            self.rulesets.keys().filter(|(host, _)| seen(host)).map(|(_, name)| &**name).collect();
        names.into_iter()
    }

    fn find(&self, text: &str) -> Result<&Arc<RulesetMove>, PrepareError> {
        let of = |host: &Option<Box<str>>| self.rulesets.get(&(host.clone(), text.into()));
        self.host.as_ref().and_then(|_| of(&self.host)).or_else(|| of(&None)).ok_or_else(|| {
            let known: Vec<_> = self.names().collect();
            PrepareError {
                context: format!("{}:{}", BackendName::LANDLOCK, quoted(text)),
                problem: Problem {
                    why: "there is no ruleset of this name".to_owned(),
                    errno: None,
                    remedy: match (plain_name(text), known.is_empty()) {
                        (true, true) => format!("define it with <ConfineLandlock {text}>"),
                        (true, false) => {
                            format!(
                                "define it with <ConfineLandlock {text}>, or write one of: {}",
                                known.join(", ")
                            )
                        }
                        (false, true) => NAMES.to_owned(),
                        (false, false) => format!("{NAMES}; write one of: {}", known.join(", ")),
                    },
                },
            }
        })
    }
}

impl Backend for Landlock {
    fn name(&self) -> BackendName {
        BackendName::LANDLOCK
    }

    fn active(&self) -> Result<(), Inactive> {
        Self::abi().map(|_| ())
    }

    /// landlock_restrict_self(2) requires it of a thread that does not have CAP_SYS_ADMIN.
    fn sets_no_new_privs(&self) -> bool {
        true
    }

    fn prepare(&self, text: &str) -> Result<Arc<dyn Move>, PrepareError> {
        let found: Arc<RulesetMove> = Arc::clone(self.find(text)?);
        Ok(found)
    }

    fn prepare_shown(&self, text: &str) -> Result<Arc<dyn Move>, PrepareError> {
        match self.rulesets.values().find(|made| *made.context.text == *text) {
            Some(found) => {
                let found: Arc<RulesetMove> = Arc::clone(found);
                Ok(found)
            }
            None => self.prepare(text),
        }
    }

    /// A ruleset's name is compared byte by byte, so a value cannot be more than one name.
    fn prepare_value(&self, given: &Given) -> Result<Arc<dyn Move>, PrepareError> {
        self.prepare(given.text())
    }

    /// Only asks whether there is a ruleset of this name. The kernel was asked about everything else when the ruleset
    /// was made.
    fn check(&self, text: &str) -> Result<(), PrepareError> {
        let is_full = self.rulesets.values().any(|made| *made.context.text == *text);
        if is_full { Ok(()) } else { self.find(text).map(|_| ()) }
    }

    fn warnings(&self) -> Vec<String> {
        self.rulesets.values().flat_map(|made| made.ruleset.warnings()).collect()
    }
}

/// Whether `text` could be the name of a ruleset, defined or not.
pub fn check_name(text: &str) -> Result<(), PrepareError> {
    if plain_name(text) {
        return Ok(());
    }
    Err(PrepareError {
        context: format!("{}:{}", BackendName::LANDLOCK, quoted(text)),
        problem: Problem::new("no ruleset can have this name", NAMES),
    })
}

/// What names are made of.
const NAMES: &str = "a name is of letters, digits, `.`, `_` and `-`";

/// Whether a ruleset could have the name `text`.
fn plain_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn duplicates(specs: &[RulesetSpec]) -> Vec<RulesetError> {
    let mut first: HashMap<(&Option<Box<str>>, &str), &Origin> = HashMap::new();
    let mut errors = Vec::new();
    for spec in specs {
        let name = (&spec.host, &*spec.name);
        match first.get(&name) {
            Some(origin) => errors.push(RulesetError {
                origin: spec.origin.clone(),
                ruleset: escaped(&spec.full_name()),
                problem: Problem {
                    why: format!("a ruleset of this name stands at {origin} already"),
                    errno: None,
                    remedy: "give one of them another name, or make them one".to_owned(),
                },
            }),
            None => {
                first.insert(name, &spec.origin);
            }
        }
    }
    errors
}

fn no_landlock(spec: &RulesetSpec, inactive: &Inactive) -> RulesetError {
    RulesetError {
        origin: spec.origin.clone(),
        ruleset: escaped(&spec.full_name()),
        problem: Problem {
            why: format!("Landlock is not active in this kernel: {}", inactive.problem.why),
            errno: None,
            remedy: inactive.problem.remedy.clone(),
        },
    }
}

/// Finds out why the kernel gives no ABI. `active_lsms` is the text of /sys/kernel/security/lsm, where it can be read.
fn inactive(error: &io::Error, active_lsms: Option<&str>) -> Inactive {
    let (why, remedy) = match error.raw_os_error() {
        Some(libc::ENOSYS) => (
            "it was built without Landlock, or is older than Linux 5.13 (ENOSYS)".to_owned(),
            "boot Linux 6.2 or newer with CONFIG_SECURITY_LANDLOCK=y".to_owned(),
        ),
        Some(libc::EOPNOTSUPP) => (
            "Landlock is built in, and was not started at boot (EOPNOTSUPP)".to_owned(),
            match active_lsms.map(str::trim).filter(|l| !l.is_empty()) {
                Some(lsms) => format!("boot with lsm=landlock,{lsms} on the kernel's command line"),
                None => "add landlock to lsm= on the kernel's command line, or to CONFIG_LSM".to_owned(),
            },
        ),
        Some(libc::EPERM) => (
            "a seccomp filter forbids its system calls (EPERM)".to_owned(),
            "let the container's or the service's filter pass landlock_create_ruleset, \
             landlock_add_rule and landlock_restrict_self"
                .to_owned(),
        ),
        _ => (
            format!("it did not tell its ABI: {error}"),
            "see the kernel's log, and report this with its version".to_owned(),
        ),
    };
    Inactive { backend: BackendName::LANDLOCK, problem: Problem { why, errno: None, remedy } }
}
