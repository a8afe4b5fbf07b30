//! A server as a process. It has a session of its own, and it is never left running.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long a server may take to stop before its whole group is killed.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// The two capabilities that let root read every file (linux/capability.h).
const READING_CAPABILITIES: [libc::c_ulong; 2] =
    [1 /* CAP_DAC_OVERRIDE */, 2 /* CAP_DAC_READ_SEARCH */];

/// A running server, the first process of a session and of a process group, because httpd signals its whole group
/// when it stops. It ends with the thread that started it, or earlier.
pub(crate) struct Daemon {
    child: Child,
    end_signal: libc::c_int,
}

impl Daemon {
    /// Starts httpd with its output going to `output`. `bound_by_modes` takes away root's right to read files whose
    /// mode forbids it.
    pub(crate) fn spawn(command: Command, output: &Path, bound_by_modes: bool) -> io::Result<Self> {
        Self::spawn_ending_on(libc::SIGTERM, command, output, bound_by_modes)
    }

    /// As [`spawn`](Self::spawn), for a server that ends immediately on another signal.
    pub(crate) fn spawn_ending_on(
        end_signal: libc::c_int,
        mut command: Command,
        output: &Path,
        bound_by_modes: bool,
    ) -> io::Result<Self> {
        let file = File::create(output)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).env("LC_ALL", "C");
        // SAFETY: between fork and exec the closure makes system calls only; it allocates nothing and
        // takes no lock.
        unsafe { command.pre_exec(move || prepare_session(end_signal, bound_by_modes)) };
        command.spawn().map(|child| Self { child, end_signal })
    }

    /// The process id of the server's first process.
    pub(crate) fn pid(&self) -> libc::pid_t {
        // Linux numbers processes below 2^22, so the number fits.
        self.child.id() as libc::pid_t
    }

    /// Its exit status, if it has ended.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end. `None` says that it still runs after `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            match self.exited() {
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
                end => return end,
            }
        }
    }

    /// Sends a signal to the server's first process.
    pub(crate) fn signal(&self, signal: libc::c_int) {
        // SAFETY: kill has no memory preconditions. The id is ours: after a start only `stop` waits for
        // the child, so until then no other process can have it.
        unsafe { libc::kill(self.pid(), signal) };
    }

    /// Waits until httpd has noticed every child that has ended so far. It looks once a second, and it logs a crash.
    pub(crate) fn wait_until_children_are_reaped(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.has_dead_child() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn has_dead_child(&self) -> bool {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let mut states =
            children.split_whitespace().map(|child| fs::read_to_string(format!("/proc/{child}/stat")));
        // In this file the state follows the name in parentheses (proc(5)).
        states.any(|stat| stat.is_ok_and(|stat| stat.contains(") Z ")))
    }

    /// Ends the server: first by a request, and after some time by force. The result says whether the request was
    /// enough.
    pub(crate) fn stop(&mut self) -> bool {
        if self.exited().is_some() {
            return true;
        }
        self.signal(self.end_signal);
        let ended = self.wait(STOP_LIMIT).is_some();
        if !ended {
            self.kill_group();
        }
        ended
    }

    fn kill_group(&mut self) {
        // SAFETY: as in `signal`; the group was made by setsid in the child and is named like it.
        unsafe { libc::kill(-self.pid(), libc::SIGKILL) };
        // If waiting fails, the process is gone, and nothing is left to do.
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

/// This runs in the new process before the server does.
fn prepare_session(end_signal: libc::c_int, bound_by_modes: bool) -> io::Result<()> {
    // SAFETY: setsid has no preconditions. In a child just forked it cannot fail.
    unsafe { libc::setsid() };
    // An interrupted test run must not leave servers behind.
    prctl(libc::PR_SET_PDEATHSIG, end_signal as libc::c_ulong)?;
    if bound_by_modes {
        for capability in READING_CAPABILITIES {
            prctl(libc::PR_CAPBSET_DROP, capability)?;
        }
    }
    Ok(())
}

fn prctl(option: libc::c_int, argument: libc::c_ulong) -> io::Result<()> {
    // SAFETY: both options used here take one integer and touch no memory of ours.
    match unsafe { libc::prctl(option, argument) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
