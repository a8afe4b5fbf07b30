//! A thread that serves no request, such as the one that watches maps. It must not delay the end of its child.

use std::{
    io,
    ptr::null_mut,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::Duration,
};

use crate::httpd::{boundary::guard, log, pool::Pool};

/// How long the end of a child waits for this thread to finish a line in the log.
const PATIENCE: Duration = Duration::from_millis(100);

/// Tells the thread to end. The thread may be in the middle of something then, and the process exits around it. So the
/// thread must own all that it uses. The only exception is the log, which [`Stop::unless`] guards.
#[derive(Default)]
pub struct Stop {
    told: AtomicBool,
    /// Whether the thread is in [`Stop::unless`].
    busy: AtomicBool,
}

impl Stop {
    /// Whether the child ends.
    pub fn is_told(&self) -> bool {
        self.told.load(Ordering::SeqCst)
    }

    /// Sleeps for `time`, or until the child ends.
    pub fn sleep(&self, time: Duration) {
        if !self.is_told() {
            thread::park_timeout(time);
        }
    }

    /// Runs `use_server` unless the child ends. `use_server` may use the memory of the server: the end of the child waits
    /// for it, but not for long.
    pub fn unless(&self, use_server: impl FnOnce()) {
        self.busy.store(true, Ordering::SeqCst);
        if !self.is_told() {
            use_server();
        }
        self.busy.store(false, Ordering::SeqCst);
    }
}

/// Stops the thread when the pool of the child is destroyed.
struct Owner {
    stop: Arc<Stop>,
    thread: Thread,
}

impl Drop for Owner {
    /// A prefork child runs this in a signal handler. So this takes no lock, and it does not join the thread: the thread
    /// may wait for a lock that the interrupted code holds.
    fn drop(&mut self) {
        self.stop.told.store(true, Ordering::SeqCst);
        self.thread.unpark();
        let step = Duration::from_millis(1);
        let mut waited = Duration::ZERO;
        while self.stop.busy.load(Ordering::SeqCst) && waited < PATIENCE {
            thread::sleep(step);
            waited += step;
        }
    }
}

/// A thread to start.
pub struct Job {
    /// Its name.
    pub name: &'static str,
    /// Whether requests come first.
    pub yields: bool,
    /// What there is no more if it panics, for the log.
    pub loss: &'static str,
}

/// Starts the thread. It ends when `pool` is destroyed. All signals are blocked in it, because the threads of the server
/// handle them. Its priority is lower than that of requests, if it is to yield to them.
///
/// `body` owns all that it uses, because the process may end around it.
pub fn start<F>(pool: Pool<'_>, job: Job, body: F) -> io::Result<()>
where
    F: FnOnce(&Stop) + Send + 'static,
{
    let stop = Arc::new(Stop::default());
    let its_stop = Arc::clone(&stop);
    let mask = block_signals();
    let made = thread::Builder::new().name(job.name.to_owned()).spawn(move || {
        if job.yields {
            // SAFETY: a plain call that concerns the calling thread alone (Linux: 0 is the caller). Where it is
            // refused the thread is as urgent as any other.
            unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
        }
        guard(
            || body(&its_stop),
            |panic| {
                let line = format!("confine: panic in a thread of this child: {panic}; {}", job.loss);
                its_stop.unless(|| log::main(log::Level::Error, &line));
            },
        );
    });
    // SAFETY: restores the mask that block_signals() read.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &mask, null_mut()) };
    let thread = made?.thread().clone();
    pool.own(Owner { stop, thread });
    Ok(())
}

/// Blocks every signal in the calling thread except those that a fault of the thread raises. The answer is the mask
/// before.
fn block_signals() -> libc::sigset_t {
    // SAFETY: the sets are plain data, filled by the calls before they are read.
    unsafe {
        let (mut set, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&mut set);
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT] {
            libc::sigdelset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut before);
        before
    }
}

/// Gives freed memory back to the system. Otherwise what reading a large map took would stay with this process, and
/// there are many children.
pub fn give_memory_back() {
    // SAFETY: glibc's own function, safe to call from any thread at any time (malloc_trim(3)).
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
}
