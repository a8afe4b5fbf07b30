//! AppArmor: a thread moves to another loaded profile.
//!
//! In a process with several threads one thread may move alone (kernel: security/apparmor/domain.c, aa_change_profile).
//! The profile that it is in must have a rule that allows the move. The table is for a server in the profile `apache2`,
//! and for an application whose profile is `blog`:
//!
//! | written | rule in `apache2` | afterwards the thread is in |
//! |---|---|---|
//! | `blog` | `change_profile -> blog,` | `blog` |
//! | `apache2//blog` | `change_profile -> apache2//blog,` | that hat |
//! | `stack blog` | `change_profile -> &blog,` | `apache2//&blog`: only what both profiles grant is granted |
//!
//! Where the rule is missing, the kernel answers EACCES, and where the profile is not loaded, ENOENT. A server without
//! a profile may move to any profile. There is no way back, unless the new profile has a rule for it. Threads and
//! programs that the thread starts later begin in its profile. A descriptor that was opened before is checked again
//! when it is used.
//!
//! # No token
//! mod_apparmor uses `changehat` with a token. Whoever finds the token in the server's memory can undo the change, and
//! whoever guesses wrong has the process killed. This backend uses `changeprofile` to the hat, which nothing undoes.
//!
//! # Why the label is looked at after the move
//! When the server's own profile is in complain mode, the kernel also lets a thread move to a profile that does not
//! exist: it makes a profile that allows everything (`apache2//null-blog`). An administrator can set complain mode
//! while the server runs (aa-complain), and the name of the profile can come from a request. So each move is followed
//! by a look at the label that the thread then has. `lsm_get_self_attr(2)` tells it, and a profile needs no rule for
//! this call. Where the kernel has only /proc, reading the label would need a rule in the profile of each application.
//! There the kernel is asked before the move whether it would allow it (`permprofile`). This fails for a profile that
//! does not exist, in complain mode, too.
//!
//! ```
//! use confine::lsm::{Backend, apparmor::AppArmor};
//!
//! // A change of profile replaces the profile that an earlier move led to. A stack adds to it.
//! let apparmor = AppArmor::of_another_process();
//! assert!(apparmor.replaces("blog") && !apparmor.replaces("stack blog"));
//! ```

use std::{
    collections::BTreeSet,
    ffi::{CStr, CString},
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::{
    Backend, Enter, Inactive, Move, Moved, PrepareError, quoted,
    selfattr::{Interface, LsmId, Wire},
};
use crate::{
    context::{BackendName, Context},
    problem::Problem,
    value::Given,
};

mod active;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod process;
mod profile_move;
mod profiles;
mod refusal;
mod text;

pub use profiles::Mode;

use active::Evidence;
use profile_move::{Door, ProfileMove};
use profiles::Profiles;
use text::{How, Label, Written};

/// The mount points of the kernel's file systems. Tests use other directories in their place.
struct Roots {
    securityfs: PathBuf,
    sysfs: PathBuf,
    proc: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { securityfs: "/sys/kernel/security".into(), sysfs: "/sys".into(), proc: "/proc".into() }
    }
}

impl Roots {
    /// The file with the label of the calling thread. A thread can only write its own. Since Linux 5.8 AppArmor has a
    /// file of its own; before, all LSMs shared one.
    fn current(&self) -> PathBuf {
        let own = self.proc.join("thread-self/attr/apparmor/current");
        if own.exists() { own } else { self.proc.join("thread-self/attr/current") }
    }
}

/// The AppArmor backend.
pub struct AppArmor {
    roots: Arc<Roots>,
    interface: Interface,
    /// The path for [`AttrFile::open`](crate::lsm::selfattr::AttrFile::open).
    proc_file: Arc<CStr>,
    /// The label of the thread before it moves, as the kernel prints it, or why there is none.
    own: Result<Arc<str>, Inactive>,
    /// The moves that a thread makes before the move that is checked ([`Backend::after`]).
    before: Vec<Arc<ProfileMove>>,
    /// Whether this process is not the server. Its own moves then prove nothing about the server.
    assumed: bool,
    found: Arc<Found>,
}

/// What the checks found, for [`Backend::warnings`].
#[derive(Default)]
struct Found {
    /// Whether a rule names AppArmor at all.
    used: AtomicBool,
    texts: Mutex<BTreeSet<String>>,
}

impl Default for AppArmor {
    fn default() -> Self {
        Self::new()
    }
}

impl AppArmor {
    /// Looks at the running kernel and reads the label of the calling thread. If the server moves itself, call this
    /// after that move.
    ///
    /// Where AppArmor is not active, this succeeds all the same, and [`Backend::active`] says what is missing.
    pub fn new() -> Self {
        let roots = Roots::default();
        let interface = Interface::probe(LsmId::APPARMOR);
        let own = read_own(&roots, interface);
        Self::with(roots, interface, own)
    }

    /// The backend for a process that is not the server, such as `confinectl`. It checks whether profiles are loaded
    /// and enforce. It cannot check whether the server may move to them.
    pub fn of_another_process() -> Self {
        let own = Evidence::collect(&Roots::default().securityfs, &Roots::default().sysfs).active();
        let interface = Interface::probe(LsmId::APPARMOR);
        let own = own.map(|()| "the server's profile".into());
        Self { assumed: true, ..Self::with(Roots::default(), interface, own) }
    }

    fn with(roots: Roots, interface: Interface, own: Result<Arc<str>, Inactive>) -> Self {
        // A path that holds a NUL cannot be opened, and an empty one cannot either, so it stands for it.
        let proc_file = CString::new(roots.current().as_os_str().as_bytes()).unwrap_or_default().into();
        Self {
            roots: roots.into(),
            interface,
            proc_file,
            own,
            before: Vec::new(),
            assumed: false,
            found: Arc::default(),
        }
    }

    /// Whether `text` is of the form that contexts of AppArmor have. This needs no kernel.
    pub fn check_form(text: &str) -> Result<(), PrepareError> {
        Written::parse(text).map(drop).map_err(|e| prepare_error(text, &e.why, None, &e.remedy))
    }

    /// The loaded profiles with their modes, sorted by name.
    ///
    /// # Errors
    /// The kernel's list cannot be read. Only root can read it.
    pub fn profiles(&self) -> io::Result<Vec<(String, Mode)>> {
        Profiles::read(&self.roots.securityfs).map(Profiles::sorted)
    }

    /// The label of the thread before it moves.
    fn own_label(&self) -> Option<Label<'_>> {
        self.own.as_ref().ok().map(|own| Label::parse(own.as_bytes()))
    }

    /// Whether the label of the server is already the one that a move to `written` leads to.
    fn is_there(&self, written: Written<'_>) -> bool {
        self.own_label().is_some_and(|own| own.is_of(written))
    }

    /// Reads `text`, and refuses it if the server is there already. Such a move confines nothing, and only the word
    /// `unconfined` may exempt a request.
    fn other<'t>(&self, text: &'t str) -> Result<Written<'t>, PrepareError> {
        let written = self.written(text)?;
        if self.is_there(written) {
            let own = self.own_label().map(Label::names).unwrap_or_default();
            let why = format!("it is the server's own profile {own}, in which nothing more is confined");
            let remedy = "name another profile, or write unconfined to exempt these requests";
            return Err(prepare_error(text, &why, None, remedy));
        }
        Ok(written)
    }

    fn written<'t>(&self, text: &'t str) -> Result<Written<'t>, PrepareError> {
        self.own.as_ref().map_err(|e| prepare_error(text, &e.problem.why, None, &e.problem.remedy))?;
        Written::parse(text).map_err(|e| prepare_error(text, &e.why, None, &e.remedy))
    }

    fn way(&self, text: &str, written: Written<'_>) -> Result<ProfileMove, PrepareError> {
        let (change, ask) = match written.how {
            How::Change => ("changeprofile", "permprofile "),
            How::Stack => ("stack", "permprofile &"),
        };
        let command = |words: String| {
            CString::new(words).map_err(|_| prepare_error(text, "it holds a NUL byte", None, "remove it"))
        };
        let go = command(format!("{change} {}", written.name))?;
        let door = match self.interface {
            Interface::Syscall => Door::Syscall(Wire::new(LsmId::APPARMOR, &go)),
            Interface::Proc => {
                let ask = command(format!("{ask}{}", written.name))?;
                Door::Proc { file: Arc::clone(&self.proc_file), ask, go }
            }
        };
        let context = Context { backend: BackendName::APPARMOR, text: text.into() };
        let own = self.own.as_ref().map_or_else(|_| "".into(), Arc::clone);
        Ok(ProfileMove { context, how: written.how, door, own, roots: Arc::clone(&self.roots) })
    }

    /// Whether the profile is loaded, and whether its mode confines anything.
    fn check_profile(&self, text: &str, written: Written<'_>) -> Result<(), PrepareError> {
        let name = written.name;
        let profiles = match Profiles::read(&self.roots.securityfs) {
            Ok(profiles) => profiles,
            Err(e) => {
                self.note(unreadable(&Profiles::path(&self.roots.securityfs), &e));
                return Ok(());
            }
        };
        match profiles.mode(name) {
            None => {
                let Problem { why, remedy, .. } = refusal::absent(name);
                Err(prepare_error(text, &why, None, &remedy))
            }
            Some(Mode::Unconfined) => Err(prepare_error(
                text,
                &format!("the profile {name} is loaded in unconfined mode, in which nothing is confined"),
                None,
                "take flags=(unconfined) out of it and load it again, or name another profile",
            )),
            Some(Mode::Complain) => {
                self.note(format!(
                    "the profile {name} is in complain mode: the kernel logs and refuses nothing there; run \
                     aa-enforce on its file in /etc/apparmor.d"
                ));
                Ok(())
            }
            Some(Mode::Enforces) => Ok(()),
        }
    }

    /// Makes the move in a thread that ends afterwards. It starts from where requests will start. No other way shows
    /// what the server's profile allows.
    fn trial(&self, text: &str, written: Written<'_>) -> Result<(), PrepareError> {
        if self.assumed {
            return Ok(());
        }
        let way = self.way(text, written)?;
        let tried = thread::Builder::new().name("confine-trial".to_owned()).spawn({
            let before = self.before.clone();
            move || before.iter().try_for_each(|step| step.enter()).and_then(|()| way.enter())
        });
        let fate = tried.and_then(|t| t.join().map_err(|_| io::Error::other("the trial's thread panicked")));
        match fate {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(prepare_error(text, &e.problem.why, e.problem.errno, &e.problem.remedy)),
            Err(e) => Err(prepare_error(
                text,
                &format!("no thread could be made to try it: {e}"),
                None,
                "raise the server's limit of threads (TasksMax=, ulimit -u)",
            )),
        }
    }

    /// Keeps a text for [`Backend::warnings`].
    fn note(&self, text: String) {
        self.found.texts.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
    }
}

impl Backend for AppArmor {
    fn name(&self) -> BackendName {
        BackendName::APPARMOR
    }

    fn active(&self) -> Result<(), Inactive> {
        // This is called for each rule that names the backend.
        self.found.used.store(true, Ordering::Relaxed);
        Evidence::collect(&self.roots.securityfs, &self.roots.sysfs).active()
    }

    fn prepare(&self, text: &str) -> Result<Arc<dyn Move>, PrepareError> {
        let written = self.other(text)?;
        Ok(Arc::new(self.way(text, written)?))
    }

    fn prepare_value(&self, given: &Given) -> Result<Arc<dyn Move>, PrepareError> {
        let way = self.prepare(given.text())?;
        text::one_name(given).map_err(|e| prepare_error(given.text(), &e.why, None, &e.remedy))?;
        Ok(way)
    }

    fn check(&self, text: &str) -> Result<(), PrepareError> {
        let written = self.other(text)?;
        self.check_profile(text, written)?;
        self.trial(text, written)
    }

    fn prepare_server(&self, text: &str) -> Result<Option<Arc<dyn Move>>, PrepareError> {
        let written = self.written(text)?;
        if self.is_there(written) {
            return Ok(None);
        }
        Ok(Some(Arc::new(self.way(text, written)?)))
    }

    fn after(&self, text: &str, _who: Moved) -> Option<Box<dyn Backend>> {
        let written = self.written(text).ok()?;
        let own = match (written.how, self.own_label()?) {
            (How::Stack, own) if !own.is_unconfined() => {
                format!("{}//&{} (enforce)", own.names(), written.name)
            }
            _ => format!("{} (enforce)", written.name),
        };
        let mut before = self.before.clone();
        before.push(Arc::new(self.way(text, written).ok()?));
        Some(Box::new(Self {
            roots: Arc::clone(&self.roots),
            interface: self.interface,
            proc_file: Arc::clone(&self.proc_file),
            own: Ok(own.into()),
            before,
            assumed: self.assumed,
            found: Arc::clone(&self.found),
        }))
    }

    fn replaces(&self, text: &str) -> bool {
        Written::parse(text).is_ok_and(|written| written.how == How::Change)
    }

    fn warnings(&self) -> Vec<String> {
        let found: Vec<_> =
            self.found.texts.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let own = match self.own_label() {
            Some(own) if !self.assumed && self.found.used.load(Ordering::Relaxed) => own,
            _ => return found,
        };
        let server = if own.is_unconfined() {
            Some(
                "AppArmor does not confine the server itself, only its requests once they have moved; load a \
                 profile for it, see conf/apparmor"
                    .to_owned(),
            )
        } else if own.complains() {
            Some(format!(
                "the server's own profile {} is in complain mode: the kernel logs and refuses nothing there; run \
                 aa-enforce on its file in /etc/apparmor.d",
                own.names()
            ))
        } else {
            None
        };
        server.into_iter().chain(found).collect()
    }
}

/// The label of the calling thread, as the kernel prints it.
fn read_own(roots: &Roots, interface: Interface) -> Result<Arc<str>, Inactive> {
    Evidence::collect(&roots.securityfs, &roots.sysfs).active()?;
    match interface.current(LsmId::APPARMOR, &roots.current()) {
        Ok(label) => Ok(label.into()),
        Err(e) => Err(Inactive { backend: BackendName::APPARMOR, problem: Problem { why: format!("the server's own label could not be read: {e}"), errno: None, remedy: "mount /proc for the server, and add `@{PROC}/@{pid}/task/@{tid}/attr/{current,apparmor/current} \
                     rw,` to its profile"
                .to_owned() } }),
    }
}

/// The warning that the list of profiles cannot be read.
fn unreadable(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    format!(
        "whether profiles are in complain mode could not be read from {path}: {error}; mount securityfs on \
         /sys/kernel/security, start the server as root, and add `{path} r,` to its profile"
    )
}

fn prepare_error(text: &str, why: &str, errno: Option<i32>, remedy: &str) -> PrepareError {
    PrepareError {
        context: format!("{}:{}", BackendName::APPARMOR, quoted(text)),
        problem: Problem { why: why.to_owned(), errno, remedy: remedy.to_owned() },
    }
}

#[cfg(test)]
mod tests;
