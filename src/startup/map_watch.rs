//! Changed maps are taken over while the server runs. Each child looks for changes itself, in a thread for that alone.
//!
//! The thread serves no request. It runs with the child's privileges, after the child dropped the server's, so it can
//! read what the child can read, and asks the kernel what the child may ask.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use confine::{
    backends::Backends,
    policy::live_map::{Event, MapState, Watch},
};

use crate::{
    config::{ServerConfig, WatchedMap},
    httpd::{
        log::{self, Level},
        pool::Pool,
        server::Server,
    },
    thread::{
        background::{self, Stop},
        shared_memory,
    },
};

/// The time between two looks at a file. A change counts once two looks agree, so it is taken over within half a
/// second, and the time that the reading takes.
const PERIOD: Duration = Duration::from_millis(250);

/// What the log last said of each map, by the map's number. Maps with higher numbers share an entry.
type Told = [AtomicU64; 1024];

static TOLD: OnceLock<Option<&'static Told>> = OnceLock::new();

/// Makes what children share, before they are forked: which of them was the first to see something, so that the log says
/// it once. A child that writes something wrong here can suppress or repeat a line, and nothing else.
pub fn prepare() {
    TOLD.get_or_init(shared_memory::numbers);
}

/// Whether no other child said in the log yet what this child sees of map number `map`.
fn is_first(map: usize, sight: u64) -> bool {
    match TOLD.get().copied().flatten() {
        Some(told) => told[map % told.len()].swap(sight, Ordering::Relaxed) != sight,
        None => true,
    }
}

/// Starts to watch the maps of this child's configuration, if there are any.
pub fn start(server: &Server<'_>, pool: Pool<'_>) {
    let policy = ServerConfig::of(server).and_then(ServerConfig::policy);
    let Some(policy) = policy.filter(|policy| !policy.maps.is_empty()) else { return };
    let watch_of = |it: &WatchedMap| (Watch::new(Arc::clone(&it.map), it.stamp), Arc::clone(&it.backends));
    let watches: Vec<_> = policy.maps.iter().map(watch_of).collect();
    if let Err(error) = background::start(pool, "confine-maps", move |stop| watch(stop, watches)) {
        log::server(
            server,
            Level::Error,
            &format!(
                "confine: no thread to watch the maps ({error}): this child keeps them as they are; raise the \
                 limits on threads (TasksMax, ulimit -u)"
            ),
        );
    }
}

fn watch(stop: &Stop, mut watches: Vec<(Watch, Arc<Backends>)>) {
    while !stop.is_told() {
        for (number, (watch, backends)) in watches.iter_mut().enumerate() {
            if stop.is_told() {
                return;
            }
            let event = watch.look(backends);
            let (level, line) = match event {
                Event::Nothing => continue,
                Event::Swapped(state) => {
                    background::give_memory_back();
                    (Level::Notice, swapped(watch, &state))
                }
                Event::Rejected(error) => (Level::Error, format!("{error}; the rules from before stay")),
            };
            if is_first(number, watch.sight()) {
                stop.unless(|| log::main(level, &format!("confine: {line}")));
            }
        }
        stop.sleep(PERIOD);
    }
}

fn swapped(watch: &Watch, state: &MapState) -> String {
    format!(
        "{}: changed, {} rules are in force (generation {})",
        watch.map().path().display(),
        state.rules,
        state.generation
    )
}
