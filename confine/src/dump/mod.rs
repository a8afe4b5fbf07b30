//! What the module tells `confinectl` about a configuration, and what it is asked about one request.
//!
//! The server reads its configuration itself (`httpd -t -D CONFINE_DUMP`), and the module writes what it made
//! of it to standard output: one record a line ([`Record`]), which other modules' output may stand between.
//! Both sides use the types here, so what one writes the other reads.

mod answer;
mod configuration;
mod record;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Found, Kernel, Outcome, Question, Verdict};
pub use configuration::{Dump, Kind, Rule, Ruleset, Section, Server, Setting, User};
pub use record::{Record, RecordError};

/// Defined (`-D`), it makes the module write what it read; under `-t` alone.
pub const DUMP: &str = "CONFINE_DUMP";

/// Defined beside [`DUMP`], it makes the module answer the [`Question`] in the environment variable of this
/// name.
pub const EXPLAIN: &str = "CONFINE_EXPLAIN";
