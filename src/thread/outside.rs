//! A thread of this child that is in no context. It asks, for threads that are in one, what their contexts need not let
//! them ask: the policy of an application says nothing of what the module's own parts say to each other.

use std::{
    io,
    sync::{
        Mutex, OnceLock, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    time::Duration,
};

use crate::{
    httpd::pool::Pool,
    thread::background::{self, Job},
};

type Question = Box<dyn FnOnce() + Send>;

static QUESTIONS: OnceLock<Mutex<Sender<Question>>> = OnceLock::new();

/// How often the thread looks whether the child ends.
const LOOK: Duration = Duration::from_secs(5);

/// Starts the thread of this child. To be called before the first request.
pub fn start(pool: Pool<'_>) -> io::Result<()> {
    let (sender, questions) = mpsc::channel::<Question>();
    let job = Job { name: "confine-outside", yields: false, loss: "confined requests find no new pool" };
    background::start(pool, job, move |stop| {
        while !stop.is_told() {
            match questions.recv_timeout(LOOK) {
                Ok(question) => question(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    })?;
    let _ = QUESTIONS.set(Mutex::new(sender));
    Ok(())
}

/// Has the thread ask, and waits for the answer. `None`: there is no such thread.
pub fn ask<T: Send + 'static>(question: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (answer, answers) = mpsc::sync_channel(1);
    let question: Question = Box::new(move || drop(answer.send(question())));
    QUESTIONS.get()?.lock().unwrap_or_else(PoisonError::into_inner).send(question).ok()?;
    answers.recv().ok()
}
