//! One thread waits on a word until another thread changes it (futex(2)).

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Waits until the word is no longer `value`, or until another thread wakes this one, or until `limit` has passed. The
/// answer is false only if the limit has passed. This can also return early, so look at the word afterwards.
pub fn wait(word: &AtomicU32, value: u32, limit: Option<Duration>) -> bool {
    let limit = limit.map(|l| libc::timespec {
        tv_sec: l.as_secs() as libc::time_t,
        tv_nsec: l.subsec_nanos() as libc::c_long,
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: a live word of this process, a time or null; the kernel compares and sleeps, no more.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            value,
            limit,
        )
    };
    answer == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ETIMEDOUT)
}

/// Sets the word and wakes the one thread that waits on it.
pub fn set_and_wake(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::Release);
    // SAFETY: only the address counts; where nobody waits, nothing happens.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) };
}
