//! Whether `SSLVerifyClient optional_no_ca` ever let certificates in that nobody vouches for, in the life of this
//! server. [`crate::subject`] says why that matters, and makes the memory that all children share.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Not 0: such certificates were let in.
static MARK: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();

/// Takes the memory for it from `make`, once a process. It must be shared by the server and all its children.
pub fn share(make: impl FnOnce() -> Option<&'static AtomicU64>) {
    MARK.get_or_init(make);
}

fn mark() -> Option<&'static AtomicU64> {
    MARK.get().copied().flatten()
}

/// Notes that such certificates are let in from now on.
pub fn let_in() {
    mark().into_iter().for_each(|mark| mark.store(1, Ordering::Relaxed));
}

/// Whether any such certificate may have been let in. Without memory nobody knows, so it may have been.
pub fn may_be_let_in() -> bool {
    mark().is_none_or(|mark| mark.load(Ordering::Relaxed) != 0)
}
