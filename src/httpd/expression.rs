//! String expressions in the server's own language (`ap_expr`).

use std::{
    ffi::{CStr, CString, c_int},
    ptr::NonNull,
};

use apache_sys as sys;

use crate::httpd::{command::Command, request::Request, slot::module_index};

/// An expression that was compiled when the configuration was read. It lives in the configuration's
/// pool, as does everything that holds it.
#[derive(Clone, Copy)]
pub struct Expression {
    raw: NonNull<sys::ap_expr_info_t>,
}

// SAFETY: evaluation reads the compiled tree only (server/util_expr_eval.c keeps all state in a
// context on the stack), so threads may share it.
unsafe impl Send for Expression {}
// SAFETY: as above.
unsafe impl Sync for Expression {}

impl Expression {
    /// Compiles `text` as a string expression. The error is the server's own message.
    pub fn compile(command: &Command<'_>, text: &str) -> Result<Self, String> {
        let text = CString::new(text).map_err(|_| "it holds a NUL byte".to_owned())?;
        let mut error = std::ptr::null();
        // DONT_VARY: the expression chooses privileges, not a variant of the content.
        let flags = (sys::AP_EXPR_FLAG_STRING_RESULT | sys::AP_EXPR_FLAG_DONT_VARY) as u32;
        // SAFETY: live command parameters and NUL-terminated text; the result lives in the
        // configuration's pool.
        let raw = unsafe {
            sys::ap_expr_parse_cmd_mi(
                command.as_ptr(),
                text.as_ptr(),
                flags,
                &mut error,
                None,
                module_index(),
            )
        };
        match NonNull::new(raw) {
            Some(raw) if error.is_null() => Ok(Self { raw }),
            _ => Err(message(error)),
        }
    }

    /// The value for this request, as bytes. The error is the server's own message.
    pub fn evaluate(&self, r: &Request<'_>) -> Result<Vec<u8>, String> {
        let mut error = std::ptr::null();
        // SAFETY: live request, and an expression of the configuration that the request runs under.
        unsafe {
            let value = sys::ap_expr_str_exec(r.as_ptr(), self.raw.as_ptr(), &mut error);
            if error.is_null() && !value.is_null() {
                Ok(CStr::from_ptr(value).to_bytes().to_vec())
            } else {
                Err(message(error))
            }
        }
    }
}

/// A function that an expression names, while the server reads the expression.
pub struct NamedFunction<'l>(&'l sys::ap_expr_lookup_parms);

impl NamedFunction<'_> {
    /// Wraps what the server hands to the hook expr_lookup.
    ///
    /// # Safety
    /// `parms` is null, or live and this thread's for the length of the call.
    pub unsafe fn from_raw(parms: *mut sys::ap_expr_lookup_parms) -> Option<Self> {
        // SAFETY: the caller's promise.
        unsafe { parms.as_ref() }.map(Self)
    }

    /// Whether it gives the content or the size of a file (server/util_expr_eval.c, string_func_providers).
    pub fn reads_a_file(&self) -> bool {
        if self.0.type_ != sys::AP_EXPR_FUNC_STRING as c_int || self.0.name.is_null() {
            return false;
        }
        // SAFETY: the parser's own NUL-terminated text.
        let name = unsafe { CStr::from_ptr(self.0.name) }.to_bytes();
        [&b"file"[..], b"filesize"].iter().any(|function| name.eq_ignore_ascii_case(function))
    }

    /// Makes `why` the error of the expression.
    pub fn refuse(&self, why: &'static CStr) {
        // SAFETY: the parser's place for an error, or null.
        if let Some(place) = unsafe { self.0.err.as_mut() } {
            *place = why.as_ptr();
        }
    }
}

fn message(error: *const std::ffi::c_char) -> String {
    if error.is_null() {
        return "no value".to_owned();
    }
    // SAFETY: the server's messages are NUL-terminated strings in a live pool.
    unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned()
}
