//! `<ConfineFastCGI NAME>`: a program whose processes are started in the contexts of requests.

use std::{ffi::CString, path::Path, time::Duration};

use confine::Origin;

/// What the names of handlers begin with that lead to a pool. The name of the section follows.
pub const HANDLER: &str = "confine-fastcgi:";

/// The directives that stand in a section.
pub const DIRECTIVES: [&str; 10] = [
    "Program",
    "Arguments",
    "Environment",
    "Processes",
    "Requests",
    "Idle",
    "Total",
    "Queue",
    "Memory",
    "PrivateIPC",
];

/// A single process of PHP's needs no main process from so many `Requests` on: one start in so many requests costs less
/// than a main process does. A start takes some 50 ms.
const LONG_LIFE: u32 = 1000;

/// A section.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name.
    pub name: Box<str>,
    /// Where it begins.
    pub origin: Origin,
    /// The program's file.
    pub file: CString,
    /// What stands behind the program's name.
    pub arguments: Vec<CString>,
    /// Variables of its environment, each `NAME=VALUE`.
    pub environment: Vec<CString>,
    /// How many processes one context has at most.
    pub processes: u32,
    /// After how many requests a process ends.
    pub requests: u32,
    /// After how long without a request a pool ends.
    pub idle: Duration,
    /// How many processes all contexts have together at most.
    pub total: u32,
    /// How many requests of one context may wait for a process.
    pub queue: u32,
    /// How much memory of its own a process may have, in bytes.
    pub memory: Option<u64>,
    /// Whether each context has System V IPC and POSIX queues of its own; `None`: where the kernel allows it.
    pub private_ipc: Option<bool>,
}

impl Program {
    /// A section with this name in which nothing stands yet.
    pub fn new(name: &str, origin: Origin) -> Self {
        Self {
            name: name.into(),
            origin,
            file: CString::default(),
            arguments: Vec::new(),
            environment: Vec::new(),
            processes: 8,
            requests: 5000,
            idle: Duration::from_secs(60),
            total: 200,
            queue: 64,
            memory: None,
            private_ipc: None,
        }
    }

    /// Whether the program is PHP's.
    pub fn is_php(&self) -> bool {
        let name = Path::new(self.file.to_str().unwrap_or_default()).file_name();
        name.is_some_and(|name| name.as_encoded_bytes().starts_with(b"php"))
    }

    /// Whether the program has a main process, which makes those that serve. PHP's makes copies of itself, so that they
    /// share one OPcache, and the next one costs no start.
    ///
    /// A single process that lives for long needs neither: it starts in less time, has no second copy of PHP's memory,
    /// and takes one place under `Total`.
    pub fn has_main_process(&self) -> bool {
        self.is_php() && (self.processes > 1 || self.requests < LONG_LIFE)
    }

    /// How many processes a pool has from its start on, as `Total` counts them.
    pub fn at_start(&self) -> u32 {
        // The main process serves no request itself.
        if self.has_main_process() { self.processes + 1 } else { 1 }
    }

    /// How many requests of one context may be in a pool and wait for it.
    pub fn bound(&self) -> u32 {
        self.processes + self.queue
    }
}
