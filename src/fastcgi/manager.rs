//! The process that holds all sockets of pools, and starts programs where a connection waits.
//!
//! The server's parent process forks it, so it has read the same configuration and has the privileges that the server
//! was started with. It serves one reading of the configuration. It ends when the last process of the server that uses
//! this reading has ended, and at once when the parent process dies.

use std::{
    collections::HashSet,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::{Duration, Instant},
};

use confine::pool::Wanted;

use super::{
    Programs, Running,
    client::{ANSWER, REQUEST},
    pool::{EndsFor, NoPool, Pool},
    table::{self, POOLS, Table},
};
use crate::{
    httpd::{
        log::{self, Level},
        server::Server,
    },
    thread::{apart, messages::Connection, process},
};

/// How long programs are waited for when the manager ends.
const END: Duration = Duration::from_secs(5);
/// How many connections of children there may be at a time.
const MOST_CHILDREN: usize = 256;
/// How often idle pools are looked for.
const TICK: Duration = Duration::from_millis(500);

struct Manager<'m> {
    programs: &'m Programs,
    running: &'m Running,
    table: &'m Table,
    number: u64,
    signals: OwnedFd,
    children: Vec<Connection>,
    pools: Vec<Pool<'m>>,
    /// Beyond this many, unused pools are forgotten. Each has a descriptor, and what is left is for processes,
    /// their outputs and namespaces.
    most_pools: usize,
}

/// The life of the process, which `main`'s parent process just forked.
pub fn run(main: &Server<'_>, programs: &Programs, running: &Running, number: u64, server: u32) -> ! {
    let status = match Manager::new(main, programs, running, number, server) {
        Ok(mut manager) => {
            manager.serve();
            manager.end();
            0
        }
        Err(why) => {
            log::server(main, Level::Error, &format!("confine: the manager of pools cannot start: {why}"));
            1
        }
    };
    process::leave(status)
}

impl<'m> Manager<'m> {
    fn new(
        main: &Server<'_>,
        programs: &'m Programs,
        running: &'m Running,
        number: u64,
        server: u32,
    ) -> Result<Self, String> {
        let text = |e: std::io::Error| e.to_string();
        let (life, requests) = (running.life.0.as_raw_fd(), running.requests.as_fd().as_raw_fd());
        let keep = [Some(life), Some(requests), Some(running.folder.descriptor()), log::descriptor(main)];
        let keep: Vec<_> = keep.into_iter().flatten().collect();
        // SAFETY: this process never returns to the server's code that uses the others, but for its log, and makes the
        // rulesets that have descriptors anew (Way::anew).
        unsafe { process::close_others(&keep) };
        process::lead_session();
        process::name(c"confine-pools");
        let signals = process::receive_signals(&[libc::SIGCHLD, libc::SIGTERM]).map_err(text)?;
        process::end_with_parent(libc::SIGTERM).map_err(text)?;
        if process::parent() != server {
            return Err("the server has ended".to_owned());
        }
        process::adopt_orphans().map_err(text)?;
        let table = table::table().ok_or("there is no shared memory")?;
        let most_pools = POOLS.min(apart::raise_descriptors() / 4);
        Ok(Self {
            programs,
            running,
            table,
            number,
            signals,
            children: Vec::new(),
            pools: Vec::new(),
            most_pools,
        })
    }

    /// Until the server ends, or this reading of the configuration is used no more.
    fn serve(&mut self) {
        loop {
            let now = Instant::now();
            let listening: Vec<usize> =
                (0..self.pools.len()).filter(|i| self.pools[*i].listens(now)).collect();
            let mut fds = vec![
                process::readable(self.signals.as_fd()),
                process::readable(self.running.life.0.as_fd()),
                process::readable(self.running.requests.as_fd()),
            ];
            let first_child = fds.len();
            fds.extend(self.children.iter().map(|child| process::readable(child.as_fd())));
            let first_pool = fds.len();
            fds.extend(listening.iter().map(|i| process::readable(self.pools[*i].listener.as_fd())));
            let first_output = fds.len();
            for pool in &self.pools {
                fds.extend(pool.outputs.iter().map(|output| process::readable(output.as_fd())));
            }
            process::wait(&mut fds, self.pause());
            let ready = |at: usize| fds[at].revents != 0;
            if ready(0) && self.signalled() || ready(1) {
                return;
            }
            if fds[first_output..].iter().any(|fd| fd.revents != 0) {
                self.pools.iter_mut().for_each(Pool::tell_output);
            }
            for (_, index) in listening.into_iter().enumerate().filter(|(at, _)| ready(first_pool + at)) {
                self.connection_waits(index);
            }
            let asking: Vec<bool> = (first_child..first_pool).map(ready).collect();
            let new_child = ready(2);
            self.answer(&asking);
            if new_child {
                self.children.extend(self.running.requests.accept());
                // A child asks at once and takes its answer, so the oldest is one that says nothing.
                if self.children.len() > MOST_CHILDREN {
                    self.children.remove(0);
                }
            }
            self.pools.iter_mut().for_each(Pool::time_passed);
            self.kill_left();
            self.give_places();
        }
    }

    /// How long nothing is due.
    fn pause(&self) -> Duration {
        let now = Instant::now();
        if let Some(soon) = self.pools.iter().filter_map(|pool| pool.looks_again_in(now)).min() {
            // A moment more than the time itself, which the wait rounds down.
            return soon + Duration::from_millis(1);
        }
        if self.pools.iter().any(Pool::is_looked_at) { TICK } else { TICK * 20 }
    }

    /// Takes signals and ended processes. Whether this process is to end.
    fn signalled(&mut self) -> bool {
        let mut end = false;
        while let Some(signal) = process::next_signal(&self.signals) {
            end |= signal == libc::SIGTERM;
        }
        self.take_ended();
        end
    }

    fn take_ended(&mut self) {
        while let Some(ended) = process::next_ended() {
            // What is no pool's was left by a program that ended before.
            let _ = self.pools.iter_mut().any(|pool| pool.ended(&ended));
        }
    }

    /// Kills what pools left whose processes have ended. A process is this one's child once its own parent has ended.
    fn kill_left(&mut self) {
        if !self.pools.iter().any(Pool::looks_for_left) {
            return;
        }
        let made: HashSet<u32> = self.pools.iter().flat_map(Pool::processes).copied().collect();
        let orphans = process::children().into_iter().filter(|child| !made.contains(child));
        let orphans: Vec<_> = orphans.filter_map(|child| Some((child, apart::ipc_of(child)?))).collect();
        self.pools.iter_mut().for_each(|pool| pool.kill_left(&orphans));
    }

    fn connection_waits(&mut self, index: usize) {
        // Whoever waits for a place is served before.
        let has_place = !self.others_want_place(index) && self.has_place(index);
        let (programs, running) = (self.programs, self.running);
        self.pools[index].connection_waits(programs, running, has_place);
    }

    /// Whether another pool of the same section waits for a place under `Total`.
    fn others_want_place(&self, index: usize) -> bool {
        let section = self.pools[index].section.0;
        let waits = |i: usize| self.pools[i].section.0 == section && self.pools[i].wants_place().is_some();
        (0..self.pools.len()).any(|i| i != index && waits(i))
    }

    /// Whether `Total` leaves room for the pool's next process. Where it does not, and those that end already will not
    /// make enough room for all that wait, the pool that was idle for longest is told to end.
    fn has_place(&mut self, index: usize) -> bool {
        let (section, program) = self.pools[index].section;
        let of_section = || (0..self.pools.len()).filter(|i| self.pools[*i].section.0 == section);
        let used: u32 = of_section().map(|i| self.pools[i].weight()).sum();
        if used + self.pools[index].next_weight() <= program.total {
            return true;
        }
        let ending: u32 =
            of_section().filter(|i| self.pools[*i].ends()).map(|i| self.pools[i].weight()).sum();
        let waiting = of_section().filter(|i| *i == index || self.pools[*i].wants_place().is_some());
        let wanted: u32 = waiting.map(|i| self.pools[i].next_weight()).sum();
        if used - ending + wanted <= program.total {
            return false;
        }
        let idle = of_section().filter(|i| *i != index && self.pools[*i].is_idle());
        if let Some(oldest) = idle.min_by_key(|i| self.pools[*i].last_used()) {
            self.pools[oldest].end(EndsFor::Place);
        }
        false
    }

    /// Starts what waits for a place, where there is one now. Who waits for longest comes first, and nobody overtakes it:
    /// not everything that waits needs as many places.
    fn give_places(&mut self) {
        let waits = |index: usize| Some((self.pools[index].wants_place()?, index));
        let mut waiting: Vec<_> = (0..self.pools.len()).filter_map(waits).collect();
        waiting.sort_unstable();
        let mut full = HashSet::new();
        for (_, index) in waiting {
            let section = self.pools[index].section.0;
            // Each is asked for, so that as many idle pools end as there are that wait.
            if !self.has_place(index) {
                full.insert(section);
            } else if !full.contains(&section) {
                let (programs, running) = (self.programs, self.running);
                self.pools[index].connection_waits(programs, running, true);
            }
        }
    }

    /// Answers the children that ask.
    fn answer(&mut self, asking: &[bool]) {
        let mut children = std::mem::take(&mut self.children);
        let mut asking = asking.iter();
        children.retain(|child| {
            if !asking.next().copied().unwrap_or(false) {
                return true;
            }
            let mut room = [0; REQUEST];
            let answer = match child.receive(&mut room) {
                Ok([]) | Err(_) => return false,
                Ok(message) => self.pool_for(message),
            };
            let mut answer = match answer {
                Ok(text) => format!("+{text}"),
                Err(NoPool::Never(why)) => format!("-{why}"),
                Err(NoPool::NoRoom(why)) => format!("?{why}"),
            };
            let mut end = answer.len().min(ANSWER);
            while !answer.is_char_boundary(end) {
                end -= 1;
            }
            answer.truncate(end);
            // Nobody who does not listen keeps this process from the others.
            child.send_at_once(answer.as_bytes()).is_ok()
        });
        self.children = children;
    }

    /// The pool that a message asks for: the section's number, a blank, and the pool's name.
    fn pool_for(&mut self, message: &[u8]) -> Result<String, NoPool> {
        let asked = std::str::from_utf8(message).ok().and_then(|message| {
            let (section, name) = message.split_once(' ')?;
            Some((section.parse::<usize>().ok()?, Wanted::parse(name)?))
        });
        let not_understood = || NoPool::Never("the name of the pool is not understood".to_owned());
        let (section, wanted) = asked.ok_or_else(not_understood)?;
        let is_it = |pool: &&Pool<'_>| pool.section.0 == section && pool.wanted == wanted;
        let pool = match self.pools.iter().find(is_it) {
            Some(pool) => pool,
            None => {
                let pool = self.new_pool(section, wanted)?;
                self.pools.push(pool);
                &self.pools[self.pools.len() - 1]
            }
        };
        Ok(format!("{} {} {}", pool.place.index, pool.place.pool, pool.name))
    }

    /// Makes a pool. Where there is no room for it, the one that was unused for longest is forgotten.
    fn new_pool(&mut self, section: usize, wanted: Wanted) -> Result<Pool<'m>, NoPool> {
        if self.pools.len() >= self.most_pools {
            self.forget_one();
        }
        let make =
            |wanted| Pool::new(self.programs, self.running, self.table, (self.number, section, wanted));
        match make(wanted.clone()) {
            Err(NoPool::NoRoom(why)) => {
                if !self.forget_one() {
                    return Err(NoPool::NoRoom(why));
                }
                Pool::new(self.programs, self.running, self.table, (self.number, section, wanted))
            }
            other => other,
        }
    }

    /// Forgets the pool without processes that was unused for longest. A request for its contexts makes it anew.
    fn forget_one(&mut self) -> bool {
        let unused = (0..self.pools.len()).filter(|index| self.pools[*index].is_unused());
        let oldest = unused.min_by_key(|index| self.pools[*index].last_used());
        oldest.is_some_and(|index| {
            let forgotten = self.pools[index].forget(self.running);
            if forgotten {
                self.pools.remove(index);
            }
            forgotten
        })
    }

    /// Ends all programs, and takes away what this manager made.
    fn end(&mut self) {
        self.pools.iter_mut().for_each(|pool| pool.end(EndsFor::Server));
        let until = Instant::now() + END;
        while self.pools.iter().any(Pool::has_processes) && Instant::now() < until {
            process::wait(&mut [process::readable(self.signals.as_fd())], Duration::from_millis(50));
            while process::next_signal(&self.signals).is_some() {}
            self.take_ended();
        }
        self.pools.iter_mut().for_each(Pool::kill);
        // Those that left their group are this process's children by now, or will be once their parents are.
        for _ in 0..100 {
            let left = process::children();
            if left.is_empty() {
                break;
            }
            left.into_iter().for_each(|process| process::kill(process, libc::SIGKILL));
            process::wait(&mut [process::readable(self.signals.as_fd())], Duration::from_millis(10));
            self.take_ended();
        }
        self.table.free_all(self.number);
        self.running.folder.remove();
    }
}
