//! The thread of a request: what runs in it, and what it remembers.

pub mod pool;

use std::{
    cell::Cell,
    ffi::{CStr, c_int},
};

use apache_sys as sys;
use confine::policy::decide::{MovesOf, RuleAt};

use self::pool::Key;
use crate::{
    config::WorkerLimits,
    httpd::request::Request,
    report::{self, Refusal},
    thread::{
        local::{PerThread, Slot},
        one_time,
    },
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

struct Worker<'a> {
    /// The request it was made for, to be compared only.
    request: *const sys::request_rec,
    state: Cell<State>,
    /// Whether another process made the content.
    made_elsewhere: Cell<bool>,
    /// The contexts that the thread is in from an earlier request (`ConfineWorkers per-context`).
    settled: Option<&'a CStr>,
    /// Whether anything was refused in this thread.
    refused: Cell<bool>,
}

impl Worker<'_> {
    fn new(r: &Request<'_>, state: State) -> Self {
        let no = || Cell::new(false);
        Self {
            request: r.as_ptr(),
            state: Cell::new(state),
            made_elsewhere: no(),
            settled: None,
            refused: no(),
        }
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

/// Notes that another process makes the content of the request that this worker was made for.
pub fn note_made_elsewhere() {
    current(|w| w.made_elsewhere.set(true));
}

/// Whether another process made the content.
pub fn was_made_elsewhere() -> bool {
    current(|w| w.made_elsewhere.get()).unwrap_or(false)
}

/// Serves `r` in a worker made for it and waits. The answer is for the server: what its own pipeline
/// would have returned, with the response's stream ended where that was OK or DONE.
pub fn serve(r: &mut Request<'_>, job: impl FnOnce(&mut Request<'_>) -> c_int + Send) -> c_int {
    // A worker made by a worker inherits the contexts that the kernel holds its maker to.
    let inherited = if state() == Some(State::Early) { State::Early } else { State::Unmoved };
    let outcome = one_time::run(r, |r| {
        let worker = Worker::new(r, inherited);
        work(r, &worker, job)
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
    limits: &WorkerLimits,
    job: impl FnOnce(&mut Request<'_>, &Decided<'_>) -> c_int + Send,
) -> c_int {
    let key = Key { host, map_swaps, contexts: &decided.0.text };
    let mut kept = match pool::take(key, limits) {
        Ok(Some(kept)) => kept,
        Ok(None) => return serve(r, move |r| job(r, &decided)),
        Err(errno) => return report::refused(r, None, None, &Refusal::no_thread(errno)),
    };
    let is_settled = kept.is_settled();
    let (thread, contexts) = kept.parts();
    let mut fit = false;
    let outcome = one_time::run_in(thread, r, |r| {
        let settled = is_settled.then_some(contexts);
        let worker = Worker { settled, ..Worker::new(r, State::Unmoved) };
        let status = work(r, &worker, |r| job(r, &decided));
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
        Ok(None) => report::refused(r, None, None, &Refusal::panic()),
        Err(status) => report::refused(r, None, None, &Refusal::no_thread(status)),
    }
}

/// Runs the job, and ends the stream, with `worker` as this thread's worker.
fn work(r: &mut Request<'_>, worker: &Worker<'_>, job: impl FnOnce(&mut Request<'_>) -> c_int) -> c_int {
    CURRENT.with(std::ptr::from_ref(worker).cast(), || {
        crate::request::fault::at_worker(r);
        let status = job(r);
        settle(r, status, worker.state.get())
    })
}

/// Ends the stream while still in the worker, so that filters which only flush at the end run
/// confined. Every other status is the server's to answer, without anything of the worker's.
fn settle(r: &mut Request<'_>, status: c_int, state: State) -> c_int {
    let confined = matches!(state, State::Moved | State::Early);
    let status = match status {
        // No callback was registered (see callback_wanted), so nothing goes on with this request.
        sys::SUSPENDED if confined => report::refused(r, None, None, &Refusal::suspended()),
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
