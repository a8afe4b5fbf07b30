//! How the module registers its hooks, and which other modules registered theirs.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr::null,
};

use apache_sys as sys;

use crate::httpd::{filters, pool::Pool, request::Request, server::Server, status::Status};

/// A content handler that a module registered.
#[derive(Clone, Copy)]
pub struct ContentHandler {
    function: unsafe extern "C" fn(*mut sys::request_rec) -> c_int,
    /// The source file of the module it belongs to, such as `mod_cgid.c`.
    pub module: &'static CStr,
    /// Its order among the others (`APR_HOOK_MIDDLE` and the like).
    pub order: c_int,
}

impl ContentHandler {
    /// Whether its function is this one.
    pub fn is(&self, function: RequestHook) -> bool {
        std::ptr::fn_addr_eq(self.function, function)
    }

    /// Whether it is ordered as early as the server's own hooks.
    pub fn is_really_first(&self) -> bool {
        self.order <= sys::APR_HOOK_REALLY_FIRST as c_int
    }

    /// Runs it. The request must be in the phase of the content handlers.
    pub fn run(&self, r: &mut Request<'_>) -> Status {
        // SAFETY: a handler hook of a loaded module, called as ap_run_handler does, with a live request whose
        // only user is this thread.
        Status::from_raw(unsafe { (self.function)(r.as_ptr()) })
    }
}

/// The content handlers, in the order in which the server runs them. It must be called after the configuration was
/// read. The server sorts its hooks before check_config (server/main.c).
pub fn content_handlers() -> Vec<ContentHandler> {
    // SAFETY: an array of the configuration's pool that nobody changes any more, read before the next reading of
    // the configuration; what is kept of it are functions and names of loaded modules.
    unsafe {
        let array = sys::ap_hook_get_handler();
        if array.is_null() || (*array).elts.is_null() {
            return Vec::new();
        }
        let links: &[sys::ap_LINK_handler_t] =
            std::slice::from_raw_parts((*array).elts.cast(), (*array).nelts.max(0) as usize);
        let handlers = links.iter().filter_map(|link| {
            let module = if link.szName.is_null() { c"?" } else { CStr::from_ptr(link.szName) };
            Some(ContentHandler { function: link.pFunc?, module, order: link.nOrder })
        });
        handlers.collect()
    }
}

/// Functions that run one phase for one module alone. They run the module's hooks in the server's order until one
/// does not decline.
macro_rules! phase_of_one_module {
    ($(#[$doc:meta])* $name:ident, $links:ident, $link:ty $(, $argument:ident: $kind:ty)?) => {
        $(#[$doc])*
        pub fn $name(r: &mut Request<'_>, module: &CStr $(, $argument: $kind)?) -> Status {
            // SAFETY: as in content_handlers(); a hook is called with a live request in its phase.
            unsafe {
                let array = sys::$links();
                if array.is_null() || (*array).elts.is_null() {
                    return Status::DECLINED;
                }
                let links: &[$link] =
                    std::slice::from_raw_parts((*array).elts.cast(), (*array).nelts.max(0) as usize);
                for link in links {
                    let own = !link.szName.is_null() && CStr::from_ptr(link.szName) == module;
                    if let Some(function) = link.pFunc.filter(|_| own) {
                        match function(r.as_ptr() $(, $argument.into())?) {
                            sys::DECLINED => {}
                            status => return Status::from_raw(status),
                        }
                    }
                }
                Status::DECLINED
            }
        }
    };
}

phase_of_one_module! {
    /// The quick handlers of the module whose source file is `module`.
    run_quick_handler_of, ap_hook_get_quick_handler, sys::ap_LINK_quick_handler_t, lookup: bool
}
phase_of_one_module! {
    /// The map_to_storage hooks of the module whose source file is `module`.
    run_map_to_storage_of, ap_hook_get_map_to_storage, sys::ap_LINK_map_to_storage_t
}
phase_of_one_module! {
    /// The fixups hooks of the module whose source file is `module`.
    run_fixups_of, ap_hook_get_fixups, sys::ap_LINK_fixups_t
}

phase_of_one_module! {
    /// The type_checker hooks of the module whose source file is `module`.
    run_type_checker_of, ap_hook_get_type_checker, sys::ap_LINK_type_checker_t
}

/// Runs the first post_config hook of the module whose source file is `module`, as the server does when it starts.
/// The answer is DECLINED if there is none.
pub fn run_post_config_of(server: &Server<'_>, pool: Pool<'_>, module: &CStr) -> c_int {
    // SAFETY: as in content_handlers(); the hook gets a live server and pools that outlive what it keeps.
    unsafe {
        let array = sys::ap_hook_get_post_config();
        if array.is_null() || (*array).elts.is_null() {
            return sys::DECLINED;
        }
        let links: &[sys::ap_LINK_post_config_t] =
            std::slice::from_raw_parts((*array).elts.cast(), (*array).nelts.max(0) as usize);
        let own = links.iter().find(|link| !link.szName.is_null() && CStr::from_ptr(link.szName) == module);
        let Some(function) = own.and_then(|link| link.pFunc) else { return sys::DECLINED };
        let pool = pool.as_ptr();
        function(pool, pool, pool, server.as_ptr())
    }
}

/// The module whose quick handler the server runs before any other.
pub fn first_quick_handler() -> &'static CStr {
    // SAFETY: as in content_handlers().
    unsafe {
        let array = sys::ap_hook_get_quick_handler();
        if array.is_null() || (*array).nelts < 1 || (*array).elts.is_null() {
            return c"?";
        }
        let name = (*(*array).elts.cast::<sys::ap_LINK_quick_handler_t>()).szName;
        if name.is_null() { c"?" } else { CStr::from_ptr(name) }
    }
}

/// The translate_name hooks, in the order in which the server runs them.
pub fn translators() -> &'static [sys::ap_LINK_translate_name_t] {
    // SAFETY: as in content_handlers().
    unsafe {
        let array = sys::ap_hook_get_translate_name();
        if array.is_null() || (*array).elts.is_null() {
            return &[];
        }
        std::slice::from_raw_parts((*array).elts.cast(), (*array).nelts.max(0) as usize)
    }
}

/// Whether a module is loaded; `name` is its source file, such as `mod_cgid.c`.
pub fn module_loaded(name: &CStr) -> bool {
    // SAFETY: NUL-terminated name; the list is complete once the configuration is read.
    unsafe { !sys::ap_find_linked_module(name.as_ptr()).is_null() }
}

/// The effective user: who started the server, or the user that it changed to.
pub fn started_by() -> u32 {
    // SAFETY: a plain query.
    unsafe { libc::geteuid() }
}

/// Closes this process's memory to all readers through /proc, for good. Its own threads are no exception: its files
/// there now belong to root (fs/proc/base.c, task_dump_owner). The process also leaves no core dump. Programs that it
/// starts are not affected.
pub fn forbid_dumps() -> Result<(), i32> {
    // SAFETY: a plain setting of this process.
    match unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EPERM)),
    }
}

/// Whether the server only checks its configuration (`-t`, `-D DUMP_...`).
pub fn only_testing() -> bool {
    // SAFETY: a plain query.
    let mode = unsafe { sys::ap_state_query(sys::AP_SQ_RUN_MODE as c_int) };
    mode != sys::AP_SQ_RM_NORMAL as c_int
}

/// Whether `name` is defined (`-D` on the command line, or `Define`).
pub fn defined(name: &CStr) -> bool {
    // SAFETY: a NUL-terminated name.
    unsafe { sys::ap_exists_config_define(name.as_ptr()) != 0 }
}

/// Whether this is the first of the two readings of the configuration at start.
pub fn first_reading() -> bool {
    // SAFETY: a plain query.
    let state = unsafe { sys::ap_state_query(sys::AP_SQ_MAIN_STATE as c_int) };
    state == sys::AP_SQ_MS_CREATE_PRE_CONFIG as c_int
}

/// Whether a running server reads its configuration again. httpd counts the readings from 1 and does not count the
/// first of the two readings at start (server/main.c).
pub fn reads_again() -> bool {
    // SAFETY: a plain query.
    unsafe { sys::ap_state_query(sys::AP_SQ_CONFIG_GEN as c_int) > 1 }
}

/// Whether this process only sends a signal to a running server (`-k graceful` and the like). It reads the
/// configuration first, because the configuration names the server's PidFile.
pub fn only_signals() -> bool {
    const SIGNALS: [&str; 4] = ["restart", "graceful", "graceful-stop", "stop"];
    let words: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let joined = |word: &String| word.strip_prefix("-k").is_some_and(|signal| SIGNALS.contains(&signal));
    let apart = |two: &[String]| two[0] == "-k" && SIGNALS.contains(&&*two[1]);
    first_reading() && (words.iter().any(joined) || words.windows(2).any(apart))
}

/// Whether the MPM serves connections in threads (event, worker).
pub fn threaded_mpm() -> bool {
    let mut answer: c_int = 0;
    // SAFETY: a plain query with a place for its answer.
    unsafe { sys::ap_mpm_query(sys::AP_MPMQ_IS_THREADED as c_int, &mut answer) };
    answer != 0
}

/// The server's name and version. They are the first word of its description.
pub fn server_version() -> String {
    // SAFETY: a string that lives as long as the configuration.
    let all = unsafe { text_of(sys::ap_get_server_description()) };
    all.split(' ').next().unwrap_or_default().to_owned()
}

/// The name of the MPM.
pub fn mpm_name() -> String {
    // SAFETY: a string of the MPM's.
    unsafe { text_of(sys::ap_show_mpm()) }
}

/// # Safety
/// `text` is null or a C string.
unsafe fn text_of(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Registers the module's hooks. The comments in `lib.rs` explain the order of the functions.
///
/// # Safety
/// To be called by the server's register_hooks, with functions that keep the hooks' contracts.
pub unsafe fn register(hooks: &Hooks) {
    let first = sys::APR_HOOK_REALLY_FIRST as c_int;
    let last = sys::APR_HOOK_REALLY_LAST as c_int;
    // SAFETY: the functions have the hooks' types and live as long as the process (the library is
    // never unmapped, see build.rs).
    unsafe {
        sys::ap_hook_quick_handler(Some(hooks.process_gate), null(), null(), first - 1);
        sys::ap_hook_handler(Some(hooks.handler_gate), null(), null(), first - 1);
        sys::ap_hook_handler(Some(hooks.status_page), null(), null(), sys::APR_HOOK_MIDDLE as c_int);
        sys::ap_hook_post_perdir_config(Some(hooks.directory_found), null(), null(), first - 1);
        sys::ap_hook_post_perdir_config(Some(hooks.directory_known), null(), null(), last);
        sys::ap_hook_insert_filter(Some(hooks.filters_known), null(), null(), last + 1);
        sys::ap_hook_log_transaction(Some(hooks.log_begins), null(), null(), first - 1);
        // "Per configuration", as httpd's own authentication modules register: with a single hook that is not,
        // httpd authenticates every inner request again (server/request.c, ap_setup_auth_internal).
        let internal = sys::AP_AUTH_INTERNAL_PER_CONF as c_int;
        sys::ap_hook_check_authz(Some(hooks.user_proven), null(), null(), first - 1, internal);
        let before_core = sys::APR_HOOK_LAST as c_int - 1;
        sys::ap_hook_check_authn(Some(hooks.nobody_asked), null(), null(), before_core, internal);
        sys::ap_hook_pre_config(Some(hooks.pre_config), null(), null(), last);
        sys::ap_hook_check_config(Some(hooks.check_config), null(), null(), last);
        sys::ap_hook_test_config(Some(hooks.test_config), null(), null(), last);
        sys::ap_hook_post_config(Some(hooks.post_config), null(), null(), last);
        sys::ap_hook_drop_privileges(Some(hooks.drop_privileges), null(), null(), first);
        sys::ap_hook_child_init(Some(hooks.child_ready), null(), null(), last);
        sys::ap_hook_child_stopping(Some(hooks.child_stopping), null(), null(), first);
        sys::ap_hook_child_status(Some(hooks.child_status), null(), null(), sys::APR_HOOK_MIDDLE as c_int);
        sys::ap_hook_error_log(Some(hooks.line_logged), null(), null(), sys::APR_HOOK_MIDDLE as c_int);
        sys::ap_hook_protocol_switch(Some(hooks.protocol_switch), null(), null(), first);
        sys::ap_hook_expr_lookup(Some(hooks.function_named), null(), null(), first - 1);
        sys::ap_hook_mpm_register_timed_callback(Some(hooks.callback_wanted), null(), null(), first);
        filters::register(hooks.guard_input, hooks.guard_output);
        // mod_status's hook is optional, so only its name is needed. It does not matter whether mod_status is loaded.
        let function = std::mem::transmute::<QuickHook, unsafe extern "C" fn()>(hooks.server_status);
        sys::apr_optional_hook_add(
            c"status_hook".as_ptr(),
            Some(function),
            null(),
            null(),
            sys::APR_HOOK_MIDDLE as c_int,
        );
        // mod_lua's hook is optional, too (modules/lua/mod_lua.h).
        let function = std::mem::transmute::<LuaHook, unsafe extern "C" fn()>(hooks.lua_runs);
        let name = c"lua_request".as_ptr();
        sys::apr_optional_hook_add(name, Some(function), null(), null(), sys::APR_HOOK_MIDDLE as c_int);
    }
}

type LuaHook = unsafe extern "C" fn(*mut c_void, *mut sys::request_rec) -> c_int;

type QuickHook = unsafe extern "C" fn(*mut sys::request_rec, c_int) -> c_int;
/// A hook that takes a request.
pub type RequestHook = unsafe extern "C" fn(*mut sys::request_rec) -> c_int;
type ConfigHook = unsafe extern "C" fn(
    *mut sys::apr_pool_t,
    *mut sys::apr_pool_t,
    *mut sys::apr_pool_t,
    *mut sys::server_rec,
) -> c_int;

/// The module's hook functions.
pub struct Hooks {
    /// quick_handler.
    pub process_gate: QuickHook,
    /// handler, before all others.
    pub handler_gate: RequestHook,
    /// handler of `confine-status`.
    pub status_page: RequestHook,
    /// post_perdir_config, before all others. It is the first hook that can see what a `.htaccess` file says.
    pub directory_found: RequestHook,
    /// post_perdir_config, between the directory configuration and authentication.
    pub directory_known: RequestHook,
    /// insert_filter, after all others.
    pub filters_known: unsafe extern "C" fn(*mut sys::request_rec),
    /// log_transaction, before all others.
    pub log_begins: RequestHook,
    /// error_log: a line was written there.
    pub line_logged: unsafe extern "C" fn(*const sys::ap_errorlog_info, *const c_char),
    /// auth_checker, which only runs after the server has accepted a user.
    pub user_proven: RequestHook,
    /// check_user_id, just before mod_authn_core, whose hook is the last.
    pub nobody_asked: RequestHook,
    /// pre_config, when all modules are loaded and no directive was read.
    pub pre_config:
        unsafe extern "C" fn(*mut sys::apr_pool_t, *mut sys::apr_pool_t, *mut sys::apr_pool_t) -> c_int,
    /// check_config.
    pub check_config: ConfigHook,
    /// test_config, which only runs under `-t`.
    pub test_config: unsafe extern "C" fn(*mut sys::apr_pool_t, *mut sys::server_rec),
    /// post_config.
    pub post_config: ConfigHook,
    /// drop_privileges, before mod_unixd's: every child runs it as the user that started the server
    /// (server/mpm/*, child_main), before it becomes `User`.
    pub drop_privileges: unsafe extern "C" fn(*mut sys::apr_pool_t, *mut sys::server_rec) -> c_int,
    /// child_init, after all others.
    pub child_ready: unsafe extern "C" fn(*mut sys::apr_pool_t, *mut sys::server_rec),
    /// child_stopping.
    pub child_stopping: unsafe extern "C" fn(*mut sys::apr_pool_t, c_int),
    /// child_status, in the parent process.
    pub child_status: unsafe extern "C" fn(
        *mut sys::server_rec,
        sys::pid_t,
        sys::ap_generation_t,
        c_int,
        sys::mpm_child_status,
    ),
    /// mpm_register_timed_callback.
    pub callback_wanted: unsafe extern "C" fn(
        sys::apr_time_t,
        Option<unsafe extern "C" fn(*mut c_void)>,
        *mut c_void,
    ) -> sys::apr_status_t,
    /// The input filter before all others of a resource.
    pub guard_input: filters::Input,
    /// The output filter before all others of a resource.
    pub guard_output: filters::Output,
    /// protocol_switch, before all others.
    pub protocol_switch: unsafe extern "C" fn(
        *mut sys::conn_rec,
        *mut sys::request_rec,
        *mut sys::server_rec,
        *const c_char,
    ) -> c_int,
    /// expr_lookup, before all others: an expression that is read names a function.
    pub function_named: unsafe extern "C" fn(*mut sys::ap_expr_lookup_parms) -> c_int,
    /// lua_request: mod_lua is about to run a function for a request.
    pub lua_runs: LuaHook,
    /// mod_status's page.
    pub server_status: QuickHook,
}
