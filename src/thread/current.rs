//! What the calling thread is: a worker in some state, or a thread of the server.

use std::{
    cell::{Cell, RefCell},
    ffi::CStr,
    sync::Arc,
};

use apache_sys as sys;
use confine::{lsm::landlock::Grants, tally::Row, watch::Handle};
use smallvec::SmallVec;

use crate::httpd::{
    local::{PerThread, Slot},
    request::Request,
};

/// How far a worker has come. It never goes back:
///
/// ```text
///                 worker made for a request of the server's thread
///                                   |
///                                   v
///                             +-----------+
///                 +---------- |  Unmoved  | ----------+
///                 |           +-----------+           |
///   early move    |                 |                 |  report mode: decided,
///   (ConfineEarly)|                 |  the move       |  and not to be moved
///                 v                 v                 v
///            +---------+       +---------+       +----------+
///         +->|  Early  | ----> |  Moved  | <---- | Reported |
///         |  +---------+  the  +---------+  the  +----------+
///         |               move      |       move of a later resource
///         |                         |       that is enforced
///   worker made by                  v
///   an early worker           the thread ends, or rests in its
///                             contexts for a later request
/// ```
///
/// A thread ends from each state. A worker that was kept begins its next request as Unmoved, knows the contexts that it
/// is in ([`entered_before`]), and is Moved again without a system call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// The thread has the server's privileges.
    Unmoved,
    /// The thread is in the contexts of `ConfineEarly`. A later move can only tighten them.
    Early,
    /// The rules were asked, and the thread does not move, because of report mode.
    Reported,
    /// The thread is in its contexts, for good.
    Moved,
}

/// What a worker knows of itself. It lives on its thread's stack, for one request.
pub struct Worker<'a> {
    /// The request that the worker was made for. It is only compared.
    request: *const sys::request_rec,
    state: Cell<State>,
    /// Whether another process made the content.
    made_elsewhere: Cell<bool>,
    /// The contexts that the thread entered for an earlier request (`ConfineWorkers per-context`).
    entered_before: Option<&'a CStr>,
    /// Whether anything was refused in this thread.
    refused: Cell<bool>,
    /// The row in which the request is counted, when its contexts are known.
    row: Cell<Option<Row>>,
    /// Whether it was counted as confined.
    counted: Cell<bool>,
    /// Whether it is in no context itself, and only passes on what a process makes.
    passes_on: Cell<bool>,
    /// The contexts that it is in, where pools of processes may be asked for: a text that ends with its NUL. Mostly it
    /// has room here, because the first allocation of a new thread is a dear one.
    contexts: RefCell<SmallVec<[u8; 128]>>,
    /// The watch of this thread.
    watch: RefCell<Option<Handle>>,
    /// The rulesets of its early move, if it is watched.
    early_rulesets: RefCell<Vec<Arc<Grants>>>,
}

impl<'a> Worker<'a> {
    /// A worker that is made for `r` and is in `state`.
    pub fn new(r: &Request<'_>, state: State) -> Self {
        let no = || Cell::new(false);
        Self {
            request: r.as_ptr(),
            state: Cell::new(state),
            made_elsewhere: no(),
            entered_before: None,
            refused: no(),
            row: Cell::new(None),
            counted: no(),
            passes_on: no(),
            contexts: RefCell::default(),
            watch: RefCell::default(),
            early_rulesets: RefCell::default(),
        }
    }

    /// Sets the watch of the worker that made this one, because this thread inherits it.
    pub fn under(self, watch: Option<Handle>) -> Self {
        Self { watch: RefCell::new(watch), ..self }
    }

    /// A kept worker. It is in the contexts that it entered for an earlier request, or in none yet.
    pub fn kept(r: &Request<'_>, entered_before: Option<&'a CStr>) -> Self {
        Self { entered_before, ..Self::new(r, State::Unmoved) }
    }

    /// Runs `body` with this as the calling thread's worker.
    pub fn during<T>(&self, body: impl FnOnce() -> T) -> T {
        CURRENT.with(std::ptr::from_ref(self).cast(), body)
    }

    /// The state of the worker.
    pub fn state(&self) -> State {
        self.state.get()
    }

    /// Whether it may serve further requests: it is in its contexts, and it refused nothing.
    pub fn is_fit(&self) -> bool {
        self.state.get() == State::Moved && !self.refused.get()
    }
}

/// The worker of the calling thread.
static CURRENT: PerThread<Worker<'static>> = PerThread::new(Slot::Worker);

/// Calls `with` with this thread's worker, if there is one.
fn current<T>(with: impl FnOnce(&Worker<'_>) -> T) -> Option<T> {
    let raw = CURRENT.get();
    // SAFETY: set by Worker::during() to a value on this thread's stack for exactly as long as that lives; the
    // invented 'static never leaves this function, because `with` takes any lifetime.
    unsafe { raw.as_ref() }.map(with)
}

/// The state of this thread's worker. `None` on the server's own threads.
pub fn state() -> Option<State> {
    current(|w| w.state.get())
}

/// Whether this thread is a worker in some context already.
pub fn is_confined() -> bool {
    matches!(state(), Some(State::Moved | State::Early))
}

/// Notes that this worker is in no context itself: its request's are for the process that makes the content. Whatever
/// else it could do, it must not do.
pub fn only_passes_on() {
    current(|w| w.passes_on.set(true));
}

/// Whether this worker only passes on what a process makes.
pub fn passes_on() -> bool {
    current(|w| w.passes_on.get()).unwrap_or(false)
}

/// Whether code of a tenant runs confined here: this thread itself is in some context.
pub fn confines_code() -> bool {
    is_confined() && !passes_on()
}

/// Whether this thread is the worker that was made for this very request.
pub fn is_made_for(r: &Request<'_>) -> bool {
    current(|w| std::ptr::eq(w.request, r.as_ptr())).unwrap_or(false)
}

/// Calls `use_it` with the contexts that this thread is in from an earlier request, if it is a kept worker.
pub fn entered_before<T>(use_it: impl FnOnce(Option<&CStr>) -> T) -> T {
    let raw = CURRENT.get();
    // SAFETY: as current().
    use_it(unsafe { raw.as_ref() }.and_then(|w| w.entered_before))
}

/// Whether this is a kept worker that entered its contexts for an earlier request.
pub fn has_entered_before() -> bool {
    current(|w| w.entered_before.is_some()).unwrap_or(false)
}

/// Notes that something was refused: this thread serves no further request.
pub fn refused() {
    current(|w| w.refused.set(true));
}

/// Notes where this worker's request is counted.
pub fn counts_in(row: Row) {
    current(|w| w.row.set(Some(row)));
}

/// The row in which this worker's request is counted, when its contexts are known.
pub fn row() -> Option<Row> {
    current(|w| w.row.get()).flatten()
}

/// Notes that this worker's request is counted as confined. The result says whether this is the first time.
pub fn is_first_count() -> bool {
    current(|w| !w.counted.replace(true)).unwrap_or(true)
}

/// Notes the contexts that this worker is in, as the name of the pool that is in them. `None`: no pool can be.
pub fn is_in(contexts: Option<&CStr>) {
    let bytes = contexts.map_or(&[][..], CStr::to_bytes_with_nul);
    current(|w| *w.contexts.borrow_mut() = SmallVec::from_slice(bytes));
}

/// The contexts that this worker is in, as far as they were noted.
pub fn contexts() -> Option<Box<CStr>> {
    current(|w| CStr::from_bytes_with_nul(&w.contexts.borrow()).ok().map(Into::into)).flatten()
}

/// The watch of this thread.
pub fn watch() -> Option<Handle> {
    current(|w| w.watch.borrow().clone()).flatten()
}

/// Notes that this thread is watched from now on.
pub fn set_watch(watch: Handle) {
    current(|w| *w.watch.borrow_mut() = Some(watch));
}

/// The rulesets of this worker's early move, if it is watched.
pub fn early_rulesets() -> Vec<Arc<Grants>> {
    current(|w| w.early_rulesets.borrow().clone()).unwrap_or_default()
}

/// Notes the rulesets of this worker's early move.
pub fn set_early_rulesets(rulesets: Vec<Arc<Grants>>) {
    current(|w| *w.early_rulesets.borrow_mut() = rulesets);
}

/// Sets the state of this worker.
pub fn reached(state: State) {
    current(|w| w.state.set(state));
}

/// Notes that another process makes the content of the request that this worker was made for.
pub fn note_made_elsewhere() {
    current(|w| w.made_elsewhere.set(true));
}

/// Whether another process made the content.
pub fn was_made_elsewhere() -> bool {
    current(|w| w.made_elsewhere.get()).unwrap_or(false)
}
