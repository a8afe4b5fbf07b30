//! Counts that several processes share, in memory that one of them makes before it forks the others.
//!
//! The memory holds only numbers of 64 bits, which are read and written one by one. There are no locks and no pointers,
//! and every text has a limit. So no process can disturb another one through it. If a hostile process writes here, a
//! count is wrong, and nothing else happens.
//!
//! | part | what it is |
//! |---|---|
//! | [`Labels`] | names of virtual hosts and contexts, each with a small number |
//! | [`Rows`] | the counts of each virtual host with each of its contexts, and how long its moves took |
//! | [`Refusals`] | the last refusals |
//! | [`Children`] | what each process does now |
//! | [`Sources`] | maps and databases, where the rules come from |
//!
//! ```
//! use std::sync::atomic::AtomicU64;
//!
//! use confine::tally::{Label, Tally};
//!
//! let memory: Vec<AtomicU64> = (0..Tally::WORDS).map(|_| AtomicU64::new(0)).collect();
//! let tally = Tally::over(&memory).expect("enough memory");
//! tally.rows.set_limit(100);
//! let host = tally.labels.intern(b"www.example.com").expect("room for a name");
//! let context = tally.labels.intern(b"landlock:alice").expect("room for a name");
//! let row = tally.rows.find(host, context);
//! tally.rows.add(row, 3);
//! assert_eq!(tally.rows.get(row, 3), 1);
//! assert_eq!(tally.labels.text(context), "landlock:alice");
//! assert_ne!(context, Label::NONE);
//! ```

mod children;
mod counter;
mod labels;
mod refusals;
mod rows;
mod sources;
mod text;

use std::sync::atomic::{AtomicU64, Ordering};

pub use self::{
    children::{Child, ChildState, Children},
    counter::{Counter, Group},
    labels::{Label, LabelOnce, Labels},
    refusals::{NewRefusal, PastRefusal, RefusalRecord, Refusals},
    rows::{BOUNDS, BUCKETS, MOST_ROWS, OUTCOMES, Row, RowState, Rows},
    sources::{DatabaseCounts, MapNews, Sources},
    text::spread,
};

/// Everything that is counted.
#[derive(Clone, Copy)]
pub struct Tally<'m> {
    head: &'m [AtomicU64],
    /// Names of virtual hosts and contexts.
    pub labels: Labels<'m>,
    /// The counts of each virtual host with each of its contexts.
    pub rows: Rows<'m>,
    /// The last refusals.
    pub refusals: Refusals<'m>,
    /// What each process does now.
    pub children: Children<'m>,
    /// Maps and databases.
    pub sources: Sources<'m>,
}

/// The words before the parts: since when counts are kept, since when the configuration applies, and its number.
const HEAD: usize = 8;
const COUNTED_SINCE: usize = 0;
const CONFIGURED_SINCE: usize = 1;
const CONFIGURATION: usize = 2;

impl<'m> Tally<'m> {
    /// The size of the memory, in words. Only the used part takes memory of the machine.
    pub const WORDS: usize = HEAD
        + Labels::WORDS
        + Rows::<'m>::WORDS
        + Refusals::<'m>::WORDS
        + Children::<'m>::WORDS
        + Sources::<'m>::WORDS;

    /// Lays the parts over memory that was all zero at first. `None` if it is too small.
    pub fn over(memory: &'m [AtomicU64]) -> Option<Self> {
        let mut rest = memory;
        let mut take = |words: usize| {
            let (part, behind) = rest.split_at_checked(words)?;
            rest = behind;
            Some(part)
        };
        Some(Self {
            head: take(HEAD)?,
            labels: Labels::over(take(Labels::WORDS)?),
            rows: Rows::over(take(Rows::WORDS)?),
            refusals: Refusals::over(take(Refusals::WORDS)?),
            children: Children::over(take(Children::WORDS)?),
            sources: Sources::over(take(Sources::WORDS)?),
        })
    }

    /// Notes that a configuration was read at this time, in seconds since 1970. The counts begin with the first one.
    /// The result is the configuration's number.
    pub fn configured(&self, now: u64) -> u64 {
        let _ = self.head[COUNTED_SINCE].compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        self.head[CONFIGURED_SINCE].store(now, Ordering::Relaxed);
        self.head[CONFIGURATION].fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The time since which counts are kept, in seconds since 1970.
    pub fn counted_since(&self) -> u64 {
        self.head[COUNTED_SINCE].load(Ordering::Relaxed)
    }

    /// The time since which the current configuration applies, in seconds since 1970.
    pub fn configured_since(&self) -> u64 {
        self.head[CONFIGURED_SINCE].load(Ordering::Relaxed)
    }

    /// The number of the current configuration, from 1.
    pub fn configuration(&self) -> u64 {
        self.head[CONFIGURATION].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
