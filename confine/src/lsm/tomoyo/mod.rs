//! TOMOYO: a thread moves to another domain of the loaded policy, without `execve`.
//!
//! A thread moves alone, by one write of the domain's name to `self_domain` (kernel:
//! security/tomoyo/securityfs_if.c, tomoyo_write_self). What it needs is one line in the policy of the
//! domain that it comes from:
//!
//! | policy of `<kernel> /usr/sbin/apache2` | when missing |
//! |---|---|
//! | `task manual_domain_transition <kernel> /usr/sbin/apache2 //dog` | EPERM, whatever the profile |
//!
//! There is no way back, unless the new domain's own policy has such a line to it. Threads and programs
//! that the thread starts inherit the domain. Descriptors that are open already are not checked again.
//!
//! # A domain that the policy does not hold
//! The kernel would make it, with the profile of the domain that the thread comes from
//! (security/tomoyo/domain.c, tomoyo_assign_domain). Where the server runs without enforcement, as most
//! do, the move would succeed and confine nothing. So every move is three steps:
//!
//! 1. The loaded policy is asked for the domain, through a descriptor that each child opened while it
//!    still was root. None of that name, or one whose profile does nothing: refused, and nothing is made.
//! 2. The move.
//! 3. The policy is asked which domain this thread is in, and with which profile. Should the domain have
//!    been deleted between 1 and 2, the one that the kernel made shows here by its profile.
//!
//! In 1 and 3 a profile that does not enforce everything counts only where the domain had it when the
//! server was started or restarted, and then the log had a warning. The list of domains is walked in 1
//! and in the move itself, so 1 costs no more than what the kernel does anyway; 3 needs no walk.
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
    path::PathBuf,
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
mod refusal;
mod text;

pub use pattern::{Pattern, PatternError};
pub use policy::{DomainEntry, Domains, Mode, Profile, Profiles};
pub use text::Domain;

use kernel::{Kernel, Question, Unanswered};
use policy::Header;
use text::{Notation, Written};

/// The policy as it was when the server was started or restarted, and where the server stands in it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The server's own domain.
    pub own: Domain,
    /// What the kernel holds of it, which is not in `domains` where it was deleted since.
    pub own_entry: DomainEntry,
    /// Whether it was deleted from the policy: a running process keeps the rules that it had.
    pub own_deleted: bool,
    /// All domains.
    pub domains: Domains,
    /// All profiles.
    pub profiles: Profiles,
}

/// The backend.
pub struct Tomoyo {
    shared: Arc<Shared>,
    /// The domain that names are relative to.
    own: Result<Domain, Inactive>,
    /// Domains that a thread is moved through before the moves that are checked.
    way: Vec<Domain>,
    /// The domain of an early move, where the checked moves start in one.
    early: Option<Domain>,
    /// `own` was given, not read: this process is not the server, so its own moves prove nothing.
    assumed: bool,
    /// What the checks found worth a line in the log.
    found: Mutex<BTreeSet<String>>,
}

/// What moves need, long after the backend made them.
struct Shared {
    /// TOMOYO's folder in securityfs.
    folder: PathBuf,
    snapshot: Result<Snapshot, Inactive>,
    /// Whether any rule may lead here, so that children need descriptors.
    used: AtomicBool,
    /// This process's descriptors, where [`Backend::start_child`] has run.
    kernel: OnceLock<Result<Kernel, Inactive>>,
}

impl Default for Tomoyo {
    fn default() -> Self {
        Self::new()
    }
}

impl Tomoyo {
    /// Looks at the running kernel, reads its policy and the calling thread's domain, under which
    /// `//name` lies. Make it after the server has moved itself, if it does.
    ///
    /// Without TOMOYO it succeeds, and [`Backend::active`] says what is missing.
    pub fn new() -> Self {
        let securityfs = PathBuf::from("/sys/kernel/security");
        let snapshot = active::snapshot(&securityfs);
        let own = snapshot.as_ref().map(|s| s.own.clone()).map_err(Clone::clone);
        Self::with(securityfs.join("tomoyo"), snapshot, own)
    }

    /// For a process that is not the server and asks about it (`confinectl`): `own` is the server's
    /// domain.
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

    /// The domain that `text` means for this server. Not asked of the kernel.
    pub fn resolve(&self, text: &str) -> Result<Domain, PrepareError> {
        self.target(text, Notation::Tomoyo).map(|(_, target)| target)
    }

    /// The server's domain, and the one that `text` means.
    fn target(&self, text: &str, notation: Notation) -> Result<(&Domain, Domain), PrepareError> {
        let own = self.own.as_ref().map_err(|e| prepare_error(text, &e.problem.why, &e.problem.remedy))?;
        let target = Written::parse(text, notation)
            .and_then(|written| written.complete(own))
            .map_err(|Problem { why, remedy, .. }| prepare_error(text, &why, &remedy))?;
        Ok((own, target))
    }

    /// [`Tomoyo::target`], and it must not be where the server is.
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
        // Not as it was written: the same text means another domain in a configuration than in a value.
        let text = target.as_str().strip_prefix(own.as_str()).and_then(|t| t.strip_prefix(' '));
        DomainMove {
            context: Context { backend: BackendName::TOMOYO, text: text.unwrap_or(target.as_str()).into() },
            own: own.clone(),
            question: Question::about(target.as_str()),
            target,
            shared: Arc::clone(&self.shared),
        }
    }

    /// Remembers something for [`Backend::warnings`].
    fn note(&self, text: String) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
    }
}

impl Shared {
    /// Calls `with` with this process's descriptors; with new ones, for as long as that takes, where no
    /// child was started yet.
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

    /// Whether a thread may serve in a domain that the kernel says has this profile.
    fn accept(&self, target: &Domain, profile: u8) -> Result<(), Problem> {
        let Ok(snapshot) = &self.snapshot else { return Err(refusal::unknown_profile(target, profile)) };
        match snapshot.profiles.of(target, profile) {
            Some(p) if p.enforces() => Ok(()),
            Some(p) if p.is_disabled() => Err(refusal::disabled(target, profile)),
            // Warned of at startup. A domain that the kernel made for a thread is not among these.
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

    fn expect_values(&self) {
        self.shared.used.store(true, Ordering::Relaxed);
        self.findings().into_iter().for_each(|finding| self.note(finding));
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
            // Names stay relative to the server's domain.
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
            // A second call in one process would be a fault of the server's; the first stays.
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

    fn ready<'a>(&'a self, _values: &dyn Values) -> Result<PreparedMove<'a>, EnterError> {
        self.shared.with_kernel(|kernel| self.before(kernel)).map_err(EnterError::from)?;
        Ok(PreparedMove::Shared(self))
    }
}

impl DomainMove {
    /// Whether the loaded policy holds the domain, with a profile to serve under.
    fn before(&self, kernel: &Kernel) -> Result<(), Problem> {
        let found = kernel.ask(&self.question, |found| match found {
            Some(found) => self.shared.accept(&self.target, found.profile),
            None => Err(refusal::absent(&self.target)),
        });
        found.unwrap_or_else(|e| Err(refusal::unanswered(&e)))
    }

    fn go(&self, kernel: &Kernel) -> Result<(), Problem> {
        kernel.enter(self.target.as_str().as_bytes()).map_err(|errno| {
            // Where the thread is, which an early move may have brought elsewhere.
            let from = kernel.ask_own(self.target.as_str(), |own| own.map(|own| own.name.to_owned()));
            let from = from.ok().flatten().unwrap_or_else(|| self.own.to_string());
            refusal::of_errno(errno, &from, &self.target)
        })
    }

    /// Whether the thread is where it should be.
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
