//! What the module tells `confinectl` about a configuration, and what it is asked about one request.
//!
//! The server reads its configuration itself (`httpd -t -D CONFINE_DUMP`), and the module writes what it made
//! of it to standard output ([`Dump::lines`]). Both sides use the types here, so the one reads what the other
//! writes.
//!
//! ```
//! use confine::dump::{Dump, User};
//!
//! let user = Some(User { name: "www-data".to_owned(), id: 33 });
//! let dump = Dump { user, ..Dump::default() };
//! let printed = format!("[Mon Jan 01] another module\n{}Syntax OK\n", dump.lines().unwrap());
//! assert_eq!(Dump::parse(&printed).unwrap(), dump);
//! ```

mod answer;
mod configuration;
mod lines;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Attempt, Attempted, Found, Kernel, Object, Outcome, Question, Verdict};
pub use configuration::{Dump, GrantedPath, Kind, Program, Rule, Ruleset, Section, Server, Setting, User};
pub use lines::DumpError;

/// If this is defined (`-D`), the module writes what it read. It does so under `-t` alone.
pub const DUMP: &str = "CONFINE_DUMP";

/// If this is defined beside [`DUMP`], the module answers the [`Question`] in the environment variable of this
/// name.
pub const EXPLAIN: &str = "CONFINE_EXPLAIN";
