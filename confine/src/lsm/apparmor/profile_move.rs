//! The move to one profile, and a look at where the thread is afterwards.

use std::{
    ffi::{CStr, CString, OsStr},
    os::unix::ffi::OsStrExt,
    path::Path,
    sync::Arc,
};

use super::{
    Roots, process,
    refusal::{self, Step},
    text::{self, How, Label, Written},
};
use crate::{
    context::Context,
    lsm::{
        Enter, EnterError, Move, PreparedMove, Values,
        selfattr::{self, AttrFile, Interface, LsmId, Wire},
    },
    problem::Problem,
};

/// The way to one profile.
pub(super) struct ProfileMove {
    pub(super) context: Context,
    pub(super) how: How,
    pub(super) door: Door,
    /// The server's label. A message shows it where the thread's own label cannot be read.
    pub(super) own: Arc<str>,
    /// Where the kernel answers questions about the loaded policy.
    pub(super) roots: Arc<Roots>,
}

/// The kernel's interface for the move.
pub(super) enum Door {
    /// A system call, with its argument.
    Syscall(Wire),
    /// A file in /proc, with what is written to it.
    Proc {
        file: Arc<CStr>,
        /// Asks the kernel whether it would allow the move.
        ask: CString,
        go: CString,
    },
}

/// How a move ended.
pub(super) enum Fate {
    Arrived,
    Refused(Step, i32),
    /// The thread is in another label than it should be. This is the label as the kernel prints it.
    Elsewhere(String),
}

impl Move for ProfileMove {
    fn context(&self) -> &Context {
        &self.context
    }

    fn denials_are_in(&self) -> &'static str {
        "`aa-logprof` (to read only: `dmesg | grep apparmor`)"
    }

    fn ready<'a>(&'a self, _values: &dyn Values) -> Result<PreparedMove<'a>, EnterError> {
        Ok(PreparedMove::Shared(self))
    }

    fn may_execute(&self, program: &Path) -> Result<(), Problem> {
        process::may_execute(&self.roots.securityfs, &self.label_there(), self.written(), program)
    }

    fn to_execute(&self, program: &Path) -> String {
        process::to_execute(self.written(), program)
    }
}

impl ProfileMove {
    fn written(&self) -> Written<'_> {
        let text = &*self.context.text;
        Written { how: self.how, name: text.strip_prefix(text::STACK).unwrap_or(text) }
    }

    /// The label to which the move leads from the server's.
    fn label_there(&self) -> String {
        let Written { how, name } = self.written();
        let own = Label::parse(self.own.as_bytes());
        match how {
            How::Stack if !own.is_unconfined() => format!("{}//&{name}", own.names()),
            _ => name.to_owned(),
        }
    }

    /// The profiles that the calling thread is in, for a message. After an early move they are not those of the server.
    fn start(&self) -> String {
        let here = match &self.door {
            Door::Syscall(_) => Interface::Syscall.current(LsmId::APPARMOR, Path::new("")),
            Door::Proc { file, .. } => {
                Interface::Proc.current(LsmId::APPARMOR, Path::new(OsStr::from_bytes(file.to_bytes())))
            }
        };
        let label = here.as_deref().unwrap_or(&self.own);
        Label::parse(label.as_bytes()).names()
    }

    /// Moves the calling thread. A move that succeeds allocates nothing.
    fn go(&self) -> Fate {
        match &self.door {
            Door::Syscall(wire) => {
                if let Err(errno) = wire.set_current() {
                    return Fate::Refused(Step::Move, errno);
                }
                selfattr::with_current(LsmId::APPARMOR, |label| arrived(label, self.written()))
                    .unwrap_or_else(|errno| Fate::Refused(Step::Move, errno))
            }
            Door::Proc { file, ask, go } => match AttrFile::open(file) {
                Ok(file) => file
                    .write(ask)
                    .and_then(|()| file.write(go))
                    .map_or_else(|errno| Fate::Refused(Step::Move, errno), |()| Fate::Arrived),
                Err(errno) => Fate::Refused(Step::Open, errno),
            },
        }
    }
}

/// Whether the thread with this label is where it should be.
pub(super) fn arrived(label: &[u8], written: Written<'_>) -> Fate {
    if Label::parse(label).is_of(written) {
        Fate::Arrived
    } else {
        Fate::Elsewhere(String::from_utf8_lossy(label).into_owned())
    }
}

impl Enter for ProfileMove {
    fn enter(&self) -> Result<(), EnterError> {
        let failed = |Problem { why, remedy, .. }, errno| EnterError {
            problem: Problem { why, errno, remedy },
            forbidden: false,
        };
        match self.go() {
            Fate::Arrived => Ok(()),
            Fate::Refused(step, errno) => {
                let refusal = refusal::of_errno(step, errno, &self.start(), self.written());
                Err(failed(refusal, Some(errno)))
            }
            Fate::Elsewhere(label) => Err(failed(refusal::elsewhere(&label, self.written()), None)),
        }
    }
}
