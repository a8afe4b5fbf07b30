//! All watched threads of a process: one thread answers their calls, another judges what they asked for.

use std::{
    fmt, io, mem,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::fs::MetadataExt,
    },
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    act::{Act, Remark},
    judge::{self, Memory},
    kernel::{self, NotInstalled},
    record::Record,
    ring::Ring,
    task::{Task, Text},
};

/// Watched threads, with what they started, at one time. More are not watched.
const MOST_LISTENERS: usize = 1024;
/// Calls that were answered and wait to be judged.
const WAITING: usize = 32;
/// How long a call waits for room before it goes on unjudged. Without an end a judge that waits for a lock which a
/// watched thread holds would wait for itself.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often the threads look whether they are to end.
const PERIOD: Duration = Duration::from_millis(200);

/// Who is told what a watched thread, or a program that it started, did.
pub trait Observer: Send + Sync {
    /// Something that a ruleset can refuse. It may have failed for another reason.
    fn saw(&self, act: &Act);
    /// Something that could not be seen.
    fn missed(&self, remark: Remark);
}

/// Why a thread is not watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotWatched {
    /// The kernel takes no filter. The thread is as it was, but for `no_new_privs`.
    Refused(NotInstalled),
    /// Too many threads are watched.
    TooMany,
    /// The filter is on the thread and nobody can answer its calls: it must not go on.
    Stuck,
}

/// What belongs to one watched thread.
struct Watched {
    /// Who is told of what is done from now on. The lock is held to copy the pointer, and for nothing else.
    observer: Mutex<Arc<dyn Observer>>,
    /// Whoever has it closed is answered ENOSYS by the kernel, so it stays open until the last task is gone.
    listener: OnceLock<OwnedFd>,
    thread: i32,
    name: [u8; 16],
    memory: Mutex<Memory>,
    /// Whether a call went on unjudged.
    lost: AtomicBool,
}

impl Watched {
    fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.observer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The watch of one thread, and of what it starts.
#[derive(Clone)]
pub struct Handle(Arc<Watched>);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the watch of thread {}", self.0.thread)
    }
}

impl Handle {
    /// Who is told of what is done.
    pub fn observer(&self) -> Arc<dyn Observer> {
        self.0.observer()
    }

    /// Has another be told of what is done from now on.
    pub fn tell(&self, observer: Arc<dyn Observer>) {
        let mut place = self.0.observer.lock().unwrap_or_else(PoisonError::into_inner);
        let before = mem::replace(&mut *place, observer);
        drop(place);
        drop(before);
    }
}

/// What goes from the answering thread to the judging thread.
struct Sent {
    by: Option<Arc<Watched>>,
    to: Option<Arc<dyn Observer>>,
    record: Record,
}

/// All watched threads of a process.
pub struct Hub {
    epoll: OwnedFd,
    filter: Vec<libc::sock_filter>,
    places: Box<[Mutex<Option<Arc<Watched>>>]>,
    open: AtomicUsize,
    ring: Ring<Sent>,
    root: (u64, u64),
}

impl Hub {
    /// A hub whose two threads are still to be started: [`Hub::answer`] and [`Hub::judge`].
    pub fn new() -> io::Result<Self> {
        let root = std::fs::metadata("/")?;
        Ok(Self {
            epoll: kernel::epoll()?,
            filter: kernel::filter(),
            places: (0..MOST_LISTENERS).map(|_| Mutex::new(None)).collect(),
            open: AtomicUsize::new(0),
            ring: Ring::new(WAITING, || Sent { by: None, to: None, record: Record::empty() }),
            root: (root.dev(), root.ino()),
        })
    }

    /// Watches the calling thread, and what it starts, for good: until they have ended.
    ///
    /// This forbids them to gain privileges by executing a program (`no_new_privs`), as a ruleset does. A thread that is
    /// watched already, or that inherits a watch, is refused with EBUSY.
    pub fn watch_this_thread(&self, observer: Arc<dyn Observer>) -> Result<Handle, NotWatched> {
        let watched = Arc::new(Watched {
            observer: Mutex::new(observer),
            listener: OnceLock::new(),
            thread: kernel::own_thread(),
            name: kernel::own_name(),
            memory: Mutex::default(),
            lost: AtomicBool::new(false),
        });
        let place = self.claim(&watched).ok_or(NotWatched::TooMany)?;
        // From here on a watched call of this thread waits for the answering thread: no allocation, no lock.
        let listener = match kernel::install(&self.filter) {
            Ok(listener) => watched.listener.get_or_init(|| listener).as_raw_fd(),
            Err(error) => {
                self.take(place);
                return Err(NotWatched::Refused(error));
            }
        };
        self.open.fetch_add(1, Ordering::Relaxed);
        kernel::epoll_add(self.epoll.as_raw_fd(), listener, mark(place, listener))
            .map_err(|_| NotWatched::Stuck)?;
        Ok(Handle(watched))
    }

    /// Puts a thread into a place that is free.
    fn claim(&self, watched: &Arc<Watched>) -> Option<usize> {
        self.places.iter().position(|place| {
            // Who holds the lock has the place.
            let Ok(mut place) = place.try_lock() else { return false };
            let free = place.is_none();
            if free {
                *place = Some(Arc::clone(watched));
            }
            free
        })
    }

    fn at(&self, place: usize) -> Option<Arc<Watched>> {
        self.places.get(place)?.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, place: usize) -> Option<Arc<Watched>> {
        self.places.get(place)?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How many watched threads, with what they started, are not gone yet.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// The work of the answering thread: every call goes on as it is, after a look. It allocates nothing and takes no
    /// lock that a watched thread could hold.
    pub fn answer(&self, is_over: impl Fn() -> bool) {
        let mut path = Text::EMPTY;
        let mut events = [(0, false); 16];
        while !is_over() {
            let milliseconds = PERIOD.as_millis() as i32;
            let ready = kernel::epoll_wait(self.epoll.as_raw_fd(), milliseconds, &mut events);
            for (mark, gone) in &events[..ready] {
                let (place, listener) = of_mark(*mark);
                if *gone {
                    kernel::epoll_remove(self.epoll.as_raw_fd(), listener);
                    self.open.fetch_sub(1, Ordering::Relaxed);
                    self.bury(place);
                } else if let Some(watched) = self.at(place) {
                    self.look(watched, listener, &mut path);
                }
            }
        }
    }

    /// Leaves what belongs to a thread that is gone to the judging thread, which may free memory.
    fn bury(&self, place: usize) {
        let mut last = self.take(place);
        self.ring.send(PATIENCE, |sent| {
            sent.by = last.take();
            sent.record.clear();
            true
        });
        // To free it here could wait for a lock.
        mem::forget(last);
    }

    fn look(&self, watched: Arc<Watched>, listener: RawFd, path: &mut Text) {
        // ENOENT: the task was killed between the event and this.
        let Ok(notice) = kernel::receive(listener) else { return };
        let number = notice.pid as i32;
        let is_own = number == watched.thread || Task::is_own(number);
        let task = Task { number, is_own, comm: &watched.name, root: self.root };
        let had_room = self.ring.send(PATIENCE, |sent| {
            sent.record.clear();
            sent.record.look(&notice, task, path);
            // Its number may be another task's by now, and so may be what was read.
            let fits = kernel::is_waiting(listener, notice.id);
            kernel::go_on(listener, notice.id);
            let sends = fits && sent.record.says_something();
            if sends {
                sent.by = Some(Arc::clone(&watched));
                sent.to = Some(watched.observer());
            }
            sends
        });
        if !had_room {
            kernel::go_on(listener, notice.id);
            watched.lost.store(true, Ordering::Relaxed);
        }
    }

    /// The work of the judging thread: says what was done. It may wait for whatever it likes. Observers are called in
    /// `during`, which may leave out the call.
    pub fn judge(&self, is_over: impl Fn() -> bool, during: impl Fn(&mut dyn FnMut())) {
        while !is_over() {
            self.ring.receive(PERIOD, |sent| {
                let Some(watched) = sent.by.take() else { return };
                let observer = sent.to.take().unwrap_or_else(|| watched.observer());
                if watched.lost.swap(false, Ordering::Relaxed) {
                    during(&mut || observer.missed(Remark::Lost));
                }
                if !sent.record.says_something() {
                    return;
                }
                let mut memory = watched.memory.lock().unwrap_or_else(PoisonError::into_inner);
                let found = judge::judge(&sent.record, &mut memory);
                drop(memory);
                sent.record.clear();
                if !found.acts.is_empty() || found.remark.is_some() {
                    during(&mut || {
                        found.acts.iter().for_each(|act| observer.saw(act));
                        found.remark.into_iter().for_each(|remark| observer.missed(remark));
                    });
                }
            });
        }
    }

    /// At the end of this process: programs that it started go on, and are answered by a process of their own from here
    /// on, until the last of them is gone. Closed, the listeners would have the kernel refuse all that they open.
    ///
    /// It is safe in a handler of signals. What the programs do is no longer told.
    pub fn leave_behind(&self) {
        if self.open() > 0 && kernel::fork().is_ok_and(|is_child| is_child) {
            self.keep_answering();
        }
    }

    /// Takes no lock: whoever held one at the fork is not here.
    fn keep_answering(&self) -> ! {
        let epoll = self.epoll.as_raw_fd();
        kernel::leave_all_behind(epoll);
        let mut events = [(0, false); 16];
        while self.open() > 0 {
            let ready = kernel::epoll_wait(epoll, -1, &mut events);
            for (mark, gone) in &events[..ready] {
                let (_, listener) = of_mark(*mark);
                if *gone {
                    kernel::epoll_remove(epoll, listener);
                    self.open.fetch_sub(1, Ordering::Relaxed);
                } else if let Ok(notice) = kernel::receive(listener) {
                    kernel::go_on(listener, notice.id);
                }
            }
        }
        kernel::exit()
    }
}

/// What the kernel keeps of a listener: its place and its descriptor.
fn mark(place: usize, listener: RawFd) -> u64 {
    (place as u64) << 32 | u64::from(listener as u32)
}

fn of_mark(mark: u64) -> (usize, RawFd) {
    ((mark >> 32) as usize, mark as u32 as RawFd)
}
