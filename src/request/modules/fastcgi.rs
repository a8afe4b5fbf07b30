//! Requests that processes of their own serve: `SetHandler confine-fastcgi:NAME`.
//!
//! The rules choose the contexts, as for every request. Then the request is led to mod_proxy_fcgi, by a handler that
//! names the socket of these contexts' pool. Nobody else may name it: right before mod_proxy connects, [`guard`] looks
//! where each request of the server goes, also one without rules.

use std::{
    ffi::{CStr, OsStr},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use confine::policy::decide::MovesOf;

use crate::{
    config::{Policy, fastcgi::HANDLER},
    fastcgi::{
        self,
        client::{self, Unavailable},
        table::{InFlight, NoPlace},
    },
    httpd::{
        directives::Directives,
        hooks,
        request::{Backend, Request},
        server::Server,
        status::Status,
    },
    report::{self, Grounds, Refusal},
    request::Scope,
    thread::current::{self, State},
};

/// What mod_proxy_fcgi does for requests to pools. `None`: this configuration has none.
pub fn settings(main: &Server<'_>, wanted: bool) -> Result<Option<Directives>, String> {
    if !wanted {
        return Ok(None);
    }
    for (module, name) in [(c"mod_proxy.c", "proxy"), (c"mod_proxy_fcgi.c", "proxy_fcgi")] {
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

/// Refuses a request that asks for a pool and has no contexts. Nobody else answers to its handler's name, so the
/// server would send the program's source.
pub fn without_contexts(r: &mut Request<'_>) -> Status {
    let Some(name) = program_of(r) else { return Status::DECLINED };
    let why = format!(
        "{HANDLER}{name} serves requests in the contexts that rules give them, and no rule gives this one any; write \
         a rule for it, such as ConfineContext landlock:NAME"
    );
    report::refused(r, &Grounds::of(r), &Refusal::no_pool(why))
}

/// Leads a request that asks for a pool to that of the contexts that were decided for it. The answer is its place in
/// the pool, to be kept until the handlers have run; `None`: it asks for none.
pub fn lead(r: &mut Request<'_>, scope: Scope<'_>, moves: &MovesOf<'_>) -> Result<Option<InFlight>, Refusal> {
    if program_of(r).is_none() {
        return Ok(None);
    }
    if scope.reports_only() {
        return Err(Refusal::no_pool(
            "a pool's processes are in their contexts from their start, so they cannot run with the server's \
             privileges as ConfineMode report asks; try the policy with ConfineMode enforce on a host for tests",
        ));
    }
    if current::state() == Some(State::Early) || scope.server.early.is_some() {
        return Err(Refusal::no_pool(EARLY));
    }
    if let Some(step) = moves.steps.iter().find(|step| !step.is_constant()) {
        let why = format!(
            "{}: the paths of this ruleset depend on the request, and the processes of a pool serve many; write a \
             ruleset for each tenant, and choose it by a map or an expression",
            step.context()
        );
        return Err(Refusal::no_pool(why));
    }
    lead_to(r, &moves.text)
}

const EARLY: &str = "ConfineEarly and pools of processes do not work together; write the rules without ConfineEarly, \
                     with ConfineGate handler";

/// The same for a request that goes on in the contexts which its thread is in: a redirect, a subrequest.
pub fn lead_further(r: &mut Request<'_>) -> Result<Option<InFlight>, Refusal> {
    if program_of(r).is_none() {
        return Ok(None);
    }
    match current::contexts() {
        Some(contexts) if current::state() == Some(State::Moved) => lead_to(r, &contexts),
        _ => Err(Refusal::no_pool(EARLY)),
    }
}

fn lead_to(r: &mut Request<'_>, contexts: &CStr) -> Result<Option<InFlight>, Refusal> {
    let Some(name) = program_of(r) else { return Ok(None) };
    let programs = fastcgi::programs();
    let Some((programs, (section, program))) =
        programs.as_ref().and_then(|programs| Some((programs, programs.find(name)?)))
    else {
        return Err(Refusal::no_pool(format!(
            "there is no section <ConfineFastCGI {name}>; write one, or correct the handler's name"
        )));
    };
    let (known, in_flight) = client::enter(programs, section, contexts).map_err(|why| {
        let (refusal, seconds) = refusal_of(&why, program.bound());
        let seconds = r.pool().text(seconds.to_string().as_bytes());
        if refusal.status() == Status::SERVICE_UNAVAILABLE {
            r.set_header_of_errors(c"Retry-After", seconds);
        }
        refusal
    })?;
    let pool = r.pool();
    let socket = pool.text(known.socket.to_bytes());
    let handler = [b"proxy:unix:", known.socket.to_bytes(), b"|fcgi://", known.host.to_bytes(), b"/"];
    r.lead_to(Backend { handler: pool.text(&handler.concat()), socket });
    Ok(Some(in_flight))
}

/// The refusal of a request that gets no place, and when the client may ask again.
fn refusal_of(why: &Unavailable, bound: u32) -> (Refusal, u64) {
    match why {
        Unavailable::Refused(why) => (Refusal::no_pool(why), 0),
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

/// Right before mod_proxy's handler takes a request to its own pool.
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
