//! What mod_lua's request object (`r`) does not have in a confined state.
//!
//! Each of these functions leads out of the context without opening a file:
//!
//! - Some are not memory-safe. A script that gives them what they do not expect reaches native code, and native code in
//!   a worker is the memory of the whole server. `r:add_output_filter` gives a filter the Lua state in place of the
//!   filter's own data. The functions of a database (`r:dbacquire`) take any userdata for their own. With the driver
//!   for ODBC, the script's text also names a library to load.
//! - `r:add_input_filter` can add a filter to the connection, where it stays after the request.
//! - `r:config`, `r:activeconfig` and the functions for the scoreboard show what is the server's: the lines of its
//!   configuration with the passwords in them, and the requests of others.
//! - `r:ivm_get` and `r:ivm_set` use one table for all requests of a child.
//!
//! mod_lua has one C function for all names (modules/lua/lua_request.c, req_dispatch). It is the `__index` of the
//! object's metatable. Before a function runs in a confined state, this file puts its own function in that place. The
//! state no longer holds the original, so a script cannot find it.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    mem::transmute,
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
};

use crate::httpd::boundary::guard;

type State = *mut c_void;
type Function = unsafe extern "C" fn(State) -> c_int;

/// What the request object does not have.
const TAKEN: [&[u8]; 9] = [
    b"activeconfig",
    b"add_input_filter",
    b"add_output_filter",
    b"config",
    b"dbacquire",
    b"ivm_get",
    b"ivm_set",
    b"scoreboard_process",
    b"scoreboard_worker",
];

/// The functions of Lua's interface that this file calls.
const INTERFACE: [&CStr; 8] = [
    c"lua_getmetatable",
    c"lua_getfield",
    c"lua_setfield",
    c"lua_tocfunction",
    c"lua_pushcclosure",
    c"lua_pushnil",
    c"lua_tolstring",
    c"lua_settop",
];

static FUNCTIONS: [AtomicPtr<c_void>; INTERFACE.len()] =
    [const { AtomicPtr::new(null_mut()) }; INTERFACE.len()];

/// mod_lua's function that gives the fields of the object.
static ORIGINAL: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

fn function(number: usize) -> *mut c_void {
    FUNCTIONS[number].load(Ordering::Acquire)
}

/// Finds the functions that this file calls.
pub fn prepare(find: impl Fn(&CStr) -> Result<*const c_void, String>) -> Result<(), String> {
    for (name, place) in INTERFACE.iter().zip(&FUNCTIONS) {
        place.store(find(name)?.cast_mut(), Ordering::Release);
    }
    Ok(())
}

/// Takes the names from the request object, which is the last value on the stack. Where that object is not as expected,
/// the function of the script gets nil in its place.
///
/// # Safety
/// The state is live and no code of the script has the object yet. [`prepare`] was called.
pub unsafe fn narrow(state: State) {
    // SAFETY: functions of lua.h since Lua 5.2 by their types, in the order of INTERFACE. The stack has room for twenty
    // values (lua.h, LUA_MINSTACK). An error in one of them jumps past this frame, which owns nothing.
    unsafe {
        let get_metatable: unsafe extern "C" fn(State, c_int) -> c_int = transmute(function(0));
        let get_field: unsafe extern "C" fn(State, c_int, *const c_char) -> c_int = transmute(function(1));
        let set_field: unsafe extern "C" fn(State, c_int, *const c_char) = transmute(function(2));
        let to_function: unsafe extern "C" fn(State, c_int) -> Option<Function> = transmute(function(3));
        let push_function: unsafe extern "C" fn(State, Function, c_int) = transmute(function(4));
        let push_nil: unsafe extern "C" fn(State) = transmute(function(5));
        let set_top: unsafe extern "C" fn(State, c_int) = transmute(function(7));
        // The stack: the object.
        if get_metatable(state, -1) == 0 {
            set_top(state, -2);
            return push_nil(state);
        }
        // The object and its metatable.
        get_field(state, -1, c"__index".as_ptr());
        let index = to_function(state, -1);
        set_top(state, -2);
        match index {
            // Another function ran in this state before.
            Some(index) if std::ptr::fn_addr_eq(index, field as Function) => set_top(state, -2),
            Some(index) => {
                ORIGINAL.store(index as *mut c_void, Ordering::Release);
                push_function(state, field, 0);
                set_field(state, -2, c"__index".as_ptr());
                set_top(state, -2);
            }
            None => {
                set_top(state, -3);
                push_nil(state);
            }
        }
    }
}

/// The `__index` of the request object. The script asks for one of its fields.
unsafe extern "C" fn field(state: State) -> c_int {
    // SAFETY: functions of lua.h by their types. Lua calls this function with the object and a key. An error in one of
    // the functions, or in the original, jumps past this frame, which owns nothing.
    unsafe {
        let push_nil: unsafe extern "C" fn(State) = transmute(function(5));
        let to_text: unsafe extern "C" fn(State, c_int, *mut usize) -> *const c_char = transmute(function(6));
        let mut length = 0;
        let key = to_text(state, 2, &mut length);
        if !key.is_null() && is_taken(std::slice::from_raw_parts(key.cast(), length)) {
            push_nil(state);
            return 1;
        }
        // The original says what is wrong with a key that is no text.
        transmute::<*mut c_void, Function>(ORIGINAL.load(Ordering::Acquire))(state)
    }
}

/// Whether the object does not have this name. mod_lua takes a name up to its first NUL byte.
fn is_taken(key: &[u8]) -> bool {
    let name = || key.split(|byte| *byte == 0).next().unwrap_or_default();
    guard(|| TAKEN.contains(&name()), |_| true)
}
