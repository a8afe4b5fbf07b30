//! The kernel's files: where a thread moves itself, and where the policy can be asked.
//!
//! `self_domain` may be written by everyone and keeps nothing between writes (kernel:
//! security/tomoyo/securityfs_if.c, tomoyo_write_self), so one descriptor serves all threads.
//!
//! `domain_policy` may be opened by root alone. An open descriptor can be asked by everyone, though: a
//! `select` is answered before the kernel looks at who may change the policy
//! (security/tomoyo/common.c, tomoyo_write_control). It keeps the question between a write and the
//! reads behind it, so those two stand under one lock, and each process opens its own.

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

/// Open descriptors of one process.
pub(super) struct Kernel {
    self_domain: OwnedFd,
    policy: Mutex<Policy>,
}

/// `domain_policy`, and room for what it answers.
struct Policy {
    file: fs::File,
    answer: Box<[u8]>,
}

/// The longest answer of interest: a name twice (one of them as the question), and a few words.
const ANSWER: usize = 2 * 4096 + 256;

/// What can stand in an answer beside the question and the name: `# select `, the line of a deleted
/// domain, `use_profile 255` and newlines.
const AROUND: usize = 64;

/// A question that is made at startup and asked at every request.
pub(super) struct Question {
    /// `select domain=NAME`, and a newline.
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
    /// Opens what a process needs. `folder` is TOMOYO's in securityfs.
    ///
    /// # Errors
    /// The file that could not be opened is named in the text before the cause.
    pub fn open(folder: &Path) -> Result<Self, (String, io::Error)> {
        let open = |name: &str, read: bool| {
            let path = folder.join(name);
            let mut options = fs::OpenOptions::new();
            options.read(read).write(true).custom_flags(libc::O_CLOEXEC);
            options.open(&path).map_err(|e| (path.display().to_string(), e))
        };
        Ok(Self::of(open("self_domain", false)?.into(), open("domain_policy", true)?.into()))
    }

    /// With open descriptors of `self_domain` and `domain_policy`.
    pub fn of(self_domain: OwnedFd, policy: OwnedFd) -> Self {
        Self {
            self_domain,
            policy: Mutex::new(Policy { file: policy.into(), answer: vec![0; ANSWER].into() }),
        }
    }

    /// Moves the calling thread to the domain called `name`, or gives the errno. One system call.
    pub fn enter(&self, name: &[u8]) -> Result<(), i32> {
        loop {
            // SAFETY: the descriptor is open and the buffer as long as said; the kernel only reads it.
            let written =
                unsafe { libc::write(self.self_domain.as_raw_fd(), name.as_ptr().cast(), name.len()) };
            // The kernel takes a name whole or not at all.
            if written >= 0 {
                return Ok(());
            }
            let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
            if errno != libc::EINTR {
                return Err(errno);
            }
        }
    }

    /// Asks for a domain of the loaded policy. Two system calls, nothing allocated.
    pub fn ask<T>(
        &self,
        question: &Question,
        use_it: impl FnOnce(Option<Header<'_>>) -> T,
    ) -> Result<T, Unanswered> {
        self.ask_line(&question.line, question.line.len(), use_it)
    }

    /// Asks for the domain that the calling thread is in, which should be called `name`.
    pub fn ask_own<T>(
        &self,
        name: &str,
        use_it: impl FnOnce(Option<Header<'_>>) -> T,
    ) -> Result<T, Unanswered> {
        let mut line = [0; 32];
        let room = line.len();
        let mut rest = &mut line[..];
        // SAFETY: a plain query.
        let thread = unsafe { libc::gettid() };
        // The kernel takes a thread's number for `pid=` (tomoyo_select_domain, find_task_by_vpid).
        writeln!(rest, "select pid={thread}")?;
        let used = room - rest.len();
        self.ask_line(&line[..used], used + name.len(), use_it)
    }

    /// `most`: how long question and name are at most, so that the kernel need not print all rules.
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

    /// All that is printed of the domain that the calling thread is in.
    pub fn own_text(&self) -> Result<String, Unanswered> {
        // SAFETY: a plain query.
        let thread = unsafe { libc::gettid() };
        self.text(&format!("select pid={thread}\n"))
    }

    /// All that is printed of a domain: one line where there is none.
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

    /// The whole policy, of each domain only what has to do with moving between domains.
    pub fn transitions(&self) -> Result<String, Unanswered> {
        // What was asked before is forgotten by `reset`.
        self.text("reset\nselect transition_only\n")
    }
}

/// One read, as the kernel fills the buffer as far as it can.
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
