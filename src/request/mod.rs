//! The life of a request, from where it is taken over from the server to its content.
//!
//! The functions are in the order in which a request meets them:
//! 1. [`process_gate`] is a quick handler before all others. It makes the worker for the whole pipeline. In the
//!    worker, [`early_move`] comes first.
//! 2. [`directory_found`] and [`directory_known`] run when the configuration of the request's place is known.
//!    [`filters_known`] runs when all filters are in their chains.
//! 3. [`handler_gate`] is a content handler before all others. Where rules apply it never declines. If a handler is
//!    about to run outside of a worker, the gate makes a worker, so no handler runs unconfined by mistake. With
//!    `ConfineGate handler` it is the only gate, and the decision comes before the thread ([`decide_then_serve`]).
//! 4. [`content`] runs in the worker: the rules are asked ([`Verdict`]), the thread moves ([`enter()`]), and the
//!    server's other handlers run one by one ([`handlers`]), with a look before each.
//!
//! Only three parts of the server run before the rules are asked: its upgrade to HTTP/2 (whose threads must not
//! inherit a context), mod_cache under `ConfineAllowCache on`, and the one handler that only leads to another
//! resource.

pub mod enter;
pub mod handlers;
pub mod modules;
pub mod scope;
pub mod verdict;
pub mod watch;

use confine::policy::decide::MovesOf;

use self::{
    enter::{Content, From, enter_and_record},
    handlers::{Ahead, LeadsOn},
    modules::{fastcgi, lua, mime_magic, negotiation, out_of_process},
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

/// The scope of a request. If there is none, the calling hook returns.
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
/// Quick handlers answer before any rule is read. So where the virtual host has rules, this hook never declines. It
/// runs the pipeline itself: in a worker, or in this thread if this thread is a worker or under `ConfineGate
/// handler`. For subrequests and look-ups it returns DONE. The server takes this for "not answered" and goes on
/// without quick handlers.
pub fn process_gate(r: &mut Request<'_>, lookup: bool) -> Status {
    let scope = scope_or_return!(r);
    if lookup || r.is_subrequest() {
        return from_cache(r, scope, lookup).or_else(|| Status::DONE);
    }
    fault::at_gate(r);
    match (current::state(), scope.server.gate()) {
        (None, Gate::Process) => worker::serve(r, |r| early_move_then(r, scope, |r| pipeline(r, scope))),
        _ => pipeline(r, scope),
    }
}

/// The response that httpd's cache has for this request before its phases, if the cache may answer.
fn from_cache(r: &mut Request<'_>, scope: Scope<'_>, lookup: bool) -> Status {
    if !scope.allows_cache() {
        return Status::DECLINED;
    }
    hooks::run_quick_handler_of(r, c"mod_cache.c", lookup)
}

/// The work of a new worker: the early move, if there is one, and then `job`.
fn early_move_then(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    job: impl FnOnce(&mut Request<'_>) -> Status,
) -> Status {
    match early_move(r, scope) {
        Status::OK => job(r),
        status => status,
    }
}

/// `ConfineEarly`, at the very start of the worker. The result is OK, or the status of a refusal.
///
/// At this time the virtual host, the client's address and the headers are known. The phases that run next
/// (.htaccess, authentication, rewriting, the hooks of every application) run confined.
fn early_move(r: &mut Request<'_>, scope: Scope<'_>) -> Status {
    // If a worker after its early move makes another worker, that one is in the same contexts already.
    if current::state() != Some(State::Unmoved) {
        return Status::OK;
    }
    let Some(index) = scope.server.early else { return Status::OK };
    let verdict = Verdict::of(r, scope, [&scope.policy.rules[index]]);
    // At this time no handler is known.
    let status = match moves_of(r, scope, verdict) {
        Ok(Some((moves, by))) => enter_and_record(r, scope, &moves, &by, State::Early, Content::Here),
        Ok(None) => Status::OK,
        Err(status) => status,
    };
    status.or_else(|| Status::OK)
}

/// All phases and the content, as the server runs them after its quick handlers.
fn pipeline(r: &mut Request<'_>, scope: Scope<'_>) -> Status {
    let status = from_cache(r, scope, false).or_else(|| match r.run_phases() {
        Status::OK => r.invoke_handler(),
        other => other,
    });
    // DECLINED would make the server run its own, unconfined pipeline. So if nobody answered, the result is 500, as
    // in ap_invoke_handler.
    answered(r, status)
}

/// post_perdir_config, before all others. The directory configuration can name code for the phases that follow (see
/// [`modules::scripts`]). This code runs where no rule applies, or in a confined thread, or not at all.
pub fn directory_found(r: &mut Request<'_>) -> Status {
    if !DirectoryConfig::of(r).is_some_and(|d| d.code.is_any()) {
        return Status::DECLINED;
    }
    let scope = scope_or_return!(r);
    match refusal_of_code(r, scope).filter(|_| !current::confines_code()) {
        Some(refusal) => refuse(r, scope, &Grounds::of(r), &refusal),
        None => Status::DECLINED,
    }
}

/// The refusal of a request that is not confined yet and would run code that a tenant named.
pub fn refusal_of_code(r: &Request<'_>, scope: Scope<'_>) -> Option<Refusal> {
    let code = DirectoryConfig::of(r)?.code;
    let runs = code.runs_early(scope.policy) && scope.guards_phases();
    runs.then(|| Refusal::named_code(&code))
}

/// post_perdir_config. A redirect or subrequest of a confined request gets the same replaced directory configuration
/// as the request, if it is in the same place, and its Lua states end in the worker. For any other request, the
/// filters of the resource wait for the move.
pub fn directory_known(r: &mut Request<'_>) {
    if !current::confines_code() {
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

/// Gives a request the settings of every confined request: how the server reads files, and where Lua states end.
fn apply_confined_settings(r: &mut Request<'_>, policy: &Policy) {
    r.read_files();
    lua::end_in_worker(r, policy);
}

/// Whether a rule may confine this request, or an early move.
pub fn rules_apply(r: &Request<'_>) -> bool {
    let server = ServerConfig::of(&r.server()).filter(|s| s.has_rules);
    let here = || DirectoryConfig::of(r).is_some_and(DirectoryConfig::has_rules);
    server.is_some_and(|s| s.early.is_some() || here())
}

/// Whether the filters of the resource may run for this request in this thread. They may if the thread is confined,
/// if no rule applies, or if it was decided that the request goes on with the server's privileges. A request that
/// ends before its decision or by a refusal is answered without them, whoever refused it.
pub fn filters_may_run(r: &Request<'_>) -> bool {
    current::confines_code() || r.goes_unconfined() || !rules_apply(r)
}

/// insert_filter, after all others: what the configuration made of filters stays among those of the resource, where
/// the guard is.
pub fn filters_known(r: &mut Request<'_>) {
    if current::is_confined() || rules_apply(r) {
        r.lower_made_filters();
    }
}

/// handler, before all others.
pub fn handler_gate(r: &mut Request<'_>) -> Status {
    let scope = match Scope::of(r) {
        Ok(scope) => scope,
        Err(Status::DECLINED) => return fastcgi::without_contexts(r),
        Err(status) => return status,
    };
    let state = current::state();
    if scope.rules.is_none() && scope.server.early.is_none() && !current::is_confined() {
        return fastcgi::without_contexts(r);
    }
    before_the_rules(r, scope).or_else(|| match state {
        None if scope.server.gate() == Gate::Handler => decide_then_serve(r, scope),
        None => worker::serve(r, |r| early_move_then(r, scope, |r| content_in_worker(r, scope, None))),
        // The handler of a subrequest runs before the main request has moved (the main request is exempt, or an
        // application's hook runs early). It must not run unconfined, and it must not move the main request. So it
        // gets a worker and a decision of its own.
        Some(state) if scope.is_undecided(state) && r.is_subrequest() && !current::is_made_for(r) => {
            worker::serve(r, |r| early_move_then(r, scope, |r| content_in_worker(r, scope, None)))
        }
        Some(state) => content(r, scope, state, None),
    })
}

/// The parts of the server that may answer before the rules of this resource are asked. DECLINED if none does.
fn before_the_rules(r: &mut Request<'_>, scope: Scope<'_>) -> Status {
    let handlers = &scope.policy.handlers;
    // Upgrades are never looked at in a confined thread, because mod_http2's threads would keep its context. A
    // subrequest has nothing to upgrade, but an application may have changed its headers.
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
        // A response under a rule is neither stored in the cache nor served from it. mod_cache's save filter looks at
        // this variable (modules/cache/mod_cache.c, cache_save_filter). r->no_cache would add an Expires header to
        // every response.
        r.set_env(c"no-cache", c"1");
    }
    Status::DECLINED
}

/// `ConfineGate handler`: the decision comes first, and only a request that must move gets a thread.
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
        // The place in a pool is kept until the content is there.
        let _in_pool = match fastcgi::lead(r, scope, &moves, From::Server) {
            Ok(in_pool) => in_pool,
            // In report mode, too: nothing else can serve it.
            Err(refusal) => return report::refused(r, &by.within(&moves), &refusal),
        };
        match elsewhere(r, scope) {
            Ok(maker) => serve_decided(r, scope, (moves, by), maker),
            // A refusal needs no thread. In report mode the request goes on, as it would in a thread.
            Err(refusal) => refuse(r, scope, &by.within(&moves), &refusal).or_else(|| run_unmoved(r, scope)),
        }
    })
}

/// A decision that was taken before the thread was made, and the process other than this one that will make the content.
type DecidedBefore<'d, 'a> = (&'d Decided<'a>, Option<&'d LoadedMaker>);

/// Serves the content of a decided request: in a kept worker if that is configured, otherwise in a one-time worker.
fn serve_decided(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    decided: Decided<'_>,
    maker: Option<&LoadedMaker>,
) -> Status {
    match scope.server.workers() {
        Workers::PerContext(limits) if can_be_kept(scope, &decided.0) => {
            let map_swaps = scope.policy.map_swaps();
            worker::serve_kept(r, decided, map_swaps, &limits, |r, decided| {
                content_in_worker(r, scope, Some((decided, maker)))
            })
        }
        _ => worker::serve(r, move |r| content_in_worker(r, scope, Some((&decided, maker)))),
    }
}

/// Whether a kept worker may serve this request. Its contexts must not depend on the request, they must really be
/// entered, and no filter of a watch may stay on the thread.
fn can_be_kept(scope: Scope<'_>, moves: &MovesOf<'_>) -> bool {
    moves.steps.iter().all(|step| step.is_constant())
        && !scope.reports_only()
        && scope.watched_for().is_none()
}

/// The content, in a worker that the handler gate made because rules apply.
fn content_in_worker(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    decided: Option<DecidedBefore<'_, '_>>,
) -> Status {
    match current::state() {
        Some(state) => content(r, scope, state, decided),
        None => report::no_handler(r),
    }
}

/// The content, in a worker: the decision and the move if they have not been made yet, and then the handlers.
fn content(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    state: State,
    decided: Option<DecidedBefore<'_, '_>>,
) -> Status {
    if !scope.is_undecided(state) {
        r.keep_original_headers();
        return if current::is_confined() { continue_confined(r, scope) } else { run_unmoved(r, scope) };
    }
    let led = if decided.is_none() { lead_on(r, scope) } else { Status::DECLINED };
    led.or_else(|| {
        r.keep_original_headers();
        match decided {
            Some(((moves, by), maker)) => enter_then_run(r, scope, moves, by, Ok(maker)),
            None => {
                let verdict = Verdict::of(r, scope, scope.rules());
                match moves_of(r, scope, verdict) {
                    Ok(Some((moves, by))) => match fastcgi::lead(r, scope, &moves, From::of_this_thread()) {
                        // The place in a pool is kept until the content is there.
                        Ok(_in_pool) => {
                            let elsewhere = elsewhere(r, scope);
                            enter_then_run(r, scope, &moves, &by, elsewhere)
                        }
                        Err(refusal) => report::refused(r, &by.within(&moves), &refusal),
                    },
                    Ok(None) => stay_then_run(r, scope),
                    Err(status) => status,
                }
            }
        }
    })
}

/// Moves, and runs the handlers in the contexts. In report mode the handlers run without a move.
fn enter_then_run(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    moves: &MovesOf<'_>,
    by: &Grounds<'_>,
    elsewhere: Result<Option<&LoadedMaker>, Refusal>,
) -> Status {
    enter(r, scope, moves, by, elsewhere).or_else(|| match current::state() {
        Some(State::Moved) => run_moved(r, scope, moves, by),
        _ => stay_then_run(r, scope),
    })
}

/// Runs the handlers of a request that does not move.
fn stay_then_run(r: &mut Request<'_>, scope: Scope<'_>) -> Status {
    if scope.reports_only() && current::state() == Some(State::Unmoved) {
        current::reached(State::Reported);
    }
    run_unmoved(r, scope)
}

/// Runs the one handler that leads to another resource, if this request is of that kind, and otherwise returns
/// DECLINED. If that handler declines, the request is decided like any other.
fn lead_on(r: &mut Request<'_>, scope: Scope<'_>) -> Status {
    match leads_on(r) {
        Some(which) => r.leading(|r| scope.policy.handlers.lead_on(r, which)),
        None => Status::DECLINED,
    }
}

/// Whether this request only leads to another resource, whose rules then decide.
///
/// The result of mod_rewrite in a directory has a certain handler name and a mark in the file name
/// (modules/mappers/mod_rewrite.c, handler_redirect). A tenant's .htaccess can set the handler, but without the mark
/// mod_rewrite declines.
fn leads_on(r: &Request<'_>) -> Option<LeadsOn> {
    let rewritten = r.handler() == Some(c"redirect-handler")
        && r.filename().is_some_and(|f| f.to_bytes().starts_with(b"redirect:"));
    match rewritten {
        true => Some(LeadsOn::Rewrite),
        false => negotiation::leads_on(r).then_some(LeadsOn::TypeMap),
    }
}

/// What follows from a verdict: the moves to make, or `None` if the request goes on without any, or the status of a
/// refusal.
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

/// Refuses, and returns the status. In report mode it only writes a line that says so, and returns DECLINED, so that
/// the request goes on.
fn refuse(r: &mut Request<'_>, scope: Scope<'_>, grounds: &Grounds<'_>, refusal: &Refusal) -> Status {
    if scope.reports_only() {
        report::would_refuse(r, grounds, refusal);
        return Status::DECLINED;
    }
    report::refused(r, grounds, refusal)
}

/// Makes the moves: first everything that can fail without moving, then the moves in order. The result is DECLINED,
/// so that the handlers come next, or the status of a refusal.
fn enter(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    moves: &MovesOf<'_>,
    by: &Grounds<'_>,
    elsewhere: Result<Option<&LoadedMaker>, Refusal>,
) -> Status {
    let elsewhere = match elsewhere {
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

/// The other process that would make the content, if that is allowed.
pub fn elsewhere<'s>(r: &Request<'_>, scope: Scope<'s>) -> Result<Option<&'s LoadedMaker>, Refusal> {
    match scope.policy.handlers.ahead(r)? {
        Ahead::Maker(maker) => maker.allowed(scope).map(|()| Some(maker)),
        Ahead::Nothing => Ok(None),
    }
}

/// Runs the handlers of a request that its rules did not move, because it is exempt or is only reported. Nothing is
/// refused that the server or an early context allows.
fn run_unmoved(r: &mut Request<'_>, scope: Scope<'_>) -> Status {
    if !current::is_confined() {
        r.let_go_unconfined();
    }
    let _in_pool = match fastcgi::lead_reported(r, scope) {
        Ok(in_pool) => in_pool,
        Err(refusal) => return report::refused(r, &Grounds::of(r), &refusal),
    };
    if r.goes_to_backend() {
        fastcgi::before_proxy(r, scope.policy);
    }
    mime_magic::before_handlers(r);
    let status = fastcgi::without_contexts(r).or_else(|| scope.policy.handlers.run(r));
    fastcgi::after_proxy(r, status);
    answered(r, status)
}

/// Runs the handlers of a request that has just moved.
fn run_moved(r: &mut Request<'_>, scope: Scope<'_>, moves: &MovesOf<'_>, by: &Grounds<'_>) -> Status {
    let (status, refused) = run_confined(r, scope);
    if !refused && !current::was_made_elsewhere() {
        let row = current::row().unwrap_or_else(|| counters::row_of(r, &Grounds::of(r)));
        counters::add(row, Counter::Confined);
        current::is_first_count();
        report::failed(r, by, moves, status);
    }
    status
}

/// Why a page of a process leads to nothing else than another such page.
const ONLY_FROM_POOL: &str = "the request before this one was served by a process of another user, and its thread, which \
                              would serve this, is in no context of its own; write another context beside uid:, such as \
                              landlock:NAME, or have the client follow the redirect (Location with http://)";

/// Goes on with a request in the contexts in which its worker already is.
fn continue_confined(r: &mut Request<'_>, scope: Scope<'_>) -> Status {
    report::inherit(r);
    apply_confined_settings(r, scope.policy);
    let in_pool = match fastcgi::lead_further(r) {
        // This thread itself is in no context.
        Ok(None) if current::passes_on() => Err(Refusal::context(&ONLY_FROM_POOL)),
        other => other,
    };
    let _in_pool = match in_pool {
        Ok(in_pool) => in_pool,
        Err(refusal) => return report::refused(r, &Grounds::of(r), &refusal),
    };
    let (status, refused) = run_confined(r, scope);
    // Where no rule applies, only the early move confines the request.
    let counts = !refused && !r.is_subrequest() && !current::was_made_elsewhere();
    if counts && current::state() == Some(State::Early) && current::is_first_count() {
        counters::add(current::row().unwrap_or(Row::OTHER), Counter::Confined);
    }
    status
}

/// Runs the handlers in a thread that is in some context. The bool says whether the request was refused before one of
/// them.
fn run_confined(r: &mut Request<'_>, scope: Scope<'_>) -> (Status, bool) {
    out_of_process::forbid_ssi_exec(r, scope);
    mime_magic::before_handlers(r);
    let mut refused = false;
    let status = scope.policy.handlers.run_confined(
        r,
        |r, refusal| {
            refused = true;
            report::refused(r, &Grounds::of(r), refusal)
        },
        |r, maker| {
            if r.goes_to_backend() {
                fastcgi::before_proxy(r, scope.policy);
                return Ok(());
            }
            maker.allowed(scope)?;
            made_elsewhere(r, scope, maker, &Grounds::of(r));
            Ok(())
        },
    );
    fastcgi::after_proxy(r, status);
    (answered(r, status), refused)
}

/// Says and counts that another process makes the content. From here on nothing about it is called confined.
fn made_elsewhere(r: &mut Request<'_>, scope: Scope<'_>, maker: &LoadedMaker, grounds: &Grounds<'_>) {
    if r.is_made_elsewhere() {
        return;
    }
    r.set_made_elsewhere();
    if !r.is_subrequest() || current::is_made_for(r) {
        current::note_made_elsewhere();
    }
    maker.warn(r, scope, grounds);
    report::made_elsewhere(r, grounds, maker.name(), maker.place());
}

fn answered(r: &mut Request<'_>, status: Status) -> Status {
    status.or_else(|| report::no_handler(r))
}
