//! All watched threads of a process. One thread answers their calls, and another one judges what they asked for.

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

/// How many threads are watched at the same time, each with the programs that it started. Further threads are not
/// watched.
const MOST_LISTENERS: usize = 1024;
/// How many answered calls can wait to be judged.
const WAITING: usize = 32;
/// How long a call waits for room before it goes on unjudged. This needs an end: the judging thread may wait for a lock
/// that a watched thread holds, and this thread would then wait for the judging thread for ever.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often the two threads look whether they must end.
const PERIOD: Duration = Duration::from_millis(200);

/// Is told what a watched thread did, or a program that it started.
pub trait Observer: Send + Sync {
    /// An access that a ruleset can refuse. The access may have failed for another reason.
    fn saw(&self, act: &Act);
    /// Something that could not be watched.
    fn missed(&self, remark: Remark);
}

/// Why a thread is not watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotWatched {
    /// The kernel does not accept the filter. Nothing but `no_new_privs` has changed in the thread.
    Refused(NotInstalled),
    /// Too many threads are watched.
    TooMany,
    /// The filter is on the thread, but nobody can answer its calls. The thread must not go on.
    Stuck,
}

/// The data for one watched thread.
struct Watched {
    /// The observer from now on. The lock is only held to copy the pointer.
    observer: Mutex<Arc<dyn Observer>>,
    /// If this is closed, the kernel answers all calls with ENOSYS. So it stays open until the last task is gone.
    listener: OnceLock<OwnedFd>,
    thread: i32,
    name: [u8; 16],
    memory: Mutex<Memory>,
    /// Whether a call was not judged.
    lost: AtomicBool,
}

impl Watched {
    fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.observer.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The watch of one thread and of what it starts.
#[derive(Clone)]
pub struct Handle(Arc<Watched>);

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the watch of thread {}", self.0.thread)
    }
}

impl Handle {
    /// The observer.
    pub fn observer(&self) -> Arc<dyn Observer> {
        self.0.observer()
    }

    /// Sets the observer from now on.
    pub fn tell(&self, observer: Arc<dyn Observer>) {
        let mut place = self.0.observer.lock().unwrap_or_else(PoisonError::into_inner);
        let before = mem::replace(&mut *place, observer);
        drop(place);
        drop(before);
    }
}

/// What the answering thread sends to the judging thread.
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
    /// A new hub. The caller must start its two threads, which run [`Hub::answer`] and [`Hub::judge`].
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

    /// Watches the calling thread, and what it starts, until all of them have ended.
    ///
    /// They can then not gain privileges when they execute a program (`no_new_privs`), as under a ruleset. A thread
    /// that is watched already, or inherited a watch, gets EBUSY.
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
        // From here on each watched call of this thread waits for the answering thread. So nothing here allocates or
        // takes a lock.
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

    /// Puts a thread into a free place.
    fn claim(&self, watched: &Arc<Watched>) -> Option<usize> {
        self.places.iter().position(|place| {
            // If the lock is held, the place is in use.
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

    /// How many watches are not over yet. A watch ends with the last program that its thread started.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// The work of the answering thread. It looks at every call and lets it go on unchanged. It allocates nothing and
    /// takes no lock that a watched thread can hold.
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

    /// Hands the data of a thread that is gone to the judging thread, which may free memory.
    fn bury(&self, place: usize) {
        let mut last = self.take(place);
        self.ring.send(PATIENCE, |sent| {
            sent.by = last.take();
            sent.record.clear();
            true
        });
        // It is not freed here, because this could wait for a lock.
        mem::forget(last);
    }

    fn look(&self, watched: Arc<Watched>, listener: RawFd, path: &mut Text) {
        // ENOENT says that the task was killed after the event.
        let Ok(notice) = kernel::receive(listener) else { return };
        let number = notice.pid as i32;
        let is_own = number == watched.thread || Task::is_own(number);
        let task = Task { number, is_own, comm: &watched.name, root: self.root };
        let had_room = self.ring.send(PATIENCE, |sent| {
            sent.record.clear();
            sent.record.look(&notice, task, path);
            // If the task is gone, another task may have its number, and what was read may be about that one.
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

    /// The work of the judging thread. It tells the observers what was done, and it may wait. It calls the observers
    /// inside of `during`, which may decide not to call them.
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

    /// Keeps answering after this process has ended. Programs that it started go on. A process that is made here
    /// answers their calls until the last of them is gone. If the listeners were closed instead, the kernel would
    /// refuse all that these programs open.
    ///
    /// It is safe in a signal handler. The observers are no longer told anything.
    pub fn leave_behind(&self) {
        if self.open() > 0 && kernel::fork().is_ok_and(|is_child| is_child) {
            self.keep_answering();
        }
    }

    /// Takes no lock, because a thread that held one at the fork does not exist in this process.
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

/// The data that the kernel keeps with a listener: its place and its descriptor.
fn mark(place: usize, listener: RawFd) -> u64 {
    (place as u64) << 32 | u64::from(listener as u32)
}

fn of_mark(mark: u64) -> (usize, RawFd) {
    ((mark >> 32) as usize, mark as u32 as RawFd)
}
