//! A thread of the server's own kind, made and joined within one call.

use std::{
    cell::Cell,
    ffi::{c_int, c_void},
    ptr::null_mut,
    sync::{
        Once,
        atomic::{AtomicPtr, AtomicUsize, Ordering},
    },
};

use apache_sys as sys;

use super::{boundary::guard, log, pool::Pool, request::Request};

/// Attributes of every worker, made once a process: joinable, the stack that `ThreadStackSize` asks
/// for.
static ATTRIBUTES: AtomicPtr<sys::apr_threadattr_t> = AtomicPtr::new(null_mut());

/// Workers that this process waits for just now.
static IN_FLIGHT: AtomicUsize = AtomicUsize::new(0);

/// How many workers this process waits for just now.
pub fn in_flight() -> usize {
    IN_FLIGHT.load(Ordering::Relaxed)
}

/// Makes the attributes of this child's workers. `pool` lives as long as the child.
pub fn prepare(pool: Pool<'_>) {
    let mut attributes = null_mut();
    // SAFETY: live pool; the size is the server's own setting, written before children start.
    unsafe {
        if sys::apr_threadattr_create(&mut attributes, pool.as_ptr()) == 0 {
            if sys::ap_thread_stacksize != 0 {
                sys::apr_threadattr_stacksize_set(attributes, sys::ap_thread_stacksize);
            }
            ATTRIBUTES.store(attributes, Ordering::Release);
        }
    }
}

/// What [`run`] hands to the thread, and gets back. Lives on the waiting thread's stack.
struct Task<'t, 'r, F> {
    request: &'t mut Request<'r>,
    body: Option<F>,
    mask: libc::sigset_t,
    result: Option<c_int>,
}

/// Runs `body` in a new thread that is the connection's thread meanwhile, and waits for its end.
///
/// The waiting thread does nothing for the request while the new one lives, so the request has one
/// user at a time: `pthread_create` and `pthread_join` order what both do. `Err` is the APR status
/// of a thread that could not be made; nothing ran then. `Ok(None)` is a panic.
///
/// `F: Send` because it crosses to the thread; the request crosses with it under the rule above.
pub fn run<F>(r: &mut Request<'_>, body: F) -> Result<Option<c_int>, sys::apr_status_t>
where
    F: FnOnce(&mut Request<'_>) -> c_int + Send,
{
    let server_thread = r.connection_thread();
    let (pool, mut thread) = (r.pool().as_ptr(), null_mut());
    IN_FLIGHT.fetch_add(1, Ordering::Relaxed);
    let mask = SignalMask::block();
    let mut task = Task { request: r, body: Some(body), mask: mask.before, result: None };
    let data = std::ptr::from_mut(&mut task).cast::<c_void>();
    // SAFETY: live attributes or null (the default), live pool; `task` outlives the thread, because
    // every way out of here after creation joins it.
    let made = unsafe {
        let attributes = ATTRIBUTES.load(Ordering::Acquire);
        sys::ap_thread_create(&mut thread, attributes, Some(start::<F>), data, pool)
    };
    drop(mask);
    if made == 0 {
        let mut ignored = 0;
        // SAFETY: a joinable thread that nobody else joins.
        let joined = unsafe { sys::apr_thread_join(&mut ignored, thread) };
        if joined != 0 {
            // The thread may still run on this stack frame and this request: no way on is sound.
            log::main(
                log::Level::Error,
                &format!("confine: cannot join a worker (status {joined}); aborting the child"),
            );
            std::process::abort();
        }
        task.request.set_connection_thread(server_thread);
    }
    IN_FLIGHT.fetch_sub(1, Ordering::Relaxed);
    if made == 0 { Ok(task.result) } else { Err(made) }
}

/// The thread's first function. It returns instead of calling `apr_thread_exit`, which would unwind
/// by force through Rust frames; APR's own wrapper returns in turn and the thread ends.
unsafe extern "C" fn start<F>(thread: *mut sys::apr_thread_t, data: *mut c_void) -> *mut c_void
where
    F: FnOnce(&mut Request<'_>) -> c_int + Send,
{
    // SAFETY: data is the Task of run(), which waits in apr_thread_join and does not touch it.
    let task = unsafe { &mut *data.cast::<Task<'_, '_, F>>() };
    task.result = guard(
        || {
            SERVER_MASK.set(Some(task.mask));
            task.request.set_connection_thread(thread);
            task.body.take().map(|body| body(task.request))
        },
        |panic| {
            log::main(log::Level::Error, &format!("confine: panic in a worker: {panic}"));
            None
        },
    );
    null_mut()
}

/// The signals that httpd's processes act on. Their handlers belong to the server's own threads: in a
/// prefork child they end the process from whichever thread they run on.
const SERVER_SIGNALS: [libc::c_int; 6] =
    [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGUSR1, libc::SIGWINCH];

thread_local! {
    /// The mask of the server's thread, in a worker that was made with more signals blocked.
    static SERVER_MASK: Cell<Option<libc::sigset_t>> = const { Cell::new(None) };
}

/// The server's signals, blocked while this lives, so that a new thread starts with them blocked.
struct SignalMask {
    before: libc::sigset_t,
}

impl SignalMask {
    fn block() -> Self {
        // SAFETY: the sets are plain data, filled by the calls before they are read; changing the
        // calling thread's mask is undone in drop.
        unsafe {
            let (mut set, mut before) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigemptyset(&mut set);
            for signal in SERVER_SIGNALS {
                libc::sigaddset(&mut set, signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut before);
            Self { before }
        }
    }
}

impl Drop for SignalMask {
    fn drop(&mut self) {
        // SAFETY: restores the mask that block() read.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, null_mut()) };
    }
}

/// Gives programs that a worker forks (CGI) the signal mask that they would have from the server's
/// own thread: a program that starts with SIGTERM blocked could not be told to stop.
pub fn keep_masks_of_programs() {
    unsafe extern "C" fn in_the_child() {
        guard(
            || {
                if let Some(mask) = SERVER_MASK.get() {
                    // SAFETY: a mask that pthread_sigmask gave; the call is allowed after fork.
                    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &mask, null_mut()) };
                }
            },
            |_| (),
        );
    }
    static ONCE: Once = Once::new();
    // SAFETY: the handler only reads a thread-local without destructor and makes one system call.
    ONCE.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(in_the_child));
    });
}
