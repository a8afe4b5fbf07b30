//! From a call that was looked at to what it did. The task goes on at the same time, so this may take long.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{self, File, Metadata},
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            fs::{FileExt, FileTypeExt, MetadataExt},
        },
    },
    path::PathBuf,
};

use super::{
    act::{Act, Remark},
    call::{Call, of_mode},
    kernel,
    record::Record,
    task::Looked,
};
use crate::lsm::landlock::{FileAccess, FileId, Place};

/// What is known about one watched thread and what it started.
#[derive(Default)]
pub(super) struct Memory {
    /// Tasks that made calls.
    tasks: HashSet<i32>,
    /// Devices that were opened since then. Landlock does not restrict the control of a device that was open before.
    devices: HashSet<FileId>,
    /// Abstract sockets that were made since then.
    sockets: HashSet<Vec<u8>>,
}

/// How many entries of each kind are remembered.
const MOST: usize = 1024;

/// The result for one call.
pub(super) struct Found {
    pub acts: Vec<Act>,
    pub remark: Option<Remark>,
}

impl Found {
    fn file(&mut self, place: Place, accesses: impl IntoIterator<Item = FileAccess>) {
        let acts = accesses.into_iter().map(|access| Act::File { place: place.clone(), access });
        self.acts.extend(acts);
    }
}

/// Judges a call. A call that the kernel refuses before it asks a ruleset gives nothing.
pub(super) fn judge(record: &Record, memory: &mut Memory) -> Found {
    let remark = record.unreadable.map(|errno| Remark::Unreadable { errno });
    let mut found = Found { acts: Vec::new(), remark };
    if memory.tasks.len() < MOST {
        memory.tasks.insert(record.task);
    }
    let Some(call) = record.call else { return found };
    if [&record.first, &record.second].iter().any(|looked| looked.real.bytes().starts_with(b"(unreachable)"))
    {
        found.remark = Some(Remark::Elsewhere);
        return found;
    }
    // A file that is gone, or that cannot be looked at any more, gives nothing.
    let _ = match call {
        Call::Open { flags, .. } => open(&record.first, flags, memory, &mut found),
        Call::Execute { .. } => execute(&record.first, &mut found),
        Call::Truncate(_) => truncate(&record.first, &mut found),
        Call::Make { access, .. } => make(&record.first, access, &mut found),
        Call::Remove { access, .. } => remove(&record.first, access, &mut found),
        Call::Link { .. } => refer(&record.first, &record.second, Refer::Link, &mut found),
        Call::Rename { exchange, .. } => {
            let how = if exchange { Refer::Exchange } else { Refer::Rename };
            refer(&record.first, &record.second, how, &mut found)
        }
        Call::Control { .. } => control(&record.first, memory, &mut found),
        Call::Connect(_) | Call::Bind(_) | Call::Send(_) => {
            socket(record, matches!(call, Call::Bind(_)), memory, &mut found)
        }
        Call::Signal(to) => signal(record, to, memory, &mut found),
        Call::IoUring => {
            found.remark = Some(Remark::IoUring);
            Ok(())
        }
        Call::Foreign => {
            found.remark = Some(Remark::Foreign);
            Ok(())
        }
        // These calls were replaced by others when they were looked at.
        Call::OpenHow { .. } | Call::SignalByDescriptor(_) => Ok(()),
    };
    found
}

fn metadata(file: &OwnedFd) -> io::Result<Metadata> {
    File::from(file.try_clone()?).metadata()
}

/// Whether this object has a path. An object that has no name in any folder (a pipe, a socket, shared memory) is
/// never restricted (kernel: security/landlock/fs.c, is_nouser_or_private, and disconnected internal mounts).
fn has_a_path(real: &[u8], metadata: &Metadata) -> bool {
    let nameless = [&b"/memfd:"[..], b"/SYSV", b"/dev/zero (deleted)", b"/[aio]", b"/anon_hugepage"];
    let gone = metadata.nlink() == 0;
    real.starts_with(b"/") && !(gone && nameless.iter().any(|name| real.starts_with(name)))
}

/// The path of an object. If a file is gone, the kernel adds a remark to its name, which is removed here.
fn path_of(real: &[u8], metadata: &Metadata) -> PathBuf {
    let gone = if metadata.nlink() == 0 { real.strip_suffix(b" (deleted)") } else { None };
    PathBuf::from(OsStr::from_bytes(gone.unwrap_or(real)))
}

/// The object with its place. `None` if it is nothing that a ruleset restricts.
fn existing(looked: &Looked) -> io::Result<Option<(Place, Metadata)>> {
    let Some(object) = &looked.object else { return Ok(None) };
    let metadata = metadata(object)?;
    let real = looked.real.bytes();
    if !has_a_path(real, &metadata) {
        return Ok(None);
    }
    let mut path = path_of(real, &metadata);
    if looked.folder.is_some() {
        path.push(OsStr::from_bytes(looked.name.bytes()));
    }
    Ok(Some((Place::of_known(&path, &metadata), metadata)))
}

/// The folder of an entry, and the entry as a place.
fn entry_of(looked: &Looked) -> io::Result<Option<(Place, Place)>> {
    let Some(folder) = &looked.folder else { return Ok(None) };
    let metadata = metadata(folder)?;
    let real = looked.real.bytes();
    if !has_a_path(real, &metadata) {
        return Ok(None);
    }
    let folder = Place::of_known(&path_of(real, &metadata), &metadata);
    let entry = folder.entry(OsStr::from_bytes(looked.name.bytes()));
    Ok(Some((folder, entry)))
}

fn permits(file: Option<&OwnedFd>, mode: i32) -> bool {
    file.is_some_and(|file| kernel::permits(file.as_fd(), mode))
}

/// The access that an open asks for by its mode, and the file permission that it needs.
fn of_open(flags: i32) -> (&'static [FileAccess], i32) {
    match flags & libc::O_ACCMODE {
        libc::O_RDONLY => (&[FileAccess::Read], libc::R_OK),
        libc::O_WRONLY => (&[FileAccess::Write], libc::W_OK),
        _ => (&[FileAccess::Read, FileAccess::Write], libc::R_OK | libc::W_OK),
    }
}

fn open(looked: &Looked, flags: i32, memory: &mut Memory, found: &mut Found) -> io::Result<()> {
    let (accesses, mode) = of_open(flags);
    let Some(object) = &looked.object else {
        let may = permits(looked.folder.as_ref(), libc::W_OK);
        if let Some((_, entry)) = entry_of(looked)?.filter(|_| may) {
            found.file(entry, [FileAccess::MakeFile].iter().chain(accesses).copied());
        }
        return Ok(());
    };
    let new_only = libc::O_CREAT | libc::O_EXCL;
    let Some((place, metadata)) = existing(looked)? else { return Ok(()) };
    let kind = metadata.file_type();
    if flags & new_only == new_only || kind.is_symlink() || kind.is_socket() {
        return Ok(());
    }
    if flags & libc::O_TMPFILE == libc::O_TMPFILE {
        if kernel::permits(object.as_fd(), libc::W_OK) {
            found.file(place.entry(OsStr::new("(temporary)")), accesses.iter().copied());
        }
        return Ok(());
    }
    if !kernel::permits(object.as_fd(), mode) {
        return Ok(());
    }
    if kind.is_dir() {
        if mode == libc::R_OK && flags & libc::O_CREAT == 0 {
            found.file(place, [FileAccess::List]);
        }
        return Ok(());
    }
    if (kind.is_char_device() || kind.is_block_device()) && memory.devices.len() < MOST {
        memory.devices.insert(FileId::of(&metadata));
    }
    let truncates = flags & libc::O_TRUNC != 0 && kind.is_file();
    found.file(place, accesses.iter().copied().chain(truncates.then_some(FileAccess::Truncate)));
    Ok(())
}

/// Whoever runs a program also runs what loads it: the interpreter of a script, or the loader of a program.
fn execute(looked: &Looked, found: &mut Found) -> io::Result<()> {
    let Some(object) = &looked.object else { return Ok(()) };
    let Some((place, metadata)) = existing(looked)? else { return Ok(()) };
    if !metadata.is_file() || !kernel::permits(object.as_fd(), libc::X_OK) {
        return Ok(());
    }
    found.file(place, [FileAccess::Execute]);
    let mut next = loader_of(object.as_fd());
    // The kernel follows no more of them (fs/exec.c, exec_binprm).
    for _ in 0..5 {
        let Some(path) = next.take() else { break };
        let Ok(real) = fs::canonicalize(&path) else { break };
        found.file(Place::at(&real)?, [FileAccess::Execute]);
        next = loader_of(OwnedFd::from(File::open(&real)?).as_fd());
    }
    Ok(())
}

/// What the kernel runs to run this program: the program behind `#!`, or the loader that the program names.
fn loader_of(program: BorrowedFd<'_>) -> Option<PathBuf> {
    let file = kernel::reopen(program).ok()?;
    let mut head = [0; 256];
    let length = file.read_at(&mut head, 0).ok()?;
    let head = &head[..length];
    let path = |bytes: &[u8]| Some(PathBuf::from(OsStr::from_bytes(bytes)));
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|b| *b == b'\n').next()?.trim_ascii_start();
        return path(line.split(|b| b.is_ascii_whitespace()).next().filter(|word| word.starts_with(b"/"))?);
    }
    path(&loader_of_elf(&file, head)?)
}

/// The segment PT_INTERP of a 64-bit program (elf(5)).
fn loader_of_elf(file: &File, head: &[u8]) -> Option<Vec<u8>> {
    const INTERPRETER: u32 = 3;
    let is_wide = head.starts_with(b"\x7fELF\x02");
    let word = |bytes: &[u8], at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes);
    let half = |at: usize| head.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes);
    let (table, size, number) = (word(head, 32).filter(|_| is_wide)?, half(54)?, half(56)?);
    for index in 0..u64::from(number) {
        let mut segment = [0; 56];
        file.read_exact_at(&mut segment, table.checked_add(index * u64::from(size))?).ok()?;
        if segment[..4] == INTERPRETER.to_ne_bytes() {
            let length =
                usize::try_from(word(&segment, 32)?).ok().filter(|n| *n <= libc::PATH_MAX as usize)?;
            let mut path = vec![0; length];
            file.read_exact_at(&mut path, word(&segment, 8)?).ok()?;
            path.truncate(path.iter().position(|b| *b == 0)?);
            return Some(path);
        }
    }
    None
}

fn truncate(looked: &Looked, found: &mut Found) -> io::Result<()> {
    let may = permits(looked.object.as_ref(), libc::W_OK);
    if let Some((place, _)) = existing(looked)?.filter(|(_, metadata)| may && metadata.is_file()) {
        found.file(place, [FileAccess::Truncate]);
    }
    Ok(())
}

fn make(looked: &Looked, access: FileAccess, found: &mut Found) -> io::Result<()> {
    let is_new = looked.object.is_none() && permits(looked.folder.as_ref(), libc::W_OK);
    if let Some((_, entry)) = entry_of(looked)?.filter(|_| is_new) {
        found.file(entry, [access]);
    }
    Ok(())
}

fn remove(looked: &Looked, access: FileAccess, found: &mut Found) -> io::Result<()> {
    let Some(object) = looked.object.as_ref().filter(|_| permits(looked.folder.as_ref(), libc::W_OK)) else {
        return Ok(());
    };
    let fits = metadata(object)?.is_dir() == (access == FileAccess::RemoveFolder);
    if let Some((_, entry)) = entry_of(looked)?.filter(|_| fits) {
        found.file(entry, [access]);
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Refer {
    Link,
    Rename,
    Exchange,
}

/// Follows the kernel: security/landlock/fs.c, current_check_refer_path.
fn refer(from: &Looked, to: &Looked, how: Refer, found: &mut Found) -> io::Result<()> {
    let kind = |looked: &Looked| looked.object.as_ref().map(metadata).transpose();
    let (Some(old), new) = (kind(from)?, kind(to)?) else { return Ok(()) };
    if (how == Refer::Link && (new.is_some() || old.is_dir())) || !permits(to.folder.as_ref(), libc::W_OK) {
        return Ok(());
    }
    let Some((to_folder, to_entry)) = entry_of(to)? else { return Ok(()) };
    let made = |metadata: &Metadata| of_mode(metadata.mode() as i32);
    let removed = |metadata: &Metadata| {
        if metadata.is_dir() { FileAccess::RemoveFolder } else { FileAccess::RemoveFile }
    };
    let Some((moved, _)) = existing(from)? else { return Ok(()) };
    found.file(to_entry, [made(&old)]);
    if how != Refer::Link {
        let Some((_, from_entry)) = entry_of(from)? else { return Ok(()) };
        found.file(from_entry.clone(), [removed(&old)]);
        if let Some((new, (_, to_entry))) = new.as_ref().zip(entry_of(to)?) {
            found.file(to_entry, [removed(new)]);
            if how == Refer::Exchange {
                found.file(from_entry, [made(new)]);
            }
        }
    }
    let from_folder = match entry_of(from)? {
        Some((folder, _)) => folder,
        None => match moved.path().parent() {
            Some(above) => Place::at(above)?,
            None => return Ok(()),
        },
    };
    if from_folder.ids() != to_folder.ids() {
        if let Some((other, _)) = existing(to)?.filter(|_| how == Refer::Exchange) {
            let (from, to) = (to_folder.clone(), from_folder.clone());
            found.acts.push(Act::Refer { from, to, moved: other });
        }
        found.acts.push(Act::Refer { from: from_folder, to: to_folder, moved });
    }
    Ok(())
}

fn control(looked: &Looked, memory: &Memory, found: &mut Found) -> io::Result<()> {
    let Some((place, metadata)) = existing(looked)? else { return Ok(()) };
    if memory.devices.contains(&FileId::of(&metadata)) {
        found.file(place, [FileAccess::ControlDevice]);
    }
    Ok(())
}

fn socket(record: &Record, binds: bool, memory: &mut Memory, found: &mut Found) -> io::Result<()> {
    let address = &record.address[..record.address_length];
    if record.is_tcp {
        if let Some(port) = address.get(2..4).and_then(|port| port.try_into().ok()).map(u16::from_be_bytes) {
            found.acts.push(if binds { Act::Bind(port) } else { Act::Connect(port) });
        }
        return Ok(());
    }
    if record.first.object.is_some() || record.first.folder.is_some() {
        if binds {
            return make(&record.first, FileAccess::MakeSocket, found);
        }
        let may = permits(record.first.object.as_ref(), libc::W_OK);
        if let Some((place, _)) = existing(&record.first)?.filter(|(_, m)| may && m.file_type().is_socket()) {
            found.file(place, [FileAccess::ConnectSocket]);
        }
        return Ok(());
    }
    let Some(name) = address.get(3..).map(<[u8]>::to_vec) else { return Ok(()) };
    if binds && memory.sockets.len() < MOST {
        memory.sockets.insert(name);
    } else if !binds && !memory.sockets.contains(&name) {
        found.acts.push(Act::Abstract(name));
    }
    Ok(())
}

/// A field of a task's status, as a number.
fn field(status: &str, name: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A signal to a process that is not the caller's own and that the request did not start.
fn signal(record: &Record, to: i32, memory: &Memory, found: &mut Found) -> io::Result<()> {
    if to > 0 {
        let theirs = String::from_utf8_lossy(record.first.real.bytes());
        let theirs = |name| field(&theirs, name);
        let own = fs::read_to_string("/proc/self/status")?;
        let own = |name| field(&own, name);
        let callers = if record.is_own { std::process::id() } else { record.task as u32 };
        let started = |task: u32| memory.tasks.contains(&(task as i32));
        // A process with more filters than this one was started by a watched request.
        let of_the_request = [theirs("Tgid"), theirs("PPid")].into_iter().flatten().any(started)
            || theirs("Seccomp_filters") > own("Seccomp_filters");
        let forbidden = own("Uid") != Some(0) && theirs("Uid") != own("Uid");
        if theirs("Tgid") == Some(callers) || of_the_request || forbidden {
            return Ok(());
        }
    }
    found.acts.push(Act::Signal(to));
    Ok(())
}
