//! A request, as the server's hooks see it.

use std::{
    ffi::{CStr, c_char, c_int},
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ptr::NonNull,
};

use apache_sys as sys;

use super::{config_entry, pool::Pool, server::Server, set_config_entry};

/// A `request_rec` for the length of one hook, `'r`. Whoever holds it is the only user of the
/// request: the server's thread, or the worker that the server's thread waits for.
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

    /// A string of the request, copied by nobody: it lives in one of the request's pools.
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

    /// The path, without the query: what a log may show.
    pub fn uri(&self) -> Option<&'r CStr> {
        self.text(|r| r.uri)
    }

    /// The name that the server holds for the user, proven or not. See [`crate::subject::proven_user`].
    pub fn claimed_user(&self) -> Option<&'r CStr> {
        self.text(|r| r.user)
    }

    /// A header of the request.
    pub fn header(&self, name: &CStr) -> Option<&'r CStr> {
        // SAFETY: a live table and a C string; the value lives in the request's pool.
        unsafe {
            let value = sys::apr_table_get(self.rec().headers_in, name.as_ptr());
            (!value.is_null()).then(|| CStr::from_ptr(value))
        }
    }

    /// `Basic`, `Digest`, `ClientCert`, ...
    pub fn auth_type(&self) -> Option<&'r CStr> {
        self.text(|r| r.ap_auth_type)
    }

    /// The file that the request maps to.
    pub fn filename(&self) -> Option<&'r CStr> {
        self.text(|r| r.filename)
    }

    /// The handler's name.
    pub fn handler(&self) -> Option<&'r CStr> {
        self.text(|r| r.handler)
    }

    /// Whether this is a subrequest (SSI include, content negotiation, ...).
    pub fn is_subrequest(&self) -> bool {
        !self.rec().main.is_null()
    }

    /// The request that redirected to this one inside the server.
    pub fn redirected_from(&self) -> Option<Request<'r>> {
        // SAFETY: null or a request of the same chain, which lives at least as long.
        unsafe { Request::from_raw(self.rec().prev) }
    }

    /// The request that this subrequest serves.
    pub fn main(&self) -> Option<Request<'r>> {
        // SAFETY: null or a request that lives at least as long as its subrequests.
        unsafe { Request::from_raw(self.rec().main) }
    }

    /// Whether both requests have the very same merged directory configuration, which is when the
    /// server copies the user's name from one to the other (server/request.c,
    /// ap_process_request_internal).
    pub fn same_directory_config(&self, other: &Request<'_>) -> bool {
        self.rec().per_dir_config == other.rec().per_dir_config
    }

    /// The client's address, as mod_remoteip and the like left it.
    pub fn client(&self) -> Option<IpAddr> {
        let addr = self.rec().useragent_addr;
        if addr.is_null() {
            return None;
        }
        // SAFETY: a live apr_sockaddr_t; APR points ipaddr_ptr at ipaddr_len bytes of address.
        unsafe {
            let (ptr, len) = ((*addr).ipaddr_ptr, (*addr).ipaddr_len);
            match len {
                _ if ptr.is_null() => None,
                4 => Some(IpAddr::from(Ipv4Addr::from(ptr.cast::<[u8; 4]>().read_unaligned()))),
                16 => Some(IpAddr::from(Ipv6Addr::from(ptr.cast::<[u8; 16]>().read_unaligned()))),
                _ => None,
            }
        }
    }

    /// A variable of the request's environment.
    pub fn env(&self, name: &CStr) -> Option<&'r CStr> {
        // SAFETY: a live table of the request; the value lives in one of its pools.
        unsafe {
            let value = sys::apr_table_get(self.rec().subprocess_env, name.as_ptr());
            (!value.is_null()).then(|| CStr::from_ptr(value))
        }
    }

    /// Sets a variable of the request's environment. Both strings outlive the request.
    pub fn set_env(&mut self, name: &'static CStr, value: &'r CStr) {
        // SAFETY: live table; setn keeps the pointers, which live long enough.
        unsafe { sys::apr_table_setn(self.rec().subprocess_env, name.as_ptr(), value.as_ptr()) }
    }

    /// A note of the request.
    pub fn note(&self, name: &CStr) -> Option<&'r CStr> {
        // SAFETY: as env().
        unsafe {
            let value = sys::apr_table_get(self.rec().notes, name.as_ptr());
            (!value.is_null()).then(|| CStr::from_ptr(value))
        }
    }

    /// Sets a note of the request. Both strings outlive the request.
    pub fn set_note(&mut self, name: &'static CStr, value: &'r CStr) {
        // SAFETY: as set_env.
        unsafe { sys::apr_table_setn(self.rec().notes, name.as_ptr(), value.as_ptr()) }
    }

    /// A variable of the TLS connection, empty without TLS.
    pub fn tls(&self, name: &CStr) -> Option<&'r CStr> {
        // SAFETY: live request parts; the result lives in the given pool.
        unsafe {
            let rec = self.rec();
            let value =
                sys::ap_ssl_var_lookup(rec.pool, rec.server, rec.connection, self.as_ptr(), name.as_ptr());
            (!value.is_null()).then(|| CStr::from_ptr(value))
        }
    }

    /// This module's merged directory configuration, null where no directive applies.
    pub fn directory_config(&self) -> *mut std::ffi::c_void {
        // SAFETY: every request has a vector from its creation on.
        unsafe { config_entry(self.rec().per_dir_config) }
    }

    /// Runs `body` with the request's user hidden, so that no expression sees a name that was typed
    /// and never proven.
    pub fn without_user<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        struct Restore(NonNull<sys::request_rec>, *mut c_char);
        impl Drop for Restore {
            fn drop(&mut self) {
                // SAFETY: the request outlives this guard, which lives inside without_user.
                unsafe { (*self.0.as_ptr()).user = self.1 }
            }
        }
        let user = std::mem::replace(&mut self.rec_mut().user, std::ptr::null_mut());
        let _restore = Restore(self.raw, user);
        body(self)
    }

    /// Runs the other quick handlers (mod_cache, mod_lua's).
    pub fn run_quick_handlers(&mut self) -> c_int {
        // SAFETY: live request, called where the server itself would call it.
        unsafe { sys::ap_run_quick_handler(self.as_ptr(), 0) }
    }

    /// Runs the phases before the content: location, authentication, mapping, fixups.
    pub fn run_phases(&mut self) -> c_int {
        // SAFETY: live request, called where the server itself would call it.
        unsafe { sys::ap_process_request_internal(self.as_ptr()) }
    }

    /// Runs the content handlers, filters inserted first.
    pub fn invoke_handler(&mut self) -> c_int {
        // SAFETY: live request whose phases answered OK.
        unsafe { sys::ap_invoke_handler(self.as_ptr()) }
    }

    /// Runs the content handlers alone: the filters are inserted already.
    pub fn run_handlers(&mut self) -> c_int {
        // SAFETY: live request, inside ap_invoke_handler.
        unsafe { sys::ap_run_handler(self.as_ptr()) }
    }

    /// Reads what is left of the request's body and ends the response's stream, and remembers that,
    /// so that the server's thread does not end it a second time (a program that speaks for itself
    /// (nph-) and an upgraded connection leave the mark at 0).
    pub fn finalize(&mut self) {
        // SAFETY: live request after its handler; what ap_process_async_request does next, too.
        unsafe { sys::ap_finalize_request_protocol(self.as_ptr()) };
        self.rec_mut().eos_sent = 1;
    }

    /// The thread that the connection names as its own.
    pub fn connection_thread(&self) -> *mut sys::apr_thread_t {
        // SAFETY: a request always has a connection that outlives it.
        unsafe { (*self.rec().connection).current_thread }
    }

    /// Names another thread as the connection's, for applications that take memory from its pool.
    pub fn set_connection_thread(&mut self, thread: *mut sys::apr_thread_t) {
        // SAFETY: as connection_thread; this thread is the connection's only user now.
        unsafe { (*self.rec().connection).current_thread = thread }
    }

    /// Takes SSI's `exec` away from this request: gives it a directory configuration of its own,
    /// alike but for the option `IncludesNoExec`. What it had before is remembered for
    /// [`Request::share_own_config`].
    pub fn forbid_ssi_exec(&mut self) {
        // SAFETY: all objects are live and of this request; ap_merge_per_dir_configs with an empty
        // second vector copies the first one's pointers into a new vector; core's entry is a
        // core_dir_config (http_core.h) in every request, and the copy replaces it in the new vector
        // only, so that other requests keep theirs.
        unsafe {
            let (pool, rec) = (self.pool().as_ptr(), self.raw.as_ptr());
            if sys::ap_allow_options(rec) & sys::OPT_INC_WITH_EXEC as c_int == 0 {
                return;
            }
            let empty = sys::ap_create_request_config(pool);
            let own = sys::ap_merge_per_dir_configs(pool, (*rec).per_dir_config, empty);
            let index = sys::core_module.module_index as isize;
            let entry = own.cast::<*mut sys::core_dir_config>().offset(index);
            let copy = self.pool().place(std::ptr::read(*entry));
            copy.opts &= !(sys::OPT_INC_WITH_EXEC as sys::allow_options_t);
            *entry = copy;
            set_config_entry((*rec).request_config, (*rec).per_dir_config.cast());
            (*rec).per_dir_config = own;
        }
    }

    /// Gives this request `source`'s directory configuration where it came to the one that `source`
    /// had before [`Request::forbid_ssi_exec`]. The server compares the two right afterwards, and
    /// would ask for the password again, now confined, if they differed.
    pub fn share_own_config(&mut self, source: &Request<'_>) {
        // SAFETY: live requests of one chain; this module's entry of a request's vector is null or
        // what forbid_ssi_exec left there, which is only compared.
        unsafe {
            let (own, source) = (self.raw.as_ptr(), source.raw.as_ptr());
            let before = config_entry((*source).request_config);
            if !before.is_null() && before == (*own).per_dir_config.cast() {
                set_config_entry((*own).request_config, before);
                (*own).per_dir_config = (*source).per_dir_config;
            }
        }
    }

    /// Puts one of the module's filters on what this request's handler sends.
    pub fn add_output_filter(&mut self, name: &'static CStr) {
        // SAFETY: live request and connection; the filter was registered under this name.
        unsafe {
            let (rec, connection) = (self.as_ptr(), self.rec().connection);
            sys::ap_add_output_filter(name.as_ptr(), std::ptr::null_mut(), rec, connection);
        }
    }

    /// Declares the type of the response's body.
    pub fn set_content_type(&mut self, kind: &'static CStr) {
        // SAFETY: live request; the string is static.
        unsafe { sys::ap_set_content_type(self.as_ptr(), kind.as_ptr()) }
    }

    /// Writes text to the response's body. What the client does not take is not our concern.
    pub fn write(&mut self, text: &str) {
        // SAFETY: live request; the buffer is valid for its length.
        unsafe { sys::ap_rwrite(text.as_ptr().cast(), text.len() as c_int, self.as_ptr()) };
    }
}
