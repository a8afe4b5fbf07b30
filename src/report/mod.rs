//! What was decided: the log line, the request's environment and notes, the count.
//!
//! One grammar for all lines, the same fields in the same order:
//!
//! `confine: EVENT METHOD PATH user=U addr=A vhost=V rule=FILE:LINE context=C[: REASON]`
//!
//! A field that is unknown is `-`. A value is one word, in which all but plain characters is written as in URLs,
//! and the reason holds nothing that looks like a field, so that no name can forge one: see [`confine::field`].

pub mod counters;

use std::{
    ffi::{CStr, c_int},
    fmt::{self, Write as _},
    os::unix::ffi::OsStrExt,
};

use apache_sys as sys;
use confine::{
    field::{Field, Reason, Words},
    lsm::EnterError,
    policy::decide::RuleAt,
};

use self::counters::Counter;
use crate::{
    httpd::{
        log::{self, Level},
        request::Request,
    },
    subject::proven_user,
    worker,
};

/// The name of the variable and the note that carry a request's contexts.
pub const CONTEXT: &CStr = c"CONFINE_CONTEXT";

/// Why a request is refused, and with what.
pub struct Refusal {
    status: c_int,
    counter: Counter,
    reason: String,
}

impl Refusal {
    fn new(status: i32, counter: Counter, reason: impl Into<String>) -> Self {
        Self { status: status as c_int, counter, reason: reason.into() }
    }

    /// What the client gets.
    pub fn status(&self) -> c_int {
        self.status
    }

    /// Why, and what to do.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// No rule matched.
    pub fn unmatched() -> Self {
        Self::new(
            sys::HTTP_FORBIDDEN,
            Counter::RefusedUnmatched,
            "no rule matched; add one for this subject, a last line `* CONTEXT`, or ConfineUnmatched allow",
        )
    }

    /// An expression could not be evaluated.
    pub fn expression(error: &dyn fmt::Display) -> Self {
        Self::new(sys::HTTP_INTERNAL_SERVER_ERROR, Counter::RefusedExpression, error.to_string())
    }

    /// A database could not be asked.
    pub fn database(error: &dyn fmt::Display) -> Self {
        Self::new(sys::HTTP_SERVICE_UNAVAILABLE, Counter::RefusedDatabase, error.to_string())
    }

    /// A rule gave something that is no context here.
    pub fn context(error: &dyn fmt::Display) -> Self {
        Self::new(sys::HTTP_INTERNAL_SERVER_ERROR, Counter::RefusedContext, error.to_string())
    }

    /// The move itself failed.
    pub fn enter(error: &EnterError) -> Self {
        if error.forbidden {
            Self::new(sys::HTTP_FORBIDDEN, Counter::RefusedValue, error.to_string())
        } else {
            Self::context(error)
        }
    }

    /// The content would be made by another process.
    pub fn out_of_process(what: &str, remedy: &str) -> Self {
        Self::new(
            sys::HTTP_FORBIDDEN,
            Counter::RefusedOutOfProcess,
            format!(
                "{what} makes the content in another process, which does not inherit the context; {remedy}"
            ),
        )
    }

    /// A page of the server's that the configuration did not put here.
    pub fn server_page(handler: &str) -> Self {
        Self::new(
            sys::HTTP_FORBIDDEN,
            Counter::RefusedServerPage,
            format!(
                "{handler} is a page about the server, and its configuration did not put it here; if it is to answer \
                 here, write SetHandler {handler} in the server's configuration for this place, not in a .htaccess file"
            ),
        )
    }

    /// The handler wants to go on later, in a thread of the server.
    pub fn suspended() -> Self {
        Self::new(
            sys::HTTP_INTERNAL_SERVER_ERROR,
            Counter::RefusedSuspended,
            "the handler suspended the request, which would go on outside its worker; \
             use a handler that answers at once, or exempt this location with ConfineContext unconfined",
        )
    }

    /// The directory configuration names code that would run with the server's privileges.
    pub fn named_code(code: &dyn fmt::Display) -> Self {
        Self::new(
            sys::HTTP_FORBIDDEN,
            Counter::RefusedCode,
            format!(
                "{code} names code that would run before the request moves; take it away with AllowOverride None \
                 or an AllowOverrideList without it, or have it run confined with ConfineEarly"
            ),
        )
    }

    /// A type map without content had some when its handler read it.
    pub fn changed_map() -> Self {
        Self::new(
            sys::HTTP_INTERNAL_SERVER_ERROR,
            Counter::RefusedContext,
            "the type map changed while the request was decided, and holds content now; try again",
        )
    }

    /// PHP is running outside of the context, for the page that includes this one.
    pub fn php_outside() -> Self {
        Self::new(
            sys::HTTP_FORBIDDEN,
            Counter::RefusedContext,
            "the PHP page that includes this one runs in another context or in none, and one interpreter serves both: \
             what this script leaves in it (shutdown functions, handlers of errors) would run there; give the page \
             that includes it the same context, or let it fetch this one by HTTP",
        )
    }

    /// PHP's handler is asked for a request of its own while a page of this thread runs.
    pub fn php_again() -> Self {
        Self::new(
            sys::HTTP_INTERNAL_SERVER_ERROR,
            Counter::RefusedContext,
            "a PHP page that runs led to a request that is not its subrequest, after which PHP would forget the \
             settings that keep contexts apart; include it with virtual(), or fetch it by HTTP",
        )
    }

    /// The virtual host has rules, and start-up did not make them ready.
    pub fn not_ready() -> Self {
        Self::new(
            sys::HTTP_INTERNAL_SERVER_ERROR,
            Counter::Panic,
            "the rules of this server were not made ready; please report this as a bug of mod_confine",
        )
    }

    /// No thread.
    pub fn no_thread(status: sys::apr_status_t) -> Self {
        Self::new(
            sys::HTTP_SERVICE_UNAVAILABLE,
            Counter::NoThread,
            format!(
                "no thread for the request ({}); raise the limits on threads (TasksMax, ulimit -u) \
                 or lower ThreadStackSize",
                confine::lsm::errno_name(status)
            ),
        )
    }

    /// A fault of this module, described in the line before.
    pub fn panic() -> Self {
        Self::new(
            sys::HTTP_INTERNAL_SERVER_ERROR,
            Counter::Panic,
            "a fault of mod_confine itself (see the panic's line); please report it",
        )
    }
}

/// Counts and logs a refusal; gives the status to answer with.
pub fn refused(
    r: &mut Request<'_>,
    rule: Option<RuleAt<'_>>,
    context: Option<&str>,
    refusal: &Refusal,
) -> c_int {
    counters::add(refusal.counter);
    worker::refused();
    log::request(r, Level::Error, &line(r, "refused", rule, context, &refusal.reason));
    refusal.status
}

/// Logs what would have been a refusal (report mode).
pub fn would_refuse(r: &mut Request<'_>, rule: Option<RuleAt<'_>>, context: Option<&str>, refusal: &Refusal) {
    log::request(r, Level::Warning, &line(r, "would refuse", rule, context, &refusal.reason));
}

/// Logs a warning about a request that goes on.
pub fn warned(r: &mut Request<'_>, rule: Option<RuleAt<'_>>, context: Option<&str>, reason: &str) {
    log::request(r, Level::Warning, &line(r, "warned", rule, context, reason));
}

/// Says and counts that another process makes this request's content, and takes back what said that it runs in its
/// contexts.
pub fn made_elsewhere(r: &mut Request<'_>, rule: Option<RuleAt<'_>>, context: Option<&str>, maker: &str) {
    counters::add(Counter::OutOfProcess);
    for name in [CONTEXT, c"REDIRECT_CONFINE_CONTEXT"] {
        r.unset_env(name);
    }
    r.unset_note(CONTEXT);
    if log::enabled(r, Level::Info) {
        log::request(r, Level::Info, &line(r, "out-of-process", rule, context, &made_by(maker)));
    }
}

/// Where content comes from that `maker` makes, in words.
pub fn made_by(maker: &str) -> String {
    format!("{maker} makes the content in another process, which is in no context of this module's")
}

/// Logs a request that goes on with the server's privileges.
pub fn passed(r: &mut Request<'_>, event: &str, rule: Option<RuleAt<'_>>, context: Option<&str>) {
    if log::enabled(r, Level::Info) {
        log::request(r, Level::Info, &line(r, event, rule, context, ""));
    }
}

/// Puts the contexts into the request's environment and notes, and logs the move. `after_early`: the
/// worker is in the contexts of an early move already, which come first.
pub fn moved(r: &mut Request<'_>, rule: RuleAt<'_>, event: &str, contexts: &CStr, after_early: bool) {
    if after_early && r.note(CONTEXT).is_none() {
        inherit(r);
    }
    let all = match r.note(CONTEXT).filter(|_| after_early) {
        None => r.pool().text(contexts.to_bytes()),
        Some(early) => r.pool().text(&[early.to_bytes(), b" ", contexts.to_bytes()].concat()),
    };
    r.set_env(CONTEXT, all);
    r.set_note(CONTEXT, all);
    if log::enabled(r, Level::Info) {
        let text = contexts.to_string_lossy();
        log::request(r, Level::Info, &line(r, event, Some(rule), Some(&text), ""));
    }
}

/// A redirect or subrequest inside the worker: it shares the contexts of the request it comes from.
pub fn inherit(r: &mut Request<'_>) {
    let source = [r.redirected_from(), r.main()].into_iter().flatten().find_map(|s| s.note(CONTEXT));
    if let Some(context) = source {
        r.set_env(CONTEXT, context);
        r.set_note(CONTEXT, context);
    }
}

/// No handler took the request: 500, as in the server itself.
pub fn no_handler(r: &mut Request<'_>) -> c_int {
    log::request(r, Level::Warning, &line(r, "unanswered", None, None, "no handler took the request"));
    sys::HTTP_INTERNAL_SERVER_ERROR as c_int
}

fn line(
    r: &Request<'_>,
    event: &str,
    rule: Option<RuleAt<'_>>,
    context: Option<&str>,
    reason: &str,
) -> String {
    let mut out = String::with_capacity(256);
    fn field(text: Option<&CStr>) -> Field<'_> {
        Field(text.map(CStr::to_bytes))
    }
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "confine: {event} {} {} user={} addr=",
        field(r.method()),
        field(r.uri()),
        field(proven_user(r))
    );
    let _ = match r.client() {
        Some(addr) => write!(out, "{}", addr.to_canonical()),
        None => write!(out, "-"),
    };
    let _ = write!(out, " vhost={} rule=", field(r.server().name()));
    let _ = match rule {
        Some(rule) => write!(out, "{}:{}", Field(Some(rule.file.as_os_str().as_bytes())), rule.line),
        None => write!(out, "-"),
    };
    let _ = write!(out, " context={}", Words(context));
    if !reason.is_empty() {
        let _ = write!(out, ": {}", Reason(reason));
    }
    out
}
