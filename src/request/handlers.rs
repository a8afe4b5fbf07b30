//! The server's content handlers, which this module itself runs where rules apply.
//!
//! Where a rule applies, the module never leaves a request to the server's own chain of handlers. It runs the
//! handlers one by one, in the server's order, and looks at the request before each. An application that ran before
//! can have changed the handler's name, the file or `proxyreq`, and then declined.

use std::ffi::CStr;

use crate::{
    config::{
        handlers::{ContentHandlers, Role},
        makers::LoadedMaker,
    },
    httpd::{hooks::ContentHandler, request::Request, status::Status},
    report::Refusal,
    request::modules::server_pages,
};

/// The handlers that may run before the decision, because they only lead to another resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeadsOn {
    /// The result of mod_rewrite in a directory.
    Rewrite,
    /// A type map that only root can have made, and that has no content of its own.
    TypeMap,
}

impl LeadsOn {
    fn module(self) -> &'static CStr {
        match self {
            Self::Rewrite => c"mod_rewrite.c",
            Self::TypeMap => c"mod_negotiation.c",
        }
    }
}

/// What the server would do next for the content of a request.
pub enum Ahead<'h> {
    /// The thread that asks for the content also makes it.
    Nothing,
    /// Another process would make it.
    Maker(&'h LoadedMaker),
}

impl ContentHandlers {
    /// Handles an upgrade to another protocol, if the client or the server wants one.
    pub fn upgrade(&self, r: &mut Request<'_>) -> Status {
        run_all(r, &self.upgrades)
    }

    /// Answers from httpd's cache, if the cache has the response.
    pub fn cached(&self, r: &mut Request<'_>) -> Status {
        run_all(r, &self.caches)
    }

    /// Whether mod_cache answers in this phase.
    pub fn have_a_cache(&self) -> bool {
        !self.caches.is_empty()
    }

    /// Runs the handlers of the one module that can lead to another resource.
    pub fn lead_on(&self, r: &mut Request<'_>, which: LeadsOn) -> Status {
        self.run_those(r, |handler, _| handler.module == which.module())
    }

    fn run_those(&self, r: &mut Request<'_>, which: impl Fn(&ContentHandler, &Role) -> bool) -> Status {
        run_all(r, self.all.iter().filter(|(handler, role)| which(handler, role)).map(|(handler, _)| handler))
    }

    /// How the content of this request would be made, as the request is now.
    pub fn ahead(&self, r: &Request<'_>) -> Result<Ahead<'_>, Refusal> {
        server_pages::check(r)?;
        if r.goes_to_backend() {
            // Another process, which was started in the contexts.
            return Ok(Ahead::Nothing);
        }
        let makers = self.makers.iter().filter_map(|at| match &self.all[*at].1 {
            Role::Maker(maker) => Some(maker),
            _ => None,
        });
        Ok(makers.into_iter().find(|maker| maker.takes(r)).map_or(Ahead::Nothing, Ahead::Maker))
    }

    /// Runs the handlers as the server does: the first answer that is not DECLINED is the result.
    pub fn run(&self, r: &mut Request<'_>) -> Status {
        self.run_those(r, |_, role| !matches!(role, Role::Gate | Role::Cache | Role::Upgrade))
    }

    /// The same in a confined thread. `made_elsewhere` is called before another process makes the content. If it
    /// returns a status, that status is the result.
    pub fn run_confined(
        &self,
        r: &mut Request<'_>,
        mut refuse: impl FnMut(&mut Request<'_>, &Refusal) -> Status,
        mut made_elsewhere: impl FnMut(&mut Request<'_>, &LoadedMaker) -> Result<(), Refusal>,
    ) -> Status {
        for (handler, role) in &self.all {
            let looked = match role {
                Role::Gate | Role::Cache | Role::Upgrade => continue,
                Role::Maker(maker) if maker.takes(r) => made_elsewhere(r, maker),
                // This maker would decline. It does not run, because it might look at more than is known here.
                Role::Maker(_) => continue,
                Role::ServerPage => server_pages::check(r),
                Role::Plain => Ok(()),
            };
            if let Err(refusal) = looked {
                return refuse(r, &refusal);
            }
            match handler.run(r) {
                Status::DECLINED => {}
                status => return status,
            }
        }
        Status::DECLINED
    }
}

/// Runs these handlers in their order: the first answer that is not DECLINED is the result.
fn run_all<'h>(r: &mut Request<'_>, handlers: impl IntoIterator<Item = &'h ContentHandler>) -> Status {
    for handler in handlers {
        match handler.run(r) {
            Status::DECLINED => {}
            status => return status,
        }
    }
    Status::DECLINED
}
