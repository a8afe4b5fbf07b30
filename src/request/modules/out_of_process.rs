//! Content that another process makes. It does not inherit the worker's context.
//!
//! [`crate::config::makers`] lists the modules that hand content to another process. This is checked immediately
//! before such a module's handler runs, and again for every redirect and subrequest, because an application can
//! change its request. If such content is not allowed, the handlers of these modules do not run in a confined thread
//! at all.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use crate::report::Grounds;
use crate::{
    config::{OutOfProcess, makers::LoadedMaker},
    httpd::request::Request,
    report::{self, Refusal},
    request::Scope,
};

impl LoadedMaker {
    /// Refuses a request whose content this maker would make, unless that is allowed here.
    pub fn allowed(&self, scope: Scope<'_>) -> Result<(), Refusal> {
        match here(scope) {
            OutOfProcess::Deny => {
                Err(Refusal::out_of_process(self.maker.name, self.maker.place, self.maker.remedy))
            }
            OutOfProcess::Warn | OutOfProcess::Allow => Ok(()),
        }
    }

    /// Warns that this maker makes the content, if warnings are configured. This happens once for each virtual host
    /// and child. (A child serves one reading of the configuration.)
    pub fn warn(&self, r: &mut Request<'_>, scope: Scope<'_>, grounds: &Grounds<'_>) {
        static WARNED: Mutex<Option<HashSet<(usize, usize)>>> = Mutex::new(None);
        if here(scope) != OutOfProcess::Warn {
            return;
        }
        let key = (std::ptr::from_ref(self.maker).addr(), r.server().as_ptr().addr());
        let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.get_or_insert_default().insert(key) {
            drop(warned);
            let text = format!(
                "{} makes the content in {}, which does not inherit the context \
                 (said once in each child for each virtual host); {}",
                self.maker.name, self.maker.place, self.maker.remedy
            );
            report::warned(r, grounds, &text);
        }
    }
}

/// The value of `ConfineOutOfProcess` here.
fn here(scope: Scope<'_>) -> OutOfProcess {
    scope.settings.out_of_process.unwrap_or(OutOfProcess::Deny)
}

/// mod_cgid also runs `#exec` of server-side includes, and no handler is involved there.
pub fn forbid_ssi_exec(r: &mut Request<'_>, scope: Scope<'_>) {
    if scope.policy.cgid && here(scope) == OutOfProcess::Deny {
        r.forbid_ssi_exec();
    }
}
