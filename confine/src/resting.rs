//! Workers that rest between two requests, and who gets one: a table, and what it may cost.
//!
//! A worker that is kept for further requests of its context saves what making a thread costs, each time it is used
//! again; one that is not used again costs more than a worker that serves one request and ends. So whoever comes may
//! not simply have one: with more contexts than places, every request would end somebody's worker and make another.
//! - A newcomer takes the place of another worker only where it was asked for again sooner than that one rests
//!   already: it is the busier of the two.
//! - Making a worker takes credit. Each request gives a little of it, each use of a resting worker more, and no more
//!   than it saved: whatever is asked for, in whatever order, the sum of what is made in vain stays below one in a
//!   hundred.
//!
//! Every step takes the same time, however many rest.
//!
//! ```
//! use confine::resting::{Admission, RestingWorkers};
//!
//! let mut resting = RestingWorkers::new();
//! assert_eq!(resting.admit(7, 10), Admission::Granted);
//! resting.rest(7, "a worker");
//! assert_eq!(resting.take(7, |_| true), Some("a worker"));
//! ```

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// What making a worker takes, in units of credit. A unit is a hundredth of what a worker costs that is made to be
/// kept, some half a microsecond.
const COST: u64 = 100;
/// What a request gives that no resting worker serves.
const FOR_A_MISS: u64 = 1;
/// What a request gives that a resting worker serves: much less than it saves.
const FOR_A_HIT: u64 = 4;
/// For so many workers there is credit at the start, where fewer are allowed, too.
const AT_LEAST: usize = 64;
/// So many hashes are remembered, each in the one place that it can have.
const REMEMBERED: usize = 4096;

/// No entry.
const NONE: u32 = u32::MAX;

/// Resting workers of type `W`, and what was asked for lately. Keys are hashes that are spread well.
pub struct RestingWorkers<W> {
    entries: Vec<Entry<W>>,
    free: Vec<u32>,
    /// The last one of each hash that came to rest.
    newest_of: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    /// All that rest, the one that rests longest first.
    all: Ends,
    /// Workers that are kept, resting or at work.
    alive: usize,
    /// Requests so far.
    clock: u64,
    seen: Vec<Seen>,
    /// `None` before the first worker.
    credit: Option<u64>,
}

struct Entry<W> {
    worker: Option<W>,
    hash: u64,
    /// The request after which it came to rest.
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
    /// When it was asked for last; 0: never.
    at: u64,
}

/// Whether a worker may be made.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission<W> {
    /// It may, and counts as alive from now on.
    Granted,
    /// It may, in the place of this one, which rested.
    InPlaceOf(W),
    /// It may not.
    Refused,
}

impl<W> Default for RestingWorkers<W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<W> RestingWorkers<W> {
    /// Nobody rests.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            newest_of: HashMap::with_hasher(BuildHasherDefault::new()),
            all: Ends { oldest: NONE, newest: NONE },
            alive: 0,
            clock: 0,
            seen: Vec::new(),
            credit: None,
        }
    }

    /// How many rest.
    pub fn resting(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// The worker of this hash that came to rest last, of those that are wanted (the same hash may be another key's).
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

    /// A worker that rested serves a request. `max` is as for [`Self::admit`].
    pub fn used(&mut self, max: usize) {
        self.clock += 1;
        self.earn(FOR_A_HIT, max);
    }

    /// Whether a worker may be made for a request that no resting one serves; there are to be no more than `max`.
    pub fn admit(&mut self, hash: u64, max: usize) -> Admission<W> {
        self.clock += 1;
        self.earn(FOR_A_MISS, max);
        let last_seen = self.see(hash);
        let credit = self.credit.unwrap_or_default();
        if credit < COST {
            return Admission::Refused;
        }
        if self.alive < max {
            self.credit = Some(credit - COST);
            self.alive += 1;
            return Admission::Granted;
        }
        let Some(oldest) = self.entries.get(self.all.oldest as usize) else { return Admission::Refused };
        if last_seen.is_none_or(|seen| seen < oldest.since) {
            return Admission::Refused;
        }
        self.credit = Some(credit - COST);
        self.remove(self.all.oldest).map_or(Admission::Refused, Admission::InPlaceOf)
    }

    /// A worker of this hash comes to rest.
    pub fn rest(&mut self, hash: u64, worker: W) {
        let same = self.newest_of.get(&hash).copied().unwrap_or(NONE);
        let entry = Entry {
            worker: Some(worker),
            hash,
            since: self.clock,
            in_all: Link { older: self.all.newest, newer: NONE },
            in_same: Link { older: same, newer: NONE },
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at as usize] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                // There is no room for so many threads.
                (self.entries.len() - 1) as u32
            }
        };
        match self.entries.get_mut(self.all.newest as usize) {
            Some(before) => before.in_all.newer = at,
            None => self.all.oldest = at,
        }
        self.all.newest = at;
        if let Some(before) = self.entries.get_mut(same as usize) {
            before.in_same.newer = at;
        }
        self.newest_of.insert(hash, at);
    }

    /// A worker that was taken, or was admitted, ended.
    pub fn gone(&mut self) {
        self.alive = self.alive.saturating_sub(1);
    }

    /// Takes the one that rests longest out, if that holds of it; it counts as ended.
    pub fn end_oldest_if(&mut self, holds: impl FnOnce(&W) -> bool) -> Option<W> {
        let at = self.all.oldest;
        self.entries.get(at as usize)?.worker.as_ref().filter(|worker| holds(worker))?;
        self.gone();
        self.remove(at)
    }

    /// Takes all out that rest; they count as ended.
    pub fn end_all(&mut self) -> Vec<W> {
        std::iter::from_fn(|| self.end_oldest_if(|_| true)).collect()
    }

    fn earn(&mut self, units: u64, max: usize) {
        // Enough for a whole set of workers, with which it also starts.
        let most = (max.max(AT_LEAST) as u64).saturating_mul(COST);
        self.credit = Some(self.credit.map_or(most, |credit| (credit + units).min(most)));
    }

    /// Notes that this was asked for now. When it was before, as far as that is remembered.
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
            None if in_same.older == NONE => drop(self.newest_of.remove(&hash)),
            None => drop(self.newest_of.insert(hash, in_same.older)),
        }
        self.free.push(at);
        Some(worker)
    }
}

/// The hash of what is one already.
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
