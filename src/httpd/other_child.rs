//! Processes of the server's that serve no requests: the server's parent process tells when one of them ends.

use std::{
    ffi::{c_int, c_void},
    mem::zeroed,
    ptr::null_mut,
};

use apache_sys as sys;

use crate::httpd::{
    boundary::guard,
    log::{self, Level},
    server::Server,
};

/// What is done when such a process ends.
pub type WhenEnded = fn(&Server<'_>, u32);

/// A process, and what is done when it ends.
struct Watched {
    process: u32,
    when_ended: WhenEnded,
}

/// Has `when_ended` called, in the server's parent process, when this child of it ends; in whichever configuration
/// that is. Without this, the server would not know it (server/mpm_common.c, ap_wait_or_timeout).
pub fn watch(main: &Server<'_>, process: u32, when_ended: WhenEnded) {
    let data = Box::into_raw(Box::new(Watched { process, when_ended })).cast::<c_void>();
    // SAFETY: a live server, whose process record's pool lives as long as the process; APR copies nothing of apr_proc_t,
    // so it lies in that pool; `data` is freed by ended() alone.
    unsafe {
        let pool = (*(*main.as_ptr()).process).pool;
        let place = sys::apr_palloc(pool, size_of::<sys::apr_proc_t>() as _).cast::<sys::apr_proc_t>();
        place.write(zeroed());
        (*place).pid = process as sys::pid_t;
        sys::apr_proc_other_child_register(place, Some(ended), data, null_mut(), pool);
    }
}

unsafe extern "C" fn ended(reason: c_int, data: *mut c_void, _: c_int) {
    if reason != sys::APR_OC_REASON_DEATH as c_int {
        return;
    }
    guard(
        || {
            // SAFETY: APR's own entry with this data, which is taken out so that this is called once; then the box that
            // watch() made. The main server is null or live (server/core.c, ap_server_conf).
            let (watched, main) = unsafe {
                sys::apr_proc_other_child_unregister(data);
                (Box::from_raw(data.cast::<Watched>()), Server::from_raw(sys::ap_server_conf))
            };
            if let Some(main) = main {
                (watched.when_ended)(&main, watched.process);
            }
        },
        |panic| log::main(Level::Error, &format!("confine: panic when a process ended: {panic}")),
    );
}
