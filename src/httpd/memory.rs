//! Facts about memory that the system knows.

/// The size of a page of memory, in bytes.
pub fn page_size() -> usize {
    // SAFETY: a plain query, which cannot fail for this name.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}
