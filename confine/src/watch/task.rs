//! A watched task: its memory, its folders, and where a path leads from there.
//!
//! Nothing here allocates or takes a lock (see [`super::kernel`]).

use std::{
    ffi::CStr,
    fs::File,
    io,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::fs::MetadataExt,
    },
};

use super::{
    call::Name,
    kernel::{self, proc_name},
};

/// How many links are followed at the end of a path. The kernel's limit is the same (include/linux/namei.h,
/// MAXSYMLINKS).
const MOST_LINKS: usize = 40;

/// Bytes of a limited length that end in NUL.
pub(super) struct Text {
    bytes: [u8; Self::ROOM],
    length: usize,
}

impl Text {
    /// The longest path that the kernel accepts, and room for what replaces `/proc/self`.
    const ROOM: usize = libc::PATH_MAX as usize + 64;

    pub(super) const EMPTY: Self = Self { bytes: [0; Self::ROOM], length: 0 };

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
        self.bytes[0] = 0;
    }

    /// Replaces the text.
    pub(super) fn set(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        self.clear();
        for part in parts {
            let end = self.length + part.len();
            if end >= Self::ROOM {
                return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
            }
            self.bytes[self.length..end].copy_from_slice(part);
            self.length = end;
        }
        self.bytes[self.length] = 0;
        Ok(())
    }

    /// Reads into the text as much as it has room for.
    pub(super) fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<()> {
        self.clear();
        let room = Self::ROOM - 1;
        let length = read(&mut self.bytes[..room])?;
        if length >= room {
            return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
        }
        self.length = length;
        self.bytes[length] = 0;
        Ok(())
    }

    fn c_str(&self) -> io::Result<&CStr> {
        CStr::from_bytes_until_nul(&self.bytes[..=self.length]).map_err(|_| errno(libc::EINVAL))
    }
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

/// The result of looking up one path.
pub(super) struct Looked {
    /// The object that the path leads to, if it exists.
    pub object: Option<OwnedFd>,
    /// The folder that holds the entry, if an entry was asked for.
    pub folder: Option<OwnedFd>,
    /// The real path of the folder if there is one, and otherwise of the object.
    pub real: Text,
    /// The name of the entry.
    pub name: Text,
}

impl Looked {
    pub(super) const EMPTY: Self = Self { object: None, folder: None, real: Text::EMPTY, name: Text::EMPTY };

    pub(super) fn clear(&mut self) {
        self.object = None;
        self.folder = None;
        self.real.clear();
        self.name.clear();
    }

    /// Reads the kernel's own name of the open file, because the walk to the root follows this name.
    fn keep_real_path(&mut self) -> io::Result<()> {
        let Some(open) = self.folder.as_ref().or(self.object.as_ref()) else {
            return Err(errno(libc::ENOENT));
        };
        let mut text = [0; 48];
        let link = proc_name(&mut text, format_args!("/proc/self/fd/{}", open.as_raw_fd()))?;
        self.real.fill(|to| kernel::read_link(libc::AT_FDCWD, link, to))
    }
}

/// The task that made a call.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    /// The number of the task.
    pub number: i32,
    /// Whether it is a thread of this process.
    pub is_own: bool,
    /// The name of the watched thread. A process that the thread forks also has this name until it executes a
    /// program.
    pub comm: &'a [u8; 16],
    /// The root folder of this process.
    pub root: (u64, u64),
}

impl Task<'_> {
    /// Whether task `number` is a thread of this process.
    pub(super) fn is_own(number: i32) -> bool {
        let mut text = [0; 48];
        let path = proc_name(&mut text, format_args!("/proc/self/task/{number}"));
        path.and_then(|path| kernel::reference(libc::AT_FDCWD, path, 0, 0)).is_ok()
    }

    /// Copies from the task's memory.
    ///
    /// The memory of this process is closed to readers, and so is that of a child that it forks, until the child
    /// executes a program. To read it gives EPERM. But until then the child's memory is a copy of this process's. So
    /// the same address is read here: the path of the program to execute was written before the fork.
    pub(super) fn read(&self, from: u64, to: &mut [u8]) -> io::Result<usize> {
        let own = if self.is_own { std::process::id() as i32 } else { self.number };
        match kernel::read_memory(own, from, to) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) && self.is_a_fork() => {
                kernel::read_memory(std::process::id() as i32, from, to)
            }
            read => read,
        }
    }

    /// Whether the task has not executed a program yet. A program's name replaces the name of the thread.
    fn is_a_fork(&self) -> bool {
        let mut text = [0; 48];
        let mut name = [0; 16];
        let path = proc_name(&mut text, format_args!("/proc/{}/comm", self.number));
        let read = path.and_then(|path| kernel::read_file(path, &mut name));
        let length = self.comm.iter().position(|b| *b == 0).unwrap_or(self.comm.len());
        read.is_ok_and(|read| name[..read].strip_suffix(b"\n") == Some(&self.comm[..length]))
    }

    /// Reads a path up to its NUL, as the kernel does.
    pub(super) fn read_path(&self, from: u64, to: &mut Text) -> io::Result<()> {
        to.clear();
        let mut length = 0;
        while length < libc::PATH_MAX as usize {
            let at = from.checked_add(length as u64).ok_or_else(|| errno(libc::EFAULT))?;
            // A read does not cross the end of a page, because the next page may not exist.
            let to_the_end = 1024 - (at % 1024) as usize;
            let room = to_the_end.min(libc::PATH_MAX as usize - length);
            let part = &mut to.bytes[length..length + room];
            let read = self.read(at, part)?;
            if read == 0 {
                return Err(errno(libc::EFAULT));
            }
            if let Some(end) = part[..read].iter().position(|b| *b == 0) {
                to.length = length + end;
                return Ok(());
            }
            length += read;
        }
        to.clear();
        Err(errno(libc::ENAMETOOLONG))
    }

    /// Opens one of the task's own files: `cwd`, `root`, `fd/7`.
    fn its(&self, what: std::fmt::Arguments<'_>) -> io::Result<OwnedFd> {
        let mut text = [0; 48];
        let path = proc_name(&mut text, format_args!("/proc/{}/{what}", self.number))?;
        kernel::reference(libc::AT_FDCWD, path, 0, 0)
    }

    /// The open file of a descriptor.
    pub(super) fn descriptor(&self, number: i32) -> io::Result<OwnedFd> {
        self.its(format_args!("fd/{number}"))
    }

    /// Looks up a path from this task's root or folder. `flags` are those of openat2, in addition to `O_PATH`.
    fn open(&self, folder: i32, path: &Text, flags: i32, resolve: u64) -> io::Result<OwnedFd> {
        let absolute = path.bytes().starts_with(b"/");
        if absolute && resolve & (libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT) == 0 {
            return self.open_absolute(path, flags, resolve);
        }
        let base = match folder {
            libc::AT_FDCWD => self.its(format_args!("cwd"))?,
            folder => self.descriptor(folder)?,
        };
        kernel::reference(base.as_raw_fd(), path.c_str()?, flags, resolve)
    }

    fn open_absolute(&self, path: &Text, flags: i32, resolve: u64) -> io::Result<OwnedFd> {
        if self.is_own {
            return kernel::reference(libc::AT_FDCWD, path.c_str()?, flags, resolve);
        }
        // The links of a fork of this process are closed. Its root is the root of this process.
        let root = self.its(format_args!("root")).ok().map(File::from);
        let elsewhere = root.filter(|root| root.metadata().is_ok_and(|m| (m.dev(), m.ino()) != self.root));
        if let Some(root) = elsewhere {
            return kernel::reference(
                root.as_raw_fd(),
                path.c_str()?,
                flags,
                resolve | libc::RESOLVE_IN_ROOT,
            );
        }
        let mut own = Text::EMPTY;
        let path = if self.is_of_the_caller(path, &mut own)? { &own } else { path };
        kernel::reference(libc::AT_FDCWD, path.c_str()?, flags, resolve)
    }

    /// Whether the path means something else for each process: `/proc/self`, and what links to it in `/dev`.
    fn is_of_the_caller(&self, path: &Text, own: &mut Text) -> io::Result<bool> {
        let mut text = [0; 48];
        let prefix = proc_name(&mut text, format_args!("/proc/{}", self.number))?.to_bytes();
        let bytes = path.bytes();
        for (start, instead) in
            [(&b"/proc/self/"[..], &b"/"[..]), (b"/proc/thread-self/", b"/"), (b"/dev/fd/", b"/fd/")]
        {
            if let Some(rest) = bytes.strip_prefix(start) {
                return own.set(&[prefix, instead, rest]).map(|()| true);
            }
        }
        let standard: [(&[u8], &[u8]); 3] =
            [(b"/dev/stdin", b"/fd/0"), (b"/dev/stdout", b"/fd/1"), (b"/dev/stderr", b"/fd/2")];
        match standard.iter().find(|(name, _)| *name == bytes) {
            Some((_, instead)) => own.set(&[prefix, instead]).map(|()| true),
            None => Ok(false),
        }
    }

    /// Looks up what a path leads to.
    pub(super) fn look(
        &self,
        name: Name,
        path: &Text,
        flags: i32,
        resolve: u64,
        to: &mut Looked,
    ) -> io::Result<()> {
        to.object = Some(self.open(name.folder, path, flags, resolve)?);
        to.keep_real_path()
    }

    /// Looks up the open file of a descriptor.
    pub(super) fn look_at_descriptor(&self, number: i32, to: &mut Looked) -> io::Result<()> {
        to.object = Some(self.descriptor(number)?);
        to.keep_real_path()
    }

    /// Looks up the folder that holds the last name of a path, and the object of that name, if there is one. A link
    /// is not followed.
    pub(super) fn look_for_entry(
        &self,
        name: Name,
        path: &Text,
        resolve: u64,
        to: &mut Looked,
    ) -> io::Result<()> {
        let end = path.bytes().iter().rposition(|b| *b != b'/').map_or(0, |last| last + 1);
        let bytes = &path.bytes()[..end];
        let start = bytes.iter().rposition(|b| *b == b'/').map_or(0, |slash| slash + 1);
        let (above, last) = bytes.split_at(start);
        if matches!(last, b"" | b"." | b"..") {
            return Err(errno(libc::EBUSY));
        }
        to.name.set(&[last])?;
        let mut folder = Text::EMPTY;
        folder.set(&[if above.is_empty() { b"." } else { above }])?;
        self.in_folder(self.open(name.folder, &folder, libc::O_DIRECTORY, resolve)?, to)
    }

    fn in_folder(&self, folder: OwnedFd, to: &mut Looked) -> io::Result<()> {
        to.object = entry(folder.as_raw_fd(), &to.name)?;
        to.folder = Some(folder);
        to.keep_real_path()
    }

    /// Looks up what a path leads to, and if that does not exist, the entry that is to be made. If a link leads to
    /// nothing, its target is the entry to be made.
    pub(super) fn look_or_make(
        &self,
        name: Name,
        path: &Text,
        flags: i32,
        resolve: u64,
        to: &mut Looked,
    ) -> io::Result<()> {
        match self.look(name, path, flags, resolve, to) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            found => return found,
        }
        self.look_for_entry(name, path, resolve, to)?;
        let mut target = Text::EMPTY;
        for _ in 0..MOST_LINKS {
            let (Some(link), Some(folder)) = (&to.object, &to.folder) else { return Ok(()) };
            target.fill(|bytes| kernel::read_link(link.as_raw_fd(), c"", bytes))?;
            let folder = folder.try_clone()?;
            let mut above = Looked::EMPTY;
            let base = Base { task: self, folder: &folder };
            base.look_for_entry(&target, resolve, &mut above)?;
            *to = above;
        }
        Err(errno(libc::ELOOP))
    }
}

/// A folder of which this process has a descriptor. The text of a link begins there.
struct Base<'a> {
    task: &'a Task<'a>,
    folder: &'a OwnedFd,
}

impl Base<'_> {
    fn look_for_entry(&self, path: &Text, resolve: u64, to: &mut Looked) -> io::Result<()> {
        let here = Name { folder: self.folder.as_raw_fd(), path: 0 };
        let own = Task { number: std::process::id() as i32, is_own: true, ..*self.task };
        let task = if path.bytes().starts_with(b"/") { *self.task } else { own };
        task.look_for_entry(here, path, resolve, to)
    }
}

/// The object of this name in a folder. A link is not followed.
fn entry(folder: RawFd, name: &Text) -> io::Result<Option<OwnedFd>> {
    match kernel::reference(folder, name.c_str()?, libc::O_NOFOLLOW, 0) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}
