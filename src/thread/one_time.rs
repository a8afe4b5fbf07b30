//! A worker serves a request while the server's thread waits for it. A one-time worker is made and joined within one
//! call; a kept worker gets the request handed over and waits for the next one afterwards.

use std::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicUsize, Ordering},
};

use apache_sys as sys;

use crate::{
    httpd::{boundary::guard, log, request::Request, status::Status},
    thread::{
        apr_thread::{AprThread, ThreadPool},
        child,
        kept_thread::KeptThread,
        signals::Masks,
        slot::WorkerSlot,
    },
};

/// The number of workers that this process waits for now. The end of a child depends on it, so other processes have no
/// part in it: what they see is in [`child`].
static IN_FLIGHT: AtomicUsize = AtomicUsize::new(0);

/// The number of workers that this process waits for now.
pub fn in_flight() -> usize {
    IN_FLIGHT.load(Ordering::Relaxed)
}

/// What the waiting thread hands over and what it gets back. It lives on the stack of the waiting thread.
struct Task<'t, 'r, F> {
    request: &'t mut Request<'r>,
    body: Option<F>,
    masks: &'static Masks,
    result: Result<Option<Status>, sys::apr_status_t>,
}

/// A [`Task`] for a new thread, and the pool that the thread uses.
struct InSlot<'t, 'r, F> {
    task: Task<'t, 'r, F>,
    pool: &'t ThreadPool,
}

/// Runs `body` in a new thread and waits for the end of that thread. The new thread is the connection's thread
/// meanwhile.
///
/// The waiting thread does nothing for the request while the new thread lives. So the request has one user at a time,
/// and `pthread_create` and `pthread_join` order what both threads do. `Err` is the errno of a thread that could not
/// be made; `body` did not run then. `Ok(None)` means that `body` panicked.
///
/// `F` is `Send` because it crosses to the new thread. The request crosses with it under the rule above.
pub fn run<F>(r: &mut Request<'_>, body: F) -> Result<Option<Status>, sys::apr_status_t>
where
    F: FnOnce(&mut Request<'_>) -> Status + Send,
{
    let masks = Masks::of_this_thread();
    let slot = WorkerSlot::take(masks)?;
    let result = wait_for(r, body, masks, |task| {
        let mut handed = InSlot { task, pool: slot.pool() };
        slot.spawn_and_join(start::<F>, std::ptr::from_mut(&mut handed).cast())?;
        handed.task.result
    });
    slot.give_back();
    result
}

/// Runs `body` in a kept thread that waits for work, as [`run`] does in a new thread. The hand-over of the job orders
/// what both threads do.
pub fn run_in<F>(
    thread: &mut KeptThread,
    r: &mut Request<'_>,
    body: F,
) -> Result<Option<Status>, sys::apr_status_t>
where
    F: FnOnce(&mut Request<'_>) -> Status + Send,
{
    wait_for(r, body, Masks::of_this_thread(), |mut task| {
        thread.perform(&mut |pool| task.perform(pool));
        task.result
    })
}

/// Makes the task and has `by` do it. Afterwards the thread of the server is the connection's thread again.
fn wait_for<'r, F>(
    r: &mut Request<'r>,
    body: F,
    masks: &'static Masks,
    by: impl FnOnce(Task<'_, 'r, F>) -> Result<Option<Status>, sys::apr_status_t>,
) -> Result<Option<Status>, sys::apr_status_t> {
    let server_thread = r.connection_thread();
    IN_FLIGHT.fetch_add(1, Ordering::Relaxed);
    child::worker_begins();
    let result = by(Task { request: r, body: Some(body), masks, result: Ok(None) });
    r.set_connection_thread(server_thread);
    child::worker_ended();
    IN_FLIGHT.fetch_sub(1, Ordering::Relaxed);
    result
}

/// The first function of a new thread. It returns and does not call `apr_thread_exit`, because that would unwind by
/// force through Rust frames.
extern "C" fn start<F>(data: *mut c_void) -> *mut c_void
where
    F: FnOnce(&mut Request<'_>) -> Status + Send,
{
    // SAFETY: data is the InSlot of run(), which waits in pthread_join and does not touch it.
    let handed = unsafe { &mut *data.cast::<InSlot<'_, '_, F>>() };
    handed.task.perform(handed.pool);
    null_mut()
}

impl<F> Task<'_, '_, F>
where
    F: FnOnce(&mut Request<'_>) -> Status + Send,
{
    /// Does the task in the calling thread. It never panics.
    fn perform(&mut self, pool: &ThreadPool) {
        self.result = guard(
            || {
                let thread = AprThread::of_this_thread(pool)?;
                self.request.set_connection_thread(thread.as_ptr());
                let body = self.body.take();
                Ok(self.masks.during(|| body.map(|body| body(self.request))))
            },
            |panic| {
                log::main(log::Level::Error, &format!("confine: panic in a worker: {panic}"));
                Ok(None)
            },
        );
    }
}
