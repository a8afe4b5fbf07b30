//! How a thread reads and sets its own context. The kernel offers two ways: system calls (since Linux 6.8), and files
//! below /proc. SELinux and AppArmor have both.

use std::{
    ffi::CStr,
    fs, io,
    mem::size_of,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::Path,
};

/// The numbers of system calls that Linux 6.8 added. Since Linux 5.1 a new call has the same number on all
/// architectures, but some of them add an offset of their own. The number of openat2 (437) in the C library has that
/// offset, too.
const SYS_LSM_GET_SELF_ATTR: libc::c_long = libc::SYS_openat2 - 437 + 459;
const SYS_LSM_SET_SELF_ATTR: libc::c_long = libc::SYS_openat2 - 437 + 460;
const SYS_LSM_LIST_MODULES: libc::c_long = libc::SYS_openat2 - 437 + 461;

// Kernel: include/uapi/linux/lsm.h.
const LSM_ID_SELINUX: u64 = 101;
const LSM_ID_APPARMOR: u64 = 104;
const LSM_ATTR_CURRENT: libc::c_uint = 100;
const LSM_FLAG_SINGLE: u32 = 1;

/// The length of `struct lsm_ctx` without its text: id, flags, len and ctx_len, 8 bytes each.
const HEADER_WORDS: usize = 4;
/// Room for the answer, a page. The kernel lets nobody set a longer context.
const READ_WORDS: usize = 512;

/// An LSM by its number in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LsmId(u64);

impl LsmId {
    pub(super) const SELINUX: Self = Self(LSM_ID_SELINUX);
    pub(super) const APPARMOR: Self = Self(LSM_ID_APPARMOR);
}

/// The way that is used. It is chosen once, at startup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    /// `lsm_set_self_attr(2)`. It is one call, and the thread needs no access to /proc, before the move or after it.
    Syscall,
    /// A file below `/proc/thread-self/attr`.
    Proc,
}

impl Interface {
    /// Asks for the thread's own context by system call. ENOSYS says that the kernel has no such call, and EPERM comes
    /// from a seccomp filter that forbids it. Any other answer means that the calls can be used.
    pub(super) fn probe(lsm: LsmId) -> Self {
        match with_current(lsm, |_| ()) {
            Err(libc::ENOSYS | libc::EPERM) => Self::Proc,
            _ => Self::Syscall,
        }
    }

    /// The context of the calling thread.
    pub(super) fn current(self, lsm: LsmId, proc_file: &Path) -> io::Result<String> {
        match self {
            Self::Syscall => {
                with_current(lsm, owned).unwrap_or_else(|e| Err(io::Error::from_raw_os_error(e)))
            }
            Self::Proc => owned(trimmed(&fs::read(proc_file)?)),
        }
    }
}

/// `struct lsm_ctx` as the kernel reads it, with a text and the NUL behind it. It is kept in words of 8 bytes, because
/// the structure is aligned to 8 bytes.
pub(super) struct Wire {
    words: Box<[u64]>,
    /// How many bytes of `words` are in use. It is the `len` of the structure and the `size` of the call: the kernel
    /// wants size >= len >= header + ctx_len (security/security.c, security_setselfattr).
    len: u32,
}

impl Wire {
    /// `text` is what the LSM takes: a context for SELinux, a command for AppArmor. It is shorter than a page.
    pub(super) fn new(lsm: LsmId, text: &CStr) -> Self {
        let context = text.to_bytes_with_nul();
        let len = HEADER_WORDS * size_of::<u64>() + context.len();
        let mut words = vec![lsm.0, 0, len as u64, context.len() as u64];
        words.extend(context.chunks(size_of::<u64>()).map(|chunk| {
            let mut word = [0; size_of::<u64>()];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_ne_bytes(word)
        }));
        Self { words: words.into(), len: u32::try_from(len).unwrap_or(u32::MAX) }
    }

    /// Moves the calling thread.
    ///
    /// # Errors
    /// The errno.
    pub(super) fn set_current(&self) -> Result<(), i32> {
        if self.len as usize > size_of::<u64>() * self.words.len() {
            return Err(libc::E2BIG);
        }
        // SAFETY: `words` is aligned for `struct lsm_ctx` and, as just checked, at least `len` bytes
        // long; the kernel only reads it.
        let done = unsafe {
            libc::syscall(SYS_LSM_SET_SELF_ATTR, LSM_ATTR_CURRENT, self.words.as_ptr(), self.len, 0_u32)
        };
        if done == 0 { Ok(()) } else { Err(last_errno()) }
    }
}

/// A file below `/proc/thread-self/attr`, open for the calling thread.
///
/// The thread that moves opens it itself. The kernel refuses a write to the file of another thread (fs/proc/base.c,
/// proc_pid_attr_write), and a write through a file that was opened with other credentials.
pub(super) struct AttrFile(OwnedFd);

impl AttrFile {
    pub(super) fn open(proc_file: &CStr) -> Result<Self, i32> {
        // SAFETY: `proc_file` ends in NUL.
        let fd = unsafe { libc::open(proc_file.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
        if fd < 0 {
            return Err(last_errno());
        }
        // SAFETY: the descriptor was just made, and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Writes the text. The kernel takes all of it or nothing.
    pub(super) fn write(&self, text: &CStr) -> Result<(), i32> {
        let text = text.to_bytes_with_nul();
        // SAFETY: the buffer is as long as said, and the kernel only reads it.
        let written = unsafe { libc::write(self.0.as_raw_fd(), text.as_ptr().cast(), text.len()) };
        if written >= 0 { Ok(()) } else { Err(last_errno()) }
    }
}

/// The numbers of the active security modules. `None` says that the kernel has no such call (Linux before 6.8).
pub(super) fn active_modules() -> Option<Vec<LsmId>> {
    let mut ids = [0_u64; 64];
    let mut size = Size::of(size_of::<[u64; 64]>());
    // SAFETY: `ids` has `size` bytes, of which the kernel writes at most as many; both outlive the
    // call.
    let count = unsafe { libc::syscall(SYS_LSM_LIST_MODULES, ids.as_mut_ptr(), size.as_mut_ptr(), 0_u32) };
    let count = usize::try_from(count).ok()?;
    Some(ids.get(..count)?.iter().copied().map(LsmId).collect())
}

/// Calls `look` with the context of the calling thread, without the NUL at its end. The context comes by system call.
/// Nothing is allocated.
pub(super) fn with_current<T>(lsm: LsmId, look: impl FnOnce(&[u8]) -> T) -> Result<T, i32> {
    let mut words = [0_u64; READ_WORDS];
    words[0] = lsm.0;
    let mut size = Size::of(size_of::<[u64; READ_WORDS]>());
    // SAFETY: `words` is aligned for `struct lsm_ctx` and has `size` bytes, of which the kernel
    // reads the header and writes at most all; both outlive the call.
    let count = unsafe {
        libc::syscall(
            SYS_LSM_GET_SELF_ATTR,
            LSM_ATTR_CURRENT,
            words.as_mut_ptr(),
            size.as_mut_ptr(),
            LSM_FLAG_SINGLE,
        )
    };
    if count < 0 {
        return Err(last_errno());
    }
    from_wire(lsm, &words).map(look).ok_or(libc::EOPNOTSUPP)
}

/// The context in an answer of `lsm_get_self_attr`. `None` says that the answer is of another LSM or not complete.
fn from_wire(lsm: LsmId, words: &[u64]) -> Option<&[u8]> {
    let (header, body) = words.split_at_checked(HEADER_WORDS)?;
    if header[0] != lsm.0 {
        return None;
    }
    let len = usize::try_from(header[3]).ok().filter(|len| *len > 0)?;
    // SAFETY: the bytes of initialised words are initialised, any address is aligned for a byte, and
    // the length is that of `body`, which the slice borrows.
    let bytes = unsafe { std::slice::from_raw_parts(body.as_ptr().cast::<u8>(), size_of_val(body)) };
    bytes.get(..len).map(trimmed)
}

/// A context without the NUL or the newline that the kernel may put at its end.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|b| !matches!(b, 0 | b'\n')).map_or(0, |last| last + 1);
    &bytes[..end]
}

fn owned(bytes: &[u8]) -> io::Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// A size that the kernel reads and writes. It has 4 bytes since Linux 6.9, and 8 bytes in 6.8. The second half is 0,
/// so that a little-endian 6.8 reads the same number.
#[repr(C, align(8))]
struct Size([u32; 2]);

impl Size {
    fn of(bytes: usize) -> Self {
        Self([u32::try_from(bytes).unwrap_or(u32::MAX), 0])
    }

    fn as_mut_ptr(&mut self) -> *mut u32 {
        self.0.as_mut_ptr()
    }
}

/// The names of the security modules whose numbers begin at 100, in the order of the numbers (kernel:
/// include/uapi/linux/lsm.h).
const NAMES: [&str; 14] = [
    "capability",
    "selinux",
    "smack",
    "tomoyo",
    "apparmor",
    "yama",
    "loadpin",
    "safesetid",
    "lockdown",
    "bpf",
    "landlock",
    "ima",
    "evm",
    "ipe",
];

impl LsmId {
    /// The name of the module in /sys/kernel/security/lsm. A module that is newer than this list is shown by its
    /// number.
    pub(super) fn name(self) -> String {
        let known = self.0.checked_sub(100).and_then(|i| NAMES.get(usize::try_from(i).ok()?));
        known.map_or_else(|| format!("number {}", self.0), |name| (*name).to_owned())
    }
}

/// The errno of the last call. Nothing is allocated.
fn last_errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_the_kernels_structure() {
        let wire = Wire::new(LsmId::SELINUX, c"u:r:app_t:s0");
        let bytes: Vec<u8> = wire.words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
        assert_eq!((word(0), word(8), word(16), word(24)), (101, 0, 45, 13));
        assert_eq!(&bytes[32..45], b"u:r:app_t:s0\0");
        assert_eq!(wire.len, 45);
        assert!(bytes.len() >= 45 && bytes[45..].iter().all(|b| *b == 0));
        assert_eq!(wire.words.as_ptr() as usize % 8, 0);
        assert_eq!(Wire::new(LsmId::APPARMOR, c"x").words[0], 104);
    }

    #[test]
    fn what_is_put_on_the_wire_is_read_back() {
        for context in [c"a", c"u:r:t:s0", c"u:r:app_t:s0-s0:c0.c1023"] {
            let wire = Wire::new(LsmId::SELINUX, context);
            assert_eq!(from_wire(LsmId::SELINUX, &wire.words), Some(context.to_bytes()));
            assert_eq!(from_wire(LsmId::APPARMOR, &wire.words), None);
        }
    }

    #[test]
    fn answers_that_are_not_whole_are_not_read() {
        let read = |words: &[u64]| from_wire(LsmId::SELINUX, words).is_some();
        assert!(read(&[101, 0, 40, 8, u64::MAX]));
        assert!(!read(&[]));
        assert!(!read(&[101, 0, 40, 9, 0]));
        assert!(!read(&[101, 0, 32, 0]));
        assert!(!read(&[101, 0, 32, u64::MAX, 0]));
    }

    #[test]
    fn a_context_from_proc_loses_its_nul() {
        assert_eq!(trimmed(b"u:r:t:s0\0"), b"u:r:t:s0");
        assert_eq!(trimmed(b"u:r:t:s0\n"), b"u:r:t:s0");
        assert_eq!(trimmed(b"\0"), b"");
        assert!(owned(b"\xff").is_err());
    }

    #[test]
    fn modules_have_the_names_that_the_kernel_prints() {
        assert_eq!(
            [101, 103, 104, 110].map(|id| LsmId(id).name()),
            ["selinux", "tomoyo", "apparmor", "landlock"]
        );
        assert_eq!(
            [7, 100, 113, 114].map(|id| LsmId(id).name()),
            ["number 7", "capability", "ipe", "number 114"]
        );
    }

    #[test]
    fn a_missing_proc_is_an_errno() {
        assert_eq!(AttrFile::open(c"/nonexistent/attr/current").err(), Some(libc::ENOENT));
    }
}
