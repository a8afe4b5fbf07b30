//! The values that directives set for a server section or a directory section.

use std::time::Duration;

/// Which gate takes requests over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gate {
    /// Before the first phase.
    Process,
    /// Before the content handler.
    Handler,
}

/// The limits of workers that serve several requests: the words behind `per-context`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WorkerLimits {
    /// The most workers that one child keeps, resting ones and those at work.
    pub max: usize,
    /// A worker ends after this time without work.
    pub idle: Duration,
    /// A worker ends after this many requests.
    pub requests: u32,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self { max: 64, idle: Duration::from_secs(10), requests: 1000 }
    }
}

/// How long a worker lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workers {
    /// For one request.
    OneTime,
    /// For further requests of its context, within limits.
    PerContext(WorkerLimits),
}

/// What a request without a matching rule gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unmatched {
    /// The request is answered with 403.
    Deny,
    /// The request runs with the server's own privileges.
    Allow,
}

/// Whether decisions are carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// They are carried out.
    Enforce,
    /// They are only logged and counted.
    Report,
    /// They are only logged and counted, and what each ruleset's requests do is written down.
    Learn,
}

/// What content that another process makes gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutOfProcess {
    /// The request is answered with 403.
    Deny,
    /// It is made, and the log says so once a child.
    Warn,
    /// It is made, and nothing is said.
    Allow,
}

/// What confined requests have of what PHP shares between requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PhpCache {
    /// Nothing that a setting of PHP's can take away.
    Off,
    /// All of it, because the contexts trust each other.
    Shared,
}

/// Where a request is made to panic, for tests of what happens then.
#[cfg(feature = "fault-injection")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// In the gate, before the worker.
    Gate,
    /// At the worker's start.
    Worker,
    /// In the move.
    Move,
    /// There is no panic here: the worker's pool is asked for more memory than there is.
    Memory,
}

/// The settings of a directory section. What is `None` is inherited.
#[derive(Clone, Copy, Default)]
pub struct Settings {
    /// `ConfineUnmatched`.
    pub unmatched: Option<Unmatched>,
    /// `ConfineMode`.
    pub mode: Option<Mode>,
    /// `ConfineExplain`.
    pub explain: Option<bool>,
    /// `ConfineOutOfProcess`.
    pub out_of_process: Option<OutOfProcess>,
    /// `ConfineAllowCache`.
    pub allow_cache: Option<bool>,
    /// `ConfinePHPCache`.
    pub php_cache: Option<PhpCache>,
    /// `ConfineFault`.
    #[cfg(feature = "fault-injection")]
    pub fault: Option<Fault>,
}

impl Settings {
    /// These settings over those of an outer scope.
    pub(super) fn over(self, outer: Self) -> Self {
        Self {
            unmatched: self.unmatched.or(outer.unmatched),
            mode: self.mode.or(outer.mode),
            explain: self.explain.or(outer.explain),
            out_of_process: self.out_of_process.or(outer.out_of_process),
            allow_cache: self.allow_cache.or(outer.allow_cache),
            php_cache: self.php_cache.or(outer.php_cache),
            #[cfg(feature = "fault-injection")]
            fault: self.fault.or(outer.fault),
        }
    }
}
