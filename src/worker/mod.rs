//! Serving a request in a worker: a thread made for it, or one that is kept in its contexts.

pub mod fault;
pub mod pool;

use confine::{policy::decide::MovesOf, watch::Handle};

use self::pool::Key;
use crate::{
    config::WorkerLimits,
    httpd::{request::Request, status::Status},
    report::{self, Grounds, Refusal},
    thread::{
        current::{self, State, Worker, state},
        one_time,
    },
};

/// A decision that was taken before the thread was made: the moves, and for whom and by which rule.
pub type Decided<'a> = (MovesOf<'a>, Grounds<'a>);

/// Serves `r` in a worker made for it and waits. The answer is for the server: what its own pipeline
/// would have returned, with the response's stream ended where that was OK or DONE.
pub fn serve(r: &mut Request<'_>, job: impl FnOnce(&mut Request<'_>) -> Status + Send) -> Status {
    // A worker made by a worker inherits the contexts that the kernel holds its maker to.
    let inherited = if state() == Some(State::Early) { State::Early } else { State::Unmoved };
    let watch = current::watch();
    let observer = watch.as_ref().map(Handle::observer);
    let inner = watch.clone();
    let outcome = one_time::run(r, |r| {
        let worker = Worker::new(r, inherited).under(inner);
        work(r, &worker, job)
    });
    // What this thread does next is its own request's again.
    if let Some((watch, observer)) = watch.zip(observer) {
        watch.tell(observer);
    }
    answer(r, outcome)
}

/// Serves the content of `r`, as decided, in a kept worker that is in these contexts, or will be. One
/// that can be kept no longer ends: where anything was refused, or did not go as it should.
pub fn serve_kept(
    r: &mut Request<'_>,
    decided: Decided<'_>,
    map_swaps: u64,
    limits: &WorkerLimits,
    job: impl FnOnce(&mut Request<'_>, &Decided<'_>) -> Status + Send,
) -> Status {
    let host = r.server().as_ptr().addr();
    let key = Key { host, map_swaps, contexts: &decided.0.text };
    let mut kept = match pool::take(key, limits) {
        Ok(Some(kept)) => kept,
        Ok(None) => return serve(r, move |r| job(r, &decided)),
        Err(errno) => return report::refused(r, &Grounds::of(r), &Refusal::no_thread(errno)),
    };
    let has_entered = kept.has_entered();
    let (thread, contexts) = kept.parts();
    let mut fit = false;
    let outcome = one_time::run_in(thread, r, |r| {
        let worker = Worker::kept(r, has_entered.then_some(contexts));
        let status = work(r, &worker, |r| job(r, &decided));
        fit = worker.is_fit();
        status
    });
    if fit && matches!(outcome, Ok(Some(_))) {
        kept.keep(limits);
    } else {
        kept.retire();
    }
    answer(r, outcome)
}

fn answer(r: &mut Request<'_>, outcome: Result<Option<Status>, i32>) -> Status {
    match outcome {
        Ok(Some(status)) => status,
        Ok(None) => report::refused(r, &Grounds::of(r), &Refusal::panic()),
        Err(status) => report::refused(r, &Grounds::of(r), &Refusal::no_thread(status)),
    }
}

/// Runs the job, and ends the stream, with `worker` as this thread's worker.
fn work(r: &mut Request<'_>, worker: &Worker<'_>, job: impl FnOnce(&mut Request<'_>) -> Status) -> Status {
    worker.during(|| {
        fault::at_worker(r);
        let status = job(r);
        finish_response(r, status, worker.state())
    })
}

/// Ends the stream while still in the worker, so that filters which only flush at the end run
/// confined. Every other status is the server's to answer, without anything of the worker's.
fn finish_response(r: &mut Request<'_>, status: Status, state: State) -> Status {
    let confined = matches!(state, State::Moved | State::Early);
    let status = match status {
        // No callback was registered (see callback_wanted), so nothing goes on with this request.
        Status::SUSPENDED if confined => report::refused(r, &Grounds::of(r), &Refusal::suspended()),
        _ if status.is_served() && !r.is_subrequest() => {
            r.finalize();
            status
        }
        _ => {
            r.break_stream(status);
            status
        }
    };
    if confined && (r.is_subrequest() || !status.is_served()) {
        // The main request goes on with them, or an error document that the server starts.
        r.restore_original_headers();
    }
    if confined && r.is_subrequest() {
        // Whatever the status: the server would end the subrequest's stream next, through its filters.
        r.finalize_subrequest();
    } else if confined {
        r.leave_worker();
    }
    status
}
