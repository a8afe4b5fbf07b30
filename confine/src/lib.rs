//! Who may touch what: maps, contexts and kernel backends, with no web server in sight.
//!
//! Data goes one way. A [`Subject`] (the facts of a request) meets an ordered list of [`policy::decide::Rule`]s.
//! The first rule that matches names one or more [`Context`]s. A backend turned each of them into a [`lsm::Move`]
//! beforehand. [`lsm::Enter::enter`] moves the calling thread, and no function leads back.
//!
//! The modules stand in layers, and each imports only what stands below it:
//!
//! ```text
//! learn         what was seen so, kept in files
//! watch         what a request does, seen while it runs unconfined
//! policy        the rules, and the decision they give for one request
//! map           files of rules: syntax, tables, copies
//! backends      all backends of this build, and contexts prepared by them
//! lsm           one backend for each security module
//! value         contexts that a request supplies
//! status        what the status page tells, in each of its forms
//! context, subject, origin, problem, field, php, resting, spelling, tally
//! ```

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
pub mod hints;
pub mod learn;
pub mod lsm;
pub mod map;
pub mod origin;
pub mod php;
pub mod policy;
pub mod problem;
pub mod resting;
pub mod spelling;
pub mod status;
pub mod subject;
pub mod tally;
pub mod value;
pub mod watch;

pub use context::{BackendName, Context, ContextList};
pub use origin::Origin;
pub use subject::Subject;
