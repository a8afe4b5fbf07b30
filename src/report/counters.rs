//! Counts of what happened to requests, shared by the server and all its children, kept over
//! restarts.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use crate::thread::shared_memory;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counter {
    /// Moved into their contexts.
    Confined,
    /// Left to another process to make, as ConfineOutOfProcess allows; no context of this module's holds that.
    OutOfProcess,
    /// Would have been moved (report mode).
    WouldConfine,
    /// Would have been left to another process (report mode).
    WouldBeOutOfProcess,
    /// Would have been refused (report mode).
    WouldRefuse,
    /// Exempt by a rule that says `unconfined`.
    Exempt,
    /// No rule matched, and ConfineUnmatched allows that.
    UnmatchedAllowed,
    /// Refused: no rule matched.
    RefusedUnmatched,
    /// Refused: a value is no context, or the kernel refused it.
    RefusedContext,
    /// Refused: an expression failed.
    RefusedExpression,
    /// Refused: a database could not be asked.
    RefusedDatabase,
    /// Refused: a value of the request is not one path component.
    RefusedValue,
    /// Refused: the content would be made in another process.
    RefusedOutOfProcess,
    /// Refused: a page about the server that the configuration did not put there.
    RefusedServerPage,
    /// Refused: the handler wanted to go on outside the worker.
    RefusedSuspended,
    /// Refused: a `.htaccess` file names code that would run outside of the context.
    RefusedCode,
    /// Refused: no thread could be made.
    NoThread,
    /// Refused: a fault of this module.
    Panic,
}

/// Every counter with its name as shown to people and programs.
pub const ALL: [(Counter, &str); 18] = [
    (Counter::Confined, "Confined"),
    (Counter::OutOfProcess, "OutOfProcess"),
    (Counter::WouldConfine, "WouldConfine"),
    (Counter::WouldBeOutOfProcess, "WouldBeOutOfProcess"),
    (Counter::WouldRefuse, "WouldRefuse"),
    (Counter::Exempt, "Exempt"),
    (Counter::UnmatchedAllowed, "UnmatchedAllowed"),
    (Counter::RefusedUnmatched, "RefusedUnmatched"),
    (Counter::RefusedContext, "RefusedContext"),
    (Counter::RefusedExpression, "RefusedExpression"),
    (Counter::RefusedDatabase, "RefusedDatabase"),
    (Counter::RefusedValue, "RefusedValue"),
    (Counter::RefusedOutOfProcess, "RefusedOutOfProcess"),
    (Counter::RefusedServerPage, "RefusedServerPage"),
    (Counter::RefusedSuspended, "RefusedSuspended"),
    (Counter::RefusedCode, "RefusedCode"),
    (Counter::NoThread, "NoThread"),
    (Counter::Panic, "Panic"),
];

type Table = [AtomicU64; ALL.len()];

static SHARED: OnceLock<Option<&'static Table>> = OnceLock::new();

/// Makes the shared counters, once a process. To be called before children are forked.
pub fn prepare() {
    SHARED.get_or_init(shared_memory::numbers);
}

fn table() -> Option<&'static Table> {
    SHARED.get().copied().flatten()
}

/// Counts one.
pub fn add(counter: Counter) {
    if let Some(table) = table() {
        table[counter as usize].fetch_add(1, Ordering::Relaxed);
    }
}

/// A count since the server was started.
pub fn get(counter: Counter) -> u64 {
    table().map_or(0, |t| t[counter as usize].load(Ordering::Relaxed))
}
