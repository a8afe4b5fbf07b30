//! What the configuration says, from the directives' words to what a request meets.
//!
//! Two things are kept apart. While the configuration is read, one thread fills [`Written`] with what the directives
//! say. Once all is read, [`crate::startup`] makes the [`Policy`] of it, which all threads share and nobody changes.
//! Both hang on the configuration's pool and end with it. Nothing of them is kept anywhere else.
//!
//! What holds for one server section or one directory section stands in the server's own vectors ([`ServerConfig`],
//! [`DirectoryConfig`]), because only the server knows how its sections are merged.

pub mod directives;
mod edit;
pub mod fastcgi;
pub mod handlers;
pub mod makers;
pub mod named_code;
pub mod noting;
pub mod php;
mod policy;
pub mod rulesets;
mod scopes;
mod settings;
pub mod unverified_certificates;
mod written;

pub use self::{
    edit::name_code,
    policy::{MapProgram, Policy, WatchedMap},
    scopes::{DIRECTORY, DirectoryConfig, SERVER, ServerConfig},
    settings::{Gate, Mode, OutOfProcess, PhpCache, Settings, Unmatched, WorkerLimits, Workers},
    written::{
        Servers, Standing, Vocabulary, Written, WrittenDirective, WrittenPoolHandler, WrittenRule,
        WrittenRuleset, WrittenServerContext, WrittenSource,
    },
};

#[cfg(feature = "fault-injection")]
pub use self::settings::Fault;

/// Everything that is wrong, one text each, beginning with file and line.
pub type Faults = Vec<String>;
