//! AnswerCache that are kept for a while: bounded in number and in age, and asked for once.
//!
//! While one request asks, others that want the same answer wait for it. So a user's hundred requests after a
//! restart are one question, and a slow source is not asked more often because it is slow. No lock is held
//! meanwhile. A failure is told to those who waited for that very question, and to nobody after them.
//!
//! Asking may itself have to wait, for a connection of a pool with few of them. So whoever may hold such a thing
//! must not wait for somebody else's answer ([`Holds::Something`]): the asker could be waiting for just that. And
//! since it is not always known what somebody holds, nobody waits longer than `PATIENCE`.
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
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The longest wait for an answer that somebody else asks for. Whoever has waited so long asks as well.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the one who wants an answer keeps while waiting for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Nothing that anybody else could be waiting for.
    Nothing,
    /// Something that the one who asks may need.
    Something,
}

/// How long answers are kept, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// The age at which an answer is forgotten, counted from the in_flight. 0 keeps none.
    pub ttl: Duration,
    /// The number of answers. One more, and that which would be forgotten next goes.
    pub entries: usize,
}

/// How often something happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// AnswerCache that are kept now, those included whose time is over and whose place nobody needed.
    pub entries: usize,
    /// Answered without a question of one's own.
    pub hits: u64,
    /// Questions.
    pub misses: u64,
    /// Questions that failed.
    pub errors: u64,
}

/// Answers of type `T`, by keys. `F` says why there is no answer.
pub struct AnswerCache<T, F> {
    limits: CacheLimits,
    patience: Duration,
    state: Mutex<Entries<T, F>>,
    hits: AtomicU64,
    misses: AtomicU64,
    errors: AtomicU64,
}

struct Entries<T, F> {
    answers: HashMap<Arc<[u8]>, Entry<T>>,
    /// When the kept answers end, about in this order. An entry whose time is not that of the kept answer is
    /// of an earlier one.
    ends: VecDeque<(Instant, Arc<[u8]>)>,
    in_flight: HashMap<Arc<[u8]>, Arc<InFlight<T, F>>>,
}

struct Entry<T> {
    answer: T,
    until: Instant,
}

/// What became of a in_flight: `None` while it is asked.
struct InFlight<T, F> {
    outcome: Mutex<Option<Outcome<T, F>>>,
    known: Condvar,
}

#[derive(Clone)]
enum Outcome<T, F> {
    /// An answer, and until when it may be used.
    Answer(T, Instant),
    Failure(F),
    /// Whoever asked went away without a word (a panic).
    Abandoned,
}

/// What is known of a key.
enum Found<T, F> {
    Answer(T),
    Asked(Arc<InFlight<T, F>>),
    /// Nothing: the caller is the one to ask.
    Nothing(Arc<InFlight<T, F>>, Arc<[u8]>),
}

impl<T: Clone, F: Clone> AnswerCache<T, F> {
    /// Nothing is known yet.
    pub fn new(limits: CacheLimits) -> Self {
        let state = Entries { answers: HashMap::new(), ends: VecDeque::new(), in_flight: HashMap::new() };
        Self {
            limits,
            patience: PATIENCE,
            state: Mutex::new(state),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            errors: AtomicU64::new(0),
        }
    }

    /// The answer for `key`: a kept one, that of a question which is being asked, or what `ask` gives. `holds` is
    /// called only where nothing is kept.
    ///
    /// # Errors
    /// Whatever `ask` failed with, here or in the request that this one waited for.
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
            // In a statement of its own, which ends the lock.
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
                        // The asking took so long that the answer is too old for others, or whoever asked panicked.
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

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            entries: self.lock().answers.len(),
            hits: number(&self.hits),
            misses: number(&self.misses),
            errors: number(&self.errors),
        }
    }

    fn hit(&self, answer: T) -> T {
        self.hits.fetch_add(1, Ordering::Relaxed);
        answer
    }

    fn counted(&self, ask: impl FnOnce() -> Result<T, F>) -> Result<T, F> {
        self.misses.fetch_add(1, Ordering::Relaxed);
        ask().inspect_err(|_| {
            self.errors.fetch_add(1, Ordering::Relaxed);
        })
    }
}

impl<T, F> AnswerCache<T, F> {
    /// Nothing that can panic runs under the lock but the allocator and the clone of an answer; what it guards
    /// is whole at any time.
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

    /// Keeps an answer in the place of those whose time is over, or, where all places are taken, of the one
    /// whose time is over next.
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
    /// What became of it; `None` where nothing did until `end`.
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

/// The one who asks. Whatever happens to it, those who wait learn of it.
struct Asking<'a, T: Clone, F: Clone> {
    answers: &'a AnswerCache<T, F>,
    in_flight: Arc<InFlight<T, F>>,
    key: Arc<[u8]>,
    since: Instant,
    settled: bool,
}

impl<T: Clone, F: Clone> Asking<'_, T, F> {
    fn settle(mut self, result: Result<T, F>) -> Result<T, F> {
        // As old as the in_flight: what changed while it was asked may not be in the answer.
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
