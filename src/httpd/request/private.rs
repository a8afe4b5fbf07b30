//! What this module keeps with a request, where only code of the server and its modules can find it.

use std::{
    ffi::CStr,
    ptr::{null, null_mut},
};

use apache_sys as sys;

use super::{Request, overlay::OwnConfig};
use crate::httpd::{
    proofs::{Attempt, Proof},
    said::Said,
    slot::{config_entry, set_config_entry},
};

/// What this module keeps with a request.
#[derive(Clone, Copy)]
pub(super) struct Private<'r> {
    pub(super) own: Option<OwnConfig>,
    /// The request's headers as they were before the first content handler ran. Null before that.
    pub(super) headers: *const sys::apr_table_t,
    /// The newest proof of the family. It is kept in the family's first request.
    proofs: *mut Proof,
    /// What a provider said last, while the server authenticates.
    attempt: Option<Attempt<'r>>,
    /// Whether every module that could ask for a name declined.
    nobody_asked: bool,
    /// What was decided about the request.
    course: Course,
    /// The pool of processes that makes its content.
    backend: Option<Backend<'r>>,
    /// What was said about the request.
    said: Option<Said<'r>>,
}

impl Private<'_> {
    const NEW: Self = Self {
        own: None,
        headers: null(),
        proofs: null_mut(),
        attempt: None,
        nobody_asked: false,
        course: Course::NEW,
        backend: None,
        said: None,
    };
}

/// What happens to a request's content.
#[derive(Clone, Copy)]
struct Course {
    /// It goes on with the server's privileges, as was decided.
    unconfined: bool,
    /// A handler runs that may only lead to another resource.
    leading: bool,
    /// Another process makes it.
    made_elsewhere: bool,
}

impl Course {
    const NEW: Self = Self { unconfined: false, leading: false, made_elsewhere: false };
}

/// A process that makes the content of one request, by the way that mod_proxy takes to it.
#[derive(Clone, Copy)]
pub struct Backend<'r> {
    /// The handler that leads there.
    pub handler: &'r CStr,
    /// The path of its socket.
    pub socket: &'r CStr,
    /// What its keeper knows it by.
    pub id: (usize, u64),
}

impl<'r> Request<'r> {
    /// Leads this request to a backend, which no other one may use.
    pub fn lead_to(&mut self, backend: Backend<'r>) {
        self.rec_mut().handler = backend.handler.as_ptr();
        self.change_private(|private| private.backend = Some(backend));
    }

    /// The backend that this request may use.
    pub fn backend(&self) -> Option<Backend<'r>> {
        self.private().backend
    }

    /// Whether this request goes to its backend, as it is now.
    pub fn goes_to_backend(&self) -> bool {
        self.backend().is_some_and(|backend| self.handler() == Some(backend.handler))
    }

    /// Notes that this request goes on with the server's privileges, as was decided.
    pub fn let_go_unconfined(&mut self) {
        self.set_course(|course| course.unconfined = true);
    }

    /// Whether this request goes on with the server's privileges, as was decided.
    pub fn goes_unconfined(&self) -> bool {
        self.private().course.unconfined
    }

    /// Notes that another process makes this request's content.
    pub fn set_made_elsewhere(&mut self) {
        self.set_course(|course| course.made_elsewhere = true);
    }

    /// Whether another process makes this request's content.
    pub fn is_made_elsewhere(&self) -> bool {
        self.private().course.made_elsewhere
    }

    /// Runs a handler that may lead to another resource. It cannot send anything itself.
    pub fn leading<T>(&mut self, handler: impl FnOnce(&mut Self) -> T) -> T {
        self.guard_filters();
        self.set_course(|course| course.leading = true);
        let result = handler(self);
        self.set_course(|course| course.leading = false);
        result
    }

    /// Whether a handler runs that may only lead to another resource.
    pub fn is_leading(&self) -> bool {
        self.private().course.leading
    }

    fn set_course(&mut self, change: impl FnOnce(&mut Course)) {
        self.change_private(|private| change(&mut private.course));
    }

    /// What was said about this request.
    pub(in crate::httpd) fn said(&self) -> Option<Said<'r>> {
        self.private().said
    }

    /// Keeps what was said about the request, unless an earlier text weighs more.
    ///
    /// The refusal of a subrequest can become the response of the request that it serves (a look-up:
    /// modules/mappers/mod_dir.c, fixup_dir). So the served request keeps it, too, until something is said about that
    /// request itself.
    pub fn say(&mut self, said: Said<'r>) {
        let served = self.outermost().filter(|served| said.weight > 0 && served.said().is_none());
        if let Some(mut served) = served {
            let passed_on = Said { weight: 0, of_subrequest: true, ..said };
            served.change_private(|private| private.said = Some(passed_on));
        }
        if said.replaces(self.said().as_ref()) {
            self.change_private(|private| private.said = Some(said));
        }
    }

    pub(super) fn private(&self) -> Private<'r> {
        // SAFETY: every request has a vector; this module's entry is null or what private_place made.
        unsafe { config_entry(self.rec().request_config).cast::<Private<'r>>().as_ref() }
            .copied()
            .unwrap_or(Private::NEW)
    }

    /// The place where it is kept. It lives as long as the request and never moves.
    fn private_place(&self) -> *mut Private<'r> {
        let vector = self.rec().request_config;
        // SAFETY: a live request and its vector, of which this thread is the only user.
        unsafe {
            let kept = config_entry(vector);
            if !kept.is_null() {
                return kept.cast();
            }
            let new = std::ptr::from_mut(self.pool().place(Private::NEW));
            set_config_entry(vector, new.cast());
            new
        }
    }

    pub(super) fn change_private(&mut self, change: impl FnOnce(&mut Private<'r>)) {
        // SAFETY: what private_place made; the borrow ends with this call, which `change` cannot make again.
        change(unsafe { &mut *self.private_place() });
    }

    /// The place of the pointer to the newest proof, if this request is the first of its family.
    pub(in crate::httpd) fn newest_proof(&self) -> *mut *mut Proof {
        // SAFETY: a field of what private_place made.
        unsafe { &raw mut (*self.private_place()).proofs }
    }

    /// What a provider said last, while the server authenticates.
    pub fn attempt(&self) -> Option<Attempt<'r>> {
        self.private().attempt
    }

    /// Keeps what a provider said.
    pub fn set_attempt(&mut self, attempt: Option<Attempt<'r>>) {
        self.change_private(|private| private.attempt = attempt);
    }

    /// Whether no loaded module asked for a name here.
    pub fn nobody_asked(&self) -> bool {
        self.private().nobody_asked
    }

    /// Notes that no loaded module asked for a name here.
    pub fn set_nobody_asked(&mut self) {
        self.change_private(|private| private.nobody_asked = true);
    }
}
