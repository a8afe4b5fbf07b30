//! Whose name a client's certificate proves.
//!
//! What mod_ssl keeps of its directives, only mod_ssl can read. So this module has two of them as well
//! ([`crate::config::directives`]): the server calls every module that has a directive of the name (server/config.c,
//! ap_walk_config_sub).
//! - `SSLUserName` says which variable holds the name.
//! - `SSLVerifyClient optional_no_ca` lets certificates in that nobody vouches for. mod_ssl says `GENEROUS` of them on
//!   the connection that began the TLS session. On one that resumes it, up to TLS 1.2, it says `SUCCESS`: it keeps
//!   the reservation with the connection (modules/ssl/ssl_engine_kernel.c, ssl_callback_SSLVerify) and overwrites the
//!   session's own result (ssl_hook_Access_classic; ssl_hook_Access_modern, of TLS 1.3, does not). So where such
//!   certificates may have been let in, a session of TLS 1.2 that is resumed proves nothing.

use std::ffi::CStr;

use crate::{
    config::{DirectoryConfig, unverified_certificates},
    httpd::request::Request,
    thread::shared_memory,
};

/// Makes what children share, before there are any: a `.htaccess` file may let such certificates in, and which child
/// resumes a session that another one began is chance.
pub fn prepare() {
    unverified_certificates::share(|| shared_memory::numbers().map(|[mark]| mark));
}

/// Whether the client has a certificate that mod_ssl verified.
pub fn is_verified(r: &Request<'_>) -> bool {
    if r.tls(c"SSL_CLIENT_VERIFY") != Some(c"SUCCESS") {
        return false;
    }
    !unverified_certificates::may_be_let_in()
        || r.tls(c"SSL_SESSION_RESUMED") == Some(c"Initial")
        || r.tls(c"SSL_PROTOCOL") == Some(c"TLSv1.3")
}

/// Whether `user` is what the variable that is set here says of a verified certificate.
pub fn prove(r: &Request<'_>, user: &CStr) -> bool {
    let variable = DirectoryConfig::of(r).and_then(|config| config.name_in_certificate);
    variable.is_some_and(|variable| {
        is_of_certificate(variable) && r.tls(variable) == Some(user) && is_verified(r)
    })
}

/// mod_ssl takes any variable at all for a name: headers, the environment, the session's number. Of the certificates
/// that a client sends, it looks at the first alone; others may be anybody's.
fn is_of_certificate(variable: &CStr) -> bool {
    let starts = |prefix: &[u8]| {
        variable.to_bytes().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    starts(b"SSL_CLIENT_") && !starts(b"SSL_CLIENT_CERT_CHAIN_")
}
