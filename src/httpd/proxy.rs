//! mod_proxy: where a request goes to, as it decided, right before it connects.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr::null,
};

use apache_sys as sys;

use crate::httpd::request::Request;

/// mod_proxy's hook scheme_handler: the protocol of the backend is about to be spoken.
pub type SchemeHandler = unsafe extern "C" fn(
    *mut sys::request_rec,
    *mut sys::proxy_worker,
    *mut sys::proxy_server_conf,
    *mut c_char,
    *const c_char,
    sys::apr_port_t,
) -> c_int;

type Register =
    unsafe extern "C" fn(Option<SchemeHandler>, *const *const c_char, *const *const c_char, c_int);

/// Has `hook` called before each request of mod_proxy's, if that module is loaded. To be called once all modules are,
/// and before the server sorts its hooks.
pub fn before_backends(hook: SchemeHandler) -> Result<(), &'static str> {
    if !super::hooks::module_loaded(c"mod_proxy.c") {
        return Ok(());
    }
    // SAFETY: the module is loaded for all to see (APR opens modules with RTLD_GLOBAL), and this function of it has
    // the type that its header gives it (mod_proxy.h, APR_DECLARE_EXTERNAL_HOOK).
    unsafe {
        let function = libc::dlsym(libc::RTLD_DEFAULT, c"proxy_hook_scheme_handler".as_ptr());
        if function.is_null() {
            return Err(
                "mod_proxy is loaded, and has no hook that sees where requests go to; use httpd's own",
            );
        }
        let register = std::mem::transmute::<*mut c_void, Register>(function);
        register(Some(hook), null(), null(), sys::APR_HOOK_REALLY_FIRST as c_int - 1);
    }
    Ok(())
}

/// The UNIX socket that mod_proxy connects to for this request: the worker's, or else the one that the handler or the
/// URL named (modules/proxy/proxy_util.c, ap_proxy_determine_connection). `None`: it goes elsewhere.
///
/// # Safety
/// `worker` is null or a live worker.
pub unsafe fn socket_of<'r>(r: &Request<'r>, worker: *const sys::proxy_worker) -> Option<&'r CStr> {
    // SAFETY: the caller's promise; a worker has its shared part, whose path is a C string, for as long as the server.
    let of_worker = unsafe {
        let shared = worker.as_ref()?.s.as_ref()?;
        CStr::from_ptr(shared.uds_path.as_ptr())
    };
    if of_worker.is_empty() { r.note(c"uds_path") } else { Some(of_worker) }
}
