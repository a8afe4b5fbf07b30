//! Threads that serve a request for a waiting thread of the server: made and joined within one call, or
//! kept for further requests.

use std::{
    ffi::{c_int, c_void},
    ptr::null_mut,
    sync::atomic::{AtomicUsize, Ordering},
};

use apache_sys as sys;

use crate::{
    httpd::{boundary::guard, log, request::Request},
    thread::{
        apr_thread::{Identity, ThreadPool},
        kept_thread::KeptThread,
        signals::Masks,
        slot::Nest,
    },
};

/// Workers that this process waits for just now.
static IN_FLIGHT: AtomicUsize = AtomicUsize::new(0);

/// How many workers this process waits for just now.
pub fn in_flight() -> usize {
    IN_FLIGHT.load(Ordering::Relaxed)
}

/// What the waiting thread hands over, and gets back. Lives on the waiting thread's stack.
struct Task<'t, 'r, F> {
    request: &'t mut Request<'r>,
    body: Option<F>,
    masks: &'static Masks,
    result: Result<Option<c_int>, sys::apr_status_t>,
}

/// A [`Task`] for a new thread, and the memory that the thread is given.
struct InNest<'t, 'r, F> {
    task: Task<'t, 'r, F>,
    pool: &'t ThreadPool,
}

/// Runs `body` in a new thread that is the connection's thread meanwhile, and waits for its end.
///
/// The waiting thread does nothing for the request while the new one lives, so the request has one
/// user at a time: `pthread_create` and `pthread_join` order what both do. `Err` is the errno of a
/// thread that could not be made; nothing ran then. `Ok(None)` is a panic.
///
/// `F: Send` because it crosses to the thread; the request crosses with it under the rule above.
pub fn run<F>(r: &mut Request<'_>, body: F) -> Result<Option<c_int>, sys::apr_status_t>
where
    F: FnOnce(&mut Request<'_>) -> c_int + Send,
{
    let masks = Masks::of_this_thread();
    let nest = Nest::take(masks)?;
    let result = wait_for(r, body, masks, |task| {
        let mut handed = InNest { task, pool: nest.pool() };
        nest.hatch(start::<F>, std::ptr::from_mut(&mut handed).cast())?;
        handed.task.result
    });
    nest.keep();
    result
}

/// Runs `body` in a kept thread that waits for work, as [`run`] does in a new one: the hand-over orders
/// what both do.
pub fn run_in<F>(
    thread: &mut KeptThread,
    r: &mut Request<'_>,
    body: F,
) -> Result<Option<c_int>, sys::apr_status_t>
where
    F: FnOnce(&mut Request<'_>) -> c_int + Send,
{
    wait_for(r, body, Masks::of_this_thread(), |mut task| {
        thread.perform(&mut |pool| task.perform(pool));
        task.result
    })
}

/// Makes the task, has it done by `by`, and makes the connection's thread the server's own again.
fn wait_for<'r, F>(
    r: &mut Request<'r>,
    body: F,
    masks: &'static Masks,
    by: impl FnOnce(Task<'_, 'r, F>) -> Result<Option<c_int>, sys::apr_status_t>,
) -> Result<Option<c_int>, sys::apr_status_t> {
    let server_thread = r.connection_thread();
    IN_FLIGHT.fetch_add(1, Ordering::Relaxed);
    let result = by(Task { request: r, body: Some(body), masks, result: Ok(None) });
    r.set_connection_thread(server_thread);
    IN_FLIGHT.fetch_sub(1, Ordering::Relaxed);
    result
}

/// A new thread's first function. It returns instead of calling `apr_thread_exit`, which would unwind
/// by force through Rust frames.
extern "C" fn start<F>(data: *mut c_void) -> *mut c_void
where
    F: FnOnce(&mut Request<'_>) -> c_int + Send,
{
    // SAFETY: data is the InNest of run(), which waits in pthread_join and does not touch it.
    let handed = unsafe { &mut *data.cast::<InNest<'_, '_, F>>() };
    handed.task.perform(handed.pool);
    null_mut()
}

impl<F> Task<'_, '_, F>
where
    F: FnOnce(&mut Request<'_>) -> c_int + Send,
{
    /// Does it, in the thread that it was handed to. Never panics.
    fn perform(&mut self, pool: &ThreadPool) {
        self.result = guard(
            || {
                let identity = Identity::of_this_thread(pool)?;
                self.request.set_connection_thread(identity.as_ptr());
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
