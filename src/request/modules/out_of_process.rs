//! Content that another process makes does not inherit the worker's context.
//!
//! The modules that hand content to another process are listed in [`crate::config::makers`]. The question is asked
//! right before such a module's handler runs, and again of every redirect and subrequest: what an application changed
//! about its request before is what is looked at. Where such content is not allowed, the handlers of these modules do
//! not run in a confined thread at all.

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
    /// The refusal of a request whose content this maker would make, unless that is allowed here.
    pub fn allowed(&self, scope: Scope<'_>) -> Result<(), Refusal> {
        match here(scope) {
            OutOfProcess::Deny => Err(Refusal::out_of_process(self.maker.name, self.maker.remedy)),
            OutOfProcess::Warn | OutOfProcess::Allow => Ok(()),
        }
    }

    /// Warns, where that is asked for, that this maker makes the content; once for each virtual host. A child
    /// serves one reading of the configuration, so this is once a child.
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
                "{} makes the content in another process, which does not inherit the context \
                 (said once in each child for each virtual host); {}",
                self.maker.name, self.maker.remedy
            );
            report::warned(r, grounds, &text);
        }
    }
}

/// What `ConfineOutOfProcess` says here.
fn here(scope: Scope<'_>) -> OutOfProcess {
    scope.settings.out_of_process.unwrap_or(OutOfProcess::Deny)
}

/// mod_cgid also takes over `#exec` of server-side includes, past any handler.
pub fn forbid_ssi_exec(r: &mut Request<'_>, scope: Scope<'_>) {
    if scope.policy.cgid && here(scope) == OutOfProcess::Deny {
        r.forbid_ssi_exec();
    }
}
