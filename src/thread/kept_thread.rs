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

// The word that the thread and its owner share. Each arrow says who changes the word. Only the owner may write to the
// thread's job, and only while the word is DONE.
//
//                  start (owner)
//                      |
//                      v      perform (owner)
//     claim (owner)  +------+ ---------------> +------+
//   +--------------> | DONE |                  | BUSY |
//   |                +------+ <--------------- +------+
//   |                 |    |   job ran (thread)
//   |   rest (owner)  |    |
// +------+            |    |  drop (owner)    +------+
// | IDLE | <----------+    +----------------> | GONE |
// +------+                                    +------+
//   |                                            ^
//   +--------------------------------------------+
//     no work for the time of `idle` (thread)
//
// The owner and the thread can both want to change IDLE. Both use compare_exchange, so one of them wins: either the
// owner claims the thread, or the thread ends and the claim fails. An owner that drops a resting thread sets GONE as
// well. From GONE there is no way on: the thread returns.

/// The thread rests. It belongs to nobody until its owner claims it.
const IDLE: u32 = 0;
/// The thread runs a job, and its owner waits.
const BUSY: u32 = 1;
/// The thread waits for what its owner does next: a job, a rest or the end.
const DONE: u32 = 2;
/// The thread ends or has ended.
const GONE: u32 = 3;

/// A job of the thread. It runs once and gets the pool of the thread.
type Job<'j> = &'j mut (dyn FnMut(&ThreadPool) + 'j);

/// What the thread and its owner share.
struct Shared {
    word: AtomicU32,
    job: UnsafeCell<Option<Job<'static>>>,
    /// The pool is empty between two jobs.
    pool: ThreadPool,
    idle: Duration,
}

// SAFETY: the owner writes `job` before it sets BUSY, and the thread reads it while the word is BUSY. The word orders
// both.
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
        let word = AtomicU32::new(DONE);
        let shared = Arc::new(Shared { word, job: UnsafeCell::new(None), pool: ThreadPool::new()?, idle });
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
        // The thread needs no wake-up: it waits for BUSY or GONE, whichever word it saw last.
        self.shared.word.store(IDLE, Ordering::Release);
    }

    /// Takes the thread back after a rest. The answer is false if the thread has ended meanwhile.
    pub fn claim(&self) -> bool {
        let claimed =
            self.shared.word.compare_exchange(IDLE, DONE, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if claimed {
            child::worker_rests_no_longer();
        }
        claimed
    }

    /// Whether the thread ended while it rested.
    pub fn has_ended(&self) -> bool {
        self.shared.word.load(Ordering::Relaxed) == GONE
    }

    /// Has the thread run `job` and waits until the job is done. The thread must not rest: see [`Self::claim`].
    pub fn perform(&mut self, job: Job<'_>) {
        // SAFETY: only the lifetime changes. This function returns after the thread has dropped the job.
        let job = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
        // SAFETY: the word is DONE, so the thread does not look at the job now.
        unsafe { *self.shared.job.get() = Some(job) };
        futex::set_and_wake(&self.shared.word, BUSY);
        while self.shared.word.load(Ordering::Acquire) == BUSY {
            futex::wait(&self.shared.word, BUSY, None);
        }
    }
}

impl Drop for KeptThread {
    fn drop(&mut self) {
        // If it rests, that ends here or in the thread itself, whoever is first.
        self.claim();
        futex::set_and_wake(&self.shared.word, GONE);
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
        match shared.word.load(Ordering::Acquire) {
            BUSY => {
                // SAFETY: the word is BUSY, so the owner has put a job there and waits.
                if let Some(job) = unsafe { (*shared.job.get()).take() } {
                    // The job does not panic: it is Task::perform.
                    job(&shared.pool);
                }
                futex::set_and_wake(&shared.word, DONE);
            }
            GONE => return,
            seen => {
                let in_time = futex::wait(&shared.word, seen, Some(shared.idle));
                let end = || shared.word.compare_exchange(IDLE, GONE, Ordering::Relaxed, Ordering::Relaxed);
                if !in_time && end().is_ok() {
                    child::worker_rests_no_longer();
                    return;
                }
            }
        }
    }
}
