//! Libraries that other libraries load when they are first used.
//!
//! A confined request can seldom read them, so whether it worked would depend on who came first in its child. What is
//! loaded in the server's first process is there in all children.

use std::{ffi::CStr, ptr::null_mut};

use apache_sys as sys;

use crate::httpd::server::Server;

/// Loads APR's driver for this type of DBM file (`default`, `gdbm`, ...). One that is not installed is missing for
/// everybody, which is for its user to say.
pub fn load_dbm(main: &Server<'_>, kind: &CStr) {
    // The function that names the files of a database opens none of them, but looks its driver up, which stays loaded
    // for as long as the process lives (apr-util, dbm/apr_dbm.c, dbm_open_type).
    let (mut first, mut second) = (std::ptr::null(), std::ptr::null());
    // SAFETY: the live pool of this configuration and C strings; places for the answers.
    unsafe {
        let pool = (*(*main.as_ptr()).process).pconf;
        sys::apr_dbm_get_usednames_ex(pool, kind.as_ptr(), c"confine".as_ptr(), &mut first, &mut second);
    }
}

/// Loads the C library's converters between this character set and UTF-8. One that is not known is not loaded.
pub fn load_charset(main: &Server<'_>, name: &CStr) {
    // Closed, a converter would be unloaded after a while, and so they stay open. The mark is in the process's pool:
    // the server reads its configuration again and again, and may unload this module in between.
    let mark = format!("confine-charset-{}", name.to_string_lossy());
    // SAFETY: the process's own pool, which this thread alone uses now; C strings, of which the pool keeps its own copy
    // of the mark; the descriptors are meant to stay open, or are -1.
    unsafe {
        let pool = (*(*main.as_ptr()).process).pool;
        let mark = sys::apr_pstrmemdup(pool, mark.as_ptr().cast(), mark.len());
        let mut open = null_mut();
        sys::apr_pool_userdata_get(&mut open, mark, pool);
        if open.is_null() {
            libc::iconv_open(c"UTF-8".as_ptr(), name.as_ptr());
            libc::iconv_open(name.as_ptr(), c"UTF-8".as_ptr());
            sys::apr_pool_userdata_setn(mark.cast(), mark, None, pool);
        }
    }
}
