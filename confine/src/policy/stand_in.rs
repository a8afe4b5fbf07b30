//! For tests: a request with tables in place of the server and its databases, and two real Landlock rulesets.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    ffi::CStr,
};

use super::{
    answer_cache::Holds,
    decide::Decision,
    facts::{Facts, Rows, Statement},
};
use crate::{
    Origin, Subject,
    backends::Backends,
    lsm::landlock::{Ports, RulesetSpec},
};

/// A request as the rules see it, and the databases that it could ask.
#[derive(Default)]
pub(super) struct Request {
    pub user: Option<&'static [u8]>,
    pub path: Option<&'static [u8]>,
    pub env: HashMap<&'static CStr, &'static [u8]>,
    /// The number of the database that it asks.
    pub database: usize,
    /// What the database gives for these values.
    pub rows: HashMap<Vec<Vec<u8>>, Rows>,
    /// Whether the database cannot be reached.
    pub away: Cell<bool>,
    /// The questions so far.
    pub asked: RefCell<Vec<String>>,
}

/// The expressions of these tests: each is what it gives.
pub(super) type Expression = Result<&'static [u8], &'static str>;

impl Facts<Expression> for Request {
    fn subject(&self) -> Subject<'_> {
        Subject { user: self.user, path: self.path, ..Subject::default() }
    }

    fn env(&self, name: &CStr) -> Option<&[u8]> {
        self.env.get(name).copied()
    }

    fn expr(&self, expr: &Expression) -> Result<Vec<u8>, String> {
        expr.map(<[u8]>::to_vec).map_err(str::to_owned)
    }

    fn database(&self) -> usize {
        self.database
    }

    fn holds(&self) -> Holds {
        Holds::Nothing
    }

    fn ask(&self, statement: &Statement, values: &[&[u8]]) -> Result<Rows, String> {
        let texts: Vec<_> = values.iter().map(|v| String::from_utf8_lossy(v)).collect();
        self.asked.borrow_mut().push(format!("{}({})", statement.label.to_string_lossy(), texts.join(",")));
        if self.away.get() {
            return Err("no connection".to_owned());
        }
        let values: Vec<Vec<u8>> = values.iter().map(|v| v.to_vec()).collect();
        Ok(self.rows.get(&values).cloned().unwrap_or(Rows::None))
    }
}

/// Two rulesets, `a` and `b`, that a kernel of any ABI can make.
pub(super) fn backends() -> Backends {
    let spec = |name| RulesetSpec {
        min_abi: 1,
        connect: Ports::Any,
        bind: Ports::Any,
        ..RulesetSpec::new(name, Origin::new("httpd.conf", 1))
    };
    Backends::new(vec![spec("a"), spec("b")]).unwrap_or_else(|e| panic!("{e:?}"))
}

/// A decision as one text: the contexts, or why there are none, and the rule.
pub(super) fn told(decision: Decision<'_>) -> String {
    match decision {
        Decision::Confine(moves, at) => format!("{} by {at}", moves.text.to_string_lossy()),
        Decision::Unconfined(at) => format!("unconfined by {at}"),
        Decision::Unmatched => "unmatched".to_owned(),
        Decision::Failed(at, failure) => format!("failed by {at}: {failure}"),
    }
}
