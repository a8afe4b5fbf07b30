//! Compiled maps are copied from their files into memory that nobody can change any more. This happens once for all
//! processes of a server.
//!
//! A file that is mapped into memory changes under its readers when somebody writes to it. When somebody cuts it short,
//! a read behind its new end kills the process (SIGBUS). So no answer comes from the file itself. The copy is in a
//! memory file (`memfd_create`) that is sealed: the kernel lets nobody write to it, cut it or lengthen it, not even
//! with a descriptor of it.
//!
//! One copy is enough. A map that is loaded before the server forks is mapped in all its processes. For a map that is
//! loaded later there is a [`Shelf`], a pair of sockets that was made before the fork. The process that makes a copy
//! leaves a descriptor of it there. The other processes take the descriptor with `MSG_PEEK`, so it stays for the next
//! one. No process trusts another with rules: each reads the file itself, and it only uses the copy on the shelf if
//! every byte is the same.

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::FileExt,
    },
    sync::atomic::{AtomicU32, Ordering},
};

use memmap2::{Mmap, MmapMut, MmapOptions};
use rustix::{
    fs::{FlockOperation, MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fcntl_lock, memfd_create},
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
    },
};

/// How many bytes of a file are read at a time. A file that is refused costs no more memory than that.
pub(super) const PIECE: usize = 256 << 10;

/// How often a process waits for another one to finish its copy, before it makes one itself. A map is looked at four
/// times a second, and a change takes two looks, so this is half a minute.
const PATIENCE: u32 = 60;

/// A memory file with these seals cannot be written to, cut or lengthened by anybody.
const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

/// The place where the processes of a server find the copy that one of them made.
#[derive(Debug)]
pub struct Shelf {
    /// What is sent into `put` stays in `look`, where each process can see it.
    put: OwnedFd,
    look: OwnedFd,
    /// An empty memory file. A process that is making a copy holds its lock. The kernel releases the lock when the
    /// process ends.
    lock: OwnedFd,
    waited: AtomicU32,
}

/// The lock of a shelf. It is released when this is dropped.
struct Held<'s>(&'s Shelf);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // If this fails, the lock ends with the process.
        let _ = fcntl_lock(&self.0.lock, FlockOperation::NonBlockingUnlock);
        self.0.waited.store(0, Ordering::Relaxed);
    }
}

/// Why there is no copy of a file.
#[derive(Debug)]
pub(super) enum Missed {
    /// The file is shorter than it was a moment ago.
    Cut,
    /// Another process is making the copy. It will be there soon.
    Busy,
    /// The kernel's answer to a read or to a request for memory.
    Io(io::Error),
}

impl From<io::Error> for Missed {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Cut } else { Self::Io(error) }
    }
}

impl Shelf {
    /// An empty shelf, for this process and the processes that it forks. It needs three descriptors.
    ///
    /// # Errors
    /// The kernel gives no socket or no memory file.
    pub fn new() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (put, look) = socketpair(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        Ok(Self { put, look, lock: memory_file()?, waited: AtomicU32::new(0) })
    }

    /// The copy of the `len` bytes of `file`. It is the one on the shelf, if that is the same, or a new one that is put
    /// there. `check` looks at the file before memory is taken for it.
    pub(super) fn copy<E: From<Missed>>(
        &self,
        file: &File,
        len: u64,
        check: impl FnOnce() -> Result<(), E>,
    ) -> Result<Mmap, E> {
        if let Some(copy) = self.same(file, len)? {
            return Ok(copy);
        }
        let Some(_held) = self.lock() else {
            if self.waited.fetch_add(1, Ordering::Relaxed) < PATIENCE {
                return Err(Missed::Busy.into());
            }
            check()?;
            return Ok(copy(file, len)?.0);
        };
        // Another process may have been faster.
        if let Some(copy) = self.same(file, len)? {
            return Ok(copy);
        }
        check()?;
        let (copy, sealed) = copy(file, len)?;
        if let Some(sealed) = sealed {
            self.replace(&sealed);
        }
        Ok(copy)
    }

    /// Takes the lock, unless another process holds it.
    fn lock(&self) -> Option<Held<'_>> {
        let taken = fcntl_lock(&self.lock, FlockOperation::NonBlockingLockExclusive);
        taken.is_ok().then_some(Held(self))
    }

    /// The copy on the shelf, if it has these bytes.
    fn same(&self, file: &File, len: u64) -> Result<Option<Mmap>, Missed> {
        let Some(sealed) = self.peek() else { return Ok(None) };
        let is_sealed = fcntl_get_seals(&sealed).is_ok_and(|seals| seals.contains(SEALS));
        let sealed = File::from(sealed);
        if !is_sealed || sealed.metadata()?.len() != len {
            return Ok(None);
        }
        let copy = map(&sealed)?;
        let mut rest = &copy[..];
        in_pieces(file, len, |piece| match rest.split_at_checked(piece.len()) {
            Some((head, behind)) if head == piece => {
                rest = behind;
                true
            }
            _ => false,
        })?;
        Ok(rest.is_empty().then_some(copy))
    }

    /// The descriptor on the shelf.
    fn peek(&self) -> Option<OwnedFd> {
        self.receive(RecvFlags::PEEK)
    }

    fn receive(&self, flags: RecvFlags) -> Option<OwnedFd> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let flags = flags | RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        recvmsg(&self.look, &mut [IoSliceMut::new(&mut byte)], &mut control, flags).ok()?;
        control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        })
    }

    /// Puts a descriptor on the shelf, and takes all others away. If this fails, the other processes make copies of
    /// their own.
    fn replace(&self, sealed: &File) {
        // A process that was taken over could fill the shelf again and again.
        for _ in 0..64 {
            if self.receive(RecvFlags::empty()).is_none() {
                break;
            }
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [sealed.as_fd()];
        if control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let _ = sendmsg(&self.put, &[IoSlice::new(b"m")], &mut control, flags);
        }
    }
}

/// A copy for this process and those that it forks. It is in a sealed memory file if the kernel gives one.
pub(super) fn copy(file: &File, len: u64) -> Result<(Mmap, Option<File>), Missed> {
    match memory_file() {
        Ok(memory) => {
            let mut memory = File::from(memory);
            let mut written = Ok(());
            in_pieces(file, len, |piece| {
                written = memory.write_all(piece);
                written.is_ok()
            })?;
            written?;
            fcntl_add_seals(&memory, SEALS).map_err(io::Error::from)?;
            Ok((map(&memory)?, Some(memory)))
        }
        // The kernel is old, or the policy of an LSM forbids it. Memory without a name belongs to this process alone.
        Err(_) => {
            let len = usize::try_from(len).map_err(|_| Missed::Io(Errno::NOMEM.into()))?;
            let mut memory = MmapMut::map_anon(len.max(1))?;
            file.read_exact_at(&mut memory[..len], 0)?;
            Ok((memory.make_read_only()?, None))
        }
    }
}

/// Reads `len` bytes from the start of `file` and gives them to `take`, until `take` says no. It never uses more memory
/// than one piece.
pub(super) fn in_pieces(file: &File, len: u64, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), Missed> {
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    while at < len {
        let piece = usize::try_from(len - at).map_or(PIECE, |rest| rest.min(PIECE));
        file.read_exact_at(&mut buffer[..piece], at)?;
        if !take(&buffer[..piece]) {
            break;
        }
        at += piece as u64;
    }
    Ok(())
}

fn memory_file() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Linux before 6.3 does not know the last flag. Since then a setting (vm.memfd_noexec) can require it.
    Ok(memfd_create("confine-map", flags | MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| memfd_create("confine-map", flags))?)
}

/// Maps a whole sealed memory file into memory.
fn map(sealed: &File) -> io::Result<Mmap> {
    // A private mapping, as before Linux 6.7 a shared one of a file that is sealed against writing is refused
    // even for reading. Nothing writes to it, so that its pages are the file's own all the same.
    // SAFETY: the file has SEALS (added or looked at before), so it is never written to nor cut short.
    unsafe { MmapOptions::new().map_copy_read_only(sealed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(bytes, 0).expect("written");
        file
    }

    fn any(shelf: &Shelf, file: &File, len: usize) -> Result<Mmap, Missed> {
        shelf.copy(file, len as u64, || Ok::<(), Missed>(()))
    }

    /// Which file in the kernel's memory a mapping is of.
    fn inode(copy: &Mmap) -> String {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
        let start = format!("{:x}-", copy.as_ptr() as usize);
        let line = maps.lines().find(|l| l.starts_with(&start)).expect("a mapping");
        line.split_whitespace().nth(4).expect("an inode").to_owned()
    }

    #[test]
    fn one_copy_serves_all_who_ask_for_the_same_bytes() {
        let bytes = vec![7; PIECE + 5];
        let (first, second) = (file(&bytes), file(&bytes));
        let shelf = Shelf::new().expect("a shelf");
        let copies = [&first, &second, &first].map(|f| any(&shelf, f, bytes.len()).expect("a copy"));
        assert_eq!(&copies[0][..], &bytes[..]);
        assert_eq!(inode(&copies[0]), inode(&copies[1]));
        assert_eq!(inode(&copies[0]), inode(&copies[2]));
        // Other bytes of the same length, which differ at the very end.
        second.write_all_at(b"x", bytes.len() as u64 - 1).expect("written");
        let other = any(&shelf, &second, bytes.len()).expect("a copy");
        assert_ne!(inode(&other), inode(&copies[0]));
        assert_eq!(other.last(), Some(&b'x'));
        assert_eq!(inode(&other), inode(&any(&shelf, &second, bytes.len()).expect("a copy")));
    }

    #[test]
    fn a_copy_stays_as_it_is_whatever_happens_to_the_file() {
        let bytes = vec![1; 3 * 4096];
        let from = file(&bytes);
        let copy = any(&Shelf::new().expect("a shelf"), &from, bytes.len()).expect("a copy");
        from.set_len(0).expect("cut");
        assert_eq!(&copy[..], &bytes[..]);
    }

    #[test]
    fn a_file_that_is_cut_meanwhile_gives_no_copy() {
        let shelf = Shelf::new().expect("a shelf");
        assert!(matches!(any(&shelf, &file(b"abc"), 4), Err(Missed::Cut)));
        assert!(matches!(copy(&file(b"abc"), 4), Err(Missed::Cut)));
    }

    #[test]
    fn what_lies_on_the_shelf_is_not_believed() {
        let shelf = Shelf::new().expect("a shelf");
        // A memory file without seals that holds the right bytes: its owner could change them later.
        let mut open = File::from(memory_file().expect("memory"));
        open.write_all(b"abc").expect("written");
        shelf.replace(&open);
        let copy = any(&shelf, &file(b"abc"), 3).expect("a copy");
        open.write_all_at(b"evil", 0).expect("written");
        assert_eq!(&copy[..], b"abc");
    }

    #[test]
    fn a_sealed_copy_can_be_neither_written_nor_cut() {
        let (_, sealed) = copy(&file(b"abc"), 3).expect("a copy");
        let mut sealed = sealed.expect("a memory file");
        assert!(sealed.write_all(b"x").is_err() && sealed.set_len(0).is_err() && sealed.set_len(9).is_err());
    }

    #[test]
    fn what_is_found_unfit_is_not_copied() {
        let shelf = Shelf::new().expect("a shelf");
        let unfit = || Err(Missed::Cut);
        assert!(shelf.copy(&file(b"abc"), 3, unfit).is_err());
        assert!(shelf.peek().is_none());
    }
}
