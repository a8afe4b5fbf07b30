//! Whose name a client's certificate proves.
//!
//! What mod_ssl keeps of its directives, only mod_ssl can read. So this module has two of them as well: the server calls
//! every module that has a directive of the name (server/config.c, ap_walk_config_sub).
//! - `SSLUserName` says which variable holds the name.
//! - `SSLVerifyClient optional_no_ca` lets certificates in that nobody vouches for. mod_ssl says `GENEROUS` of them on
//!   the connection that began the TLS session. On one that resumes it, up to TLS 1.2, it says `SUCCESS`: it keeps
//!   the reservation with the connection (modules/ssl/ssl_engine_kernel.c, ssl_callback_SSLVerify) and overwrites the
//!   session's own result (ssl_hook_Access_classic; ssl_hook_Access_modern, of TLS 1.3, does not). So where such
//!   certificates may have been let in, a session of TLS 1.2 that is resumed proves nothing.

use std::{
    ffi::{CStr, c_char, c_void},
    ptr::{NonNull, null},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use apache_sys as sys;

use crate::{
    config::DirectoryConfig,
    httpd::{hooks, request::Request},
    thread::shared_memory,
};

/// Whether certificates that nobody vouches for were ever to be let in, in the life of this server. Children share it:
/// a `.htaccess` file may say so, and which child resumes a session that another one began is chance.
fn let_in() -> Option<&'static AtomicU64> {
    static MARK: OnceLock<Option<&'static [AtomicU64; 1]>> = OnceLock::new();
    MARK.get_or_init(shared_memory::numbers).map(|[mark]| mark)
}

/// Makes what children share, before there are any.
pub fn prepare() {
    let_in();
}

/// Whether the client has a certificate that mod_ssl verified.
pub fn is_verified(r: &Request<'_>) -> bool {
    if r.tls(c"SSL_CLIENT_VERIFY") != Some(c"SUCCESS") {
        return false;
    }
    let none_let_in = let_in().is_some_and(|mark| mark.load(Ordering::Relaxed) == 0);
    none_let_in
        || r.tls(c"SSL_SESSION_RESUMED") == Some(c"Initial")
        || r.tls(c"SSL_PROTOCOL") == Some(c"TLSv1.3")
}

/// Whether `user` is what the variable that is set here says of a verified certificate.
pub fn prove(r: &Request<'_>, user: &CStr) -> bool {
    let variable = DirectoryConfig::of(r).and_then(|config| config.name_in_certificate());
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

/// The command function of `SSLUserName`.
///
/// # Safety
/// Called by the server with what create_directory made for the section, and the directive's word.
pub unsafe extern "C" fn user_name(
    _: *mut sys::cmd_parms,
    directory: *mut c_void,
    name: *const c_char,
) -> *const c_char {
    if !hooks::module_loaded(c"mod_ssl.c") {
        return unknown(c"SSLUserName");
    }
    // SAFETY: the caller's promise; one thread reads the section.
    if let Some(config) = unsafe { directory.cast::<DirectoryConfig>().as_mut() } {
        config.name_in_certificate = NonNull::new(name.cast_mut());
    }
    null()
}

/// The command function of `SSLVerifyClient`.
///
/// # Safety
/// Called by the server with the directive's word.
pub unsafe extern "C" fn verify_client(
    _: *mut sys::cmd_parms,
    _: *mut c_void,
    how: *const c_char,
) -> *const c_char {
    if !hooks::module_loaded(c"mod_ssl.c") {
        return unknown(c"SSLVerifyClient");
    }
    // SAFETY: the caller's promise.
    let how = unsafe { CStr::from_ptr(how) };
    if how.to_bytes().eq_ignore_ascii_case(b"optional_no_ca") {
        let_in().into_iter().for_each(|mark| mark.store(1, Ordering::Relaxed));
    }
    null()
}

/// What the server says of a directive that no module has.
fn unknown(name: &CStr) -> *const c_char {
    match name.to_bytes() {
        b"SSLUserName" => c"Invalid command 'SSLUserName', perhaps misspelled or defined by a module not included in the server configuration",
        _ => c"Invalid command 'SSLVerifyClient', perhaps misspelled or defined by a module not included in the server configuration",
    }
    .as_ptr()
}
