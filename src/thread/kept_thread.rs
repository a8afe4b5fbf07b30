//! A thread that serves one request after the other, each for a thread of the server that waits.

use std::{
    cell::UnsafeCell,
    ffi::{c_int, c_void},
    mem::MaybeUninit,
    ptr::null_mut,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::thread::{apr_thread::ThreadPool, attributes::Attributes, child, futex, signals::Masks};

// The thread and its owner share two words. Each arrow says who changes a word.
//
// `turn` says who acts next. Both wait on this word. Only the owner may write to the thread's job, and only while it is
// the owner's turn.
//
//     start (owner)           perform (owner)
//         |           +-------+ ---------------> +--------+
//         +---------> | OWNER |                  | THREAD |
//                     +-------+ <--------------- +--------+
//                         |       job ran (thread)
//                         |   drop (owner)       +-----+
//                         +--------------------> | END |
//                                                +-----+
//
// `rest` says whether the thread rests. It only changes while it is the owner's turn.
//
//     start (owner)           rest (owner)
//         |           +-------+ ---------------> +---------+
//         +---------> | TAKEN |                  | RESTING |
//                     +-------+ <--------------- +---------+
//                             claim (owner)          |
//                                                    |   no work for the time of `idle` (thread)
//                                                    |     +-------+
//                                                    +---> | ENDED |
//                                                          +-------+
//
// The owner and the thread can both want to change RESTING. Both use compare_exchange, so one of them wins: either the
// owner claims the thread, or the thread ends and the claim fails. From END and ENDED there is no way on: the thread
// returns.
//
// These are two words because the owner lets the thread rest just when the thread begins to wait. If the word on which
// it waits changed then, it would wait in vain and need a second system call for nearly every request.

/// The thread waits for a job.
const OWNER: u32 = 0;
/// The thread runs a job, and its owner waits.
const THREAD: u32 = 1;
/// The owner is gone, so the thread ends.
const END: u32 = 2;

/// The thread has an owner that will give it a job, let it rest or end it.
const TAKEN: u32 = 0;
/// The thread rests. It belongs to nobody until its owner claims it.
const RESTING: u32 = 1;
/// The thread ended because it rested too long.
const ENDED: u32 = 2;

/// A job of the thread. It runs once and gets the pool of the thread.
type Job<'j> = &'j mut (dyn FnMut(&ThreadPool) + 'j);

/// What the thread and its owner share.
struct Shared {
    turn: AtomicU32,
    rest: AtomicU32,
    job: UnsafeCell<Option<Job<'static>>>,
    /// The pool is empty between two jobs.
    pool: ThreadPool,
    idle: Duration,
}

// SAFETY: the owner writes `job` before it is the thread's turn, and the thread reads it while it is its turn. The word
// orders both.
unsafe impl Sync for Shared {}
// SAFETY: as above; jobs come from `run_in`, whose body is Send.
unsafe impl Send for Shared {}

/// What the owner has of a thread that waits for work. Dropping it ends the thread.
pub struct KeptThread {
    shared: Arc<Shared>,
}

impl KeptThread {
    /// Starts a thread. It ends by itself when it has rested for the time of `idle`. The error is an errno.
    pub fn start(idle: Duration) -> Result<Self, c_int> {
        let mut attributes = Attributes::new()?;
        attributes.set_detached()?;
        attributes.set_mask(Masks::of_this_thread())?;
        let (turn, rest) = (AtomicU32::new(OWNER), AtomicU32::new(TAKEN));
        let (job, pool) = (UnsafeCell::new(None), ThreadPool::new()?);
        let shared = Arc::new(Shared { turn, rest, job, pool, idle });
        let its_own = Arc::into_raw(Arc::clone(&shared)).cast_mut().cast::<c_void>();
        let mut thread = MaybeUninit::uninit();
        // SAFETY: complete attributes; the thread takes its share of `shared` over.
        let made = unsafe { libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), start, its_own) };
        if made != 0 {
            // SAFETY: no thread was made that would take it.
            drop(unsafe { Arc::from_raw(its_own.cast::<Shared>()) });
            return Err(made);
        }
        Ok(Self { shared })
    }

    /// Lets the thread rest. It can be [claimed](Self::claim), and it ends after a while.
    pub fn rest(&self) {
        child::worker_rests();
        self.shared.rest.store(RESTING, Ordering::Release);
    }

    /// Takes the thread back after a rest. The answer is false if the thread has ended meanwhile.
    pub fn claim(&self) -> bool {
        let rest = &self.shared.rest;
        let claimed = rest.compare_exchange(RESTING, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if claimed {
            child::worker_rests_no_longer();
        }
        claimed
    }

    /// Whether the thread ended while it rested.
    pub fn has_ended(&self) -> bool {
        self.shared.rest.load(Ordering::Relaxed) == ENDED
    }

    /// Has the thread run `job` and waits until the job is done. The thread must not rest: see [`Self::claim`].
    pub fn perform(&mut self, job: Job<'_>) {
        // SAFETY: only the lifetime changes. This function returns after the thread has dropped the job.
        let job = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
        let turn = &self.shared.turn;
        // SAFETY: it is the owner's turn, so the thread does not look at the job now.
        unsafe { *self.shared.job.get() = Some(job) };
        futex::set_and_wake(turn, THREAD);
        while turn.load(Ordering::Acquire) == THREAD {
            futex::wait(turn, THREAD, None);
        }
    }
}

impl Drop for KeptThread {
    fn drop(&mut self) {
        // If it rests, that ends here or in the thread itself, whoever is first.
        self.claim();
        futex::set_and_wake(&self.shared.turn, END);
    }
}

extern "C" fn start(data: *mut c_void) -> *mut c_void {
    // SAFETY: the share that KeptThread::start gave away.
    let shared = unsafe { Arc::from_raw(data.cast::<Shared>()) };
    serve(&shared);
    null_mut()
}

/// Runs jobs until the owner ends the thread, or until the thread has rested for too long.
fn serve(shared: &Shared) {
    loop {
        match shared.turn.load(Ordering::Acquire) {
            THREAD => {
                // SAFETY: it is this thread's turn, so the owner has put a job there and waits.
                if let Some(job) = unsafe { (*shared.job.get()).take() } {
                    // The job does not panic: it is Task::perform.
                    job(&shared.pool);
                }
                futex::set_and_wake(&shared.turn, OWNER);
            }
            END => return,
            _ => {
                let in_time = futex::wait(&shared.turn, OWNER, Some(shared.idle));
                let end =
                    || shared.rest.compare_exchange(RESTING, ENDED, Ordering::Relaxed, Ordering::Relaxed);
                if !in_time && end().is_ok() {
                    child::worker_rests_no_longer();
                    return;
                }
            }
        }
    }
}
