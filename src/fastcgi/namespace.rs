//! What the processes of one pool share of System V's and POSIX's communication; and, by that, what belongs to the pool
//! although it left its process group.

use std::{
    sync::Once,
    time::{Duration, Instant},
};

use crate::{
    httpd::log::{self, Level},
    thread::{apart::Ipc, process},
};

/// How long it is looked for processes that a pool left.
const LOOKED_FOR: Duration = Duration::from_secs(1);

const REMEDY: &str = "a namespace for each context needs CAP_SYS_ADMIN and CONFIG_IPC_NS; give the server's service or \
                      container that right, or write PrivateIPC off if contexts may share them";

/// That of one pool.
#[derive(Default)]
pub struct Namespace {
    /// While there are processes.
    ipc: Option<Ipc>,
    /// Those that were theirs, and until when it is looked who is still in them. They are kept, so that no new one gets
    /// the number of one of them.
    left: Vec<(Ipc, Instant)>,
}

impl Namespace {
    /// The one for the next process, as `PrivateIPC` has it (`None`: where the kernel allows it).
    pub fn of_next(&mut self, private: Option<bool>) -> Result<Option<&Ipc>, String> {
        if self.ipc.is_none() && private != Some(false) {
            match Ipc::new() {
                Ok(ipc) => self.ipc = Some(ipc),
                // Whatever else is missing is so for now: nothing is shared because of that.
                Err(error) if private.is_none() && is_for_good(&error) => say_once(&error),
                Err(error) => return Err(format!("PrivateIPC: {error}; {REMEDY}")),
            }
        }
        Ok(self.ipc.as_ref())
    }

    /// The last process of the pool ended. What left its group is still in the namespace.
    pub fn leave(&mut self) {
        self.left.extend(self.ipc.take().map(|ipc| (ipc, Instant::now() + LOOKED_FOR)));
    }

    /// Kills what is left, of these processes with their namespaces.
    pub fn kill_left(&mut self, orphans: &[(u32, u64)]) {
        if self.left.is_empty() {
            return;
        }
        if !orphans.is_empty() {
            let left: Vec<_> = self.left.iter().filter_map(|(ipc, _)| ipc.number()).collect();
            let of_pool = orphans.iter().filter(|(_, namespace)| left.contains(namespace));
            of_pool.for_each(|(process, _)| process::kill(*process, libc::SIGKILL));
        }
        let now = Instant::now();
        self.left.retain(|(_, until)| now < *until);
    }

    /// Whether it is looked for what is left.
    pub fn is_looked_for(&self) -> bool {
        !self.left.is_empty()
    }
}

/// Whether the kernel gives this server no namespaces.
fn is_for_good(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES | libc::EINVAL | libc::ENOSYS))
}

fn say_once(error: &std::io::Error) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let line = format!(
            "confine: pools share System V IPC and POSIX queues with all of their user: {error}; {REMEDY}"
        );
        log::main(Level::Warning, &line);
    });
}
