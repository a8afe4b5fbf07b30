//! Requests that processes of their own serve: `SetHandler confine-fastcgi:NAME`.
//!
//! The rules choose the contexts, as for every request. Then the request is led to mod_proxy_fcgi, by a handler that
//! names the socket of these contexts' pool. Nobody else may name it: right before mod_proxy connects, [`guard`] looks
//! where each request of the server goes, also one without rules.

use std::{
    borrow::Cow,
    ffi::{CStr, OsStr},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use confine::{
    lsm::{EnterError, Values},
    policy::decide::MovesOf,
    pool::{UNCONFINED, Wanted},
    problem::Problem,
};

use crate::{
    config::{
        Policy,
        fastcgi::{HANDLER, Program},
    },
    fastcgi::{
        self,
        client::{self, Unavailable},
        table::{self, InFlight, Lines, NoPlace, Place},
    },
    httpd::{
        directives::Directives,
        hooks,
        log::{self, Level},
        request::{Backend, Request},
        server::Server,
        status::Status,
    },
    report::{self, Grounds, Refusal},
    request::{Scope, enter::From},
    subject::PathValues,
    thread::current,
};

/// The module that speaks with pools.
pub const FCGI: &CStr = c"mod_proxy_fcgi.c";

/// What mod_proxy_fcgi does for requests to pools. `None`: this configuration has none.
pub fn settings(main: &Server<'_>, wanted: bool) -> Result<Option<Directives>, String> {
    if !wanted {
        return Ok(None);
    }
    for (module, name) in [(c"mod_proxy.c", "proxy"), (FCGI, "proxy_fcgi")] {
        if !hooks::module_loaded(module) {
            return Err(format!(
                "<ConfineFastCGI> needs mod_{name}, which is not loaded; add LoadModule {name}_module \
                 modules/mod_{name}.so"
            ));
        }
    }
    // Otherwise PHP's own program finds "proxy:fcgi://..." for its script's name.
    Directives::read(main, &[(c"ProxyFCGIBackendType", c"GENERIC")]).map(Some)
}

/// The name behind `confine-fastcgi:` in the request's handler.
fn program_of<'r>(r: &Request<'r>) -> Option<&'r str> {
    // Nearly every request has another handler, so the name is only decoded behind the prefix.
    std::str::from_utf8(r.handler()?.to_bytes().strip_prefix(HANDLER.as_bytes())?).ok()
}

/// Whether a pool makes the content of this request, or would.
pub fn is_for_pool(r: &Request<'_>) -> bool {
    r.goes_to_backend() || program_of(r).is_some()
}

/// Which pool would serve a request that asks for one, in words, for `confinectl`; `None`: it asks for none. `moves` are
/// those that were decided for it.
pub fn explained(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    moves: Option<&MovesOf<'_>>,
    from: From,
    programs: &[Program],
) -> Result<Option<String>, Refusal> {
    let Some(name) = program_of(r) else { return Ok(None) };
    let program = programs.iter().find(|program| *program.name == *name);
    let program = program.ok_or_else(|| Refusal::no_pool(no_section(name)))?;
    let by = format!("{} (<ConfineFastCGI {name}> at {})", program.file.to_string_lossy(), program.origin);
    if scope.reports_only() {
        return match moves.is_some_and(|moves| moves.for_processes.is_some()) {
            true => Err(Refusal::no_pool(REPORTED_USER)),
            false => {
                Ok(Some(format!("processes of {by} in no context, with the privileges of the server's User")))
            }
        };
    }
    let Some(moves) = moves else { return Err(Refusal::no_pool(no_contexts(name))) };
    if from == From::Server {
        let values = PathValues::of(r, &scope.policy.path_expressions);
        for step in moves.steps.iter().filter(|step| !step.is_constant()) {
            step.ready(&values).map_err(|error| Refusal::enter(&error))?;
        }
        pool_of(r, scope, moves, from)?;
    } else if moves.for_processes.is_some() {
        return Err(Refusal::no_pool(EARLY_USER));
    }
    let user = moves
        .for_processes
        .as_ref()
        .map_or("the server's User".to_owned(), |user| format!("the user {}", user.text));
    Ok(Some(format!("processes of {by} in these contexts, as {user}")))
}

fn no_section(name: &str) -> String {
    format!("there is no section <ConfineFastCGI {name}>; write one, or correct the handler's name")
}

fn no_contexts(name: &str) -> String {
    format!(
        "{HANDLER}{name} serves requests in the contexts that rules give them, and no rule gives this one any; write \
         a rule for it, such as ConfineContext landlock:NAME"
    )
}

/// The refusal of a request that asks for a pool and has no contexts.
pub fn refusal_without_contexts(r: &Request<'_>) -> Option<Refusal> {
    program_of(r).map(|name| Refusal::no_pool(no_contexts(name)))
}

/// Refuses a request that asks for a pool and has no contexts. Nobody else answers to its handler's name, so the
/// server would send the program's source.
pub fn without_contexts(r: &mut Request<'_>) -> Status {
    let Some(refusal) = refusal_without_contexts(r) else { return Status::DECLINED };
    report::refused(r, &Grounds::of(r), &refusal)
}

/// Leads a request that asks for a pool to that of the contexts that were decided for it. The answer is its place in
/// the pool, to be kept until the handlers have run; `None`: it asks for none, or its moves are only reported.
pub fn lead(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    moves: &MovesOf<'_>,
    from: From,
) -> Result<Option<InFlight>, Refusal> {
    if program_of(r).is_none() {
        return Ok(None);
    }
    if scope.reports_only() {
        return if moves.for_processes.is_some() { Err(Refusal::no_pool(REPORTED_USER)) } else { Ok(None) };
    }
    let pool = pool_of(r, scope, moves, from)?;
    // What a thread would be refused for these values, this request is. The manager is not asked for their pool.
    let allowed = |r: &mut Request<'_>| {
        let values = PathValues::of(r, &scope.policy.path_expressions);
        let mut of_request = moves.steps.iter().filter(|step| !step.is_constant());
        of_request.try_for_each(|step| step.ready(&values).map(drop))
    };
    lead_to(r, &pool, allowed)
}

/// The name of the pool of these contexts, and of the values in the paths of their rulesets.
pub fn pool_of<'m>(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    moves: &'m MovesOf<'_>,
    from: From,
) -> Result<Cow<'m, CStr>, Refusal> {
    let own = if moves.steps.iter().all(|step| step.is_constant()) {
        Cow::Borrowed(&*moves.text)
    } else {
        let values = values_of(r, scope, moves).map_err(|error| Refusal::enter(&error))?;
        Cow::Owned(Wanted::name(&moves.text, &values))
    };
    if from == From::Server {
        return Ok(own);
    }
    if moves.for_processes.is_some() {
        return Err(Refusal::no_pool(EARLY_USER));
    }
    let early = current::contexts().ok_or_else(|| Refusal::no_pool(NOT_KNOWN))?;
    Ok(Cow::Owned(Wanted::further(&early, &own)))
}

/// The values of this request in the paths of rulesets, each with the number of its expression.
fn values_of(
    r: &mut Request<'_>,
    scope: Scope<'_>,
    moves: &MovesOf<'_>,
) -> Result<Vec<(usize, Vec<u8>)>, EnterError> {
    let values = PathValues::of(r, &scope.policy.path_expressions);
    let numbers = moves.steps.iter().flat_map(|step| step.expressions());
    let failed =
        |why: String| Problem::new(format!("an expression in a path failed: {why}"), "correct the ruleset");
    let value = |number: &usize| -> Result<(usize, Vec<u8>), EnterError> {
        Ok((*number, values.value(*number).map_err(failed)?))
    };
    numbers.map(value).collect()
}

const REPORTED_USER: &str = "its rule names a user, and ConfineMode report would run it as the server's own: what a user may \
                             do is not tried out; write ConfineMode enforce here, and uid: alone until the other \
                             contexts are ready";

const EARLY_USER: &str = "its rule names a user, and ConfineEarly comes before every rule, though uid: must be the first \
                          context of a process; write the rules of this host without ConfineEarly";

const NOT_KNOWN: &str =
    "the contexts that its thread is in have no pool; please report this as a bug of mod_confine";

/// The same for a request that goes on in the contexts which its thread is in: a redirect, a subrequest, a place
/// without rules behind an early move.
pub fn lead_further(r: &mut Request<'_>) -> Result<Option<InFlight>, Refusal> {
    if program_of(r).is_none() {
        return Ok(None);
    }
    let pool = current::contexts().ok_or_else(|| Refusal::no_pool(NOT_KNOWN))?;
    lead_to(r, &pool, |_| Ok(()))
}

/// The same for a request that runs unmoved because its moves are only reported: a pool without contexts serves it, or,
/// behind an early move, one in its contexts.
pub fn lead_reported(r: &mut Request<'_>, scope: Scope<'_>) -> Result<Option<InFlight>, Refusal> {
    if !scope.reports_only() || program_of(r).is_none() {
        return Ok(None);
    }
    if current::is_confined() {
        return lead_further(r);
    }
    lead_to(r, UNCONFINED, |_| Ok(()))
}

fn lead_to(
    r: &mut Request<'_>,
    pool: &CStr,
    mut may_ask: impl FnMut(&mut Request<'_>) -> Result<(), EnterError>,
) -> Result<Option<InFlight>, Refusal> {
    let Some(name) = program_of(r) else { return Ok(None) };
    let programs = fastcgi::programs();
    let Some((programs, (section, program))) =
        programs.as_ref().and_then(|programs| Some((programs, programs.find(name)?)))
    else {
        return Err(Refusal::no_pool(no_section(name)));
    };
    let entered = client::enter(programs, section, pool, || may_ask(r));
    let (known, in_flight) = entered.map_err(|why| {
        let (refusal, seconds) = refusal_of(&why, program.bound());
        let seconds = r.pool().text(seconds.to_string().as_bytes());
        if refusal.status() == Status::SERVICE_UNAVAILABLE {
            r.set_header_of_errors(c"Retry-After", seconds);
        }
        refusal
    })?;
    let memory = r.pool();
    let socket = memory.text(known.socket.to_bytes());
    let handler = memory.text(known.handler.to_bytes());
    let id = (known.place.index, known.place.pool);
    r.lead_to(Backend { handler, socket, id });
    if table::table().is_some_and(|table| table.said_enough(known.place)) {
        log::silence(r, FCGI);
    }
    Ok(Some(in_flight))
}

/// The refusal of a request that gets no place, and when the client may ask again.
fn refusal_of(why: &Unavailable, bound: u32) -> (Refusal, u64) {
    match why {
        Unavailable::NotAllowed(error) => (Refusal::enter(error), 0),
        Unavailable::Refused(why) => (Refusal::no_pool(why), 0),
        Unavailable::NoRoom(why) => (Refusal::pool_unavailable(why), 1),
        Unavailable::NoManager(error) => {
            let why = format!(
                "the manager of pools does not answer ({error}); if it was killed, the server starts another, and \
                 the log says so"
            );
            (Refusal::pool_unavailable(why), 1)
        }
        Unavailable::NoPlace(NoPlace::Gone) => {
            (Refusal::pool_unavailable("the manager of pools has just ended; try again"), 1)
        }
        Unavailable::NoPlace(NoPlace::Full) => {
            let why = format!(
                "{bound} requests are in the pool of these contexts or wait for it; raise Processes or Queue, or see \
                 what hangs there"
            );
            (Refusal::pool_unavailable(why), 1)
        }
        Unavailable::NoPlace(NoPlace::Failing(pause)) => {
            let seconds = pause.as_secs() + 1;
            let why = format!(
                "the program of these contexts died at its start, and is tried again in {seconds} s; the log says why"
            );
            (Refusal::pool_unavailable(why), seconds)
        }
    }
}

/// Right before mod_proxy's handler takes a request to its pool.
pub fn before_proxy(r: &mut Request<'_>, policy: &Policy) {
    if let Some(settings) = &policy.fcgi {
        r.force_fcgi(settings);
    }
}

/// After the handlers: a client that got no answer from its pool may ask again.
pub fn after_proxy(r: &mut Request<'_>, status: Status) {
    if status == Status::SERVICE_UNAVAILABLE && r.backend().is_some() {
        r.set_header_of_errors(c"Retry-After", c"1");
    }
}

/// mod_proxy_fcgi wrote a line about a request to a pool: what the program says by FastCGI's error stream, mostly. It has
/// no bound of its own.
pub fn line_logged(r: &mut Request<'_>) {
    let (Some(backend), Some(table)) = (r.backend(), table::table()) else { return };
    let (index, pool) = backend.id;
    match table.said(Place { index, pool }) {
        Lines::Few => return,
        Lines::Enough => {
            let line = "confine: the program of this request's pool has written as many lines as it may in 10 s; more \
                        are not kept";
            log::request(r, Level::Warning, line);
        }
        Lines::TooMany => {}
    }
    log::silence(r, FCGI);
}

/// mod_proxy is about to connect to this UNIX socket, or to something else, for a request of the server: DECLINED, so
/// that it does, or the status of a refusal.
pub fn guard(r: &mut Request<'_>, socket: Option<&CStr>) -> Status {
    let own = r.backend().map(|backend| backend.socket);
    if own.is_some() && own == socket {
        return Status::DECLINED;
    }
    let is_led = r.goes_to_backend();
    let shown = || socket.map_or("a backend that is no UNIX socket".into(), CStr::to_string_lossy);
    if is_led {
        let why = format!(
            "mod_proxy would lead this request to {} and not to its pool, because a <Proxy> or ProxyPass of the \
             configuration matches every name; write the host's name there",
            shown()
        );
        return report::refused(r, &Grounds::of(r), &Refusal::no_pool(why));
    }
    let programs = fastcgi::programs();
    let running = programs.as_ref().and_then(|programs| programs.running());
    let (Some(socket), Some(running)) = (socket, running) else { return Status::DECLINED };
    if running.folder().holds(Path::new(OsStr::from_bytes(socket.to_bytes()))) {
        return report::refused(r, &Grounds::of(r), &Refusal::pool_of_others(&shown()));
    }
    Status::DECLINED
}
