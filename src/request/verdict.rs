//! The answer of the rules to a request, under the settings of its scope.

use confine::policy::{
    decide::{Decision, MovesOf, Rule, RuleAt, decide},
    facts::Failure,
};

use super::scope::Scope;
use crate::{
    config::Unmatched,
    httpd::{expression::Expression, request::Request},
    report::{Grounds, Refusal},
    subject::RequestFacts,
    worker::fault,
};

/// The answer of the rules to one request. It has not been logged or carried out yet.
#[must_use = "a verdict that nobody carries out lets the request go on"]
pub struct Verdict<'a> {
    /// The user, proven when the rules were asked, and the rule that decided.
    pub grounds: Grounds<'a>,
    /// What happens with the request.
    pub outcome: Outcome<'a>,
}

/// What happens with a request.
pub enum Outcome<'a> {
    /// It moves into these contexts.
    Confine(MovesOf<'a>),
    /// It is exempt.
    Exempt,
    /// No rule matched, and that is allowed.
    LetThrough,
    /// It is refused.
    Refuse(Refusal),
}

impl<'a> Verdict<'a> {
    /// Asks these rules.
    pub fn of<'r: 'a>(
        r: &mut Request<'r>,
        scope: Scope<'a>,
        rules: impl IntoIterator<Item = &'a Rule<Expression>>,
    ) -> Self {
        fault::at_move(r);
        let facts = RequestFacts::of(r);
        let grounds = Grounds::of_user(facts.user());
        Self::under(scope, grounds, decide(rules, &facts, &scope.policy.backends))
    }

    /// What follows from a decision in this scope.
    pub fn under(scope: Scope<'_>, grounds: Grounds<'a>, decision: Decision<'a>) -> Self {
        let by = |rule: RuleAt<'a>, outcome| Self { grounds: grounds.by(rule), outcome };
        match decision {
            Decision::Confine(moves, rule) => by(rule, Outcome::Confine(moves)),
            Decision::Unconfined(rule) => by(rule, Outcome::Exempt),
            Decision::Unmatched if scope.unmatched() == Unmatched::Allow => {
                Self { grounds, outcome: Outcome::LetThrough }
            }
            Decision::Unmatched => Self { grounds, outcome: Outcome::Refuse(Refusal::unmatched()) },
            Decision::Failed(rule, failure) => by(rule, Outcome::Refuse(refusal_of(&failure))),
        }
    }
}

fn refusal_of(failure: &Failure) -> Refusal {
    match failure {
        Failure::Expression(_) => Refusal::expression(failure),
        Failure::Database { .. } => Refusal::database(failure),
        _ => Refusal::context(failure),
    }
}
