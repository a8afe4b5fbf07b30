//! Signals. The server's signals are for the server's threads.

use std::{
    ptr::null_mut,
    sync::{Mutex, Once, PoisonError},
};

use crate::{
    httpd::boundary::guard,
    httpd::local::{PerThread, Slot},
};

/// The signals that httpd's processes act on. Their handlers belong to the server's own threads: in a
/// prefork child they end the process from whichever thread they run on.
const SERVER_SIGNALS: [libc::c_int; 6] =
    [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGUSR1, libc::SIGWINCH];

/// The masks that `of_this_thread` found.
static MASKS: PerThread<Masks> = PerThread::new(Slot::Masks);
/// In a worker, the masks of the server's thread that it works for.
static WORKS_FOR: PerThread<Masks> = PerThread::new(Slot::WorksFor);

/// The signals that one thread of the server blocks, and those that its workers block.
pub struct Masks {
    /// The server's mask as bits, to compare.
    bits: u64,
    server: libc::sigset_t,
    worker: libc::sigset_t,
}

impl Masks {
    /// The masks of the calling thread. It is asked once, because the server's threads never change their masks.
    pub fn of_this_thread() -> &'static Self {
        // SAFETY: null, or set below to what lives for good.
        if let Some(known) = unsafe { MASKS.get().as_ref() } {
            return known;
        }
        let masks = Self::read().shared();
        MASKS.set(masks);
        masks
    }

    fn read() -> Self {
        // SAFETY: the sets are plain data; the first call only reads the mask into one of them.
        unsafe {
            let mut server = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut server);
            let mut worker = server;
            for signal in SERVER_SIGNALS {
                libc::sigaddset(&mut worker, signal);
            }
            let blocked = (1..=64).filter(|s| libc::sigismember(&server, *s) == 1);
            Self { bits: blocked.fold(0, |bits, s| bits | 1 << (s - 1)), server, worker }
        }
    }

    /// The one value with this mask in this process. A server has two or three different masks.
    fn shared(self) -> &'static Self {
        static KNOWN: Mutex<Vec<&Masks>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        match known.iter().find(|k| k.bits == self.bits) {
            Some(same) => same,
            None => {
                let new: &'static Self = Box::leak(Box::new(self));
                known.push(new);
                new
            }
        }
    }

    /// The signals that a worker blocks.
    pub fn of_workers(&self) -> &libc::sigset_t {
        &self.worker
    }

    /// Runs `work` in a worker. Programs that it starts get the server's mask.
    pub fn during<R>(&self, work: impl FnOnce() -> R) -> R {
        WORKS_FOR.with(self, work)
    }
}

/// Gives programs that a worker forks (CGI) the signal mask that they would have from the server's own thread. A
/// program that starts with SIGTERM blocked could not be told to stop.
pub fn keep_masks_of_programs() {
    unsafe extern "C" fn in_the_child() {
        guard(
            || {
                // SAFETY: null, or set by during() for as long as the masks live; the mask is one that
                // pthread_sigmask gave; the call is allowed after fork.
                unsafe {
                    if let Some(masks) = WORKS_FOR.get().as_ref() {
                        libc::pthread_sigmask(libc::SIG_SETMASK, &masks.server, null_mut());
                    }
                }
            },
            |_| (),
        );
    }
    static ONCE: Once = Once::new();
    // SAFETY: the handler only reads a thread's own pointer and makes one system call.
    ONCE.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(in_the_child));
    });
}
