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

/// Leaves the programs behind that outlive this child, when its pool is destroyed.
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
    // Watched requests wait for this one.
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

/// Watches the calling worker and what it starts, until they have ended, or has `observer` be told from now on if the
/// worker is watched already. Without the two threads, of which the log says why, nothing is watched.
pub fn begin(observer: Arc<dyn Observer>) -> Result<(), NotWatched> {
    if let Some(handle) = current::watch() {
        handle.tell(observer);
        return Ok(());
    }
    let Some(hub) = HUB.get() else { return Ok(()) };
    current::set_watch(hub.watch_this_thread(observer)?);
    Ok(())
}

/// This process is about to end: the programs that watched requests started, and that go on, must not be stopped by
/// that.
pub fn leave_behind() {
    if let Some(hub) = HUB.get() {
        hub.leave_behind();
    }
}
