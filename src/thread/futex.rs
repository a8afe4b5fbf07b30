//! One thread waits on a word until another thread changes it (futex(2)).

use std::{
    ptr::null,
    sync::atomic::{AtomicU32, Ordering},
};

/// Waits until the word is no longer `value`, or until another thread wakes this one. This can also return early, so
/// look at the word afterwards.
pub fn wait(word: &AtomicU32, value: u32) {
    let no_limit = null::<libc::timespec>();
    // SAFETY: a live word of this process; the kernel compares and sleeps, no more.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            value,
            no_limit,
        )
    };
}

/// Sets the word and wakes the one thread that waits on it.
pub fn set_and_wake(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::Release);
    // SAFETY: only the address counts; where nobody waits, nothing happens.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) };
}
