//! A request, as the server's hooks see it.

use std::{
    ffi::{CStr, c_char, c_int},
    marker::PhantomData,
    net::IpAddr,
    ptr::{NonNull, null, null_mut},
};

use apache_sys as sys;

use crate::httpd::{
    address, core_files,
    directives::Directives,
    php,
    pool::Pool,
    proofs::{Attempt, Place, Proof},
    said::Said,
    server::Server,
    slot::{config_entry, set_config_entry},
    status::Status,
    table::Table,
};

/// A directory configuration that one request has instead of the one that the server found for it.
#[derive(Clone, Copy)]
struct OwnConfig {
    /// What the server had found, to be compared and given back.
    before: *mut sys::ap_conf_vector_t,
    /// The request's own.
    own: *mut sys::ap_conf_vector_t,
    /// What has been changed about it.
    changed: Changed,
    /// As they were when the request first got a configuration of its own.
    paths: Paths,
}

/// What was changed about a request's own directory configuration, apart from core's part.
#[derive(Clone, Copy, Default)]
struct Changed {
    /// Whether [`Request::force`] had its turn.
    forced: bool,
    /// PHP's part.
    php: Option<PhpPart>,
}

/// What became of PHP's part of a directory configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PhpPart {
    /// Settings come last in it that nothing else can change.
    Forced,
    /// It sets nothing.
    Bare,
}

/// Where core's part stands in a directory configuration.
///
/// # Safety
/// `vector` is a live directory configuration.
unsafe fn core_entry(vector: *mut sys::ap_conf_vector_t) -> *mut *mut sys::core_dir_config {
    // SAFETY: core is part of every server, and a vector has a place for every module.
    unsafe { vector.cast::<*mut sys::core_dir_config>().offset(sys::core_module.module_index as isize) }
}

/// What this module keeps with a request, where only the server's own code finds it.
#[derive(Clone, Copy)]
struct Private<'r> {
    own: Option<OwnConfig>,
    /// Its headers, as they were before any content handler ran; null: none did yet.
    headers: *const sys::apr_table_t,
    /// The newest proof of its family, in the family's first request.
    proofs: *mut Proof,
    /// What a provider said last, while the server authenticates.
    attempt: Option<Attempt<'r>>,
    /// Whether all that could ask for a name declined to.
    nobody_asked: bool,
    /// What was decided about it.
    course: Course,
    /// What was said of it.
    said: Option<Said<'r>>,
}

impl Private<'_> {
    const NEW: Self = Self {
        own: None,
        headers: null(),
        proofs: null_mut(),
        attempt: None,
        nobody_asked: false,
        course: Course::NEW,
        said: None,
    };
}

/// What becomes of a request's content.
#[derive(Clone, Copy)]
struct Course {
    /// It goes on with the server's privileges, as was decided.
    unconfined: bool,
    /// A handler runs that may only lead to another resource.
    leading: bool,
    /// Another process makes it.
    made_elsewhere: bool,
}

impl Course {
    const NEW: Self = Self { unconfined: false, leading: false, made_elsewhere: false };
}

/// What `ap_set_document_root` and `ap_set_context_info` set.
#[derive(Clone, Copy)]
struct Paths {
    root: *const c_char,
    prefix: *const c_char,
    context_root: *const c_char,
}

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

    /// The same once more, for a walk that starts here.
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

    /// Sets the name that the server holds for the user.
    pub fn set_user(&mut self, name: &'r CStr) {
        self.rec_mut().user = name.as_ptr().cast_mut();
    }

    /// A header of the request.
    pub fn header(&self, name: &CStr) -> Option<&'r CStr> {
        // SAFETY: a live table of the request; the value lives in one of its pools.
        unsafe { table_value(self.rec().headers_in, name) }
    }

    /// The password of basic authentication, as the client (or a module in its name) sends it.
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

    /// How the server is to authenticate here: `AuthType`, evaluated.
    pub fn wanted_auth_type(&self) -> Option<&'r CStr> {
        // SAFETY: a live request; the answer is null or a string in its pool.
        unsafe {
            let kind = sys::ap_auth_type(self.as_ptr());
            (!kind.is_null()).then(|| CStr::from_ptr(kind))
        }
    }

    /// For what: `AuthName`, evaluated.
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

    /// What follows the file in the URL.
    pub fn path_info(&self) -> Option<&'r CStr> {
        self.text(|r| r.path_info)
    }

    /// Whether its protocol is that of subrequests.
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

    /// Whether it goes to another server, as far as mod_proxy was told by now.
    pub fn is_proxied(&self) -> bool {
        self.rec().proxyreq != 0
    }

    /// Notes that this request goes on with the server's privileges, as was decided.
    pub fn let_go_unconfined(&mut self) {
        self.set_course(|course| course.unconfined = true);
    }

    /// Whether that was decided.
    pub fn goes_unconfined(&self) -> bool {
        self.private().course.unconfined
    }

    /// Notes that another process makes this request's content.
    pub fn set_made_elsewhere(&mut self) {
        self.set_course(|course| course.made_elsewhere = true);
    }

    /// Whether another process makes this request's content.
    pub fn is_made_elsewhere(&self) -> bool {
        self.private().course.made_elsewhere
    }

    /// Runs a handler that may lead to another resource, and may send nothing itself.
    pub fn leading<T>(&mut self, handler: impl FnOnce(&mut Self) -> T) -> T {
        self.guard_filters();
        self.set_course(|course| course.leading = true);
        let result = handler(self);
        self.set_course(|course| course.leading = false);
        result
    }

    /// Whether a handler runs that may only lead to another resource.
    pub fn is_leading(&self) -> bool {
        self.private().course.leading
    }

    fn set_course(&mut self, change: impl FnOnce(&mut Course)) {
        self.change_private(|private| change(&mut private.course));
    }

    /// What was said of this request.
    pub(super) fn said(&self) -> Option<Said<'r>> {
        self.private().said
    }

    /// Keeps what was said of it, unless what was said before tells more.
    ///
    /// The refusal of a subrequest may become the answer of the request that it serves (a look-up,
    /// modules/mappers/mod_dir.c, fixup_dir), so that one keeps it, too, until something is said of itself.
    pub fn say(&mut self, said: Said<'r>) {
        let served = self.outermost().filter(|served| said.weight > 0 && served.said().is_none());
        if let Some(mut served) = served {
            let passed_on = Said { weight: 0, of_subrequest: true, ..said };
            served.change_private(|private| private.said = Some(passed_on));
        }
        if said.replaces(self.said().as_ref()) {
            self.change_private(|private| private.said = Some(said));
        }
    }

    /// The request that the client sent, or that one led to inside the server, if this is a subrequest of it, however deep.
    pub fn outermost(&self) -> Option<Request<'r>> {
        std::iter::successors(self.main(), Request::main).last()
    }

    /// The status of its answer.
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

    /// The request that redirected to this one inside the server.
    pub fn redirected_from(&self) -> Option<Request<'r>> {
        // SAFETY: null or a request of the same chain, which lives at least as long.
        unsafe { Request::from_raw(self.rec().prev) }
    }

    /// The request that this one redirected to inside the server.
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

    /// The client's address, as mod_remoteip and the like left it.
    pub fn client(&self) -> Option<IpAddr> {
        // SAFETY: null or a live address of the request.
        unsafe { address::ip_of(self.rec().useragent_addr) }
    }

    /// Sets a variable of the request's environment. Both strings outlive the request.
    pub fn set_env(&mut self, name: &'r CStr, value: &'r CStr) {
        // SAFETY: live table; setn keeps the pointers, which live long enough.
        unsafe { sys::apr_table_setn(self.rec().subprocess_env, name.as_ptr(), value.as_ptr()) }
    }

    /// Takes a variable out of the request's environment.
    pub fn unset_env(&mut self, name: &CStr) {
        // SAFETY: a live table of the request and a C string.
        unsafe { sys::apr_table_unset(self.rec().subprocess_env, name.as_ptr()) }
    }

    /// Takes a note off the request.
    pub fn unset_note(&mut self, name: &CStr) {
        // SAFETY: as unset_env.
        unsafe { sys::apr_table_unset(self.rec().notes, name.as_ptr()) }
    }

    /// A note of the request.
    pub fn note(&self, name: &CStr) -> Option<&'r CStr> {
        // SAFETY: as header().
        unsafe { table_value(self.rec().notes, name) }
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

    /// This module's merged directory configuration, null where no directive applies. See [`super::slot`].
    pub(super) fn directory_config(&self) -> *mut std::ffi::c_void {
        // SAFETY: every request has a vector from its creation on.
        unsafe { config_entry(self.rec().per_dir_config) }
    }

    /// Whether the module whose source file is `module` keeps something with this request.
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

    /// Runs `body` with the request's user hidden where it is not `proven`, so that no expression sees a name that
    /// was typed and never proven; and with other variables, where some are given.
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

    /// Runs the content handlers, filters inserted first.
    pub fn invoke_handler(&mut self) -> Status {
        // SAFETY: live request whose phases answered OK.
        Status::from_raw(unsafe { sys::ap_invoke_handler(self.as_ptr()) })
    }

    /// Reads what is left of the request's body and ends the response's stream, and remembers that,
    /// so that the server's thread does not end it a second time (a program that speaks for itself
    /// (nph-) and an upgraded connection leave the mark at 0).
    pub fn finalize(&mut self) {
        // SAFETY: live request after its handler; what ap_process_async_request does next, too.
        unsafe { sys::ap_finalize_request_protocol(self.as_ptr()) };
        self.rec_mut().eos_sent = 1;
    }

    /// Ends a subrequest's part of the stream, as the server does after its handler; once.
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

    /// Names another thread as the connection's, for applications that take memory from its pool.
    pub fn set_connection_thread(&mut self, thread: *mut sys::apr_thread_t) {
        // SAFETY: as connection_thread; this thread is the connection's only user now.
        unsafe { (*self.rec().connection).current_thread = thread }
    }

    /// Takes SSI's `exec` away from this request.
    pub fn forbid_ssi_exec(&mut self) {
        // SAFETY: a live request, for the server's own question.
        if unsafe { sys::ap_allow_options(self.as_ptr()) } & sys::OPT_INC_WITH_EXEC as c_int != 0 {
            self.change_core(|core| core.opts &= !(sys::OPT_INC_WITH_EXEC as sys::allow_options_t));
        }
    }

    /// Has the server read the files of this request, whatever `EnableMMAP` says: a file that is cut short
    /// while it is mapped ends the process (SIGBUS), and with it other requests.
    pub fn read_files(&mut self) {
        // SAFETY: core's entry is a live core_dir_config in every request; the borrow ends at once.
        let core = unsafe { (*core_entry(self.rec().per_dir_config)).as_ref() };
        if core.is_some_and(core_files::maps) {
            self.change_core(core_files::read);
        }
    }

    /// Gives this request a directory configuration of its own, alike but for a change to core's part.
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

    /// Gives this request a directory configuration of its own, in which `directives` come last, as if
    /// they stood in the innermost section. Does nothing where that was done already.
    pub fn force(&mut self, directives: &Directives) {
        if self.own_config().is_some_and(|own| own.changed.forced) {
            return;
        }
        let own = self.merged(self.rec().per_dir_config, directives.vector());
        self.replace_config(own, |changed| changed.forced = true);
    }

    /// As [`Request::force`], for PHP's settings. Those of `unless_set` count where the configuration says nothing
    /// about them that is as strong.
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

    /// Takes all of PHP's settings out of this request's directory configuration.
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

    /// Gives this request `with`'s part of the directory configuration for one module, for good.
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

    /// What this request's own directory configuration is about, while that is still the one in use.
    fn own_config(&self) -> Option<OwnConfig> {
        self.last_own_config().filter(|own| own.own == self.rec().per_dir_config)
    }

    /// The same, though the server may have found another one since.
    fn last_own_config(&self) -> Option<OwnConfig> {
        self.private().own
    }

    fn private(&self) -> Private<'r> {
        // SAFETY: every request has a vector; this module's entry is null or what private_place made.
        unsafe { config_entry(self.rec().request_config).cast::<Private<'r>>().as_ref() }
            .copied()
            .unwrap_or(Private::NEW)
    }

    /// Where it is kept: for as long as the request, and always the same place.
    fn private_place(&self) -> *mut Private<'r> {
        let vector = self.rec().request_config;
        // SAFETY: a live request and its vector, of which this thread is the only user.
        unsafe {
            let kept = config_entry(vector);
            if !kept.is_null() {
                return kept.cast();
            }
            let new = std::ptr::from_mut(self.pool().place(Private::NEW));
            set_config_entry(vector, new.cast());
            new
        }
    }

    fn change_private(&mut self, change: impl FnOnce(&mut Private<'r>)) {
        // SAFETY: what private_place made; the borrow ends with this call, which `change` cannot make again.
        change(unsafe { &mut *self.private_place() });
    }

    /// Where the newest proof of this request's family is written down, if this is the family's first.
    pub(super) fn newest_proof(&self) -> *mut *mut Proof {
        // SAFETY: a field of what private_place made.
        unsafe { &raw mut (*self.private_place()).proofs }
    }

    /// What a provider said last, while the server authenticates.
    pub fn attempt(&self) -> Option<Attempt<'r>> {
        self.private().attempt
    }

    /// Keeps what a provider said.
    pub fn set_attempt(&mut self, attempt: Option<Attempt<'r>>) {
        self.change_private(|private| private.attempt = attempt);
    }

    /// Whether nothing that is loaded asked for a name here.
    pub fn nobody_asked(&self) -> bool {
        self.private().nobody_asked
    }

    /// Keeps that nothing asked for a name here.
    pub fn set_nobody_asked(&mut self) {
        self.change_private(|private| private.nobody_asked = true);
    }

    /// Keeps the headers of this request, for when an application may have changed them. Only the first time
    /// counts.
    pub fn keep_original_headers(&mut self) {
        if self.private().headers.is_null() {
            // SAFETY: a live table and a live pool. The copy shares the values, which live as long as the request;
            // who changes the original replaces its values.
            let headers = unsafe { sys::apr_table_copy(self.rec().pool, self.rec().headers_in) };
            self.change_private(|private| private.headers = headers);
        }
    }

    /// Gives the headers back that came with the request. Its subrequests, and requests that it leads to inside
    /// the server, have the same table.
    pub fn restore_original_headers(&mut self) {
        let original = self.private().headers;
        if original.is_null() {
            return;
        }
        let headers = self.rec().headers_in;
        // SAFETY: a live table, and the copy that keep_original_headers() made: an array of entries (never null, apr_tables.c,
        // make_array_core) whose strings live as long as the request.
        unsafe {
            let entries = &*sys::apr_table_elts(original);
            let first = entries.elts.cast::<sys::apr_table_entry_t>();
            sys::apr_table_clear(headers);
            for entry in std::slice::from_raw_parts(first, entries.nelts as usize) {
                sys::apr_table_addn(headers, entry.key, entry.val);
            }
        }
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

    /// Gives this request `source`'s directory configuration where it came to the one that `source`
    /// had before it got one of its own. The server compares the two right afterwards, and would ask
    /// for the password again, now confined, if they differed.
    pub fn share_own_config(&mut self, source: &Request<'_>) {
        if let Some(own) = source.own_config().filter(|own| own.before == self.rec().per_dir_config) {
            self.set_own_config(own.before, own.own, own.changed);
        }
    }

    /// The paths of this request that applications may set.
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

    /// Gives the paths back. What an application set instead may lie in memory that ends with it, or ended
    /// (mod_lua sets a script's own strings), so it is not even looked at.
    fn restore_paths(&mut self, paths: Paths) {
        let r = self.as_ptr();
        // SAFETY: a live request, and what it had before, which lives as long.
        unsafe {
            sys::ap_set_context_info(r, paths.prefix, paths.context_root);
            sys::ap_set_document_root(r, paths.root);
        }
    }

    /// Ends what is the worker's alone, for this request and those that it led to inside the server: the
    /// server goes on with the directory configuration that it had found, and without the filters of a
    /// resource. Those may hold what ended with the worker (a Lua state), or are applications that read the
    /// rest of a body; the server itself puts the output filters aside before it sends an error
    /// (modules/http/http_protocol.c, ap_send_error_response), and nothing else is left to send.
    pub fn leave_worker(&mut self) {
        let mut next = Some(Request { raw: self.raw, life: PhantomData });
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

/// What stands before the first `byte`, and behind it.
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
