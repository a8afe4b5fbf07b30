//! The one boundary that every function called by C passes. No panic crosses it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs `body`; a panic in it becomes the value that `fallback` makes of the panic's message.
///
/// To unwind through frames of C is undefined behaviour. So the body of every `extern "C"` function of this module is
/// one call of `guard`. `AssertUnwindSafe` is right here for two reasons. A request whose code panicked is refused as
/// a whole, and what only this request used is dropped with it. What requests share is atomics, configuration that
/// they only read, and values behind locks, whose users go on after a panic of another user.
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
