//! mod_confine: each request runs in a thread of its own, in the security context of its subject.
//!
//! C sees this file and nothing else: the module record and the hooks. Each hook passes the panic boundary and then
//! hands safe types on. `request/mod.rs` tells the order of events.

use std::{
    ffi::{c_char, c_int, c_void},
    ptr::{null, null_mut},
};

use apache_sys as sys;

mod config;
mod describe;
mod fastcgi;
mod httpd;
mod report;
mod request;
mod startup;
mod status;
mod subject;
mod thread;
mod worker;

use config::directives;
use httpd::{
    boundary::guard,
    expression::NamedFunction,
    filters::{self, Guard},
    hooks,
    log::{self, Level},
    lua_state, mime_magic,
    pool::Pool,
    providers, proxy,
    request::Request,
    server::Server,
    status::Status,
};
use report::{Grounds, Refusal, counters};
use request::modules::{
    expressions, fastcgi as fastcgi_requests, mime_magic as types_of_files, php, scripts,
};
use startup::map_watch;
use thread::{apr_thread, current, one_time, watched};

/// The module record. `LoadModule confine_module` finds it by this name.
#[unsafe(no_mangle)]
pub static mut confine_module: sys::module = sys::module {
    version: sys::MODULE_MAGIC_NUMBER_MAJOR as c_int,
    minor_version: sys::MODULE_MAGIC_NUMBER_MINOR as c_int,
    // The server assigns the index when it loads the module.
    module_index: -1,
    name: c"mod_confine.c".as_ptr(),
    dynamic_load_handle: null_mut(),
    next: null_mut(),
    magic: sys::MODULE_MAGIC_COOKIE as _,
    rewrite_args: None,
    create_dir_config: Some(config::DIRECTORY.create()),
    merge_dir_config: Some(config::DIRECTORY.merge()),
    create_server_config: Some(config::SERVER.create()),
    merge_server_config: Some(config::SERVER.merge()),
    cmds: directives::TABLE.as_ptr(),
    register_hooks: Some(register_hooks),
    flags: 0,
};

/// A second record, which does nothing. mod_selinux's configurations contain `<IfModule mod_selinux.c>`. With
/// `LoadModule selinux_module` from this module's file, they find this record.
#[unsafe(no_mangle)]
pub static mut selinux_module: sys::module = sys::module {
    version: sys::MODULE_MAGIC_NUMBER_MAJOR as c_int,
    minor_version: sys::MODULE_MAGIC_NUMBER_MINOR as c_int,
    module_index: -1,
    name: c"mod_selinux.c".as_ptr(),
    dynamic_load_handle: null_mut(),
    next: null_mut(),
    magic: sys::MODULE_MAGIC_COOKIE as _,
    rewrite_args: None,
    create_dir_config: None,
    merge_dir_config: None,
    create_server_config: None,
    merge_server_config: None,
    cmds: std::ptr::null(),
    register_hooks: None,
    flags: 0,
};

/// The handlers that startup must know: this module's own handler, and the one that replaces PHP's.
const HANDLERS: startup::OwnHandlers = startup::OwnHandlers { gate: handler_gate, php: php_handler };

unsafe extern "C" fn register_hooks(_: *mut sys::apr_pool_t) {
    let all = hooks::Hooks {
        process_gate,
        handler_gate,
        status_page,
        directory_found,
        directory_known,
        filters_known,
        log_begins,
        line_logged,
        user_proven,
        nobody_asked,
        pre_config,
        check_config,
        test_config,
        post_config,
        drop_privileges,
        child_ready,
        child_stopping,
        child_status,
        callback_wanted,
        guard_input,
        guard_output,
        protocol_switch,
        function_named,
        server_status,
        lua_runs,
    };
    guard(
        // SAFETY: this is the server's call; the functions below keep the hooks' contracts.
        || unsafe { hooks::register(&all) },
        |panic| log::main(Level::Error, &format!("confine: panic while registering hooks: {panic}")),
    );
}

/// Runs a hook's body on a request, behind the panic boundary. A panic becomes 500.
fn on_request(r: *mut sys::request_rec, body: impl FnOnce(&mut Request<'_>) -> Status) -> c_int {
    let status = guard(
        || {
            // SAFETY: the server hands its hooks a live request that only this thread uses.
            match unsafe { Request::from_raw(r) } {
                Some(mut request) => body(&mut request),
                None => Status::DECLINED,
            }
        },
        |panic| {
            log::main(Level::Error, &format!("confine: panic: {panic}"));
            // SAFETY: as above; the hook's own borrow ended with the panic.
            match unsafe { Request::from_raw(r) } {
                Some(mut request) => {
                    let grounds = Grounds::of(&request);
                    report::refused(&mut request, &grounds, &Refusal::panic())
                }
                None => Status::INTERNAL_SERVER_ERROR,
            }
        },
    );
    status.as_raw()
}

unsafe extern "C" fn process_gate(r: *mut sys::request_rec, lookup: c_int) -> c_int {
    on_request(r, |r| request::process_gate(r, lookup != 0))
}

unsafe extern "C" fn handler_gate(r: *mut sys::request_rec) -> c_int {
    on_request(r, request::handler_gate)
}

/// Replaces PHP's handler. `php.rs` says why.
unsafe extern "C" fn php_handler(r: *mut sys::request_rec) -> c_int {
    on_request(r, php::handler)
}

unsafe extern "C" fn status_page(r: *mut sys::request_rec) -> c_int {
    on_request(r, |r| {
        if r.handler() != Some(config::handlers::STATUS_HANDLER) {
            return Status::DECLINED;
        }
        status::page(r);
        Status::OK
    })
}

unsafe extern "C" fn directory_found(r: *mut sys::request_rec) -> c_int {
    on_request(r, request::directory_found)
}

unsafe extern "C" fn log_begins(r: *mut sys::request_rec) -> c_int {
    guard(
        || {
            // SAFETY: the server hands its hooks a live request that only this thread uses.
            if let Some(mut request) = unsafe { Request::from_raw(r) } {
                request.note_what_was_said();
                scripts::before_log(&mut request);
            }
        },
        |panic| log::main(Level::Error, &format!("confine: panic before the log's hooks: {panic}")),
    );
    sys::DECLINED
}

unsafe extern "C" fn line_logged(info: *const sys::ap_errorlog_info, _: *const c_char) {
    // A panic is not told: its line would come here again.
    guard(
        || {
            // SAFETY: the server hands its hooks what it knows of the line, and the request is this thread's.
            if let Some(mut request) = unsafe { log::error_of(info, fastcgi_requests::FCGI) } {
                fastcgi_requests::line_logged(&mut request);
            }
        },
        |_| {},
    );
}

unsafe extern "C" fn directory_known(r: *mut sys::request_rec) -> c_int {
    on_request(r, |r| {
        request::directory_known(r);
        Status::DECLINED
    })
}

/// All filters of the request are in their chains, and none has begun.
unsafe extern "C" fn filters_known(r: *mut sys::request_rec) {
    on_request(r, |r| {
        request::filters_known(r);
        Status::DECLINED
    });
}

unsafe extern "C" fn user_proven(r: *mut sys::request_rec) -> c_int {
    on_request(r, |r| {
        subject::user_proven(r);
        Status::DECLINED
    })
}

unsafe extern "C" fn nobody_asked(r: *mut sys::request_rec) -> c_int {
    on_request(r, |r| {
        subject::nobody_asked(r);
        Status::DECLINED
    })
}

unsafe extern "C" fn pre_config(
    pconf: *mut sys::apr_pool_t,
    _: *mut sys::apr_pool_t,
    _: *mut sys::apr_pool_t,
) -> c_int {
    guard(
        || {
            // SAFETY: the configuration's live pool.
            if let Some(pool) = unsafe { Pool::from_raw(pconf) } {
                subject::certificates::prepare();
                let interest = providers::Interest {
                    in_request: subject::has_rules,
                    in_variable: subject::is_of_authentication,
                };
                providers::watch(pool, interest);
                let watcher = httpd::named_code::Watcher {
                    kind_of: scripts::kind_of,
                    seen: scripts::seen,
                    create_directory: config::DIRECTORY.create(),
                };
                if let Err(why) = proxy::before_backends(before_backend) {
                    log::main(Level::Error, &format!("confine: {why}"));
                    return sys::HTTP_INTERNAL_SERVER_ERROR as c_int;
                }
                if let Err(why) = httpd::named_code::watch(pool, watcher) {
                    log::main(Level::Error, &format!("confine: {why}"));
                    return sys::HTTP_INTERNAL_SERVER_ERROR as c_int;
                }
            }
            sys::OK
        },
        |panic| {
            log::main(Level::Error, &format!("confine: panic before the configuration is read: {panic}"));
            sys::HTTP_INTERNAL_SERVER_ERROR as c_int
        },
    )
}

/// mod_proxy is about to connect for a request; `request/modules/fastcgi.rs` says why that is looked at.
unsafe extern "C" fn before_backend(
    r: *mut sys::request_rec,
    worker: *mut sys::proxy_worker,
    _: *mut sys::proxy_server_conf,
    _: *mut c_char,
    _: *const c_char,
    _: sys::apr_port_t,
) -> c_int {
    on_request(r, |r| {
        // SAFETY: mod_proxy hands its hooks the live worker that it chose.
        let socket = unsafe { proxy::socket_of(r, worker) };
        request::modules::fastcgi::guard(r, socket)
    })
}

/// mod_lua has made a state and is about to run a function in it. `lua.rs` says why this renames the thread.
unsafe extern "C" fn lua_runs(state: *mut c_void, r: *mut sys::request_rec) -> c_int {
    // SAFETY: mod_lua runs this hook with a live state, and its own function of the hook ran before.
    unsafe { lua_state::runs(state) };
    guard(
        || {
            // SAFETY: mod_lua hands its hooks the live request that it serves in this thread.
            if let Some(mut request) = unsafe { Request::from_raw(r) }.filter(|_| current::state().is_some())
            {
                // SAFETY: this thread is a worker, and it serves this request.
                unsafe { apr_thread::rename(&mut request) };
            }
            sys::DECLINED
        },
        |panic| {
            log::main(Level::Error, &format!("confine: panic: {panic}"));
            sys::DECLINED
        },
    )
}

unsafe extern "C" fn server_status(r: *mut sys::request_rec, flags: c_int) -> c_int {
    on_request(r, |r| {
        status::server_status(r, flags & sys::AP_STATUS_SHORT as c_int != 0);
        Status::OK
    })
}

/// Runs the body of a configuration hook, behind the panic boundary. A panic stops the server.
fn on_config(s: *mut sys::server_rec, body: impl FnOnce(&Server<'_>) -> bool) -> c_int {
    let fine = guard(
        // SAFETY: the server hands these hooks its main server, live for the call.
        || unsafe { Server::from_raw(s) }.is_none_or(|server| body(&server)),
        |panic| {
            log::main(Level::Error, &format!("confine: panic at startup: {panic}"));
            false
        },
    );
    if fine { sys::OK } else { sys::HTTP_INTERNAL_SERVER_ERROR as c_int }
}

unsafe extern "C" fn check_config(
    _: *mut sys::apr_pool_t,
    _: *mut sys::apr_pool_t,
    _: *mut sys::apr_pool_t,
    s: *mut sys::server_rec,
) -> c_int {
    on_config(s, |main| {
        mime_magic::wrap(file_looked_into);
        startup::check(main, HANDLERS)
    })
}

/// The last step of `-t`. An error in it is a line that confinectl shows. The description is then incomplete.
unsafe extern "C" fn test_config(pconf: *mut sys::apr_pool_t, s: *mut sys::server_rec) {
    guard(
        || {
            // SAFETY: the configuration's own pool and the main server, both live for the call.
            if let (Some(pool), Some(server)) = unsafe { (Pool::from_raw(pconf), Server::from_raw(s)) } {
                describe::show(&server, pool);
            }
        },
        |panic| {
            log::main(Level::Error, &format!("confine: panic while describing the configuration: {panic}"))
        },
    );
}

unsafe extern "C" fn post_config(
    pconf: *mut sys::apr_pool_t,
    _: *mut sys::apr_pool_t,
    _: *mut sys::apr_pool_t,
    s: *mut sys::server_rec,
) -> c_int {
    unsafe extern "C" fn forget(_: *mut c_void) -> sys::apr_status_t {
        guard(|| log::set_main(None), |_| ());
        0
    }
    // SAFETY: the configuration's live pool; when it goes, the main server that the log knows goes.
    unsafe { sys::apr_pool_cleanup_register(pconf, null(), Some(forget), Some(sys::apr_pool_cleanup_null)) };
    on_config(s, startup::finish)
}

/// An error in this hook must not end the child, because the server would then stop altogether. The requests that
/// need what failed are refused.
unsafe extern "C" fn drop_privileges(_: *mut sys::apr_pool_t, s: *mut sys::server_rec) -> c_int {
    on_config(s, |server| {
        startup::child(server);
        true
    });
    sys::OK
}

/// child_init, after all other modules. A new thread inherits what they did to the calling thread.
unsafe extern "C" fn child_ready(pool: *mut sys::apr_pool_t, s: *mut sys::server_rec) {
    guard(
        || {
            // SAFETY: the child's own pool and the main server, both live until the child exits.
            if let (Some(pool), Some(server)) = unsafe { (Pool::from_raw(pool), Server::from_raw(s)) } {
                startup::child_ready(&server, pool);
                map_watch::start(&server, pool);
                startup::start_watching(&server, pool);
            }
        },
        |panic| log::main(Level::Error, &format!("confine: panic in child_init: {panic}")),
    );
}

/// A handler that asks to be called back later would continue in a thread of the server. So this hook declines with
/// ENOTIMPL (server/mpm_common.c). Any other answer would end the search for an MPM that offers callbacks.
unsafe extern "C" fn callback_wanted(
    _: sys::apr_time_t,
    _: Option<unsafe extern "C" fn(*mut c_void)>,
    _: *mut c_void,
) -> sys::apr_status_t {
    guard(
        || if current::is_confined() { libc::EPERM } else { sys::CONFINE_APR_ENOTIMPL as _ },
        |_| libc::EPERM,
    )
}

/// No protocol is switched in a confined thread, because the threads of the new protocol would keep the context. OK
/// and DONE would say that it was switched. Every other answer except DECLINED says that it cannot be switched
/// (server/protocol.c, ap_switch_protocol).
unsafe extern "C" fn protocol_switch(
    _: *mut sys::conn_rec,
    _: *mut sys::request_rec,
    _: *mut sys::server_rec,
    _: *const c_char,
) -> c_int {
    let refused = sys::HTTP_FORBIDDEN as c_int;
    guard(|| if current::is_confined() { refused } else { sys::DECLINED }, |_| refused)
}

/// In place of mod_mime_magic's type_checker.
unsafe extern "C" fn file_looked_into(r: *mut sys::request_rec) -> c_int {
    on_request(r, types_of_files::checks_type)
}

/// expr_lookup, before all others. DECLINED leaves the function to the server. Any other answer but OK says that the
/// expression cannot be used (server/util_expr_eval.c).
unsafe extern "C" fn function_named(parms: *mut sys::ap_expr_lookup_parms) -> c_int {
    const REFUSED: c_int = 1;
    guard(
        // SAFETY: the parser's own record, live for the length of the call.
        || match unsafe { NamedFunction::from_raw(parms) } {
            Some(function) if expressions::refuses(&function) => REFUSED,
            _ => sys::DECLINED,
        },
        |_| REFUSED,
    )
}

/// Reads a body through the filters of its resource, or around them if they may not run.
unsafe extern "C" fn guard_input(
    filter: *mut sys::ap_filter_t,
    brigade: *mut sys::apr_bucket_brigade,
    mode: sys::ap_input_mode_t,
    block: sys::apr_read_type_e,
    bytes: sys::apr_off_t,
) -> sys::apr_status_t {
    guard(
        || {
            // SAFETY: the server hands its filters a live filter, in a live chain, and a live brigade.
            unsafe {
                let here = Guard::from_raw(filter);
                let past = here.request().is_some_and(|r| !request::filters_may_run(&r));
                here.read(past, brigade, mode, block, bytes)
            }
        },
        |panic| {
            log::main(Level::Error, &format!("confine: panic: {panic}"));
            filters::NOT_PERMITTED
        },
    )
}

/// Sends through the filters of the resource, or around them if they may not run. A handler that may only lead to
/// another resource sends nothing. (It would send something if a type map was changed in between.)
unsafe extern "C" fn guard_output(
    filter: *mut sys::ap_filter_t,
    brigade: *mut sys::apr_bucket_brigade,
) -> sys::apr_status_t {
    guard(
        || {
            // SAFETY: as in guard_input.
            unsafe {
                let here = Guard::from_raw(filter);
                let mut past = false;
                if let Some(mut r) = here.request() {
                    if r.is_leading() {
                        let grounds = Grounds::of(&r);
                        let _ = report::refused(&mut r, &grounds, &Refusal::changed_type_map());
                        return filters::NOT_PERMITTED;
                    }
                    past = !request::filters_may_run(&r);
                }
                here.send(past, brigade)
            }
        },
        |panic| {
            log::main(Level::Error, &format!("confine: panic: {panic}"));
            filters::NOT_PERMITTED
        },
    )
}

/// Runs in the server's parent process when a child begins or ends.
unsafe extern "C" fn child_status(
    _: *mut sys::server_rec,
    process: sys::pid_t,
    _: sys::ap_generation_t,
    _: c_int,
    status: sys::mpm_child_status,
) {
    guard(
        || {
            if status == sys::MPM_CHILD_EXITED {
                counters::child_ended(process.unsigned_abs());
                fastcgi::child_ended(process.unsigned_abs());
            }
        },
        |panic| log::main(Level::Error, &format!("confine: panic when a child ended: {panic}")),
    );
}

/// A prefork child that is told to stop destroys its pools immediately, also while it waits for a worker that uses
/// them. So the child exits here without destroying them. Threaded MPMs join their threads first.
unsafe extern "C" fn child_stopping(_: *mut sys::apr_pool_t, graceful: c_int) {
    if graceful == 0 && one_time::in_flight() > 0 && !hooks::threaded_mpm() {
        watched::leave_behind();
        // SAFETY: ends the process; nothing after it runs.
        unsafe { libc::_exit(0) };
    }
}
