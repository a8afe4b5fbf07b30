//! Serves a request in a worker. A worker is a thread that is made for the request, or one that stays in its
//! contexts.

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

/// A decision that was made before the thread: the moves, and the grounds for them.
pub type Decided<'a> = (MovesOf<'a>, Grounds<'a>);

/// Serves `r` in a worker that is made for it, and waits. The result is for the server: it is what the server's own
/// pipeline would have returned, and if that is OK or DONE, the stream of the response has been ended.
pub fn serve(r: &mut Request<'_>, job: impl FnOnce(&mut Request<'_>) -> Status + Send) -> Status {
    // A worker that another worker makes is in the contexts of its maker, because the kernel passes them on.
    let inherited = if state() == Some(State::Early) { State::Early } else { State::Unmoved };
    let watch = current::watch();
    let observer = watch.as_ref().map(Handle::observer);
    let inner = watch.clone();
    let outcome = one_time::run(r, |r| {
        let worker = Worker::new(r, inherited).under(inner);
        work(r, &worker, job)
    });
    // From here on this thread works for its own request again.
    if let Some((watch, observer)) = watch.zip(observer) {
        watch.tell(observer);
    }
    answer(r, outcome)
}

/// Serves the content of `r`, as decided, in a kept worker that is in these contexts or will enter them. If something
/// was refused or went wrong, the worker ends afterwards.
pub fn serve_kept(
    r: &mut Request<'_>,
    decided: Decided<'_>,
    map_swaps: u64,
    limits: &WorkerLimits,
    job: impl FnOnce(&mut Request<'_>, &Decided<'_>) -> Status + Send,
) -> Status {
    let host = r.server().as_ptr().addr();
    let key =
        Key { host, map_swaps, contexts: &decided.0.text, label: report::counters::label_of(&decided.0) };
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
    // Dropping it ends it.
    if fit && matches!(outcome, Ok(Some(_))) {
        kept.keep(limits);
    } else {
        drop(kept);
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

/// Runs the job and ends the stream. `worker` is this thread's worker meanwhile.
fn work(r: &mut Request<'_>, worker: &Worker<'_>, job: impl FnOnce(&mut Request<'_>) -> Status) -> Status {
    worker.during(|| {
        fault::at_worker(r);
        let status = job(r);
        finish_response(r, status, worker.state())
    })
}

/// Ends the stream while the thread is still in the worker, so that filters which only flush at the end run confined.
/// Every other status is answered by the server, without anything that belongs to the worker.
fn finish_response(r: &mut Request<'_>, status: Status, state: State) -> Status {
    let confined = matches!(state, State::Moved | State::Early);
    let status = match status {
        // No callback was registered (see callback_wanted), so nobody would continue this request.
        Status::SUSPENDED if confined => report::refused(r, &Grounds::of(r), &Refusal::suspended()),
        _ if status.is_served() && !r.is_subrequest() => {
            r.finalize();
            status
        }
        _ => {
            r.break_off(status);
            status
        }
    };
    if confined && (r.is_subrequest() || !status.is_served()) {
        // The main request goes on with these headers, or an error document of the server does.
        r.restore_original_headers();
    }
    if confined && r.is_subrequest() {
        // This does not depend on the status: the server would next end the subrequest's stream, through its filters.
        r.finalize_subrequest();
    } else if confined {
        r.leave_worker();
    }
    status
}
