//! The thread of a request: what runs in it, and what it remembers.

use std::{
    cell::{Cell, RefCell},
    ffi::{CStr, c_int},
};

use apache_sys as sys;
use confine::rule::{MovesOf, RuleAt};

use crate::{
    httpd::{
        per_thread::{PerThread, Slot},
        request::Request,
        thread,
    },
    kept::{self, Key, Limits},
    record::{self, Refusal},
};

/// How far a worker has come. It never goes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Still with the server's privileges.
    Unmoved,
    /// In the contexts of `ConfineEarly`; a later move can only tighten them.
    Early,
    /// The rules were asked and the answer was not to move: report mode.
    Reported,
    /// In its contexts, for good.
    Moved,
}

/// A decision that the handler gate took before the thread was made.
pub type Decided<'a> = (MovesOf<'a>, RuleAt<'a>);

/// What a worker is made for.
pub enum Job<'a> {
    /// The whole pipeline; with the other quick handlers first or without them.
    Pipeline {
        /// Whether quick handlers (mod_cache, mod_lua's) may answer.
        quick: bool,
    },
    /// The content handlers alone.
    Handlers(Option<Decided<'a>>),
}

struct Worker<'a> {
    /// The request it was made for, to be compared only.
    request: *const sys::request_rec,
    state: Cell<State>,
    decided: RefCell<Option<Decided<'a>>>,
    /// The contexts that the thread is in from an earlier request (`ConfineWorkers per-context`).
    settled: Option<&'a CStr>,
    /// Whether anything was refused in this thread.
    refused: Cell<bool>,
}

impl Worker<'_> {
    fn new(r: &Request<'_>, state: State) -> Self {
        let (state, decided) = (Cell::new(state), RefCell::new(None));
        Self { request: r.as_ptr(), state, decided, settled: None, refused: Cell::new(false) }
    }
}

/// The worker that a thread is.
static CURRENT: PerThread<Worker<'static>> = PerThread::new(Slot::Worker);

/// Calls `with` with this thread's worker, if it is one.
fn current<T>(with: impl FnOnce(&Worker<'_>) -> T) -> Option<T> {
    let raw = CURRENT.get();
    // SAFETY: set by serve() to a value on this thread's stack for exactly as long as that lives; the
    // invented 'static never leaves this function, because `with` takes any lifetime.
    unsafe { raw.as_ref() }.map(with)
}

/// How far this thread's worker has come; `None` on the server's own threads.
pub fn state() -> Option<State> {
    current(|w| w.state.get())
}

/// Whether this thread is a worker in some context already.
pub fn is_confined() -> bool {
    matches!(state(), Some(State::Moved | State::Early))
}

/// Whether this thread is the worker that was made for this very request.
pub fn is_made_for(r: &Request<'_>) -> bool {
    current(|w| std::ptr::eq(w.request, r.as_ptr())).unwrap_or(false)
}

/// Calls `use_it` with the contexts that this thread is in from an earlier request, if it is a kept worker.
pub fn settled<T>(use_it: impl FnOnce(Option<&CStr>) -> T) -> T {
    let raw = CURRENT.get();
    // SAFETY: as current().
    use_it(unsafe { raw.as_ref() }.and_then(|w| w.settled))
}

/// Notes that something was refused: this thread serves no further request.
pub fn refused() {
    current(|w| w.refused.set(true));
}

/// Notes that this worker has come further.
pub fn reached(state: State) {
    current(|w| w.state.set(state));
}

/// Calls `use_it` with the decision that came with the job, which can be taken once.
pub fn take_decided<T>(use_it: impl FnOnce(Option<&Decided<'_>>) -> T) -> T {
    let raw = CURRENT.get();
    // SAFETY: as current().
    match unsafe { raw.as_ref() } {
        Some(w) => {
            let taken = w.decided.borrow_mut().take();
            use_it(taken.as_ref())
        }
        None => use_it(None),
    }
}

/// Serves `r` in a worker made for it and waits. The answer is for the server: what its own pipeline
/// would have returned, with the response's stream ended where that was OK or DONE.
///
/// `early`: there is a `ConfineEarly` to be carried out first.
pub fn serve(r: &mut Request<'_>, early: bool, job: Job<'_>) -> c_int {
    // A worker made by a worker inherits the contexts that the kernel holds its maker to.
    let inherited = if state() == Some(State::Early) { State::Early } else { State::Unmoved };
    let early = early && inherited == State::Unmoved;
    let outcome = thread::run(r, |r| {
        let worker = Worker::new(r, inherited);
        work(r, &worker, early, job)
    });
    answer(r, outcome)
}

/// Serves the content of `r`, as decided, in a kept worker that is in these contexts, or will be. One
/// that can be kept no longer ends: where anything was refused, or did not go as it should.
pub fn serve_kept(
    r: &mut Request<'_>,
    decided: Decided<'_>,
    host: usize,
    map_swaps: u64,
    limits: &Limits,
) -> c_int {
    let key = Key { host, map_swaps, contexts: &decided.0.text };
    let mut kept = match kept::take(key, limits) {
        Ok(Some(kept)) => kept,
        Ok(None) => return serve(r, false, Job::Handlers(Some(decided))),
        Err(errno) => return record::refused(r, None, None, &Refusal::no_thread(errno)),
    };
    let is_settled = kept.is_settled();
    let (thread, contexts) = kept.parts();
    let mut fit = false;
    let outcome = thread::run_in(thread, r, |r| {
        let settled = is_settled.then_some(contexts);
        let worker = Worker { settled, ..Worker::new(r, State::Unmoved) };
        let status = work(r, &worker, false, Job::Handlers(Some(decided)));
        fit = worker.state.get() == State::Moved && !worker.refused.get();
        status
    });
    if fit && matches!(outcome, Ok(Some(_))) {
        kept.keep(limits);
    } else {
        kept.retire();
    }
    answer(r, outcome)
}

fn answer(r: &mut Request<'_>, outcome: Result<Option<c_int>, sys::apr_status_t>) -> c_int {
    match outcome {
        Ok(Some(status)) => status,
        Ok(None) => record::refused(r, None, None, &Refusal::panic()),
        Err(status) => record::refused(r, None, None, &Refusal::no_thread(status)),
    }
}

/// Runs the job, and ends the stream, with `worker` as this thread's worker.
fn work<'a>(r: &mut Request<'_>, worker: &Worker<'a>, early: bool, job: Job<'a>) -> c_int {
    CURRENT.with(std::ptr::from_ref(worker).cast(), || run_job(r, worker, early, job))
}

fn run_job<'a>(r: &mut Request<'_>, worker: &Worker<'a>, early: bool, job: Job<'a>) -> c_int {
    crate::fault::at_worker(r);
    let early = if early { crate::gate::early_move(r) } else { sys::OK };
    let status = match job {
        _ if early != sys::OK => early,
        Job::Pipeline { quick } => {
            let status = if quick { r.run_quick_handlers() } else { sys::DECLINED };
            if status == sys::DECLINED { pipeline(r) } else { status }
        }
        Job::Handlers(decided) => {
            *worker.decided.borrow_mut() = decided;
            answered(r, |r| r.run_handlers())
        }
    };
    settle(r, status, worker.state.get())
}

/// All phases and the content, as the server runs them after its quick handlers.
pub fn pipeline(r: &mut Request<'_>) -> c_int {
    answered(r, |r| match r.run_phases() {
        sys::OK => r.invoke_handler(),
        other => other,
    })
}

/// DECLINED would send the server on to its own, unconfined pipeline: nobody answered means 500, as
/// in `ap_invoke_handler`.
fn answered(r: &mut Request<'_>, run: impl FnOnce(&mut Request<'_>) -> c_int) -> c_int {
    match run(r) {
        sys::DECLINED => record::no_handler(r),
        status => status,
    }
}

/// Ends the stream while still in the worker, so that filters which only flush at the end run
/// confined. Every other status is the server's to answer, without anything of the worker's.
fn settle(r: &mut Request<'_>, status: c_int, state: State) -> c_int {
    let confined = matches!(state, State::Moved | State::Early);
    let status = match status {
        // No callback was registered (see callback_wanted), so nothing goes on with this request.
        sys::SUSPENDED if confined => record::refused(r, None, None, &Refusal::suspended()),
        sys::OK | sys::DONE if !r.is_subrequest() => {
            r.finalize();
            status
        }
        _ => {
            r.break_stream(status);
            status
        }
    };
    if confined && (r.is_subrequest() || !matches!(status, sys::OK | sys::DONE)) {
        // The main request goes on with them, or an error document that the server starts.
        r.restore_headers();
    }
    if confined && r.is_subrequest() {
        // Whatever the status: the server would end the subrequest's stream next, through its filters.
        r.finalize_subrequest();
    } else if confined {
        r.leave_worker();
    }
    status
}
