//! SELinux: a thread moves to another security context of the loaded policy.
//!
//! A thread of a process with several threads may move alone, without `execve`, under three
//! conditions (kernel: security/selinux/hooks.c, selinux_lsm_setattr), here for a server in
//! `httpd_t` and a context of type `httpd_dog_t`:
//!
//! | rule in CIL | when missing |
//! |---|---|
//! | `(allow httpd_t self (process (setcurrent)))` | EACCES |
//! | `(typebounds httpd_t httpd_dog_t)`, unless only the range changes | EPERM |
//! | `(allow httpd_t httpd_dog_t (process (dyntransition)))` | EACCES |
//!
//! A context that the policy does not know is EINVAL. Threads that the thread makes later inherit
//! the context. Descriptors opened before are checked again when they are used.
//!
//! How contexts are written: see [`SecurityContext`] and the rule in text.rs.
//!
//! # Why the kernel is asked directly, not through libselinux
//! - `is_selinux_enabled()` answers no inside httpd on Debian, whose policy hides
//!   /etc/selinux/config from httpd_t. A module that believes it runs everything unconfined,
//!   without a word.
//! - The move is on the path of every request: one system call, with nothing allocated.
//! - The kernel's errno arrives as it is, and each one has another remedy.
//! - The `selinux` crate needs a newer compiler than the distribution's, and a library to link.
//!
//! # What is not seen here
//! MCS categories are enforced only for types in the policy's attribute `mcs_constrained_type`, in
//! which httpd_t is not by default on Debian and Fedora. A move to `*:s0:c1` then succeeds and
//! confines nothing. [`Backend::check`] asks the policy and leaves a warning.
//!
//! ```
//! use confine::lsm::selinux::SecurityContext;
//!
//! let context = SecurityContext::parse("system_u:system_r:httpd_t:s0").expect("a context");
//! assert_eq!(context.to_string(), "system_u:system_r:httpd_t:s0");
//! ```

use std::{
    collections::BTreeSet,
    ffi::{CStr, CString, OsStr},
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Backend, Enter, EnterError, Inactive, Move, Moved, PrepareError, PreparedMove, Values, quoted,
    selfattr::{AttrFile, Interface, LsmId, Wire},
};
use crate::{
    context::{BackendName, Context},
    problem::Problem,
    value::Given,
};

mod active;
mod check;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod refusal;
mod selinuxfs;
#[cfg(test)]
mod tests;
mod text;

pub use check::ServerPolicy;
pub use text::SecurityContext;

use active::Evidence;
use selinuxfs::Selinuxfs;
use text::{Left, Written};

/// Where the kernel's file systems are; in tests, directories that stand for them.
#[derive(Clone)]
struct Roots {
    selinuxfs: PathBuf,
    proc: PathBuf,
    securityfs: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            selinuxfs: "/sys/fs/selinux".into(),
            proc: "/proc".into(),
            securityfs: "/sys/kernel/security".into(),
        }
    }
}

impl Roots {
    /// The calling thread's own file: a thread may not write another one's.
    fn current(&self) -> PathBuf {
        self.proc.join("thread-self/attr/current")
    }
}

/// The backend.
pub struct Selinux {
    roots: Roots,
    selinuxfs: Selinuxfs,
    interface: Interface,
    /// For [`AttrFile::open`].
    proc_file: Arc<CStr>,
    /// The server's context, to which pairs are relative.
    own: Result<SecurityContext, Inactive>,
    /// Contexts that a thread is moved through before the moves that are checked.
    way: Vec<SecurityContext>,
    /// `own` was given, not read: this process is not the server, so its own moves prove nothing.
    assumed: bool,
    /// What the checks found worth a line in the log.
    found: Mutex<BTreeSet<String>>,
}

impl Default for Selinux {
    fn default() -> Self {
        Self::new()
    }
}

impl Selinux {
    /// Looks at the running kernel and reads the calling thread's context, to which `domain:range`
    /// pairs are relative. Make it after the server has moved itself, if it does.
    ///
    /// Without SELinux it succeeds, and [`Backend::active`] says what is missing.
    pub fn new() -> Self {
        let roots = Roots::default();
        let interface = Interface::probe(LsmId::SELINUX);
        let own = read_own(&roots, interface);
        Self::with(roots, interface, own, false)
    }

    /// For a process that is not the server and asks about it (`confinectl`): `own`, the server's
    /// context in the kernel's form, stands for what [`Selinux::new`] reads.
    pub fn assuming(own: SecurityContext) -> Self {
        Self::with(Roots::default(), Interface::probe(LsmId::SELINUX), Ok(own), true)
    }

    fn with(
        roots: Roots,
        interface: Interface,
        own: Result<SecurityContext, Inactive>,
        assumed: bool,
    ) -> Self {
        let current = roots.current();
        // A path with a NUL opens nothing, and neither does an empty one.
        let proc_file = CString::new(current.as_os_str().as_bytes()).unwrap_or_default().into();
        let selinuxfs = Selinuxfs { root: roots.selinuxfs.clone() };
        Self {
            roots,
            selinuxfs,
            interface,
            proc_file,
            own,
            way: Vec::new(),
            assumed,
            found: Mutex::default(),
        }
    }

    /// The server's own context.
    pub fn own(&self) -> Result<&SecurityContext, &Inactive> {
        self.own.as_ref()
    }

    /// The whole context that `text` means, as it would be for this server. Not asked of the kernel.
    pub fn resolve(&self, text: &str) -> Result<SecurityContext, PrepareError> {
        self.target(text).map(|target| target.whole)
    }

    /// Whether the kernel enforces the policy (`enforce` in selinuxfs). A permissive kernel logs
    /// and refuses nothing.
    pub fn enforcing(&self) -> io::Result<bool> {
        self.selinuxfs.enforcing()
    }

    /// What `text` means for this server.
    fn target(&self, text: &str) -> Result<Target<'_>, PrepareError> {
        let own =
            self.own.as_ref().map_err(|e| prepare_error(text, &e.problem.why, None, &e.problem.remedy))?;
        let (left, whole) = Written::parse(text)
            .and_then(|written| Ok((written.left(), written.complete(own)?)))
            .map_err(|e| prepare_error(text, &e.why, None, &e.remedy))?;
        Ok(Target { own, left, whole })
    }

    /// [`Selinux::target`], and it must not be where the server is: to stay there is not a
    /// confinement, and a request is exempt only in plain words.
    fn other_target(&self, text: &str) -> Result<Target<'_>, PrepareError> {
        let target = self.target(text)?;
        if *target.own == target.whole {
            let own = target.own;
            let why = format!("it is the server's own context {own}, in which nothing is confined");
            let remedy = "name another domain or range, or write unconfined to exempt these requests";
            return Err(prepare_error(text, &why, None, remedy));
        }
        Ok(target)
    }

    fn way_to(&self, text: &str, target: Target<'_>) -> Result<ContextMove, PrepareError> {
        let Target { own, left, whole } = target;
        // The text was found to be printable ASCII.
        let raw = CString::new(whole.to_string())
            .map_err(|_| prepare_error(text, "it holds a NUL byte", None, "remove it"))?;
        Ok(ContextMove {
            context: Context { backend: BackendName::SELINUX, text: text.into() },
            own: own.clone(),
            left,
            target: whole,
            door: match self.interface {
                Interface::Syscall => Door::Syscall(Wire::new(LsmId::SELINUX, &raw)),
                Interface::Proc => Door::Proc { file: Arc::clone(&self.proc_file), context: raw },
            },
        })
    }

    /// Remembers something for [`Backend::warnings`].
    fn note(&self, text: String) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
    }
}

impl Backend for Selinux {
    fn name(&self) -> BackendName {
        BackendName::SELINUX
    }

    fn active(&self) -> Result<(), Inactive> {
        read_own(&self.roots, self.interface).map(|_| ())
    }

    fn prepare(&self, text: &str) -> Result<Arc<dyn Move>, PrepareError> {
        Ok(Arc::new(self.way_to(text, self.other_target(text)?)?))
    }

    fn prepare_value(&self, given: &Given) -> Result<Arc<dyn Move>, PrepareError> {
        text::one_part(given).map_err(|e| prepare_error(given.text(), &e.why, None, &e.remedy))?;
        self.prepare(given.text())
    }

    fn check(&self, text: &str) -> Result<(), PrepareError> {
        self.check_target(text, self.other_target(text)?)
    }

    fn prepare_server(&self, text: &str) -> Result<Option<Arc<dyn Move>>, PrepareError> {
        let target = self.target(text)?;
        if *target.own == target.whole {
            return Ok(None);
        }
        Ok(Some(Arc::new(self.way_to(text, target)?)))
    }

    fn after(&self, text: &str, who: Moved) -> Option<Box<dyn Backend>> {
        let after = self.resolve(text).ok()?;
        let own = match who {
            // Requests' contexts stay relative to the server's.
            Moved::Thread => self.own.clone(),
            Moved::Server => return Some(Box::new(Self::assuming(after))),
        };
        let roots = self.roots.clone();
        let way = self.way.iter().cloned().chain([after]).collect();
        Some(Box::new(Self { way, ..Self::with(roots, self.interface, own, self.assumed) }))
    }

    fn warnings(&self) -> Vec<String> {
        let Ok(own) = &self.own else { return Vec::new() };
        let mut warnings = Vec::new();
        match self.enforcing() {
            Ok(true) => {}
            Ok(false) => warnings.push(
                "SELinux is permissive: the kernel logs and refuses nothing, so no context confines anything; \
                 run setenforce 1, and set SELINUX=enforcing in /etc/selinux/config"
                    .to_owned(),
            ),
            Err(e) => warnings.push(format!(
                "whether SELinux enforces its policy could not be read from {}: {e}; mount selinuxfs there, and let \
                 {} read it",
                self.roots.selinuxfs.join("enforce").display(),
                own.domain,
            )),
        }
        let raw = own.to_string();
        if self.selinuxfs.access(&raw, &raw, "process").is_ok_and(|d| d.permissive) {
            warnings.push(check::permissive_domain(&own.domain));
        }
        warnings.extend(self.found.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        warnings
    }
}

fn read_own(roots: &Roots, interface: Interface) -> Result<SecurityContext, Inactive> {
    let evidence = Evidence::collect(&roots.proc, &roots.securityfs, &roots.selinuxfs);
    active::own_context(&evidence, interface.current(LsmId::SELINUX, &roots.current()))
}

fn prepare_error(text: &str, why: &str, errno: Option<i32>, remedy: &str) -> PrepareError {
    PrepareError {
        context: format!("{}:{}", BackendName::SELINUX, quoted(text)),
        problem: Problem { why: why.to_owned(), errno, remedy: remedy.to_owned() },
    }
}

/// What a text means.
struct Target<'a> {
    /// The server's context.
    own: &'a SecurityContext,
    /// What the text leaves to it.
    left: Left,
    whole: SecurityContext,
}

impl Target<'_> {
    /// Why a thread that is elsewhere than the server cannot take this text: what is not written means
    /// something else to it than to the server. Neither is guessed, as either may widen the request.
    fn unclear_from(&self, there: &SecurityContext) -> Option<Problem> {
        unclear(self.left, self.own, there, &self.whole)
    }
}

fn unclear(
    left: Left,
    own: &SecurityContext,
    there: &SecurityContext,
    target: &SecurityContext,
) -> Option<Problem> {
    (!left.same(own, there)).then(|| Problem { why: format!(
            "what it leaves out is the server's own, which makes it {target}, and an earlier move (ConfineEarly) has \
             left the server's context for {there}"
        ), errno: None, remedy: format!("write the whole context, as in {}", left.as_in(there, target)) })
}

/// The way into one context.
struct ContextMove {
    context: Context,
    door: Door,
    /// The server's context.
    own: SecurityContext,
    left: Left,
    target: SecurityContext,
}

enum Door {
    Syscall(Wire),
    Proc { file: Arc<CStr>, context: CString },
}

impl Move for ContextMove {
    fn context(&self) -> &Context {
        &self.context
    }

    fn ready<'a>(&'a self, _values: &dyn Values) -> Result<PreparedMove<'a>, EnterError> {
        Ok(PreparedMove::Shared(self))
    }
}

impl ContextMove {
    /// Moves the calling thread, or gives the errno.
    fn enter_raw(&self) -> Result<(), i32> {
        match &self.door {
            Door::Syscall(wire) => wire.set_current(),
            Door::Proc { file, context } => AttrFile::open(file)?.write(context),
        }
    }
}

impl ContextMove {
    /// The calling thread's context.
    fn here(&self) -> Option<SecurityContext> {
        let raw = match &self.door {
            Door::Syscall(_) => Interface::Syscall.current(LsmId::SELINUX, Path::new("")),
            Door::Proc { file, .. } => {
                Interface::Proc.current(LsmId::SELINUX, Path::new(OsStr::from_bytes(file.to_bytes())))
            }
        };
        SecurityContext::parse(&raw.ok()?)
    }

    fn enter_from(&self, from: &SecurityContext) -> Result<(), EnterError> {
        self.enter_raw().map_err(|errno| {
            let by_proc = matches!(self.door, Door::Proc { .. });
            enter_error(refusal::of_errno(errno, from, &self.target, by_proc), Some(errno))
        })
    }
}

fn enter_error(Problem { why, remedy, .. }: Problem, errno: Option<i32>) -> EnterError {
    EnterError { problem: Problem { why, errno, remedy }, forbidden: false }
}

impl Enter for ContextMove {
    fn enter(&self) -> Result<(), EnterError> {
        self.enter_from(&self.own)
    }

    fn enter_further(&self) -> Result<(), EnterError> {
        // A domain may be kept from asking; then the kernel's answer to the move has to do.
        let Some(here) = self.here() else { return self.enter() };
        if here == self.target {
            // Not the server's context, which is no target: the thread is confined. The kernel would
            // ask for permission to move where it is.
            return Ok(());
        }
        match unclear(self.left, &self.own, &here, &self.target) {
            Some(refusal) => Err(enter_error(refusal, None)),
            None => self.enter_from(&here),
        }
    }
}
