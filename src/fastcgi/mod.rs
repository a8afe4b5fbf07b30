//! Pools of processes that run an application in the contexts of its requests.
//!
//! A thread that moves separates what the kernel is asked for. It does not separate what lives in a process's memory.
//! So each context may have processes of its own, which speak FastCGI:
//!
//! ```text
//!   httpd, as root ---- forks ----> manager, as root: holds all sockets
//!      |                               ^           |
//!    forks                asks for     |           | a connection waits: forks, moves, executes
//!      v                  a pool       |           v
//!   child ------------------------------      program in the contexts, descriptor 0 is its socket
//!      |                                           ^
//!      +--- mod_proxy_fcgi, by a name that nobody can guess
//! ```
//!
//! [`manager`] is the process that starts programs, [`client`] the children's side, [`table`] what they share, and
//! [`folder`] where the sockets lie.
//!
//! Three things keep everybody else away from a pool's socket. The folder lies below one that only root may pass, and
//! the server's children reach it by a descriptor, which no program inherits. Nobody but root may list it. And a
//! socket's name holds 128 random bits, which only the children of the server are told: the kernel's lists of sockets
//! tell another one, because the socket was bound to that and renamed (net/unix/af_unix.c keeps the name of bind).

pub mod client;
pub mod folder;
mod launch;
pub mod manager;
pub mod moves;
mod namespace;
mod output;
mod pool;
pub mod table;
mod temporary;

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use confine::{status::PoolStatus, tally::Label};

use self::{folder::Folder, moves::Users};
use crate::{
    config::fastcgi::Program,
    httpd::{
        log::{self, Level},
        other_child,
        server::Server,
    },
    thread::{
        messages::Listener,
        process::{self, Forked, Identity},
    },
};

/// What pools are made of, for one reading of the configuration.
pub struct Programs {
    /// The sections, in the order in which they stand.
    pub programs: Vec<Program>,
    /// As which users programs may run.
    pub users: Users,
    /// Whether there are requests whose moves are only reported. A pool without contexts serves them.
    pub reports: bool,
    /// What is there once the server runs.
    running: OnceLock<Running>,
}

/// What is there once the server runs.
pub struct Running {
    /// Where the sockets lie.
    folder: Folder,
    /// The folder above the pools' own temporary ones.
    temporary: String,
    /// As whom programs run.
    identity: Identity,
    /// A pipe whose ends for writing this server and its children hold. Once the last of them has ended, the manager
    /// reads the end of the file.
    life: (OwnedFd, OwnedFd),
    /// Where children ask for pools. It is made before them, and outlives a manager that is killed: whoever asks waits
    /// for the next one.
    requests: Listener,
    /// The number of the manager that serves now.
    manager: AtomicU64,
}

/// The programs of the configuration that this process serves, or, in the server's parent process, that it read last.
static CURRENT: RwLock<Option<Arc<Programs>>> = RwLock::new(None);
/// In the server's parent process: its managers, each with its process and its number. That of the programs above is
/// the last, and the others end once nobody uses their configurations any more.
static MANAGERS: Mutex<Vec<(u32, u64)>> = Mutex::new(Vec::new());

/// The programs of the configuration that this process serves.
pub fn programs() -> Option<Arc<Programs>> {
    CURRENT.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn set_programs(programs: Option<Arc<Programs>>) {
    *CURRENT.write().unwrap_or_else(PoisonError::into_inner) = programs;
}

impl Programs {
    /// Those of a configuration.
    pub fn new(programs: Vec<Program>, users: Users, reports: bool) -> Self {
        Self { programs, users, reports, running: OnceLock::new() }
    }

    /// The section with this name, and its number.
    pub fn find(&self, name: &str) -> Option<(usize, &Program)> {
        self.programs.iter().enumerate().find(|(_, program)| *program.name == *name)
    }

    /// What is there once the server runs.
    pub fn running(&self) -> Option<&Running> {
        self.running.get()
    }
}

impl Running {
    /// Where the sockets lie.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

/// The pools of the configuration in force, as they are now. `name` says what a label is called.
pub fn pools(name: impl Fn(Label) -> String) -> Vec<PoolStatus> {
    table::table().map_or_else(Vec::new, |table| table.pools(table.newest_manager(), name))
}

/// post_config: starts the manager of this configuration; that of an earlier one ends once the children that use it
/// have ended. `None`: this configuration has no programs.
pub fn start(main: &Server<'_>, programs: Option<Programs>) -> Result<(), String> {
    // Closes this process's end of the pipe on which the manager of the configuration before waits.
    set_programs(None);
    let Some(programs) = programs else { return Ok(()) };
    table::prepare().ok_or("the kernel gave no memory that all children share")?;
    let (folder, temporary, identity) = folder::prepare(main)?;
    let life = process::pipe().map_err(|e| format!("no pipe for the manager: {e}"))?;
    let bind = |path: &str| Listener::for_messages(path, 128);
    let requests = folder.listen(folder.manager(), identity.group, bind);
    let requests = requests.map_err(|e| format!("no socket for the manager: {e}"))?;
    let manager = AtomicU64::new(0);
    let _ = programs.running.set(Running { folder, temporary, identity, life, requests, manager });
    fork_manager(main, &programs)?;
    set_programs(Some(Arc::new(programs)));
    Ok(())
}

/// Makes the manager's process.
fn fork_manager(main: &Server<'_>, programs: &Programs) -> Result<(), String> {
    let (Some(running), Some(table)) = (programs.running(), table::table()) else {
        return Err("the pools are not prepared".to_owned());
    };
    let number = table.new_manager();
    running.manager.store(number, Ordering::Relaxed);
    let server = process::id();
    match process::fork().map_err(|e| format!("no process for the manager: {e}"))? {
        Forked::Parent(pid) => {
            other_child::watch(main, pid, manager_ended);
            MANAGERS.lock().unwrap_or_else(PoisonError::into_inner).push((pid, number));
            Ok(())
        }
        Forked::Child => manager::run(main, programs, running, number, server),
    }
}

/// In the server's parent process: a child ended, and with it the requests that it had in pools.
pub fn child_ended(process: u32) {
    if let Some(table) = table::table() {
        table.child_ended(process);
    }
}

/// In the server's parent process: a manager ended. Its programs end with it. The one that serves now is replaced.
fn manager_ended(main: &Server<'_>, pid: u32) {
    let mut managers = MANAGERS.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(at) = managers.iter().position(|(process, _)| *process == pid) else { return };
    let (_, ended) = managers.remove(at);
    drop(managers);
    // One that ended by itself left nothing.
    let left = table::table().map(|table| table.free_all(ended)).unwrap_or_default();
    left.into_iter().for_each(|group| process::kill_group(group, libc::SIGKILL));
    let Some(programs) = programs() else { return };
    if programs.running().is_none_or(|running| running.manager.load(Ordering::Relaxed) != ended) {
        return;
    }
    let text = format!(
        "confine: the manager of pools (process {pid}) ended; its programs end, and another is started"
    );
    log::server(main, Level::Error, &text);
    if let Err(why) = fork_manager(main, &programs) {
        log::server(main, Level::Error, &format!("confine: no manager of pools: {why}"));
    }
}
