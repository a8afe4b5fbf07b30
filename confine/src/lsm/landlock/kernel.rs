//! The system calls that the `landlock` crate does not offer in the form needed here: the number of the ABI, `openat2`,
//! and the move itself, which must not allocate.

use std::{
    ffi::CStr,
    fs::OpenOptions,
    io, mem,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::fs::OpenOptionsExt,
    },
    ptr,
};

/// Kernel: include/uapi/linux/landlock.h.
const LANDLOCK_CREATE_RULESET_VERSION: libc::c_uint = 1;

/// The number of the kernel's Landlock ABI.
///
/// # Errors
/// The errno says why there is none: ENOSYS, the kernel has no such call; EOPNOTSUPP, Landlock is built in but was not
/// started at boot (kernel: security/landlock/syscalls.c, is_initialized).
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

/// Opens `path` below `directory` as a reference (`O_PATH`). No symbolic link is followed.
///
/// `RESOLVE_BENEATH` keeps the walk below `directory`. `RESOLVE_NO_SYMLINKS` refuses a link in every component, also in
/// the last one (openat2(2); kernel: fs/namei.c, pick_link).
pub(super) fn open_beneath(directory: BorrowedFd<'_>, path: &CStr) -> io::Result<OwnedFd> {
    let resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;
    open_with(directory, path, 0, resolve)
}

/// Opens the folder `name` in `folder` as a reference. If it is a link, the error is ELOOP, and if it is a file,
/// ENOTDIR.
pub(super) fn open_folder(folder: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    open_with(folder, name, libc::O_DIRECTORY, libc::RESOLVE_NO_SYMLINKS)
}

/// Opens the entry `name` in `folder` as a reference. If it is a link, the link itself is opened.
pub(super) fn open_entry(folder: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    open_with(folder, name, libc::O_NOFOLLOW, 0)
}

/// As [`open_entry`], but it follows a link.
pub(super) fn open_following(folder: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    open_with(folder, name, 0, 0)
}

/// Opens the root folder as a reference.
pub(super) fn open_root() -> io::Result<OwnedFd> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    OpenOptions::new().read(true).custom_flags(flags).open("/").map(Into::into)
}

/// Calls openat2 with `O_PATH`.
fn open_with(folder: BorrowedFd<'_>, path: &CStr, flags: i32, resolve: u64) -> io::Result<OwnedFd> {
    // SAFETY: `open_how` is three integers, for which all zeroes is a valid value.
    let mut how: libc::open_how = unsafe { mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_CLOEXEC | flags) as u64;
    how.resolve = resolve;
    // SAFETY: `folder` is open for the length of the call, `path` ends in NUL, and `how` is passed with
    // its own size; the kernel only reads both.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            folder.as_raw_fd(),
            path.as_ptr(),
            &raw const how,
            mem::size_of::<libc::open_how>(),
        )
    };
    let fd = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The text of a link that [`open_entry`] opened.
pub(super) fn read_link(link: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut text = vec![0; libc::PATH_MAX as usize];
    // SAFETY: the descriptor is open, the path is empty and ends in NUL (it means the descriptor itself), and the
    // buffer is passed with its length.
    let length =
        unsafe { libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), text.as_mut_ptr().cast(), text.len()) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    text.truncate(length);
    Ok(text)
}

/// Whether an open file lies in a procfs.
pub(super) fn is_proc(file: BorrowedFd<'_>) -> io::Result<bool> {
    // SAFETY: `statfs` is integers, for which all zeroes is a valid value.
    let mut answer: libc::statfs = unsafe { mem::zeroed() };
    // SAFETY: the descriptor is open, and `answer` has room for the answer.
    match unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut answer) } {
        0 => Ok(answer.f_type == libc::PROC_SUPER_MAGIC),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The user that this process acts as.
pub(super) fn effective_user() -> u32 {
    // SAFETY: geteuid takes no argument and cannot fail.
    unsafe { libc::geteuid() }
}

/// Forbids the calling thread, and all that it starts, to gain privileges when it executes a program.
///
/// The attribute belongs to a thread (kernel: kernel/sys.c, PR_SET_NO_NEW_PRIVS acts on `current`).
/// `landlock_restrict_self` requires it of a thread that does not have CAP_SYS_ADMIN (kernel:
/// security/landlock/syscalls.c).
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

/// What the kernel writes into its audit log of a thread under a ruleset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Audit(u32);

impl Audit {
    /// What the thread itself is refused, and the programs that it starts. Without the flag the kernel is silent about
    /// programs (include/uapi/linux/landlock.h, LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON). A kernel before ABI 7 writes
    /// nothing, and knows no flag.
    pub(super) fn of_abi(abi: u32) -> Self {
        const LOG_NEW_EXEC_ON: u32 = 1 << 1;
        Self(if abi >= AUDITS { LOG_NEW_EXEC_ON } else { 0 })
    }
}

/// The first ABI whose refusals are in the audit log (Linux 6.15).
pub const AUDITS: u32 = 7;

/// Puts the calling thread under `ruleset`, in addition to the rulesets that it is under already.
///
/// The flags of [`Audit`] do not change whom it concerns: the call changes the credentials of the calling thread only, because credentials belong to a task. It
/// prepares new credentials, merges the ruleset into their domain and commits them (kernel:
/// security/landlock/syscalls.c, landlock_restrict_self).
pub(super) fn restrict_self(ruleset: BorrowedFd<'_>, audit: Audit) -> Result<(), i32> {
    // SAFETY: the call takes a descriptor, open for the length of the call, and flags.
    let done = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), audit.0) };
    if done == 0 { Ok(()) } else { Err(last_errno()) }
}

/// The errno of the last call. Nothing is allocated.
fn last_errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
