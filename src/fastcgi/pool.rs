//! One pool, as its manager sees it: a socket, and the processes that serve it.

use std::{
    os::fd::AsFd,
    time::{Duration, Instant},
};

use confine::{
    pool::{
        Wanted,
        lines::Lines,
        starts::{End, START, Starts},
    },
    tally::Label,
};

use super::{
    Programs, Running,
    launch::{Start, checked_way_to, listen},
    namespace::Namespace,
    output::Output,
    table::{Field, POOLS, Place, State, Table, now},
    temporary,
};
use crate::{
    config::fastcgi::Program,
    httpd::log::{self, Level},
    report::counters,
    thread::{
        messages::Listener,
        process::{self, Ended},
    },
};

/// How long a program is waited for that was told to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long connections wait for a place under `Total`.
const WAIT_FOR_PLACE: Duration = Duration::from_secs(10);
/// How often it is looked whether another process is needed.
const GROWTH: Duration = Duration::from_millis(20);
/// How long a connection waits at most where there should be a process for it.
const STUCK: Duration = Duration::from_millis(500);

/// A pool.
pub struct Pool<'m> {
    /// The section's number and the section.
    pub section: (usize, &'m Program),
    /// What tells it apart from the section's other pools.
    pub wanted: Wanted,
    /// The same for people.
    shown: String,
    /// Its socket's name in the folder.
    pub name: String,
    /// Its entry in the shared table.
    pub place: Place,
    /// Its socket.
    pub listener: Listener,
    /// What its programs write to their standard error.
    pub outputs: Vec<Output>,
    /// How much of that the log kept lately.
    lines: Lines,
    table: &'m Table,
    state: State,
    /// Its processes that the manager made.
    processes: Vec<u32>,
    started: Instant,
    /// The same on the clock of the table.
    started_at: u64,
    /// How its program fared at its starts.
    starts: Starts,
    /// When it is looked again whether it needs another process.
    grows_at: Instant,
    /// Since when connections were seen waiting each time it was looked, and when that was last.
    waits: Option<(Instant, Instant)>,
    /// What its processes share.
    namespace: Namespace,
    /// Since when connections wait for a place under `Total`.
    wants_place: Option<Instant>,
    retry_at: Instant,
    /// When processes that were told to end are killed.
    killed_at: Instant,
    /// Why they were told to.
    ends_for: EndsFor,
}

/// Why the processes of a pool are told to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndsFor {
    /// It had no request for as long as `Idle` says.
    Idle,
    /// `Total` is used up, and another pool needs a process.
    Place,
    /// The server ends, or uses this reading of the configuration no more.
    Server,
}

impl EndsFor {
    fn reason(self) -> &'static str {
        match self {
            Self::Idle => "it had no request for as long as Idle says",
            Self::Place => "another pool needed its place under Total",
            Self::Server => "the server ends, or has read its configuration again",
        }
    }
}

/// Why there is no pool.
pub enum NoPool {
    /// There will be none: what the configuration says stands in the way.
    Never(String),
    /// There is no room for it now.
    NoRoom(String),
}

impl<'m> Pool<'m> {
    /// Makes a pool without processes. `None`: there is no place for it in the table.
    pub fn new(
        programs: &'m Programs,
        running: &Running,
        table: &'m Table,
        (owner, section, wanted): (u64, usize, Wanted),
    ) -> Result<Self, NoPool> {
        let program = programs
            .programs
            .get(section)
            .ok_or_else(|| NoPool::Never("there is no such section".to_owned()))?;
        let shown = wanted.shown();
        let way = checked_way_to(programs, program, &wanted).map_err(NoPool::Never)?;
        temporary::has_name(&shown).map_err(NoPool::Never)?;
        let full =
            || NoPool::NoRoom(format!("there are {POOLS} pools, and all of them have processes or requests"));
        let place = table.claim(owner).ok_or_else(full)?;
        if let Some(tally) = counters::tally() {
            let label = |name: &str| tally.labels.intern(name.as_bytes()).unwrap_or(Label::NO_ROOM);
            table.set(place, Field::Program, label(&program.name).number().into());
            table.set(place, Field::Contexts, label(&shown).number().into());
        }
        let (listener, name) = listen(running, program, &way).map_err(|e| {
            table.release(place);
            NoPool::NoRoom(format!("no socket for the pool: {e}"))
        })?;
        // So that it is not taken for the one that was unused for longest.
        table.set(place, Field::LastUsed, now());
        let now = Instant::now();
        Ok(Self {
            section: (section, program),
            wanted,
            shown,
            name,
            place,
            listener,
            outputs: Vec::new(),
            lines: Lines::default(),
            table,
            state: State::Stopped,
            processes: Vec::new(),
            started: now,
            started_at: 0,
            starts: Starts::default(),
            grows_at: now,
            waits: None,
            namespace: Namespace::default(),
            wants_place: None,
            retry_at: now,
            killed_at: now,
            ends_for: EndsFor::Server,
        })
    }

    /// Whether it has neither processes nor output nor a connection that waits, so that its entry can be another's.
    pub fn is_unused(&self) -> bool {
        self.state == State::Stopped
            && self.processes.is_empty()
            && self.outputs.is_empty()
            && self.wants_place.is_none()
            && !self.looks_for_left()
            && self.table.in_flight(self.place) == 0
    }

    /// Gives its entry and its socket up. `false`: a request has just entered it.
    pub fn forget(&self, running: &Running) -> bool {
        let released = self.table.release(self.place);
        if released {
            running.folder().remove_socket(&self.name);
        }
        released
    }

    /// Whether somebody must look when a connection waits.
    pub fn listens(&self, now: Instant) -> bool {
        match self.state {
            State::Stopped => self.wants_place.is_none(),
            State::Failing => true,
            State::Running => self.can_grow() && now >= self.grows_at,
            State::Ending => false,
        }
    }

    /// Whether a process may be added to those that serve already.
    fn can_grow(&self) -> bool {
        let program = self.program();
        !program.has_main_process() && self.processes.len() < program.processes as usize
    }

    fn program(&self) -> &'m Program {
        self.section.1
    }

    /// How many processes count for `Total`.
    pub fn weight(&self) -> u32 {
        match self.program().has_main_process() {
            true if !self.processes.is_empty() => self.program().at_start(),
            _ => self.processes.len() as u32,
        }
    }

    /// How many processes the next start adds.
    pub fn next_weight(&self) -> u32 {
        self.program().at_start()
    }

    /// Since when it waits for a place under `Total`, where it does.
    pub fn wants_place(&self) -> Option<Instant> {
        self.wants_place
    }

    /// Whether its processes may end in favour of another pool's.
    pub fn is_idle(&self) -> bool {
        self.state == State::Running && self.table.in_flight(self.place) == 0
    }

    /// Whether its processes were told to end.
    pub fn ends(&self) -> bool {
        self.state == State::Ending
    }

    /// When it served a request last.
    pub fn last_used(&self) -> u64 {
        self.table.get(self.place, Field::LastUsed)
    }

    /// A connection waits. `has_place`: `Total` leaves room for the next process.
    pub fn connection_waits(&mut self, programs: &Programs, running: &Running, has_place: bool) {
        let taken_soon = self.state == State::Running && self.takes_it_soon();
        match self.state {
            State::Failing if Instant::now() < self.retry_at => self.turn_away(),
            // A process that has nothing to do takes it in a moment; or there is no place for another.
            State::Running if !has_place || taken_soon => self.grows_at = Instant::now() + GROWTH,
            _ if !has_place => {
                self.wants_place.get_or_insert_with(Instant::now);
            }
            _ => self.start(programs, running),
        }
    }

    /// Whether a process is expected to take the connection that waits: there is one for each request, and it did not
    /// wait long. It does where a process is stuck in a request that was given up.
    fn takes_it_soon(&mut self) -> bool {
        let now = Instant::now();
        let since = self.waits.filter(|(_, last)| now < *last + GROWTH * 5).map_or(now, |(since, _)| since);
        self.waits = Some((since, now));
        self.table.in_flight(self.place) <= self.processes.len() as u64 && now < since + STUCK
    }

    /// When it is to be looked whether connections still wait for a further process, where that is so.
    pub fn looks_again_in(&self, now: Instant) -> Option<Duration> {
        let looks = self.state == State::Running && self.can_grow();
        looks.then(|| self.grows_at.checked_duration_since(now)).flatten().filter(|left| !left.is_zero())
    }

    /// Closes the connections that wait, so that their requests are answered at once: 503.
    fn turn_away(&self) {
        while self.has_waiting_connection() && self.listener.accept().is_ok() {}
    }

    fn has_waiting_connection(&self) -> bool {
        let mut waits = [process::readable(self.listener.as_fd())];
        process::wait(&mut waits, Duration::ZERO);
        waits[0].revents != 0
    }

    fn set_state(&mut self, state: State) {
        self.state = state;
        self.table.set_state(self.place, state);
        self.table.set(self.place, Field::Processes, u64::from(self.weight()));
    }

    /// Starts a process.
    fn start(&mut self, programs: &Programs, running: &Running) {
        self.wants_place = None;
        self.started = Instant::now();
        self.grows_at = self.started + GROWTH;
        let start = Start {
            programs,
            running,
            program: self.program(),
            wanted: &self.wanted,
            shown: &self.shown,
            listener: &self.listener,
        };
        match start.process(&mut self.namespace) {
            Ok((pid, output)) => {
                self.outputs.push(output);
                self.processes.push(pid);
                let leads_all = self.program().has_main_process() || self.program().processes == 1;
                let group = if leads_all { pid } else { 0 };
                self.table.set(self.place, Field::Group, group.into());
                self.started_at = now();
                self.table.set(self.place, Field::LastUsed, self.started_at);
                self.table.count(self.place, Field::Starts);
                self.set_state(State::Running);
                self.say(Level::Info, &format!("started process={pid}"), "");
            }
            Err(why) => {
                self.say(Level::Error, "died", &why);
                let pause = self.starts.failed();
                self.failed(pause);
            }
        }
    }

    /// A process ended. `false`: it is none of this pool's.
    pub fn ended(&mut self, ended: &Ended) -> bool {
        let Some(at) = self.processes.iter().position(|pid| *pid == ended.process) else { return false };
        self.processes.swap_remove(at);
        if self.processes.is_empty() {
            self.table.set(self.place, Field::Group, 0);
            self.namespace.leave();
        }
        self.tell_output();
        let ends = self.state == State::Ending;
        // Nothing tells that a program is ready but that it served a request, or took the connection for which it was
        // started. One that dies in its first request is no broken program.
        let served = self.last_used() > self.started_at || !self.has_waiting_connection();
        let at_start = !ends && !served && self.started.elapsed() < START;
        let what = format!("process={}", ended.process);
        if ends || ended.well {
            let why = if ends { self.ends_for.reason() } else { "it ended by itself" };
            self.say(Level::Info, &format!("ended {what}"), why);
        } else {
            self.table.count(self.place, Field::Deaths);
            self.say(Level::Error, &format!("died {what}"), &ended.how);
        }
        let end = End { at_start, well: ended.well, last: self.processes.is_empty() };
        if let Some(pause) = self.starts.ended(end) {
            self.failed(pause);
            return true;
        }
        match self.processes.is_empty() {
            true => self.set_state(State::Stopped),
            false => self.set_state(self.state),
        }
        true
    }

    /// The program died at its start: the requests that wait are answered, and nothing is started for a while.
    fn failed(&mut self, pause: Duration) {
        self.retry_at = Instant::now() + pause;
        self.table.set(self.place, Field::RetryAt, now() + pause.as_millis() as u64);
        self.set_state(State::Failing);
        self.turn_away();
    }

    /// Tells its processes to end: those that serve a request finish it.
    pub fn end(&mut self, why: EndsFor) {
        if self.state != State::Running {
            return;
        }
        self.ends_for = why;
        self.killed_at = Instant::now() + PATIENCE;
        self.set_state(State::Ending);
        self.processes.iter().for_each(|pid| process::kill(*pid, libc::SIGTERM));
    }

    /// Kills what is left of it.
    pub fn kill(&mut self) {
        self.processes.iter().for_each(|pid| process::kill_group(*pid, libc::SIGKILL));
    }

    /// Whether it is looked for what its processes left.
    pub fn looks_for_left(&self) -> bool {
        self.namespace.is_looked_for()
    }

    /// Kills what its processes left, of these orphans with their namespaces.
    pub fn kill_left(&mut self, orphans: &[(u32, u64)]) {
        self.namespace.kill_left(orphans);
    }

    /// Its processes that the manager made.
    pub fn processes(&self) -> &[u32] {
        &self.processes
    }

    /// Whether something is due soon.
    pub fn is_looked_at(&self) -> bool {
        self.has_processes() || self.wants_place().is_some() || self.looks_for_left() || self.lines.owes()
    }

    /// Whether it has processes.
    pub fn has_processes(&self) -> bool {
        !self.processes.is_empty()
    }

    /// What is due because time went by.
    pub fn time_passed(&mut self) {
        if self.lines.owes() {
            self.tell_output();
        }
        let idle = self.program().idle.as_millis() as u64;
        match self.state {
            State::Running if self.is_idle() && now() >= self.last_used() + idle => {
                self.end(EndsFor::Idle);
            }
            State::Ending if Instant::now() >= self.killed_at => {
                self.kill();
                self.killed_at += PATIENCE;
            }
            State::Failing if Instant::now() >= self.retry_at => self.set_state(State::Stopped),
            _ => {}
        }
        if self.wants_place.is_some_and(|since| since.elapsed() > WAIT_FOR_PLACE) {
            self.wants_place = None;
            let why =
                format!("Total {} is used up by pools that are all busy; raise it", self.program().total);
            self.say(Level::Error, "refused", &why);
            self.turn_away();
        }
    }

    /// Writes what its programs said to the log.
    pub fn tell_output(&mut self) {
        let (mut outputs, mut lines) = (std::mem::take(&mut self.outputs), std::mem::take(&mut self.lines));
        let (now, say) = (process::monotonic(), |line: &str| self.say(Level::Warning, "says", line));
        outputs.retain_mut(|output| output.take(|line| lines.line(now, line, say)));
        lines.time_passed(now, say);
        (self.outputs, self.lines) = (outputs, lines);
    }

    /// One line of the log about this pool.
    fn say(&self, level: Level, event: &str, why: &str) {
        let (name, contexts) = (&self.program().name, &self.shown);
        let mut line = format!("confine: pool {event} program={name} context={contexts}");
        if !why.is_empty() {
            line.push_str(": ");
            line.push_str(why);
        }
        log::main(level, &line);
    }
}
