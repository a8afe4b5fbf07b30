//! Directives of other modules that this module gives to single requests. They act as if they stood in the innermost
//! section.

use std::{
    ffi::CStr,
    mem::zeroed,
    ptr::{NonNull, null_mut},
};

use apache_sys as sys;

use crate::httpd::server::Server;

/// Directives that were read. They live as long as the configuration.
pub struct Directives(NonNull<sys::ap_conf_vector_t>);

// SAFETY: a vector in the configuration's pool that nobody changes once it is made.
unsafe impl Send for Directives {}
// SAFETY: as above.
unsafe impl Sync for Directives {}

impl Directives {
    /// Reads directives of loaded modules, given by their names and arguments. The error is the server's text.
    ///
    /// It must be called while the configuration is read, when there is one thread.
    pub fn read(main: &Server<'_>, lines: &[(&CStr, &CStr)]) -> Result<Self, String> {
        // SAFETY: the main server and its process record are live, and so is the configuration's pool.
        let (server, pool) = unsafe { (main.as_ptr(), (*(*main.as_ptr()).process).pconf) };
        // SAFETY: null pointers and zeros are what the server's own cmd_parms begin with (server/config.c,
        // default_parms), but for the fields set below; an ap_directive_t of zeros is an empty one.
        let (mut parms, mut line): (sys::cmd_parms, sys::ap_directive_t) = unsafe { (zeroed(), zeroed()) };
        parms.limited = -1;
        // As in a section of the server's configuration, where all directives for directories may stand.
        parms.override_ = (sys::OR_ALL | sys::ACCESS_CONF | sys::RSRC_CONF) as _;
        (parms.pool, parms.temp_pool, parms.server) = (pool, pool, server);
        // SAFETY: a live pool. The result is never null: APR aborts where memory is short.
        let vector = unsafe { sys::ap_create_per_dir_config(pool) };
        for (name, arguments) in lines {
            line.directive = name.as_ptr();
            line.args = arguments.as_ptr();
            line.filename = c"mod_confine".as_ptr();
            line.next = null_mut();
            // SAFETY: live parameters, vector and one directive without a tree; the server keeps none of
            // the pointers to this stack, as in .htaccess files.
            let error = unsafe { sys::ap_walk_config(&mut line, &mut parms, vector) };
            if !error.is_null() {
                // SAFETY: the server's message, in the pool or static.
                return Err(unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned());
            }
        }
        NonNull::new(vector).map(Self).ok_or_else(|| "the server made no configuration".to_owned())
    }

    /// The vector, to be merged with another one.
    pub(super) fn vector(&self) -> *mut sys::ap_conf_vector_t {
        self.0.as_ptr()
    }
}
