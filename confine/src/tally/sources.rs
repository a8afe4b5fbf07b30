//! Maps and databases, as all processes together know them. They are numbered as the configuration has them, and begin
//! anew with each configuration.

use std::sync::atomic::{AtomicU64, Ordering};

use super::text;

/// The most maps, and the most rules that ask a database, whose state is shared.
const MAPS: usize = 1024;
const DATABASES: usize = 128;

/// In a map's row.
const CONFIGURATION: usize = 0;
const SIGHT: usize = 1;
const GENERATION: usize = 2;
const RULES: usize = 3;
const SINCE: usize = 4;
const ERROR_SINCE: usize = 5;
const ERROR_LENGTH: usize = 6;
const FIRST_WORD: usize = 8;
/// The longest error: in words.
const ERROR: usize = 80;
const MAP: usize = FIRST_WORD + ERROR;

/// In a database's row.
const DATABASE: usize = 8;

/// What became of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapNews {
    /// What the rules in force came from; the same number for the same file in every process.
    pub sight: u64,
    /// How often rules were taken over since the configuration was read, that time included.
    pub generation: u64,
    /// The number of rules.
    pub rules: u64,
    /// When they were taken over: milliseconds since 1970.
    pub since: u64,
    /// Since when the file could not be taken over, and why, where that is so.
    pub error: Option<(u64, String)>,
}

/// What is counted of a rule that asks a database.
#[derive(Clone, Copy)]
pub struct DatabaseCounts<'m> {
    /// Requests that a kept answer was for.
    pub hits: &'m AtomicU64,
    /// Questions.
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
        self.maps.get(number * MAP..(number + 1) * MAP)
    }

    /// A map's rules were read with the configuration of this number.
    pub fn map_read(&self, number: usize, configuration: u64, news: &MapNews) {
        if let Some(row) = self.map(number) {
            row[CONFIGURATION].store(configuration, Ordering::Relaxed);
            put(row, news);
        }
    }

    /// A process took new rules over, or could not. Only the first process that sees a change is to say so. One that
    /// still serves by an earlier configuration has nothing to say.
    pub fn map_changed(&self, number: usize, configuration: u64, change: impl FnOnce(&mut MapNews)) {
        let Some(row) = self.map(number) else { return };
        if row[CONFIGURATION].load(Ordering::Relaxed) == configuration {
            let mut news = get(row);
            change(&mut news);
            put(row, &news);
        }
    }

    /// What is known of a map; `None` for one that is too many.
    pub fn map_news(&self, number: usize) -> Option<MapNews> {
        self.map(number).map(get)
    }

    /// The counts of a rule that asks a database, in the configuration of this number; `None` for one that is too many.
    pub fn database(&self, number: usize, configuration: u64) -> Option<DatabaseCounts<'m>> {
        let row = self.databases_of(configuration).get(number * DATABASE..(number + 1) * DATABASE)?;
        Some(DatabaseCounts { hits: &row[0], misses: &row[1], errors: &row[2] })
    }

    /// A configuration was read: its databases begin anew.
    pub fn forget_databases(&self, configuration: u64) {
        self.databases_of(configuration).iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }

    /// Processes that still serve by the configuration before count in the other half.
    fn databases_of(&self, configuration: u64) -> &'m [AtomicU64] {
        let (even, odd) = self.databases.split_at(DATABASES * DATABASE);
        if configuration % 2 == 0 { even } else { odd }
    }
}

fn put(row: &[AtomicU64], news: &MapNews) {
    let error = news.error.as_ref().map_or("", |(_, error)| text::cut(error, ERROR * 8));
    // Nothing of an error is read before its length.
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
