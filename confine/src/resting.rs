//! Decides which workers stay for further requests, and what this may cost.
//!
//! A worker that is kept for further requests of its context saves the cost of a thread each time it is used again. A
//! worker that is never used again costs more than a worker that serves one request and ends. So not every request
//! may have its worker kept: with more contexts than places, each request would end somebody's worker and make
//! another one.
//! - Only so many workers may rest. Those at work are not counted: for each of them a thread of the server waits. So a
//!   context whose requests hang takes no place from the others.
//! - A new worker takes the place of another one only if its context was asked for again sooner than that one rests
//!   already. Its context is then the busier of the two.
//! - To make a kept worker costs credit. Each request gives a little credit, and each use of a resting worker gives
//!   more, but never more than it saved. So whatever is asked for, in whatever order, the total cost of useless
//!   workers stays below one percent.
//!
//! Every step takes the same time, however many workers rest.
//!
//! ```
//! use confine::resting::{Admission, RestingWorkers};
//!
//! let mut resting = RestingWorkers::new();
//! assert_eq!(resting.admit(7, 10), Admission::Granted);
//! assert_eq!(resting.rest(7, "a worker", 10), None);
//! assert_eq!(resting.take(7, |_| true), Some("a worker"));
//! ```

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// The credit that a new kept worker costs. One unit is a hundredth of the cost of such a worker, about half a
/// microsecond.
const COST: u64 = 100;
/// The credit that a request gives if no resting worker serves it.
const FOR_A_MISS: u64 = 1;
/// The credit that a request gives if a resting worker serves it. It is much less than what the request saves.
const FOR_A_HIT: u64 = 4;
/// The number of workers for which there is credit at the start, even if fewer are allowed.
const AT_LEAST: usize = 64;
/// The number of hashes that are remembered. Each has one place where it can be.
const REMEMBERED: usize = 4096;
/// So many hashes are remembered of which no worker rests, and one more for each place of a worker.
const SPARE: usize = 64;

/// The index of no entry.
const NONE: u32 = u32::MAX;

/// Resting workers of type `W`, and what was asked for lately. The keys are hashes that are well distributed.
pub struct RestingWorkers<W> {
    entries: Vec<Entry<W>>,
    free: Vec<u32>,
    /// For each hash, the worker that came to rest last. A hash of which no worker rests stays for a while, with `NONE`,
    /// because a busy context asks again at once.
    newest_of: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    /// All resting workers, the one that has rested longest first.
    all: Ends,
    /// The number of requests so far.
    clock: u64,
    seen: Vec<Seen>,
    /// `None` before the first worker.
    credit: Option<u64>,
}

struct Entry<W> {
    worker: Option<W>,
    hash: u64,
    /// The number of the request after which it came to rest.
    since: u64,
    in_all: Link,
    in_same: Link,
}

#[derive(Clone, Copy)]
struct Ends {
    oldest: u32,
    newest: u32,
}

#[derive(Clone, Copy)]
struct Link {
    older: u32,
    newer: u32,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    hash: u64,
    /// The number of the request that asked for it last. 0 is never.
    at: u64,
}

/// Whether a worker may be made.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission<W> {
    /// Yes.
    Granted,
    /// Yes, in place of this worker, which rested.
    InPlaceOf(W),
    /// No.
    Refused,
}

impl<W> Default for RestingWorkers<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W> RestingWorkers<W> {
    /// An empty table.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            newest_of: HashMap::with_hasher(BuildHasherDefault::new()),
            all: Ends { oldest: NONE, newest: NONE },
            clock: 0,
            seen: Vec::new(),
            credit: None,
        }
    }

    /// The number of resting workers.
    pub fn resting(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// The worker of this hash that came to rest last and that `wanted` accepts. Another key may have the same hash.
    pub fn take(&mut self, hash: u64, mut wanted: impl FnMut(&W) -> bool) -> Option<W> {
        let mut at = self.newest_of.get(&hash).copied().unwrap_or(NONE);
        while let Some(entry) = self.entries.get(at as usize) {
            if entry.worker.as_ref().is_some_and(&mut wanted) {
                return self.remove(at);
            }
            at = entry.in_same.older;
        }
        None
    }

    /// Notes that a resting worker serves a request. `max` is as for [`Self::admit`].
    pub fn used(&mut self, max: usize) {
        self.clock += 1;
        self.earn(FOR_A_HIT, max);
    }

    /// Whether a worker may be made for a request that no resting worker serves. At most `max` workers rest.
    pub fn admit(&mut self, hash: u64, max: usize) -> Admission<W> {
        self.clock += 1;
        self.earn(FOR_A_MISS, max);
        let last_seen = self.see(hash);
        let credit = self.credit.unwrap_or_default();
        if credit < COST {
            return Admission::Refused;
        }
        if self.resting() < max {
            self.credit = Some(credit - COST);
            return Admission::Granted;
        }
        let Some(oldest) = self.entries.get(self.all.oldest as usize) else { return Admission::Refused };
        if last_seen.is_none_or(|seen| seen < oldest.since) {
            return Admission::Refused;
        }
        self.credit = Some(credit - COST);
        self.remove(self.all.oldest).map_or(Admission::Refused, Admission::InPlaceOf)
    }

    /// Notes that a worker of this hash comes to rest. `max` is as for [`Self::admit`]. Where as many rest already, the
    /// one that has rested longest must end, and is returned.
    #[must_use = "a worker that has no place any more must end"]
    pub fn rest(&mut self, hash: u64, worker: W, max: usize) -> Option<W> {
        let in_the_way = if self.resting() < max { None } else { self.remove(self.all.oldest) };
        // A process cannot have so many threads that the number does not fit.
        let at = self.free.pop().unwrap_or(self.entries.len() as u32);
        if self.newest_of.len() > 2 * self.entries.len() + SPARE {
            self.newest_of.retain(|_, newest| *newest != NONE);
        }
        let same = std::mem::replace(self.newest_of.entry(hash).or_insert(NONE), at);
        let entry = Entry {
            worker: Some(worker),
            hash,
            since: self.clock,
            in_all: Link { older: self.all.newest, newer: NONE },
            in_same: Link { older: same, newer: NONE },
        };
        match self.entries.get_mut(at as usize) {
            Some(free) => *free = entry,
            None => self.entries.push(entry),
        }
        match self.entries.get_mut(self.all.newest as usize) {
            Some(before) => before.in_all.newer = at,
            None => self.all.oldest = at,
        }
        self.all.newest = at;
        if let Some(before) = self.entries.get_mut(same as usize) {
            before.in_same.newer = at;
        }
        in_the_way
    }

    /// Removes the resting workers for which `holds`, the one that has rested longest first.
    pub fn end_if(&mut self, mut holds: impl FnMut(&W) -> bool) -> Vec<W> {
        let (mut ended, mut at) = (Vec::new(), self.all.oldest);
        while let Some(entry) = self.entries.get(at as usize) {
            let (this, newer) = (at, entry.in_all.newer);
            if entry.worker.as_ref().is_some_and(&mut holds) {
                ended.extend(self.remove(this));
            }
            at = newer;
        }
        ended
    }

    fn earn(&mut self, units: u64, max: usize) {
        // The most credit is enough for a whole set of workers. It is also the credit at the start.
        let most = (max.max(AT_LEAST) as u64).saturating_mul(COST);
        self.credit = Some(self.credit.map_or(most, |credit| (credit + units).min(most)));
    }

    /// Notes that this hash is asked for now. The result says when it was asked for before, if that is still
    /// remembered.
    fn see(&mut self, hash: u64) -> Option<u64> {
        if self.seen.is_empty() {
            self.seen.resize(REMEMBERED, Seen::default());
        }
        let place = &mut self.seen[hash as usize % REMEMBERED];
        let before = std::mem::replace(place, Seen { hash, at: self.clock });
        (before.hash == hash && before.at != 0).then_some(before.at)
    }

    fn remove(&mut self, at: u32) -> Option<W> {
        let entry = self.entries.get_mut(at as usize)?;
        let worker = entry.worker.take()?;
        let (hash, in_all, in_same) = (entry.hash, entry.in_all, entry.in_same);
        match self.entries.get_mut(in_all.older as usize) {
            Some(older) => older.in_all.newer = in_all.newer,
            None => self.all.oldest = in_all.newer,
        }
        match self.entries.get_mut(in_all.newer as usize) {
            Some(newer) => newer.in_all.older = in_all.older,
            None => self.all.newest = in_all.older,
        }
        if let Some(older) = self.entries.get_mut(in_same.older as usize) {
            older.in_same.newer = in_same.newer;
        }
        match self.entries.get_mut(in_same.newer as usize) {
            Some(newer) => newer.in_same.older = in_same.older,
            None => {
                if let Some(newest) = self.newest_of.get_mut(&hash) {
                    *newest = in_same.older;
                }
            }
        }
        self.free.push(at);
        Some(worker)
    }
}

/// A hasher for values that are hashes already.
#[derive(Default)]
pub struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
