//! The system calls of watching. From the look at a call to its answer, nothing here allocates or takes a lock,
//! because the watched thread may hold that lock.

use std::{
    ffi::CStr,
    fs::File,
    io::{self, Write},
    mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use super::filter;

/// A call of a watched thread. The thread waits for the answer.
pub(super) type Notice = libc::seccomp_notif;

/// The errno that says why a thread got no filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotInstalled(pub i32);

fn checked(answer: libc::c_long) -> io::Result<libc::c_long> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

fn descriptor(answer: libc::c_long) -> io::Result<OwnedFd> {
    let raw = RawFd::try_from(checked(answer)?).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Puts the filter on the calling thread, and so on all that it starts. It cannot be removed.
pub(super) fn install(program: &[libc::sock_filter]) -> Result<OwnedFd, NotInstalled> {
    let failed = || NotInstalled(io::Error::last_os_error().raw_os_error().unwrap_or(0));
    let length = libc::c_ushort::try_from(program.len()).map_err(|_| NotInstalled(libc::E2BIG))?;
    // SAFETY: this prctl takes integers only.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1 as libc::c_ulong, 0, 0, 0) } != 0 {
        return Err(failed());
    }
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: a program with its length, which the kernel only reads. Without TSYNC the call concerns this thread alone.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    descriptor(listener).map_err(|_| failed())
}

/// Waits for the next call. ENOENT says that the thread that made it has been killed.
pub(super) fn receive(listener: RawFd) -> io::Result<Notice> {
    // SAFETY: integers, for which all zeroes is a valid value (and what the kernel asks for).
    let mut notice: Notice = unsafe { mem::zeroed() };
    // SAFETY: an open listener, and a place of the size that the request's number says.
    checked(unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut notice) }.into())?;
    Ok(notice)
}

/// Lets a call go on unchanged.
pub(super) fn go_on(listener: RawFd, id: u64) {
    let mut answer = libc::seccomp_notif_resp {
        id,
        val: 0,
        error: 0,
        flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
    };
    // SAFETY: an open listener and an answer of the size that the request's number says. A thread that was killed
    // meanwhile needs none.
    unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) };
}

/// Whether the thread still waits for the answer. If so, its number still belongs to it.
pub(super) fn is_waiting(listener: RawFd, id: u64) -> bool {
    // SAFETY: an open listener and a number.
    unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const id) == 0 }
}

/// Copies from the memory of a task. The result is the number of bytes that could be read.
pub(super) fn read_memory(task: i32, from: u64, to: &mut [u8]) -> io::Result<usize> {
    let local = libc::iovec { iov_base: to.as_mut_ptr().cast(), iov_len: to.len() };
    let from = usize::try_from(from).map_err(|_| io::Error::from_raw_os_error(libc::EFAULT))?;
    let remote = libc::iovec { iov_base: std::ptr::without_provenance_mut(from), iov_len: to.len() };
    // SAFETY: one buffer with its length; the other address is the kernel's to check, whoever's memory it is.
    let read = unsafe { libc::process_vm_readv(task, &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// Calls openat2 with `O_PATH`. The descriptor is only a reference.
pub(super) fn reference(base: RawFd, path: &CStr, flags: i32, resolve: u64) -> io::Result<OwnedFd> {
    // SAFETY: `open_how` is three integers, for which all zeroes is a valid value.
    let mut how: libc::open_how = unsafe { mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_CLOEXEC | flags) as u64;
    how.resolve = resolve;
    // SAFETY: a path that ends in NUL, and `how` with its own size; the kernel only reads both.
    descriptor(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            base,
            path.as_ptr(),
            &raw const how,
            mem::size_of::<libc::open_how>(),
        )
    })
}

/// Copies the text of a link into `to`. The result is its length.
pub(super) fn read_link(base: RawFd, path: &CStr, to: &mut [u8]) -> io::Result<usize> {
    // SAFETY: a path that ends in NUL and a buffer with its length.
    let length = unsafe { libc::readlinkat(base, path.as_ptr(), to.as_mut_ptr().cast(), to.len()) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

/// Whether the file permissions allow this process to use the open file in this way.
pub(super) fn permits(file: BorrowedFd<'_>, mode: i32) -> bool {
    let flags = libc::AT_EMPTY_PATH | libc::AT_EACCESS;
    // SAFETY: an open descriptor and an empty path that ends in NUL.
    let answer = unsafe { libc::syscall(libc::SYS_faccessat2, file.as_raw_fd(), c"".as_ptr(), mode, flags) };
    // An older kernel does not know the call. The file permissions are then not checked.
    answer == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS)
}

/// Opens the file of a reference to read it.
pub(super) fn reopen(file: BorrowedFd<'_>) -> io::Result<File> {
    let mut text = [0; 48];
    let name = proc_name(&mut text, format_args!("/proc/self/fd/{}", file.as_raw_fd()))?;
    // SAFETY: a path that ends in NUL.
    let opened = unsafe { libc::open(name.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK) };
    descriptor(opened.into()).map(File::from)
}

/// Reads the beginning of a file.
pub(super) fn read_file(path: &CStr, to: &mut [u8]) -> io::Result<usize> {
    // SAFETY: a path that ends in NUL.
    let file = descriptor(unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) }.into())?;
    // SAFETY: an open descriptor and a buffer with its length.
    let read = unsafe { libc::read(file.as_raw_fd(), to.as_mut_ptr().cast(), to.len()) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// The name of the calling thread.
pub(super) fn own_name() -> [u8; 16] {
    let mut name = [0; 16];
    // SAFETY: a place for 16 bytes, which is what the kernel writes (prctl(2), PR_GET_NAME).
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr(), 0, 0, 0) };
    name
}

/// A short C string that is made without an allocation.
pub(super) fn proc_name<'t>(text: &'t mut [u8; 48], name: std::fmt::Arguments<'_>) -> io::Result<&'t CStr> {
    let length = {
        let mut rest = &mut text[..];
        rest.write_fmt(name)?;
        rest.write_all(&[0])?;
        48 - rest.len()
    };
    CStr::from_bytes_with_nul(&text[..length]).map_err(io::Error::other)
}

/// A copy of another task's descriptor for a socket (pidfd_getfd).
pub(super) fn socket_of(group: i32, number: i32) -> io::Result<OwnedFd> {
    // SAFETY: integers.
    let process = descriptor(unsafe { libc::syscall(libc::SYS_pidfd_open, group, 0) })?;
    // SAFETY: an open descriptor and integers.
    descriptor(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) })
}

/// An integer option of a socket.
pub(super) fn socket_option(socket: RawFd, option: i32) -> io::Result<i32> {
    let (mut value, mut length) = (0_i32, mem::size_of::<i32>() as libc::socklen_t);
    // SAFETY: a place for an integer, with its length.
    let answer = unsafe {
        libc::getsockopt(socket, libc::SOL_SOCKET, option, (&raw mut value).cast(), &raw mut length)
    };
    checked(answer.into()).map(|_| value)
}

/// A new epoll instance.
pub(super) fn epoll() -> io::Result<OwnedFd> {
    // SAFETY: an integer.
    descriptor(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }.into())
}

/// Registers `file` with `epoll`. Its events carry `mark`.
pub(super) fn epoll_add(epoll: RawFd, file: RawFd, mark: u64) -> io::Result<()> {
    let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: mark };
    // SAFETY: two open descriptors, and an event that the kernel copies.
    checked(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, file, &raw mut event) }.into()).map(drop)
}

/// Removes `file` from `epoll`.
pub(super) fn epoll_remove(epoll: RawFd, file: RawFd) {
    // SAFETY: two descriptors; a kernel since 2.6.9 takes no event here.
    unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_DEL, file, std::ptr::null_mut()) };
}

/// Waits for events, at most `milliseconds`. Each event is a mark, and whether the last watched task is gone.
pub(super) fn epoll_wait(epoll: RawFd, milliseconds: i32, to: &mut [(u64, bool); 16]) -> usize {
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 16];
    // SAFETY: a place for as many events as it says.
    let ready = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), 16, milliseconds) };
    let ready = usize::try_from(ready).unwrap_or(0);
    for (place, event) in to.iter_mut().zip(&events[..ready]) {
        *place = (event.u64, event.events & libc::EPOLLIN as u32 == 0);
    }
    ready
}

/// The number of the calling thread.
pub(super) fn own_thread() -> i32 {
    // SAFETY: asks, and cannot fail.
    unsafe { libc::gettid() }
}

/// Forks without the C library's fork handlers, because they take its locks. The result says whether this is the
/// child.
pub(super) fn fork() -> io::Result<bool> {
    let signal = libc::SIGCHLD as libc::c_long;
    // On s390x the stack is the first argument (clone(2)).
    let (first, second) = if cfg!(target_arch = "s390x") { (0, signal) } else { (signal, 0) };
    // SAFETY: as fork(2). The child calls only what this module offers, which takes no lock of the C library's.
    let child = unsafe { libc::syscall(libc::SYS_clone, first, second, 0, 0, 0) };
    checked(child).map(|child| child == 0)
}

/// Prepares a forked child: it gets its own session, no signal handlers, and keeps no descriptors except listeners
/// and `epoll`. It must not keep the server's sockets open.
pub(super) fn leave_all_behind(epoll: RawFd) {
    const MOST: RawFd = 1 << 16;
    // SAFETY: plain calls that concern this process alone: the handlers of the server's must not run in it, and its
    // other descriptors are used by nobody here.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        libc::setsid();
        libc::prctl(libc::PR_SET_NAME, c"confine-watch".as_ptr(), 0, 0, 0);
        let mut to = [0; 64];
        for file in (0..MOST).filter(|file| *file != epoll) {
            let mut text = [0; 48];
            let link = proc_name(&mut text, format_args!("/proc/self/fd/{file}"));
            let read = link.and_then(|link| read_link(libc::AT_FDCWD, link, &mut to));
            if read.is_ok_and(|length| !to[..length].starts_with(b"anon_inode:seccomp notify")) {
                libc::close(file);
            }
        }
        libc::syscall(libc::SYS_close_range, MOST, libc::c_uint::MAX, 0);
    }
}

/// Ends this process at once.
pub(super) fn exit() -> ! {
    // SAFETY: ends the process; nothing after it runs.
    unsafe { libc::_exit(0) }
}

/// The whole filter.
pub(super) fn filter() -> Vec<libc::sock_filter> {
    filter::program()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_proc_is_made_without_an_allocation() {
        let mut text = [0; 48];
        assert_eq!(proc_name(&mut text, format_args!("/proc/{}/fd/{}", 7, 8)).unwrap(), c"/proc/7/fd/8");
        assert!(proc_name(&mut text, format_args!("{:48}", 1)).is_err());
    }

    #[test]
    fn memory_that_is_not_there_is_an_error() {
        let own = i32::try_from(std::process::id()).unwrap();
        let (word, mut copy) = (*b"word", [0; 4]);
        assert_eq!(read_memory(own, word.as_ptr().addr() as u64, &mut copy).unwrap(), 4);
        assert_eq!(copy, word);
        assert_eq!(read_memory(own, 8, &mut copy).unwrap_err().raw_os_error(), Some(libc::EFAULT));
    }
}
