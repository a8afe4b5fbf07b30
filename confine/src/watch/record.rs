//! One watched call, looked at while its task waits. Nothing here allocates or takes a lock (see [`super::kernel`]).

use std::{io, os::fd::AsRawFd};

use super::{
    call::{self, Address, Call, Name},
    kernel::{self, Notice, proc_name},
    task::{Looked, Task, Text},
};

/// What a task asked for, with all that can only be seen while it waits.
pub(super) struct Record {
    /// The task that asked.
    pub task: i32,
    /// Whether the task is a thread of this process.
    pub is_own: bool,
    /// What it asked for. `None` if there is nothing to judge.
    pub call: Option<Call>,
    /// The file, or the old one of two names.
    pub first: Looked,
    /// The new one of two names.
    pub second: Looked,
    /// The address of a socket.
    pub address: [u8; 128],
    pub address_length: usize,
    /// Whether the socket is TCP.
    pub is_tcp: bool,
    /// The errno, if the memory or the files of this task could not be looked at.
    pub unreadable: Option<i32>,
}

impl Record {
    pub(super) fn empty() -> Self {
        Self {
            task: 0,
            is_own: false,
            call: None,
            first: Looked::EMPTY,
            second: Looked::EMPTY,
            address: [0; 128],
            address_length: 0,
            is_tcp: false,
            unreadable: None,
        }
    }

    pub(super) fn clear(&mut self) {
        self.call = None;
        self.first.clear();
        self.second.clear();
        self.address_length = 0;
        self.is_tcp = false;
        self.unreadable = None;
    }

    /// Whether there is something to judge.
    pub(super) fn says_something(&self) -> bool {
        self.call.is_some() || self.unreadable.is_some()
    }

    /// Looks at a call.
    pub(super) fn look(&mut self, notice: &Notice, task: Task<'_>, path: &mut Text) {
        self.task = task.number;
        self.is_own = task.is_own;
        let Some(call) = call::call(notice) else { return };
        match self.look_at(call, task, path) {
            Ok(call) => self.call = Some(call),
            Err(Unseen::Nothing) => {}
            Err(Unseen::Unreadable(errno)) => self.unreadable = Some(errno),
        }
    }

    fn look_at(&mut self, call: Call, task: Task<'_>, path: &mut Text) -> Result<Call, Unseen> {
        match call {
            Call::Open { name, flags } => self.open(task, name, flags, 0, path)?,
            Call::OpenHow { name, how } => {
                let mut bytes = [0; 24];
                if task.read(how, &mut bytes)? < bytes.len() {
                    return Err(Unseen::Unreadable(libc::EFAULT));
                }
                let word = |at: usize| u64::from_ne_bytes(std::array::from_fn(|byte| bytes[8 * at + byte]));
                let flags = word(0) as i32;
                self.open(task, name, flags, word(2) & !libc::RESOLVE_CACHED, path)?;
                return Ok(Call::Open { name, flags });
            }
            Call::Execute { name, flags } => {
                task.read_path(name.path, path)?;
                if path.bytes().is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
                    task.look_at_descriptor(name.folder, &mut self.first)?;
                } else {
                    let nofollow = if flags & libc::AT_SYMLINK_NOFOLLOW != 0 { libc::O_NOFOLLOW } else { 0 };
                    task.look(name, path, nofollow, 0, &mut self.first)?;
                }
            }
            Call::Truncate(name) => {
                task.read_path(name.path, path)?;
                task.look(name, path, 0, 0, &mut self.first)?;
            }
            Call::Make { name, .. } | Call::Remove { name, .. } => {
                task.read_path(name.path, path)?;
                task.look_for_entry(name, path, 0, &mut self.first)?;
            }
            Call::Link { from, to, follow, empty } => {
                task.read_path(from.path, path)?;
                if path.bytes().is_empty() && empty {
                    task.look_at_descriptor(from.folder, &mut self.first)?;
                } else if follow {
                    task.look(from, path, 0, 0, &mut self.first)?;
                } else {
                    task.look_for_entry(from, path, 0, &mut self.first)?;
                }
                task.read_path(to.path, path)?;
                task.look_for_entry(to, path, 0, &mut self.second)?;
            }
            Call::Rename { from, to, .. } => {
                task.read_path(from.path, path)?;
                task.look_for_entry(from, path, 0, &mut self.first)?;
                task.read_path(to.path, path)?;
                task.look_for_entry(to, path, 0, &mut self.second)?;
            }
            Call::Control { file } => task.look_at_descriptor(file, &mut self.first)?,
            Call::Connect(address) | Call::Bind(address) | Call::Send(address) => {
                self.socket(task, address, matches!(call, Call::Bind(_)), path)?;
            }
            Call::Signal(to) => self.status_of(to)?,
            Call::SignalByDescriptor(number) => {
                let to = process_of(task, number, path)?;
                self.status_of(to)?;
                return Ok(Call::Signal(to));
            }
            Call::IoUring | Call::Foreign => {}
        }
        Ok(call)
    }

    fn open(
        &mut self,
        task: Task<'_>,
        name: Name,
        flags: i32,
        resolve: u64,
        path: &mut Text,
    ) -> Result<(), Unseen> {
        // `O_PATH` opens a reference, and not the file (kernel: fs/open.c, do_dentry_open).
        if flags & libc::O_PATH != 0 {
            return Err(Unseen::Nothing);
        }
        task.read_path(name.path, path)?;
        let new_only = libc::O_CREAT | libc::O_EXCL;
        let followed = flags & (libc::O_NOFOLLOW | libc::O_DIRECTORY);
        let looked = if flags & new_only == new_only {
            task.look_for_entry(name, path, resolve, &mut self.first)
        } else if flags & libc::O_CREAT != 0 {
            task.look_or_make(name, path, flags & libc::O_NOFOLLOW, resolve, &mut self.first)
        } else {
            task.look(name, path, followed, resolve, &mut self.first)
        };
        Ok(looked?)
    }

    /// Keeps what is known about a process, because the signal may end it.
    fn status_of(&mut self, process: i32) -> Result<(), Unseen> {
        if process > 0 {
            let mut text = [0; 48];
            let path = proc_name(&mut text, format_args!("/proc/{process}/status"))?;
            self.first.real.fill(|to| kernel::read_file(path, to))?;
        }
        Ok(())
    }

    fn socket(
        &mut self,
        task: Task<'_>,
        address: Address,
        makes: bool,
        path: &mut Text,
    ) -> Result<(), Unseen> {
        let length = usize::try_from(address.length).unwrap_or(usize::MAX).min(self.address.len());
        self.address_length = task.read(address.at, &mut self.address[..length])?;
        let family = self.address.first_chunk::<2>().map(|bytes| i32::from(u16::from_ne_bytes(*bytes)));
        match family.filter(|_| self.address_length >= 2) {
            Some(libc::AF_INET | libc::AF_INET6) => {
                let protocol = protocol(task, address.socket)?;
                self.is_tcp = protocol == libc::IPPROTO_TCP;
                if self.is_tcp { Ok(()) } else { Err(Unseen::Nothing) }
            }
            Some(libc::AF_UNIX) => self.unix(task, makes, path),
            _ => Err(Unseen::Nothing),
        }
    }

    /// Looks up a path. A name that lies in no folder begins with NUL or is empty.
    fn unix(&mut self, task: Task<'_>, makes: bool, path: &mut Text) -> Result<(), Unseen> {
        let text = &self.address[2..self.address_length];
        let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
        if end == 0 {
            return if text.is_empty() { Err(Unseen::Nothing) } else { Ok(()) };
        }
        path.set(&[&text[..end]])?;
        let here = Name { folder: libc::AT_FDCWD, path: 0 };
        if makes {
            task.look_for_entry(here, path, 0, &mut self.first)?;
        } else {
            task.look(here, path, 0, 0, &mut self.first)?;
        }
        Ok(())
    }
}

/// Why there is nothing to judge.
enum Unseen {
    /// The kernel itself refuses the call, or the call asks for nothing.
    Nothing,
    /// This process is not allowed to look.
    Unreadable(i32),
}

impl From<io::Error> for Unseen {
    /// If this process is not allowed to look, this is told. If a file does not exist, the call fails before a
    /// ruleset is asked.
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno @ (libc::EPERM | libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOSYS)) => {
                Self::Unreadable(errno)
            }
            _ => Self::Nothing,
        }
    }
}

/// The protocol of a task's socket.
fn protocol(task: Task<'_>, socket: i32) -> io::Result<i32> {
    if task.is_own {
        return kernel::socket_option(socket, libc::SO_PROTOCOL);
    }
    let copy = kernel::socket_of(task.number, socket)?;
    kernel::socket_option(copy.as_raw_fd(), libc::SO_PROTOCOL)
}

/// The process that a task's descriptor refers to.
fn process_of(task: Task<'_>, number: i32, to: &mut Text) -> Result<i32, Unseen> {
    let mut text = [0; 48];
    let path = proc_name(&mut text, format_args!("/proc/{}/fdinfo/{number}", task.number))?;
    to.fill(|bytes| kernel::read_file(path, bytes))?;
    let line = to.bytes().split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"Pid:"));
    let number = line.and_then(|digits| std::str::from_utf8(digits).ok()?.trim().parse().ok());
    number.filter(|process| *process > 0).ok_or(Unseen::Nothing)
}
