//! Memory that the server shares with all its children.

use std::{mem::size_of, ptr::null_mut, sync::atomic::AtomicU64};

/// Makes numbers for this process and for those that it will fork. All are 0 at first. They are never unmapped, so make
/// them once in a process. The answer is `None` when the kernel has no memory for them.
pub fn numbers<const N: usize>() -> Option<&'static [AtomicU64; N]> {
    // SAFETY: a fresh anonymous mapping of the table's size, zeroed by the kernel (valid atomics), shared with
    // all children and never unmapped.
    unsafe {
        let place = libc::mmap(
            null_mut(),
            size_of::<[AtomicU64; N]>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        (place != libc::MAP_FAILED).then(|| &*place.cast())
    }
}
