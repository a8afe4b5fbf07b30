//! Backends: one LSM each, all behind the same three steps.
//!
//! [`Backend::prepare`] turns a context's text into a [`Move`] (parsing; at startup this is done
//! once for every context that is written down). [`Move::ready`] adds what only the request knows
//! (the values in a Landlock path); for most contexts there is nothing to add and nothing is
//! allocated. [`Enter::enter`] moves the calling thread; it is final.
//!
//! ```
//! use confine::lsm::{Backend, landlock::Landlock};
//!
//! let landlock = Landlock::new(Vec::new()).unwrap_or_else(|errors| panic!("{errors:?}"));
//! let error = landlock.prepare("tenant-a").err().expect("no such ruleset");
//! assert_eq!(error.context, "landlock:tenant-a");
//! assert!(!error.problem.remedy.is_empty());
//! ```

use std::{fs, io, sync::Arc};

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

/// The names of the active security modules, in the kernel's order: by `lsm_list_modules(2)`, before Linux
/// 6.8 from /sys/kernel/security/lsm. The error is that of reading the file.
pub fn active_modules() -> io::Result<Vec<String>> {
    match selfattr::active_modules() {
        Some(modules) => Ok(modules.into_iter().map(selfattr::LsmId::name).collect()),
        None => {
            let names = fs::read_to_string("/sys/kernel/security/lsm")?;
            Ok(names.trim().split(',').map(str::to_owned).collect())
        }
    }
}

/// One LSM.
pub trait Backend: Send + Sync {
    /// Its name.
    fn name(&self) -> BackendName;

    /// Whether the running kernel has it active, asked of the kernel itself. The error says what is
    /// missing and what to do.
    fn active(&self) -> Result<(), Inactive>;

    /// Turns a context's text (without prefix) into a move. Does no I/O: it is also used on the
    /// request path for contexts that come from an environment variable or an expression.
    fn prepare(&self, text: &str) -> Result<Arc<dyn Move>, PrepareError>;

    /// Asks the kernel, at startup, whether this context would be accepted. May read files.
    fn check(&self, text: &str) -> Result<(), PrepareError>;

    /// The move of the server itself, at startup: like [`Backend::prepare`], and `None` if the server
    /// is known to be there already.
    fn prepare_server(&self, text: &str) -> Result<Option<Arc<dyn Move>>, PrepareError> {
        self.prepare(text).map(Some)
    }

    /// Requests may supply contexts of this backend (an environment variable, an expression), of which
    /// nothing is known at startup. May read files, and leave warnings.
    fn expect_values(&self) {}

    /// As [`Backend::prepare`], of a text that a request supplied in part or as a whole (an environment
    /// variable, an expression, a row). What is the request's is one word: it must not change what the
    /// configuration's text around it means, nor be more than one name in the backend's notation.
    fn prepare_value(&self, given: &Given) -> Result<Arc<dyn Move>, PrepareError>;

    /// This backend as it is seen from `text`, where later moves start: for the checks of the rules
    /// behind an early move, and of those of a server that is yet to move. `None` where that makes no
    /// difference, or `text` is no context.
    fn after(&self, _text: &str, _who: Moved) -> Option<Box<dyn Backend>> {
        None
    }

    /// Whether a move to `text` replaces the context of an earlier move instead of adding to it.
    /// Such a context comes first on a rule, and never after an early move.
    fn replaces(&self, _text: &str) -> bool {
        false
    }

    /// Whether its moves set `no_new_privs`, under which the kernel refuses a later move that replaces a context.
    fn sets_no_new_privs(&self) -> bool {
        false
    }

    /// In each child process, before it gives up the privileges that the server was started with: opens
    /// what requests will need and may not open then. What fails here refuses the requests that need it.
    fn start_child(&self) {}

    /// What works and yet deserves a line in the log at startup, such as a kernel that enforces
    /// nothing. Ask after every context was checked: a check may add to it. May read files.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Who is in another context before the moves that are to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The request's thread, by an early move; the server is where it was.
    Thread,
    /// The server itself, and so all its threads.
    Server,
}

/// A checked, ready-made way into one context.
pub trait Move: Send + Sync {
    /// The context as it stands in logs and in `CONFINE_CONTEXT`, with its backend's prefix.
    fn context(&self) -> &Context;

    /// Whether the context is the same for every request: [`Move::ready`] asks for no values. A thread that
    /// has made such a move may serve others of the same context.
    fn is_constant(&self) -> bool {
        true
    }

    /// Adds what only the request can supply. Runs before any move of the request, with the
    /// server's privileges, so that the request's contexts are all or nothing.
    fn ready<'a>(&'a self, values: &dyn Values) -> Result<PreparedMove<'a>, EnterError>;

    /// What the context grants, where that can be worked out without the kernel: a ruleset of Landlock's alone.
    fn grants(&self, _values: &dyn Values) -> Result<Option<Arc<landlock::Grants>>, EnterError> {
        Ok(None)
    }
}

/// The last step.
pub trait Enter {
    /// Moves the calling thread, and it alone, into the context. There is no way back. On the hot
    /// path: no allocation, one system call where the kernel has one.
    fn enter(&self) -> Result<(), EnterError>;

    /// The same for a thread that an earlier move, or `ConfineEarly`, has brought elsewhere than the
    /// server: a backend whose moves do not add up has nothing to do where the thread is there already.
    fn enter_further(&self) -> Result<(), EnterError> {
        self.enter()
    }
}

/// A move with everything in place: either shared by all requests or made for this one.
pub enum PreparedMove<'a> {
    /// Prepared at startup.
    Shared(&'a (dyn Enter + 'a)),
    /// Made for this request.
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
}

/// Where a move finds the values of the expressions in its text: the server's expression parser,
/// or a table in a test.
pub trait Values {
    /// The value of expression number `index` (see [`landlock::PathTemplate`]) as bytes. An error is
    /// the evaluator's own message.
    fn value(&self, index: usize) -> Result<Vec<u8>, String>;
}

/// No expressions: for contexts that are complete as written.
pub struct NoValues;

impl Values for NoValues {
    fn value(&self, index: usize) -> Result<Vec<u8>, String> {
        Err(format!("no value for expression {index}"))
    }
}

/// A backend that the running kernel does not offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{backend} is not active in this kernel: {problem}")]
pub struct Inactive {
    /// Which backend.
    pub backend: BackendName,
    /// What was found, and what to do.
    pub problem: Problem,
}

/// A context that cannot be prepared or would be refused: a configuration error at startup, an
/// error answer on a request.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{context}: {problem}")]
pub struct PrepareError {
    /// The context with its backend's prefix.
    pub context: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// A move that the kernel, or the check of a request's value, refused.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct EnterError {
    /// What was refused, and what to do.
    pub problem: Problem,
    /// Whether the request itself is at fault (a value that is not one path component): 403.
    /// Otherwise the server is: 500.
    pub forbidden: bool,
}

impl From<Problem> for EnterError {
    /// The server is at fault.
    fn from(problem: Problem) -> Self {
        Self { problem, forbidden: false }
    }
}

/// `text` as it may stand in a message: as it is where it holds only what contexts are made of, else in
/// quotes with escapes. A value that a client chose can then not pass for another field of a log line.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._:/*,@+-".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("{text:?}") }
}

/// `text` fit for a log line: control characters as escapes, everything else as it is.
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
