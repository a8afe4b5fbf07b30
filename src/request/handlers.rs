//! The server's content handlers, run by this module itself where rules apply.
//!
//! Where a rule applies, the module never leaves a request to the server's own chain of handlers. It runs them one
//! by one, in the server's order, and looks at the request before each: an application that ran before may have
//! changed the handler's name, the file or `proxyreq` and declined.

use std::ffi::{CStr, c_int};

use apache_sys as sys;

use crate::{
    httpd::{
        hooks::{self, ContentHandler},
        request::Request,
        server::Server,
    },
    report::Refusal,
    request::modules::{out_of_process::LoadedMaker, server_pages},
};

/// This module, as the server knows it by its hooks.
const OWN: &CStr = c"mod_confine.c";

/// What a handler is to this module.
enum Role {
    /// This module's own gate, which is running already.
    Gate,
    /// mod_cache's, which answers for others.
    Cache,
    /// The server's upgrades to other protocols, whose threads must not inherit a context.
    Upgrade,
    /// It has the content made in another process.
    Maker(LoadedMaker),
    /// It shows or changes the server's state.
    ServerPage,
    /// It makes the content in the thread that asks for it, as far as is known.
    Plain,
}

/// Modules whose handlers make content in the thread that asks for it, or have it made by a program that this
/// thread starts, as their sources and manuals say.
const MADE_HERE: [&CStr; 38] = [
    c"core.c",
    c"mod_actions.c",
    c"mod_asis.c",
    c"mod_auth_cas.c",
    c"mod_auth_form.c",
    c"mod_auth_mellon.c",
    c"mod_auth_openidc.c",
    c"mod_authz_svn.c",
    c"mod_autoindex.c",
    c"mod_cgi.c",
    c"mod_dav.c",
    c"mod_dav_fs.c",
    c"mod_dav_lock.c",
    c"mod_dav_svn.c",
    c"mod_dialup.c",
    c"mod_dir.c",
    c"mod_dontdothat.c",
    c"mod_evasive.c",
    c"mod_evasive20.c",
    c"mod_file_cache.c",
    c"mod_imagemap.c",
    c"mod_include.c",
    c"mod_log_debug.c",
    c"mod_lua.c",
    c"mod_negotiation.c",
    c"mod_perl.c",
    c"mod_php.c",
    c"mod_php5.c",
    c"mod_php7.c",
    c"mod_python.c",
    c"mod_reflector.c",
    c"mod_rewrite.c",
    c"mod_security2.c",
    c"mod_speling.c",
    c"mod_substitute.c",
    c"mod_userdir.c",
    c"mod_wsgi.c",
    c"mod_xsendfile.c",
];

/// All handlers of one generation, in the server's order.
pub struct Handlers(Vec<(ContentHandler, Role)>);

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

impl Handlers {
    /// The handlers of the configuration that was just read. The error is the text of a fault.
    pub fn of(main: &Server<'_>, gate: hooks::RequestHook) -> Result<Self, String> {
        let all = hooks::content_handlers();
        if let Some(first) = all.first().filter(|first| !first.is(gate)) {
            let module = first.module.to_string_lossy();
            return Err(format!(
                "{module} has a content handler that the server runs before mod_confine's, so it would run \
                 unconfined; do not load that module in a server with rules"
            ));
        }
        let quick = hooks::first_quick_handler();
        if quick != OWN {
            let module = quick.to_string_lossy();
            return Err(format!(
                "{module} has a quick handler that the server runs before mod_confine's, so it would answer before \
                 any rule is read; do not load that module in a server with rules"
            ));
        }
        let role = |handler: &ContentHandler| {
            if handler.is(gate) {
                return Role::Gate;
            }
            if let Some(maker) = LoadedMaker::of(main, handler.module) {
                return Role::Maker(maker);
            }
            match handler.module {
                module if module == c"mod_cache.c" => Role::Cache,
                module if module == c"core.c" && handler.is_really_first() => Role::Upgrade,
                module if server_pages::has_some(module) => Role::ServerPage,
                _ => Role::Plain,
            }
        };
        Ok(Self(all.into_iter().map(|handler| (handler, role(&handler))).collect()))
    }

    /// The modules of which it is not known in which process they make content, by their source files.
    pub fn unknown(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (handler, role) in &self.0 {
            let name = handler.module.to_string_lossy().into_owned();
            if matches!(role, Role::Plain) && !MADE_HERE.contains(&handler.module) && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Looks at an upgrade to another protocol, which the client or the server may want.
    pub fn upgrade(&self, r: &mut Request<'_>) -> c_int {
        self.run_those(r, |_, role| matches!(role, Role::Upgrade))
    }

    /// Answers from httpd's cache, where it has something.
    pub fn cached(&self, r: &mut Request<'_>) -> c_int {
        self.run_those(r, |_, role| matches!(role, Role::Cache))
    }

    /// Whether mod_cache answers in this phase.
    pub fn have_a_cache(&self) -> bool {
        self.0.iter().any(|(_, role)| matches!(role, Role::Cache))
    }

    /// Runs the one module's handlers that may lead to another resource.
    pub fn lead_on(&self, r: &mut Request<'_>, which: LeadsOn) -> c_int {
        self.run_those(r, |handler, _| handler.module == which.module())
    }

    fn run_those(&self, r: &mut Request<'_>, which: impl Fn(&ContentHandler, &Role) -> bool) -> c_int {
        for (handler, _) in self.0.iter().filter(|(handler, role)| which(handler, role)) {
            match handler.run(r) {
                sys::DECLINED => {}
                status => return status,
            }
        }
        sys::DECLINED
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
    pub fn run(&self, r: &mut Request<'_>) -> c_int {
        self.run_those(r, |_, role| !matches!(role, Role::Gate | Role::Cache | Role::Upgrade))
    }

    /// The same in a confined thread. `made_elsewhere` is asked before another process makes the content; where it
    /// gives a status, that is the answer.
    pub fn run_confined(
        &self,
        r: &mut Request<'_>,
        mut refuse: impl FnMut(&mut Request<'_>, &Refusal) -> c_int,
        mut made_elsewhere: impl FnMut(&mut Request<'_>, &LoadedMaker) -> Result<(), Refusal>,
    ) -> c_int {
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
                sys::DECLINED => {}
                status => return status,
            }
        }
        sys::DECLINED
    }
}
