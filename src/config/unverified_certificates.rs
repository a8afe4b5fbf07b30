//! Whether `SSLVerifyClient optional_no_ca` has ever accepted certificates of no trusted authority, during the life
//! of this server. [`crate::subject`] says why that matters, and makes the memory that all children share.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Not 0 if such certificates were accepted.
static MARK: OnceLock<Option<&'static AtomicU64>> = OnceLock::new();

/// Takes the memory from `make`, once in a process. The server and all its children must share it.
pub fn share(make: impl FnOnce() -> Option<&'static AtomicU64>) {
    MARK.get_or_init(make);
}

fn mark() -> Option<&'static AtomicU64> {
    MARK.get().copied().flatten()
}

/// Notes that such certificates are accepted from now on.
pub fn let_in() {
    mark().into_iter().for_each(|mark| mark.store(1, Ordering::Relaxed));
}

/// Whether any such certificate may have been accepted. Without the shared memory nobody knows, so the answer is yes.
pub fn may_be_let_in() -> bool {
    mark().is_none_or(|mark| mark.load(Ordering::Relaxed) != 0)
}
