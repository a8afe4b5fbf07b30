//! Waits for a connection of mod_dbd's pool, but not for ever.
//!
//! `ap_dbd_open` waits without limit while all connections of the pool (`DBDMax`) are in use. The requests that hold
//! them may be waiting themselves: a hook of an application can take a connection (mod_lua's `r:dbacquire`), and its
//! request then comes to a rule that needs another one. If all connections were held in this way, nothing in this
//! child would ever go on. So a thread that is made for it waits, and the request stops waiting after some time. A
//! connection that arrives later is given back immediately.

use std::{
    ffi::{c_int, c_void},
    mem::MaybeUninit,
    ptr::{NonNull, null_mut},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use apache_sys as sys;

use crate::{
    httpd::{
        boundary::guard,
        database::{Close, NoConnection, Open, Opened},
    },
    thread::{apr_thread::ThreadPool, attributes::Attributes, signals::Masks},
};

/// The longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many threads may go on waiting although their requests have left. With more of them the pool does not move,
/// and another wait would not help.
const MOST_IN_VAIN: usize = 64;

static IN_VAIN: AtomicUsize = AtomicUsize::new(0);

/// The state of the wait.
enum State {
    Waiting,
    Over(Result<Opened, NoConnection>),
    /// The request has left and does not want the connection.
    Left,
}

/// What the waiting request and the thread share.
struct Wait {
    open: Open,
    close: Close,
    server: *mut sys::server_rec,
    state: Mutex<State>,
    over: Condvar,
}

// SAFETY: the functions and the server are as good in one thread as in the other; the rest is made for sharing.
unsafe impl Send for Wait {}
// SAFETY: as above.
unsafe impl Sync for Wait {}

impl Wait {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits in mod_dbd, in the thread that was made for it.
    fn open(&self) -> Result<Opened, NoConnection> {
        let pool = ThreadPool::new().map_err(NoConnection::NoThread)?;
        // SAFETY: a live pool of this thread's, which the connection keeps; a server that lives as long as the child.
        let raw = unsafe { (self.open)(pool.as_ptr(), self.server) };
        let raw = NonNull::new(raw).ok_or(NoConnection::Refused)?;
        // SAFETY: a connection that this thread opened, of this server, in this pool.
        Ok(unsafe { Opened::new(raw, self.server, self.close, Box::new(pool)) })
    }

    fn end(&self, result: Result<Opened, NoConnection>) {
        let mut state = self.state();
        if matches!(*state, State::Left) {
            IN_VAIN.fetch_sub(1, Ordering::Relaxed);
            // The state is unlocked before the result is dropped.
            drop(state);
            return;
        }
        *state = State::Over(result);
        self.over.notify_one();
    }
}

/// A connection for `server`, opened by mod_dbd's own functions.
///
/// # Safety `open` and `close` are mod_dbd's, and `server` lives as long as the process serves requests.
pub unsafe fn open(open: Open, close: Close, server: *mut sys::server_rec) -> Result<Opened, NoConnection> {
    if IN_VAIN.load(Ordering::Relaxed) >= MOST_IN_VAIN {
        return Err(NoConnection::AllInUse);
    }
    let state = Mutex::new(State::Waiting);
    let wait = Arc::new(Wait { open, close, server, state, over: Condvar::new() });
    start(&wait).map_err(NoConnection::NoThread)?;
    let is_on = |state: &mut State| matches!(state, State::Waiting);
    let (mut state, _) =
        wait.over.wait_timeout_while(wait.state(), PATIENCE, is_on).unwrap_or_else(PoisonError::into_inner);
    match std::mem::replace(&mut *state, State::Left) {
        State::Over(result) => result,
        State::Waiting | State::Left => {
            IN_VAIN.fetch_add(1, Ordering::Relaxed);
            Err(NoConnection::AllInUse)
        }
    }
}

fn start(wait: &Arc<Wait>) -> Result<(), c_int> {
    let mut attributes = Attributes::new()?;
    attributes.set_detached()?;
    attributes.set_mask(Masks::of_this_thread())?;
    let its_own = Arc::into_raw(Arc::clone(wait)).cast_mut().cast::<c_void>();
    let mut thread = MaybeUninit::uninit();
    // SAFETY: complete attributes; the thread takes its share of `wait` over.
    let made = unsafe { libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), run, its_own) };
    if made != 0 {
        // SAFETY: no thread was made that would take it.
        drop(unsafe { Arc::from_raw(its_own.cast::<Wait>()) });
        return Err(made);
    }
    Ok(())
}

extern "C" fn run(data: *mut c_void) -> *mut c_void {
    // SAFETY: the share that start() gave away.
    let wait = unsafe { Arc::from_raw(data.cast::<Wait>()) };
    let result = guard(|| wait.open(), |_| Err(NoConnection::Refused));
    guard(|| wait.end(result), |_| ());
    null_mut()
}
