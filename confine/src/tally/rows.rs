//! The counts of each virtual host with each of its contexts.
//!
//! A row is found by the numbers of its two labels. The number of rows is limited. When all are taken, further
//! requests are counted in the first row, `other`.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Label, text::spread};

/// The most counts of one row.
pub const OUTCOMES: usize = 24;

/// The upper bounds of the times of a move, in nanoseconds. One more count is for longer moves.
pub const BOUNDS: [u64; 12] =
    [500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 10_000_000];
/// The number of counts of times: one for each bound, and one for longer moves.
pub const BUCKETS: usize = BOUNDS.len() + 1;

/// The most rows that can be asked for, `other` not included.
pub const MOST_ROWS: usize = MEMORY - 1;

const MEMORY: usize = 8192;
/// The number of places in the table of rows. It is a power of two, and twice the number of rows.
const CELLS: usize = 2 * MEMORY;
/// The number of places in which a row is looked for.
const PROBES: usize = 32;

/// The words of a row: the labels, the counts, the time of all moves in nanoseconds, and how many moves took how
/// long.
const KEY: usize = 0;
const FIRST_OUTCOME: usize = 1;
const TIME: usize = FIRST_OUTCOME + OUTCOMES;
const FIRST_BUCKET: usize = TIME + 1;
/// A row has whole lines of the processor's cache, so two rows share none.
const ROW: usize = (FIRST_BUCKET + BUCKETS).next_multiple_of(8);

/// The number of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row(u16);

impl Row {
    /// The row for everything that has no row of its own.
    pub const OTHER: Self = Self(0);
}

/// One row, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowState {
    /// The virtual host.
    pub host: Label,
    /// The contexts.
    pub context: Label,
    /// Whether this is the row for everything that has no row of its own.
    pub is_other: bool,
    /// The counts.
    pub outcomes: [u64; OUTCOMES],
    /// The time of all moves, in nanoseconds.
    pub time: u64,
    /// How many moves took at most as long as each of [`BOUNDS`] and longer than the bound before. The last count is
    /// for moves that took longer than all bounds.
    pub buckets: [u64; BUCKETS],
}

/// The table of rows. A place holds the numbers of two labels and of their row.
#[derive(Clone, Copy)]
pub struct Rows<'m> {
    used: &'m AtomicU64,
    limit: &'m AtomicU64,
    cells: &'m [AtomicU64],
    rows: &'m [AtomicU64],
}

impl<'m> Rows<'m> {
    pub(super) const WORDS: usize = 8 + CELLS + MEMORY * ROW;

    pub(super) fn over(memory: &'m [AtomicU64]) -> Self {
        let (cells, rows) = memory[8..].split_at(CELLS);
        Self { used: &memory[0], limit: &memory[1], cells, rows }
    }

    /// Sets how many rows there may be besides `other`. Existing rows stay.
    pub fn set_limit(&self, rows: usize) {
        self.limit.store(rows.min(MOST_ROWS) as u64, Ordering::Relaxed);
    }

    /// How many rows there may be besides `other`.
    pub fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed).min(MOST_ROWS as u64)
    }

    /// How many rows there are besides `other`.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed).min(MOST_ROWS as u64)
    }

    /// The row of these labels. It is made if it does not exist and the limit allows it. Requests call this: it takes
    /// no lock, allocates nothing and compares no text.
    #[inline]
    pub fn find(&self, host: Label, context: Label) -> Row {
        if host == Label::NO_ROOM || context == Label::NO_ROOM {
            return Row::OTHER;
        }
        let wanted = (u64::from(host.number()) << 24) | u64::from(context.number() & 0xff_ffff);
        let first = spread(wanted) as usize;
        for step in 0..PROBES {
            let cell = &self.cells[first.wrapping_add(step) % CELLS];
            let mut seen = cell.load(Ordering::Acquire);
            if seen == 0 {
                seen = self.make(cell, host, context, wanted);
            }
            if seen == 0 {
                return Row::OTHER;
            }
            if seen >> 16 == wanted {
                return Row(seen as u16);
            }
        }
        Row::OTHER
    }

    /// Makes a row and puts it into an empty cell. The result is the content of the cell after that. It is 0 if there
    /// may be no further row.
    #[cold]
    fn make(&self, cell: &AtomicU64, host: Label, context: Label, wanted: u64) -> u64 {
        let limit = self.limit();
        let one_more = |used: u64| used.checked_add(1).filter(|new| *new <= limit);
        let Ok(before) = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) else {
            return 0;
        };
        let row = Row((before + 1) as u16);
        let Some(words) = self.words(row) else { return 0 };
        let key = (u64::from(host.number()) << 32) | u64::from(context.number());
        words[KEY].store(key, Ordering::Relaxed);
        let packed = (wanted << 16) | u64::from(row.0);
        match cell.compare_exchange(0, packed, Ordering::Release, Ordering::Acquire) {
            Ok(_) => packed,
            Err(other) => {
                // Another process was first. This row is given back, unless a third process has taken the next row
                // meanwhile.
                words[KEY].store(0, Ordering::Relaxed);
                let _ = self.used.compare_exchange(before + 1, before, Ordering::Relaxed, Ordering::Relaxed);
                other
            }
        }
    }

    fn words(&self, row: Row) -> Option<&'m [AtomicU64]> {
        self.rows.get(usize::from(row.0) * ROW..(usize::from(row.0) + 1) * ROW)
    }

    /// Adds 1. An `outcome` that is no count of a row is ignored.
    #[inline]
    pub fn add(&self, row: Row, outcome: usize) {
        if let Some(words) = self.words(row).filter(|_| outcome < OUTCOMES) {
            words[FIRST_OUTCOME + outcome].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A count.
    pub fn get(&self, row: Row, outcome: usize) -> u64 {
        let word = self.words(row).and_then(|words| words[FIRST_OUTCOME..TIME].get(outcome));
        word.map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Notes that a move took this long.
    #[inline]
    pub fn moved(&self, row: Row, nanoseconds: u64) {
        if let Some(words) = self.words(row) {
            let bucket = BOUNDS.iter().take_while(|bound| nanoseconds > **bound).count();
            words[TIME].fetch_add(nanoseconds, Ordering::Relaxed);
            words[FIRST_BUCKET + bucket].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All rows, `other` first.
    pub fn states(&self) -> impl Iterator<Item = RowState> + use<'m> {
        let rows = *self;
        (0..=rows.used() as u16).filter_map(move |number| {
            let words = rows.words(Row(number))?;
            let load = |at: usize| words[at].load(Ordering::Relaxed);
            let key = load(KEY);
            let is_other = number == 0;
            (is_other || key != 0).then(|| RowState {
                host: Label::from_number((key >> 32) as u32),
                context: Label::from_number(key as u32),
                is_other,
                outcomes: std::array::from_fn(|at| load(FIRST_OUTCOME + at)),
                time: load(TIME),
                buckets: std::array::from_fn(|at| load(FIRST_BUCKET + at)),
            })
        })
    }
}
