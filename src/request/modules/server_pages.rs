//! Pages about the server: what it does, how it is configured, and switches that change it.
//!
//! A tenant's `.htaccess` can name their handlers (`SetHandler server-info`). But such a page belongs to the server
//! and not to the tenant. So under a rule it only answers where `SetHandler` in the server's own configuration, and
//! not in a `.htaccess` file, names it for this place.

use crate::{
    config::{DirectoryConfig, handlers::SERVER_PAGES},
    httpd::request::Request,
    report::Refusal,
};

/// Refuses a request under a rule if a page would answer it that the configuration did not put there.
pub fn check(r: &Request<'_>) -> Result<(), Refusal> {
    let Some(handler) = r.handler() else { return Ok(()) };
    if !SERVER_PAGES.iter().any(|(_, names)| names.contains(&handler)) {
        return Ok(());
    }
    match DirectoryConfig::of(r).and_then(DirectoryConfig::handler_of_the_configuration) {
        Some(configured) if configured == handler => Ok(()),
        _ => Err(Refusal::server_page(&handler.to_string_lossy())),
    }
}
