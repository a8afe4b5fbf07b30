//! Watches a request so that the log can say what its rulesets refuse, or so that what it does is written down. In report
//! mode and in learn mode the request is not under these rulesets, and with `ConfineExplain` it is. Watching enforces
//! nothing.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use confine::{
    learn::LearnFile,
    lsm::{Values, landlock::Grants},
    policy::decide::MovesOf,
    problem::errno_name,
    watch::{NotInstalled, NotWatched, Observer},
};

use super::scope::{Scope, WatchedFor};
use crate::{
    httpd::{
        log::{self, Level},
        request::Request,
    },
    report::{Grounds, Refusal, learned::LearnedRequest, watched::WatchedRequest},
    subject::PathValues,
    thread::{
        current::{self, State},
        shared_memory, watched,
    },
};

/// How a request is watched, and the rulesets that were decided for it.
pub struct Watching {
    to_what_end: WatchedFor,
    rulesets: Vec<Arc<Grants>>,
}

impl Watching {
    /// How a request that will make these moves is watched. `None` if it is not watched, which is usual.
    pub fn of(r: &mut Request<'_>, scope: Scope<'_>, moves: &MovesOf<'_>) -> Option<Self> {
        let to_what_end = scope.watched_for().filter(|_| scope.policy.watches)?;
        let values = PathValues::of(r, &scope.policy.path_expressions);
        let rulesets = rulesets(moves, &values);
        (!rulesets.is_empty()).then_some(Self { to_what_end, rulesets })
    }

    /// Begins to watch this thread after its decision. The answer is whether what it does is written down. If the thread
    /// cannot be watched, it goes on unwatched, and the log says so once.
    pub fn begin(
        self,
        r: &mut Request<'_>,
        scope: Scope<'_>,
        grounds: &Grounds<'_>,
        reached: State,
    ) -> Result<bool, Refusal> {
        let Self { to_what_end, rulesets } = self;
        let mut all = Vec::new();
        if reached == State::Early {
            current::set_early_rulesets(rulesets.clone());
        } else {
            all = current::early_rulesets();
        }
        all.extend(rulesets);
        let observer: Arc<dyn Observer> = match to_what_end {
            WatchedFor::Log(event) => Arc::new(WatchedRequest::new(r, event, grounds, all)),
            WatchedFor::Learning => {
                let files = files(scope, &all);
                // Why there are none, the log said at start.
                if files.is_empty() {
                    return Ok(false);
                }
                Arc::new(LearnedRequest::new(r, files))
            }
        };
        match watched::begin(observer) {
            Ok(is_watched) => Ok(is_watched && to_what_end == WatchedFor::Learning),
            Err(NotWatched::Stuck) => Err(Refusal::watch_stuck()),
            Err(error) => {
                say_once(&error);
                Ok(false)
            }
        }
    }
}

/// The files of these rulesets.
fn files(scope: Scope<'_>, rulesets: &[Arc<Grants>]) -> Vec<Arc<LearnFile>> {
    let learned = scope.policy.learned.get();
    let file = |ruleset: &Arc<Grants>| learned.and_then(|files| files.get(ruleset.name())).cloned();
    rulesets.iter().filter_map(file).collect()
}

/// The rulesets among the contexts. A ruleset that cannot be made is left out here, because the move will refuse it
/// and say why.
fn rulesets(moves: &MovesOf<'_>, values: &dyn Values) -> Vec<Arc<Grants>> {
    moves.steps.iter().filter_map(|step| step.grants(values).ok().flatten()).collect()
}

/// What the log has said already. All children share it.
static SAID: OnceLock<Option<&'static [AtomicU64; 1]>> = OnceLock::new();

/// Makes the shared memory. It must be called before children are forked.
pub fn prepare() {
    SAID.get_or_init(shared_memory::numbers);
}

fn say_once(error: &NotWatched) {
    let said = SAID.get().copied().flatten();
    let bit = match error {
        NotWatched::TooMany => 1,
        NotWatched::Refused(_) | NotWatched::Stuck => 2,
    };
    if said.is_some_and(|said| said[0].fetch_or(bit, Ordering::Relaxed) & bit != 0) {
        return;
    }
    let (why, remedy) = match error {
        NotWatched::Refused(NotInstalled(errno)) => (
            format!("the kernel takes no filter on a request's thread ({})", errno_name(*errno)),
            remedy(*errno),
        ),
        _ => ("more than 1024 requests or programs are watched".to_owned(), "watch fewer hosts at one time"),
    };
    let line = format!(
        "confine: what rulesets refuse is not told: {why}; {remedy}; report mode and ConfineExplain go on without, and \
         ConfineMode learn learns nothing"
    );
    log::main(Level::Warning, &line);
}

/// Kernel: kernel/seccomp.c, seccomp_set_mode_filter and init_listener.
fn remedy(errno: i32) -> &'static str {
    match errno {
        libc::EBUSY => {
            "a filter with a listener is on the server already: start it outside of the container or the tracer that put \
             it there"
        }
        libc::EINVAL => "boot Linux 5.5 or newer, built with CONFIG_SECCOMP_FILTER=y",
        libc::ENOSYS => "boot a kernel that is built with CONFIG_SECCOMP=y",
        libc::EPERM | libc::EACCES => {
            "a filter forbids seccomp(2): let the container's or the service's filter pass it (SystemCallFilter=)"
        }
        libc::EMFILE => "raise the server's limit of open files (LimitNOFILE=, ulimit -n)",
        libc::ENOMEM => "there are too many filters, or there is too little memory",
        _ => "see the kernel's log, and report this with its version",
    }
}
