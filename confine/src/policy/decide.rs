//! The ordered rules of one scope, and the decision they give for one request.
//!
//! Each rule is asked about the request's [`Facts`], and the first rule that matches decides. Without any rule, no rule
//! matches:
//!
//! ```
//! use confine::{
//!     Subject,
//!     backends::Backends,
//!     policy::{
//!         answer_cache::Holds,
//!         decide::{Decision, Rule, decide},
//!         facts::{Facts, Rows, Statement},
//!     },
//! };
//!
//! /// A request of nobody, in a server without variables, expressions or databases.
//! struct Nobody;
//!
//! impl Facts<()> for Nobody {
//!     fn subject(&self) -> Subject<'_> {
//!         Subject::default()
//!     }
//!     fn env(&self, _: &std::ffi::CStr) -> Option<&[u8]> {
//!         None
//!     }
//!     fn expr(&self, _: &()) -> Result<Vec<u8>, String> {
//!         Err("no expressions".to_owned())
//!     }
//!     fn database(&self) -> usize {
//!         0
//!     }
//!     fn holds(&self) -> Holds {
//!         Holds::Nothing
//!     }
//!     fn ask(&self, _: &Statement, _: &[&[u8]]) -> Result<Rows, String> {
//!         Err("no database".to_owned())
//!     }
//! }
//!
//! let backends = Backends::new(Vec::new()).unwrap_or_else(|errors| panic!("{errors:?}"));
//! let rules: [Rule<()>; 0] = [];
//! assert!(matches!(decide(&rules, &Nobody, &backends), Decision::Unmatched));
//! ```

use std::{borrow::Cow, ffi::CStr, path::Path, sync::Arc};

use super::{
    database::Database,
    facts::{Facts, Failure},
    live_map::LiveMap,
    supplied::{self, Unusable},
    transition_map::TransitionMap,
};
use crate::{
    backends::{Backends, Moves, Prepared, SameContext},
    context::{BackendName, excerpt},
    origin::Origin,
    subject::Subject,
    value::{Given, ValueError},
};

/// A rule in its final form. `E` is the compiled expression of the server.
pub struct Rule<E> {
    /// The line of the configuration.
    pub origin: Origin,
    /// How log lines show this line. It is ready because every request under a rule needs it.
    pub in_log: Box<str>,
    /// Where its context comes from.
    pub source: Source<E>,
    /// What this rule does when its context is the server's own. `Exempt` is for the rules of mod_selinux's directives.
    pub same_context: SameContext,
    /// The backends for the place of this rule, such as a virtual host with its own rulesets. `None` means the backends
    /// of the server.
    pub backends: Option<Arc<Backends>>,
}

/// Where a rule's context comes from.
pub enum Source<E> {
    /// The same for every request.
    Constant(Prepared),
    /// The first line of a map that matches.
    Map(Arc<LiveMap>),
    /// The first line of a table of patterns that matches. If none matches the file, the request is refused.
    Transitions(Arc<TransitionMap>),
    /// An environment variable. If it is not set or empty, the next rule is asked.
    Env {
        /// The variable.
        name: Box<CStr>,
        /// The backend of the value.
        backend: BackendName,
        /// Whether the directive itself names this backend.
        named: bool,
    },
    /// An expression. If its value is empty, the next rule is asked.
    Expr {
        /// Its parts, in their order.
        pieces: Box<[Piece<E>]>,
        /// Whose context the value is.
        backend: BackendName,
        /// Whether the directive says so itself.
        named: bool,
    },
    /// A row of a database. If there is no row, the next rule is asked.
    Database(Box<Database<E>>),
}

/// A part of a string expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<E> {
    /// Literal text.
    Literal(Box<str>),
    /// Literal text in the notation of expressions. The server has compiled it.
    Escaped(E),
    /// A value of the request. The server has compiled it.
    Value(E),
}

/// The place of the rule that decided, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleAt<'a> {
    /// Configuration file or map.
    pub file: &'a Path,
    /// Line in it, from 1.
    pub line: u32,
    /// How log lines show both, if that is ready.
    pub in_log: Option<&'a str>,
}

impl std::fmt::Display for RuleAt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// Moves prepared at startup, or held by this request.
pub enum MovesOf<'a> {
    /// They were prepared at startup.
    Prepared(&'a Moves),
    /// They are of a map, which can be replaced meanwhile. Or they were made for this request, from the value of a
    /// variable or an expression.
    Held(Arc<Moves>),
}

impl std::ops::Deref for MovesOf<'_> {
    type Target = Moves;
    fn deref(&self) -> &Moves {
        match self {
            Self::Prepared(m) => m,
            Self::Held(m) => m,
        }
    }
}

/// The decision of the rules for one request.
pub enum Decision<'a> {
    /// The request must move into these contexts.
    Confine(MovesOf<'a>, RuleAt<'a>),
    /// The request is exempt, because a rule says `unconfined`.
    Unconfined(RuleAt<'a>),
    /// No rule matched.
    Unmatched,
    /// A rule matched, but it cannot be carried out. The request must be refused.
    Failed(RuleAt<'a>, Failure),
}

/// Asks `rules` in their order. The first that matches decides.
pub fn decide<'a, E: 'a>(
    rules: impl IntoIterator<Item = &'a Rule<E>>,
    facts: &dyn Facts<E>,
    backends: &Backends,
) -> Decision<'a> {
    for rule in rules {
        let at = RuleAt { file: &rule.origin.file, line: rule.origin.line, in_log: Some(&rule.in_log) };
        let backends = rule.backends.as_deref().unwrap_or(backends);
        let made = match &rule.source {
            Source::Constant(prepared) => return fixed(prepared, at),
            Source::Map(live) => match by_map(live, &facts.subject(), backends) {
                Some(decision) => return decision,
                None => continue,
            },
            Source::Transitions(table) => return transition(table, facts.subject().path, at),
            Source::Env { name, backend, named } => match facts.env(name) {
                None | Some(b"") => continue,
                Some(value) => {
                    made([(true, Cow::Borrowed(value))], "environment variable", *backend, *named, backends)
                }
            },
            Source::Expr { pieces, backend, named } => match evaluate(pieces, facts) {
                Ok(pieces) if pieces.iter().all(|(_, piece)| piece.is_empty()) && !named => continue,
                Ok(pieces) => made(pieces, "expression", *backend, *named, backends),
                Err(message) => Err(Failure::Expression(message)),
            },
            Source::Database(database) => match database.contexts(facts, backends) {
                Ok(None) => continue,
                Ok(Some(moves)) => Ok(Prepared::Moves(moves)),
                Err(failure) => Err(failure),
            },
        };
        return match made {
            Ok(Prepared::Moves(moves)) => Decision::Confine(MovesOf::Held(moves), at),
            Ok(Prepared::Unconfined) => Decision::Unconfined(at),
            Err(failure) => Decision::Failed(at, failure),
        };
    }
    Decision::Unmatched
}

/// The decision of a map's current rules, if one matches.
fn by_map<'a>(live: &'a LiveMap, subject: &Subject<'_>, backends: &Backends) -> Option<Decision<'a>> {
    let ready = live.current();
    let hit = ready.map().lookup(subject)?;
    let at = RuleAt { file: live.path(), line: hit.line, in_log: None };
    Some(match ready.contexts(hit.list, backends) {
        Ok(prepared) => held(&prepared, at),
        Err(error) => Decision::Failed(at, Failure::Prepare(error)),
    })
}

fn fixed<'a>(prepared: &'a Prepared, at: RuleAt<'a>) -> Decision<'a> {
    match prepared {
        Prepared::Unconfined => Decision::Unconfined(at),
        Prepared::Moves(moves) => Decision::Confine(MovesOf::Prepared(moves), at),
    }
}

/// As [`fixed`], for contexts that may end before the decision.
fn held<'a>(prepared: &Prepared, at: RuleAt<'a>) -> Decision<'a> {
    match prepared {
        Prepared::Unconfined => Decision::Unconfined(at),
        Prepared::Moves(moves) => Decision::Confine(MovesOf::Held(Arc::clone(moves)), at),
    }
}

fn transition<'a>(table: &'a TransitionMap, path: Option<&[u8]>, at: RuleAt<'a>) -> Decision<'a> {
    let path = path.unwrap_or_default();
    match table.lookup(path) {
        Some((line, prepared)) => {
            let at = RuleAt { file: table.path(), line, in_log: None };
            prepared.map_or(Decision::Failed(at, Failure::NoContext), |prepared| fixed(prepared, at))
        }
        None => {
            let path = String::from_utf8_lossy(path).into_owned();
            Decision::Failed(at, Failure::NoTransition { path, table: table.path().display().to_string() })
        }
    }
}

/// The text of a part. The `bool` says whether the request supplied it.
type Evaluated<'p> = (bool, Cow<'p, [u8]>);

/// The texts of an expression's parts.
fn evaluate<'p, E>(pieces: &'p [Piece<E>], facts: &dyn Facts<E>) -> Result<Vec<Evaluated<'p>>, String> {
    let piece = |piece: &'p Piece<E>| match piece {
        Piece::Literal(text) => Ok((false, Cow::Borrowed(text.as_bytes()))),
        Piece::Escaped(expr) => Ok((false, Cow::Owned(facts.expr(expr)?))),
        Piece::Value(expr) => Ok((true, Cow::Owned(facts.expr(expr)?))),
    };
    pieces.iter().map(piece).collect()
}

/// The decision for one context that a request supplied.
fn made<'v>(
    pieces: impl IntoIterator<Item = Evaluated<'v>>,
    of: &'static str,
    backend: BackendName,
    named: bool,
    backends: &Backends,
) -> Result<Prepared, Failure> {
    let pieces: Vec<_> = pieces.into_iter().collect();
    let texts = pieces.iter().map(|(is_value, bytes)| Ok((*is_value, std::str::from_utf8(bytes)?)));
    let texts = texts.collect::<Result<Vec<_>, std::str::Utf8Error>>().map_err(|_| Failure::NotText(of))?;
    let given = Given::join(texts);
    supplied::prepare(&given, backend, named, backends).map_err(|unusable| match unusable {
        Unusable::Prepare(error) => Failure::Prepare(error),
        Unusable::Value(ValueError::Unconfined) => Failure::Unconfined { of, value: given.text().to_owned() },
        Unusable::Value(error) => Failure::Value { of, value: excerpt(given.text()), error },
    })
}

#[cfg(test)]
mod tests;
