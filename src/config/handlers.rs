//! The server's content handlers, and what each of them is to this module.
//!
//! Start-up makes the list once, when the configuration was read. [`crate::request::handlers`] runs the handlers.

use std::ffi::CStr;

use crate::{
    config::makers::LoadedMaker,
    httpd::{
        hooks::{self, ContentHandler},
        server::Server,
    },
};

/// The name of this module's own handler, which shows the counts.
pub const STATUS_HANDLER: &CStr = c"confine-status";

/// This module, as the server knows it by its hooks.
const OWN: &CStr = c"mod_confine.c";

/// What a handler is to this module.
pub enum Role {
    /// This module's own gate, which is running already.
    Gate,
    /// mod_cache's handler, which answers for others.
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

/// All content handlers of one configuration, and what each is to this module.
///
/// A request asks several times for the handlers of one role, so each role has a list of its own.
pub struct ContentHandlers {
    /// All of them, in the server's order.
    pub all: Vec<(ContentHandler, Role)>,
    /// The server's upgrades to other protocols, in the same order.
    pub upgrades: Vec<ContentHandler>,
    /// The handlers of mod_cache, in the same order.
    pub caches: Vec<ContentHandler>,
    /// The handlers that have the content made in another process, by their places in the list of all.
    pub makers: Vec<usize>,
}

impl ContentHandlers {
    /// Lists the handlers of the configuration that was just read. The error is the text of a fault.
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
                module if has_server_page(module) => Role::ServerPage,
                _ => Role::Plain,
            }
        };
        Ok(Self::listed(all.into_iter().map(|handler| (handler, role(&handler))).collect()))
    }

    fn listed(all: Vec<(ContentHandler, Role)>) -> Self {
        let those = |is_wanted: fn(&Role) -> bool| {
            all.iter().filter(|(_, role)| is_wanted(role)).map(|(handler, _)| *handler).collect()
        };
        let maker = |(at, (_, role)): (usize, &(_, Role))| matches!(role, Role::Maker(_)).then_some(at);
        Self {
            upgrades: those(|role| matches!(role, Role::Upgrade)),
            caches: those(|role| matches!(role, Role::Cache)),
            makers: all.iter().enumerate().filter_map(maker).collect(),
            all,
        }
    }

    /// The modules, by their source files, of which nobody knows in which process they make content.
    pub fn unknown(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (handler, role) in &self.all {
            let name = handler.module.to_string_lossy().into_owned();
            if matches!(role, Role::Plain) && !MADE_HERE.contains(&handler.module) && !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

/// The modules whose handlers show or change the server's state, and the handlers' names. They answer to these
/// names alone (modules/generators/mod_status.c, status_handler, and the like).
pub const SERVER_PAGES: [(&CStr, &[&CStr]); 10] = [
    (c"mod_confine.c", &[STATUS_HANDLER]),
    (c"mod_status.c", &[c"server-status", c"application/x-httpd-status"]),
    (c"mod_info.c", &[c"server-info"]),
    (c"util_ldap.c", &[c"ldap-status"]),
    (c"mod_proxy_balancer.c", &[c"balancer-manager"]),
    (c"mod_heartmonitor.c", &[c"heartbeat"]),
    (c"mod_md.c", &[c"md-status"]),
    (c"mod_http2.c", &[c"http2-status"]),
    (c"mod_qos.c", &[c"qos-viewer", c"qos-console"]),
    (c"mod_manager.c", &[c"mod_cluster-manager"]),
];

/// Whether the module with this source file has a page about the server.
fn has_server_page(module: &CStr) -> bool {
    SERVER_PAGES.iter().any(|(of, _)| *of == module)
}
