//! The stacks of workers. A stack stays mapped from one worker to the next.
//!
//! The C library gives the stack pages of a dead thread back to the kernel (nptl/pthread_create.c,
//! advise_stack_range). Its cache of stacks is 40 MB and holds five stacks of the usual 8 MB. Each further worker would
//! pay for a mapping, and for a page fault at each page. A stack of this file is paid for once.

use std::{io, mem::size_of, ptr::null_mut};

use crate::httpd::memory::page_size;

/// The memory of a thread's stack, with a guard below it.
pub struct Stack {
    mapping: *mut libc::c_void,
    /// The size of guard and stack together, in bytes.
    length: usize,
}

/// The size of the guard. A thread that runs out of its stack faults there. Compilers of today probe frames that are
/// larger than this page by page.
const GUARD: usize = 64 << 10;

/// How much of a stack stays in memory between two workers. Ordinary requests need 20 to 60 KiB. What a deep recursion
/// took goes back to the kernel.
const KEPT: usize = 256 << 10;

/// This word stands at the depth of [`KEPT`]. A worker that went deeper has most likely overwritten it.
const MARK: u64 = 0x5f3c_a1e9_77d2_0b46;

// SAFETY: it is plain memory. One thread uses it at a time: its owner, or the worker that the owner waits for.
unsafe impl Send for Stack {}

impl Stack {
    /// Maps a stack of `size` bytes, rounded up to whole pages.
    pub fn new(size: usize) -> io::Result<Self> {
        let length = size.next_multiple_of(page_size()).max(page_size()) + GUARD;
        // SAFETY: a fresh private mapping; nothing else is touched.
        let mapping = unsafe {
            libc::mmap(
                null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK,
                -1,
                0,
            )
        };
        if mapping == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Self { mapping, length };
        // SAFETY: the mapping's own pages. A huge page would be zeroed for a few kilobytes of use; that
        // advice may fail where the kernel has no such pages.
        let guarded = unsafe {
            libc::madvise(mapping, length, libc::MADV_NOHUGEPAGE);
            libc::mprotect(mapping, GUARD, libc::PROT_NONE)
        };
        if guarded != 0 {
            return Err(io::Error::last_os_error());
        }
        stack.mark();
        Ok(stack)
    }

    /// The lowest address of the stack.
    pub fn base(&self) -> *mut libc::c_void {
        self.mapping.wrapping_byte_add(GUARD)
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.length - GUARD
    }

    /// Gives back what the last worker took beyond [`KEPT`]. No thread may run on the stack now.
    pub fn trim(&self) {
        let Some(place) = self.mark_place() else { return };
        // SAFETY: an aligned place inside the mapping, which nobody else uses now.
        if unsafe { place.read() } == MARK {
            return;
        }
        // SAFETY: pages of this stack, which nobody uses now; they read as zeros afterwards.
        unsafe { libc::madvise(self.base(), self.size() - KEPT, libc::MADV_DONTNEED) };
        self.mark();
    }

    fn mark(&self) {
        if let Some(place) = self.mark_place() {
            // SAFETY: as in trim().
            unsafe { place.write(MARK) };
        }
    }

    /// Where the mark stands: at the lowest word of what is kept. A stack that is kept as a whole has no mark.
    fn mark_place(&self) -> Option<*mut u64> {
        let offset = self.size().checked_sub(KEPT).filter(|o| *o >= size_of::<u64>())?;
        Some(self.base().wrapping_byte_add(offset).cast())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping that new() made; no thread runs on it, or its owner would be waiting.
        unsafe { libc::munmap(self.mapping, self.length) };
    }
}
