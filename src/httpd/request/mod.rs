//! A request, as the server's hooks see it.

mod overlay;
mod private;
pub use private::Backend;
mod snapshot;

use std::{
    ffi::{CStr, c_char, c_int},
    marker::PhantomData,
    net::IpAddr,
    ptr::{NonNull, null_mut},
};

use apache_sys as sys;

use crate::httpd::{
    address, pool::Pool, proofs::Place, server::Server, slot::config_entry, status::Status, table::Table,
};

/// A `request_rec` for the length of one hook, `'r`. Its holder is the only user of the request: the server's thread,
/// or the worker that the server's thread waits for.
pub struct Request<'r> {
    raw: NonNull<sys::request_rec>,
    life: PhantomData<&'r mut ()>,
}

impl<'r> Request<'r> {
    /// Wraps a request that the server handed to a hook.
    ///
    /// # Safety
    /// `raw` is null or a live `request_rec` for all of `'r`, used by this thread alone.
    pub unsafe fn from_raw(raw: *mut sys::request_rec) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw, life: PhantomData })
    }

    /// A second wrapper of the same request, for a walk that starts here.
    pub(super) fn same(&self) -> Self {
        Self { raw: self.raw, life: PhantomData }
    }

    /// The request, for a call into the server.
    pub fn as_ptr(&self) -> *mut sys::request_rec {
        self.raw.as_ptr()
    }

    fn rec(&self) -> &sys::request_rec {
        // SAFETY: live for 'r (from_raw), and this borrow ends before the next call into the server.
        unsafe { self.raw.as_ref() }
    }

    fn rec_mut(&mut self) -> &mut sys::request_rec {
        // SAFETY: as rec(); &mut self makes this the only borrow.
        unsafe { self.raw.as_mut() }
    }

    /// A string of the request. It is not copied, because it lives in one of the request's pools.
    fn text(&self, pick: impl FnOnce(&sys::request_rec) -> *const c_char) -> Option<&'r CStr> {
        let raw = pick(self.rec());
        // SAFETY: httpd's strings are NUL-terminated and live as long as the request.
        (!raw.is_null()).then(|| unsafe { CStr::from_ptr(raw) })
    }

    /// The request's pool.
    pub fn pool(&self) -> Pool<'r> {
        // SAFETY: a request always has a pool, which outlives every hook that runs on it.
        unsafe { Pool::from_raw(self.rec().pool).unwrap_unchecked() }
    }

    /// The virtual host.
    pub fn server(&self) -> Server<'r> {
        // SAFETY: a request always has a server, which lives as long as its configuration.
        unsafe { Server::from_raw(self.rec().server).unwrap_unchecked() }
    }

    /// GET, POST, ...
    pub fn method(&self) -> Option<&'r CStr> {
        self.text(|r| r.method)
    }

    /// The path without the query, which a log may show.
    pub fn uri(&self) -> Option<&'r CStr> {
        self.text(|r| r.uri)
    }

    /// The name that the server keeps as the user, proven or not. See [`crate::subject::proven_user`].
    pub fn claimed_user(&self) -> Option<&'r CStr> {
        self.text(|r| r.user)
    }

    /// Sets the name that the server keeps as the user.
    pub fn set_user(&mut self, name: &'r CStr) {
        self.rec_mut().user = name.as_ptr().cast_mut();
    }

    /// A header of the request.
    pub fn header(&self, name: &CStr) -> Option<&'r CStr> {
        // SAFETY: a live table of the request; the value lives in one of its pools.
        unsafe { table_value(self.rec().headers_in, name) }
    }

    /// The query of the URL, without the question mark.
    pub fn query(&self) -> Option<&'r CStr> {
        self.text(|r| r.args)
    }

    /// Sets a header of the response that an error's answer has, too.
    pub fn set_header_of_errors(&mut self, name: &'static CStr, value: &'r CStr) {
        // SAFETY: as set_response_header; the value lives in one of the request's pools.
        unsafe { sys::apr_table_setn(self.rec().err_headers_out, name.as_ptr(), value.as_ptr()) }
    }

    /// Sets a header of the response.
    pub fn set_response_header(&mut self, name: &'static CStr, value: &'static CStr) {
        // SAFETY: a live table of the request; setn keeps the pointers, which are static.
        unsafe { sys::apr_table_setn(self.rec().headers_out, name.as_ptr(), value.as_ptr()) }
    }

    /// The password of basic authentication. A client sends it, or a module sets it in the client's name.
    pub fn basic_password(&self) -> Option<Vec<u8>> {
        let (scheme, coded) = split_at(self.header(c"Authorization")?.to_bytes(), b' ')?;
        let coded = coded.trim_ascii();
        if !scheme.eq_ignore_ascii_case(b"Basic") {
            return None;
        }
        // SAFETY: NUL-terminated text of the request, which the function only reads; the answer is in its pool.
        let plain = unsafe {
            let text = self.pool().text(coded);
            CStr::from_ptr(sys::ap_pbase64decode(self.rec().pool, text.as_ptr()))
        };
        split_at(plain.to_bytes(), b':').map(|(_, password)| password.to_owned())
    }

    /// The type of authentication that is configured here: `AuthType`, evaluated.
    pub fn wanted_auth_type(&self) -> Option<&'r CStr> {
        // SAFETY: a live request; the answer is null or a string in its pool.
        unsafe {
            let kind = sys::ap_auth_type(self.as_ptr());
            (!kind.is_null()).then(|| CStr::from_ptr(kind))
        }
    }

    /// The realm of authentication here: `AuthName`, evaluated.
    pub fn wanted_realm(&self) -> Option<&'r CStr> {
        // SAFETY: as above.
        unsafe {
            let name = sys::ap_auth_name(self.as_ptr());
            (!name.is_null()).then(|| CStr::from_ptr(name))
        }
    }

    /// The file that the request maps to.
    pub fn filename(&self) -> Option<&'r CStr> {
        self.text(|r| r.filename)
    }

    /// The part of the URL's path that follows the file.
    pub fn path_info(&self) -> Option<&'r CStr> {
        self.text(|r| r.path_info)
    }

    /// Whether its protocol is the one that the server gives to subrequests.
    pub fn is_included(&self) -> bool {
        self.text(|r| r.protocol) == Some(c"INCLUDED")
    }

    /// Whether the owner of the file may execute it.
    pub fn is_executable(&self) -> bool {
        self.rec().finfo.protection & sys::APR_FPROT_UEXECUTE as sys::apr_fileperms_t != 0
    }

    /// The handler's name.
    pub fn handler(&self) -> Option<&'r CStr> {
        self.text(|r| r.handler)
    }

    /// Whether mod_proxy is to serve it, as far as is known now.
    pub fn is_proxied(&self) -> bool {
        self.rec().proxyreq != 0
    }

    /// The request that this subrequest serves in the end, however deep it is nested. It was sent by the client, or
    /// is a redirect inside the server. `None` if this is no subrequest.
    pub fn outermost(&self) -> Option<Request<'r>> {
        std::iter::successors(self.main(), Request::main).last()
    }

    /// The code of an error that it is answered with, when its handlers gave `status`: the code itself, or what an
    /// application wrote into the request.
    pub fn error_code(&self, status: Status) -> Option<u16> {
        let written = u16::try_from(self.status()).ok();
        status.http().or(written).filter(|code| (400..600).contains(code))
    }

    /// The status of its response.
    pub(super) fn status(&self) -> c_int {
        self.rec().status
    }

    /// The notes that modules and applications leave with it.
    pub(super) fn notes_table(&self) -> *mut sys::apr_table_t {
        self.rec().notes
    }

    /// Whether this is a subrequest (SSI include, content negotiation, ...).
    pub fn is_subrequest(&self) -> bool {
        !self.rec().main.is_null()
    }

    /// The request that was redirected to this one inside the server.
    pub fn redirected_from(&self) -> Option<Request<'r>> {
        // SAFETY: null or a request of the same chain, which lives at least as long.
        unsafe { Request::from_raw(self.rec().prev) }
    }

    /// The request that this one was redirected to inside the server.
    pub(super) fn redirected_to(&self) -> Option<Request<'r>> {
        // SAFETY: as above.
        unsafe { Request::from_raw(self.rec().next) }
    }

    /// The request that this subrequest serves.
    pub fn main(&self) -> Option<Request<'r>> {
        // SAFETY: null or a request that lives at least as long as its subrequests.
        unsafe { Request::from_raw(self.rec().main) }
    }

    /// The directory configuration that this request has.
    pub(super) fn place(&self) -> Place {
        let used = self.rec().per_dir_config;
        let found = self.own_config().map_or(used, |own| own.before);
        Place { used, found }
    }

    /// The client's address, after mod_remoteip and similar modules.
    pub fn client(&self) -> Option<IpAddr> {
        // SAFETY: null or a live address of the request.
        unsafe { address::ip_of(self.rec().useragent_addr) }
    }

    /// Sets a variable of the request's environment. Both strings live at least as long as the request.
    pub fn set_env(&mut self, name: &'r CStr, value: &'r CStr) {
        // SAFETY: live table; setn keeps the pointers, which live long enough.
        unsafe { sys::apr_table_setn(self.rec().subprocess_env, name.as_ptr(), value.as_ptr()) }
    }

    /// Removes a variable from the request's environment.
    pub fn unset_env(&mut self, name: &CStr) {
        // SAFETY: a live table of the request and a C string.
        unsafe { sys::apr_table_unset(self.rec().subprocess_env, name.as_ptr()) }
    }

    /// Removes a note from the request.
    pub fn unset_note(&mut self, name: &CStr) {
        // SAFETY: as unset_env.
        unsafe { sys::apr_table_unset(self.rec().notes, name.as_ptr()) }
    }

    /// A note of the request.
    pub fn note(&self, name: &CStr) -> Option<&'r CStr> {
        // SAFETY: as header().
        unsafe { table_value(self.rec().notes, name) }
    }

    /// Sets a note of the request. Both strings live at least as long as the request.
    pub fn set_note(&mut self, name: &'static CStr, value: &'r CStr) {
        // SAFETY: as set_env.
        unsafe { sys::apr_table_setn(self.rec().notes, name.as_ptr(), value.as_ptr()) }
    }

    /// A variable of the TLS connection. Without TLS it is empty.
    pub fn tls(&self, name: &CStr) -> Option<&'r CStr> {
        // SAFETY: live request parts; the result lives in the given pool.
        unsafe {
            let rec = self.rec();
            let value =
                sys::ap_ssl_var_lookup(rec.pool, rec.server, rec.connection, self.as_ptr(), name.as_ptr());
            (!value.is_null()).then(|| CStr::from_ptr(value))
        }
    }

    /// This module's merged directory configuration, null where no directive applies. See [`super::slot`].
    pub(super) fn directory_config(&self) -> *mut std::ffi::c_void {
        // SAFETY: every request has a vector from its creation on.
        unsafe { config_entry(self.rec().per_dir_config) }
    }

    /// Whether the module whose source file is `module` keeps data with this request.
    pub fn has_config_of(&self, module: &CStr) -> bool {
        // SAFETY: a C string; a loaded module's record is static, and every request has a vector with room for
        // every module's entry.
        unsafe {
            let Some(module) = sys::ap_find_linked_module(module.as_ptr()).as_ref() else { return false };
            let entries = self.rec().request_config.cast::<*mut std::ffi::c_void>();
            !(*entries.offset(module.module_index as isize)).is_null()
        }
    }

    /// The variables of the request.
    pub fn variables(&self) -> Table<'r> {
        // SAFETY: every request has the table from its creation on; it and its strings live as long.
        unsafe { Table::from_raw(self.rec().subprocess_env).unwrap_unchecked() }
    }

    /// Runs `body` with other variables, if some are given. If the request's user is not `proven`, the user is hidden
    /// meanwhile, so that no expression sees a name that was typed and never proven.
    pub fn seen_as<T>(
        &mut self,
        proven: bool,
        variables: Option<Table<'r>>,
        body: impl FnOnce(&mut Self) -> T,
    ) -> T {
        struct Restore(NonNull<sys::request_rec>, *mut c_char, *mut sys::apr_table_t);
        impl Drop for Restore {
            fn drop(&mut self) {
                // SAFETY: the request outlives this guard, which lives inside seen_as.
                unsafe {
                    (*self.0.as_ptr()).user = self.1;
                    (*self.0.as_ptr()).subprocess_env = self.2;
                }
            }
        }
        let _restore = Restore(self.raw, self.rec().user, self.rec().subprocess_env);
        if !proven {
            self.rec_mut().user = null_mut();
        }
        if let Some(variables) = variables {
            self.rec_mut().subprocess_env = variables.as_ptr();
        }
        body(self)
    }

    /// Runs the phases before the content: location, authentication, mapping, fixups.
    pub fn run_phases(&mut self) -> Status {
        // SAFETY: live request, called where the server itself would call it.
        Status::from_raw(unsafe { sys::ap_process_request_internal(self.as_ptr()) })
    }

    /// Inserts the filters and runs the content handlers.
    pub fn invoke_handler(&mut self) -> Status {
        // SAFETY: live request whose phases answered OK.
        Status::from_raw(unsafe { sys::ap_invoke_handler(self.as_ptr()) })
    }

    /// Reads the rest of the request's body and ends the stream of the response. It sets the mark `eos_sent`, so that
    /// the server's thread does not end the stream a second time. The server itself leaves the mark at 0 for a
    /// program that writes its own headers (nph-) and for an upgraded connection.
    pub fn finalize(&mut self) {
        // SAFETY: live request after its handler; what ap_process_async_request does next, too.
        unsafe { sys::ap_finalize_request_protocol(self.as_ptr()) };
        self.rec_mut().eos_sent = 1;
    }

    /// Ends a subrequest's part of the stream, as the server does after its handler. It must be called once.
    pub fn finalize_subrequest(&mut self) {
        // SAFETY: live subrequest after its handler; what ap_run_sub_req does next, too.
        unsafe { sys::ap_finalize_sub_req_protocol(self.as_ptr()) };
        self.rec_mut().eos_sent = 1;
    }

    /// The thread that the connection names as its own.
    pub fn connection_thread(&self) -> *mut sys::apr_thread_t {
        // SAFETY: a request always has a connection that outlives it.
        unsafe { (*self.rec().connection).current_thread }
    }

    /// Sets another thread as the connection's own. Applications take memory from the pool of this thread.
    pub fn set_connection_thread(&mut self, thread: *mut sys::apr_thread_t) {
        // SAFETY: as connection_thread; this thread is the connection's only user now.
        unsafe { (*self.rec().connection).current_thread = thread }
    }

    /// Declares the type of the response's body.
    pub fn set_content_type(&mut self, kind: &'static CStr) {
        // SAFETY: live request; the string is static.
        unsafe { sys::ap_set_content_type(self.as_ptr(), kind.as_ptr()) }
    }

    /// Writes text to the response's body. An error is ignored: then the client is gone.
    pub fn write(&mut self, text: &str) {
        // SAFETY: live request; the buffer is valid for its length.
        unsafe { sys::ap_rwrite(text.as_ptr().cast(), text.len() as c_int, self.as_ptr()) };
    }
}

/// The parts before and behind the first `byte`.
fn split_at(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|b| *b == byte)?;
    Some((&text[..at], &text[at + 1..]))
}

/// A table's value.
///
/// # Safety
/// The table lives, with its values, for all of `'r`.
unsafe fn table_value<'r>(table: *const sys::apr_table_t, name: &CStr) -> Option<&'r CStr> {
    // SAFETY: a live table of C strings.
    unsafe {
        let value = sys::apr_table_get(table, name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value))
    }
}
