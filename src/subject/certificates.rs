//! Which name a client's certificate proves.
//!
//! Only mod_ssl can read what it keeps of its directives. So this module also has two of them
//! ([`crate::config::directives`]): the server calls every module that has a directive of the name (server/config.c,
//! ap_walk_config_sub).
//! - `SSLUserName` says which variable holds the name.
//! - `SSLVerifyClient optional_no_ca` accepts certificates that no trusted authority has signed. On the connection that began
//!   the TLS session, mod_ssl then says `GENEROUS`. On a connection that resumes the session, up to TLS 1.2, it says
//!   `SUCCESS`: it keeps the reservation with the connection (modules/ssl/ssl_engine_kernel.c,
//!   ssl_callback_SSLVerify), and overwrites the result of the session (ssl_hook_Access_classic;
//!   ssl_hook_Access_modern, for TLS 1.3, does not). So if such certificates may have been accepted, a resumed
//!   session of TLS 1.2 proves nothing.

use std::ffi::CStr;

use crate::{
    config::{DirectoryConfig, unverified_certificates},
    httpd::request::Request,
    thread::shared_memory,
};

/// Makes the memory that children share, before there are any. A `.htaccess` file may accept such certificates, and
/// any child may resume a session that another child began.
pub fn prepare() {
    unverified_certificates::share(|| shared_memory::numbers().map(|[mark]| mark));
}

/// Whether the client has a certificate that mod_ssl has verified.
pub fn is_verified(r: &Request<'_>) -> bool {
    if r.tls(c"SSL_CLIENT_VERIFY") != Some(c"SUCCESS") {
        return false;
    }
    !unverified_certificates::may_be_let_in()
        || r.tls(c"SSL_SESSION_RESUMED") == Some(c"Initial")
        || r.tls(c"SSL_PROTOCOL") == Some(c"TLSv1.3")
}

/// Whether `user` is the value of the configured variable of a verified certificate.
pub fn prove(r: &Request<'_>, user: &CStr) -> bool {
    let variable = DirectoryConfig::of(r).and_then(|config| config.name_in_certificate);
    variable.is_some_and(|variable| {
        is_of_certificate(variable) && r.tls(variable) == Some(user) && is_verified(r)
    })
}

/// mod_ssl accepts any variable as the name: headers, the environment, the session's number. Of the certificates that
/// a client sends it checks only the first. The others may belong to anybody.
fn is_of_certificate(variable: &CStr) -> bool {
    let starts = |prefix: &[u8]| {
        variable.to_bytes().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    starts(b"SSL_CLIENT_") && !starts(b"SSL_CLIENT_CERT_CHAIN_")
}
