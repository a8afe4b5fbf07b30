//! Where a request is taken over from the server, and the move.
//!
//! Two hooks, in the order in which a request meets them:
//! 1. [`process_gate`], a quick handler before all others: makes the worker for the whole pipeline.
//! 2. [`handler_gate`], a content handler before all others. Where rules apply it never declines: it decides,
//!    moves, and runs the server's other handlers itself ([`crate::request::handlers`]), looking before each. Whatever is
//!    about to run outside a worker gets one, so no handler runs unconfined by oversight. With
//!    `ConfineGate handler` it is the only gate.
//!
//! Before the decision only three things of the server run: its own upgrade to HTTP/2 (whose threads must not
//! inherit a context), mod_cache under `ConfineAllowCache on`, and the handler that only leads to another resource.

pub mod fault;
pub mod handlers;
pub mod modules;

use std::ffi::c_int;

use apache_sys as sys;
use confine::{
    backends::{Prepared, SameContext, replaces_early},
    lsm::{self, Enter, EnterError, Values},
    policy::{
        decide::{Decision, MovesOf, Rule, RuleAt, Source, decide},
        facts::Failure,
    },
};

use crate::{
    config::{
        DirectoryConfig, Gate, Mode, Policy, ServerConfig, Settings, Unmatched, Workers, makers::LoadedMaker,
    },
    httpd::{expression::Expression, hooks, request::Request},
    report::{
        self, Refusal,
        counters::{self, Counter},
    },
    request::{
        handlers::{Ahead, LeadsOn},
        modules::{lua, negotiation, out_of_process},
    },
    subject::{PathValues, RequestFacts},
    worker::{self, Decided, State},
};

/// What the gates and the move need of the configuration that a request met.
#[derive(Clone, Copy)]
pub struct Scope<'r> {
    /// The virtual host's configuration.
    pub server: &'r ServerConfig,
    /// The generation's rules and backends.
    pub ready: &'r Policy,
    /// What is set here.
    pub settings: Settings,
    /// Only where a rule applies.
    pub rules: Option<&'r DirectoryConfig>,
}

impl<'r> Scope<'r> {
    /// DECLINED for a virtual host without any rule: such a request is none of this module's
    /// business. A refusal's status for one with rules that start-up did not make ready.
    pub fn of(r: &mut Request<'r>) -> Result<Self, c_int> {
        let server = ServerConfig::of(&r.server()).filter(|s| s.has_rules).ok_or(sys::DECLINED)?;
        let Some(ready) = server.generation().ready() else {
            return Err(report::refused(r, None, None, &Refusal::not_ready()));
        };
        let directory = DirectoryConfig::of(r);
        let settings = directory.map_or_else(Settings::default, |d| d.settings);
        Ok(Self { server, ready, settings, rules: directory.filter(|d| d.has_rules()) })
    }

    fn allows_cache(&self) -> bool {
        self.settings.allow_cache.unwrap_or(false)
    }

    /// What an unmatched request gets: 403, unless it says otherwise; where all rules are mod_selinux's
    /// directives, what it got there.
    pub fn unmatched(&self) -> Unmatched {
        self.settings.unmatched.unwrap_or_else(|| {
            let lenient = self.rules().all(|rule| rule.same_context == SameContext::Exempt);
            if lenient { Unmatched::Allow } else { Unmatched::Deny }
        })
    }

    /// The rules that apply, inner scopes first.
    pub fn rules(&self) -> impl Iterator<Item = &'r Rule<Expression>> + use<'r> {
        let ready = self.ready;
        let indices = self.rules.into_iter().flat_map(DirectoryConfig::rules);
        // Start-up made a rule of every draft, or the server would not run.
        indices.map(move |index| &ready.rules[index])
    }

    /// Whether the rules here are still to be asked, in a worker that has come as far as `state`. What
    /// was only reported counts as decided as long as it is only to be reported.
    fn is_undecided(&self, state: State) -> bool {
        let decided = match state {
            State::Unmoved | State::Early => false,
            State::Reported => self.reports_only(),
            State::Moved => true,
        };
        self.rules.is_some() && !decided
    }

    /// Whether no code of a tenant may run unconfined here. A place whose first rule is the word `unconfined` is
    /// exempt whatever the request; so is one without rules, but in a host with an early move only where that
    /// let the request pass: a thread of the server's comes here with an error document.
    pub fn guards_phases(&self) -> bool {
        match self.rules().next() {
            Some(rule) => !matches!(rule.source, Source::Constant(Prepared::Unconfined)),
            None => self.server.early.is_some() && worker::state().is_none(),
        }
    }

    /// Whether decisions are only reported.
    pub fn reports_only(&self) -> bool {
        self.settings.mode == Some(Mode::Report)
    }

    /// What a decision comes to here.
    pub fn weigh<'a>(&self, decision: Decision<'a>) -> Weighed<'a> {
        match decision {
            Decision::Confine(moves, rule) => Weighed::Confine(moves, rule),
            Decision::Unconfined(rule) => Weighed::Exempt(rule),
            Decision::Unmatched if self.unmatched() == Unmatched::Allow => Weighed::LetThrough,
            Decision::Unmatched => Weighed::Refuse(None, Refusal::unmatched()),
            Decision::Failed(rule, failure) => {
                let refusal = match failure {
                    Failure::Expression(_) => Refusal::expression(&failure),
                    Failure::Database { .. } => Refusal::database(&failure),
                    _ => Refusal::context(&failure),
                };
                Weighed::Refuse(Some(rule), refusal)
            }
        }
    }
}

/// The scope of a request, or the way out of a hook where there is none.
macro_rules! scope_or_return {
    ($r:expr) => {
        match Scope::of($r) {
            Ok(scope) => scope,
            Err(status) => return status,
        }
    };
}

/// quick_handler, before all others.
///
/// Quick handlers answer before any rule is read. Where the virtual host has rules, this hook therefore never
/// declines: it runs the pipeline itself (in a worker, or in this thread if that is one, or under
/// `ConfineGate handler`), and tells subrequests and look-ups with DONE, which the server takes for "not
/// answered", to go on without quick handlers.
pub fn process_gate(r: &mut Request<'_>, lookup: bool) -> c_int {
    let scope = scope_or_return!(r);
    if lookup || r.is_subrequest() {
        let cached = if scope.allows_cache() { from_cache(r, lookup) } else { sys::DECLINED };
        // DONE is what the server takes for "not answered".
        return if cached == sys::DECLINED { sys::DONE } else { cached };
    }
    crate::request::fault::at_gate(r);
    match (worker::state(), scope.server.gate()) {
        (None, Gate::Process) => worker::serve(r, |r| early_move_then(r, pipeline)),
        _ => pipeline(r),
    }
}

/// What httpd's cache has for this request, before its phases.
fn from_cache(r: &mut Request<'_>, lookup: bool) -> c_int {
    hooks::run_quick_handler_of(r, c"mod_cache.c", lookup)
}

/// All phases and the content, as the server runs them after its quick handlers.
fn pipeline(r: &mut Request<'_>) -> c_int {
    let allows_cache = Scope::of(r).is_ok_and(|scope| scope.allows_cache());
    let cached = if allows_cache { from_cache(r, false) } else { sys::DECLINED };
    if cached != sys::DECLINED {
        return cached;
    }
    let status = match r.run_phases() {
        sys::OK => r.invoke_handler(),
        other => other,
    };
    // DECLINED would send the server on to its own, unconfined pipeline: nobody answered means 500, as in
    // ap_invoke_handler.
    if status == sys::DECLINED { report::no_handler(r) } else { status }
}

/// What a new worker begins with: the early move, where there is one, and then `job`.
fn early_move_then(r: &mut Request<'_>, job: impl FnOnce(&mut Request<'_>) -> c_int) -> c_int {
    match early_move(r) {
        sys::OK => job(r),
        status => status,
    }
}

/// handler, before all others.
pub fn handler_gate(r: &mut Request<'_>) -> c_int {
    let scope = scope_or_return!(r);
    let state = worker::state();
    if scope.rules.is_none() && scope.server.early.is_none() && !worker::is_confined() {
        return sys::DECLINED;
    }
    let status = before_the_rules(r, scope);
    if status != sys::DECLINED {
        return status;
    }
    match state {
        None if scope.server.gate() == Gate::Handler => decide_then_serve(r, scope),
        None => worker::serve(r, |r| early_move_then(r, content_here)),
        // A subrequest's handler that runs while the main request has not moved (it is exempt, or an
        // application's hook runs early) must neither run unconfined nor move the main request with
        // it: it gets a worker and a decision of its own.
        Some(state) if scope.is_undecided(state) && r.is_subrequest() && !worker::is_made_for(r) => {
            worker::serve(r, |r| early_move_then(r, content_here))
        }
        Some(_) => content(r, scope, None),
    }
}

/// What of the server's may answer before the rules of this resource are asked, or DECLINED.
fn before_the_rules(r: &mut Request<'_>, scope: Scope<'_>) -> c_int {
    let handlers = &scope.ready.handlers;
    // Upgrades are never looked at in a confined thread: mod_http2's threads would keep the context. A
    // subrequest has nothing to upgrade, but an application may have written its headers.
    if !worker::is_confined() && !r.is_subrequest() {
        let status = handlers.upgrade(r);
        if status != sys::DECLINED {
            return status;
        }
    }
    if scope.allows_cache() {
        return handlers.cached(r);
    }
    if handlers.have_a_cache() {
        // A response given under a rule is neither stored nor served from the cache. mod_cache's save filter
        // looks at this variable (modules/cache/mod_cache.c, cache_save_filter); r->no_cache would add an
        // Expires header to every response.
        r.set_env(c"no-cache", c"1");
    }
    sys::DECLINED
}

/// Runs the one handler that leads to another resource, where this request is of that kind; or DECLINED. Should
/// that handler decline, the request is decided like any other.
fn lead_on(r: &mut Request<'_>, scope: Scope<'_>) -> c_int {
    match leads_on(r) {
        Some(which) => r.leading(|r| scope.ready.handlers.lead_on(r, which)),
        None => sys::DECLINED,
    }
}

/// Whether this request only leads to another resource, whose rules decide.
///
/// mod_rewrite's per-directory result is known by the handler's name and the mark in the file's name
/// (modules/mappers/mod_rewrite.c, handler_redirect): a tenant's .htaccess can set the one, but without the other
/// mod_rewrite declines.
fn leads_on(r: &Request<'_>) -> Option<LeadsOn> {
    let rewritten = r.handler() == Some(c"redirect-handler")
        && r.filename().is_some_and(|f| f.to_bytes().starts_with(b"redirect:"));
    match rewritten {
        true => Some(LeadsOn::Rewrite),
        false => negotiation::leads_on(r).then_some(LeadsOn::TypeMap),
    }
}

/// post_perdir_config, before all others: code that the directory configuration names for the phases to come
/// (see [`scripts`]) runs where no rule applies, or confined, or not at all.
pub fn directory_found(r: &mut Request<'_>) -> c_int {
    if !DirectoryConfig::of(r).is_some_and(|d| d.code.is_any()) {
        return sys::DECLINED;
    }
    let scope = scope_or_return!(r);
    let Some(refusal) = refusal_of_code(r, scope).filter(|_| !worker::is_confined()) else {
        return sys::DECLINED;
    };
    match refuse(r, scope, None, None, &refusal) {
        Verdict::Refuse(status) => status,
        Verdict::Confine(..) | Verdict::Pass => sys::DECLINED,
    }
}

/// The refusal of a request that is not confined yet, and would meet code that a tenant named before it is.
pub fn refusal_of_code(r: &Request<'_>, scope: Scope<'_>) -> Option<Refusal> {
    let code = DirectoryConfig::of(r)?.code;
    let runs = code.runs_early(scope.server.generation()) && scope.guards_phases();
    runs.then(|| Refusal::named_code(&code))
}

/// post_perdir_config: keeps redirects and subrequests of a confined request alike to it where they
/// are, though its directory configuration was replaced, and has their Lua states end in the worker. Elsewhere,
/// has the filters of a resource wait for the move.
pub fn directory_known(r: &mut Request<'_>) {
    if !worker::is_confined() {
        if rules_apply(r) {
            r.guard_filters();
        }
        return;
    }
    for source in [r.redirected_from(), r.main()].into_iter().flatten() {
        r.share_own_config(&source);
    }
    if let Some(ready) = ServerConfig::of(&r.server()).and_then(|s| s.generation().ready()) {
        settle_in(r, ready);
    }
}

fn rules_apply(r: &Request<'_>) -> bool {
    let server = ServerConfig::of(&r.server()).filter(|s| s.has_rules);
    let here = || DirectoryConfig::of(r).is_some_and(DirectoryConfig::has_rules);
    server.is_some_and(|s| s.early.is_some() || here())
}

/// Whether the filters of the resource may run for this request in this thread: it is confined, or no rule applies,
/// or the request was let go on with the server's privileges. A request that ends before its decision, or by a
/// refusal, is answered without them, whoever refused it.
pub fn filters_may_run(r: &Request<'_>) -> bool {
    worker::is_confined() || r.goes_unconfined() || !rules_apply(r)
}

/// Settles a request in the contexts that its worker is in: how the server gets at files, and where Lua states
/// end.
fn settle_in(r: &mut Request<'_>, ready: &Policy) {
    r.read_files();
    lua::end_in_worker(r, ready);
}

/// `ConfineGate handler`: the decision first, and a thread only for a request that is to move.
fn decide_then_serve(r: &mut Request<'_>, scope: Scope<'_>) -> c_int {
    crate::request::fault::at_gate(r);
    let led = lead_on(r, scope);
    if led != sys::DECLINED {
        return led;
    }
    r.seal();
    match judge(r, scope, scope.rules()) {
        Verdict::Confine(moves, rule) => match elsewhere(r, scope) {
            Ok(_) => serve_decided(r, scope, (moves, rule)),
            // A refusal needs no thread; in report mode the request goes on as it would in one.
            Err(refusal) => match or_report(r, scope, rule, &moves, &refusal) {
                sys::DECLINED => unmoved(r, scope),
                status => status,
            },
        },
        Verdict::Pass => unmoved(r, scope),
        Verdict::Refuse(status) => status,
    }
}

/// Serves the content of a decided request in a kept worker, where that is asked for, or in one of its own.
fn serve_decided(r: &mut Request<'_>, scope: Scope<'_>, decided: Decided<'_>) -> c_int {
    match scope.server.workers() {
        Workers::PerContext(limits) if can_be_kept(scope, &decided.0) => {
            // Hosts that set nothing of their own share one configuration, but no worker.
            let host = r.server().as_ptr().addr();
            let job = |r: &mut Request<'_>, decided: &Decided<'_>| content_decided(r, Some(decided));
            worker::serve_kept(r, decided, host, scope.ready.map_swaps(), &limits, job)
        }
        _ => worker::serve(r, move |r| content_decided(r, Some(&decided))),
    }
}

/// Whether a kept worker may serve this request: its contexts are the same for every request that they are
/// decided for, and they are to be entered.
fn can_be_kept(scope: Scope<'_>, moves: &MovesOf<'_>) -> bool {
    moves.steps.iter().all(|step| step.is_constant()) && !scope.reports_only()
}

/// The content, in a worker that was made for it.
fn content_here(r: &mut Request<'_>) -> c_int {
    content_decided(r, None)
}

fn content_decided(r: &mut Request<'_>, decided: Option<&Decided<'_>>) -> c_int {
    let scope = match Scope::of(r) {
        Ok(scope) => scope,
        // The handler gate made this worker because the virtual host has rules.
        Err(sys::DECLINED) => return report::no_handler(r),
        Err(status) => return status,
    };
    content(r, scope, decided)
}

/// The content, in a worker: the decision and the move where they are still to come, then the handlers.
fn content(r: &mut Request<'_>, scope: Scope<'_>, decided: Option<&Decided<'_>>) -> c_int {
    let Some(state) = worker::state() else { return report::no_handler(r) };
    if !scope.is_undecided(state) {
        r.seal();
        return if worker::is_confined() { stay(r, scope) } else { unmoved(r, scope) };
    }
    let led = if decided.is_none() { lead_on(r, scope) } else { sys::DECLINED };
    if led != sys::DECLINED {
        return led;
    }
    r.seal();
    let status = match decided {
        Some((moves, rule)) => enter(r, scope, moves, *rule),
        None => match judge(r, scope, scope.rules()) {
            Verdict::Confine(moves, rule) => enter(r, scope, &moves, rule),
            Verdict::Pass => sys::DECLINED,
            Verdict::Refuse(status) => status,
        },
    };
    if status != sys::DECLINED {
        return status;
    }
    match worker::state() {
        Some(State::Moved) => moved(r, scope),
        state => {
            if scope.reports_only() && state == Some(State::Unmoved) {
                worker::reached(State::Reported);
            }
            unmoved(r, scope)
        }
    }
}

/// The handlers of a request that its rules did not move: it is exempt, or only reported. Nothing is refused to it
/// that the server or an early context allows.
fn unmoved(r: &mut Request<'_>, scope: Scope<'_>) -> c_int {
    if !worker::is_confined() {
        r.let_go_unconfined();
    }
    let status = scope.ready.handlers.run(r);
    answered(r, status)
}

/// The handlers of a request that has just moved.
fn moved(r: &mut Request<'_>, scope: Scope<'_>) -> c_int {
    let (status, refused) = confined(r, scope);
    if !refused && !worker::was_made_elsewhere() {
        counters::add(Counter::Confined);
    }
    status
}

/// The handlers in a thread that is in some context, and whether the request was refused before one of them.
fn confined(r: &mut Request<'_>, scope: Scope<'_>) -> (c_int, bool) {
    out_of_process::forbid_ssi_exec(r, scope);
    let mut refused = false;
    let status = scope.ready.handlers.run_confined(
        r,
        |r, refusal| {
            refused = true;
            report::refused(r, None, None, refusal)
        },
        |r, maker| {
            maker.allowed(scope)?;
            made_elsewhere(r, scope, maker, None, None);
            Ok(())
        },
    );
    (answered(r, status), refused)
}

/// The process other than this one that would make the content, if it is allowed to.
pub fn elsewhere<'s>(r: &Request<'_>, scope: Scope<'s>) -> Result<Option<&'s LoadedMaker>, Refusal> {
    match scope.ready.handlers.ahead(r)? {
        Ahead::Maker(maker) => maker.allowed(scope).map(|()| Some(maker)),
        Ahead::Nothing => Ok(None),
    }
}

/// Says and counts that another process makes the content. Nothing of it is called confined any more.
fn made_elsewhere(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    maker: &LoadedMaker,
    rule: Option<RuleAt<'_>>,
    context: Option<&str>,
) {
    if r.is_made_elsewhere() {
        return;
    }
    r.set_made_elsewhere();
    if !r.is_subrequest() || worker::is_made_for(r) {
        worker::note_made_elsewhere();
    }
    maker.warn(r, scope, rule, context);
    report::made_elsewhere(r, rule, context, maker.name());
}

fn answered(r: &mut Request<'_>, status: c_int) -> c_int {
    if status == sys::DECLINED { report::no_handler(r) } else { status }
}

/// A request that goes on in the contexts that its worker is in.
fn stay(r: &mut Request<'_>, scope: Scope<'_>) -> c_int {
    report::inherit(r);
    settle_in(r, scope.ready);
    confined(r, scope).0
}

/// `ConfineEarly`, at the worker's very start: OK, or the status of a refusal.
///
/// Known then are the virtual host, the client's address and the headers; the phases that run next
/// (.htaccess, authentication, rewriting, every application's hooks) run confined.
fn early_move(r: &mut Request<'_>) -> c_int {
    // A worker that an early worker makes inherits the contexts that the kernel holds its maker to.
    if worker::state() != Some(State::Unmoved) {
        return sys::OK;
    }
    let scope = match Scope::of(r) {
        Ok(scope) => scope,
        Err(sys::DECLINED) => return sys::OK,
        Err(status) => return status,
    };
    let Some(index) = scope.server.early else { return sys::OK };
    match judge(r, scope, [&scope.ready.rules[index]]) {
        Verdict::Confine(moves, rule) => match enter_early(r, scope, &moves, rule) {
            sys::DECLINED => sys::OK,
            status => status,
        },
        Verdict::Pass => sys::OK,
        Verdict::Refuse(status) => status,
    }
}

/// What a decision comes to under the settings of its scope. Nothing was said or done about it yet.
pub enum Weighed<'a> {
    /// It moves into these contexts.
    Confine(MovesOf<'a>, RuleAt<'a>),
    /// It is exempt.
    Exempt(RuleAt<'a>),
    /// No rule matched, and that is allowed.
    LetThrough,
    /// It is refused, by this rule if by one.
    Refuse(Option<RuleAt<'a>>, Refusal),
}

/// What the rules say, with refusals answered and logged already.
enum Verdict<'a> {
    Confine(MovesOf<'a>, RuleAt<'a>),
    Pass,
    Refuse(c_int),
}

fn judge<'r>(
    r: &mut Request<'_>,
    scope: Scope<'r>,
    rules: impl IntoIterator<Item = &'r Rule<Expression>>,
) -> Verdict<'r> {
    crate::request::fault::at_move(r);
    let decision = {
        let facts = RequestFacts::of(r);
        decide(rules, &facts, &scope.ready.backends)
    };
    match scope.weigh(decision) {
        Weighed::Confine(moves, rule) => Verdict::Confine(moves, rule),
        Weighed::Exempt(rule) => {
            counters::add(Counter::Exempt);
            report::passed(r, "exempt", Some(rule), None);
            Verdict::Pass
        }
        Weighed::LetThrough => {
            counters::add(Counter::UnmatchedAllowed);
            report::passed(r, "unmatched", None, None);
            Verdict::Pass
        }
        Weighed::Refuse(rule, refusal) => refuse(r, scope, rule, None, &refusal),
    }
}

/// A refusal, or in report mode a line that says what it would have been.
fn refuse<'r>(
    r: &mut Request<'_>,
    scope: Scope<'r>,
    rule: Option<RuleAt<'_>>,
    context: Option<&str>,
    refusal: &Refusal,
) -> Verdict<'r> {
    if scope.reports_only() {
        counters::add(Counter::WouldRefuse);
        report::would_refuse(r, rule, context, refusal);
        return Verdict::Pass;
    }
    Verdict::Refuse(report::refused(r, rule, context, refusal))
}

/// Carries a decision out: everything that can fail without a move first, then the moves in order. DECLINED, so
/// that the handlers come next, or the status of a refusal.
fn enter(r: &mut Request<'_>, scope: Scope<'_>, moves: &MovesOf<'_>, rule: RuleAt<'_>) -> c_int {
    let elsewhere = match elsewhere(r, scope) {
        Ok(elsewhere) => elsewhere,
        Err(refusal) => return or_report(r, scope, rule, moves, &refusal),
    };
    let status = go(r, scope, moves, rule, State::Moved, elsewhere.is_some());
    if let Some(maker) = elsewhere.filter(|_| status == sys::DECLINED && !scope.reports_only()) {
        made_elsewhere(r, scope, maker, Some(rule), Some(&moves.text.to_string_lossy()));
    }
    status
}

/// The same at the worker's start, where no handler is known yet.
fn enter_early(r: &mut Request<'_>, scope: Scope<'_>, moves: &MovesOf<'_>, rule: RuleAt<'_>) -> c_int {
    go(r, scope, moves, rule, State::Early, false)
}

/// Moves and records it; DECLINED, so that what comes next goes on, or the status of a refusal. `elsewhere`:
/// another process makes the content, so that nothing is to be called confined.
fn go(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    moves: &MovesOf<'_>,
    rule: RuleAt<'_>,
    reached: State,
    elsewhere: bool,
) -> c_int {
    let report = scope.reports_only();
    let after_early = worker::state() == Some(State::Early);
    if let Err(refusal) = attempt(r, scope, moves, report, after_early) {
        return or_report(r, scope, rule, moves, &refusal);
    }
    if report {
        let (counter, event) = match elsewhere {
            true => (Counter::WouldBeOutOfProcess, "would be out-of-process"),
            false => (Counter::WouldConfine, "would confine"),
        };
        counters::add(counter);
        report::passed(r, event, Some(rule), Some(&moves.text.to_string_lossy()));
        return sys::DECLINED;
    }
    worker::reached(reached);
    settle_in(r, scope.ready);
    if !elsewhere {
        let event = if reached == State::Early { "confined early" } else { "confined" };
        report::moved(r, rule, event, &moves.text, after_early);
    }
    sys::DECLINED
}

/// Makes the moves, or, where they are only to be reported, all but the last step of each: what can fail
/// without a move does.
pub fn attempt(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    moves: &MovesOf<'_>,
    report: bool,
    after_early: bool,
) -> Result<(), Refusal> {
    if let Some(context) = moves.replacing.as_ref().filter(|_| after_early) {
        return Err(Refusal::context(&replaces_early(context)));
    }
    let values = PathValues::of(r, &scope.server.generation().path_expressions);
    carry_out(moves, &values, report, after_early).map_err(|error| Refusal::enter(&error))
}

/// A refusal's status; in report mode a line that says what it would have been, and the request goes
/// on.
fn or_report(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    rule: RuleAt<'_>,
    moves: &MovesOf<'_>,
    refusal: &Refusal,
) -> c_int {
    match refuse(r, scope, Some(rule), Some(&moves.text.to_string_lossy()), refusal) {
        Verdict::Refuse(status) => status,
        Verdict::Confine(..) | Verdict::Pass => sys::DECLINED,
    }
}

fn kept_elsewhere() -> EnterError {
    EnterError {
        why: "a worker that is kept in other contexts was asked to serve this".to_owned(),
        errno: None,
        remedy: "please report this as a bug of mod_confine".to_owned(),
        forbidden: false,
    }
}

/// Makes every move ready before the first is made, so that the contexts of a rule are all or
/// nothing. Where one fails all the same, the thread may be in the contexts before it, which only
/// makes it weaker; the request is refused and the thread dies.
fn carry_out(
    moves: &MovesOf<'_>,
    values: &dyn Values,
    report: bool,
    after_early: bool,
) -> Result<(), EnterError> {
    let enter = |i: usize, ready: &lsm::PreparedMove<'_>| {
        if after_early || i > 0 { ready.enter_further() } else { ready.enter() }
    };
    match worker::settled(|there| there.map(|there| *there == *moves.text)) {
        None => {}
        // A kept worker is there since an earlier request.
        Some(true) => return Ok(()),
        Some(false) => return Err(kept_elsewhere()),
    }
    if let [only] = &*moves.steps {
        let ready = only.ready(values)?;
        return if report { Ok(()) } else { enter(0, &ready) };
    }
    let ready = moves.steps.iter().map(|step| step.ready(values)).collect::<Result<Vec<_>, _>>()?;
    if report { Ok(()) } else { ready.iter().enumerate().try_for_each(|(i, ready)| enter(i, ready)) }
}
