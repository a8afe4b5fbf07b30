//! Processes that this one makes, and what it does to become another: the few system calls that a manager of programs
//! needs.

use std::{
    ffi::{CStr, CString},
    io,
    mem::{MaybeUninit, zeroed},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr::{null, null_mut},
    time::Duration,
};

use super::apart::{self, Limits};

/// On which side of a fork the caller goes on.
pub enum Forked {
    /// In the process that forked; the other's id.
    Parent(u32),
    /// In the new process.
    Child,
}

/// Makes a process that is a copy of this one, with the calling thread alone. No other thread of this process may hold
/// a lock that the copy will need.
pub fn fork() -> io::Result<Forked> {
    // SAFETY: the C library makes its own locks usable in the copy (fork(3)); what else the copy uses is the caller's
    // concern, as the text above says.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(pid.unsigned_abs())),
    }
}

/// Ends this process at once, without anything that would run at its end.
pub fn leave(status: i32) -> ! {
    // SAFETY: ends the process; nothing after it runs.
    unsafe { libc::_exit(status) }
}

/// The id of this process, also right after a fork.
pub fn id() -> u32 {
    std::process::id()
}

/// The id of the process that made this one.
pub fn parent() -> u32 {
    // SAFETY: a plain query.
    unsafe { libc::getppid() }.unsigned_abs()
}

pub(super) fn checked(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has the kernel send this process `signal` when the one that made it ends. A change of user takes that back.
pub fn end_with_parent(signal: i32) -> io::Result<()> {
    // SAFETY: a plain setting of this process.
    checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal, 0, 0, 0) })
}

/// Names this process, as `ps` and `killall` know it.
pub fn name(name: &CStr) {
    // SAFETY: a NUL-terminated name, of which the kernel takes the first 15 bytes.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// Makes this process the parent of the orphans among its descendants.
pub fn adopt_orphans() -> io::Result<()> {
    // SAFETY: a plain setting of this process.
    checked(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })
}

/// How many descriptors this process may have.
pub fn most_descriptors() -> usize {
    // SAFETY: a plain query, into plain data.
    unsafe {
        let mut limit: libc::rlimit = zeroed();
        match libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) {
            0 => usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX),
            _ => 0,
        }
    }
}

/// Makes this process the leader of a session and of a group of processes.
pub fn lead_session() {
    // SAFETY: a plain setting of this process. It fails only where the process leads a group already.
    unsafe { libc::setsid() };
}

/// Marks all descriptors from 3 on to be closed when a program is executed.
pub fn close_descriptors_at_exec() -> io::Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: changes flags of descriptors alone.
    checked(unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) as libc::c_int
    })
}

/// Closes all descriptors from 3 on, but for those in `keep`.
///
/// # Safety
/// Nothing in this process may use, or close, a descriptor that is not kept.
pub unsafe fn close_others(keep: &[RawFd]) {
    let mut kept: Vec<libc::c_uint> = keep.iter().filter_map(|fd| (*fd).try_into().ok()).collect();
    kept.sort_unstable();
    let mut from = 3;
    for fd in kept.into_iter().filter(|fd| *fd >= 3).chain([libc::c_uint::MAX]) {
        if from < fd {
            // SAFETY: the caller's promise.
            unsafe { libc::syscall(libc::SYS_close_range, from, fd - 1, 0) };
        }
        from = fd.saturating_add(1);
    }
}

/// Gives all signals the meaning that they have in a new program. Those in `wanted` are blocked, and come through the
/// descriptor that is returned; so are all others that a process outlives without a handler, and they are lost.
pub fn receive_signals(wanted: &[i32]) -> io::Result<OwnedFd> {
    default_signals();
    // SAFETY: sets of signals are plain data; the descriptor is fresh.
    unsafe {
        let (mut all, mut some): (libc::sigset_t, libc::sigset_t) = (zeroed(), zeroed());
        libc::sigfillset(&mut all);
        for fatal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT] {
            libc::sigdelset(&mut all, fatal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, null_mut());
        libc::sigemptyset(&mut some);
        wanted.iter().for_each(|signal| {
            libc::sigaddset(&mut some, *signal);
        });
        let fd = libc::signalfd(-1, &some, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        checked(fd)?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// The next signal that came through the descriptor of [`receive_signals`].
pub fn next_signal(signals: &OwnedFd) -> Option<i32> {
    let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
    let size = size_of::<libc::signalfd_siginfo>();
    // SAFETY: a live descriptor and room for one record, which a read that returns its size has filled.
    unsafe {
        let got = libc::read(signals.as_raw_fd(), info.as_mut_ptr().cast(), size);
        (got == size as isize).then(|| info.assume_init().ssi_signo as i32)
    }
}

fn default_signals() {
    for signal in 1..=64 {
        // SAFETY: the default action is valid for every signal; those that have none are refused with an error.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// A process that ended.
pub struct Ended {
    /// Its id, which is free again.
    pub process: u32,
    /// How it ended, in words.
    pub how: String,
    /// Whether it ended by itself and without an error.
    pub well: bool,
}

/// Takes the next child that ended away. While its id is still its own, the rest of the group that it led is killed.
pub fn next_ended() -> Option<Ended> {
    // SAFETY: zeros are a valid siginfo_t; the kernel fills it in.
    let mut info: libc::siginfo_t = unsafe { zeroed() };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: room for one record; si_pid is 0 where no child has ended.
    let pid = unsafe {
        if libc::waitid(libc::P_ALL, 0, &mut info, options) != 0 {
            return None;
        }
        info.si_pid()
    };
    if pid <= 0 {
        return None;
    }
    kill_group(pid.unsigned_abs(), libc::SIGKILL);
    let mut status = 0;
    // SAFETY: the child that was seen, which nobody else waits for.
    unsafe { libc::waitpid(pid, &mut status, 0) };
    let (how, well) = if libc::WIFSIGNALED(status) {
        (format!("signal {}", libc::WTERMSIG(status)), false)
    } else {
        let code = libc::WEXITSTATUS(status);
        (format!("status {code}"), code == 0)
    };
    Some(Ended { process: pid.unsigned_abs(), how, well })
}

/// Sends a signal to all processes of a group. One that is gone is no error.
pub fn kill_group(leader: u32, signal: i32) {
    // 0 and 1 would mean this process's own group, and all processes.
    if let Some(group) = i32::try_from(leader).ok().filter(|group| *group > 1) {
        // SAFETY: a plain call.
        unsafe { libc::kill(-group, signal) };
    }
}

/// Sends a signal to one process.
pub fn kill(process: u32, signal: i32) {
    if let Some(process) = i32::try_from(process).ok().filter(|process| *process > 1) {
        // SAFETY: a plain call.
        unsafe { libc::kill(process, signal) };
    }
}

/// A descriptor that is waited for.
pub fn readable(fd: BorrowedFd<'_>) -> libc::pollfd {
    libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}

/// Waits until one of the descriptors is ready, or for so long.
pub fn wait(fds: &mut [libc::pollfd], at_most: Duration) {
    let time = i32::try_from(at_most.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: a list of descriptors that the kernel writes to; those that are closed are told, and do no harm.
    unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, time) };
}

/// A pipe: where to read, without waiting, and where to write.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors, which are fresh; then a plain setting of one of them.
    unsafe {
        checked(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC))?;
        let (read, write) = (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]));
        checked(libc::fcntl(read.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK))?;
        Ok((read, write))
    }
}

/// Sixteen bytes that nobody can guess.
pub fn unguessable() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    // SAFETY: room for as many bytes as are asked for.
    match unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) } {
        16 => Ok(bytes),
        _ => Err(io::Error::last_os_error()),
    }
}

/// As whom a program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The user.
    pub user: u32,
    /// The group. There is no other one.
    pub group: u32,
}

/// A program to be executed in place of this process.
pub struct Execution<'e> {
    /// The program's file.
    pub program: &'e CStr,
    /// Its arguments, the name first.
    pub arguments: &'e [CString],
    /// All that it finds in its environment.
    pub environment: &'e [CString],
    /// What it has as its descriptor 0.
    pub input: BorrowedFd<'e>,
    /// What it has as its descriptors 1 and 2.
    pub output: BorrowedFd<'e>,
    /// As whom it runs, where the moves do not say so.
    pub identity: Option<Identity>,
    /// What it is limited to.
    pub limits: Limits<'e>,
}

/// Executes a program in place of this process, a child that has one thread and is to become nothing else. `enter`
/// makes the moves into the contexts, and `remedy` tells what to do where the kernel does not let it execute the program
/// after them. Returns only where that fails, and says why.
pub fn execute(
    execution: &Execution<'_>,
    made_by: u32,
    enter: impl FnOnce() -> Result<(), String>,
    remedy: &str,
) -> String {
    let said = |what: &str, error: io::Error| format!("{what}: {error}");
    let run = || -> Result<(), String> {
        lead_session();
        default_signals();
        // SAFETY: the empty set is valid; descriptors and numbers are this process's own.
        unsafe {
            let mut none: libc::sigset_t = zeroed();
            libc::sigemptyset(&mut none);
            libc::pthread_sigmask(libc::SIG_SETMASK, &none, null_mut());
            let (input, output) = (execution.input.as_raw_fd(), execution.output.as_raw_fd());
            for (from, to) in [(input, 0), (output, 1), (output, 2)] {
                checked(libc::dup2(from, to)).map_err(|e| said("its descriptors", e))?;
            }
            libc::umask(0o022);
            checked(libc::chdir(c"/".as_ptr())).map_err(|e| said("the folder /", e))?;
        }
        close_descriptors_at_exec().map_err(|e| said("closing descriptors at exec (Linux 5.11)", e))?;
        apart::set(&execution.limits).map_err(|e| said("its limits", e))?;
        let filtered = apart::leave_neighbours_alone(false);
        if let Some(identity) = execution.identity {
            become_user(identity).map_err(|e| said("becoming its user", e))?;
        }
        enter()?;
        if !filtered {
            apart::leave_neighbours_alone(true);
        }
        if is_root() {
            return Err("it would run as root, which no program of a pool does".to_owned());
        }
        end_with_parent(libc::SIGKILL).map_err(|e| said("ending with the manager", e))?;
        if parent() != made_by {
            leave(0);
        }
        let error = exec(execution);
        let remedy = match error.kind() {
            io::ErrorKind::PermissionDenied => format!("; {remedy}"),
            _ => String::new(),
        };
        Err(format!("executing {:?}: {error}{remedy}", execution.program))
    };
    run().err().unwrap_or_default()
}

/// Gives up this process's user and groups for good.
fn become_user(identity: Identity) -> io::Result<()> {
    // SAFETY: plain settings of this process, which has one thread.
    unsafe {
        checked(libc::setgroups(0, null()))?;
        checked(libc::setresgid(identity.group, identity.group, identity.group))?;
        checked(libc::setresuid(identity.user, identity.user, identity.user))
    }
}

/// Whether any of this process's users is root, so that it could become root again.
fn is_root() -> bool {
    let (mut real, mut effective, mut saved) = (0, 0, 0);
    // SAFETY: three places for three numbers.
    unsafe { libc::getresuid(&mut real, &mut effective, &mut saved) };
    [real, effective, saved].contains(&0)
}

/// Returns only where the kernel refuses.
fn exec(execution: &Execution<'_>) -> io::Error {
    let ended = |texts: &[CString]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([null()]).collect()
    };
    let (arguments, environment) = (ended(execution.arguments), ended(execution.environment));
    // SAFETY: a C string and two lists of such, each ended by null, all live.
    unsafe { libc::execve(execution.program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// The ids of this process's children, as the kernel lists them (CONFIG_PROC_CHILDREN; without it there are none).
pub fn children() -> Vec<u32> {
    let list = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The time of the clock that never jumps, which all processes of a machine share.
pub fn monotonic() -> Duration {
    // SAFETY: zeros are a valid time, and the clock always exists.
    let time = unsafe {
        let mut time: libc::timespec = zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time);
        time
    };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
