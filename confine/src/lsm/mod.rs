//! Backends. Each is one LSM, or another way to take privileges away, and all of them work in the same three steps.
//!
//! 1. [`Backend::prepare`] parses the text of a context and makes a [`Move`]. A context that is written in the
//!    configuration is prepared once, at startup.
//! 2. [`Move::ready`] adds what only the request knows, such as the values in the path of a Landlock ruleset. Most
//!    contexts need nothing of the request, and then nothing is allocated.
//! 3. [`Enter::enter`] moves the calling thread. No function leads back.
//!
//! ```
//! use confine::lsm::{Backend, landlock::Landlock};
//!
//! let landlock = Landlock::new(Vec::new()).unwrap_or_else(|errors| panic!("{errors:?}"));
//! let error = landlock.prepare("tenant-a").err().expect("no such ruleset");
//! assert_eq!(error.context, "landlock:tenant-a");
//! assert!(!error.problem.remedy.is_empty());
//! ```

use std::{fs, io, path::Path, sync::Arc};

use crate::{
    context::{BackendName, Context},
    problem::Problem,
    value::Given,
};

pub mod apparmor;
pub mod landlock;
mod selfattr;
pub mod selinux;
pub mod tomoyo;
pub mod uid;

/// The names of the active security modules, in the kernel's order. They come from `lsm_list_modules(2)`. Linux before
/// 6.8 does not have this call, so there they come from /sys/kernel/security/lsm.
///
/// # Errors
/// That file cannot be read.
pub fn active_modules() -> io::Result<Vec<String>> {
    match selfattr::active_modules() {
        Some(modules) => Ok(modules.into_iter().map(selfattr::LsmId::name).collect()),
        None => {
            let names = fs::read_to_string("/sys/kernel/security/lsm")?;
            Ok(names.trim().split(',').map(str::to_owned).collect())
        }
    }
}

/// What this library asks of an LSM.
pub trait Backend: Send + Sync {
    /// The name of this LSM, which is also the prefix of its contexts.
    fn name(&self) -> BackendName;

    /// Whether the LSM is active in the running kernel. The kernel itself is asked. The error says what is missing and
    /// what to do.
    fn active(&self) -> Result<(), Inactive>;

    /// Makes a move from the text of a context, which has no prefix. It does no I/O, because it also runs on requests:
    /// a context can come from an environment variable or an expression.
    fn prepare(&self, text: &str) -> Result<Arc<dyn Move>, PrepareError>;

    /// Asks the kernel at startup whether it would accept this context. It may read files.
    fn check(&self, text: &str) -> Result<(), PrepareError>;

    /// As [`Backend::prepare`], but for the server itself, which moves at startup. `None` says that the server is in
    /// this context already.
    fn prepare_server(&self, text: &str) -> Result<Option<Arc<dyn Move>>, PrepareError> {
        self.prepare(text).map(Some)
    }

    /// Says that requests may supply contexts of this backend, in an environment variable or an expression. No single
    /// such context is known at startup, so the backend looks at what all of them need. It may read files and note
    /// warnings. The error says why no such context can be used.
    fn expect_values(&self) -> Result<(), Problem> {
        Ok(())
    }

    /// Whether contexts of this backend are for processes of their own. A thread of the server cannot enter them.
    fn is_for_processes(&self) -> bool {
        false
    }

    /// As [`Backend::prepare`], for a text of which a request supplied a part or the whole (an environment variable, an
    /// expression, a row of a database). The request's part is one word. It must not change the meaning of the
    /// configuration's text around it, and it must not be more than one name in the backend's notation.
    fn prepare_value(&self, given: &Given) -> Result<Arc<dyn Move>, PrepareError>;

    /// As [`Backend::prepare`], for a text as a move shows it ([`Move::context`]). A ruleset of a virtual host then has
    /// the host's name in it, which no rule writes.
    fn prepare_shown(&self, text: &str) -> Result<Arc<dyn Move>, PrepareError> {
        self.prepare(text)
    }

    /// A backend that checks moves from the context `text`, and not from where the server is now. It serves for the
    /// rules behind an early move, and for the rules of a server that will move itself. `None` says that the start
    /// makes no difference, or that `text` is no context.
    fn after(&self, _text: &str, _who: Moved) -> Option<Box<dyn Backend>> {
        None
    }

    /// Whether a move to `text` replaces the context of an earlier move. (Other moves add to it.) A context that
    /// replaces must be the first of its rule, and there must be no early move.
    fn replaces(&self, _text: &str) -> bool {
        false
    }

    /// Whether moves of this backend set `no_new_privs`. After that the kernel refuses a move that replaces a context.
    fn sets_no_new_privs(&self) -> bool {
        false
    }

    /// Opens what requests will need. The server calls this in each child process, which still has the privileges that
    /// the server was started with and gives them up afterwards. When something cannot be opened, the requests that
    /// need it are refused.
    fn start_child(&self) {}

    /// What works, but deserves a line in the log at startup: a kernel that enforces nothing, for example. Checks add
    /// to it, so call this after all checks. It may read files.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Who has moved before the moves that are to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The thread of the request, by an early move. The server has not moved.
    Thread,
    /// The server itself, and with it all its threads.
    Server,
}

/// A way into one context, checked and prepared.
pub trait Move: Send + Sync {
    /// The context with the prefix of its backend, as logs and `CONFINE_CONTEXT` show it.
    fn context(&self) -> &Context;

    /// Whether the context is the same for every request, so that [`Move::ready`] asks for no values. After such a move
    /// a thread may serve further requests of the same context.
    fn is_constant(&self) -> bool {
        true
    }

    /// The numbers of the expressions whose values [`Move::ready`] asks for. It is empty if the move is constant.
    fn expressions(&self) -> &[usize] {
        &[]
    }

    /// Adds what only the request can supply. It runs before the first move of the request, with the privileges of the
    /// server: when it fails, the request has not moved at all. So a request is in all its contexts or in none.
    fn ready<'a>(&'a self, values: &dyn Values) -> Result<PreparedMove<'a>, EnterError>;

    /// Where an administrator sees what the kernel refused to a thread in this context: a phrase for a log line, with the
    /// command or directive that shows it.
    fn denials_are_in(&self) -> &'static str;

    /// Whether only a process of its own can make it. A thread that serves such a request leaves it out, as the content
    /// is made by a process that has made it.
    fn is_for_processes(&self) -> bool {
        false
    }

    /// What the context grants, where this follows from the configuration alone. Only a ruleset of Landlock can say it.
    fn grants(&self, _values: &dyn Values) -> Result<Option<Arc<landlock::Grants>>, EnterError> {
        Ok(None)
    }

    /// Whether a process in this context may execute `program` and stays in the context. It may read files. What cannot
    /// be found out is no error: the kernel decides when the program is executed, and [`Move::to_execute`] explains it.
    fn may_execute(&self, _program: &Path) -> Result<(), Problem> {
        Ok(())
    }

    /// What the context must grant so that a process in it may execute `program`: the remedy where the kernel refuses.
    fn to_execute(&self, program: &Path) -> String;

    /// The same move made anew, for a process that has closed the descriptors of this one. It also grants `folder` to read
    /// and write, with all below it. `None`: this one has no descriptors, and another policy than the configuration
    /// grants folders.
    fn anew(&self, _folder: Option<&Path>) -> Result<Option<Arc<dyn Move>>, EnterError> {
        Ok(None)
    }

    /// Runs `make`, which makes something for processes in this context. An LSM that labels what is made gives it the
    /// label that it would have if such a process made it.
    ///
    /// # Errors
    /// The label cannot be had. `make` was not run.
    fn made_for(&self, _what: Made<'_>, make: &mut dyn FnMut()) -> Result<(), Problem> {
        make();
        Ok(())
    }
}

/// What is made for a process before it is in its context ([`Move::made_for`]).
#[derive(Clone, Copy, Debug)]
pub enum Made<'p> {
    /// A UNIX socket for streams.
    Socket,
    /// A folder in this one.
    FolderIn(&'p Path),
}

/// The last step.
pub trait Enter {
    /// Moves the calling thread, and no other, into the context. There is no way back. This is the hot path: it
    /// allocates nothing, and it is one system call where the kernel has one.
    fn enter(&self) -> Result<(), EnterError>;

    /// As [`Enter::enter`], for a thread that an earlier move of the request has already moved (`ConfineEarly`). Where
    /// a second move of the same backend adds nothing, and the thread is in the context already, there is nothing to
    /// do.
    fn enter_further(&self) -> Result<(), EnterError> {
        self.enter()
    }

    /// The user that a process is after this move, where the move says so.
    fn user(&self) -> Option<UserIds> {
        None
    }
}

/// The ids of a process's user and of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserIds {
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
}

/// A move with everything in place.
pub enum PreparedMove<'a> {
    /// It was prepared at startup, for all requests.
    Shared(&'a (dyn Enter + 'a)),
    /// It was made for this request.
    Own(Box<dyn Enter + 'a>),
}

impl Enter for PreparedMove<'_> {
    fn enter(&self) -> Result<(), EnterError> {
        match self {
            Self::Shared(e) => e.enter(),
            Self::Own(e) => e.enter(),
        }
    }

    fn enter_further(&self) -> Result<(), EnterError> {
        match self {
            Self::Shared(e) => e.enter_further(),
            Self::Own(e) => e.enter_further(),
        }
    }

    fn user(&self) -> Option<UserIds> {
        match self {
            Self::Shared(e) => e.user(),
            Self::Own(e) => e.user(),
        }
    }
}

/// Where a move finds the values of the expressions in its text: the server's expression parser, or a table in a test.
pub trait Values {
    /// The value of the expression with the number `index` (see [`landlock::PathTemplate`]), in bytes.
    ///
    /// # Errors
    /// The message of the parser.
    fn value(&self, index: usize) -> Result<Vec<u8>, String>;
}

/// Gives no values. It serves for contexts that are complete as they are written.
pub struct NoValues;

impl Values for NoValues {
    fn value(&self, index: usize) -> Result<Vec<u8>, String> {
        Err(format!("no value for expression {index}"))
    }
}

/// A backend that is not active in the running kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{backend} is not active in this kernel: {problem}")]
pub struct Inactive {
    /// The backend.
    pub backend: BackendName,
    /// What was found, and what to do.
    pub problem: Problem,
}

/// A context that cannot be prepared, or that the kernel would refuse. At startup this is a configuration error, on a
/// request an error answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{context}: {problem}")]
pub struct PrepareError {
    /// The context with its backend's prefix.
    pub context: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// A move that was refused, by the kernel or by the check of a value that the request supplied.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct EnterError {
    /// What was refused, and what to do.
    pub problem: Problem,
    /// Whether the request is at fault, because a value of its is not one path component. The answer is then 403.
    /// Otherwise the server is at fault, and the answer is 500.
    pub forbidden: bool,
}

impl From<Problem> for EnterError {
    /// The server is at fault.
    fn from(problem: Problem) -> Self {
        Self { problem, forbidden: false }
    }
}

/// `text` for a message. A text of the characters that contexts are made of stays as it is. Any other is put in quotes,
/// with escapes, so that a value which a client chose cannot pass for another field of a log line.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._:/*,@+-".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("{text:?}") }
}

/// `text` for a log line: control characters become escapes, everything else stays as it is.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}
