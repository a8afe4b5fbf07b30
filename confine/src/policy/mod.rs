//! The rules of a configuration, their sources of contexts, and the decision for one request.
//!
//! | module | what it has |
//! |---|---|
//! | [`decide`] | the rules in their order, and the decision |
//! | [`facts`] | what a decision asks of the server |
//! | [`prepared_map`], [`live_map`] | maps whose contexts are prepared, and maps that follow their files |
//! | [`database`], [`answer_cache`] | contexts in a database, and answers that are kept |
//! | [`supplied`] | contexts that a request supplies |
//! | [`transition_map`] | the tables of TOMOYO's own Apache module |
//!
//! A rule has a place in the configuration, a source of contexts, and the backends that it finds:
//!
//! ```
//! use confine::{
//!     Origin,
//!     backends::{Prepared, SameContext},
//!     policy::decide::{Rule, Source},
//! };
//!
//! let rule: Rule<()> = Rule {
//!     origin: Origin::new("httpd.conf", 7),
//!     in_log: "httpd.conf:7".into(),
//!     source: Source::Constant(Prepared::Unconfined),
//!     same_context: SameContext::Refused,
//!     backends: None,
//! };
//! assert_eq!(rule.origin.to_string(), "httpd.conf:7");
//! ```

pub mod answer_cache;
pub mod database;
pub mod decide;
pub mod facts;
pub mod live_map;
pub mod prepared_map;
#[cfg(test)]
mod stand_in;
pub mod supplied;
pub mod transition_map;
