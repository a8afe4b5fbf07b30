//! What a thread is called in the server's terms: an `apr_thread_t` with a pool.
//!
//! Applications take memory from the pool of the connection's thread (mod_lua keeps its state there with
//! `LuaScope thread`). `ap_thread_current()` stays null in workers, as in every thread that is not APR's
//! own; the server's regular expressions then use memory of their own (server/util_pcre.c).
//! `ap_thread_create` would set it, but maps, faults in and unmaps a pool of its own for every thread.

use std::{
    ffi::c_int,
    marker::PhantomData,
    mem::size_of,
    ptr::{NonNull, null_mut},
};

use apache_sys as sys;

#[cfg(feature = "fault-injection")]
use crate::httpd::request::Request;
use crate::httpd::{boundary::guard, log};

/// A pool for one thread after the other, with memory of its own, whose pages stay with it.
pub struct ThreadPool(NonNull<sys::apr_pool_t>);

/// What the pool keeps of its memory from one worker to the next, in bytes.
const KEPT: sys::apr_size_t = 128 << 10;

// SAFETY: the pool has no parent and an allocator of its own; whoever has it (or waits for the worker that
// uses it) is its only user.
unsafe impl Send for ThreadPool {}
// SAFETY: nothing is done with the pool through a shared reference but by the one worker of its nest.
unsafe impl Sync for ThreadPool {}

impl ThreadPool {
    /// A new one. The error is an APR status.
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

/// The calling thread as the server sees it.
pub struct Identity<'n> {
    thread: NonNull<sys::apr_thread_t>,
    pool: &'n ThreadPool,
    /// Of this thread alone.
    here: PhantomData<*const ()>,
}

impl<'n> Identity<'n> {
    /// Names the calling thread. The error is an APR status.
    pub fn of_this_thread(pool: &'n ThreadPool) -> Result<Self, sys::apr_status_t> {
        // SAFETY: a live pool of this thread's.
        let thread = unsafe { name_this_thread(pool.0.as_ptr())? };
        Ok(Self { thread, pool, here: PhantomData })
    }

    /// For the connection's field.
    pub fn as_ptr(&self) -> *mut sys::apr_thread_t {
        self.thread.as_ptr()
    }
}

/// Another name for the calling thread, which is a worker that `named` names: with a new pool, which ends
/// with the worker's own. The error is an APR status.
///
/// # Safety
/// `named` came from [`Identity::as_ptr`] or from this function, and the identity is alive in this thread.
pub unsafe fn rename(named: *mut sys::apr_thread_t) -> Result<NonNull<sys::apr_thread_t>, sys::apr_status_t> {
    // SAFETY: live pools by the caller's promise. The worker's own has no parent (ThreadPool::new); all others
    // are its children. The new pool's life ends in Identity::drop, before the thread's.
    unsafe {
        let pool = sys::apr_thread_pool_get(named);
        let parent = sys::apr_pool_parent_get(pool);
        let root = if parent.is_null() { pool } else { parent };
        let mut new = null_mut();
        match sys::apr_pool_create_ex(&mut new, root, None, null_mut()) {
            0 => name_this_thread(new),
            status => Err(status),
        }
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

impl Drop for Identity<'_> {
    /// Empties the pool while the thread still is in its context: what applications left there (a Lua
    /// state, whose finalizers are the application's code) ends confined, too.
    fn drop(&mut self) {
        // SAFETY: the pool of this thread, whose last use this is.
        unsafe { sys::apr_pool_clear(self.pool.0.as_ptr()) };
    }
}
