//! SELinux: a thread moves to another security context of the loaded policy.
//!
//! In a process with several threads one thread may move alone, without `execve`, under three conditions (kernel:
//! security/selinux/hooks.c, selinux_lsm_setattr). The table is for a server in `httpd_t` and for a context of type
//! `httpd_dog_t`:
//!
//! | rule in CIL | the kernel's answer where it is missing |
//! |---|---|
//! | `(allow httpd_t self (process (setcurrent)))` | EACCES |
//! | `(typebounds httpd_t httpd_dog_t)`, unless only the range changes | EPERM |
//! | `(allow httpd_t httpd_dog_t (process (dyntransition)))` | EACCES |
//!
//! A context that the policy does not know is EINVAL. Threads that the thread makes later inherit its context. A
//! descriptor that was opened before is checked again when it is used.
//!
//! Administrators write contexts in two forms: as a pair `domain:range`, relative to the server's own context, and as a
//! whole context ([`SecurityContext`]). Both can hold several colons. Whether the second field is a sensitivity (`s0`) or
//! a role (`object_r`) tells which form it is.
//!
//! # Why this code asks the kernel and does not use libselinux
//! - Debian's policy hides /etc/selinux/config from httpd_t, so `is_selinux_enabled()` answers "no" inside httpd. A
//!   module that believes this answer runs everything unconfined and says nothing.
//! - Each request makes the move. Here it is one system call, and it allocates nothing.
//! - The errno of the kernel arrives unchanged, and each errno has another remedy.
//! - The `selinux` crate needs a newer compiler than distributions have, and a library to link.
//!
//! # Categories that confine nothing
//! The kernel enforces MCS categories only for types with the attribute `mcs_constrained_type` of the policy. On Debian
//! and Fedora httpd_t does not have it by default. A move to `*:s0:c1` then succeeds and confines nothing.
//! [`Backend::check`] asks the policy and notes a warning.
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
    Backend, Enter, EnterError, Inactive, Made, Move, Moved, PrepareError, PreparedMove, Values, quoted,
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
mod process;
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

/// The mount points of the kernel's file systems. Tests use other directories in their place.
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
    /// The file with the context of the calling thread. A thread can only write its own.
    fn current(&self) -> PathBuf {
        self.proc.join("thread-self/attr/current")
    }
}

/// Files of the kernel that moves need, too.
struct KernelFiles {
    selinuxfs: Selinuxfs,
    /// The folder with the attributes of the calling thread.
    attributes: PathBuf,
}

/// The SELinux backend.
pub struct Selinux {
    roots: Roots,
    files: Arc<KernelFiles>,
    interface: Interface,
    /// The path for [`AttrFile::open`].
    proc_file: Arc<CStr>,
    /// The server's context, to which pairs are relative.
    own: Result<SecurityContext, Inactive>,
    /// The contexts that a thread moves through before the move that is checked ([`Backend::after`]).
    way: Vec<SecurityContext>,
    /// Whether `own` was given and not read. This process is then not the server, and its own moves prove nothing about
    /// the server.
    assumed: bool,
    /// What the checks found, for [`Backend::warnings`].
    found: Mutex<BTreeSet<String>>,
}

impl Default for Selinux {
    fn default() -> Self {
        Self::new()
    }
}

impl Selinux {
    /// Looks at the running kernel and reads the context of the calling thread, to which `domain:range` pairs are
    /// relative. If the server moves itself, call this after that move.
    ///
    /// Where SELinux is not active, this succeeds all the same, and [`Backend::active`] says what is missing.
    pub fn new() -> Self {
        let roots = Roots::default();
        let interface = Interface::probe(LsmId::SELINUX);
        let own = read_own(&roots, interface);
        Self::with(roots, interface, own, false)
    }

    /// The backend for a process that is not the server, such as `confinectl`. `own` is the server's context in the
    /// kernel's form, which [`Selinux::new`] would read.
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
        // A path that holds a NUL cannot be opened, and an empty one cannot either, so it stands for it.
        let proc_file = CString::new(current.as_os_str().as_bytes()).unwrap_or_default().into();
        let files = KernelFiles {
            selinuxfs: Selinuxfs { root: roots.selinuxfs.clone() },
            attributes: roots.proc.join("thread-self/attr"),
        };
        Self {
            roots,
            files: Arc::new(files),
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

    /// The whole context that `text` means for this server. The kernel is not asked.
    pub fn resolve(&self, text: &str) -> Result<SecurityContext, PrepareError> {
        self.target(text).map(|target| target.whole)
    }

    /// Whether the kernel enforces the policy (the file `enforce` in selinuxfs). A permissive kernel logs denials and
    /// refuses nothing.
    pub fn enforcing(&self) -> io::Result<bool> {
        self.files.selinuxfs.enforcing()
    }

    /// The context that `text` means for this server.
    fn target(&self, text: &str) -> Result<Target<'_>, PrepareError> {
        let own =
            self.own.as_ref().map_err(|e| prepare_error(text, &e.problem.why, None, &e.problem.remedy))?;
        let (left, whole) = Written::parse(text)
            .and_then(|written| Ok((written.left(), written.complete(own)?)))
            .map_err(|e| prepare_error(text, &e.why, None, &e.remedy))?;
        Ok(Target { own, left, whole })
    }

    /// As [`Selinux::target`], but it refuses the context that the server is in. A move to it confines nothing, and
    /// only the word `unconfined` may exempt a request.
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
        // All parts were checked to be printable ASCII.
        let raw = CString::new(whole.to_string())
            .map_err(|_| prepare_error(text, "it holds a NUL byte", None, "remove it"))?;
        Ok(ContextMove {
            context: Context { backend: BackendName::SELINUX, text: text.into() },
            own: own.clone(),
            left,
            target: whole,
            files: Arc::clone(&self.files),
            door: match self.interface {
                Interface::Syscall => Door::Syscall(Wire::new(LsmId::SELINUX, &raw)),
                Interface::Proc => Door::Proc { file: Arc::clone(&self.proc_file), context: raw },
            },
        })
    }

    /// Keeps a text for [`Backend::warnings`].
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
            // Contexts of requests stay relative to the server's context, which an early move does not change.
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
        if self.files.selinuxfs.access(&raw, &raw, "process").is_ok_and(|d| d.permissive) {
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

/// The context that a text means for the server.
struct Target<'a> {
    /// The server's context.
    own: &'a SecurityContext,
    /// The parts that the text leaves to the server's context.
    left: Left,
    whole: SecurityContext,
}

impl Target<'_> {
    /// Why a thread that has left the server's context at `there` cannot take this text. A part that is not written is
    /// the server's own part to the server, and the thread's own part to the thread. Nothing is guessed, because either
    /// choice may give the request more than it should have.
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
    files: Arc<KernelFiles>,
}

enum Door {
    Syscall(Wire),
    Proc { file: Arc<CStr>, context: CString },
}

impl Move for ContextMove {
    fn context(&self) -> &Context {
        &self.context
    }

    fn denials_are_in(&self) -> &'static str {
        "`ausearch --message avc --start recent` (without auditd: `dmesg`)"
    }

    fn ready<'a>(&'a self, _values: &dyn Values) -> Result<PreparedMove<'a>, EnterError> {
        Ok(PreparedMove::Shared(self))
    }

    fn may_execute(&self, program: &Path) -> Result<(), Problem> {
        process::may_execute(&self.files.selinuxfs, &self.target, program)
    }

    fn to_execute(&self, program: &Path) -> String {
        process::to_execute(&self.target, program)
    }

    fn made_for(&self, what: Made<'_>, make: &mut dyn FnMut()) -> Result<(), Problem> {
        self.label_for(what, make)
    }
}

impl ContextMove {
    /// Moves the calling thread.
    ///
    /// # Errors
    /// The errno.
    fn enter_raw(&self) -> Result<(), i32> {
        match &self.door {
            Door::Syscall(wire) => wire.set_current(),
            Door::Proc { file, context } => AttrFile::open(file)?.write(context),
        }
    }
}

impl ContextMove {
    /// The context of the calling thread.
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
        // The policy may forbid this domain to read its own context. The kernel's answer to the move then has to do.
        let Some(here) = self.here() else { return self.enter() };
        if here == self.target {
            // No move leads to the server's own context, so the thread is confined. A second move to the same context
            // would need permission to move from there.
            return Ok(());
        }
        match unclear(self.left, &self.own, &here, &self.target) {
            Some(refusal) => Err(enter_error(refusal, None)),
            None => self.enter_from(&here),
        }
    }
}
