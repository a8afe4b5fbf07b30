//! What each process does now. A process writes into its own row. Whoever started it removes the row when it has
//! ended.

use std::sync::atomic::{AtomicU64, Ordering};

/// The most processes.
const PLACES: usize = 4096;

/// The words of a row: the process, its configuration, and what it does. A row has whole lines of the processor's
/// cache.
const PROCESS: usize = 0;
const CONFIGURATION: usize = 1;
const IN_FLIGHT: usize = 2;
const RESTING: usize = 3;
const FIRST_MAP: usize = 8;
/// The number of maps whose rules are known for each process.
const MAPS: usize = 40;
const FIRST_DATABASE: usize = FIRST_MAP + MAPS;
/// The number of databases whose kept answers are known for each process.
const DATABASES: usize = 16;
const ROW: usize = FIRST_DATABASE + DATABASES;

/// The row of one process.
#[derive(Clone, Copy)]
pub struct Child<'m> {
    words: &'m [AtomicU64],
}

/// One process, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildState {
    /// Its id.
    pub process: u32,
    /// The number of the configuration that it serves by.
    pub configuration: u64,
    /// The workers that it waits for.
    pub in_flight: u64,
    /// Its workers that are kept and have no request.
    pub resting: u64,
    /// For each of the first maps, the source of its rules. 0: it has not told yet.
    pub maps: Vec<u64>,
    /// For each of the first databases, how many of its answers it keeps.
    pub entries: Vec<u64>,
}

impl<'m> Child<'m> {
    /// The workers that it waits for.
    pub fn in_flight(&self) -> &'m AtomicU64 {
        &self.words[IN_FLIGHT]
    }

    /// Its workers that are kept and have no request.
    pub fn resting(&self) -> &'m AtomicU64 {
        &self.words[RESTING]
    }

    /// The source of its rules of this map. `None` for a map beyond the last place.
    pub fn map(&self, number: usize) -> Option<&'m AtomicU64> {
        self.words[FIRST_MAP..FIRST_DATABASE].get(number)
    }

    /// How many answers of this database it keeps. `None` for a database beyond the last place.
    pub fn entries(&self, number: usize) -> Option<&'m AtomicU64> {
        self.words[FIRST_DATABASE..].get(number)
    }
}

/// The rows of all processes.
#[derive(Clone, Copy)]
pub struct Children<'m> {
    /// One more than the last row that was ever in use.
    used: &'m AtomicU64,
    rows: &'m [AtomicU64],
}

impl<'m> Children<'m> {
    pub(super) const WORDS: usize = 8 + PLACES * ROW;

    pub(super) fn over(memory: &'m [AtomicU64]) -> Self {
        Self { used: &memory[0], rows: &memory[8..] }
    }

    /// The rows up to the last one that was ever in use.
    fn used(&self) -> impl Iterator<Item = &'m [AtomicU64]> + use<'m> {
        self.rows.chunks_exact(ROW).take(self.used.load(Ordering::Relaxed) as usize)
    }

    /// A row for a process that has just started and serves by this configuration. `None` if all rows are taken.
    pub fn enter(&self, process: u32, configuration: u64) -> Option<Child<'m>> {
        // An older process of the same number has ended, because two processes cannot have it.
        self.leave(process);
        for (row, number) in self.rows.chunks_exact(ROW).zip(1..) {
            let taken =
                row[PROCESS].compare_exchange(0, process.into(), Ordering::Acquire, Ordering::Relaxed);
            if taken.is_ok() {
                row[1..].iter().for_each(|word| word.store(0, Ordering::Relaxed));
                row[CONFIGURATION].store(configuration, Ordering::Relaxed);
                self.used.fetch_max(number, Ordering::Relaxed);
                return Some(Child { words: row });
            }
        }
        None
    }

    /// Notes that a process has ended.
    pub fn leave(&self, process: u32) {
        for row in self.used() {
            let _ = row[PROCESS].compare_exchange(process.into(), 0, Ordering::Release, Ordering::Relaxed);
        }
    }

    /// All running processes.
    pub fn states(&self) -> Vec<ChildState> {
        let states = self.used().filter_map(|row| {
            let load = |at: usize| row[at].load(Ordering::Relaxed);
            let process = u32::try_from(load(PROCESS)).ok().filter(|process| *process != 0)?;
            Some(ChildState {
                process,
                configuration: load(CONFIGURATION),
                in_flight: load(IN_FLIGHT),
                resting: load(RESTING),
                maps: (FIRST_MAP..FIRST_DATABASE).map(load).collect(),
                entries: (FIRST_DATABASE..ROW).map(load).collect(),
            })
        });
        states.collect()
    }
}
