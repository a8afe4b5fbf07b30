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

use crate::thread::{apr_thread::ThreadPool, attributes::Attributes, futex, signals::Masks};

/// The thread waits for work; whoever changes this to [`BUSY`] owns it.
const IDLE: u32 = 0;
/// The thread works on a job, and its owner waits.
const BUSY: u32 = 1;
/// The job is done; the owner has not said what comes next.
const DONE: u32 = 2;
/// The thread ends, or has ended.
const GONE: u32 = 3;

/// Work for the thread: runs once, with the thread's pool.
type Job<'j> = &'j mut (dyn FnMut(&ThreadPool) + 'j);

/// What the thread and its owner share.
struct Shared {
    word: AtomicU32,
    job: UnsafeCell<Option<Job<'static>>>,
    /// Empty between two jobs.
    pool: ThreadPool,
    idle: Duration,
}

// SAFETY: `job` is written by the owner before it sets BUSY, and read by the thread while the word is
// BUSY; the word orders both.
unsafe impl Sync for Shared {}
// SAFETY: as above; jobs come from `run_in`, whose body is Send.
unsafe impl Send for Shared {}

/// The owner's end of a thread that waits for work. Dropping it ends the thread.
pub struct KeptThread {
    shared: Arc<Shared>,
}

impl KeptThread {
    /// Starts a thread, which ends by itself after `idle` without work. The error is an errno.
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

    /// Leaves the thread to itself: it waits, and ends after a while. It can be [claimed](Self::claim).
    pub fn rest(&self) {
        // A wake-up is not needed: the thread waits for BUSY or GONE, whichever word it last saw.
        self.shared.word.store(IDLE, Ordering::Release);
    }

    /// Makes the thread the caller's again after a rest; false if it has ended meanwhile.
    pub fn claim(&self) -> bool {
        self.shared.word.compare_exchange(IDLE, DONE, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Whether the thread ended while it rested.
    pub fn has_ended(&self) -> bool {
        self.shared.word.load(Ordering::Relaxed) == GONE
    }

    /// Has the thread run `job`, and waits until it has. Only for threads that do not rest.
    pub fn perform(&mut self, job: Job<'_>) {
        // SAFETY: only the lifetime changes: this function returns after the thread has dropped it.
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
        futex::set_and_wake(&self.shared.word, GONE);
    }
}

extern "C" fn start(data: *mut c_void) -> *mut c_void {
    // SAFETY: the share that KeptThread::start gave away.
    let shared = unsafe { Arc::from_raw(data.cast::<Shared>()) };
    serve(&shared);
    null_mut()
}

/// Runs jobs until the thread is told to end, or had none for a while.
fn serve(shared: &Shared) {
    loop {
        match shared.word.load(Ordering::Acquire) {
            BUSY => {
                // SAFETY: BUSY: the owner has put a job there and waits.
                if let Some(job) = unsafe { (*shared.job.get()).take() } {
                    // Does not panic: Task::perform.
                    job(&shared.pool);
                }
                futex::set_and_wake(&shared.word, DONE);
            }
            GONE => return,
            seen => {
                let in_time = futex::wait(&shared.word, seen, Some(shared.idle));
                let end = || shared.word.compare_exchange(IDLE, GONE, Ordering::Relaxed, Ordering::Relaxed);
                if !in_time && end().is_ok() {
                    return;
                }
            }
        }
    }
}
