//! What is wrong, what the kernel said, and what to do: the three things that every message tells.

use std::fmt;

/// A problem, for whoever can end it. Its text is one line: why, the errno's name in brackets, the remedy.
///
/// ```
/// use confine::problem::Problem;
///
/// let problem = Problem::new("not bounded by httpd_t", "add (typebounds httpd_t httpd_dog_t) to the policy");
/// assert_eq!(
///     Problem { errno: Some(1), ..problem }.to_string(),
///     "not bounded by httpd_t (EPERM); add (typebounds httpd_t httpd_dog_t) to the policy",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub why: String,
    /// The kernel's answer, where it was asked.
    pub errno: Option<i32>,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    /// A problem that the kernel was not asked about.
    pub fn new(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { why: why.into(), errno: None, remedy: remedy.into() }
    }
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        if let Some(errno) = self.errno {
            write!(f, " ({})", errno_name(errno))?;
        }
        write!(f, "; {}", self.remedy)
    }
}

/// The symbolic name of the errnos that backends meet; others as a number.
pub fn errno_name(errno: i32) -> String {
    let name = match errno {
        libc::EPERM => "EPERM",
        libc::ENOENT => "ENOENT",
        libc::EACCES => "EACCES",
        libc::EINVAL => "EINVAL",
        libc::EBUSY => "EBUSY",
        libc::ENOSYS => "ENOSYS",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::ENOMEM => "ENOMEM",
        libc::ELOOP => "ELOOP",
        libc::ENOTDIR => "ENOTDIR",
        libc::EXDEV => "EXDEV",
        libc::E2BIG => "E2BIG",
        libc::EMFILE => "EMFILE",
        libc::ENFILE => "ENFILE",
        libc::EAGAIN => "EAGAIN",
        libc::EBADF => "EBADF",
        libc::EIO => "EIO",
        libc::ENAMETOOLONG => "ENAMETOOLONG",
        libc::EROFS => "EROFS",
        _ => return format!("errno {errno}"),
    };
    name.to_owned()
}
