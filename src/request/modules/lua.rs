//! Where mod_lua's states end.
//!
//! When a Lua state ends, the application's finalizers (`__gc`) run. mod_lua hangs states on the request,
//! the connection or the server, as `LuaScope` says (default: on the request), and all of these end in a
//! thread of the server. `LuaScope thread` hangs them on the pool of the connection's thread: a worker's
//! ends in the worker, in its contexts. So confined requests get that scope, whatever the configuration
//! or a tenant's `.htaccess` says.
//!
//! With the scope `thread`, mod_lua takes the same state for the next function of the same file. A state that is
//! taken again while it runs (an output filter, an included page) is more than mod_lua was made for. So the hook
//! `lua_runs` renames the thread, and the next function gets a new state, as with `LuaScope once`.

use crate::thread::current;
use crate::{
    config::Policy,
    httpd::{directives::Directives, hooks, request::Request, server::Server},
};

/// The directives for confined requests; `None` without mod_lua.
pub fn scope(main: &Server<'_>) -> Result<Option<Directives>, String> {
    if !hooks::module_loaded(c"mod_lua.c") {
        return Ok(None);
    }
    // Of what a directory has under `LuaInherit none`, a merge would keep nothing.
    let lines = [(c"LuaInherit", c"parent-first"), (c"LuaScope", c"thread")];
    Directives::read(main, &lines).map(Some).map_err(|why| {
        format!(
            "mod_lua refuses LuaScope thread, which confined requests need so that finalizers of Lua code run \
             confined: {why}; unload mod_lua or use one built for threads"
        )
    })
}

/// Has the states of a request that is confined end with its worker.
pub fn end_in_worker(r: &mut Request<'_>, policy: &Policy) {
    if let Some(lua) = policy.lua.as_ref().filter(|_| current::is_confined()) {
        r.force(lua);
    }
}
