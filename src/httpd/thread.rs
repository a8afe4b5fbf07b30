//! A thread of the server's own kind, made and joined within one call.

use std::{
    ffi::{c_int, c_void},
    ptr::null_mut,
    sync::atomic::{AtomicUsize, Ordering},
};

use apache_sys as sys;

use super::{boundary::guard, log, nest::Nest, request::Request, signals::Masks};

/// Workers that this process waits for just now.
static IN_FLIGHT: AtomicUsize = AtomicUsize::new(0);

/// How many workers this process waits for just now.
pub fn in_flight() -> usize {
    IN_FLIGHT.load(Ordering::Relaxed)
}

/// What [`run`] hands to the thread, and gets back. Lives on the waiting thread's stack.
struct Task<'t, 'r, F> {
    request: &'t mut Request<'r>,
    body: Option<F>,
    masks: Masks,
    nest: &'t Nest,
    result: Result<Option<c_int>, sys::apr_status_t>,
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
    let nest = Nest::take(&masks)?;
    let server_thread = r.connection_thread();
    IN_FLIGHT.fetch_add(1, Ordering::Relaxed);
    let mut task = Task { request: r, body: Some(body), masks, nest: &nest, result: Ok(None) };
    let made = nest.hatch(start::<F>, std::ptr::from_mut(&mut task).cast());
    if made.is_ok() {
        task.request.set_connection_thread(server_thread);
    }
    IN_FLIGHT.fetch_sub(1, Ordering::Relaxed);
    let result = made.and(task.result);
    nest.keep();
    result
}

/// The thread's first function. It returns instead of calling `apr_thread_exit`, which would unwind
/// by force through Rust frames.
extern "C" fn start<F>(data: *mut c_void) -> *mut c_void
where
    F: FnOnce(&mut Request<'_>) -> c_int + Send,
{
    // SAFETY: data is the Task of run(), which waits in pthread_join and does not touch it.
    let task = unsafe { &mut *data.cast::<Task<'_, '_, F>>() };
    task.result = guard(
        || {
            task.masks.remember();
            let identity = task.nest.identity()?;
            task.request.set_connection_thread(identity.as_ptr());
            Ok(task.body.take().map(|body| body(task.request)))
        },
        |panic| {
            log::main(log::Level::Error, &format!("confine: panic in a worker: {panic}"));
            Ok(None)
        },
    );
    null_mut()
}
