//! What a watched task did, in the terms of rulesets.

use std::{borrow::Cow, fmt, os::unix::ffi::OsStrExt};

use crate::lsm::landlock::{Denied, FileAccess, Grants, Place};

/// One thing that a ruleset can refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Something done to a file or a folder.
    File {
        /// Where.
        place: Place,
        /// What.
        access: FileAccess,
    },
    /// Something is linked or renamed into another folder.
    Refer {
        /// The folder that it is in.
        from: Place,
        /// The folder that it gets into.
        to: Place,
        /// What is linked or renamed.
        moved: Place,
    },
    /// A TCP connection to a port.
    Connect(u16),
    /// A TCP socket bound to a port.
    Bind(u16),
    /// A connection to a UNIX socket with an abstract name, which lies in no folder.
    Abstract(Vec<u8>),
    /// A signal to a process that the request did not start. A number below 1 means a group, or all processes.
    Signal(i32),
}

impl Act {
    /// The answer of a ruleset.
    pub fn asked_of(&self, grants: &Grants) -> Result<(), Denied> {
        match self {
            Self::File { place, access } => grants.file(place, *access),
            Self::Refer { from, to, moved } => grants.refer(from, to, moved),
            Self::Connect(port) => grants.connect(*port),
            Self::Bind(port) => grants.bind(*port),
            Self::Abstract(_) => grants.abstract_socket(),
            Self::Signal(_) => grants.signal(),
        }
    }

    /// Its word in logs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::File { access, .. } => access.word(),
            Self::Refer { .. } => FileAccess::Refer.word(),
            Self::Connect(_) | Self::Abstract(_) => "connect",
            Self::Bind(_) => "bind",
            Self::Signal(_) => "signal",
        }
    }

    /// The object of the access: a path, `tcp:PORT`, `unix:@NAME` or `process:NUMBER`.
    pub fn object(&self) -> Cow<'_, [u8]> {
        match self {
            Self::File { place, .. } => Cow::Borrowed(place.path().as_os_str().as_bytes()),
            Self::Refer { moved, .. } => Cow::Borrowed(moved.path().as_os_str().as_bytes()),
            Self::Connect(port) | Self::Bind(port) => Cow::Owned(format!("tcp:{port}").into_bytes()),
            Self::Abstract(name) => Cow::Owned([b"unix:@", &name[..]].concat()),
            Self::Signal(process) => Cow::Owned(format!("process:{process}").into_bytes()),
        }
    }
}

/// Something that cannot be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remark {
    /// A program makes 32-bit system calls. Their numbers and arguments differ from the native ones.
    Foreign,
    /// A program uses io_uring. The filter does not see its requests.
    IoUring,
    /// The kernel does not let this process look at a task.
    Unreadable {
        /// What the kernel said.
        errno: i32,
    },
    /// A path leads out of what this process can see.
    Elsewhere,
    /// Accesses came faster than they could be judged.
    Lost,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str(
                "a program makes 32-bit system calls, which are not watched: what it opens is not in this log",
            ),
            Self::IoUring => f.write_str(
                "a program uses io_uring, which passes no filter: what it opens through it is not in this log",
            ),
            Self::Unreadable { errno } => write!(
                f,
                "a program's memory or files cannot be looked at ({}): some of what it does is not in this log",
                crate::problem::errno_name(*errno)
            ),
            Self::Elsewhere => f.write_str(
                "a program has folders of its own (a mount namespace): what it opens there is not in this log",
            ),
            Self::Lost => f.write_str(
                "accesses came faster than they could be written down: some of them are not in this log",
            ),
        }
    }
}
