//! A directory configuration for one request alone, which replaces the one that the server found.

use std::ffi::{CStr, c_char, c_int};

use apache_sys as sys;

use super::Request;
use crate::httpd::{core_files, directives::Directives, php};

/// A directory configuration that one request has in place of the one that the server found for it.
#[derive(Clone, Copy)]
pub(super) struct OwnConfig {
    /// The configuration that the server found. It is compared, and given back at the end.
    pub(super) before: *mut sys::ap_conf_vector_t,
    /// The request's own configuration.
    own: *mut sys::ap_conf_vector_t,
    /// What is different in it.
    changed: Changed,
    /// The paths at the time when the request first got a configuration of its own.
    paths: Paths,
}

/// What is different in a request's own directory configuration, apart from core's part.
#[derive(Clone, Copy, Default)]
struct Changed {
    /// Whether [`Request::force`] was called.
    forced: bool,
    /// What was done to PHP's part.
    php: Option<PhpPart>,
    /// Whether [`Request::force_fcgi`] had its turn.
    fcgi: bool,
}

/// What was done to PHP's part of a directory configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PhpPart {
    /// Settings were added that nothing else can change.
    Forced,
    /// It sets nothing.
    Bare,
}

/// The place of core's part in a directory configuration.
///
/// # Safety
/// `vector` is a live directory configuration.
unsafe fn core_entry(vector: *mut sys::ap_conf_vector_t) -> *mut *mut sys::core_dir_config {
    // SAFETY: core is part of every server, and a vector has a place for every module.
    unsafe { vector.cast::<*mut sys::core_dir_config>().offset(sys::core_module.module_index as isize) }
}

/// The values that `ap_set_document_root` and `ap_set_context_info` set.
#[derive(Clone, Copy)]
struct Paths {
    root: *const c_char,
    prefix: *const c_char,
    context_root: *const c_char,
}

impl<'r> Request<'r> {
    /// Disables SSI's `exec` for this request.
    pub fn forbid_ssi_exec(&mut self) {
        // SAFETY: a live request, for the server's own question.
        if unsafe { sys::ap_allow_options(self.as_ptr()) } & sys::OPT_INC_WITH_EXEC as c_int != 0 {
            self.change_core(|core| core.opts &= !(sys::OPT_INC_WITH_EXEC as sys::allow_options_t));
        }
    }

    /// Makes the server read the files of this request, whatever `EnableMMAP` says. A file that is truncated while it
    /// is mapped ends the process (SIGBUS), and with it other requests.
    pub fn read_files(&mut self) {
        // SAFETY: core's entry is a live core_dir_config in every request; the borrow ends at once.
        let core = unsafe { (*core_entry(self.rec().per_dir_config)).as_ref() };
        if core.is_some_and(core_files::maps) {
            self.change_core(core_files::read);
        }
    }

    /// Gives this request a directory configuration of its own that only differs in core's part, by `change`.
    fn change_core(&mut self, change: impl FnOnce(&mut sys::core_dir_config)) {
        let pool = self.pool();
        // SAFETY: ap_merge_per_dir_configs with an empty second vector copies the first one's pointers
        // into a new vector; core's entry is a core_dir_config (http_core.h) in every request, and the
        // copy replaces it in the new vector only, so that other requests keep theirs.
        let own = unsafe {
            let empty = sys::ap_create_request_config(pool.as_ptr());
            let own = sys::ap_merge_per_dir_configs(pool.as_ptr(), self.rec().per_dir_config, empty);
            let entry = core_entry(own);
            let copy = pool.place(std::ptr::read(*entry));
            change(copy);
            *entry = copy;
            own
        };
        self.replace_config(own, |_| ());
    }

    /// Gives this request a directory configuration of its own, in which `directives` come last, as if they stood in
    /// the innermost section. It does nothing if that was done before.
    pub fn force(&mut self, directives: &Directives) {
        if self.own_config().is_some_and(|own| own.changed.forced) {
            return;
        }
        let own = self.merged(self.rec().per_dir_config, directives.vector());
        self.replace_config(own, |changed| changed.forced = true);
    }

    /// As [`Request::force`], for mod_proxy_fcgi's settings.
    pub fn force_fcgi(&mut self, directives: &Directives) {
        if self.own_config().is_some_and(|own| own.changed.fcgi) {
            return;
        }
        let own = self.merged(self.rec().per_dir_config, directives.vector());
        self.replace_config(own, |changed| changed.fcgi = true);
    }

    /// As [`Request::force`], for PHP's settings. A setting of `unless_set` only counts if the configuration does not
    /// set it with the same strength.
    pub fn force_php(&mut self, directives: Option<&Directives>, unless_set: Option<&Directives>) {
        if self.own_config().is_some_and(|own| own.changed.php == Some(PhpPart::Forced)) {
            return;
        }
        let mut own = self.rec().per_dir_config;
        if let Some(first) = unless_set {
            own = self.merged(first.vector(), own);
        }
        if let Some(last) = directives {
            own = self.merged(own, last.vector());
        }
        self.replace_config(own, |changed| changed.php = Some(PhpPart::Forced));
    }

    /// Removes all of PHP's settings from this request's directory configuration.
    pub fn bare_php(&mut self, php: &php::Module) {
        if self.own_config().is_some_and(|own| own.changed.php == Some(PhpPart::Bare)) {
            return;
        }
        // SAFETY: an empty vector of the request's pool, as in change_core; the copy that the merge makes has a
        // place for every module, and the part that is put there is the module's own and lives as long as the
        // configuration.
        let own = unsafe {
            let empty = sys::ap_create_request_config(self.rec().pool);
            let own = self.merged(self.rec().per_dir_config, empty);
            *own.cast::<*mut std::ffi::c_void>().offset(php.index()) = php.bare();
            own
        };
        self.replace_config(own, |changed| changed.php = Some(PhpPart::Bare));
    }

    /// A directory configuration in which `inner` comes last.
    fn merged(
        &self,
        outer: *mut sys::ap_conf_vector_t,
        inner: *mut sys::ap_conf_vector_t,
    ) -> *mut sys::ap_conf_vector_t {
        // SAFETY: live vectors; the result lives in the request's pool, and vectors of directives as long as the
        // configuration, so longer.
        unsafe { sys::ap_merge_per_dir_configs(self.rec().pool, outer, inner) }
    }

    /// Replaces one module's part of this request's directory configuration by the part that `with` has, for good.
    pub fn replace_part(&mut self, module: &CStr, with: &Directives) {
        // SAFETY: as in change_core; a loaded module's record is static, and vectors have a place for it.
        unsafe {
            let Some(module) = sys::ap_find_linked_module(module.as_ptr()).as_ref() else { return };
            let (pool, index) = (self.rec().pool, module.module_index as isize);
            let empty = sys::ap_create_request_config(pool);
            let own = sys::ap_merge_per_dir_configs(pool, self.rec().per_dir_config, empty);
            let part = *with.vector().cast::<*mut std::ffi::c_void>().offset(index);
            *own.cast::<*mut std::ffi::c_void>().offset(index) = part;
            self.rec_mut().per_dir_config = own;
        }
    }

    /// The request's own directory configuration, with the list of what is different in it. `None` if the request
    /// never got one, or if the server has put another one in its place since.
    pub(super) fn own_config(&self) -> Option<OwnConfig> {
        self.last_own_config().filter(|own| own.own == self.rec().per_dir_config)
    }

    /// The request's own directory configuration. The server may have put another one in its place since.
    fn last_own_config(&self) -> Option<OwnConfig> {
        self.private().own
    }

    fn replace_config(&mut self, own: *mut sys::ap_conf_vector_t, note: impl FnOnce(&mut Changed)) {
        let known = self.own_config();
        let before = known.map_or(self.rec().per_dir_config, |known| known.before);
        let mut changed = known.map_or_else(Changed::default, |known| known.changed);
        note(&mut changed);
        self.set_own_config(before, own, changed);
    }

    fn set_own_config(
        &mut self,
        before: *mut sys::ap_conf_vector_t,
        own: *mut sys::ap_conf_vector_t,
        changed: Changed,
    ) {
        let paths = self.last_own_config().map_or_else(|| self.paths(), |known| known.paths);
        let own_config = OwnConfig { before, own, changed, paths };
        self.change_private(|private| private.own = Some(own_config));
        self.rec_mut().per_dir_config = own;
    }

    /// Gives this request the directory configuration that `source` got for itself, if this request has the one that
    /// `source` had before. The server compares the two configurations right afterwards. If they differed, it would
    /// authenticate again, now in a confined thread.
    pub fn share_own_config(&mut self, source: &Request<'_>) {
        if let Some(own) = source.own_config().filter(|own| own.before == self.rec().per_dir_config) {
            self.set_own_config(own.before, own.own, own.changed);
        }
    }

    /// The paths of this request that applications can set.
    fn paths(&self) -> Paths {
        let r = self.as_ptr();
        // SAFETY: a live request; the answers are kept, not read.
        unsafe {
            Paths {
                root: sys::ap_document_root(r),
                prefix: sys::ap_context_prefix(r),
                context_root: sys::ap_context_document_root(r),
            }
        }
    }

    /// Restores the paths. What an application set instead may be in memory that ends with the application or has
    /// ended (mod_lua sets a script's own strings), so it is not even looked at.
    fn restore_paths(&mut self, paths: Paths) {
        let r = self.as_ptr();
        // SAFETY: a live request, and what it had before, which lives as long.
        unsafe {
            sys::ap_set_context_info(r, paths.prefix, paths.context_root);
            sys::ap_set_document_root(r, paths.root);
        }
    }

    /// Ends what belongs to the worker alone, for this request and for those that it was redirected to inside the
    /// server. From here on the server has the directory configuration that it found, and no filters of the resource.
    /// These filters may hold what ended with the worker (a Lua state), or they are applications that would read the
    /// rest of a body. No filter is missed: the server itself removes the output filters before it sends an error
    /// (modules/http/http_protocol.c, ap_send_error_response), and nothing else is left to send.
    pub fn leave_worker(&mut self) {
        let mut next = Some(self.same());
        while let Some(mut request) = next {
            if let Some(own) = request.own_config() {
                if own.changed.forced {
                    request.restore_paths(own.paths);
                }
                request.rec_mut().per_dir_config = own.before;
            }
            let rec = request.rec_mut();
            rec.input_filters = rec.proto_input_filters;
            rec.output_filters = rec.proto_output_filters;
            next = request.redirected_to();
        }
    }
}
