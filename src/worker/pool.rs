//! `ConfineWorkers per-context`: workers that stay in their context and serve further requests of it.
//!
//! A kept worker belongs to one virtual host and one context. It entered the context for its first request, and it
//! can never leave it, because no code restores privileges. It serves requests that were decided for exactly that
//! context, one at a time, and no others. [`confine::resting`] decides which contexts have kept workers.

use std::{
    ffi::CStr,
    hash::{BuildHasher, RandomState},
    io,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use confine::{
    resting::{self, Admission},
    tally::{self, Label},
};

use crate::{
    config::WorkerLimits,
    httpd::pool::Pool,
    thread::{
        background::{self, Job},
        child,
        kept_thread::KeptThread,
    },
};

/// What a kept worker is for.
#[derive(Clone, Copy)]
pub struct Key<'k> {
    /// The virtual host itself, because several hosts can share one configuration.
    pub host: usize,
    /// How often maps had been replaced. A worker with an older number ends.
    pub map_swaps: u64,
    /// The contexts with their prefixes, in order.
    pub contexts: &'k CStr,
    /// The label of these contexts.
    pub label: Label,
}

impl Key<'_> {
    /// A hash of the host and the contexts. A label is a number that no request can choose, so it needs no hashing of
    /// texts, which costs more than all else here. Contexts that have no label of their own are hashed as text.
    fn hash(&self) -> u64 {
        match self.label {
            Label::NO_ROOM => HASHER.hash_one((self.host, self.contexts)),
            label => tally::spread(self.host as u64 ^ (u64::from(label.number()) << 32)),
        }
    }
}

/// A worker and its key.
pub struct ContextWorker {
    thread: KeptThread,
    hash: u64,
    host: usize,
    contexts: Box<CStr>,
    map_swaps: u64,
    /// Requests served so far.
    served: u32,
    /// When it came to rest, in [`TICKS`].
    since: u32,
    /// How many ticks it may rest.
    idle: u32,
}

/// The resting workers of this child.
static RESTING: Mutex<resting::RestingWorkers<ContextWorker>> = Mutex::new(resting::RestingWorkers::new());
/// How often maps had been replaced when a worker was last asked for.
static SEEN: AtomicU64 = AtomicU64::new(0);
/// The time between two looks at the resting workers.
const TICK: Duration = Duration::from_secs(1);
/// The time, in seconds since this child began to count. A request reads no clock for it.
static TICKS: AtomicU32 = AtomicU32::new(0);
/// Whether [`end_idle`] runs in this child.
static ENDS_IDLE: AtomicBool = AtomicBool::new(false);
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Changes the resting workers, and tells the other processes how many rest now.
fn with_resting<T>(change: impl FnOnce(&mut resting::RestingWorkers<ContextWorker>) -> T) -> T {
    let mut resting = RESTING.lock().unwrap_or_else(PoisonError::into_inner);
    let result = change(&mut resting);
    child::workers_rest(resting.resting());
    result
}

/// Starts the thread that ends workers which rest for too long. Without this thread no worker of this child is kept, and
/// one-time workers serve.
pub fn end_idle_workers(pool: Pool<'_>) -> io::Result<()> {
    let loss = "idle kept workers stay in this child until another request needs their place";
    background::start(pool, Job { name: "confine-idle", yields: true, loss }, |stop| {
        while !stop.is_told() {
            stop.sleep(TICK);
            // The memory of a worker that ends is APR's, which ends with the child.
            stop.unless(end_idle);
        }
    })?;
    ENDS_IDLE.store(true, Ordering::Relaxed);
    Ok(())
}

/// A second is over. Ends the workers that rest for too long.
fn end_idle() {
    let now = TICKS.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    let idle = with_resting(|resting| resting.end_if(|worker| now.wrapping_sub(worker.since) > worker.idle));
    // Dropping a worker ends its thread, and that takes no lock.
    drop(idle);
}

/// A worker for `key`: one that rests, or a new one. `Ok(None)` says that a one-time worker must serve, because as many
/// workers rest as may, or because a kept one would not be worth its cost. The error is the errno of a thread that
/// could not be made.
pub fn take(key: Key<'_>, limits: &WorkerLimits) -> Result<Option<ContextWorker>, i32> {
    end_those_before(key.map_swaps);
    let hash = key.hash();
    let found = with_resting(|resting| {
        let kept = resting.take(hash, |k| k.host == key.host && *k.contexts == *key.contexts);
        match kept {
            Some(kept) => {
                resting.used(limits.max);
                Ok(kept)
            }
            None if ENDS_IDLE.load(Ordering::Relaxed) => Err(resting.admit(hash, limits.max)),
            None => Err(Admission::Refused),
        }
    });
    match found {
        Ok(kept) => return Ok(Some(kept)),
        Err(Admission::Refused) => return Ok(None),
        Err(Admission::Granted) => {}
        // Dropping it ends its thread, and that takes no lock.
        Err(Admission::InPlaceOf(other)) => drop(other),
    }
    Ok(Some(ContextWorker {
        thread: KeptThread::start()?,
        hash,
        host: key.host,
        contexts: key.contexts.into(),
        map_swaps: key.map_swaps,
        served: 0,
        since: 0,
        idle: u32::try_from(limits.idle.as_secs()).unwrap_or(u32::MAX),
    }))
}

/// Ends the resting workers when a map was replaced.
fn end_those_before(map_swaps: u64) {
    if SEEN.load(Ordering::Relaxed) == map_swaps || SEEN.swap(map_swaps, Ordering::Relaxed) == map_swaps {
        return;
    }
    let old = with_resting(|resting| resting.end_if(|_| true));
    drop(old);
}

impl ContextWorker {
    /// The thread, and the contexts that it is in or will enter.
    pub fn parts(&mut self) -> (&mut KeptThread, &CStr) {
        (&mut self.thread, &self.contexts)
    }

    /// Whether it entered its contexts for an earlier request.
    pub fn has_entered(&self) -> bool {
        self.served > 0
    }

    /// Lets the worker rest after a request that ended well. If it has served enough requests, it ends.
    pub fn keep(mut self, limits: &WorkerLimits) {
        self.served += 1;
        if self.served >= limits.requests || self.map_swaps != SEEN.load(Ordering::Relaxed) {
            return;
        }
        self.since = TICKS.load(Ordering::Relaxed);
        let in_the_way = with_resting(|resting| resting.rest(self.hash, self, limits.max));
        // Dropping it ends its thread, and that takes no lock.
        drop(in_the_way);
    }
}
