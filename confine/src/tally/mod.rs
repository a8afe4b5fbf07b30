//! Counts that several processes share, in memory that one of them sets up before it forks the others.
//!
//! All of it is numbers of 64 bits that are read and written one by one. So no process can leave something behind that
//! another one trips over: there are no locks, no pointers, and every text is bounded. What a hostile process writes
//! here makes a count wrong, and nothing else.
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
    refusals::{NewRefusal, PastRefusal, Refusals},
    rows::{BOUNDS, BUCKETS, MOST_ROWS, OUTCOMES, Row, RowState, Rows},
    sources::{DatabaseCounts, MapNews, Sources},
};

/// Everything that is counted.
#[derive(Clone, Copy)]
pub struct Tally<'m> {
    head: &'m [AtomicU64],
    /// Names of virtual hosts and contexts.
    pub labels: Labels<'m>,
    /// The counts of each virtual host and context.
    pub rows: Rows<'m>,
    /// The last refusals.
    pub refusals: Refusals<'m>,
    /// What each process does now.
    pub children: Children<'m>,
    /// Maps and databases.
    pub sources: Sources<'m>,
}

/// Words before the parts: since when is counted, and which configuration is in force since when.
const HEAD: usize = 8;
const COUNTED_SINCE: usize = 0;
const CONFIGURED_SINCE: usize = 1;
const CONFIGURATION: usize = 2;

impl<'m> Tally<'m> {
    /// The size of the memory that this needs. Only what is used of it takes memory of the machine.
    pub const WORDS: usize = HEAD
        + Labels::WORDS
        + Rows::<'m>::WORDS
        + Refusals::<'m>::WORDS
        + Children::<'m>::WORDS
        + Sources::<'m>::WORDS;

    /// Lays the parts over memory that was all zero at first; `None` where it is too small.
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

    /// A configuration was read at this time, in seconds since 1970. The first one begins the counting. Gives the
    /// configuration's number.
    pub fn configured(&self, now: u64) -> u64 {
        let _ = self.head[COUNTED_SINCE].compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        self.head[CONFIGURED_SINCE].store(now, Ordering::Relaxed);
        self.head[CONFIGURATION].fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Since when is counted, in seconds since 1970.
    pub fn counted_since(&self) -> u64 {
        self.head[COUNTED_SINCE].load(Ordering::Relaxed)
    }

    /// Since when the configuration of now is in force, in seconds since 1970.
    pub fn configured_since(&self) -> u64 {
        self.head[CONFIGURED_SINCE].load(Ordering::Relaxed)
    }

    /// The number of the configuration of now, from 1.
    pub fn configuration(&self) -> u64 {
        self.head[CONFIGURATION].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
