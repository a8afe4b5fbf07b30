//! What this process tells the others: how many workers it waits for, and how many rest.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use confine::tally::Child;

static HERE: OnceLock<Child<'static>> = OnceLock::new();

/// Sets the place of this process. Only the first call counts.
pub fn is(child: Child<'static>) {
    let _ = HERE.set(child);
}

/// The place of this process, if it has one.
pub fn here() -> Option<&'static Child<'static>> {
    HERE.get()
}

fn change(pick: impl FnOnce(&Child<'static>) -> &'static AtomicU64, by: u64) {
    if let Some(child) = here() {
        pick(child).fetch_add(by, Ordering::Relaxed);
    }
}

/// A worker begins.
pub fn worker_begins() {
    change(Child::in_flight, 1);
}

/// A worker ended, or rests.
pub fn worker_ended() {
    change(Child::in_flight, 1_u64.wrapping_neg());
}

/// So many kept workers have no request now.
pub fn workers_rest(number: usize) {
    if let Some(child) = here() {
        child.resting().store(number as u64, Ordering::Relaxed);
    }
}
