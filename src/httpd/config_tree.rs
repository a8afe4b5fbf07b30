//! The directives of other modules as they stand in the configuration.

use std::{
    ffi::{CStr, CString, OsStr},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use apache_sys as sys;
use confine::Origin;

use crate::httpd::{pool::Pool, server::Server};

/// One directive.
pub struct Line {
    /// The words behind its name, without quotes.
    pub words: Vec<CString>,
    /// Where it stands.
    pub origin: Origin,
    /// The `<VirtualHost>` around it: file and line.
    host: Option<(CString, u32)>,
}

impl Line {
    /// Whether it applies to `server`: it stands in that server's section, or outside of all virtual hosts.
    pub fn counts_for(&self, server: &Server<'_>) -> bool {
        self.host.as_ref().is_none_or(|(file, line)| server.defined_at() == Some((file, *line)))
    }
}

/// Every directive called `name`, in their order. It must be called after the configuration was read and before the
/// first request.
pub fn lines(main: &Server<'_>, name: &CStr) -> Vec<Line> {
    let mut found = Vec::new();
    // SAFETY: the tree of the configuration that was just read, in the configuration's pool; the main server and
    // its process record are live.
    unsafe {
        let pool = (*(*main.as_ptr()).process).pconf;
        collect(sys::ap_conftree, None, name, pool, &mut found);
    }
    found
}

/// The words of every directive called `name`. It must be called after the server has parsed the files.
pub fn words_of(pool: Pool<'_>, name: &CStr) -> Vec<CString> {
    let mut found = Vec::new();
    // SAFETY: as in lines().
    unsafe { collect(sys::ap_conftree, None, name, pool.as_ptr(), &mut found) };
    found.into_iter().flat_map(|line| line.words).collect()
}

/// A file's path below `DefaultRuntimeDir`.
pub fn below_runtime_folder(main: &Server<'_>, file: &CStr) -> Option<PathBuf> {
    // SAFETY: as in below_server_root().
    unsafe {
        let pool = (*(*main.as_ptr()).process).pconf;
        let full = sys::ap_runtime_dir_relative(pool, file.as_ptr());
        (!full.is_null()).then(|| PathBuf::from(OsStr::from_bytes(CStr::from_ptr(full).to_bytes())))
    }
}

/// The absolute path of a file. A relative path begins at ServerRoot.
pub fn below_server_root(main: &Server<'_>, file: &CStr) -> Option<PathBuf> {
    // SAFETY: the main server and its process record are live, and the result lives in the configuration's pool.
    unsafe {
        let pool = (*(*main.as_ptr()).process).pconf;
        let full = sys::ap_server_root_relative(pool, file.as_ptr());
        (!full.is_null()).then(|| PathBuf::from(OsStr::from_bytes(CStr::from_ptr(full).to_bytes())))
    }
}

/// Goes through a list of siblings and through what stands inside each. The server replaces some sections by their
/// content while it reads them (`<IfModule>`, `<IfDefine>`, a use of a macro), so these sections are not in the tree.
///
/// # Safety
/// `node` is null or a live node of the tree; `pool` is live and used by this thread alone.
unsafe fn collect(
    mut node: *mut sys::ap_directive_t,
    host: Option<&(CString, u32)>,
    name: &CStr,
    pool: *mut sys::apr_pool_t,
    found: &mut Vec<Line>,
) {
    // SAFETY: the caller's promise; every node has a name and a file, and links to live nodes or to null.
    while let Some(here) = unsafe { node.as_ref() } {
        let is = |name: &CStr| {
            // SAFETY: as above.
            let own = unsafe { CStr::from_ptr(here.directive) };
            own.to_bytes().eq_ignore_ascii_case(name.to_bytes())
        };
        // SAFETY: as above.
        let place = || unsafe { (CStr::from_ptr(here.filename).to_owned(), here.line_num.max(0) as u32) };
        if is(name) {
            let (file, line) = place();
            let origin = Origin::new(&*file.to_string_lossy(), line);
            // SAFETY: the arguments are a string of the tree.
            found.push(Line { words: unsafe { words(here.args, pool) }, origin, host: host.cloned() });
        }
        let own = is(c"<VirtualHost").then(place);
        // SAFETY: the first child is null or a live node.
        unsafe { collect(here.first_child, own.as_ref().or(host), name, pool, found) };
        node = here.next;
    }
}

/// The words of a directive. The server's own function splits them and replaces variables.
///
/// # Safety
/// `args` is null or a C string; `pool` is live and used by this thread alone.
unsafe fn words(mut args: *const std::ffi::c_char, pool: *mut sys::apr_pool_t) -> Vec<CString> {
    let mut words = Vec::new();
    // SAFETY: the caller's promise; ap_getword_conf moves `args` on, at most to the end of the string, and
    // returns a string of the pool.
    unsafe {
        while !args.is_null() && *args != 0 {
            words.push(CStr::from_ptr(sys::ap_getword_conf(pool, &mut args)).to_owned());
        }
    }
    words
}
