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
};

use crate::thread::{apr_thread::ThreadPool, attributes::Attributes, futex, signals::Masks};

// The thread and its owner share a word. It says who acts next, and both wait on it. Each arrow says who changes it. Only
// the owner may write to the thread's job, and only while it is the owner's turn.
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
// The thread waits without a limit, because a limit would cost a timer of the kernel's for each request. Whoever keeps
// the owner ends a thread that rests for too long.

/// The thread waits for a job.
const OWNER: u32 = 0;
/// The thread runs a job, and its owner waits.
const THREAD: u32 = 1;
/// The owner is gone, so the thread ends.
const END: u32 = 2;

/// A job of the thread. It runs once and gets the pool of the thread.
type Job<'j> = &'j mut (dyn FnMut(&ThreadPool) + 'j);

/// What the thread and its owner share.
struct Shared {
    turn: AtomicU32,
    job: UnsafeCell<Option<Job<'static>>>,
    /// The pool is empty between two jobs.
    pool: ThreadPool,
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
    /// Starts a thread. The error is an errno.
    pub fn start() -> Result<Self, c_int> {
        let mut attributes = Attributes::new()?;
        attributes.set_detached()?;
        attributes.set_mask(Masks::of_this_thread())?;
        let (job, pool) = (UnsafeCell::new(None), ThreadPool::new()?);
        let shared = Arc::new(Shared { turn: AtomicU32::new(OWNER), job, pool });
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

    /// Has the thread run `job` and waits until the job is done.
    pub fn perform(&mut self, job: Job<'_>) {
        // SAFETY: only the lifetime changes. This function returns after the thread has dropped the job.
        let job = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
        let turn = &self.shared.turn;
        // SAFETY: it is the owner's turn, so the thread does not look at the job now.
        unsafe { *self.shared.job.get() = Some(job) };
        futex::set_and_wake(turn, THREAD);
        while turn.load(Ordering::Acquire) == THREAD {
            futex::wait(turn, THREAD);
        }
    }
}

impl Drop for KeptThread {
    fn drop(&mut self) {
        futex::set_and_wake(&self.shared.turn, END);
    }
}

extern "C" fn start(data: *mut c_void) -> *mut c_void {
    // SAFETY: the share that KeptThread::start gave away.
    let shared = unsafe { Arc::from_raw(data.cast::<Shared>()) };
    serve(&shared);
    null_mut()
}

/// Runs jobs until the owner ends the thread.
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
            _ => futex::wait(&shared.turn, OWNER),
        }
    }
}
