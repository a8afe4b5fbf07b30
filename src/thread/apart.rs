//! What keeps a program's process from others of the same user, beside its contexts; and what it may use at most.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    sync::OnceLock,
};

use confine::neighbours;

/// A namespace of System V IPC and of POSIX message queues. It lasts as long as a process is in it, or this is kept.
pub struct Ipc(OwnedFd);

impl Ipc {
    /// A new one. The calling process, which must have one thread, stays in its own.
    pub fn new() -> io::Result<Self> {
        let own = Self::of_this_process()?;
        // SAFETY: the calling process uses nothing of the namespace that it leaves for a moment.
        super::process::checked(unsafe { libc::unshare(libc::CLONE_NEWIPC) })?;
        let new = Self::of_this_process();
        own.enter()?;
        new
    }

    fn of_this_process() -> io::Result<Self> {
        Ok(Self(File::open("/proc/self/ns/ipc")?.into()))
    }

    /// What the kernel calls it, as long as it exists.
    pub fn number(&self) -> Option<u64> {
        File::from(self.0.try_clone().ok()?).metadata().ok().map(|it| it.ino())
    }

    /// Moves the calling process there.
    fn enter(&self) -> io::Result<()> {
        // SAFETY: a live descriptor of a namespace; the kernel refuses others.
        super::process::checked(unsafe { libc::setns(self.0.as_raw_fd(), libc::CLONE_NEWIPC) })
    }
}

/// The number of the namespace that a process is in; `None`: it is gone.
pub fn ipc_of(process: u32) -> Option<u64> {
    fs::metadata(format!("/proc/{process}/ns/ipc")).ok().map(|it| it.ino())
}

/// What a program's process is limited to.
#[derive(Default)]
pub struct Limits<'l> {
    /// The only System V IPC and POSIX queues that it has.
    pub ipc: Option<&'l Ipc>,
    /// How much memory of its own it may have, in bytes.
    pub memory: Option<u64>,
}

/// How many descriptors a process could open before [`raise_descriptors`].
static DESCRIPTORS: OnceLock<libc::rlimit> = OnceLock::new();

/// Lets this process open as many descriptors as it may; how many that is. Programs get what it had before.
pub fn raise_descriptors() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: room for one record, and then one record that the kernel reads.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            let before = *DESCRIPTORS.get_or_init(|| limit);
            let raised = libc::rlimit { rlim_cur: before.rlim_max, ..before };
            libc::setrlimit(libc::RLIMIT_NOFILE, &raised);
        }
    }
    super::process::most_descriptors()
}

/// In the process that becomes a program, while it is still root.
pub(super) fn set(limits: &Limits<'_>) -> io::Result<()> {
    if let Some(ipc) = limits.ipc {
        ipc.enter()?;
    }
    let memory = limits.memory.map(|bytes| libc::rlimit { rlim_cur: bytes, rlim_max: bytes });
    let all = [(libc::RLIMIT_NOFILE, DESCRIPTORS.get().copied()), (libc::RLIMIT_DATA, memory)];
    for (resource, limit) in all.into_iter().filter_map(|(resource, limit)| Some((resource, limit?))) {
        // SAFETY: one record, which the kernel reads.
        super::process::checked(unsafe { libc::setrlimit(resource, &limit) })?;
    }
    Ok(())
}

/// Takes from the process what it could do to limits and priorities of others; whether that is done. The kernel takes the
/// filter from root, and later only from a process whose contexts closed the way to new privileges. `last`: what cannot
/// be done now is told.
pub(super) fn leave_neighbours_alone(last: bool) -> bool {
    match neighbours::leave_alone() {
        Ok(()) => true,
        Err(error) if last => {
            // This is the program's standard error, which the log has.
            eprintln!("it can change limits and priorities of other processes of its user: {error}");
            false
        }
        Err(_) => false,
    }
}
