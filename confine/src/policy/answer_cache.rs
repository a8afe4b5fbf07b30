//! Keeps answers of a slow source, such as a database, for some time. The number of answers is bounded. A question that
//! is being asked is not asked a second time.
//!
//! While one request asks a question, other requests that need the same answer wait for it. So when a user sends a
//! hundred requests after a restart, the source is asked once, and a source that is slow is not asked more often
//! because it is slow. No lock is held while a question is asked. When the question fails, all that wait for it learn
//! why. Later requests ask again.
//!
//! The request that asks may have to wait, too: for a connection of a pool that has only a few. A request that holds
//! such a connection must not wait for the answer of another request, because that one may be waiting for this very
//! connection ([`Holds::Something`]). It cannot always be known what a request holds, so no request waits longer than
//! `PATIENCE`.
//!
//! ```
//! use std::time::Duration;
//!
//! use confine::policy::answer_cache::{AnswerCache, CacheLimits, Holds};
//!
//! let cache = AnswerCache::<_, String>::new(CacheLimits { ttl: Duration::from_secs(60), entries: 100 });
//! for _ in 0..2 {
//!     assert_eq!(cache.get(b"alice", || Holds::Nothing, || Ok("tenant-a")), Ok("tenant-a"));
//! }
//! assert_eq!((cache.counts().hits, cache.counts().misses), (1, 1));
//! ```

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::tally::DatabaseCounts;

/// The longest time that a request waits for the answer to another request's question. After that it asks, too.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a request holds while it waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// It holds nothing that another request could be waiting for.
    Nothing,
    /// It holds something that the request that asks may need.
    Something,
}

/// How long answers are kept, and how many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// How long an answer is kept, from the moment when the question was asked. 0 keeps no answer.
    pub ttl: Duration,
    /// The most answers that are kept. For one more, the answer with the least time left is dropped.
    pub entries: usize,
}

/// How often something has happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The answers that are kept now. An answer whose time is over is counted until its place is needed.
    pub entries: usize,
    /// Requests that got an answer without asking.
    pub hits: u64,
    /// Questions that were asked.
    pub misses: u64,
    /// Questions that failed.
    pub errors: u64,
}

/// Answers of type `T` by keys. A value of type `F` says why a question failed.
pub struct AnswerCache<T, F> {
    limits: CacheLimits,
    patience: Duration,
    state: Mutex<Entries<T, F>>,
    hits: AtomicU64,
    misses: AtomicU64,
    errors: AtomicU64,
    /// Where all processes count together, instead of in the three above.
    shared: OnceLock<DatabaseCounts<'static>>,
    /// Where this process says how many answers it keeps.
    told: OnceLock<&'static AtomicU64>,
}

struct Entries<T, F> {
    answers: HashMap<Arc<[u8]>, Entry<T>>,
    /// When each answer ends, roughly in this order. If the time is not that of the answer which is kept, it belongs to
    /// an earlier answer for the same key.
    ends: VecDeque<(Instant, Arc<[u8]>)>,
    in_flight: HashMap<Arc<[u8]>, Arc<InFlight<T, F>>>,
}

struct Entry<T> {
    answer: T,
    until: Instant,
}

/// What came of a question. It is `None` while the question is being asked.
struct InFlight<T, F> {
    outcome: Mutex<Option<Outcome<T, F>>>,
    known: Condvar,
}

#[derive(Clone)]
enum Outcome<T, F> {
    /// The answer, and the time until which it may be used.
    Answer(T, Instant),
    Failure(F),
    /// The request that asked ended without a result (a panic).
    Abandoned,
}

/// What is known for a key.
enum Found<T, F> {
    Answer(T),
    Asked(Arc<InFlight<T, F>>),
    /// Nothing is known. The caller must ask.
    Nothing(Arc<InFlight<T, F>>, Arc<[u8]>),
}

impl<T: Clone, F: Clone> AnswerCache<T, F> {
    /// A cache without answers.
    pub fn new(limits: CacheLimits) -> Self {
        let state = Entries { answers: HashMap::new(), ends: VecDeque::new(), in_flight: HashMap::new() };
        Self {
            limits,
            patience: PATIENCE,
            state: Mutex::new(state),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            shared: OnceLock::new(),
            told: OnceLock::new(),
        }
    }

    /// Has several processes count together. To be called before they are forked.
    pub fn count_in(&self, shared: DatabaseCounts<'static>) {
        let _ = self.shared.set(shared);
    }

    /// Says there how many answers are kept, from now on.
    pub fn tell_entries(&self, place: &'static AtomicU64) {
        let _ = self.told.set(place);
    }

    fn counters(&self) -> DatabaseCounts<'_> {
        let Self { hits, misses, errors, .. } = self;
        self.shared.get().copied().unwrap_or(DatabaseCounts { hits, misses, errors })
    }

    /// The answer for `key`. It is an answer that is kept, or the answer to a question that is being asked, or what
    /// `ask` gives. `holds` is only called if no answer is kept.
    ///
    /// # Errors
    /// The failure of `ask`, in this request or in the one that this request waited for.
    pub fn get(
        &self,
        key: &[u8],
        holds: impl FnOnce() -> Holds,
        ask: impl FnOnce() -> Result<T, F>,
    ) -> Result<T, F> {
        if self.limits.ttl.is_zero() {
            return self.counted(ask);
        }
        let mut holds = Some(holds);
        let mut end = None;
        loop {
            // This is a statement of its own, so that the lock ends with it.
            let found = self.lock().look(key);
            match found {
                Found::Answer(answer) => return Ok(self.hit(answer)),
                Found::Asked(in_flight) => {
                    if holds.take().is_some_and(|holds| holds() == Holds::Something) {
                        return self.counted(ask);
                    }
                    let end = *end.get_or_insert_with(|| Instant::now() + self.patience);
                    match in_flight.wait(end) {
                        Some(Outcome::Answer(answer, until)) if Instant::now() < until => {
                            return Ok(self.hit(answer));
                        }
                        Some(Outcome::Failure(failure)) => return Err(failure),
                        // The question took so long that the answer is too old for others, or the request that asked it
                        // panicked.
                        Some(Outcome::Answer(..) | Outcome::Abandoned) => {}
                        None => return self.counted(ask),
                    }
                }
                Found::Nothing(in_flight, key) => {
                    let asking =
                        Asking { answers: self, in_flight, key, since: Instant::now(), settled: false };
                    return asking.settle(self.counted(ask));
                }
            }
        }
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = self.counters();
        Counts {
            entries: self.lock().answers.len(),
            hits: number(counters.hits),
            misses: number(counters.misses),
            errors: number(counters.errors),
        }
    }

    fn hit(&self, answer: T) -> T {
        self.counters().hits.fetch_add(1, Ordering::Relaxed);
        answer
    }

    fn counted(&self, ask: impl FnOnce() -> Result<T, F>) -> Result<T, F> {
        self.counters().misses.fetch_add(1, Ordering::Relaxed);
        ask().inspect_err(|_| {
            self.counters().errors.fetch_add(1, Ordering::Relaxed);
        })
    }
}

impl<T, F> AnswerCache<T, F> {
    /// Under the lock only the allocator and the clone of an answer can panic. At those points the entries are
    /// consistent, so a poisoned lock can be used.
    fn lock(&self) -> MutexGuard<'_, Entries<T, F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone, F> Entries<T, F> {
    fn look(&mut self, key: &[u8]) -> Found<T, F> {
        if let Some(entry) = self.answers.get(key).filter(|entry| Instant::now() < entry.until) {
            return Found::Answer(entry.answer.clone());
        }
        if let Some(in_flight) = self.in_flight.get(key) {
            return Found::Asked(Arc::clone(in_flight));
        }
        let in_flight = Arc::new(InFlight { outcome: Mutex::new(None), known: Condvar::new() });
        let key: Arc<[u8]> = key.into();
        self.in_flight.insert(Arc::clone(&key), Arc::clone(&in_flight));
        Found::Nothing(in_flight, key)
    }

    /// Keeps an answer. If all places are taken, answers whose time is over are dropped, or else the answer with the
    /// least time left.
    fn insert(&mut self, key: &Arc<[u8]>, answer: T, until: Instant, limit: usize) {
        let now = Instant::now();
        while let Some((end, _)) = self.ends.front() {
            if *end > now && self.ends.len() < limit {
                break;
            }
            let Some((end, oldest)) = self.ends.pop_front() else { break };
            if self.answers.get(&oldest).is_some_and(|entry| entry.until == end) {
                self.answers.remove(&oldest);
            }
        }
        if until > now {
            self.answers.insert(Arc::clone(key), Entry { answer, until });
            self.ends.push_back((until, Arc::clone(key)));
        }
    }
}

impl<T: Clone, F: Clone> InFlight<T, F> {
    /// What came of the question. `None` if nothing has come of it until `end`.
    fn wait(&self, end: Instant) -> Option<Outcome<T, F>> {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(known) = &*outcome {
                return Some(known.clone());
            }
            let left = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            outcome = self.known.wait_timeout(outcome, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The request that asks. Whatever happens to it, the requests that wait learn of it.
struct Asking<'a, T: Clone, F: Clone> {
    answers: &'a AnswerCache<T, F>,
    in_flight: Arc<InFlight<T, F>>,
    key: Arc<[u8]>,
    since: Instant,
    settled: bool,
}

impl<T: Clone, F: Clone> Asking<'_, T, F> {
    fn settle(mut self, result: Result<T, F>) -> Result<T, F> {
        // The answer counts from the moment when the question was asked, because it may lack a change that was made
        // after that.
        let until = self.since + self.answers.limits.ttl;
        self.tell(match &result {
            Ok(answer) => Outcome::Answer(answer.clone(), until),
            Err(failure) => Outcome::Failure(failure.clone()),
        });
        result
    }

    fn tell(&mut self, outcome: Outcome<T, F>) {
        self.settled = true;
        let mut state = self.answers.lock();
        if let Outcome::Answer(answer, until) = &outcome {
            state.insert(&self.key, answer.clone(), *until, self.answers.limits.entries);
            if let Some(told) = self.answers.told.get() {
                told.store(state.answers.len() as u64, Ordering::Relaxed);
            }
        }
        state.in_flight.remove(&self.key);
        drop(state);
        *self.in_flight.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.in_flight.known.notify_all();
    }
}

impl<T: Clone, F: Clone> Drop for Asking<'_, T, F> {
    fn drop(&mut self) {
        if !self.settled {
            self.tell(Outcome::Abandoned);
        }
    }
}

#[cfg(test)]
mod tests;
