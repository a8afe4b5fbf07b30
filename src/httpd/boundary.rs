//! The one boundary that every function called by C passes: no panic crosses it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs `body`; a panic in it becomes the value that `fallback` makes of the panic's message.
///
/// Unwinding through C frames is undefined, so each `extern "C"` function of this module consists
/// of one call of this. `AssertUnwindSafe` holds because a request that panicked is refused as a
/// whole and what it alone touched is dropped with it; state shared between requests consists of
/// atomics and of configuration that requests only read.
pub fn guard<T>(body: impl FnOnce() -> T, fallback: impl FnOnce(&str) -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(payload) => {
            let value = fallback(message(&*payload));
            // A payload whose drop panics would unwind from here: forgetting it leaks a few bytes.
            std::mem::forget(payload);
            value
        }
    }
}

fn message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}
