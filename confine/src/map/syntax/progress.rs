//! How far long work on maps has come, for another thread to look at.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes that are done, of how many. Whoever starts the work says how many: a file that is read twice counts
/// twice.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: u64,
}

impl Progress {
    /// Work on so many bytes; 0: on nobody knows how many.
    pub fn of(total: u64) -> Self {
        Self { done: AtomicU64::new(0), total }
    }

    /// How many bytes there are to do, if that is known.
    pub fn total(&self) -> Option<u64> {
        (self.total > 0).then_some(self.total)
    }

    /// How many are done; never more than there are.
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed).min(self.total)
    }

    /// So many more are done.
    pub(super) fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Relaxed);
    }
}
