//! The system calls that the `landlock` crate does not offer in the form needed here: the ABI as
//! a number, `openat2`, and the move itself, which may not allocate.

use std::{
    ffi::CStr,
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

/// Kernel: include/uapi/linux/landlock.h.
const LANDLOCK_CREATE_RULESET_VERSION: libc::c_uint = 1;

/// The kernel's Landlock ABI. The errno of a refusal says why there is none: ENOSYS, no such system
/// call; EOPNOTSUPP, built in but not started at boot (kernel: security/landlock/syscalls.c,
/// is_initialized).
pub(super) fn abi() -> io::Result<u32> {
    // SAFETY: the version query takes a null pointer and a size of 0 and touches no memory.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            ptr::null::<libc::c_void>(),
            0_usize,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    };
    u32::try_from(version).map_err(|_| io::Error::last_os_error())
}

/// Opens `path` below `directory`, as a mere reference (`O_PATH`), without following any symbolic
/// link.
///
/// `RESOLVE_BENEATH` keeps the walk below `directory`; `RESOLVE_NO_SYMLINKS` refuses a link in every
/// component, the last one too (kernel: Documentation of openat2(2); fs/namei.c, pick_link).
pub(super) fn open_beneath(directory: BorrowedFd<'_>, path: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: `open_how` is three integers, for which all zeroes is a valid value.
    let mut how: libc::open_how = unsafe { mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;
    // SAFETY: `directory` is open for the length of the call, `path` ends in NUL, and `how` is
    // passed with its own size; the kernel only reads both.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            directory.as_raw_fd(),
            path.as_ptr(),
            &raw const how,
            mem::size_of::<libc::open_how>(),
        )
    };
    let fd = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Forbids the calling thread, and all it starts, to gain privileges by executing a program.
///
/// Per thread (kernel: kernel/sys.c, PR_SET_NO_NEW_PRIVS acts on `current`), and asked for by
/// `landlock_restrict_self` of whoever is not CAP_SYS_ADMIN (kernel: security/landlock/syscalls.c).
pub(super) fn set_no_new_privs() -> Result<(), i32> {
    // SAFETY: this prctl takes integers only; the unused ones must be 0.
    let done = unsafe {
        libc::prctl(
            libc::PR_SET_NO_NEW_PRIVS,
            1 as libc::c_ulong,
            0 as libc::c_ulong,
            0 as libc::c_ulong,
            0 as libc::c_ulong,
        )
    };
    if done == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Puts the calling thread under `ruleset`, on top of those that it is under already.
///
/// Without flags this changes the credentials of the calling thread alone: it prepares new
/// credentials, merges the ruleset into their domain and commits them (kernel:
/// security/landlock/syscalls.c, landlock_restrict_self; credentials belong to a task).
pub(super) fn restrict_self(ruleset: BorrowedFd<'_>) -> Result<(), i32> {
    // SAFETY: the call takes a descriptor, open for the length of the call, and flags.
    let done = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0_u32) };
    if done == 0 { Ok(()) } else { Err(last_errno()) }
}

/// The errno of the call just made. Allocates nothing.
fn last_errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
