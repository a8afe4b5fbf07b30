//! The server's content handlers, run by this module itself where rules apply.
//!
//! Where a rule applies, the module never leaves a request to the server's own chain of handlers. It runs them one
//! by one, in the server's order, and looks at the request before each: an application that ran before may have
//! changed the handler's name, the file or `proxyreq` and declined.

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

/// Whose handlers may run before the decision, because all that they do is to lead to another resource.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeadsOn {
    /// mod_rewrite's result in a directory.
    Rewrite,
    /// A type map that only root can have made, without content of its own.
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

/// What stands on the way of a request's content.
pub enum Ahead<'h> {
    /// Nothing: the thread that asks for it makes it.
    Nothing,
    /// Another process would make it.
    Maker(&'h LoadedMaker),
}

impl ContentHandlers {
    /// Looks at an upgrade to another protocol, which the client or the server may want.
    pub fn upgrade(&self, r: &mut Request<'_>) -> Status {
        self.run_those(r, |_, role| matches!(role, Role::Upgrade))
    }

    /// Answers from httpd's cache, where it has something.
    pub fn cached(&self, r: &mut Request<'_>) -> Status {
        self.run_those(r, |_, role| matches!(role, Role::Cache))
    }

    /// Whether mod_cache answers in this phase.
    pub fn have_a_cache(&self) -> bool {
        self.0.iter().any(|(_, role)| matches!(role, Role::Cache))
    }

    /// Runs the one module's handlers that may lead to another resource.
    pub fn lead_on(&self, r: &mut Request<'_>, which: LeadsOn) -> Status {
        self.run_those(r, |handler, _| handler.module == which.module())
    }

    fn run_those(&self, r: &mut Request<'_>, which: impl Fn(&ContentHandler, &Role) -> bool) -> Status {
        for (handler, _) in self.0.iter().filter(|(handler, role)| which(handler, role)) {
            match handler.run(r) {
                Status::DECLINED => {}
                status => return status,
            }
        }
        Status::DECLINED
    }

    /// What a request meets that goes to its content as it is now.
    pub fn ahead(&self, r: &Request<'_>) -> Result<Ahead<'_>, Refusal> {
        server_pages::check(r)?;
        let makers = self.0.iter().filter_map(|(_, role)| match role {
            Role::Maker(maker) => Some(maker),
            _ => None,
        });
        Ok(makers.into_iter().find(|maker| maker.takes(r)).map_or(Ahead::Nothing, Ahead::Maker))
    }

    /// Runs the handlers as the server does: the first answer that is not DECLINED counts.
    pub fn run(&self, r: &mut Request<'_>) -> Status {
        self.run_those(r, |_, role| !matches!(role, Role::Gate | Role::Cache | Role::Upgrade))
    }

    /// The same in a confined thread. `made_elsewhere` is asked before another process makes the content; where it
    /// gives a status, that is the answer.
    pub fn run_confined(
        &self,
        r: &mut Request<'_>,
        mut refuse: impl FnMut(&mut Request<'_>, &Refusal) -> Status,
        mut made_elsewhere: impl FnMut(&mut Request<'_>, &LoadedMaker) -> Result<(), Refusal>,
    ) -> Status {
        for (handler, role) in &self.0 {
            let looked = match role {
                Role::Gate | Role::Cache | Role::Upgrade => continue,
                Role::Maker(maker) if maker.takes(r) => made_elsewhere(r, maker),
                // It would decline. Should it look at more than is known of it, it still does not run.
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
