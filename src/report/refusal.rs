//! Why a request is refused, and with which status.

use std::fmt;

use confine::lsm::EnterError;

use super::counters::Counter;
use crate::httpd::status::Status;

/// A refusal: the status, the count, and the reason with its remedy.
pub struct Refusal {
    status: Status,
    pub(super) counter: Counter,
    reason: String,
}

impl Refusal {
    fn new(status: Status, counter: Counter, reason: impl Into<String>) -> Self {
        Self { status, counter, reason: reason.into() }
    }

    /// The status that the client gets.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The reason, and what to do.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// No rule matched.
    pub fn unmatched() -> Self {
        Self::new(
            Status::FORBIDDEN,
            Counter::RefusedUnmatched,
            "no rule matched; add one for this subject, a last line `* CONTEXT`, or ConfineUnmatched allow",
        )
    }

    /// An expression could not be evaluated.
    pub fn expression(error: &dyn fmt::Display) -> Self {
        Self::new(Status::INTERNAL_SERVER_ERROR, Counter::RefusedExpression, error.to_string())
    }

    /// A database could not answer.
    pub fn database(error: &dyn fmt::Display) -> Self {
        Self::new(Status::SERVICE_UNAVAILABLE, Counter::RefusedDatabase, error.to_string())
    }

    /// A rule gave a text that is no context here.
    pub fn context(error: &dyn fmt::Display) -> Self {
        Self::new(Status::INTERNAL_SERVER_ERROR, Counter::RefusedContext, error.to_string())
    }

    /// The move itself failed.
    pub fn enter(error: &EnterError) -> Self {
        if error.forbidden {
            Self::new(Status::FORBIDDEN, Counter::RefusedValue, error.to_string())
        } else {
            Self::context(error)
        }
    }

    /// Another process, or a thread that is no worker, would make the content.
    pub fn out_of_process(what: &str, place: &str, remedy: &str) -> Self {
        Self::new(
            Status::FORBIDDEN,
            Counter::RefusedOutOfProcess,
            format!("{what} makes the content in {place}, which does not inherit the context; {remedy}"),
        )
    }

    /// The page belongs to the server, and the configuration did not put it here.
    pub fn server_page(handler: &str) -> Self {
        Self::new(
            Status::FORBIDDEN,
            Counter::RefusedServerPage,
            format!(
                "{handler} is a page about the server, and its configuration did not put it here; if it is to answer \
                 here, write SetHandler {handler} in the server's configuration for this place, not in a .htaccess file"
            ),
        )
    }

    /// There is no pool of processes for the request, and there will be none.
    pub fn no_pool(why: impl Into<String>) -> Self {
        Self::new(Status::INTERNAL_SERVER_ERROR, Counter::RefusedPool, why)
    }

    /// There is no pool of processes for the request now.
    pub fn pool_unavailable(why: impl Into<String>) -> Self {
        Self::new(Status::SERVICE_UNAVAILABLE, Counter::RefusedPoolBusy, why)
    }

    /// The request would talk to a pool of processes that is not its own.
    pub fn pool_of_others(socket: &str) -> Self {
        Self::new(
            Status::FORBIDDEN,
            Counter::RefusedOthersPool,
            format!(
                "{socket} belongs to a pool of processes, and is not that of this request; requests get there by a \
                 rule and SetHandler confine-fastcgi:NAME alone"
            ),
        )
    }

    /// The handler wants to continue later, in a thread of the server.
    pub fn suspended() -> Self {
        Self::new(
            Status::INTERNAL_SERVER_ERROR,
            Counter::RefusedSuspended,
            "the handler suspended the request, which would go on outside its worker; \
             use a handler that answers at once, or exempt this location with ConfineContext unconfined",
        )
    }

    /// The directory configuration names code that would run with the server's privileges.
    pub fn named_code(code: &dyn fmt::Display) -> Self {
        Self::new(
            Status::FORBIDDEN,
            Counter::RefusedCode,
            format!(
                "{code} names code that would run before the request moves; take it away with AllowOverride None \
                 or an AllowOverrideList without it, or have it run confined with ConfineEarly"
            ),
        )
    }

    /// A type map that had no content had some when its handler read it.
    pub fn changed_type_map() -> Self {
        Self::new(
            Status::INTERNAL_SERVER_ERROR,
            Counter::RefusedContext,
            "the type map changed while the request was decided, and holds content now; try again",
        )
    }

    /// PHP runs outside of the context already, for the page that includes this one.
    pub fn php_outside() -> Self {
        Self::new(
            Status::FORBIDDEN,
            Counter::RefusedContext,
            "the PHP page that includes this one runs in another context or in none, and one interpreter serves both: \
             what this script leaves in it (shutdown functions, handlers of errors) would run there; give the page \
             that includes it the same context, or let it fetch this one by HTTP",
        )
    }

    /// PHP's handler would serve a request while a page of this thread runs.
    pub fn php_again() -> Self {
        Self::new(
            Status::INTERNAL_SERVER_ERROR,
            Counter::RefusedContext,
            "a PHP page that runs led to a request that is not its subrequest, after which PHP would forget the \
             settings that keep contexts apart; include it with virtual(), or fetch it by HTTP",
        )
    }

    /// The virtual host has rules that startup did not prepare.
    pub fn not_ready() -> Self {
        Self::new(
            Status::INTERNAL_SERVER_ERROR,
            Counter::Panic,
            "the rules of this server were not made ready; please report this as a bug of mod_confine",
        )
    }

    /// No thread could be made.
    pub fn no_thread(status: i32) -> Self {
        Self::new(
            Status::SERVICE_UNAVAILABLE,
            Counter::NoThread,
            format!(
                "no thread for the request ({}); raise the limits on threads (TasksMax, ulimit -u) \
                 or lower ThreadStackSize",
                confine::problem::errno_name(status)
            ),
        )
    }

    /// The worker is under a filter, and nobody answers its calls.
    pub fn watch_stuck() -> Self {
        Self::new(
            Status::SERVICE_UNAVAILABLE,
            Counter::NoThread,
            "the kernel has no room to watch this request; raise the limit on watches (sysctl fs.epoll.max_user_watches)",
        )
    }

    /// This module has a bug, which the line before describes.
    pub fn panic() -> Self {
        Self::new(
            Status::INTERNAL_SERVER_ERROR,
            Counter::Panic,
            "a fault of mod_confine itself (see the panic's line); please report it",
        )
    }
}
