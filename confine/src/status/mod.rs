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

/// The status at the time of a request.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// This module's version.
    pub version: String,
    /// The server's name and version.
    pub server: String,
    /// The name of the MPM, which says how the server uses processes and threads.
    pub mpm: String,
    /// The time of the request, in seconds since 1970.
    pub now: u64,
    /// The time since which counts are kept, in seconds since 1970.
    pub counted_since: u64,
    /// The time since which the configuration applies, in seconds since 1970.
    pub configured_since: u64,
    /// The counts of each virtual host with each of its contexts.
    pub rows: Vec<Counts>,
    /// How many rows there may be besides `other`.
    pub row_limit: u64,
    /// How many rows there are besides `other`.
    pub rows_used: u64,
    /// The number of refusals so far.
    pub refusals_number: u64,
    /// The last refusals, the newest first.
    pub refusals: Vec<LastRefusal>,
    /// The maps of the configuration.
    pub maps: Vec<MapStatus>,
    /// The rules of the configuration that ask a database.
    pub databases: Vec<DatabaseStatus>,
    /// The pools of processes of the configuration.
    pub pools: Vec<PoolStatus>,
    /// The server's processes.
    pub children: Vec<ChildStatus>,
}

/// The counts of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The virtual host. It is `other` in the row for everything that has no row of its own.
    pub host: String,
    /// The contexts. `-` means none.
    pub context: String,
    /// Whether this is the row for everything that has no row of its own.
    pub is_other: bool,
    /// The counts, by the numbers of [`Counter`].
    pub outcomes: Vec<u64>,
    /// The time of its moves, in nanoseconds.
    pub time: u64,
    /// How many moves took how long: see [`RowState::buckets`].
    pub buckets: [u64; BUCKETS],
}

impl Counts {
    /// The content of a row, with these names.
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

    /// The sum of a group's counts.
    pub fn of_group(&self, group: Group) -> u64 {
        sum(Counter::all().filter(|counter| counter.group() == group).map(|counter| self.get(counter)))
    }

    /// The sum of all counts.
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
    /// The name of the count to which it was added.
    pub outcome: &'static str,
    /// Whether the request was only reported and not refused (report mode).
    pub reported_only: bool,
    /// The status of the response.
    pub status: u16,
    /// The virtual host.
    pub host: String,
    /// The contexts. `-` means none.
    pub context: String,
    /// The log line without its reason.
    pub line: String,
    /// The reason and what to do, as in the log.
    pub reason: String,
}

impl LastRefusal {
    /// The reason and what to do. A semicolon separates the two, but a semicolon in quotes belongs to a value.
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
    /// Its file. If several maps have the same file, the later ones get a number: `FILE#2`.
    pub file: String,
    /// How often its rules were read since the configuration was read, including that time.
    pub generation: u64,
    /// The number of rules.
    pub rules: u64,
    /// When the rules were read, in milliseconds since 1970.
    pub since: u64,
    /// If the file could not be used: since when (in milliseconds since 1970), and why.
    pub error: Option<(u64, String)>,
    /// How many processes of the current configuration have these rules. `None` if this is unknown.
    pub children: Option<u64>,
}

/// A rule that asks a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseStatus {
    /// `dbd:` and the statement's name.
    pub map: String,
    /// The place of the rule. If one line has several rules, the later ones get a number.
    pub rule: String,
    /// How many answers all processes of the current configuration keep. `None` if this is unknown.
    pub entries: Option<u64>,
    /// Requests for which an answer was kept.
    pub hits: u64,
    /// Questions that were asked.
    pub misses: u64,
    /// Questions that failed.
    pub errors: u64,
}

/// A pool: the processes of one program in one list of contexts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// The name of the section that describes the program.
    pub program: String,
    /// The contexts.
    pub context: String,
    /// What it does, in one word.
    pub state: &'static str,
    /// How many processes it has.
    pub processes: u64,
    /// Requests that are in it or wait for it.
    pub in_flight: u64,
    /// How often a process was started.
    pub starts: u64,
    /// How often a process ended by an error.
    pub deaths: u64,
    /// Requests that were refused because too many waited.
    pub full: u64,
}

/// A process of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChildStatus {
    /// Its id.
    pub process: u32,
    /// Whether it only finishes its requests, because the configuration was read again after it started.
    pub is_leaving: bool,
    /// The workers that serve a request.
    pub in_flight: u64,
    /// The kept workers without a request.
    pub resting: u64,
}

impl Status {
    /// The sum of a count over all rows.
    pub fn total(&self, counter: Counter) -> u64 {
        sum(self.rows.iter().map(|row| row.get(counter)))
    }

    /// The sum of a group's counts over all rows.
    pub fn total_of(&self, group: Group) -> u64 {
        sum(self.rows.iter().map(|row| row.of_group(group)))
    }

    /// How many moves took how long, and the time of all moves in nanoseconds.
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

    /// The rows that are shown: all others, and `other` if it has a count.
    fn telling_rows(&self) -> impl Iterator<Item = &Counts> {
        self.rows.iter().filter(|row| row.all() > 0 || row.moves() > 0)
    }
}

/// The sum. All code in the server's processes can write to the memory with the numbers, so this must work for any
/// numbers.
fn sum(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0, u64::saturating_add)
}

/// Adds a number to each name that occurred before, so that no two names are the same.
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
