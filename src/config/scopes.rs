//! What holds for one server section or one directory section, as the server keeps and merges it.

use std::ffi::CStr;

use confine::{context::BackendName, tally::Label};

use super::{Gate, Policy, Settings, Workers, named_code::NamedCode, policy::PolicyPlace};
use crate::httpd::{
    pool::Pool,
    request::Request,
    server::Server,
    slot::{ConfigEntry, DirectorySlot, ServerSlot},
};

/// This module's entry of server sections.
// SAFETY: the module record in lib.rs has this slot's functions.
pub const SERVER: ServerSlot<ServerConfig<'static>> = unsafe { ServerSlot::new() };

/// This module's entry of directory sections.
// SAFETY: the module record in lib.rs has this slot's functions, and so has the record of httpd::named_code.
pub const DIRECTORY: DirectorySlot<DirectoryConfig<'static>> = unsafe { DirectorySlot::new() };

/// The settings of a server section.
#[derive(Clone, Copy)]
pub struct ServerConfig<'c> {
    /// `ConfineGate`.
    pub gate: Option<Gate>,
    /// `ConfineWorkers`.
    pub workers: Option<Workers>,
    /// `ConfineBackend`.
    pub backend: Option<BackendName>,
    /// `ConfineEarly`: the index of its rule in [`Policy::rules`].
    pub early: Option<usize>,
    /// Whether any rule stands in this server or in a section of it.
    pub has_rules: bool,
    /// The label under which requests of this server are counted, after startup has finished.
    pub label: Label,
    policy: &'c PolicyPlace,
}

impl<'c> ServerConfig<'c> {
    /// The merged configuration of a server.
    pub fn of(server: &Server<'c>) -> Option<&'c Self> {
        SERVER.of(server)
    }

    /// The gate, with its default.
    pub fn gate(&self) -> Gate {
        self.gate.unwrap_or(Gate::Process)
    }

    /// How long workers live, with the default.
    pub fn workers(&self) -> Workers {
        self.workers.unwrap_or(Workers::OneTime)
    }

    /// The backend of contexts that name none.
    pub fn backend(&self) -> BackendName {
        self.backend.unwrap_or(BackendName::SELINUX)
    }

    /// What requests use; `None` until start-up has finished.
    pub fn policy(&self) -> Option<&'c Policy> {
        self.policy.policy()
    }

    /// Gives a server an entry of its own with this label. Before that it may share its entry with another server.
    pub fn count_as(server: &Server<'c>, label: Label) {
        if let (Some(shared), Some(pool)) = (Self::of(server), server.pool()) {
            SERVER.put(server, pool, Self { label, ..*shared });
        }
    }

    /// Finishes start-up.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.set(policy);
    }
}

impl ConfigEntry for ServerConfig<'static> {
    type At<'c> = ServerConfig<'c>;

    fn create(pool: Pool<'_>) -> ServerConfig<'_> {
        ServerConfig {
            gate: None,
            workers: None,
            backend: None,
            early: None,
            has_rules: false,
            label: Label::NONE,
            policy: PolicyPlace::of(pool),
        }
    }

    fn merge<'c>(_: Pool<'c>, outer: &'c ServerConfig<'c>, inner: &'c ServerConfig<'c>) -> ServerConfig<'c> {
        ServerConfig {
            gate: inner.gate.or(outer.gate),
            workers: inner.workers.or(outer.workers),
            backend: inner.backend.or(outer.backend),
            early: inner.early.or(outer.early),
            has_rules: inner.has_rules || outer.has_rules,
            label: Label::NONE,
            policy: inner.policy,
        }
    }
}

/// The configuration of a directory section, or of several merged: the inner rules come before the outer ones. The
/// server merges on every request, so it is plain data, and merging is cheap.
#[derive(Clone, Copy, Default)]
pub struct DirectoryConfig<'c> {
    /// What is set here.
    pub settings: Settings,
    /// Code that is named here.
    pub code: NamedCode,
    /// The last `SetHandler`.
    pub(super) handler: Option<SetHandler<'c>>,
    /// The sections that have rules, the innermost first.
    pub(super) first: Option<&'c Link<'c>>,
    /// `SSLUserName`: the variable of mod_ssl's that holds the user's name.
    pub name_in_certificate: Option<&'c CStr>,
}

/// `SetHandler`, which is core's, as this module saw it.
#[derive(Clone, Copy)]
pub(super) enum SetHandler<'c> {
    /// In the server's configuration: the handler's name, as written.
    Configuration(&'c CStr),
    /// In a .htaccess file.
    Htaccess,
}

/// A section with rules, in a chain of scopes.
#[derive(Clone, Copy)]
pub(super) struct Link<'c> {
    /// Its list: the index in [`Policy::lists`].
    pub(super) list: usize,
    /// The next one outside of it.
    pub(super) outer: Option<&'c Link<'c>>,
}

impl<'c> DirectoryConfig<'c> {
    /// The configuration that applies to a request; `None` where no directive does.
    pub fn of(r: &Request<'c>) -> Option<&'c Self> {
        DIRECTORY.of(r)
    }

    /// Whether any rule applies.
    pub fn has_rules(&self) -> bool {
        self.first.is_some()
    }

    /// The handler that `SetHandler` names in the server's configuration; `None` where a .htaccess file says
    /// otherwise, or nobody does.
    pub fn handler_of_the_configuration(&self) -> Option<&'c CStr> {
        match self.handler? {
            SetHandler::Configuration(name) => Some(name),
            SetHandler::Htaccess => None,
        }
    }

    /// The rules' indices in [`Policy::rules`], inner scopes first, each scope in its own order.
    pub fn rules<'p>(&self, policy: &'p Policy) -> impl Iterator<Item = usize> + use<'c, 'p> {
        std::iter::successors(self.first, |link| link.outer)
            .flat_map(move |link| policy.lists[link.list].iter().copied())
    }
}

impl ConfigEntry for DirectoryConfig<'static> {
    type At<'c> = DirectoryConfig<'c>;

    fn create(_: Pool<'_>) -> DirectoryConfig<'_> {
        DirectoryConfig::default()
    }

    /// Runs on requests: it takes a few words of the pool.
    fn merge<'c>(
        pool: Pool<'c>,
        outer: &'c DirectoryConfig<'c>,
        inner: &'c DirectoryConfig<'c>,
    ) -> DirectoryConfig<'c> {
        DirectoryConfig {
            settings: inner.settings.over(outer.settings),
            code: inner.code.and(outer.code),
            handler: inner.handler.or(outer.handler),
            first: append(pool, inner.first, outer.first),
            name_in_certificate: inner.name_in_certificate.or(outer.name_in_certificate),
        }
    }
}

/// The chain `inner`, copied, with `outer` behind its last link.
fn append<'c>(
    pool: Pool<'c>,
    inner: Option<&'c Link<'c>>,
    outer: Option<&'c Link<'c>>,
) -> Option<&'c Link<'c>> {
    let Some(link) = inner else { return outer };
    if outer.is_none() {
        return inner;
    }
    let copy = Link { list: link.list, outer: append(pool, link.outer, outer) };
    Some(pool.place(copy))
}
