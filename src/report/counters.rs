//! Counts what happened to requests, by virtual host and contexts. The server and all its children share the counts,
//! and the counts survive restarts. See [`confine::tally`].

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub use confine::tally::{Counter, Row};
use confine::{
    backends::Moves,
    tally::{Child, Label, Tally},
};

use super::Grounds;
use crate::{config::ServerConfig, httpd::request::Request, thread::shared_memory};

static SHARED: OnceLock<Option<Tally<'static>>> = OnceLock::new();

/// Makes the shared counts, once in a process. It must be called before children are forked.
pub fn prepare() -> Option<&'static Tally<'static>> {
    let made = || Tally::over(shared_memory::numbers::<{ Tally::WORDS }>()?);
    SHARED.get_or_init(made).as_ref()
}

/// The shared counts. `None` if the kernel had no memory for them.
pub fn tally() -> Option<&'static Tally<'static>> {
    SHARED.get()?.as_ref()
}

/// The label of contexts.
pub fn label_of(moves: &Moves) -> Label {
    tally().map_or(Label::NO_ROOM, |tally| moves.label(&tally.labels))
}

/// The row in which requests of this virtual host in these contexts are counted.
pub fn row(host: Label, contexts: Label) -> Row {
    tally().map_or(Row::OTHER, |tally| tally.rows.find(host, contexts))
}

/// The row in which this request is counted, by what is known about it now.
pub fn row_of(r: &Request<'_>, grounds: &Grounds<'_>) -> Row {
    row(host_of(r), grounds.label)
}

/// The label of a request's virtual host.
pub fn host_of(r: &Request<'_>) -> Label {
    ServerConfig::of(&r.server()).map_or(Label::NONE, |server| server.label)
}

/// Counts one request.
pub fn add(row: Row, counter: Counter) {
    if let Some(tally) = tally() {
        tally.rows.add(row, counter as usize);
    }
}

/// Notes how long a move took.
pub fn moved(row: Row, time: Duration) {
    if let Some(tally) = tally() {
        // A move does not take 500 years, so the number fits.
        tally.rows.moved(row, time.as_nanos() as u64);
    }
}

/// A place in which a child that has just started says what it does.
pub fn child_started() -> Option<Child<'static>> {
    let tally = tally()?;
    tally.children.enter(std::process::id(), tally.configuration())
}

/// Notes that a child ended.
pub fn child_ended(process: u32) {
    if let Some(tally) = tally() {
        tally.children.leave(process);
    }
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}
