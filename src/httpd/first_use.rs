//! Libraries that other libraries load at their first use.
//!
//! A confined request can seldom read these files. So whether it works would depend on which request came first in
//! its child. A library that the server's first process loads is there in all children.

use std::{ffi::CStr, ptr::null_mut};

use apache_sys as sys;

use crate::httpd::server::Server;

/// Loads APR's driver for this type of DBM file (`default`, `gdbm`, ...). If a driver is not installed, it is missing
/// for everybody, and whoever uses it will report that.
pub fn load_dbm(main: &Server<'_>, kind: &CStr) {
    // The function that names the files of a database does not open them. But it looks up the driver, and the driver
    // then stays loaded until the process ends (apr-util, dbm/apr_dbm.c, dbm_open_type).
    let (mut first, mut second) = (std::ptr::null(), std::ptr::null());
    // SAFETY: the live pool of this configuration and C strings; places for the answers.
    unsafe {
        let pool = (*(*main.as_ptr()).process).pconf;
        sys::apr_dbm_get_usednames_ex(pool, kind.as_ptr(), c"confine".as_ptr(), &mut first, &mut second);
    }
}

/// Loads the C library's converters between this character set and UTF-8. An unknown character set is skipped.
pub fn load_charset(main: &Server<'_>, name: &CStr) {
    // The C library unloads a converter some time after it was closed, so these stay open. The mark that says so is
    // in the process's pool: the server reads its configuration several times, and may unload this module in between.
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
