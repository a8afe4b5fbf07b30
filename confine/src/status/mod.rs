//! What the status page tells, in each form in which it is asked for.
//!
//! [`Status`] is what was found. The forms are written from it: [`html`](Status::html) for people,
//! [`json`](Status::json) and [`open_metrics`](Status::open_metrics) for programs,
//! [`prometheus`](Status::prometheus) for programs that are older, and [`auto`](Status::auto) in the manner of
//! mod_status. Whatever a client can have put into a name is escaped by each of them.
//!
//! ```
//! use confine::status::{Form, Status};
//!
//! let status = Status { version: "1.0".to_owned(), ..Status::default() };
//! assert!(status.open_metrics().ends_with("# EOF\n"));
//! assert_eq!(Form::asked_for(None, Some("application/json, */*;q=0.5")), Form::Json);
//! ```

mod auto;
mod form;
mod html;
mod json;
mod metrics;
mod time;

use crate::tally::{BUCKETS, Counter, Group, RowState};

pub use self::form::Form;

/// What was found when somebody asked.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// This module's version.
    pub version: String,
    /// The server's name and version.
    pub server: String,
    /// How the server is cut into processes and threads.
    pub mpm: String,
    /// When this was asked: seconds since 1970.
    pub now: u64,
    /// Since when is counted: seconds since 1970.
    pub counted_since: u64,
    /// Since when the configuration is in force: seconds since 1970.
    pub configured_since: u64,
    /// The counts of each virtual host with each of its contexts.
    pub rows: Vec<Counts>,
    /// How many rows there may be beside `other`.
    pub row_limit: u64,
    /// How many there are.
    pub rows_used: u64,
    /// How many refusals there were.
    pub refusals_number: u64,
    /// The last of them, the newest first.
    pub refusals: Vec<LastRefusal>,
    /// The maps of the configuration.
    pub maps: Vec<MapStatus>,
    /// The rules of the configuration that ask a database.
    pub databases: Vec<DatabaseStatus>,
    /// The server's processes.
    pub children: Vec<ChildStatus>,
}

/// The counts of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The virtual host; `other` where this is the row of what has none of its own.
    pub host: String,
    /// The contexts; `-` for none.
    pub context: String,
    /// Whether this is that row.
    pub is_other: bool,
    /// The counts, by the numbers of [`Counter`].
    pub outcomes: Vec<u64>,
    /// The time of its moves, in nanoseconds.
    pub time: u64,
    /// How many moves took how long: see [`RowState::buckets`].
    pub buckets: [u64; BUCKETS],
}

impl Counts {
    /// What a row holds, under these names.
    pub fn of(row: &RowState, host: String, context: String) -> Self {
        let other = || "other".to_owned();
        let (host, context) = if row.is_other { (other(), other()) } else { (host, context) };
        let outcomes = row.outcomes.to_vec();
        Self { host, context, is_other: row.is_other, outcomes, time: row.time, buckets: row.buckets }
    }

    /// One count.
    pub fn get(&self, counter: Counter) -> u64 {
        self.outcomes.get(counter as usize).copied().unwrap_or_default()
    }

    /// The counts of a group together.
    pub fn of_group(&self, group: Group) -> u64 {
        sum(Counter::all().filter(|counter| counter.group() == group).map(|counter| self.get(counter)))
    }

    /// All counts together.
    pub fn all(&self) -> u64 {
        sum(self.outcomes.iter().copied())
    }

    /// How often a request was moved.
    pub fn moves(&self) -> u64 {
        sum(self.buckets)
    }
}

/// One of the last refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRefusal {
    /// Milliseconds since 1970.
    pub time: u64,
    /// Which count it went into: its name.
    pub outcome: &'static str,
    /// Whether it would have been refused: report mode.
    pub reported_only: bool,
    /// The status of the answer.
    pub status: u16,
    /// The virtual host.
    pub host: String,
    /// The contexts; `-` for none.
    pub context: String,
    /// The log line without its reason.
    pub line: String,
    /// Why, and what to do, as in the log.
    pub reason: String,
}

impl LastRefusal {
    /// Why, and what to do: a reason is both, with a semicolon between them. One in quotes belongs to a value.
    pub fn why_and_remedy(&self) -> (&str, Option<&str>) {
        let mut quoted = false;
        let end = self.reason.match_indices(['"', ';']).find(|(at, sign)| {
            quoted ^= *sign == "\"";
            !quoted && *sign == ";" && self.reason[at + 1..].starts_with(' ')
        });
        match end {
            Some((at, _)) => (&self.reason[..at], Some(&self.reason[at + 2..])),
            None => (&self.reason, None),
        }
    }
}

/// A map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapStatus {
    /// Its file. Where rules take the same file for several maps, a number stands behind the later ones: `FILE#2`.
    pub file: String,
    /// How often its rules were taken over since the configuration was read, that time included.
    pub generation: u64,
    /// The number of rules.
    pub rules: u64,
    /// When they were taken over: milliseconds since 1970.
    pub since: u64,
    /// Since when the file could not be taken over, in milliseconds since 1970, and why, where that is so.
    pub error: Option<(u64, String)>,
    /// How many of the configuration's processes have these rules; `None` where that is not known.
    pub children: Option<u64>,
}

/// A rule that asks a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseStatus {
    /// `dbd:` and the statement's name.
    pub map: String,
    /// Where the rule stands. Where rules of one line do so, a number stands behind the later ones.
    pub rule: String,
    /// Answers that all processes of the configuration keep; `None` where that is not known.
    pub entries: Option<u64>,
    /// Requests that a kept answer was for.
    pub hits: u64,
    /// Questions.
    pub misses: u64,
    /// Questions that failed.
    pub errors: u64,
}

/// A process of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildStatus {
    /// Its id.
    pub process: u32,
    /// Whether it only ends its requests, because the configuration was read again since it began.
    pub is_leaving: bool,
    /// The workers that serve a request.
    pub in_flight: u64,
    /// The kept workers without a request.
    pub resting: u64,
}

impl Status {
    /// A count of all rows together.
    pub fn total(&self, counter: Counter) -> u64 {
        sum(self.rows.iter().map(|row| row.get(counter)))
    }

    /// The counts of a group of all rows together.
    pub fn total_of(&self, group: Group) -> u64 {
        sum(self.rows.iter().map(|row| row.of_group(group)))
    }

    /// How many moves took how long, and the time of all in nanoseconds.
    pub fn moves(&self) -> ([u64; BUCKETS], u64) {
        let mut buckets = [0_u64; BUCKETS];
        for row in &self.rows {
            buckets.iter_mut().zip(row.buckets).for_each(|(all, count)| *all = all.saturating_add(count));
        }
        (buckets, sum(self.rows.iter().map(|row| row.time)))
    }

    /// The workers of all processes that serve a request.
    pub fn in_flight(&self) -> u64 {
        sum(self.children.iter().map(|child| child.in_flight))
    }

    /// The kept workers of all processes that have no request.
    pub fn resting(&self) -> u64 {
        sum(self.children.iter().map(|child| child.resting))
    }

    /// The rows that say something: all with a count, and `other` only then.
    fn telling_rows(&self) -> impl Iterator<Item = &Counts> {
        self.rows.iter().filter(|row| row.all() > 0 || row.moves() > 0)
    }
}

/// All together. The numbers stand in memory that any code of the server's processes can write to: whatever they are, this
/// ends well.
fn sum(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, u64::saturating_add)
}

/// Puts a number behind each name that stood there before, so that no two are the same.
pub fn tell_apart(names: &mut [String]) {
    let mut seen = std::collections::HashMap::new();
    for name in names {
        let number: &mut u32 = seen.entry(name.clone()).or_default();
        *number += 1;
        if *number > 1 {
            *name = format!("{name}#{number}");
        }
    }
}

#[cfg(test)]
mod tests;
