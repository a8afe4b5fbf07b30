//! The moves of a request into its contexts, all or nothing.

use std::time::Instant;

use confine::{
    backends::{not_for_threads, replaces_early},
    lsm::{self, Enter, EnterError, Values},
    policy::decide::MovesOf,
    problem::Problem,
};

use super::{apply_confined_settings, modules::fastcgi, refuse, scope::Scope, watch::Watching};
use crate::{
    config::DirectoryConfig,
    httpd::{request::Request, status::Status},
    report::{
        self, Event, Grounds, Refusal,
        counters::{self, Counter},
    },
    subject::PathValues,
    thread::current::{self, State},
};

/// Where the content will be made, as far as it is known before the move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// In the thread that moves.
    Here,
    /// In another process, which the move does not reach. Then nothing may be called confined.
    Elsewhere,
}

/// How much of a move is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// All of it.
    Made,
    /// All but the last step: everything that can fail and does not move the thread.
    Tried,
}

/// Where the thread is before the move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum From {
    /// In the server's own context.
    Server,
    /// In the contexts of an early move. A further move can only tighten them.
    Early,
}

impl From {
    /// Where this thread is.
    pub fn of_this_thread() -> Self {
        if current::state() == Some(State::Early) { Self::Early } else { Self::Server }
    }
}

/// Moves this thread and records it. The answer is DECLINED, so that the handlers come next, or the status of a
/// refusal.
pub fn enter_and_record(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    moves: &MovesOf<'_>,
    grounds: &Grounds<'_>,
    reached: State,
    content: Content,
) -> Status {
    let grounds = &grounds.within(moves);
    let row = counters::row_of(r, grounds);
    let from = From::of_this_thread();
    let extent = if scope.reports_only() { Extent::Tried } else { Extent::Made };
    // This looks up paths, so it needs the server's privileges. A watch is on this thread, which for a pool only passes
    // an answer on.
    let watching = if fastcgi::is_for_pool(r) { None } else { Watching::of(r, scope, moves) };
    // A kept worker has moved with its first request, so it has no time to record.
    let since = (extent == Extent::Made && !current::has_entered_before()).then(Instant::now);
    // Of this request, and before code of a tenant can change it.
    let pool = match scope.policy.fcgi.is_some() && extent == Extent::Made {
        true => fastcgi::pool_of(r, scope, moves, from).ok(),
        false => None,
    };
    if let Err(refusal) = try_moves(r, scope, moves, extent, from) {
        return refuse(r, scope, grounds, &refusal);
    }
    if let Some(since) = since {
        counters::moved(row, since.elapsed());
    }
    let learns = match watching.map(|watching| watching.begin(r, scope, grounds, reached)) {
        None => false,
        Some(Ok(learns)) => learns,
        Some(Err(refusal)) => return report::refused(r, grounds, &refusal),
    };
    if extent == Extent::Tried {
        let (counter, event) = match content {
            Content::Elsewhere => (Counter::WouldBeOutOfProcess, Event::WouldBeOutOfProcess),
            Content::Here if learns => (Counter::Learning, Event::Learning),
            Content::Here => (Counter::WouldConfine, Event::WouldConfine),
        };
        counters::add(row, counter);
        report::passed(r, event, grounds);
        return Status::DECLINED;
    }
    current::reached(reached);
    if are_for_processes(moves) {
        current::only_passes_on();
    }
    current::counts_in(row);
    if scope.policy.fcgi.is_some() {
        current::is_in(pool.as_deref());
    }
    apply_confined_settings(r, scope.policy);
    if content == Content::Here {
        let event = if reached == State::Early { Event::ConfinedEarly } else { Event::Confined };
        report::moved(r, event, grounds, &moves.text, from == From::Early);
    }
    Status::DECLINED
}

/// Makes the moves, as far as `extent` says.
pub fn try_moves(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    moves: &MovesOf<'_>,
    extent: Extent,
    from: From,
) -> Result<(), Refusal> {
    if let Some(context) = &moves.for_processes {
        if !fastcgi::is_for_pool(r) {
            return Err(Refusal::context(&not_for_threads(context)));
        }
        // Where nothing is left for this thread, it only passes an answer on.
        let code = DirectoryConfig::of(r).map(|d| d.code).filter(|code| code.is_any());
        if let Some(code) = code.filter(|_| are_for_processes(moves)) {
            return Err(Refusal::named_code(&code));
        }
    }
    if let Some(context) = moves.replacing.as_ref().filter(|_| from == From::Early) {
        return Err(Refusal::context(&replaces_early(context)));
    }
    let values = PathValues::of(r, &scope.policy.path_expressions);
    enter_all(moves, &values, extent, from).map_err(|error| Refusal::enter(&error))
}

/// Whether all moves are for processes of their own, so that the thread which passes their answer on stays where it is.
fn are_for_processes(moves: &MovesOf<'_>) -> bool {
    moves.for_processes.is_some() && moves.steps.iter().all(|step| step.is_for_processes())
}

/// Prepares every move before it makes the first one, so that the request is in all contexts of its rule or in none.
/// If a move fails nevertheless, the thread may be in some of the contexts. This only takes privileges away. The
/// request is refused and the thread ends.
fn enter_all(moves: &MovesOf<'_>, values: &dyn Values, extent: Extent, from: From) -> Result<(), EnterError> {
    let enter = |i: usize, ready: &lsm::PreparedMove<'_>| {
        if from == From::Early || i > 0 { ready.enter_further() } else { ready.enter() }
    };
    match current::entered_before(|there| there.map(|there| *there == *moves.text)) {
        None => {}
        // A kept worker is in its contexts since an earlier request.
        Some(true) => return Ok(()),
        Some(false) => return Err(kept_elsewhere()),
    }
    let made = extent == Extent::Made;
    // A single move needs no list. The list would be the first allocation of this thread.
    if let Some([only]) = moves.for_processes.is_none().then_some(&*moves.steps) {
        let ready = only.ready(values)?;
        return if made { enter(0, &ready) } else { Ok(()) };
    }
    let of_threads = moves.steps.iter().filter(|step| !step.is_for_processes());
    let ready = of_threads.map(|step| step.ready(values)).collect::<Result<Vec<_>, _>>()?;
    if made { ready.iter().enumerate().try_for_each(|(i, ready)| enter(i, ready)) } else { Ok(()) }
}

fn kept_elsewhere() -> EnterError {
    EnterError {
        problem: Problem {
            why: "a worker that is kept in other contexts was asked to serve this".to_owned(),
            errno: None,
            remedy: "please report this as a bug of mod_confine".to_owned(),
        },
        forbidden: false,
    }
}
