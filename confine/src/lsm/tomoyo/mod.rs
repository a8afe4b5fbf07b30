//! TOMOYO: a thread moves to another domain of the loaded policy, without `execve`.
//!
//! One thread moves alone, by a write of the domain's name to `self_domain` (kernel: security/tomoyo/securityfs_if.c,
//! tomoyo_write_self). The domain that it comes from needs one line in its policy:
//!
//! | policy of `<kernel> /usr/sbin/apache2` | the kernel's answer where it is missing |
//! |---|---|
//! | `task manual_domain_transition <kernel> /usr/sbin/apache2 //dog` | EPERM, whatever the profile |
//!
//! There is no way back, unless the policy of the new domain has such a line. Threads and programs that the thread
//! starts inherit its domain. A descriptor that was opened before is not checked again.
//!
//! # Domains that do not exist
//! When the policy does not have the domain, the kernel makes it. It gets the profile of the domain that the thread
//! comes from (security/tomoyo/domain.c, tomoyo_assign_domain). Most servers run in a domain whose profile does not
//! enforce. The move would then succeed and confine nothing. So a move has three steps:
//!
//! 1. The loaded policy is asked for the domain, through a descriptor that each child opened while it still was root. If
//!    the domain does not exist, or if its profile does nothing, the move is refused, and the kernel makes no domain.
//! 2. The thread moves.
//! 3. The policy is asked for the domain of this thread and its profile. If somebody deleted the domain between steps 1
//!    and 2, the kernel has made a new one, and its profile shows that.
//!
//! A profile that does not enforce everything is accepted only if the domain had it when the server was started or
//! restarted. The log has a warning then. Step 1 walks the list of domains, as the kernel itself does in step 2, so it
//! costs about as much. Step 3 walks no list.
//!
//! ```
//! use confine::lsm::tomoyo::Pattern;
//!
//! let pattern = Pattern::parse("/srv/\\*/cgi-bin/\\*.pl")?;
//! assert!(pattern.matches(b"/srv/a/cgi-bin/b.pl"));
//! # Ok::<(), confine::lsm::tomoyo::PatternError>(())
//! ```

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{Backend, Enter, EnterError, Inactive, Move, Moved, PrepareError, PreparedMove, Values, quoted};
use crate::{
    context::{BackendName, Context},
    problem::Problem,
    value::Given,
};

mod active;
mod check;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod kernel;
mod pattern;
mod policy;
mod process;
mod refusal;
mod text;

pub use pattern::{Pattern, PatternError};
pub use policy::{DomainEntry, Domains, Mode, Profile, Profiles};
pub use text::Domain;

use kernel::{Kernel, Question, Unanswered};
use policy::Header;
use text::{Notation, Written};

/// The policy at the time when the server was started or restarted, and the server's place in it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The server's own domain.
    pub own: Domain,
    /// The entry of the server's own domain. It is not in `domains` if the domain was deleted from the policy.
    pub own_entry: DomainEntry,
    /// Whether the server's own domain was deleted from the policy. A running process keeps the rules that it had.
    pub own_deleted: bool,
    /// All domains of the policy.
    pub domains: Domains,
    /// All profiles of the policy.
    pub profiles: Profiles,
}

/// The TOMOYO backend.
pub struct Tomoyo {
    shared: Arc<Shared>,
    /// The domain that chains of words are relative to.
    own: Result<Domain, Inactive>,
    /// The domains that a thread moves through before the move that is checked ([`Backend::after`]).
    way: Vec<Domain>,
    /// The domain of the early move, where moves behind one are checked.
    early: Option<Domain>,
    /// Whether `own` was given and not read. This process is then not the server, and its own moves prove nothing about
    /// the server.
    assumed: bool,
    /// What the checks found, for [`Backend::warnings`].
    found: Mutex<BTreeSet<String>>,
}

/// What moves share with each other, for as long as any of them exists.
struct Shared {
    /// The folder of TOMOYO in securityfs.
    folder: PathBuf,
    snapshot: Result<Snapshot, Inactive>,
    /// Whether a rule may lead to this backend, so that child processes need descriptors.
    used: AtomicBool,
    /// The descriptors of this process, once [`Backend::start_child`] has run.
    kernel: OnceLock<Result<Kernel, Inactive>>,
}

impl Default for Tomoyo {
    fn default() -> Self {
        Self::new()
    }
}

impl Tomoyo {
    /// Looks at the running kernel, and reads its policy and the domain of the calling thread. A text `//name` means a
    /// domain below that domain. If the server moves itself, call this after that move.
    ///
    /// Where TOMOYO is not active, this succeeds all the same, and [`Backend::active`] says what is missing.
    pub fn new() -> Self {
        let securityfs = PathBuf::from("/sys/kernel/security");
        let snapshot = active::snapshot(&securityfs);
        let own = snapshot.as_ref().map(|s| s.own.clone()).map_err(Clone::clone);
        Self::with(securityfs.join("tomoyo"), snapshot, own)
    }

    /// The backend for a process that is not the server, such as `confinectl`. `own` is the server's domain.
    pub fn assuming(own: Domain) -> Self {
        let mut this = Self::new();
        this.own = this.own.map(|_| own);
        this.assumed = true;
        this
    }

    fn with(folder: PathBuf, snapshot: Result<Snapshot, Inactive>, own: Result<Domain, Inactive>) -> Self {
        let shared =
            Arc::new(Shared { folder, snapshot, used: AtomicBool::new(false), kernel: OnceLock::new() });
        Self { shared, own, way: Vec::new(), early: None, assumed: false, found: Mutex::default() }
    }

    /// The server's own domain.
    pub fn own(&self) -> Result<&Domain, &Inactive> {
        self.own.as_ref()
    }

    /// The policy at the time of [`Tomoyo::new`].
    pub fn snapshot(&self) -> Result<&Snapshot, &Inactive> {
        self.shared.snapshot.as_ref()
    }

    /// The domain that `text` means for this server. The kernel is not asked.
    pub fn resolve(&self, text: &str) -> Result<Domain, PrepareError> {
        self.target(text, Notation::Tomoyo).map(|(_, target)| target)
    }

    /// The server's domain, and the domain that `text` means.
    fn target(&self, text: &str, notation: Notation) -> Result<(&Domain, Domain), PrepareError> {
        let own = self.own.as_ref().map_err(|e| prepare_error(text, &e.problem.why, &e.problem.remedy))?;
        let target = Written::parse(text, notation)
            .and_then(|written| written.complete(own))
            .map_err(|Problem { why, remedy, .. }| prepare_error(text, &why, &remedy))?;
        Ok((own, target))
    }

    /// As [`Tomoyo::target`], but it refuses the domain that the server is in.
    fn other_target(&self, text: &str, notation: Notation) -> Result<(&Domain, Domain), PrepareError> {
        let (own, target) = self.target(text, notation)?;
        if *own == target {
            let why = format!("it is the server's own domain {own}, in which nothing is confined");
            let remedy = "name another domain, or write unconfined to exempt these requests";
            return Err(prepare_error(text, &why, remedy));
        }
        Ok((own, target))
    }

    fn way_to(&self, own: &Domain, target: Domain) -> DomainMove {
        // The context is shown from its domain, not as it was written: a text can mean one domain in a configuration
        // and another one as a value of a request.
        let text = target.as_str().strip_prefix(own.as_str()).and_then(|t| t.strip_prefix(' '));
        DomainMove {
            context: Context { backend: BackendName::TOMOYO, text: text.unwrap_or(target.as_str()).into() },
            own: own.clone(),
            question: Question::about(target.as_str()),
            target,
            shared: Arc::clone(&self.shared),
        }
    }

    /// Keeps a text for [`Backend::warnings`].
    fn note(&self, text: String) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
    }
}

impl Shared {
    /// Calls `with` with the descriptors of this process. In the server's parent process, which has none, they are
    /// opened for this call.
    fn with_kernel<T>(&self, with: impl FnOnce(&Kernel) -> Result<T, Problem>) -> Result<T, Problem> {
        match self.kernel.get() {
            Some(Ok(kernel)) => with(kernel),
            Some(Err(e)) => Err(Problem::new(e.problem.why.clone(), e.problem.remedy.clone())),
            None => match self.open() {
                Ok(kernel) => with(&kernel),
                Err(e) => Err(Problem::new(e.problem.why, e.problem.remedy)),
            },
        }
    }

    fn open(&self) -> Result<Kernel, Inactive> {
        Kernel::open(&self.folder).map_err(|(path, error)| active::unopened(&path, &error))
    }

    /// Whether a thread may serve in the domain `target`. The kernel says that the domain has the profile `profile`.
    fn accept(&self, target: &Domain, profile: u8) -> Result<(), Problem> {
        let Ok(snapshot) = &self.snapshot else { return Err(refusal::unknown_profile(target, profile)) };
        match snapshot.profiles.of(target, profile) {
            Some(p) if p.enforces() => Ok(()),
            Some(p) if p.is_disabled() => Err(refusal::disabled(target, profile)),
            // The log had a warning of this at startup. A domain that the kernel made for a thread was not in the
            // policy then.
            Some(_) if snapshot.domains.get(target).is_some_and(|then| then.profile == profile) => Ok(()),
            Some(p) => Err(refusal::enforces_no_more(target, profile, p)),
            None => Err(refusal::unknown_profile(target, profile)),
        }
    }
}

impl Backend for Tomoyo {
    fn name(&self) -> BackendName {
        BackendName::TOMOYO
    }

    fn active(&self) -> Result<(), Inactive> {
        self.own.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    fn prepare(&self, text: &str) -> Result<Arc<dyn Move>, PrepareError> {
        let (own, target) = self.other_target(text, Notation::Tomoyo)?;
        Ok(Arc::new(self.way_to(own, target)))
    }

    fn prepare_value(&self, given: &Given) -> Result<Arc<dyn Move>, PrepareError> {
        text::one_word(given)
            .map_err(|Problem { why, remedy, .. }| prepare_error(given.text(), &why, &remedy))?;
        let (own, target) = self.other_target(given.text(), Notation::Raw)?;
        Ok(Arc::new(self.way_to(own, target)))
    }

    fn check(&self, text: &str) -> Result<(), PrepareError> {
        let (own, target) = self.other_target(text, Notation::Tomoyo)?;
        self.shared.used.store(true, Ordering::Relaxed);
        self.check_target(text, own, &target)
    }

    fn expect_values(&self) -> Result<(), Problem> {
        self.shared.used.store(true, Ordering::Relaxed);
        self.findings().into_iter().for_each(|finding| self.note(finding));
        Ok(())
    }

    fn prepare_server(&self, text: &str) -> Result<Option<Arc<dyn Move>>, PrepareError> {
        let (own, target) = self.target(text, Notation::Tomoyo)?;
        if *own == target {
            return Ok(None);
        }
        Ok(Some(Arc::new(self.way_to(own, target))))
    }

    fn after(&self, text: &str, who: Moved) -> Option<Box<dyn Backend>> {
        let target = self.resolve(text).ok()?;
        let (own, early) = match who {
            // Chains of words stay relative to the server's domain, which an early move does not change.
            Moved::Thread => (self.own.clone(), Some(target.clone())),
            Moved::Server => (Ok(target.clone()), None),
        };
        let way = self.way.iter().cloned().chain([target]).collect();
        Some(Box::new(Self {
            shared: Arc::clone(&self.shared),
            own,
            way,
            early,
            assumed: self.assumed,
            found: Mutex::default(),
        }))
    }

    fn start_child(&self) {
        if self.shared.snapshot.is_ok() && self.shared.used.load(Ordering::Relaxed) {
            // The server calls this once in a process. If it did so again, the first descriptors would stay.
            self.shared.kernel.get_or_init(|| self.shared.open());
        }
    }

    fn warnings(&self) -> Vec<String> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        match self.snapshot() {
            Ok(snapshot) if self.shared.used.load(Ordering::Relaxed) => {
                [check::own_warnings(snapshot), found].concat()
            }
            _ => found,
        }
    }
}

fn prepare_error(text: &str, why: &str, remedy: &str) -> PrepareError {
    PrepareError {
        context: format!("{}:{}", BackendName::TOMOYO, quoted(text)),
        problem: Problem { why: why.to_owned(), errno: None, remedy: remedy.to_owned() },
    }
}

/// The way into one domain.
struct DomainMove {
    context: Context,
    /// The server's domain, for messages.
    own: Domain,
    target: Domain,
    question: Question,
    shared: Arc<Shared>,
}

impl Move for DomainMove {
    fn context(&self) -> &Context {
        &self.context
    }

    fn denials_are_in(&self) -> &'static str {
        "/sys/kernel/security/tomoyo/audit (with tomoyo-auditd: /var/log/tomoyo)"
    }

    fn ready<'a>(&'a self, _values: &dyn Values) -> Result<PreparedMove<'a>, EnterError> {
        if !self.shared.used.load(Ordering::Relaxed) {
            self.shared.used.store(true, Ordering::Relaxed);
        }
        self.shared.with_kernel(|kernel| self.before(kernel)).map_err(EnterError::from)?;
        Ok(PreparedMove::Shared(self))
    }

    fn may_execute(&self, program: &Path) -> Result<(), Problem> {
        self.shared.with_kernel(|kernel| process::may_execute(&self.shared, kernel, &self.target, program))
    }

    fn to_execute(&self, program: &Path) -> String {
        process::to_execute(&self.target, program)
    }
}

impl DomainMove {
    /// Whether the loaded policy has the domain, with a profile that a thread may serve under.
    fn before(&self, kernel: &Kernel) -> Result<(), Problem> {
        let found = kernel.ask(&self.question, |found| match found {
            Some(found) => self.shared.accept(&self.target, found.profile),
            None => Err(refusal::absent(&self.target)),
        });
        found.unwrap_or_else(|e| Err(refusal::unanswered(&e)))
    }

    fn go(&self, kernel: &Kernel) -> Result<(), Problem> {
        kernel.enter(self.target.as_str().as_bytes()).map_err(|errno| {
            // An early move may have moved the thread, so the message asks where it is.
            let from = kernel.ask_own(self.target.as_str(), |own| own.map(|own| own.name.to_owned()));
            let from = from.ok().flatten().unwrap_or_else(|| self.own.to_string());
            refusal::of_errno(errno, &from, &self.target)
        })
    }

    /// Whether the thread has arrived, and whether it may serve there.
    fn after(&self, kernel: &Kernel) -> Result<(), Problem> {
        let found = kernel.ask_own(self.target.as_str(), |own| match own {
            Some(Header { name, profile, .. }) if name == self.target.as_str() => {
                self.shared.accept(&self.target, profile)
            }
            other => Err(refusal::elsewhere(&self.target, other.map(|o| o.name))),
        });
        found.unwrap_or_else(|e| Err(refusal::unanswered(&e)))
    }
}

impl Enter for DomainMove {
    fn enter(&self) -> Result<(), EnterError> {
        let moved = self.shared.with_kernel(|kernel| {
            self.go(kernel)?;
            self.after(kernel)
        });
        moved.map_err(EnterError::from)
    }
}

#[cfg(test)]
mod tests;
