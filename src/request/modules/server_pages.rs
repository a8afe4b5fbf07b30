//! Pages about the server: what it does, how it is configured, and switches that change it.
//!
//! A tenant's `.htaccess` can name their handlers (`SetHandler server-info`). Such a page is the server's and not
//! the tenant's, so under a rule it answers only where the server's own configuration put it: where `SetHandler`
//! in the configuration, not in a `.htaccess` file, names it for this very place.

use std::ffi::CStr;

use crate::{config::DirectoryConfig, httpd::request::Request, report::Refusal, status};

/// The modules whose handlers show or change the server's state, and the handlers' names. They answer to these
/// names alone (modules/generators/mod_status.c, status_handler, and the like).
const PAGES: [(&CStr, &[&CStr]); 10] = [
    (c"mod_confine.c", &[status::HANDLER]),
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

/// Whether the module with this source file has such a page.
pub fn has_some(module: &CStr) -> bool {
    PAGES.iter().any(|(of, _)| *of == module)
}

/// Refuses a request under a rule that would be answered by a page that the configuration did not put there.
pub fn check(r: &Request<'_>) -> Result<(), Refusal> {
    let Some(handler) = r.handler() else { return Ok(()) };
    if !PAGES.iter().any(|(_, names)| names.contains(&handler)) {
        return Ok(());
    }
    match DirectoryConfig::of(r).and_then(DirectoryConfig::handler_of_the_configuration) {
        Some(configured) if configured == handler => Ok(()),
        _ => Err(Refusal::server_page(&handler.to_string_lossy())),
    }
}
