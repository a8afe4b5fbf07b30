//! Prepares the shared counts for a configuration, and gives a new child its place in them.

use std::time::UNIX_EPOCH;

use confine::{
    policy::{database::Database, decide::Source, live_map},
    tally::{Label, MapNews},
};

use crate::{
    config::{Policy, ServerConfig, Written},
    httpd::{
        expression::Expression,
        log::{self, Level},
        server::Server,
    },
    report::counters,
    thread::child,
};

/// How many rows there may be, one for each virtual host with each of its contexts: `ConfineStatusRows`.
const ROWS: usize = 1000;

const NO_NUMBERS: &str = "confine: the status page has no numbers: the kernel gave no memory that all children share; see \
                          the limits on memory (ulimit -v, vm.overcommit_memory)";

/// post_config: makes what must exist before the first child.
pub fn prepare(main: &Server<'_>, policy: Option<&Policy>, written: Option<&Written>) {
    let Some(tally) = counters::prepare() else {
        log::server(main, Level::Warning, NO_NUMBERS);
        return;
    };
    let configuration = tally.configured(counters::now() / 1000);
    tally.rows.set_limit(written.and_then(|written| written.status_rows).unwrap_or(ROWS));
    for server in main.with_hosts() {
        if ServerConfig::of(&server).is_some_and(|config| config.has_rules) {
            let name = server.name().unwrap_or_default().to_bytes();
            ServerConfig::count_as(&server, tally.labels.intern(name).unwrap_or(Label::NO_ROOM));
        }
    }
    let Some(policy) = policy else { return };
    for (number, watched) in policy.maps.iter().enumerate() {
        let state = watched.map.state();
        let since = state.since.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
        let news = MapNews {
            sight: live_map::sight_of(watched.stamp),
            generation: state.generation,
            rules: state.rules as u64,
            since,
            error: None,
        };
        tally.sources.map_read(number, configuration, &news);
    }
    tally.sources.forget_databases(configuration);
    for (number, database) in databases(policy).enumerate() {
        if let Some(counts) = tally.sources.database(number, configuration) {
            database.count_in(counts);
        }
    }
}

/// child_init: from now on the child says what it does.
pub fn child(main: &Server<'_>) {
    let Some(place) = counters::child_started() else { return };
    child::is(place);
    let policy = ServerConfig::of(main).and_then(ServerConfig::policy);
    for (number, database) in policy.into_iter().flat_map(databases).enumerate() {
        if let Some(entries) = place.entries(number) {
            database.tell_entries(entries);
        }
    }
}

/// The rules that ask a database, in their order.
fn databases(policy: &Policy) -> impl Iterator<Item = &Database<Expression>> {
    policy.rules.iter().filter_map(|rule| match &rule.source {
        Source::Database(database) => Some(&**database),
        _ => None,
    })
}
