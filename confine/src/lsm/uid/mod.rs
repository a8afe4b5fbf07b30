//! `uid:NAME`: the user that a process runs as. It is no LSM, and as old as UNIX.
//!
//! A context of this backend is for processes of their own (`<ConfineFastCGI>`) and never for a thread: what the kernel
//! would allow one thread (its credentials are its own) is no protection in a process whose other threads are somebody
//! else. Threads share their memory, and the C library takes for granted that all of them are one user.
//!
//! | file | what |
//! |---|---|
//! | `privileged.rs` | the calls that need root's rights |
//! | `users.rs` | who a name stands for, and whether a process may become that user |
//! | `program.rs` | whether a program may be executed as that user |
//!
//! What httpd's support/suexec.c checks, and where it is here:
//!
//! | suexec | here |
//! |---|---|
//! | the caller is the server's user | there is no set-user-ID program: a process of the server's makes the move that root started |
//! | user and group exist | `users.rs` |
//! | neither is root, nor below a least id | `users.rs` |
//! | groups as initgroups gives them | only the user's own group, and those that the configuration keeps |
//! | the program's folder is within the document root | the configuration alone names the program |
//! | the folder is the user's, and nobody else may write it | `program.rs`: the user's or root's. For users whom a request names, the same of their home: `users.rs` |
//! | the program is no link, not set-ID, nobody else may write it, it is the user's | `program.rs`: the user's or root's; links that only root can have made |
//! | the program is executable | `program.rs` |
//! | a clean environment, the log is closed | whoever executes the program |
//!
//! ```
//! use confine::lsm::{
//!     Backend,
//!     uid::{Uid, UserSettings},
//! };
//!
//! let settings = UserSettings { has_processes: true, ..UserSettings::default() };
//! let backend = Uid::new(settings).expect("no group is named that there might not be");
//! assert!(backend.is_for_processes());
//! let error = backend.prepare("1000").err().expect("a number is no name");
//! assert_eq!(error.context, "uid:1000");
//! ```

use std::{path::Path, sync::Arc};

use super::{
    Backend, Enter, EnterError, Inactive, Move, PrepareError, PreparedMove, UserIds, Values, quoted,
};
use crate::{
    context::{BackendName, Context},
    problem::Problem,
    value::Given,
};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod privileged;
mod program;
#[cfg(test)]
mod tests;
mod users;

pub use users::UserSettings;

use privileged::{Failed, Identity};
use users::{ChosenBy, Users};

/// The backend.
pub struct Uid {
    users: Arc<Users>,
    /// Whether the server may change the user of its processes. Its children may not, and ask nobody.
    may_change: bool,
}

impl Default for Uid {
    /// For a configuration that says nothing of users.
    fn default() -> Self {
        let users = Users::with_groups(UserSettings::default(), None, Vec::new());
        Self { users: Arc::new(users), may_change: privileged::may_become_others() }
    }
}

impl Uid {
    /// The backend under these settings, for the calling process and those that it forks.
    ///
    /// # Errors
    /// Each group that cannot be used.
    pub fn new(settings: UserSettings) -> Result<Self, Vec<Problem>> {
        let users = Arc::new(Users::new(settings)?);
        Ok(Self { users, may_change: privileged::may_become_others() })
    }

    /// Looks at the form of a name. Nobody is asked.
    ///
    /// # Errors
    /// No user can have this name.
    pub fn check_form(text: &str) -> Result<(), PrepareError> {
        let refused = |why: &str, remedy: &str| Err(error(text, Problem::new(why, remedy)));
        if text.len() > LONGEST {
            return refused("the name is too long", "write the name of a user");
        }
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return refused(
                "it is a number, and users are written by their names",
                "write the name that getent passwd shows",
            );
        }
        let first = |c| "-+.".contains(c);
        let never = |c: char| c.is_control() || c.is_whitespace() || ":/,#\"'".contains(c);
        if text.is_empty() || text.starts_with(first) || text.contains(never) {
            return refused("no user can have this name", "write the name that getent passwd shows");
        }
        Ok(())
    }

    /// The members that the group in the settings lists, by their names, and whether a request may name each.
    pub fn members(&self) -> Vec<(String, Result<(), Problem>)> {
        let names = self.users.members();
        names.into_iter().map(|name| (name.clone(), self.users.of_request(&name).map(drop))).collect()
    }

    /// Whether nobody but root can change this program, or what leads to it.
    ///
    /// # Errors
    /// Who can, or why it is no program.
    pub fn trusts(program: &Path) -> Result<(), Problem> {
        const ROOT: u32 = 0;
        program::may_execute(program, ROOT)
    }

    /// Whether moves can be made at all.
    fn can_be_used(&self) -> Result<(), Problem> {
        if !self.users.settings().has_processes {
            return Err(Problem::new(
                "only a process can run as another user, and all requests here are served by threads",
                "serve the application with <ConfineFastCGI>, or take uid: out",
            ));
        }
        if !self.may_change {
            return Err(Problem::new(
                "the server may not change the user of its processes (it has no CAP_SETUID and CAP_SETGID)",
                "start it as root, or take uid: out",
            ));
        }
        Ok(())
    }

    fn user_move(&self, text: &str, by: ChosenBy) -> Result<Arc<dyn Move>, PrepareError> {
        Self::check_form(text)?;
        let context = Context { backend: BackendName::UID, text: text.into() };
        Ok(Arc::new(UserMove { context, by, users: Arc::clone(&self.users) }))
    }
}

/// The longest name of a user (Linux: LOGIN_NAME_MAX with its NUL).
const LONGEST: usize = 255;

impl Backend for Uid {
    fn name(&self) -> BackendName {
        BackendName::UID
    }

    /// Every kernel knows users. What else is needed, [`Backend::check`] tells.
    fn active(&self) -> Result<(), Inactive> {
        Ok(())
    }

    fn is_for_processes(&self) -> bool {
        true
    }

    fn prepare(&self, text: &str) -> Result<Arc<dyn Move>, PrepareError> {
        self.user_move(text, ChosenBy::Configuration)
    }

    /// A name is compared byte by byte, so a value cannot be more than one.
    fn prepare_value(&self, given: &Given) -> Result<Arc<dyn Move>, PrepareError> {
        self.user_move(given.text(), ChosenBy::Request)
    }

    fn prepare_server(&self, text: &str) -> Result<Option<Arc<dyn Move>>, PrepareError> {
        Err(error(
            text,
            Problem::new(
                "the server's own user is httpd's to change",
                "write it in httpd's directives User and Group",
            ),
        ))
    }

    /// Looks the user up and keeps what was found, so that nobody is asked on a request.
    fn check(&self, text: &str) -> Result<(), PrepareError> {
        Self::check_form(text)?;
        let found = self.can_be_used().and_then(|()| self.users.of_configuration(text).map(drop));
        found.map_err(|problem| error(text, problem))
    }

    fn expect_values(&self) -> Result<(), Problem> {
        self.can_be_used()?;
        if self.users.settings().members_of.is_some() {
            return Ok(());
        }
        Err(Problem::new(
            "a request may only name users of a group that the configuration names, or a login called postgres would \
             be that user",
            "write ConfineUsers members-of=GROUP",
        ))
    }
}

/// The way to one user.
struct UserMove {
    context: Context,
    by: ChosenBy,
    users: Arc<Users>,
}

impl Move for UserMove {
    fn context(&self) -> &Context {
        &self.context
    }

    fn denials_are_in(&self) -> &'static str {
        "the application's own log (the kernel logs no refusal by a file's mode)"
    }

    fn is_for_processes(&self) -> bool {
        true
    }

    /// A user whom the configuration names was looked up at startup. Where a map has too many for that, and for users
    /// whom requests name, this asks the system's directory.
    fn ready<'a>(&'a self, _values: &dyn Values) -> Result<PreparedMove<'a>, EnterError> {
        match self.identity() {
            Ok(identity) => Ok(PreparedMove::Own(Box::new(EnterUser(identity)))),
            Err(problem) => Err(EnterError { problem, forbidden: self.by == ChosenBy::Request }),
        }
    }

    fn may_execute(&self, program: &Path) -> Result<(), Problem> {
        program::may_execute(program, self.identity()?.uid)
    }

    fn to_execute(&self, program: &Path) -> String {
        format!("let the user {} execute {}", self.context.text, quoted(&program.to_string_lossy()))
    }
}

impl UserMove {
    fn identity(&self) -> Result<Identity, Problem> {
        let name = &*self.context.text;
        let found = match self.by {
            ChosenBy::Configuration => self.users.of_configuration(name),
            ChosenBy::Request => self.users.of_request(name),
        };
        found.map(|user| user.identity.clone())
    }
}

/// The last step.
struct EnterUser(Identity);

impl Enter for EnterUser {
    fn enter(&self) -> Result<(), EnterError> {
        privileged::become_user(&self.0).map_err(|failed| explained(failed).into())
    }

    fn user(&self) -> Option<UserIds> {
        Some(UserIds { user: self.0.uid, group: self.0.gid })
    }
}

fn explained(failed: Failed) -> Problem {
    match failed {
        Failed::NotAlone => Problem::new(
            "a thread cannot run as another user than the rest of its process",
            "serve the application with <ConfineFastCGI>, or take uid: out of the rule",
        ),
        Failed::Unknown(errno) => Problem {
            errno: Some(errno),
            ..Problem::new(
                "the kernel does not tell whether this process has one thread",
                "mount /proc, or look for a seccomp filter on the server that forbids unshare(2)",
            )
        },
        Failed::Refused(call, errno) => Problem {
            errno: Some(errno),
            ..Problem::new(format!("the kernel refused {call}"), remedy(call, errno))
        },
        Failed::Unchanged(what) => Problem::new(
            format!("{what} is not as it must be after the change, so the process ends"),
            "look at the server's capabilities, its user namespace and its seccomp filters",
        ),
    }
}

/// Kernel: kernel/sys.c (EPERM without the capability, EINVAL for an id that the user namespace does not map), and
/// user_namespaces(7) for setgroups.
fn remedy(call: &str, errno: i32) -> &'static str {
    match (call, errno) {
        (_, libc::EINVAL) => "map the ids of this user into the server's user namespace, or use another user",
        ("setgroups", libc::EPERM) => {
            "start the server as root, in a user namespace that allows setgroups; write uid: first in its rule, as a \
             later context has taken the right to it away"
        }
        (_, libc::EPERM) => {
            "start the server as root; write uid: first in its rule, as a later context has taken the right to it away"
        }
        (_, libc::EAGAIN) => "raise the limit on the processes of this user (ulimit -u)",
        _ => "look at the kernel's log",
    }
}

fn error(text: &str, problem: Problem) -> PrepareError {
    PrepareError { context: format!("{}:{}", BackendName::UID, quoted(text)), problem }
}
