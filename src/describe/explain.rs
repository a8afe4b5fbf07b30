//! What a request would meet, rule by rule, for `confinectl explain`. The look-ups, decisions and refusals are those
//! of `request`. Nothing is logged or counted, and no thread moves.

use std::ffi::CString;

use confine::{
    Context, ContextList, Origin,
    backends::SameContext,
    bytes::Bytes,
    dump::{Answer, Attempted, Found, Kernel, Outcome, Question, Verdict},
    lsm::{Backend, Moved},
    policy::decide::{Decision, MovesOf, Rule, RuleAt, Source, decide},
};

use super::access;
use crate::{
    config::{DirectoryConfig, OutOfProcess, Unmatched, fastcgi::Program},
    httpd::{
        expression::Expression,
        pool::Pool,
        request::Request,
        server::Server,
        synthetic_request::{self, SyntheticRequest},
    },
    report::{self, Grounds, Refusal},
    request::{
        elsewhere,
        enter::{Extent, From, try_moves},
        modules::fastcgi,
        refusal_of_code,
        scope::{Scope, WatchedFor},
        verdict,
    },
    subject::{RequestFacts, take_for_proven},
};

/// Makes the request that the question describes, and asks the rules that apply to it.
pub fn answer<'p>(
    main: &Server<'p>,
    pool: Pool<'p>,
    question: &Question,
    programs: &[Program],
) -> Result<Answer, String> {
    let SyntheticRequest { request: mut r, to, status: at_once } =
        synthetic_request::receive(main, pool, question)?;
    let host = r.server().id();
    let server = main.with_hosts().iter().position(|s| s.id() == host).unwrap_or(0);
    // The early move is decided before the sections are merged, from the virtual host, the address and the headers
    // alone. This is so in a worker, too.
    let early = Scope::of(&mut r).ok().filter(|_| at_once.is_none());
    let early = early.and_then(|scope| early_move(&mut r, scope, question));
    let found = match at_once {
        Some(status) => Err(status.into()),
        None => r.find_configuration(question.path.as_deref()),
    };
    let (not_asked, status) = match found {
        Ok(not_asked) => (not_asked, None),
        Err(status) => (Vec::new(), u16::try_from(status).ok()),
    };
    complete(&mut r, pool, question)?;
    let mut answer = Answer { server, to, not_asked, status, ..arrival(&r) };
    if let Ok(scope) = Scope::of(&mut r) {
        if scope.reports_only() {
            let learns = scope.watched_for() == Some(WatchedFor::Learning);
            if learns { "learn" } else { "report" }.clone_into(&mut answer.mode);
        }
        if scope.unmatched() == Unmatched::Allow {
            "allow".clone_into(&mut answer.unmatched);
        }
        ask(&mut r, scope, (question, programs), early, &mut answer);
    } else {
        answer.outcome =
            fastcgi::refusal_without_contexts(&r).map(|refusal| refused_outright(None, None, &refusal));
    }
    Ok(answer)
}

/// Where the request arrives, and what is set there, before anything is decided.
fn arrival(r: &Request<'_>) -> Answer {
    let settings = DirectoryConfig::of(r).map(|d| d.settings).unwrap_or_default();
    Answer {
        server: 0,
        to: String::new(),
        uri: r.uri().map(|u| u.to_bytes().into()).unwrap_or_default(),
        path: r.filename().map(|f| f.to_bytes().into()),
        rest: r.path_info().map(|i| i.to_bytes().into()).filter(|i: &Bytes| !i.is_empty()),
        not_asked: Vec::new(),
        status: None,
        mode: "enforce".to_owned(),
        unmatched: "deny".to_owned(),
        out_of_process: settings.out_of_process.map(|o| shown(o).to_owned()),
        early: None,
        verdicts: Vec::new(),
        outcome: None,
        kernel: Vec::new(),
        attempted: Vec::new(),
    }
}

/// Decides in the order in which a request meets the decisions: the early move, code in `.htaccess`, the rules.
/// The first that ends the request is the last that is asked.
fn ask(r: &mut Request<'_>, scope: Scope<'_>, asked: Asked<'_>, early: Option<Early>, answer: &mut Answer) {
    let mut after = None;
    if let Some(early) = early {
        answer.early = Some(early.verdict);
        answer.kernel.extend(early.kernel);
        answer.attempted.extend(early.attempted);
        (answer.outcome, after) = (early.outcome, early.contexts);
    }
    if answer.outcome.is_none() && answer.status.is_none() && after.is_none() && scope.rules.is_some() {
        // The code in .htaccess files is part of the configuration that was found.
        let refusal = refusal_of_code(r, scope).filter(|_| !scope.reports_only());
        answer.outcome = refusal.map(|refusal| refused(scope, None, None, &refusal));
    }
    if answer.outcome.is_none() && answer.status.is_none() {
        decide_here(r, scope, asked, after.as_ref(), answer);
    }
}

/// Adds what the phases between the sections and the content would add: variables and the user.
fn complete<'p>(r: &mut Request<'p>, pool: Pool<'p>, question: &Question) -> Result<(), String> {
    for variable in &question.env {
        let equals = variable.iter().position(|b| *b == b'=').ok_or("--env takes NAME=VALUE")?;
        r.set_env(pool.text(&variable[..equals]), pool.text(&variable[equals + 1..]));
    }
    if let Some(user) = &question.user {
        CString::new(&**user).map_err(|_| "--user holds a NUL byte")?;
        take_for_proven(r, pool.text(user));
    }
    Ok(())
}

fn shown(value: OutOfProcess) -> &'static str {
    match value {
        OutOfProcess::Deny => "deny",
        OutOfProcess::Warn => "warn",
        OutOfProcess::Allow => "allow",
    }
}

/// The question, and the programs that have processes of their own.
type Asked<'q> = (&'q Question, &'q [Program]);

/// What the early move does with the request.
struct Early {
    verdict: Verdict,
    /// The outcome, where the request ends with the early move.
    outcome: Option<Outcome>,
    /// The contexts that the worker is in from then on.
    contexts: Option<ContextList>,
    kernel: Option<Kernel>,
    attempted: Vec<Attempted>,
}

fn early_move(r: &mut Request<'_>, scope: Scope<'_>, question: &Question) -> Option<Early> {
    let index = scope.server.early?;
    let rule = &scope.policy.rules[index];
    let verdict = verdict_of(r, scope, question, index, rule);
    let decided = decision(r, scope, question, [rule]);
    let report = scope.reports_only();
    let mut early = Early { verdict, outcome: None, contexts: None, kernel: None, attempted: Vec::new() };
    let decided = verdict::Verdict::under(scope, Grounds::of(r), decided);
    let at = decided.grounds.rule();
    match decided.outcome {
        verdict::Outcome::Confine(moves) => {
            if question.kernel {
                early.kernel = Some(ask_kernel(scope, &moves, rule.same_context, None));
            }
            match try_moves(r, scope, &moves, Extent::Tried, From::Server) {
                Ok(()) => {
                    early.contexts = Some(contexts(&moves)).filter(|_| !report);
                    // The request's own file is not known yet. It is asked about later, with the rulesets of the
                    // later move.
                    early.attempted = access::judge(r, scope, &moves, &question.attempts);
                }
                Err(refusal) if !report => early.outcome = Some(refused(scope, at, Some(&moves), &refusal)),
                Err(_) => {}
            }
        }
        verdict::Outcome::Refuse(refusal) if !report => {
            early.outcome = Some(refused(scope, at, None, &refusal));
        }
        verdict::Outcome::Refuse(_) | verdict::Outcome::Exempt | verdict::Outcome::LetThrough => {}
    }
    Some(early)
}

/// Asks every rule alone, and all of them as a request would.
fn decide_here(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    (question, programs): Asked<'_>,
    after: Option<&ContextList>,
    answer: &mut Answer,
) {
    let Some(directory) = scope.rules else {
        let without = fastcgi::refusal_without_contexts(r).filter(|_| after.is_none());
        let refused = without.map(|refusal| refused_outright(None, None, &refusal));
        answer.outcome = Some(refused.unwrap_or_else(|| plain("no rules", None)));
        return;
    };
    let indices: Vec<_> = directory.rules(scope.policy).collect();
    answer.verdicts =
        indices.iter().map(|i| verdict_of(r, scope, question, *i, &scope.policy.rules[*i])).collect();
    let first = answer.verdicts.iter().find(|v| v.found != Found::Silent);
    if first.is_some_and(|v| v.found == Found::Unasked) {
        answer.outcome = Some(plain("undecided", None));
        return;
    }
    let decided = decision(r, scope, question, scope.rules());
    let decided = verdict::Verdict::under(scope, Grounds::of(r), decided);
    let at = decided.grounds.rule();
    let from = if after.is_some() { From::Early } else { From::Server };
    let pool = match &decided.outcome {
        verdict::Outcome::Confine(moves) => fastcgi::explained(r, scope, Some(moves), from, programs),
        verdict::Outcome::Refuse(_) if !scope.reports_only() => Ok(None),
        _ => fastcgi::explained(r, scope, None, from, programs),
    };
    let pool = match pool {
        Ok(pool) => pool,
        // In report mode, too: nothing else can serve it.
        Err(refusal) => {
            let moves = match &decided.outcome {
                verdict::Outcome::Confine(moves) => Some(moves),
                _ => None,
            };
            answer.outcome = Some(refused_outright(at, moves, &refusal));
            return;
        }
    };
    answer.outcome = Some(match decided.outcome {
        verdict::Outcome::Confine(moves) => {
            if question.kernel {
                let first = answer.verdicts.iter().find(|v| v.found != Found::Silent);
                let same_context =
                    first.map_or(SameContext::Refused, |v| scope.policy.rules[v.rule].same_context);
                answer.kernel.push(ask_kernel(scope, &moves, same_context, after));
            }
            let maker = elsewhere(r, scope)
                .and_then(|maker| try_moves(r, scope, &moves, Extent::Tried, from).map(|()| maker));
            // If another process makes the content, no ruleset restricts that process.
            if matches!(maker, Ok(None)) {
                let attempts = access::attempts(r, question);
                answer.attempted.extend(access::judge(r, scope, &moves, &attempts));
            }
            match maker {
                Ok(maker) => {
                    let by_pool =
                        pool.as_ref().filter(|_| !scope.reports_only()).map(|_| report::BY_A_POOL.to_owned());
                    Outcome {
                        contexts: Some(moves.text.to_string_lossy().into_owned()),
                        reason: maker.map(|maker| report::made_by(maker.name(), maker.place())).or(by_pool),
                        pool,
                        ..plain(event(scope, maker.is_some()), at)
                    }
                }
                Err(refusal) => refused(scope, at, Some(&moves), &refusal),
            }
        }
        verdict::Outcome::Exempt => plain("exempt", at),
        verdict::Outcome::LetThrough => plain("unmatched", None),
        verdict::Outcome::Refuse(refusal) => refused(scope, at, None, &refusal),
    });
}

/// What the log calls a request that may go on.
fn event(scope: Scope<'_>, elsewhere: bool) -> &'static str {
    match (elsewhere, scope.reports_only()) {
        (false, false) => "confined",
        (false, true) if scope.watched_for() == Some(WatchedFor::Learning) => "learning",
        (false, true) => "would confine",
        (true, false) => "out-of-process",
        (true, true) => "would be out-of-process",
    }
}

fn decision<'r>(
    r: &mut Request<'_>,
    scope: Scope<'r>,
    question: &Question,
    rules: impl IntoIterator<Item = &'r Rule<Expression>>,
) -> Decision<'r> {
    let facts = RequestFacts::of(r);
    let facts = if question.addr.is_some() { facts } else { facts.without_address() };
    decide(rules, &facts, &scope.policy.backends)
}

fn verdict_of(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    question: &Question,
    number: usize,
    rule: &Rule<Expression>,
) -> Verdict {
    if let Source::Database(_) = &rule.source {
        let text = "the database is not asked; a server that runs asks it".to_owned();
        return Verdict { rule: number, found: Found::Unasked, at: None, text };
    }
    let facts = RequestFacts::of(r);
    let facts = if question.addr.is_some() { facts } else { facts.without_address() };
    let (found, at, text) = match decide([rule], &facts, &scope.policy.backends) {
        Decision::Confine(moves, at) => {
            (Found::Contexts, Some(place(at)), moves.text.to_string_lossy().into_owned())
        }
        Decision::Unconfined(at) => (Found::Exempt, Some(place(at)), "unconfined".to_owned()),
        Decision::Failed(at, failure) => (Found::Failed, Some(place(at)), failure.to_string()),
        Decision::Unmatched => (Found::Silent, None, silence(rule, &facts)),
    };
    Verdict { rule: number, found, at, text }
}

/// Why a rule does not match.
fn silence(rule: &Rule<Expression>, facts: &dyn confine::policy::facts::Facts<Expression>) -> String {
    match &rule.source {
        Source::Env { name, .. } => {
            let how = if facts.env(name).is_some() { "empty" } else { "not set" };
            format!("{} is {how}", name.to_string_lossy())
        }
        Source::Expr { .. } => "the expression gives nothing".to_owned(),
        Source::Map(_) => "no line of the map matches".to_owned(),
        // These rules always match, or nobody asks why they did not.
        Source::Constant(_) | Source::Transitions(_) | Source::Database(_) => String::new(),
    }
}

/// The contexts of these moves, as they were written.
fn contexts(moves: &MovesOf<'_>) -> ContextList {
    let each = |step: &std::sync::Arc<dyn confine::lsm::Move>| -> Context { step.context().clone() };
    ContextList::Contexts(moves.steps.iter().map(each).collect())
}

/// Asks the kernel, as the server does at its start.
fn ask_kernel(
    scope: Scope<'_>,
    moves: &MovesOf<'_>,
    same_context: SameContext,
    after: Option<&ContextList>,
) -> Kernel {
    let moved: Option<Vec<Box<dyn Backend>>> =
        after.map(|contexts| scope.policy.backends.after(contexts, Moved::Thread));
    let list = contexts(moves);
    let checked = scope.policy.backends.check(&list, same_context, moved.as_deref());
    Kernel { contexts: list.to_string(), refused: checked.err().map(|e| e.to_string()) }
}

fn place(at: RuleAt<'_>) -> Origin {
    Origin::new(at.file, at.line)
}

fn plain(event: &str, at: Option<RuleAt<'_>>) -> Outcome {
    Outcome {
        event: event.to_owned(),
        at: at.map(place),
        contexts: None,
        status: None,
        reason: None,
        pool: None,
    }
}

fn refused(
    scope: Scope<'_>,
    at: Option<RuleAt<'_>>,
    moves: Option<&MovesOf<'_>>,
    refusal: &Refusal,
) -> Outcome {
    let event = if scope.reports_only() { "would refuse" } else { "refused" };
    Outcome { event: event.to_owned(), ..refused_outright(at, moves, refusal) }
}

/// The same, whatever the mode.
fn refused_outright(at: Option<RuleAt<'_>>, moves: Option<&MovesOf<'_>>, refusal: &Refusal) -> Outcome {
    Outcome {
        contexts: moves.map(|m| m.text.to_string_lossy().into_owned()),
        status: refusal.status().http(),
        reason: Some(refusal.reason().to_owned()),
        ..plain("refused", at)
    }
}
