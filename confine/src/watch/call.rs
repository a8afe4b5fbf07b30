//! From the number and the arguments of a system call to what it asks for.

use super::{filter, kernel::Notice};
use crate::lsm::landlock::FileAccess;

/// A path as a call names it: the descriptor of a folder (or AT_FDCWD), and the address of the text in the task's
/// memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub folder: i32,
    pub path: u64,
}

/// What a task asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Open {
        name: Name,
        flags: i32,
    },
    /// openat2, whose flags are in memory.
    OpenHow {
        name: Name,
        how: u64,
    },
    Execute {
        name: Name,
        flags: i32,
    },
    Truncate(Name),
    Make {
        name: Name,
        access: FileAccess,
    },
    Remove {
        name: Name,
        access: FileAccess,
    },
    Link {
        from: Name,
        to: Name,
        follow: bool,
        empty: bool,
    },
    Rename {
        from: Name,
        to: Name,
        exchange: bool,
    },
    Control {
        file: i32,
    },
    Connect(Address),
    Bind(Address),
    Send(Address),
    Signal(i32),
    SignalByDescriptor(i32),
    /// The filter does not see what is requested through the ring.
    IoUring,
    /// A call whose number is from another table.
    Foreign,
}

/// The address of a socket call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    pub socket: i32,
    pub at: u64,
    pub length: u64,
}

/// Reads a call. `None` says that it asks for nothing that a ruleset restricts.
pub(super) fn call(notice: &Notice) -> Option<Call> {
    let data = &notice.data;
    if filter::is_foreign(data) {
        return Some(Call::Foreign);
    }
    let args = data.args;
    // For an `int` the kernel reads the lower half of the register, because the C type is int.
    let int = |index: usize| args[index] as i32;
    let at = |folder: usize, path: usize| Name { folder: int(folder), path: args[path] };
    let address = |at: usize| Address { socket: int(0), at: args[at], length: args[at + 1] };
    let found = match libc::c_long::from(data.nr) {
        libc::SYS_openat => Call::Open { name: at(0, 1), flags: int(2) },
        libc::SYS_openat2 => Call::OpenHow { name: at(0, 1), how: args[2] },
        libc::SYS_execve => Call::Execute { name: here(args[0]), flags: 0 },
        libc::SYS_execveat => Call::Execute { name: at(0, 1), flags: int(4) },
        libc::SYS_truncate => Call::Truncate(here(args[0])),
        libc::SYS_mkdirat => Call::Make { name: at(0, 1), access: FileAccess::MakeFolder },
        libc::SYS_mknodat => Call::Make { name: at(0, 1), access: of_mode(int(2)) },
        libc::SYS_symlinkat => Call::Make { name: at(1, 2), access: FileAccess::MakeLink },
        libc::SYS_linkat => Call::Link {
            from: at(0, 1),
            to: at(2, 3),
            follow: int(4) & libc::AT_SYMLINK_FOLLOW != 0,
            empty: int(4) & libc::AT_EMPTY_PATH != 0,
        },
        libc::SYS_renameat2 => {
            let exchange = args[4] as u32 & libc::RENAME_EXCHANGE != 0;
            Call::Rename { from: at(0, 1), to: at(2, 3), exchange }
        }
        libc::SYS_unlinkat => {
            let folder = int(2) & libc::AT_REMOVEDIR != 0;
            let access = if folder { FileAccess::RemoveFolder } else { FileAccess::RemoveFile };
            Call::Remove { name: at(0, 1), access }
        }
        libc::SYS_ioctl => Call::Control { file: int(0) },
        libc::SYS_connect => Call::Connect(address(1)),
        libc::SYS_bind => Call::Bind(address(1)),
        libc::SYS_sendto => Call::Send(address(4)),
        libc::SYS_kill | libc::SYS_tkill | libc::SYS_tgkill => Call::Signal(int(0)),
        libc::SYS_rt_sigqueueinfo | libc::SYS_rt_tgsigqueueinfo => Call::Signal(int(0)),
        libc::SYS_pidfd_send_signal => Call::SignalByDescriptor(int(0)),
        libc::SYS_io_uring_setup => Call::IoUring,
        number => return older(number, args),
    };
    Some(found)
}

/// A path that begins at the current folder.
fn here(path: u64) -> Name {
    Name { folder: libc::AT_FDCWD, path }
}

/// The calls that newer architectures do not have.
#[cfg(any(target_arch = "x86_64", target_arch = "powerpc64", target_arch = "s390x"))]
fn older(number: libc::c_long, args: [u64; 6]) -> Option<Call> {
    let first = here(args[0]);
    let found = match number {
        libc::SYS_open => Call::Open { name: first, flags: args[1] as i32 },
        libc::SYS_creat => Call::Open { name: first, flags: libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC },
        libc::SYS_mkdir => Call::Make { name: first, access: FileAccess::MakeFolder },
        libc::SYS_mknod => Call::Make { name: first, access: of_mode(args[1] as i32) },
        libc::SYS_symlink => Call::Make { name: here(args[1]), access: FileAccess::MakeLink },
        libc::SYS_link => Call::Link { from: first, to: here(args[1]), follow: false, empty: false },
        libc::SYS_rename => Call::Rename { from: first, to: here(args[1]), exchange: false },
        libc::SYS_renameat => {
            let name = |at: usize| Name { folder: args[at] as i32, path: args[at + 1] };
            Call::Rename { from: name(0), to: name(2), exchange: false }
        }
        libc::SYS_unlink => Call::Remove { name: first, access: FileAccess::RemoveFile },
        libc::SYS_rmdir => Call::Remove { name: first, access: FileAccess::RemoveFolder },
        _ => return None,
    };
    Some(found)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "powerpc64", target_arch = "s390x")))]
fn older(_: libc::c_long, _: [u64; 6]) -> Option<Call> {
    None
}

/// The access that it needs to make a node of this mode (kernel: security/landlock/fs.c, get_mode_access).
pub(super) fn of_mode(mode: i32) -> FileAccess {
    match mode as u32 & libc::S_IFMT {
        libc::S_IFLNK => FileAccess::MakeLink,
        libc::S_IFDIR => FileAccess::MakeFolder,
        libc::S_IFCHR => FileAccess::MakeCharacterDevice,
        libc::S_IFBLK => FileAccess::MakeBlockDevice,
        libc::S_IFIFO => FileAccess::MakePipe,
        libc::S_IFSOCK => FileAccess::MakeSocket,
        _ => FileAccess::MakeFile,
    }
}
