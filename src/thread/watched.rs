//! Threads that are watched while they serve a request (report mode, learn mode, `ConfineExplain`): see
//! [`confine::watch`]. Each child has two threads for it, and only where the configuration asks for watching.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use confine::watch::{Hub, NotWatched, Observer};

use crate::{
    httpd::pool::Pool,
    thread::{
        background::{self, Job},
        current,
    },
};

static HUB: OnceLock<Arc<Hub>> = OnceLock::new();

/// Lets programs that outlive this child go on when the child's pool is destroyed.
struct Behind;

impl Drop for Behind {
    fn drop(&mut self) {
        leave_behind();
    }
}

/// Starts the two threads of this child.
pub fn start(pool: Pool<'_>) -> io::Result<()> {
    let hub = Arc::new(Hub::new()?);
    pool.own(Behind);
    let answering = Arc::clone(&hub);
    // Watched requests wait for this thread.
    let job = Job { name: "confine-watch", yields: false, loss: "requests that are watched wait for ever" };
    background::start(pool, job, move |stop| answering.answer(|| stop.is_told()))?;
    let judging = Arc::clone(&hub);
    let job = Job { name: "confine-judge", yields: true, loss: "accesses are no longer told" };
    background::start(pool, job, move |stop| {
        judging.judge(|| stop.is_told(), |tell| stop.unless(tell));
    })?;
    let _ = HUB.set(hub);
    Ok(())
}

/// Watches the calling worker and what it starts, until all of them have ended. If the worker is watched already,
/// `observer` is told from now on. If the two threads do not run, nothing is watched, the log says why, and the answer is
/// `false`.
pub fn begin(observer: Arc<dyn Observer>) -> Result<bool, NotWatched> {
    if let Some(handle) = current::watch() {
        handle.tell(observer);
        return Ok(true);
    }
    let Some(hub) = HUB.get() else { return Ok(false) };
    current::set_watch(hub.watch_this_thread(observer)?);
    Ok(true)
}

/// Must be called before this process ends. Programs that watched requests started go on, and the end of the process
/// must not stop them.
pub fn leave_behind() {
    if let Some(hub) = HUB.get() {
        hub.leave_behind();
    }
}
