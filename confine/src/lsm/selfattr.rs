//! The kernel's two doors to a thread's own context: system calls (Linux 6.8) and /proc. For the LSMs
//! that have both, SELinux and AppArmor.

use std::{
    ffi::CStr,
    fs, io,
    mem::size_of,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::Path,
};

/// Numbers of Linux 6.8. Since 5.1 all architectures number new calls alike, some with an offset
/// of their own, which the C library's number for openat2 (437) carries.
const SYS_LSM_GET_SELF_ATTR: libc::c_long = libc::SYS_openat2 - 437 + 459;
const SYS_LSM_SET_SELF_ATTR: libc::c_long = libc::SYS_openat2 - 437 + 460;
const SYS_LSM_LIST_MODULES: libc::c_long = libc::SYS_openat2 - 437 + 461;

// Kernel: include/uapi/linux/lsm.h.
const LSM_ID_SELINUX: u64 = 101;
const LSM_ID_APPARMOR: u64 = 104;
const LSM_ATTR_CURRENT: libc::c_uint = 100;
const LSM_FLAG_SINGLE: u32 = 1;

/// `struct lsm_ctx` without its text: id, flags, len, ctx_len, 8 bytes each.
const HEADER_WORDS: usize = 4;
/// Room for a context that is read: a page, more than the kernel lets be set.
const READ_WORDS: usize = 512;

/// An LSM, by the kernel's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LsmId(u64);

impl LsmId {
    pub(super) const SELINUX: Self = Self(LSM_ID_SELINUX);
    pub(super) const APPARMOR: Self = Self(LSM_ID_APPARMOR);
}

/// Which door is used. Chosen once, at startup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    /// `lsm_set_self_attr(2)`: one call, and no access to /proc needed before or after the move.
    Syscall,
    /// A file below `/proc/thread-self/attr`.
    Proc,
}

impl Interface {
    /// Any answer but "no such call", or "not for you" from a seccomp filter, means that the calls
    /// are there.
    pub(super) fn probe(lsm: LsmId) -> Self {
        match with_current(lsm, |_| ()) {
            Err(libc::ENOSYS | libc::EPERM) => Self::Proc,
            _ => Self::Syscall,
        }
    }

    /// The calling thread's context.
    pub(super) fn current(self, lsm: LsmId, proc_file: &Path) -> io::Result<String> {
        match self {
            Self::Syscall => {
                with_current(lsm, owned).unwrap_or_else(|e| Err(io::Error::from_raw_os_error(e)))
            }
            Self::Proc => owned(trimmed(&fs::read(proc_file)?)),
        }
    }
}

/// `struct lsm_ctx` as the kernel reads it, with a text and its NUL.
///
/// Words, because the structure is aligned to 8 bytes.
pub(super) struct Wire {
    words: Box<[u64]>,
    /// Bytes of `words` in use: `len` of the structure, and `size` of the call. The kernel wants
    /// size >= len >= header + ctx_len (security/security.c, security_setselfattr).
    len: u32,
}

impl Wire {
    /// `text` is what the LSM takes: SELinux a context, AppArmor a command. Shorter than a page.
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
/// It is opened by the thread itself: the kernel refuses a write to another thread's file
/// (fs/proc/base.c, proc_pid_attr_write), and one through a file that was opened under other
/// credentials.
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

    /// The kernel takes the text whole or not at all.
    pub(super) fn write(&self, text: &CStr) -> Result<(), i32> {
        let text = text.to_bytes_with_nul();
        // SAFETY: the buffer is as long as said, and the kernel only reads it.
        let written = unsafe { libc::write(self.0.as_raw_fd(), text.as_ptr().cast(), text.len()) };
        if written >= 0 { Ok(()) } else { Err(last_errno()) }
    }
}

/// The ids of the active security modules; `None` where the kernel has no such call (before 6.8).
pub(super) fn active_modules() -> Option<Vec<LsmId>> {
    let mut ids = [0_u64; 64];
    let mut size = Size::of(size_of::<[u64; 64]>());
    // SAFETY: `ids` has `size` bytes, of which the kernel writes at most as many; both outlive the
    // call.
    let count = unsafe { libc::syscall(SYS_LSM_LIST_MODULES, ids.as_mut_ptr(), size.as_mut_ptr(), 0_u32) };
    let count = usize::try_from(count).ok()?;
    Some(ids.get(..count)?.iter().copied().map(LsmId).collect())
}

/// Shows `look` the calling thread's context, as the kernel gives it by system call, without its NUL.
/// Allocates nothing.
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

/// The context in an answer of `lsm_get_self_attr`; `None` if it is not this LSM's or not complete.
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

/// A context as the kernel gives it, with a NUL at its end, or a newline, or neither: without.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|b| !matches!(b, 0 | b'\n')).map_or(0, |last| last + 1);
    &bytes[..end]
}

fn owned(bytes: &[u8]) -> io::Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// A size that the kernel reads and writes: 4 bytes since Linux 6.9, 8 bytes in 6.8. The second
/// half is 0, so that a little-endian 6.8 reads the same number.
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

/// Names of the numbers above (kernel: include/uapi/linux/lsm.h), in their order from 100 on.
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
    /// The name that the kernel gives it in /sys/kernel/security/lsm; one that is newer than this build
    /// has its number.
    pub(super) fn name(self) -> String {
        let known = self.0.checked_sub(100).and_then(|i| NAMES.get(usize::try_from(i).ok()?));
        known.map_or_else(|| format!("number {}", self.0), |name| (*name).to_owned())
    }
}

/// The errno of the call just made. Allocates nothing.
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
