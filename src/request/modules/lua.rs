//! Where mod_lua's states end.
//!
//! When a Lua state ends, the application's finalizers (`__gc`) run. `LuaScope` says whether mod_lua keeps a state
//! with the request (the default), the connection or the server. All of these end in a thread of the server. With
//! `LuaScope thread`, the state is in the pool of the connection's thread. The pool of a worker ends in the worker,
//! in its contexts. So confined requests get this scope, whatever the configuration or a tenant's `.htaccess` says.
//!
//! With the scope `thread`, mod_lua uses the same state again for the next function of the same file. mod_lua does
//! not expect that a state is used again while it runs (in an output filter, or in an included page). So the hook
//! `lua_runs` renames the thread. The next function then gets a new state, as with `LuaScope once`.
//!
//! A subrequest can end before the worker. Its states end with it, because a finalizer may still use the subrequest
//! (`r`).

use crate::thread::{apr_thread, current};
use crate::{
    config::Policy,
    httpd::{directives::Directives, hooks, request::Request, server::Server},
};

/// The directives for confined requests. `None` without mod_lua.
pub fn scope(main: &Server<'_>) -> Result<Option<Directives>, String> {
    if !hooks::module_loaded(c"mod_lua.c") {
        return Ok(None);
    }
    // A merge would drop what a directory has under `LuaInherit none`.
    let lines = [(c"LuaInherit", c"parent-first"), (c"LuaScope", c"thread")];
    Directives::read(main, &lines).map(Some).map_err(|why| {
        format!(
            "mod_lua refuses LuaScope thread, which confined requests need so that finalizers of Lua code run \
             confined: {why}; unload mod_lua or use one built for threads"
        )
    })
}

/// Makes the Lua states of a confined request end with its worker.
pub fn end_in_worker(r: &mut Request<'_>, policy: &Policy) {
    let Some(lua) = policy.lua.as_ref().filter(|_| current::is_confined()) else { return };
    r.force(lua);
    if r.is_subrequest() {
        apr_thread::have_own_pool(r);
    }
}
