//! `ConfineWorkers per-context`: workers that stay in their context and serve further requests of it.
//!
//! A kept worker belongs to one virtual host and one context. It entered the context for its first request, and it
//! can never leave it, because no code restores privileges. It serves requests that were decided for exactly that
//! context, one at a time, and no others. [`confine::resting`] decides which contexts have kept workers.

use std::{
    ffi::CStr,
    hash::{BuildHasher, RandomState},
    sync::{
        LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use confine::{
    resting::{self, Admission},
    tally::{self, Label},
};

use crate::{config::WorkerLimits, thread::kept_thread::KeptThread};

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
}

/// The resting workers of this child.
static RESTING: Mutex<resting::RestingWorkers<ContextWorker>> = Mutex::new(resting::RestingWorkers::new());
/// How often maps had been replaced when a worker was last asked for.
static SEEN: AtomicU64 = AtomicU64::new(0);
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

fn resting() -> MutexGuard<'static, resting::RestingWorkers<ContextWorker>> {
    RESTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A worker for `key`: one that rests, or a new one. `Ok(None)` says that a one-time worker must serve, because there
/// are as many kept workers as allowed, or because a kept one would not be worth its cost. The error is the errno of
/// a thread that could not be made.
pub fn take(key: Key<'_>, limits: &WorkerLimits) -> Result<Option<ContextWorker>, i32> {
    end_those_before(key.map_swaps);
    let hash = key.hash();
    let mut resting = resting();
    while let Some(kept) = resting.take(hash, |k| k.host == key.host && *k.contexts == *key.contexts) {
        if kept.thread.claim() {
            resting.used(limits.max);
            return Ok(Some(kept));
        }
        resting.gone();
    }
    // The places of workers that ended are free.
    while resting.end_oldest_if(ContextWorker::has_ended).is_some() {}
    let admission = resting.admit(hash, limits.max);
    drop(resting);
    match admission {
        Admission::Refused => return Ok(None),
        Admission::Granted => {}
        // Dropping it ends its thread, and that takes no lock.
        Admission::InPlaceOf(other) => drop(other),
    }
    let thread = KeptThread::start(limits.idle).inspect_err(|_| gone())?;
    Ok(Some(ContextWorker {
        thread,
        hash,
        host: key.host,
        contexts: key.contexts.into(),
        map_swaps: key.map_swaps,
        served: 0,
    }))
}

/// Ends the resting workers when a map was replaced.
fn end_those_before(map_swaps: u64) {
    if SEEN.load(Ordering::Relaxed) == map_swaps || SEEN.swap(map_swaps, Ordering::Relaxed) == map_swaps {
        return;
    }
    let old = resting().end_all();
    drop(old);
}

fn gone() {
    resting().gone();
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

    /// Whether its thread ended by itself because it rested for too long.
    fn has_ended(&self) -> bool {
        self.thread.has_ended()
    }

    /// Lets the worker rest after a request that ended well. If it has served enough requests, it ends.
    pub fn keep(mut self, limits: &WorkerLimits) {
        self.served += 1;
        if self.served >= limits.requests || self.map_swaps != SEEN.load(Ordering::Relaxed) {
            return self.retire();
        }
        let mut resting = resting();
        self.thread.rest();
        resting.rest(self.hash, self);
    }

    /// Ends it.
    pub fn retire(self) {
        drop(self);
        gone();
    }
}
