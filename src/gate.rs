//! Where a request is taken over from the server, and the move.
//!
//! Three hooks, in the order in which a request meets them:
//! 1. [`process_gate`], a quick handler before all others: makes the worker for the whole pipeline.
//! 2. [`handler_gate`], a content handler before all others: whatever is about to run outside a
//!    worker where rules apply gets one, so no handler runs unconfined by oversight. With
//!    `ConfineGate handler` it is the only gate.
//! 3. [`the_move`], a content handler just after the gates: the final resource is known, the rules
//!    decide, the thread moves.
//!
//! Between 2 and 3 stand httpd's own upgrade to HTTP/2 (whose threads must not inherit a context)
//! and mod_cache, which is passed over unless `ConfineAllowCache on`.

use std::ffi::c_int;

use apache_sys as sys;
use confine::{
    backends::{OwnContext, Prepared, leaves_early},
    lsm::{self, Enter, EnterError, Values},
    rule::{Decision, Failure, MovesOf, Rule, RuleAt, Source, decide},
};

use crate::{
    config::{DirectoryConfig, Gate, Mode, Ready, ServerConfig, Settings, Unmatched, Workers},
    counters::{self, Counter},
    httpd::{expression::Expression, hooks, request::Request},
    lua, other_process,
    record::{self, Refusal},
    subject::{PathValues, RequestFacts},
    type_map,
    worker::{self, Job, State},
};

/// What the gates and the move need of the configuration that a request met.
#[derive(Clone, Copy)]
pub struct Scope<'r> {
    /// The virtual host's configuration.
    pub server: &'r ServerConfig,
    /// The generation's rules and backends.
    pub ready: &'r Ready,
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
            return Err(record::refused(r, None, None, &Refusal::not_ready()));
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
            let lenient = self.rules().all(|rule| rule.own == OwnContext::Exempt);
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
/// Quick handlers answer before any rule is read. Where the virtual host has rules and the cache is
/// not allowed, this hook therefore never declines: it runs the pipeline itself (in a worker, or in
/// this thread if that is one, or under `ConfineGate handler`), and tells subrequests and look-ups
/// with DONE, which the server takes for "not answered", to go on without quick handlers.
pub fn process_gate(r: &mut Request<'_>, lookup: bool) -> c_int {
    let scope = scope_or_return!(r);
    let quick = scope.allows_cache();
    if lookup || r.is_subrequest() {
        return if quick { sys::DECLINED } else { sys::DONE };
    }
    crate::fault::at_gate(r);
    match (worker::state(), scope.server.gate()) {
        (None, Gate::Process) => worker::serve(r, scope.server.early.is_some(), Job::Pipeline { quick }),
        _ if quick => sys::DECLINED,
        _ => worker::pipeline(r),
    }
}

/// handler, before all others.
pub fn handler_gate(r: &mut Request<'_>, own: HandlerHook) -> c_int {
    let scope = scope_or_return!(r);
    let state = worker::state();
    if scope.rules.is_none() && scope.server.early.is_none() && !worker::is_confined() {
        return sys::DECLINED;
    }
    if is_rewritten(r) {
        return past_the_cache(r, scope, own);
    }
    if !type_map::leads_on(r) {
        r.seal();
    }
    match state {
        None if scope.server.gate() == Gate::Handler && type_map::leads_on(r) => {
            past_the_cache(r, scope, own)
        }
        None if scope.server.gate() == Gate::Handler => decide_then_serve(r, scope, own),
        None => worker::serve(r, scope.server.early.is_some(), Job::Handlers(None)),
        // A subrequest's handler that runs while the main request has not moved (it is exempt, or an
        // application's hook runs early) must neither run unconfined nor move the main request with
        // it: it gets a worker and a decision of its own.
        Some(state) if scope.is_undecided(state) && r.is_subrequest() && !worker::is_made_for(r) => {
            worker::serve(r, scope.server.early.is_some(), Job::Handlers(None))
        }
        Some(_) => past_the_cache(r, scope, own),
    }
}

/// post_perdir_config, before all others: code that the directory configuration names for the phases to come
/// (see [`scripts`]) runs where no rule applies, or confined, or not at all.
pub fn directory_found(r: &mut Request<'_>) -> c_int {
    let Some(code) = DirectoryConfig::of(r).map(|d| d.code).filter(|code| code.is_any()) else {
        return sys::DECLINED;
    };
    let scope = scope_or_return!(r);
    if worker::is_confined() || !code.runs_early(scope.server.generation()) || !scope.guards_phases() {
        return sys::DECLINED;
    }
    match refuse(r, scope, None, None, &Refusal::named_code(&code)) {
        Verdict::Refuse(status) => status,
        Verdict::Confine(..) | Verdict::Pass => sys::DECLINED,
    }
}

/// post_perdir_config: keeps redirects and subrequests of a confined request alike to it where they
/// are, though its directory configuration was replaced, and has their Lua states end in the worker.
pub fn directory_known(r: &mut Request<'_>) {
    if !worker::is_confined() {
        return;
    }
    for source in [r.redirected_from(), r.main()].into_iter().flatten() {
        r.share_own_config(&source);
    }
    if let Some(ready) = ServerConfig::of(&r.server()).and_then(|s| s.generation().ready()) {
        settle_in(r, ready);
    }
}

/// Settles a request in the contexts that its worker is in: how the server gets at files, and where Lua states
/// end.
fn settle_in(r: &mut Request<'_>, ready: &Ready) {
    r.read_files();
    lua::end_in_worker(r, ready);
}

/// The type of a handler hook, as C sees it.
pub type HandlerHook = unsafe extern "C" fn(*mut sys::request_rec) -> c_int;

/// `ConfineGate handler`: the decision first, and a thread only for a request that is to move.
fn decide_then_serve(r: &mut Request<'_>, scope: Scope<'_>, own: HandlerHook) -> c_int {
    crate::fault::at_gate(r);
    match judge(r, scope, scope.rules()) {
        Verdict::Confine(moves, rule) => match scope.server.workers() {
            Workers::PerContext(limits) if can_be_kept(r, scope, &moves) => {
                let host = std::ptr::from_ref(scope.server).addr();
                worker::serve_kept(r, (moves, rule), host, scope.ready.map_swaps(), &limits)
            }
            _ => worker::serve(r, scope.server.early.is_some(), Job::Handlers(Some((moves, rule)))),
        },
        Verdict::Pass => past_the_cache(r, scope, own),
        Verdict::Refuse(status) => status,
    }
}

/// Whether a kept worker may serve this request: its contexts are the same for every request that they are
/// decided for, they are to be entered, and the connection stays what it is. (An upgrade starts mod_http2's
/// threads before the move, and they must not inherit a context.)
fn can_be_kept(r: &Request<'_>, scope: Scope<'_>, moves: &MovesOf<'_>) -> bool {
    let constant = moves.steps.iter().all(|step| step.is_constant());
    constant && !scope.reports_only() && r.header(c"Upgrade").is_none()
}

/// Lets the other handlers run, mod_cache's only if it may: a response given under a rule is neither
/// stored nor served from the cache.
fn past_the_cache(r: &mut Request<'_>, scope: Scope<'_>, own: HandlerHook) -> c_int {
    if !scope.ready.cache_handler || scope.allows_cache() {
        return sys::DECLINED;
    }
    // mod_cache's save filter looks at this variable (modules/cache/mod_cache.c, cache_save_filter);
    // r->no_cache would add an Expires header to every response.
    r.set_env(c"no-cache", c"1");
    match hooks::run_handlers_without(r, c"mod_cache.c", own) {
        sys::DECLINED => record::no_handler(r),
        status => status,
    }
}

/// handler, just after the gates.
pub fn the_move(r: &mut Request<'_>) -> c_int {
    let Some(state) = worker::state() else { return sys::DECLINED };
    let scope = scope_or_return!(r);
    if state == State::Moved {
        return stay(r, scope);
    }
    if is_rewritten(r) {
        return sys::DECLINED;
    }
    if !scope.is_undecided(state) {
        return if state == State::Early { stay(r, scope) } else { sys::DECLINED };
    }
    if type_map::leads_on(r) {
        return sys::DECLINED;
    }
    let status = worker::take_decided(|decided| match decided {
        Some((moves, rule)) => enter(r, scope, moves, *rule),
        None => match judge(r, scope, scope.rules()) {
            Verdict::Confine(moves, rule) => enter(r, scope, &moves, rule),
            Verdict::Pass => sys::DECLINED,
            Verdict::Refuse(status) => status,
        },
    });
    if scope.reports_only() && state == State::Unmoved {
        worker::reached(State::Reported);
    }
    status
}

/// A request that goes on in the contexts that its worker is in.
fn stay(r: &mut Request<'_>, scope: Scope<'_>) -> c_int {
    record::inherit(r);
    settle_in(r, scope.ready);
    match other_process::check(r, &scope.settings, scope.ready, None) {
        Ok(()) => sys::DECLINED,
        Err(refusal) => record::refused(r, None, None, &refusal),
    }
}

/// `ConfineEarly`, at the worker's very start: OK, or the status of a refusal.
///
/// Known then are the virtual host, the client's address and the headers; the phases that run next
/// (.htaccess, authentication, rewriting, every application's hooks) run confined.
pub fn early_move(r: &mut Request<'_>) -> c_int {
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

/// Whether this request only carries mod_rewrite's per-directory result: its handler does nothing
/// but redirect inside the server, and the final resource decides. The handler's name alone does
/// not make it so (a tenant's .htaccess can set that); without the marked file name mod_rewrite
/// declines and other handlers would run (modules/mappers/mod_rewrite.c, handler_redirect).
fn is_rewritten(r: &Request<'_>) -> bool {
    r.handler() == Some(c"redirect-handler")
        && r.filename().is_some_and(|f| f.to_bytes().starts_with(b"redirect:"))
        && hooks::module_loaded(c"mod_rewrite.c")
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
    crate::fault::at_move(r);
    let decision = {
        let facts = RequestFacts::of(r);
        decide(rules, &facts, &scope.ready.backends)
    };
    match scope.weigh(decision) {
        Weighed::Confine(moves, rule) => Verdict::Confine(moves, rule),
        Weighed::Exempt(rule) => {
            counters::add(Counter::Exempt);
            record::passed(r, "exempt", Some(rule), None);
            Verdict::Pass
        }
        Weighed::LetThrough => {
            counters::add(Counter::UnmatchedAllowed);
            record::passed(r, "unmatched", None, None);
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
        record::would_refuse(r, rule, context, refusal);
        return Verdict::Pass;
    }
    Verdict::Refuse(record::refused(r, rule, context, refusal))
}

/// Carries a decision out: everything that can fail without a move first, then the moves in order.
fn enter(r: &mut Request<'_>, scope: Scope<'_>, moves: &MovesOf<'_>, rule: RuleAt<'_>) -> c_int {
    match other_process::check(r, &scope.settings, scope.ready, Some((rule, &moves.text))) {
        Ok(()) => go(r, scope, moves, rule, State::Moved, "confined"),
        Err(refusal) => or_report(r, scope, rule, moves, &refusal),
    }
}

/// The same at the worker's start, where no handler is known yet.
fn enter_early(r: &mut Request<'_>, scope: Scope<'_>, moves: &MovesOf<'_>, rule: RuleAt<'_>) -> c_int {
    go(r, scope, moves, rule, State::Early, "confined early")
}

/// Moves and records it; DECLINED, so that the next hook goes on, or the status of a refusal.
fn go(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    moves: &MovesOf<'_>,
    rule: RuleAt<'_>,
    reached: State,
    event: &str,
) -> c_int {
    let report = scope.reports_only();
    let after_early = worker::state() == Some(State::Early);
    if let Err(refusal) = attempt(r, scope, moves, report, after_early) {
        return or_report(r, scope, rule, moves, &refusal);
    }
    if report {
        counters::add(Counter::WouldConfine);
        record::passed(r, "would confine", Some(rule), Some(&moves.text.to_string_lossy()));
    } else {
        worker::reached(reached);
        settle_in(r, scope.ready);
        if reached == State::Moved {
            counters::add(Counter::Confined);
        }
        record::moved(r, rule, event, &moves.text, after_early);
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
    if let Some(context) = moves.leaving.as_ref().filter(|_| after_early) {
        return Err(Refusal::context(&leaves_early(context)));
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
    let enter = |i: usize, ready: &lsm::Ready<'_>| {
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
