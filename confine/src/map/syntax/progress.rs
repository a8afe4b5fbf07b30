//! How far long work on a map has come, for another thread to look at.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The number of bytes that are done, and of all that are to be done. Whoever starts the work gives the second: a file
/// that will be read twice counts twice.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: u64,
}

impl Progress {
    /// Work on `total` bytes, or on an unknown number of bytes if it is 0.
    pub fn of(total: u64) -> Self {
        Self { done: AtomicU64::new(0), total }
    }

    /// How many bytes there are to do, if the number is known.
    pub fn total(&self) -> Option<u64> {
        (self.total > 0).then_some(self.total)
    }

    /// How many bytes are done. It is never more than there are.
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed).min(self.total)
    }

    /// Says that more bytes are done.
    pub(super) fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Relaxed);
    }
}
