//! The life of a request, from where it is taken over from the server to its content.
//!
//! The functions stand in the order in which a request meets them:
//! 1. [`process_gate`], a quick handler before all others: makes the worker for the whole pipeline, in which
//!    [`early_move`] comes first.
//! 2. [`directory_found`] and [`directory_known`], once the configuration of the request's place is known.
//! 3. [`handler_gate`], a content handler before all others. Where rules apply it never declines. Whatever is about to
//!    run outside a worker gets one, so no handler runs unconfined by oversight. With `ConfineGate handler` it is the
//!    only gate, and the decision comes before the thread ([`decide_then_serve`]).
//! 4. [`content`], in the worker: the rules are asked ([`Verdict`]), the thread moves ([`enter()`]), and the server's
//!    other handlers run one by one ([`handlers`]), with a look before each.
//!
//! Before the rules only three things of the server's run: its own upgrade to HTTP/2 (whose threads must not inherit a
//! context), mod_cache under `ConfineAllowCache on`, and the one handler that only leads to another resource.

pub mod enter;
pub mod handlers;
pub mod modules;
pub mod scope;
pub mod verdict;
pub mod watch;

use confine::policy::decide::MovesOf;

use self::{
    enter::{Content, enter_and_record},
    handlers::{Ahead, LeadsOn},
    modules::{lua, negotiation, out_of_process},
    scope::Scope,
    verdict::{Outcome, Verdict},
};
use crate::{
    config::{DirectoryConfig, Gate, Policy, ServerConfig, Workers, makers::LoadedMaker},
    httpd::{hooks, request::Request, status::Status},
    report::{
        self, Event, Grounds, Refusal,
        counters::{self, Counter, Row},
    },
    thread::current::{self, State},
    worker::{self, Decided, fault},
};

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
pub fn process_gate(r: &mut Request<'_>, lookup: bool) -> Status {
    let scope = scope_or_return!(r);
    if lookup || r.is_subrequest() {
        return from_cache(r, scope, lookup).or_else(|| Status::DONE);
    }
    fault::at_gate(r);
    match (current::state(), scope.server.gate()) {
        (None, Gate::Process) => worker::serve(r, |r| early_move_then(r, pipeline)),
        _ => pipeline(r),
    }
}

/// What httpd's cache has for this request before its phases, where it may answer.
fn from_cache(r: &mut Request<'_>, scope: Scope<'_>, lookup: bool) -> Status {
    if !scope.allows_cache() {
        return Status::DECLINED;
    }
    hooks::run_quick_handler_of(r, c"mod_cache.c", lookup)
}

/// What a new worker begins with: the early move, where there is one, and then `job`.
fn early_move_then(r: &mut Request<'_>, job: impl FnOnce(&mut Request<'_>) -> Status) -> Status {
    match early_move(r) {
        Status::OK => job(r),
        status => status,
    }
}

/// `ConfineEarly`, at the worker's very start: OK, or the status of a refusal.
///
/// Known then are the virtual host, the client's address and the headers; the phases that run next
/// (.htaccess, authentication, rewriting, every application's hooks) run confined.
fn early_move(r: &mut Request<'_>) -> Status {
    // A worker that an early worker makes inherits the contexts that the kernel holds its maker to.
    if current::state() != Some(State::Unmoved) {
        return Status::OK;
    }
    let scope = match Scope::of(r) {
        Ok(scope) => scope,
        Err(Status::DECLINED) => return Status::OK,
        Err(status) => return status,
    };
    let Some(index) = scope.server.early else { return Status::OK };
    let verdict = Verdict::of(r, scope, [&scope.policy.rules[index]]);
    // No handler is known yet.
    let status = match moves_of(r, scope, verdict) {
        Ok(Some((moves, by))) => enter_and_record(r, scope, &moves, &by, State::Early, Content::Here),
        Ok(None) => Status::OK,
        Err(status) => status,
    };
    status.or_else(|| Status::OK)
}

/// All phases and the content, as the server runs them after its quick handlers.
fn pipeline(r: &mut Request<'_>) -> Status {
    let cached = match Scope::of(r) {
        Ok(scope) => from_cache(r, scope, false),
        Err(status) => status,
    };
    let status = cached.or_else(|| match r.run_phases() {
        Status::OK => r.invoke_handler(),
        other => other,
    });
    // DECLINED would send the server on to its own, unconfined pipeline: nobody answered means 500, as in
    // ap_invoke_handler.
    answered(r, status)
}

/// post_perdir_config, before all others: code that the directory configuration names for the phases to come
/// (see [`modules::scripts`]) runs where no rule applies, or confined, or not at all.
pub fn directory_found(r: &mut Request<'_>) -> Status {
    if !DirectoryConfig::of(r).is_some_and(|d| d.code.is_any()) {
        return Status::DECLINED;
    }
    let scope = scope_or_return!(r);
    match refusal_of_code(r, scope).filter(|_| !current::is_confined()) {
        Some(refusal) => refuse(r, scope, &Grounds::of(r), &refusal),
        None => Status::DECLINED,
    }
}

/// The refusal of a request that is not confined yet, and would meet code that a tenant named before it is.
pub fn refusal_of_code(r: &Request<'_>, scope: Scope<'_>) -> Option<Refusal> {
    let code = DirectoryConfig::of(r)?.code;
    let runs = code.runs_early(scope.policy) && scope.guards_phases();
    runs.then(|| Refusal::named_code(&code))
}

/// post_perdir_config: keeps redirects and subrequests of a confined request alike to it where they
/// are, though its directory configuration was replaced, and has their Lua states end in the worker. Elsewhere,
/// has the filters of a resource wait for the move.
pub fn directory_known(r: &mut Request<'_>) {
    if !current::is_confined() {
        if rules_apply(r) {
            r.guard_filters();
        }
        return;
    }
    for source in [r.redirected_from(), r.main()].into_iter().flatten() {
        r.share_own_config(&source);
    }
    if let Some(policy) = ServerConfig::of(&r.server()).and_then(|s| s.policy()) {
        apply_confined_settings(r, policy);
    }
}

/// Gives a request the settings of every confined one: how the server gets at files, and where Lua states end.
fn apply_confined_settings(r: &mut Request<'_>, policy: &Policy) {
    r.read_files();
    lua::end_in_worker(r, policy);
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
    current::is_confined() || r.goes_unconfined() || !rules_apply(r)
}

/// handler, before all others.
pub fn handler_gate(r: &mut Request<'_>) -> Status {
    let scope = scope_or_return!(r);
    let state = current::state();
    if scope.rules.is_none() && scope.server.early.is_none() && !current::is_confined() {
        return Status::DECLINED;
    }
    before_the_rules(r, scope).or_else(|| match state {
        None if scope.server.gate() == Gate::Handler => decide_then_serve(r, scope),
        None => worker::serve(r, |r| early_move_then(r, |r| content_of(r, None))),
        // A subrequest's handler that runs while the main request has not moved (it is exempt, or an
        // application's hook runs early) must neither run unconfined nor move the main request with
        // it: it gets a worker and a decision of its own.
        Some(state) if scope.is_undecided(state) && r.is_subrequest() && !current::is_made_for(r) => {
            worker::serve(r, |r| early_move_then(r, |r| content_of(r, None)))
        }
        Some(state) => content(r, scope, state, None),
    })
}

/// What of the server's may answer before the rules of this resource are asked, or DECLINED.
fn before_the_rules(r: &mut Request<'_>, scope: Scope<'_>) -> Status {
    let handlers = &scope.policy.handlers;
    // Upgrades are never looked at in a confined thread: mod_http2's threads would keep the context. A
    // subrequest has nothing to upgrade, but an application may have written its headers.
    if !current::is_confined() && !r.is_subrequest() {
        let status = handlers.upgrade(r);
        if status != Status::DECLINED {
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
    Status::DECLINED
}

/// `ConfineGate handler`: the decision first, and a thread only for a request that is to move.
fn decide_then_serve(r: &mut Request<'_>, scope: Scope<'_>) -> Status {
    fault::at_gate(r);
    lead_on(r, scope).or_else(|| {
        r.keep_original_headers();
        let verdict = Verdict::of(r, scope, scope.rules());
        let (moves, by) = match moves_of(r, scope, verdict) {
            Ok(Some(found)) => found,
            Ok(None) => return run_unmoved(r, scope),
            Err(status) => return status,
        };
        match elsewhere(r, scope) {
            Ok(_) => serve_decided(r, scope, (moves, by)),
            // A refusal needs no thread; in report mode the request goes on as it would in one.
            Err(refusal) => refuse(r, scope, &by.within(&moves), &refusal).or_else(|| run_unmoved(r, scope)),
        }
    })
}

/// Serves the content of a decided request in a kept worker, where that is asked for, or in one of its own.
fn serve_decided(r: &mut Request<'_>, scope: Scope<'_>, decided: Decided<'_>) -> Status {
    match scope.server.workers() {
        Workers::PerContext(limits) if can_be_kept(scope, &decided.0) => {
            let map_swaps = scope.policy.map_swaps();
            worker::serve_kept(r, decided, map_swaps, &limits, |r, decided| content_of(r, Some(decided)))
        }
        _ => worker::serve(r, move |r| content_of(r, Some(&decided))),
    }
}

/// Whether a kept worker may serve this request: its contexts are the same for every request that they are
/// decided for, they are to be entered, and no filter of a watch stays on the thread.
fn can_be_kept(scope: Scope<'_>, moves: &MovesOf<'_>) -> bool {
    moves.steps.iter().all(|step| step.is_constant()) && !scope.reports_only() && scope.watched_as().is_none()
}

/// The content, in a worker that the handler gate made because rules apply.
fn content_of(r: &mut Request<'_>, decided: Option<&Decided<'_>>) -> Status {
    match (Scope::of(r), current::state()) {
        (Ok(scope), Some(state)) => content(r, scope, state, decided),
        (Err(status), _) if status != Status::DECLINED => status,
        _ => report::no_handler(r),
    }
}

/// The content, in a worker: the decision and the move where they are still to come, then the handlers.
fn content(r: &mut Request<'_>, scope: Scope<'_>, state: State, decided: Option<&Decided<'_>>) -> Status {
    if !scope.is_undecided(state) {
        r.keep_original_headers();
        return if current::is_confined() { continue_confined(r, scope) } else { run_unmoved(r, scope) };
    }
    let led = if decided.is_none() { lead_on(r, scope) } else { Status::DECLINED };
    led.or_else(|| {
        r.keep_original_headers();
        match decided {
            Some((moves, by)) => enter(r, scope, moves, by),
            None => {
                let verdict = Verdict::of(r, scope, scope.rules());
                match moves_of(r, scope, verdict) {
                    Ok(Some((moves, by))) => enter(r, scope, &moves, &by),
                    Ok(None) => Status::DECLINED,
                    Err(status) => status,
                }
            }
        }
    })
    .or_else(|| match current::state() {
        Some(State::Moved) => run_moved(r, scope),
        state => {
            if scope.reports_only() && state == Some(State::Unmoved) {
                current::reached(State::Reported);
            }
            run_unmoved(r, scope)
        }
    })
}

/// Runs the one handler that leads to another resource, where this request is of that kind; or DECLINED. Should
/// that handler decline, the request is decided like any other.
fn lead_on(r: &mut Request<'_>, scope: Scope<'_>) -> Status {
    match leads_on(r) {
        Some(which) => r.leading(|r| scope.policy.handlers.lead_on(r, which)),
        None => Status::DECLINED,
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

/// Says what a verdict comes to that is not a move: the moves to make, `None` where the request goes on without any,
/// or the status of a refusal.
fn moves_of<'a>(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    verdict: Verdict<'a>,
) -> Result<Option<Decided<'a>>, Status> {
    let Verdict { grounds, outcome } = verdict;
    let (counter, event) = match outcome {
        Outcome::Confine(moves) => return Ok(Some((moves, grounds))),
        Outcome::Exempt => (Counter::Exempt, Event::Exempt),
        Outcome::LetThrough => (Counter::UnmatchedAllowed, Event::Unmatched),
        Outcome::Refuse(refusal) => {
            return match refuse(r, scope, &grounds, &refusal) {
                Status::DECLINED => Ok(None),
                status => Err(status),
            };
        }
    };
    counters::add(counters::row_of(r, &grounds), counter);
    report::passed(r, event, &grounds);
    Ok(None)
}

/// A refusal's status; in report mode a line that says what it would have been, and DECLINED: the request goes on.
fn refuse(r: &mut Request<'_>, scope: Scope<'_>, grounds: &Grounds<'_>, refusal: &Refusal) -> Status {
    if scope.reports_only() {
        report::would_refuse(r, grounds, refusal);
        return Status::DECLINED;
    }
    report::refused(r, grounds, refusal)
}

/// Carries a decision out: everything that can fail without a move first, then the moves in order. DECLINED, so
/// that the handlers come next, or the status of a refusal.
fn enter(r: &mut Request<'_>, scope: Scope<'_>, moves: &MovesOf<'_>, by: &Grounds<'_>) -> Status {
    let elsewhere = match elsewhere(r, scope) {
        Ok(elsewhere) => elsewhere,
        Err(refusal) => return refuse(r, scope, &by.within(moves), &refusal),
    };
    let content = if elsewhere.is_some() { Content::Elsewhere } else { Content::Here };
    let status = enter_and_record(r, scope, moves, by, State::Moved, content);
    if let Some(maker) = elsewhere.filter(|_| status == Status::DECLINED && !scope.reports_only()) {
        made_elsewhere(r, scope, maker, &by.within(moves));
    }
    status
}

/// The process other than this one that would make the content, if it is allowed to.
pub fn elsewhere<'s>(r: &Request<'_>, scope: Scope<'s>) -> Result<Option<&'s LoadedMaker>, Refusal> {
    match scope.policy.handlers.ahead(r)? {
        Ahead::Maker(maker) => maker.allowed(scope).map(|()| Some(maker)),
        Ahead::Nothing => Ok(None),
    }
}

/// The handlers of a request that its rules did not move: it is exempt, or only reported. Nothing is refused to it
/// that the server or an early context allows.
fn run_unmoved(r: &mut Request<'_>, scope: Scope<'_>) -> Status {
    if !current::is_confined() {
        r.let_go_unconfined();
    }
    let status = scope.policy.handlers.run(r);
    answered(r, status)
}

/// The handlers of a request that has just moved.
fn run_moved(r: &mut Request<'_>, scope: Scope<'_>) -> Status {
    let (status, refused) = run_confined(r, scope);
    if !refused && !current::was_made_elsewhere() {
        let row = current::row().unwrap_or_else(|| counters::row_of(r, &Grounds::of(r)));
        counters::add(row, Counter::Confined);
        current::is_first_count();
    }
    status
}

/// A request that goes on in the contexts that its worker is in.
fn continue_confined(r: &mut Request<'_>, scope: Scope<'_>) -> Status {
    report::inherit(r);
    apply_confined_settings(r, scope.policy);
    let (status, refused) = run_confined(r, scope);
    // Where no rule applies, the early move alone confines the request.
    let counts = !refused && !r.is_subrequest() && !current::was_made_elsewhere();
    if counts && current::state() == Some(State::Early) && current::is_first_count() {
        counters::add(current::row().unwrap_or(Row::OTHER), Counter::Confined);
    }
    status
}

/// The handlers in a thread that is in some context, and whether the request was refused before one of them.
fn run_confined(r: &mut Request<'_>, scope: Scope<'_>) -> (Status, bool) {
    out_of_process::forbid_ssi_exec(r, scope);
    let mut refused = false;
    let status = scope.policy.handlers.run_confined(
        r,
        |r, refusal| {
            refused = true;
            report::refused(r, &Grounds::of(r), refusal)
        },
        |r, maker| {
            maker.allowed(scope)?;
            made_elsewhere(r, scope, maker, &Grounds::of(r));
            Ok(())
        },
    );
    (answered(r, status), refused)
}

/// Says and counts that another process makes the content. Nothing of it is called confined any more.
fn made_elsewhere(r: &mut Request<'_>, scope: Scope<'_>, maker: &LoadedMaker, grounds: &Grounds<'_>) {
    if r.is_made_elsewhere() {
        return;
    }
    r.set_made_elsewhere();
    if !r.is_subrequest() || current::is_made_for(r) {
        current::note_made_elsewhere();
    }
    maker.warn(r, scope, grounds);
    report::made_elsewhere(r, grounds, maker.name());
}

fn answered(r: &mut Request<'_>, status: Status) -> Status {
    status.or_else(|| report::no_handler(r))
}
