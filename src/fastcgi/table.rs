//! What the server, its children and the managers know of each pool, in memory that they share.
//!
//! ```text
//!            a manager makes a pool                       a connection waits
//!   +------+ ----------------------> +---------+ ---------------------------> +---------+
//!   | free |                         | Stopped | <--------------------------- | Running |
//!   +------+ <---------------------- +---------+   its last process ended     +---------+
//!     the manager ends, or another    ^      |                                     |
//!     pool needs the entry            |      |                                     |
//!                        it is tried  |      | it died at its start                | idle, or its place
//!                        again        |      v                                     v is needed
//!                                    +---------+      its last process       +---------+
//!                                    | Failing |      ended: Stopped         | Ending  |
//!                                    +---------+                             +---------+
//! ```

use std::{
    cmp::Ordering,
    sync::{
        OnceLock,
        atomic::{
            AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use confine::{
    pool::lines::{LINES, SPAN},
    status::PoolStatus,
    tally::Label,
};

use crate::thread::shared_memory;

/// How many pools there may be at a time, old ones that end included.
pub const POOLS: usize = 2048;
/// For how many children of the server it is known which requests they have in pools. A child beyond them is served
/// all the same; should it crash, its requests are never counted out.
const CHILDREN: usize = 512;

/// The number of the last manager, that of the last pool, and the children's processes.
const HEAD: usize = 2 + CHILDREN;
const FIRST_CHILD: usize = 2;
/// A part of a pool's number while its entry is perhaps given up. No request enters it then.
const CLOSING: u64 = 1 << 63;
const FIELDS: usize = 20;
const WORDS: usize = HEAD + POOLS * (FIELDS + CHILDREN);

/// A number that is kept of a pool.
#[derive(Clone, Copy)]
pub enum Field {
    /// The manager that it belongs to; 0: the entry is free.
    Owner,
    /// The pool's number, which no other pool had.
    Number,
    /// Its [`State`].
    State,
    /// When it is tried again, in milliseconds of the clock that never jumps.
    RetryAt,
    /// Requests that are in it or wait for it.
    InFlight,
    /// When the last request ended, on the same clock.
    LastUsed,
    /// The process group of its program, where it makes its processes itself or is the only one; else 0.
    Group,
    /// How many processes it has.
    Processes,
    /// How often a process was started.
    Starts,
    /// How often a process ended by an error.
    Deaths,
    /// Requests that were refused because too many waited.
    Full,
    /// What its program wrote to the log by way of mod_proxy_fcgi, since the time below.
    Said,
    /// On the same clock.
    SaidSince,
    /// The label of the program's name (see `confine::tally::Label`).
    Program,
    /// The label of its contexts.
    Contexts,
}

/// What a pool does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum State {
    /// It has no process; the next connection starts one.
    Stopped = 0,
    /// It has processes.
    Running = 1,
    /// Its program died at its start; nothing is started for a while.
    Failing = 2,
    /// Its processes were told to end.
    Ending = 3,
}

impl State {
    /// Its name, for people and programs.
    fn name(number: u64) -> &'static str {
        match number {
            n if n == Self::Running as u64 => "running",
            n if n == Self::Failing as u64 => "failing",
            n if n == Self::Ending as u64 => "ending",
            _ => "stopped",
        }
    }
}

/// The shared memory.
pub struct Table(&'static [AtomicU64; WORDS]);

static SHARED: OnceLock<Option<Table>> = OnceLock::new();

/// Makes the table, once a process. To be called before children are forked.
pub fn prepare() -> Option<&'static Table> {
    SHARED.get_or_init(|| shared_memory::numbers().map(Table)).as_ref()
}

/// The table, where there is one.
pub fn table() -> Option<&'static Table> {
    SHARED.get()?.as_ref()
}

/// The time since the machine started.
pub fn now() -> u64 {
    crate::thread::process::monotonic().as_millis() as u64
}

/// An entry of the table, for as long as its manager keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Which one.
    pub index: usize,
    /// The pool's number, which no other pool had.
    pub pool: u64,
}

/// Why a request gets no place in a pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoPlace {
    /// The pool is not there any more: ask for it again.
    Gone,
    /// As many requests as may be are in it.
    Full,
    /// Its program died at its start; it is tried again after this time.
    Failing(Duration),
}

/// How much a program wrote to the log lately.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lines {
    /// It may write more.
    Few,
    /// This was the last one for now.
    Enough,
    /// This one was written all the same.
    TooMany,
}

/// A request that is in a pool, until this is dropped.
#[derive(Debug)]
pub struct InFlight {
    place: Place,
    child: Option<usize>,
}

impl Table {
    /// A number for a new manager, which no other had.
    pub fn new_manager(&self) -> u64 {
        self.0[0].fetch_add(1, Relaxed) + 1
    }

    /// The manager that was made last. It serves the configuration in force: only that configuration's manager is
    /// replaced when it ends.
    pub fn newest_manager(&self) -> u64 {
        self.0[0].load(Relaxed)
    }

    fn field(&self, index: usize, field: Field) -> &AtomicU64 {
        &self.0[HEAD + index * (FIELDS + CHILDREN) + field as usize]
    }

    fn of_child(&self, index: usize, child: usize) -> &AtomicU64 {
        &self.0[HEAD + index * (FIELDS + CHILDREN) + FIELDS + child]
    }

    /// A number of a pool.
    pub fn get(&self, place: Place, field: Field) -> u64 {
        self.field(place.index, field).load(Relaxed)
    }

    /// Sets a number of a pool; only its manager does.
    pub fn set(&self, place: Place, field: Field, value: u64) {
        self.field(place.index, field).store(value, Relaxed);
    }

    /// Adds one to a number of a pool.
    pub fn count(&self, place: Place, field: Field) {
        self.field(place.index, field).fetch_add(1, Relaxed);
    }

    /// Says what a pool does.
    pub fn set_state(&self, place: Place, state: State) {
        self.set(place, Field::State, state as u64);
    }

    /// The pools of a manager, as they are now, with the names that `name` knows labels by.
    pub fn pools(&self, owner: u64, name: impl Fn(Label) -> String) -> Vec<PoolStatus> {
        let number = |index: usize, field| self.field(index, field).load(Relaxed);
        let of_owner = (0..POOLS).filter(|index| number(*index, Field::Owner) == owner);
        let pool = |index| {
            let text = |field| name(Label::from_number(number(index, field) as u32));
            PoolStatus {
                program: text(Field::Program),
                context: text(Field::Contexts),
                state: State::name(number(index, Field::State)),
                processes: number(index, Field::Processes),
                in_flight: number(index, Field::InFlight),
                starts: number(index, Field::Starts),
                deaths: number(index, Field::Deaths),
                full: number(index, Field::Full),
            }
        };
        of_owner.map(pool).collect()
    }

    /// A free entry for a pool of this manager.
    pub fn claim(&self, owner: u64) -> Option<Place> {
        let free = |index: &usize| {
            self.field(*index, Field::Owner).compare_exchange(0, owner, Relaxed, Relaxed).is_ok()
        };
        let index = (0..POOLS).find(free)?;
        self.clear(index);
        let pool = self.0[1].fetch_add(1, Relaxed) + 1;
        let place = Place { index, pool };
        self.set(place, Field::Number, pool);
        Some(place)
    }

    /// Gives the entry of a pool up, which has no processes. `false`: a request has just entered it, so it stays.
    ///
    /// A request counts itself in and then looks whether the entry is still its pool's; this says that it is not, and
    /// then looks for requests. So one of the two sees the other.
    pub fn release(&self, place: Place) -> bool {
        self.field(place.index, Field::Number).store(place.pool | CLOSING, SeqCst);
        if self.field(place.index, Field::InFlight).load(SeqCst) > 0 {
            self.field(place.index, Field::Number).store(place.pool, SeqCst);
            return false;
        }
        self.clear(place.index);
        self.field(place.index, Field::Owner).store(0, Relaxed);
        true
    }

    fn is_there(&self, place: Place) -> bool {
        self.field(place.index, Field::Number).load(SeqCst) == place.pool
    }

    /// Whether the entry is the pool's, also while that may be given up.
    fn is_of(&self, place: Place) -> bool {
        self.field(place.index, Field::Number).load(SeqCst) & !CLOSING == place.pool
    }

    fn clear(&self, index: usize) {
        let start = HEAD + index * (FIELDS + CHILDREN);
        self.0[start + 1..start + FIELDS + CHILDREN].iter().for_each(|word| word.store(0, Relaxed));
    }

    /// Frees all entries of a manager; gives the process groups that their programs lead.
    pub fn free_all(&self, owner: u64) -> Vec<u32> {
        let of_owner = |index: &usize| self.field(*index, Field::Owner).load(Relaxed) == owner;
        let mut groups = Vec::new();
        for index in (0..POOLS).filter(of_owner) {
            groups.extend(u32::try_from(self.field(index, Field::Group).load(Relaxed)).ok());
            self.clear(index);
            self.field(index, Field::Owner).store(0, Relaxed);
        }
        groups.retain(|group| *group != 0);
        groups
    }

    /// Counts a line of the log that the pool's program wrote by way of mod_proxy_fcgi.
    pub fn said(&self, place: Place) -> Lines {
        let now = now();
        if now.saturating_sub(self.get(place, Field::SaidSince)) > SPAN.as_millis() as u64 {
            self.set(place, Field::SaidSince, now);
            self.set(place, Field::Said, 1);
            return Lines::Few;
        }
        let lines = self.field(place.index, Field::Said).fetch_add(1, Relaxed) + 1;
        match lines.cmp(&u64::from(LINES)) {
            Ordering::Less => Lines::Few,
            Ordering::Equal => Lines::Enough,
            Ordering::Greater => Lines::TooMany,
        }
    }

    /// Whether the pool's program wrote as many lines as it may for now.
    pub fn said_enough(&self, place: Place) -> bool {
        self.get(place, Field::Said) >= u64::from(LINES)
            && now().saturating_sub(self.get(place, Field::SaidSince)) <= SPAN.as_millis() as u64
    }

    /// How many requests are in the pool or wait for it.
    pub fn in_flight(&self, place: Place) -> u64 {
        self.get(place, Field::InFlight)
    }

    /// A place for one more request in a pool that has at most `bound`.
    pub fn enter(&self, place: Place, child: Option<usize>, bound: u64) -> Result<InFlight, NoPlace> {
        if !self.is_there(place) {
            return Err(NoPlace::Gone);
        }
        if self.get(place, Field::State) == State::Failing as u64 {
            let left = self.get(place, Field::RetryAt).saturating_sub(now());
            if left > 0 {
                return Err(NoPlace::Failing(Duration::from_millis(left)));
            }
        }
        let before = self.field(place.index, Field::InFlight).fetch_add(1, SeqCst);
        if !self.is_there(place) {
            less(self.field(place.index, Field::InFlight), 1);
            return Err(NoPlace::Gone);
        }
        if before >= bound {
            less(self.field(place.index, Field::InFlight), 1);
            self.count(place, Field::Full);
            return Err(NoPlace::Full);
        }
        if let Some(child) = child {
            self.of_child(place.index, child).fetch_add(1, Relaxed);
        }
        Ok(InFlight { place, child })
    }

    /// A number for this child of the server, `None` where there are too many.
    pub fn enter_child(&self, process: u32) -> Option<usize> {
        let free = |child: &usize| {
            self.0[FIRST_CHILD + child].compare_exchange(0, u64::from(process), Relaxed, Relaxed).is_ok()
        };
        (0..CHILDREN).find(free)
    }

    /// A child of the server ended. The requests that it had in pools are over.
    pub fn child_ended(&self, process: u32) {
        let is_it = |child: &usize| self.0[FIRST_CHILD + child].load(Relaxed) == u64::from(process);
        let Some(child) = (0..CHILDREN).find(is_it) else { return };
        for index in (0..POOLS).filter(|index| self.field(*index, Field::Owner).load(Relaxed) != 0) {
            let had = self.of_child(index, child).swap(0, Relaxed);
            if had > 0 {
                less(self.field(index, Field::InFlight), had);
            }
        }
        self.0[FIRST_CHILD + child].store(0, Relaxed);
    }
}

/// Takes from a number, which never falls below 0: an entry may have been freed and taken again meanwhile.
fn less(number: &AtomicU64, by: u64) {
    let _ = number.fetch_update(Relaxed, Relaxed, |value| Some(value.saturating_sub(by)));
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let Some(table) = table() else { return };
        if !table.is_of(self.place) {
            return;
        }
        less(table.field(self.place.index, Field::InFlight), 1);
        table.set(self.place, Field::LastUsed, now());
        if let Some(child) = self.child {
            less(table.of_child(self.place.index, child), 1);
        }
    }
}
