//! The server's error log, with its own format and levels.

use std::{
    ffi::{CStr, CString, c_int},
    sync::atomic::{AtomicPtr, Ordering},
};

use apache_sys as sys;

use crate::httpd::{request::Request, server::Server, slot::module_index};

/// A level of the server's log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something was refused or is broken.
    Error,
    /// It works, but somebody should look.
    Warning,
    /// Normal and worth a line at every start.
    Notice,
    /// One line for each decision.
    Info,
}

impl Level {
    fn raw(self) -> c_int {
        (match self {
            Self::Error => sys::APLOG_ERR,
            Self::Warning => sys::APLOG_WARNING,
            Self::Notice => sys::APLOG_NOTICE,
            Self::Info => sys::APLOG_INFO,
        }) as c_int
    }
}

/// Whether the request's log takes lines of this level from this module.
pub fn enabled(r: &Request<'_>, level: Level) -> bool {
    // SAFETY: a live request and the module's own index.
    unsafe { sys::ap_get_request_module_loglevel(r.as_ptr(), module_index()) >= level.raw() }
}

/// One line about a request.
pub fn request(r: &Request<'_>, level: Level, line: &str) {
    if !enabled(r, level) {
        return;
    }
    let text = line_of(line);
    // SAFETY: live request, NUL-terminated strings, and a format that takes exactly one string.
    unsafe {
        sys::ap_log_rerror_(
            c"mod_confine".as_ptr(),
            0,
            module_index(),
            level.raw(),
            0,
            r.as_ptr(),
            c"%s".as_ptr(),
            text.as_ptr(),
        );
    }
}

/// The request about which a module whose source file is `module` wrote a line of the level error, if it did. The request
/// belongs to the thread that writes.
///
/// # Safety
/// `info` is null, or what the server hands to a hook error_log.
pub unsafe fn error_of<'r>(info: *const sys::ap_errorlog_info, module: &CStr) -> Option<Request<'r>> {
    // SAFETY: the caller's promise; the name is NUL-terminated, and the list of modules is complete.
    unsafe {
        let info = info.as_ref()?;
        if info.level != sys::APLOG_ERR as c_int || info.r.is_null() {
            return None;
        }
        let module = sys::ap_find_linked_module(module.as_ptr()).as_ref()?;
        if info.module_index != module.module_index {
            return None;
        }
        Request::from_raw(info.r.cast_mut())
    }
}

/// From now on nothing below the level crit is written about this request by the module whose source file is `module`.
pub fn silence(r: &mut Request<'_>, module: &CStr) {
    let raw = r.as_ptr();
    // SAFETY: a live request with its connection and server, which this thread uses alone; the new levels live in its
    // pool, as those do that a directory's section gives it (server/request.c, ap_directory_walk).
    unsafe {
        let Some(module) = sys::ap_find_linked_module(module.as_ptr()).as_ref() else { return };
        let of_request = [(*raw).log, (*(*raw).connection).log].into_iter().find(|log| !log.is_null());
        let before = of_request.unwrap_or(&raw const (*(*raw).server).log);
        let levels = sys::ap_new_log_config((*raw).pool, before);
        sys::ap_set_module_loglevel((*raw).pool, levels, module.module_index, sys::APLOG_CRIT as c_int);
        (*raw).log = levels;
    }
}

/// One line about the server. At startup an error also reaches the terminal.
pub fn server(s: &Server<'_>, level: Level, line: &str) {
    write(s.as_ptr(), level.raw(), line);
}

/// The descriptor of the server's log, where it is a file or a pipe.
pub fn descriptor(s: &Server<'_>) -> Option<i32> {
    let mut descriptor = -1;
    // SAFETY: a live server; its log is null or a live file, and there is room for the answer.
    unsafe {
        let log = (*s.as_ptr()).error_log;
        (!log.is_null() && sys::apr_os_file_get(&mut descriptor, log) == 0).then_some(descriptor)
    }
}

/// One line that stops the start: to the terminal and the log, without time and module.
pub fn startup(s: &Server<'_>, line: &str) {
    write(s.as_ptr(), Level::Error.raw() | sys::APLOG_STARTUP as c_int, line);
}

/// A server's log for a thread that serves no request.
pub struct ServerLog(*const sys::server_rec);

// SAFETY: a child's servers live until its configuration's pool is destroyed, and they are only read. Who uses this
// outside of a request does so in `Stop::unless`, for which the end of the child waits.
unsafe impl Send for ServerLog {}
// SAFETY: as above; the server's functions for its log may be called by several threads.
unsafe impl Sync for ServerLog {}

impl ServerLog {
    /// That of a virtual host.
    pub fn of(s: &Server<'_>) -> Self {
        Self(s.as_ptr())
    }

    /// One line.
    pub fn write(&self, level: Level, line: &str) {
        write(self.0, level.raw(), line);
    }
}

/// Writes one line to the main server's log, where no other server is known (for example after a panic in a cleanup).
pub fn main(level: Level, line: &str) {
    write(MAIN.load(Ordering::Acquire), level.raw(), line);
}

static MAIN: AtomicPtr<sys::server_rec> = AtomicPtr::new(std::ptr::null_mut());

/// Remembers the main server for [`main`]; `None` when its configuration goes away.
pub fn set_main(s: Option<&Server<'_>>) {
    MAIN.store(s.map_or(std::ptr::null_mut(), |s| s.as_ptr()), Ordering::Release);
}

fn write(s: *const sys::server_rec, level: c_int, line: &str) {
    let text = line_of(line);
    // SAFETY: `s` is null (the server then writes to stderr) or a live server; NUL-terminated
    // strings; the format takes exactly one string.
    unsafe {
        sys::ap_log_error_(
            c"mod_confine".as_ptr(),
            0,
            module_index(),
            level,
            0,
            s,
            c"%s".as_ptr(),
            text.as_ptr(),
        );
    }
}

/// The line as C takes it. It stays one line even if httpd was built to write lines without escapes
/// (`AP_UNSAFE_ERROR_LOG_UNESCAPED`).
fn line_of(line: &str) -> CString {
    // `one_line` escapes control characters, so no NUL byte is left.
    CString::new(confine::field::one_line(line)).unwrap_or_default()
}
