//! mod_mime_magic as the server sees it: its type checker, which reads a file, and has gzip unpack one that is packed.

use std::{
    ffi::{CStr, c_int, c_void},
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
};

use apache_sys as sys;

use crate::httpd::{hooks::RequestHook, request::Request, status::Status};

/// The handler of a request that names none (include/httpd.h, AP_DEFAULT_HANDLER_NAME).
const DEFAULT: &CStr = c"";

/// The module's own type checker, or null.
static ORIGINAL: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// Makes the server call `instead` where it calls mod_mime_magic's type checker. [`look`] calls the original.
///
/// It must be called after the configuration was read (the server then sorts its hooks) and before the first
/// request.
pub fn wrap(instead: RequestHook) {
    // SAFETY: the array of hooks, which the server keeps as long as the configuration and which nobody reads or changes
    // meanwhile, as there is one thread and no request.
    let links: &mut [sys::ap_LINK_type_checker_t] = unsafe {
        let array = sys::ap_hook_get_type_checker();
        if array.is_null() || (*array).elts.is_null() {
            &mut []
        } else {
            std::slice::from_raw_parts_mut((*array).elts.cast(), (*array).nelts.max(0) as usize)
        }
    };
    // SAFETY: null or the registering module's name (server/config.c, ap_register_hooks).
    let own = |link: &&mut sys::ap_LINK_type_checker_t| unsafe {
        !link.szName.is_null() && CStr::from_ptr(link.szName) == c"mod_mime_magic.c"
    };
    let found = links.iter_mut().find(own).and_then(|link| Some((link.pFunc?, link)));
    match found {
        Some((function, link)) if !std::ptr::fn_addr_eq(function, instead) => {
            ORIGINAL.store(function as *mut c_void, Ordering::Release);
            link.pFunc = Some(instead);
        }
        Some(_) => {}
        None => ORIGINAL.store(null_mut(), Ordering::Release),
    }
}

/// Whether the module is loaded.
pub fn is_loaded() -> bool {
    !ORIGINAL.load(Ordering::Acquire).is_null()
}

/// Has the module look into the request's file, in this thread. DECLINED if the module is not loaded.
pub fn look(r: &mut Request<'_>) -> Status {
    let original = ORIGINAL.load(Ordering::Acquire);
    if original.is_null() {
        return Status::DECLINED;
    }
    // SAFETY: the hook that was stored in `wrap`, of a module that stays loaded as long as the configuration of this
    // request; it gets a live request that only this thread uses.
    let status: c_int = unsafe { std::mem::transmute::<*mut c_void, RequestHook>(original)(r.as_ptr()) };
    Status::from_raw(status)
}

impl Request<'_> {
    /// Whether the type of its content is known.
    pub fn has_type(&self) -> bool {
        // SAFETY: a live request.
        unsafe { !(*self.as_ptr()).content_type.is_null() }
    }

    /// Gives a request that names no handler the one that its type names, as the server does before it runs handlers
    /// (server/config.c, ap_invoke_handler).
    pub fn handle_by_type(&mut self) {
        if self.handler() != Some(DEFAULT) {
            return;
        }
        // SAFETY: a live request, whose type is null or a C string of its pool.
        unsafe {
            let kind = (*self.as_ptr()).content_type;
            if !kind.is_null() {
                let bare =
                    CStr::from_ptr(kind).to_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
                (*self.as_ptr()).handler = self.pool().text(bare.trim_ascii_end()).as_ptr();
            }
        }
    }
}
