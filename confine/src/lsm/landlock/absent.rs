//! A ruleset whose paths were not all there when a running server read its configuration again.
//!
//! The server goes on, and requests that need the ruleset are refused, with the path in the log, until it is whole.
//! Whether it is, the requests themselves find out, at most once a second; a ruleset that is whole costs nothing.

use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use super::{Ruleset, RulesetError, RulesetSpec, ruleset::Blueprint, way::Trust};
use crate::lsm::{EnterError, escaped};
use crate::problem::Problem;

/// Between two looks, in each child.
const PERIOD: Duration = Duration::from_secs(1);

/// What is known of such a ruleset.
pub(super) struct Absent {
    pub spec: RulesetSpec,
    abi: u32,
    /// As it was when the configuration was read: a child is somebody else than who started the server.
    trust: Trust,
    /// When it was last looked for (by a request), and what was wrong then.
    tried: Mutex<(Option<Instant>, Vec<RulesetError>)>,
    back: OnceLock<Ruleset>,
}

impl Absent {
    pub(super) fn new(spec: RulesetSpec, abi: u32, trust: Trust, faults: Vec<RulesetError>) -> Self {
        Self { spec, abi, trust, tried: Mutex::new((None, faults)), back: OnceLock::new() }
    }

    /// The ruleset, if it is whole by now.
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

    /// For the log, at the reading.
    pub(super) fn warnings(&self) -> Vec<String> {
        let tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let warning = |fault: &RulesetError| {
            format!(
                "{fault}; the server goes on, and requests that need this ruleset are refused until it is whole"
            )
        };
        tried.1.iter().map(warning).collect()
    }
}
