//! Records what was decided: the log line, the request's environment and notes, and the count.

pub mod counters;
mod event;
pub mod learned;
mod log_line;
mod refusal;
pub mod watched;

use std::{ffi::CStr, fmt, path::Path};

use confine::{
    backends::Moves,
    field::{Bare, Field, Reason},
    policy::decide::RuleAt,
    tally::{Label, NewRefusal},
};

use self::{
    counters::Counter,
    log_line::{Place, line},
};
use crate::{
    httpd::{
        log::{self, Level},
        pool::Pool,
        request::Request,
        said::Said,
        status::Status,
    },
    subject::proven_user,
    thread::current,
};

pub use event::Event;
pub use refusal::Refusal;

/// The name of the variable and of the note that hold a request's contexts.
pub const CONTEXT: &CStr = c"CONFINE_CONTEXT";

/// The grounds of a decision: the user, and the rule and the contexts that were found.
#[derive(Clone, Copy)]
pub struct Grounds<'a> {
    /// The proven user.
    user: Option<&'a CStr>,
    rule: Option<RuleAt<'a>>,
    context: Option<&'a CStr>,
    /// Whether log lines show the contexts as they are.
    context_is_word: bool,
    /// The label under which requests in these contexts are counted.
    label: Label,
}

impl<'a> Grounds<'a> {
    /// The grounds for a request whose rule is not known.
    pub fn of<'r: 'a>(r: &Request<'r>) -> Self {
        Self::of_user(proven_user(r))
    }

    /// The grounds for a request of which only the proven user is known.
    pub fn of_user(user: Option<&'a CStr>) -> Self {
        Self { user, rule: None, context: None, context_is_word: false, label: Label::NONE }
    }

    /// Adds the rule that decided.
    pub fn by(self, rule: RuleAt<'a>) -> Self {
        Self { rule: Some(rule), ..self }
    }

    /// Adds the contexts that the rule gives.
    pub fn within<'b>(&self, moves: &'b Moves) -> Grounds<'b>
    where
        'a: 'b,
    {
        Grounds {
            context: Some(&moves.text),
            context_is_word: moves.is_word,
            label: counters::label_of(moves),
            ..*self
        }
    }

    /// The rule that decided.
    pub fn rule(&self) -> Option<RuleAt<'a>> {
        self.rule
    }
}

/// Counts and logs a refusal. The result is the status to answer with.
pub fn refused(r: &mut Request<'_>, grounds: &Grounds<'_>, refusal: &Refusal) -> Status {
    counted(r, Event::Refused, grounds, refusal, refusal.counter);
    current::refused();
    keep(r, Event::Refused, grounds, refusal.reason(), None);
    log::request(r, Level::Error, &line(r, Event::Refused, grounds, refusal.reason()));
    refusal.status()
}

/// Counts a refusal, and keeps it for the page that shows the last refusals.
fn counted(r: &Request<'_>, event: Event, grounds: &Grounds<'_>, refusal: &Refusal, counter: Counter) {
    counters::add(counters::row_of(r, grounds), counter);
    let Some(tally) = counters::tally() else { return };
    tally.refusals.keep(&NewRefusal {
        time: counters::now(),
        outcome: refusal.counter as u8,
        reported_only: event == Event::WouldRefuse,
        status: refusal.status().http().unwrap_or_default(),
        host: counters::host_of(r),
        context: grounds.label,
        line: &line(r, event, grounds, ""),
        reason: &Reason(refusal.reason()).to_string(),
    });
}

/// Logs and counts a request that would have been refused outside of report mode.
pub fn would_refuse(r: &mut Request<'_>, grounds: &Grounds<'_>, refusal: &Refusal) {
    counted(r, Event::WouldRefuse, grounds, refusal, Counter::WouldRefuse);
    keep(r, Event::WouldRefuse, grounds, refusal.reason(), None);
    log::request(r, Level::Warning, &line(r, Event::WouldRefuse, grounds, refusal.reason()));
}

/// Logs a warning about a request that goes on.
pub fn warned(r: &mut Request<'_>, grounds: &Grounds<'_>, reason: &str) {
    log::request(r, Level::Warning, &line(r, Event::Warned, grounds, reason));
}

/// Says and counts that another process makes this request's content, and removes what said that the request runs in
/// its contexts.
pub fn made_elsewhere(r: &mut Request<'_>, grounds: &Grounds<'_>, maker: &str, place: &str) {
    let row = current::row().unwrap_or_else(|| counters::row_of(r, grounds));
    counters::add(row, Counter::OutOfProcess);
    for name in [CONTEXT, c"REDIRECT_CONFINE_CONTEXT"] {
        r.unset_env(name);
    }
    r.unset_note(CONTEXT);
    let reason = made_by(maker, place);
    keep(r, Event::OutOfProcess, grounds, &reason, None);
    if log::enabled(r, Level::Info) {
        log::request(r, Level::Info, &line(r, Event::OutOfProcess, grounds, &reason));
    }
}

/// Says in words where content of this `maker` comes from.
pub fn made_by(maker: &str, place: &str) -> String {
    format!("{maker} makes the content in {place}, which is in no context of this module's")
}

/// Logs a request that goes on with the server's privileges.
pub fn passed(r: &mut Request<'_>, event: Event, grounds: &Grounds<'_>) {
    keep(r, event, grounds, "", None);
    if log::enabled(r, Level::Info) {
        log::request(r, Level::Info, &line(r, event, grounds, ""));
    }
}

/// Puts the contexts into the request's environment and notes, and logs the move. `after_early` says that the worker
/// is in the contexts of an early move already. These come first.
pub fn moved(r: &mut Request<'_>, event: Event, grounds: &Grounds<'_>, contexts: &CStr, after_early: bool) {
    if after_early && r.note(CONTEXT).is_none() {
        inherit(r);
    }
    let all = match r.note(CONTEXT).filter(|_| after_early) {
        None => r.pool().text(contexts.to_bytes()),
        Some(early) => r.pool().text(&[early.to_bytes(), b" ", contexts.to_bytes()].concat()),
    };
    r.set_env(CONTEXT, all);
    r.set_note(CONTEXT, all);
    // Another process makes the content, and it was started in these contexts.
    let reason = if r.goes_to_backend() { BY_A_POOL } else { "" };
    let copy = Some(all).filter(|_| !after_early && !r.is_subrequest());
    keep(r, event, grounds, reason, copy);
    if log::enabled(r, Level::Info) {
        log::request(r, Level::Info, &line(r, event, grounds, reason));
    }
}

/// A watch is on threads of the server, so `ConfineExplain` says nothing of what a pool's processes do.
const DENIALS_OF_A_POOL: &str = "lines `pool says` and those of mod_proxy_fcgi (AH01071) in this log have the program's own \
                                 words, and the audit log has the kernel's (Landlock's from Linux 6.15 on)";

/// What the log says of a request that a pool serves.
pub const BY_A_POOL: &str = "made by a process that was started in these contexts";

/// Says where the kernel's refusals are seen, when a confined application answered with an error that one of them may be
/// behind. The application only sees `EACCES`, and what it says then may mislead.
pub fn failed(r: &Request<'_>, by: &Grounds<'_>, moves: &Moves, status: Status) {
    let Some(code) = r.error_code(status).filter(|code| *code == 403 || *code >= 500) else { return };
    if !log::enabled(r, Level::Info) {
        return;
    }
    let shown: Vec<_> = moves.steps.iter().map(|step| step.denials_are_in()).collect();
    let shown = if r.goes_to_backend() { DENIALS_OF_A_POOL.to_owned() } else { shown.join(" and ") };
    let reason = format!(
        "answered {code} in its contexts; if the kernel refused it something, this shows what: {shown}"
    );
    log::request(r, Level::Info, &line(r, Event::Failed, &by.within(moves), &reason));
}

/// Keeps the values of a request's log line for its notes. If there is a copy of the contexts that lives until the
/// request is logged, `contexts` is this copy.
fn keep<'r>(
    r: &mut Request<'r>,
    event: Event,
    grounds: &Grounds<'_>,
    reason: &str,
    contexts: Option<&'r CStr>,
) {
    // The pool of a subrequest ends before the request is logged.
    let pool = r.outermost().map_or(r.pool(), |outermost| outermost.pool());
    // The texts are copied: before the request is logged, the rules can be replaced, and the contexts end with the
    // worker.
    r.say(Said {
        event: event.name(),
        weight: event.weight(),
        of_subrequest: false,
        user: grounds.user.map(|user| {
            let user = user.to_bytes();
            word(pool, user, &Field(Some(user)))
        }),
        rule: grounds.rule.map(|rule| match rule.in_log {
            Some(text) => pool.text(text.as_bytes()),
            None => written_place(pool, rule),
        }),
        context: grounds.context.map(|context| {
            let bytes = context.to_bytes();
            match grounds.context_is_word {
                true => contexts.unwrap_or_else(|| pool.text(bytes)),
                false => word(pool, bytes, &Bare(bytes)),
            }
        }),
        reason: (!reason.is_empty()).then(|| pool.written(&Reason(reason))),
    });
}

/// A value as the log line shows it, copied into the pool. It is `shown` unless it is one plain word.
fn word<'p>(pool: Pool<'p>, value: &[u8], shown: &dyn fmt::Display) -> &'p CStr {
    match Field(Some(value)).as_it_is() {
        Some(as_it_is) => pool.text(as_it_is),
        None => pool.written(shown),
    }
}

/// The place of a rule in a map as the log line shows it, copied into the pool.
fn written_place<'p>(pool: Pool<'p>, rule: RuleAt<'_>) -> &'p CStr {
    match Place(rule).file().as_it_is() {
        Some(file) => pool.joined([file, b":", itoa::Buffer::new().format(rule.line).as_bytes()]),
        None => pool.written(&Place(rule)),
    }
}

/// How log lines show a line of the configuration.
pub fn in_log(file: &Path, line: u32) -> String {
    Place(RuleAt { file, line, in_log: None }).to_string()
}

/// Gives a redirect or subrequest inside the worker the contexts of the request that it comes from.
pub fn inherit(r: &mut Request<'_>) {
    let source = [r.redirected_from(), r.main()].into_iter().flatten().find_map(|s| s.note(CONTEXT));
    if let Some(context) = source {
        r.set_env(CONTEXT, context);
        r.set_note(CONTEXT, context);
    }
}

/// Answers a request that no handler took with 500, as the server itself does.
pub fn no_handler(r: &mut Request<'_>) -> Status {
    log::request(
        r,
        Level::Warning,
        &line(r, Event::Unanswered, &Grounds::of(r), "no handler took the request"),
    );
    Status::INTERNAL_SERVER_ERROR
}
