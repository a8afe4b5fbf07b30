//! What all processes together know about maps and databases. They are numbered in the order of the configuration,
//! and they start anew with each configuration.

use std::sync::atomic::{AtomicU64, Ordering};

use super::text;

/// The number of maps, and of rules that ask a database, whose state is shared.
const MAPS: usize = 1024;
const DATABASES: usize = 128;

/// The words of a map's row.
const CONFIGURATION: usize = 0;
const SIGHT: usize = 1;
const GENERATION: usize = 2;
const RULES: usize = 3;
const SINCE: usize = 4;
const ERROR_SINCE: usize = 5;
const ERROR_LENGTH: usize = 6;
const FIRST_WORD: usize = 8;
/// The longest error, in words.
const ERROR: usize = 80;
const MAP: usize = FIRST_WORD + ERROR;

/// The words of a database's row.
const DATABASE: usize = 8;

/// The state of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapNews {
    /// The source of the current rules. It is the same number for the same file in every process.
    pub sight: u64,
    /// How often rules were read since the configuration was read, including that time.
    pub generation: u64,
    /// The number of rules.
    pub rules: u64,
    /// When the rules were read, in milliseconds since 1970.
    pub since: u64,
    /// If the file could not be used: since when (in milliseconds since 1970), and why.
    pub error: Option<(u64, String)>,
}

/// What is counted for a rule that asks a database.
#[derive(Clone, Copy)]
pub struct DatabaseCounts<'m> {
    /// Requests for which an answer was kept.
    pub hits: &'m AtomicU64,
    /// Questions that were asked.
    pub misses: &'m AtomicU64,
    /// Questions that failed.
    pub errors: &'m AtomicU64,
}

/// The rows of maps and databases.
#[derive(Clone, Copy)]
pub struct Sources<'m> {
    maps: &'m [AtomicU64],
    databases: &'m [AtomicU64],
}

impl<'m> Sources<'m> {
    pub(super) const WORDS: usize = MAPS * MAP + 2 * DATABASES * DATABASE;

    pub(super) fn over(memory: &'m [AtomicU64]) -> Self {
        let (maps, databases) = memory.split_at(MAPS * MAP);
        Self { maps, databases }
    }

    fn map(&self, number: usize) -> Option<&'m [AtomicU64]> {
        self.maps.chunks_exact(MAP).nth(number)
    }

    /// Notes that a map's rules were read with the configuration of this number.
    pub fn map_read(&self, number: usize, configuration: u64, news: &MapNews) {
        if let Some(row) = self.map(number) {
            row[CONFIGURATION].store(configuration, Ordering::Relaxed);
            put(row, news);
        }
    }

    /// Notes that a process has replaced the rules of a map, or could not. Only the first process that sees a change
    /// calls this. A process with an earlier configuration is ignored.
    pub fn map_changed(&self, number: usize, configuration: u64, change: impl FnOnce(&mut MapNews)) {
        let Some(row) = self.map(number) else { return };
        if row[CONFIGURATION].load(Ordering::Relaxed) == configuration {
            let mut news = get(row);
            change(&mut news);
            put(row, &news);
        }
    }

    /// The state of a map. `None` for a map beyond the last place.
    pub fn map_news(&self, number: usize) -> Option<MapNews> {
        self.map(number).map(get)
    }

    /// The counts of a rule that asks a database, for the configuration of this number. `None` for a rule beyond the
    /// last place.
    pub fn database(&self, number: usize, configuration: u64) -> Option<DatabaseCounts<'m>> {
        let row = self.databases_of(configuration).chunks_exact(DATABASE).nth(number)?;
        Some(DatabaseCounts { hits: &row[0], misses: &row[1], errors: &row[2] })
    }

    /// Notes that a configuration was read. The counts of its databases start anew.
    pub fn forget_databases(&self, configuration: u64) {
        self.databases_of(configuration).iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }

    /// Two configurations in a row use different halves, because processes with the earlier one still count.
    fn databases_of(&self, configuration: u64) -> &'m [AtomicU64] {
        let (even, odd) = self.databases.split_at(DATABASES * DATABASE);
        if configuration % 2 == 0 { even } else { odd }
    }
}

fn put(row: &[AtomicU64], news: &MapNews) {
    let error = news.error.as_ref().map_or("", |(_, error)| text::cut(error, ERROR * 8));
    // While the length is 0, no process reads the error.
    row[ERROR_LENGTH].store(0, Ordering::SeqCst);
    let numbers = [
        (SIGHT, news.sight),
        (GENERATION, news.generation),
        (RULES, news.rules),
        (SINCE, news.since),
        (ERROR_SINCE, news.error.as_ref().map_or(0, |(since, _)| *since)),
    ];
    for (at, number) in numbers {
        row[at].store(number, Ordering::Relaxed);
    }
    text::write(&row[FIRST_WORD..], error.as_bytes());
    row[ERROR_LENGTH].store(error.len() as u64, Ordering::SeqCst);
}

fn get(row: &[AtomicU64]) -> MapNews {
    let load = |at: usize| row[at].load(Ordering::Relaxed);
    let error = text::read(&row[FIRST_WORD..], row[ERROR_LENGTH].load(Ordering::SeqCst) as usize);
    let error = String::from_utf8_lossy(&error).into_owned();
    MapNews {
        sight: load(SIGHT),
        generation: load(GENERATION),
        rules: load(RULES),
        since: load(SINCE),
        error: Some((load(ERROR_SINCE), error)).filter(|(since, _)| *since != 0),
    }
}
