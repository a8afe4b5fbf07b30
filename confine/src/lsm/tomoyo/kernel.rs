//! The kernel's files: `self_domain`, with which a thread moves itself, and `domain_policy`, which answers questions
//! about the policy.
//!
//! Everyone may write `self_domain`, and the kernel keeps nothing between two writes (security/tomoyo/securityfs_if.c,
//! tomoyo_write_self). So all threads of a process share one descriptor.
//!
//! Only root may open `domain_policy`. But any user may ask through a descriptor that is open: the kernel answers a
//! `select` before it looks at who may change the policy (security/tomoyo/common.c, tomoyo_write_control). A descriptor
//! keeps its question between the write and the reads of the answer. So one lock covers both, and each process opens a
//! descriptor of its own.

use std::{
    fs,
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{
    policy::{Garbled, Header},
    text::Domain,
};

/// The open descriptors of one process.
pub(super) struct Kernel {
    self_domain: OwnedFd,
    policy: Mutex<Policy>,
}

/// The file `domain_policy`, and room for its answers.
struct Policy {
    file: fs::File,
    answer: Box<[u8]>,
}

/// The longest answer that is of use: a name twice, one of them in the question, and a few words.
const ANSWER: usize = 2 * 4096 + 256;

/// How many bytes of an answer are neither the question nor the name: `# select `, the line that tells of a deleted
/// domain, `use_profile 255`, and newlines.
const AROUND: usize = 64;

/// A question that is made at startup and asked on requests.
pub(super) struct Question {
    /// `select domain=NAME` and a newline.
    line: Box<[u8]>,
}

impl Question {
    pub fn about(name: &str) -> Self {
        Self { line: format!("select domain={name}\n").into_bytes().into() }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    Io(io::Error),
    Garbled,
}

impl From<Garbled> for Unanswered {
    fn from(_: Garbled) -> Self {
        Self::Garbled
    }
}

impl From<io::Error> for Unanswered {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Kernel {
    /// Opens the files that a process needs. `folder` is the folder of TOMOYO in securityfs.
    ///
    /// # Errors
    /// A file cannot be opened. The text names it.
    pub fn open(folder: &Path) -> Result<Self, (String, io::Error)> {
        let open = |name: &str, read: bool| {
            let path = folder.join(name);
            let mut options = fs::OpenOptions::new();
            options.read(read).write(true).custom_flags(libc::O_CLOEXEC);
            options.open(&path).map_err(|e| (path.display().to_string(), e))
        };
        Ok(Self::of(open("self_domain", false)?.into(), open("domain_policy", true)?.into()))
    }

    /// With descriptors of `self_domain` and `domain_policy` that are open already.
    pub fn of(self_domain: OwnedFd, policy: OwnedFd) -> Self {
        Self {
            self_domain,
            policy: Mutex::new(Policy { file: policy.into(), answer: vec![0; ANSWER].into() }),
        }
    }

    /// Moves the calling thread to the domain `name`. It is one system call.
    ///
    /// # Errors
    /// The errno.
    pub fn enter(&self, name: &[u8]) -> Result<(), i32> {
        loop {
            // SAFETY: the descriptor is open and the buffer is as long as `name.len()` says; the kernel only reads it.
            let written =
                unsafe { libc::write(self.self_domain.as_raw_fd(), name.as_ptr().cast(), name.len()) };
            // The kernel takes all of a name or nothing.
            if written >= 0 {
                return Ok(());
            }
            let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
            if errno != libc::EINTR {
                return Err(errno);
            }
        }
    }

    /// Asks for a domain of the loaded policy. It is two system calls and allocates nothing.
    pub fn ask<T>(
        &self,
        question: &Question,
        use_it: impl FnOnce(Option<Header<'_>>) -> T,
    ) -> Result<T, Unanswered> {
        self.ask_line(&question.line, question.line.len(), use_it)
    }

    /// Asks for the domain of the calling thread, which is expected to be `name`.
    pub fn ask_own<T>(
        &self,
        name: &str,
        use_it: impl FnOnce(Option<Header<'_>>) -> T,
    ) -> Result<T, Unanswered> {
        let mut line = [0; 32];
        let room = line.len();
        let mut rest = &mut line[..];
        // SAFETY: gettid takes no argument and changes nothing.
        let thread = unsafe { libc::gettid() };
        // The kernel finds a thread by its own number here (tomoyo_select_domain, find_task_by_vpid).
        writeln!(rest, "select pid={thread}")?;
        let used = room - rest.len();
        self.ask_line(&line[..used], used + name.len(), use_it)
    }

    /// Asks a question. `most` is the greatest length of the question and the name in the answer. The kernel then
    /// prints no more than that of the domain's rules.
    fn ask_line<T>(
        &self,
        line: &[u8],
        most: usize,
        use_it: impl FnOnce(Option<Header<'_>>) -> T,
    ) -> Result<T, Unanswered> {
        let mut policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        let Policy { file, answer } = &mut *policy;
        file.write_all(line)?;
        let room = (line.len() + most + AROUND).min(answer.len());
        let length = read(file, &mut answer[..room])?;
        let asked = line.strip_prefix(b"select ").and_then(|l| l.strip_suffix(b"\n")).unwrap_or(line);
        Ok(use_it(Header::parse(&answer[..length], asked)?))
    }

    /// All that the kernel prints about the domain of the calling thread.
    pub fn own_text(&self) -> Result<String, Unanswered> {
        // SAFETY: gettid takes no argument and changes nothing.
        let thread = unsafe { libc::gettid() };
        self.text(&format!("select pid={thread}\n"))
    }

    /// All that the kernel prints about a domain. It is one line where the domain does not exist.
    pub fn domain_text(&self, domain: &Domain) -> Result<String, Unanswered> {
        self.text(&format!("select domain={domain}\n"))
    }

    fn text(&self, question: &str) -> Result<String, Unanswered> {
        let mut policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner);
        policy.file.write_all(question.as_bytes())?;
        let mut text = Vec::new();
        policy.file.read_to_end(&mut text)?;
        String::from_utf8(text).map_err(|_| Unanswered::Garbled)
    }

    /// The whole policy, but of each domain only what concerns moves between domains.
    pub fn transitions(&self) -> Result<String, Unanswered> {
        // `reset` makes the kernel forget the last question.
        self.text("reset\nselect transition_only\n")
    }
}

/// Reads once. The kernel fills the buffer as far as it can.
fn read(file: &mut fs::File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = |name: &str| {
            let (path, error) = Kernel::open(folder.path()).err().unwrap();
            assert_eq!(path, folder.path().join(name).display().to_string());
            assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        };
        missing("self_domain");
        fs::write(folder.path().join("self_domain"), "").unwrap();
        missing("domain_policy");
        fs::write(folder.path().join("domain_policy"), "").unwrap();
        assert!(Kernel::open(folder.path()).is_ok());
    }

    #[test]
    fn descriptors_are_not_inherited_by_programs() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["self_domain", "domain_policy"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let kernel = Kernel::open(folder.path()).unwrap();
        let policy = kernel.policy.lock().unwrap();
        for fd in [kernel.self_domain.as_raw_fd(), policy.file.as_raw_fd()] {
            // SAFETY: a query on an open descriptor.
            let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
            assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        }
    }

    #[test]
    fn what_is_no_answer_is_not_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("self_domain"), "").unwrap();
        // A plain file gives nothing behind what was written.
        fs::write(folder.path().join("domain_policy"), "").unwrap();
        let kernel = Kernel::open(folder.path()).unwrap();
        let question = Question::about("<kernel> /x");
        assert!(matches!(kernel.ask(&question, |_| ()), Err(Unanswered::Garbled)));
        assert!(matches!(kernel.ask_own("<kernel> /x", |_| ()), Err(Unanswered::Garbled)));
    }
}
