//! A ruleset of which a path was missing when a running server read its configuration again.
//!
//! The server goes on. Requests that need the ruleset are refused, and the log names the path, until the path is there.
//! Requests themselves look for it, at most once a second. A ruleset that is complete costs nothing here.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use super::{RulesetError, RulesetSpec, ruleset::Blueprint, ruleset_move::Ruleset, way::Trust};
use crate::lsm::{EnterError, escaped};
use crate::problem::Problem;

/// How long a child waits before it looks again.
const PERIOD: Duration = Duration::from_secs(1);

/// The end of the line that says so when the configuration is read.
pub const NOT_WHOLE: &str = "a server that starts stops at this; after a reload the server goes on, and refuses \
                             requests that need this ruleset until it is whole";

/// A ruleset that could not be made.
pub(super) struct Absent {
    pub spec: RulesetSpec,
    abi: u32,
    /// Who may have made a link on the way to a path. It was set when the configuration was read, because a child runs
    /// as another user than the one who started the server.
    trust: Trust,
    /// When a request last looked for the paths, and what was wrong then.
    tried: Mutex<(Option<Instant>, Vec<RulesetError>)>,
    back: OnceLock<Ruleset>,
}

impl Absent {
    pub(super) fn new(spec: RulesetSpec, abi: u32, trust: Trust, faults: Vec<RulesetError>) -> Self {
        Self { spec, abi, trust, tried: Mutex::new((None, faults)), back: OnceLock::new() }
    }

    /// The ruleset, if all its paths are there now.
    pub(super) fn back(&self) -> Result<&Ruleset, EnterError> {
        if let Some(back) = self.back.get() {
            return Ok(back);
        }
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if tried.0.is_none_or(|then| then.elapsed() >= PERIOD) {
            match self.make() {
                Ok(made) => return Ok(self.back.get_or_init(|| made)),
                Err(faults) => *tried = (Some(Instant::now()), faults),
            }
        }
        Err(self.refused(&tried.1))
    }

    fn make(&self) -> Result<Ruleset, Vec<RulesetError>> {
        let blueprint = Blueprint::new(&self.spec, self.abi, &self.trust).map_err(|faults| faults.all())?;
        Ruleset::of(blueprint, &self.spec.origin).map_err(|e| vec![e])
    }

    fn refused(&self, faults: &[RulesetError]) -> EnterError {
        let name = escaped(&self.spec.full_name());
        let (why, errno, remedy) = match faults.first() {
            Some(first) => (
                format!("{} ({})", first.problem.why, first.origin),
                first.problem.errno,
                first.problem.remedy.clone(),
            ),
            None => ("it could not be made".to_owned(), None, "restart the server".to_owned()),
        };
        EnterError {
            problem: Problem {
                why: format!("the ruleset {name} is not whole since the configuration was read again: {why}"),
                errno,
                remedy: format!("{remedy}; once that is done its requests are served, without a restart"),
            },
            forbidden: false,
        }
    }

    /// The lines for the log when the configuration is read.
    pub(super) fn warnings(&self) -> Vec<String> {
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        tried.1.iter().map(|fault| format!("{fault}; {NOT_WHOLE}")).collect()
    }
}
