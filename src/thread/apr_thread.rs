//! A worker as the server sees it: an `apr_thread_t` with a pool.
//!
//! Applications take memory from the pool of the connection's thread. With `LuaScope thread`, for example, mod_lua keeps
//! its state there. `ap_thread_current()` stays null in workers, as in every thread that APR did not make; the server's
//! regular expressions then allocate memory (server/util_pcre.c). `ap_thread_create` would set it, but it maps, faults
//! in and unmaps a new pool for every thread.

use std::{
    ffi::{c_int, c_void},
    marker::PhantomData,
    mem::size_of,
    ptr::{NonNull, null_mut},
};

use apache_sys as sys;

use crate::{
    httpd::{boundary::guard, log, request::Request},
    thread::current,
};

/// A pool that one thread after the other uses. It has an allocator of its own, so its pages stay with it.
pub struct ThreadPool(NonNull<sys::apr_pool_t>);

/// How much memory the pool keeps from one worker to the next, in bytes.
const KEPT: sys::apr_size_t = 128 << 10;

// SAFETY: the pool has no parent and an allocator of its own. Whoever has it, or the worker that its owner waits for,
// is its only user.
unsafe impl Send for ThreadPool {}
// SAFETY: only the one worker of its slot uses the pool through a shared reference.
unsafe impl Sync for ThreadPool {}

impl ThreadPool {
    /// Makes a pool. The error is an APR status.
    pub fn new() -> Result<Self, sys::apr_status_t> {
        let mut pool = null_mut();
        // SAFETY: a place for the answer; no parent, so nobody else ends it; a failure is returned.
        let status = unsafe { sys::apr_pool_create_unmanaged_ex(&mut pool, None, null_mut()) };
        let pool = NonNull::new(pool).filter(|_| status == 0).ok_or(status)?;
        // SAFETY: a live pool with an allocator of its own.
        unsafe {
            sys::apr_allocator_max_free_set(sys::apr_pool_allocator_get(pool.as_ptr()), KEPT);
            sys::apr_pool_abort_set(Some(no_memory), pool.as_ptr());
        }
        Ok(Self(pool))
    }

    /// The pool, for a call into the server by the one thread that uses it.
    pub fn as_ptr(&self) -> *mut sys::apr_pool_t {
        self.0.as_ptr()
    }
}

/// What a worker's pool, and every pool made from it, does when there is no memory: it ends the child, as the server's
/// own pools do (server/main.c, abort_on_oom). Without it APR gives a null pointer, through which httpd's functions and
/// applications write.
unsafe extern "C" fn no_memory(_: c_int) -> c_int {
    guard(
        || log::main(log::Level::Error, "confine: no memory for a worker's pool; aborting the child"),
        |_| (),
    );
    std::process::abort()
}

/// Asks the pool of the connection's thread for more than there can be, for a test of what happens then.
#[cfg(feature = "fault-injection")]
pub fn ask_for_too_much(r: &Request<'_>) {
    // SAFETY: in a worker, the connection's thread is live, and so is its pool. What it gives is not used.
    unsafe {
        let pool = sys::apr_thread_pool_get(r.connection_thread());
        sys::apr_palloc(pool, sys::apr_size_t::MAX / 2);
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        // SAFETY: made by new(); no thread uses it any more.
        unsafe { sys::apr_pool_destroy(self.0.as_ptr()) };
    }
}

/// The `apr_thread_t` of the calling thread.
pub struct AprThread<'n> {
    thread: NonNull<sys::apr_thread_t>,
    pool: &'n ThreadPool,
    /// Of this thread alone.
    here: PhantomData<*const ()>,
}

impl<'n> AprThread<'n> {
    /// Makes the `apr_thread_t` of the calling thread, in `pool`. The error is an APR status.
    pub fn of_this_thread(pool: &'n ThreadPool) -> Result<Self, sys::apr_status_t> {
        // SAFETY: a live pool of this thread's.
        let thread = unsafe { name_this_thread(pool.0.as_ptr())? };
        Ok(Self { thread, pool, here: PhantomData })
    }

    /// The pointer for the connection's field `current_thread`.
    pub fn as_ptr(&self) -> *mut sys::apr_thread_t {
        self.thread.as_ptr()
    }
}

/// Gives the calling thread, a worker that serves `r`, another `apr_thread_t` with a new pool. What applications keep
/// with the thread from now on is apart from what they kept before. All of it ends together with the worker. Where there
/// is no memory for it, applications go on with what they have.
///
/// # Safety
/// The calling thread is a worker that serves this request.
pub unsafe fn rename(r: &mut Request<'_>) {
    // SAFETY: in a worker the connection's thread is its live AprThread, or one that this function made. The worker's
    // own pool has no parent (ThreadPool::new); all others are its children. The life of the new pool ends in
    // AprThread::drop, before that of the thread.
    let (before, renamed) = unsafe {
        let pool = sys::apr_thread_pool_get(r.connection_thread());
        let parent = sys::apr_pool_parent_get(pool);
        let root = if parent.is_null() { pool } else { parent };
        let mut new = null_mut();
        let renamed = match sys::apr_pool_create_ex(&mut new, root, None, null_mut()) {
            0 => name_this_thread(new),
            status => Err(status),
        };
        ((!parent.is_null()).then_some(pool), renamed)
    };
    let Ok(thread) = renamed else { return };
    r.set_connection_thread(thread.as_ptr());
    if let Some(before) = before.filter(|_| r.is_subrequest()) {
        // SAFETY: the pool that a function for this subrequest begins to use. It has a parent, and the thread has
        // another one from now on.
        unsafe { end_with_subrequest(r, before) };
    }
}

/// Gives a worker that serves `r` a pool that can end before the thread, unless it has one.
pub fn have_own_pool(r: &mut Request<'_>) {
    if current::state().is_none() {
        return;
    }
    // SAFETY: this thread is a worker. The rest is as in rename().
    unsafe {
        let pool = sys::apr_thread_pool_get(r.connection_thread());
        if sys::apr_pool_parent_get(pool).is_null() {
            rename(r);
        }
    }
}

/// A pool of the thread's that ends with a subrequest.
struct Tie {
    subrequest: *mut sys::apr_pool_t,
    thread: *mut sys::apr_pool_t,
}

/// Ends `pool` with the subrequest. What an application keeps there can have pointers to the subrequest, and
/// finalizers (`__gc`) that use them. A subrequest can end long before the worker.
///
/// # Safety
/// `pool` is a live pool of the calling thread's and a child of the worker's own pool. From now on only what runs for
/// this subrequest uses it.
unsafe fn end_with_subrequest(r: &Request<'_>, pool: *mut sys::apr_pool_t) {
    unsafe extern "C" fn end(tie: *mut c_void) -> sys::apr_status_t {
        // SAFETY: the Tie below, of the subrequest's pool, which is live in this cleanup. The thread's pool is live,
        // because its own cleanup takes this one away.
        unsafe { sys::apr_pool_destroy((*tie.cast::<Tie>()).thread) };
        0
    }
    unsafe extern "C" fn forget(tie: *mut c_void) -> sys::apr_status_t {
        // SAFETY: as above. The subrequest's pool is live, or this runs in its own cleanup.
        unsafe { sys::apr_pool_cleanup_kill((*tie.cast::<Tie>()).subrequest, tie, Some(end)) };
        0
    }
    let subrequest = r.pool();
    let tie = std::ptr::from_mut(subrequest.place(Tie { subrequest: subrequest.as_ptr(), thread: pool }));
    // SAFETY: live pools. The cleanups keep the rule that the pool which ends first takes away what the other would do:
    // APR takes a cleanup from its list before it runs it. A pre-cleanup runs while all of the subrequest is there.
    unsafe {
        let none = Some(sys::apr_pool_cleanup_null as unsafe extern "C" fn(*mut c_void) -> sys::apr_status_t);
        sys::apr_pool_pre_cleanup_register(subrequest.as_ptr(), tie.cast(), Some(end));
        sys::apr_pool_cleanup_register(pool, tie.cast(), Some(forget), none);
    }
}

/// # Safety
/// A live pool of the calling thread's.
unsafe fn name_this_thread(
    pool: *mut sys::apr_pool_t,
) -> Result<NonNull<sys::apr_thread_t>, sys::apr_status_t> {
    let mut thread = null_mut();
    // SAFETY: a live pool, in which the system's name for the thread stands as long as APR's, aligned like
    // everything of a pool. (A first malloc() would cost a new thread much more.)
    let status = unsafe {
        let place = sys::apr_palloc(pool, size_of::<sys::apr_os_thread_t>() as sys::apr_size_t);
        let system = place.cast::<sys::apr_os_thread_t>();
        system.write(sys::apr_os_thread_current());
        sys::apr_os_thread_put(&mut thread, system, pool)
    };
    NonNull::new(thread).filter(|_| status == 0).ok_or(status)
}

impl Drop for AprThread<'_> {
    /// Empties the pool while the thread is still in its context. What applications left in the pool ends confined,
    /// too: a Lua state, for example, whose finalizers are the application's code.
    fn drop(&mut self) {
        // SAFETY: the pool of this thread, whose last use this is.
        unsafe { sys::apr_pool_clear(self.pool.0.as_ptr()) };
    }
}
