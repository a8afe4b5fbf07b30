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
    policy::live_map::{Event, MapState, Watch},
    tally::{MapNews, Tally},
};

use crate::{
    config::{ServerConfig, WatchedMap},
    describe::pool_contexts,
    httpd::{
        log::{self, Level},
        pool::Pool,
        server::Server,
    },
    report::counters,
    thread::{
        background::{self, Job, Stop},
        child, shared_memory,
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
    let watch_of = |it: &WatchedMap| (Watch::new(Arc::clone(&it.map), it.stamp), it.clone());
    let watches: Vec<_> = policy.maps.iter().map(watch_of).collect();
    let shared = Shared::of_this_child(&watches);
    let job = Job { name: "confine-maps", yields: true, loss: "changed maps no longer count here" };
    if let Err(error) = background::start(pool, job, move |stop| watch(stop, watches, shared)) {
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

fn watch(stop: &Stop, mut watches: Vec<(Watch, WatchedMap)>, shared: Option<Shared>) {
    while !stop.is_told() {
        for (number, (watch, watched)) in watches.iter_mut().enumerate() {
            if stop.is_told() {
                return;
            }
            let event = watch.look(&watched.backends);
            if matches!(event, Event::Nothing) {
                continue;
            }
            let is_first = is_first(number, watch.sight());
            if let Some(shared) = &shared {
                shared.tell(number, watch, &event, is_first);
            }
            if matches!(event, Event::Swapped(_)) {
                background::give_memory_back();
            }
            for (level, line) in if is_first { news(watch, watched, event) } else { Vec::new() } {
                stop.unless(|| log::main(level, &format!("confine: {line}")));
            }
        }
        stop.sleep(PERIOD);
    }
}

/// What the log says of a change.
fn news(watch: &Watch, watched: &WatchedMap, event: Event) -> Vec<(Level, String)> {
    match event {
        Event::Nothing => Vec::new(),
        Event::Swapped(state) => {
            let hindered = pool_contexts::of_map(watched).into_iter().map(|text| (Level::Warning, text));
            std::iter::once((Level::Notice, swapped(watch, &state))).chain(hindered).collect()
        }
        Event::Rejected(error) => vec![(Level::Error, format!("{error}; the rules from before stay"))],
    }
}

/// What this child tells the status page about its maps.
struct Shared {
    tally: &'static Tally<'static>,
    configuration: u64,
}

impl Shared {
    fn of_this_child(watches: &[(Watch, WatchedMap)]) -> Option<Self> {
        let tally = counters::tally()?;
        let shared = Self { tally, configuration: tally.configuration() };
        watches.iter().enumerate().for_each(|(number, (watch, _))| shared.has(number, watch));
        Some(shared)
    }

    /// Notes which rules this child has.
    fn has(&self, number: usize, watch: &Watch) {
        if let Some(place) = child::here().and_then(|child| child.map(number)) {
            place.store(watch.in_force(), Ordering::Relaxed);
        }
    }

    /// Tells the result of a look. If all children see the same, the first of them tells it.
    fn tell(&self, number: usize, watch: &Watch, event: &Event, is_first: bool) {
        self.has(number, watch);
        if !is_first {
            return;
        }
        let now = counters::now();
        self.tally.sources.map_changed(number, self.configuration, |news| match event {
            Event::Nothing => {}
            Event::Swapped(state) => {
                *news = MapNews {
                    sight: watch.in_force(),
                    generation: news.generation.saturating_add(1),
                    rules: state.rules as u64,
                    since: now,
                    error: None,
                };
            }
            Event::Rejected(error) => news.error = Some((now, error.clone())),
        });
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
