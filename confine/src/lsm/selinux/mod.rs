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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsm::NoValues;

    const OWN: &str = "system_u:system_r:httpd_t:s0";

    fn backend(interface: Interface) -> Selinux {
        let roots =
            Roots { proc: "/nonexistent".into(), selinuxfs: "/nonexistent".into(), ..Roots::default() };
        Selinux::with(roots, interface, Ok(SecurityContext::parse(OWN).unwrap()), false)
    }

    fn refused(result: Result<Arc<dyn Move>, PrepareError>) -> String {
        match result {
            Ok(way) => panic!("{} was prepared", way.context()),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn a_context_keeps_its_text_and_is_shared_by_all_requests() {
        let way = backend(Interface::Syscall).prepare("httpd_dog_t:s0:c1").unwrap();
        assert_eq!(way.context().to_string(), "selinux:httpd_dog_t:s0:c1");
        assert!(matches!(way.ready(&NoValues), Ok(PreparedMove::Shared(_))));
    }

    #[test]
    fn a_context_is_resolved_against_the_servers() {
        let resolved = backend(Interface::Syscall).resolve("*:s0:c1").unwrap();
        assert_eq!(resolved.to_string(), "system_u:system_r:httpd_t:s0:c1");
    }

    /// What a request supplies beside the directive's own text is one part of a context.
    #[test]
    fn a_value_is_one_part() {
        let prepare = |pieces: &[(bool, &str)]| {
            backend(Interface::Syscall).prepare_value(&Given::join(pieces.iter().copied()))
        };
        for (pieces, context) in [
            (&[(true, "*:s0:c1")][..], "selinux:*:s0:c1"),
            (&[(true, "alice.process"), (false, ":s0:c1")], "selinux:alice.process:s0:c1"),
            (&[(false, "app_t:"), (true, "s0:c1,c3")], "selinux:app_t:s0:c1,c3"),
            (&[(false, "*:s0:c"), (true, "7")], "selinux:*:s0:c7"),
            (&[(true, "app_t"), (false, ":"), (true, "s0")], "selinux:app_t:s0"),
        ] {
            let way = prepare(pieces).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(way.context().to_string(), context);
        }
        for pieces in [
            &[(true, "*"), (false, ":s0:c1")][..],
            &[(true, "u:r_r:t"), (false, ":s0")],
            &[(false, "*:s0:c"), (true, "0.c1023")],
            &[(false, "*:s0:c"), (true, "1-s0:c0.c1023")],
            &[(false, "*:s0:"), (true, "c1,c2")],
            &[(false, "system_u:"), (true, "system_r:unconfined_t:s0")],
        ] {
            let said = refused(prepare(pieces));
            assert!(said.contains("is more than one part of a context"), "{said}");
        }
        let said = refused(prepare(&[(true, "*:s0")]));
        assert!(said.contains("the server's own context"), "a value does not exempt: {said}");
    }

    #[test]
    fn a_wrong_text_names_itself_and_both_forms() {
        assert_eq!(
            refused(backend(Interface::Syscall).prepare("dog\x1b")),
            "selinux:\"dog\\u{1b}\": it holds '\\u{1b}', and contexts are printable ASCII without spaces; write \
             domain:range, as in httpd_app_t:s0:c1, *:s0:c1 or httpd_app_t:*, or a whole user:role:type:range, as \
             in system_u:system_r:httpd_app_t:s0:c1"
        );
    }

    #[test]
    fn to_stay_in_the_servers_context_is_no_confinement() {
        let selinux = backend(Interface::Syscall);
        for text in ["*", "*:*", "*:s0", "httpd_t", "httpd_t:s0", OWN] {
            assert_eq!(
                refused(selinux.prepare(text)),
                format!(
                    "selinux:{text}: it is the server's own context {OWN}, in which nothing is confined; name \
                     another domain or range, or write unconfined to exempt these requests"
                )
            );
            assert!(selinux.check(text).is_err());
            assert!(selinux.prepare_server(text).unwrap().is_none());
        }
        assert!(selinux.prepare_server("httpd_dog_t").unwrap().is_some());
    }

    #[test]
    fn without_selinux_every_context_is_refused_with_the_reason() {
        let inactive = Inactive {
            backend: BackendName::SELINUX,
            problem: Problem {
                why: "no policy is loaded".to_owned(),
                errno: None,
                remedy: "install a policy".to_owned(),
            },
        };
        let selinux = Selinux::with(Roots::default(), Interface::Proc, Err(inactive.clone()), false);
        assert_eq!(
            refused(selinux.prepare("httpd_dog_t")),
            "selinux:httpd_dog_t: no policy is loaded; install a policy"
        );
        assert_eq!(selinux.own(), Err(&inactive));
        assert_eq!(selinux.warnings(), [""; 0]);
    }

    #[test]
    fn a_move_without_proc_says_so() {
        let way = backend(Interface::Proc).prepare("httpd_dog_t").unwrap();
        let error = way.ready(&NoValues).unwrap().enter().unwrap_err();
        assert!(!error.forbidden);
        assert_eq!(
            error.to_string(),
            "/proc/thread-self/attr/current cannot be opened (ENOENT); mount /proc where the server runs, also \
             inside a chroot"
        );
    }

    /// Whether a move was made, by a thread whose context the kernel gives as `here`.
    fn further(here: &str, text: &str) -> Result<bool, String> {
        let proc = tempfile::tempdir().unwrap();
        let attr = proc.path().join("thread-self/attr/current");
        std::fs::create_dir_all(attr.parent().unwrap()).unwrap();
        std::fs::write(&attr, here).unwrap();
        let roots = Roots { proc: proc.path().to_owned(), ..Roots::default() };
        let own = Ok(SecurityContext::parse(OWN).unwrap());
        let way = Selinux::with(roots, Interface::Proc, own, false).prepare(text).unwrap();
        let entered = way.ready(&NoValues).unwrap().enter_further().map_err(|e| e.to_string());
        let moved = std::fs::read_to_string(attr).unwrap() != here;
        assert!(!moved || entered.is_ok());
        entered.map(|()| moved)
    }

    #[test]
    fn a_thread_that_is_there_already_makes_no_move() {
        let there = "system_u:system_r:dog.process:s0:c1";
        assert_eq!(further(there, "dog.process:s0:c1"), Ok(false));
        assert_eq!(further(there, "dog.process:s0:c2"), Ok(true));
    }

    #[test]
    fn what_is_left_to_the_server_is_not_taken_from_elsewhere() {
        let error = further("system_u:system_r:dog.process:s0:c1", "*:s0:c2").unwrap_err();
        assert_eq!(
            error,
            "what it leaves out is the server's own, which makes it system_u:system_r:httpd_t:s0:c2, and an earlier \
             move (ConfineEarly) has left the server's context for system_u:system_r:dog.process:s0:c1; write the \
             whole context, as in system_u:system_r:dog.process:s0:c2"
        );
        assert!(further("system_u:system_r:dog.process:s0:c1", "dog_app_t").is_err());
    }

    #[test]
    fn an_unreadable_selinuxfs_and_what_a_check_found_are_warned_of() {
        let selinux = backend(Interface::Syscall);
        selinux.note("b".to_owned());
        selinux.note("a".to_owned());
        selinux.note("b".to_owned());
        let warnings = selinux.warnings();
        assert_eq!(
            warnings[0],
            "whether SELinux enforces its policy could not be read from /nonexistent/enforce: No such file or \
             directory (os error 2); mount selinuxfs there, and let httpd_t read it"
        );
        assert_eq!(warnings[1..], ["a", "b"]);
    }

    #[test]
    fn a_permissive_kernel_is_warned_of() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("enforce"), "0").unwrap();
        let roots = Roots { selinuxfs: dir.path().to_owned(), ..Roots::default() };
        let own = Ok(SecurityContext::parse(OWN).unwrap());
        let selinux = Selinux::with(roots, Interface::Syscall, own, false);
        assert!(!selinux.enforcing().unwrap());
        assert!(
            selinux.warnings()[0].starts_with("SELinux is permissive: the kernel logs and refuses nothing")
        );
        std::fs::write(dir.path().join("enforce"), "1").unwrap();
        assert_eq!(selinux.warnings(), [""; 0]);
    }

    #[test]
    fn a_kernel_without_selinux_is_not_active_and_one_with_it_has_a_context() {
        let selinux = Selinux::new();
        assert_eq!(selinux.active().is_ok(), selinux.own().is_ok());
        if let Err(e) = selinux.active() {
            assert!(e.to_string().starts_with("selinux is not active in this kernel: "), "{e}");
        }
    }
}
