//! Who may touch what: maps, contexts and kernel backends, with no web server in sight.
//!
//! Data goes one way: a [`Subject`] (facts of a request) meets an ordered list of [`rule::Rule`]s;
//! the first that matches names one or more [`Context`]s; a backend turned each of them into a
//! [`lsm::Move`] beforehand; [`lsm::Enter::enter`] moves the calling thread, and no function leads
//! back.

#[macro_use]
mod backend_list;

pub mod backends;
pub mod bytes;
pub mod context;
pub mod dump;
pub mod field;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzz_log;
pub mod lsm;
pub mod map;
pub mod origin;
pub mod php;
pub mod policy;
pub mod problem;
pub mod resting;
pub mod subject;
pub mod value;

pub use context::{BackendName, Context, ContextList};
pub use origin::Origin;
pub use subject::Subject;
