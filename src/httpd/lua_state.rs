//! Removes the ways to native code from Lua states of confined requests.
//!
//! Native code in a worker can reach the whole memory of the server: other requests, keys, descriptors. Lua offers
//! three ways to it:
//! - Lua maps libraries (`package.loadlib`, `require` of a C module). Of the LSMs, only SELinux and AppArmor look at
//!   that.
//! - Lua runs bytecode that nobody has checked (`load`; a script file may also be bytecode).
//! - Lua can give a C function an object of another type than the function expects (`debug.setmetatable`,
//!   `debug.setupvalue` and the like).
//!
//! mod_lua declares a hook for new states (`lua_open`) but never runs it, and `lua_request` runs only after the
//! script's first code. So this file redirects three calls, once, before the first child: the Lua library's call of
//! `dlopen` for libraries, its call of `lua_load` for code, and mod_lua's calls that fill a new state. Each
//! replacement asks whether the thread is confined. If it is not, the original runs unchanged. A script cannot reach
//! these places, whatever it finds in its state.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    mem::transmute,
    ptr::{null, null_mut},
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicPtr, Ordering},
    },
};

use apache_sys as sys;

use crate::httpd::{
    boundary::guard,
    loaded::{Call, Library},
    lua_request,
};

/// A Lua state.
type State = *mut c_void;
type Open = unsafe extern "C" fn(State);
type Reader = unsafe extern "C" fn(State, *mut c_void, *mut usize) -> *const c_char;
type Load = unsafe extern "C" fn(State, Reader, *mut c_void, *const c_char, *const c_char) -> c_int;

/// Whether the current configuration wants states guarded. A library can stay loaded when the configuration is read
/// again.
static ON: AtomicBool = AtomicBool::new(false);

/// Whether the calling thread is confined.
static CONFINED: OnceLock<fn() -> bool> = OnceLock::new();

/// Stops guarding: confined states are as mod_lua makes them, until [`guard_states`] is called.
pub fn leave() {
    ON.store(false, Ordering::Release);
}

/// A function that replaces another one, and the original.
struct Through {
    name: &'static CStr,
    function: *const c_void,
    original: &'static AtomicPtr<c_void>,
}

static OPEN: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
static LAST_OPEN: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
static LOAD: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
static SECTION: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
static DLOPEN: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// The functions of Lua's interface that [`strip`] needs, in its order.
const INTERFACE: [&CStr; 7] = [
    c"lua_getglobal",
    c"lua_getfield",
    c"lua_setfield",
    c"lua_pushnil",
    c"lua_pushstring",
    c"lua_rawseti",
    c"lua_settop",
];

static FUNCTIONS: [AtomicPtr<c_void>; INTERFACE.len()] =
    [const { AtomicPtr::new(null_mut()) }; INTERFACE.len()];

/// Redirects the calls of mod_lua and of its Lua library to this file. The error says why that is not possible. It
/// must be called when mod_lua is loaded, before the first child. `is_confined` tells whether the calling thread is
/// confined.
pub fn guard_states(is_confined: fn() -> bool) -> Result<(), String> {
    // Every reading of the configuration gives the same function.
    let _ = CONFINED.set(is_confined);
    // SAFETY: a loaded module's record lies in the module's library.
    let record = unsafe { sys::ap_find_linked_module(c"mod_lua.c".as_ptr()) };
    let mod_lua = Library::at(record.cast_const().cast()).ok_or("its tables are not understood here")?;
    lead(&mod_lua, &Through { name: c"luaL_openlibs", function: opens as Open as _, original: &OPEN })?;
    let lua = Library::at(OPEN.load(Ordering::Acquire)).ok_or("its Lua library is not found")?;
    for (name, place) in INTERFACE.iter().zip(&FUNCTIONS) {
        place.store(find(name)?.cast_mut(), Ordering::Release);
    }
    lua_request::prepare(find)?;
    if find(c"luaJIT_setmode").is_ok() {
        return Err("it was built with LuaJIT, whose ffi is native code".to_owned());
    }
    lead(&lua, &Through { name: c"lua_load", function: loads as Load as _, original: &LOAD })?;
    lead(&lua, &Through { name: c"dlopen", function: maps as *const c_void, original: &DLOPEN })?;
    // mod_lua itself calls lua_load to compile sections of the configuration.
    let _ = lead(&mod_lua, &Through { name: c"lua_load", function: loads as Load as _, original: &LOAD });
    let section =
        Through { name: c"luaL_loadbufferx", function: loads_section as *const c_void, original: &SECTION };
    lead(&mod_lua, &section)?;
    // The last function before the script. Between the two, mod_lua sets package.cpath. mod_lua may call this one
    // directly, without the table, and then there is no entry to redirect.
    let last = c"ap_lua_load_config_lmodule";
    let _ = lead(&mod_lua, &Through { name: last, function: opened as Open as _, original: &LAST_OPEN });
    ON.store(true, Ordering::Release);
    Ok(())
}

/// The address of a function of the Lua library that mod_lua uses.
fn find(name: &CStr) -> Result<*const c_void, String> {
    // SAFETY: plain queries about a function of a loaded library; the handle is given back at once, and mod_lua
    // holds the library.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        let found = if libc::dladdr(OPEN.load(Ordering::Acquire), &mut info) == 0 {
            null_mut()
        } else {
            let library = libc::dlopen(info.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD);
            if library.is_null() {
                null_mut()
            } else {
                let found = libc::dlsym(library, name.as_ptr());
                libc::dlclose(library);
                found
            }
        };
        if found.is_null() {
            return Err(format!(
                "its Lua library has no {}; Lua 5.2 or newer has it",
                name.to_string_lossy()
            ));
        }
        Ok(found)
    }
}

fn lead(library: &Library, through: &Through) -> Result<(), String> {
    let name = through.name.to_string_lossy();
    let (calls, own) = library.calls(through.name);
    let stranger = |call: &&Call| call.target() != through.function;
    let Some(first) = calls.first() else { return Err(format!("it calls {name} in a way that is not seen")) };
    // If a call was redirected here before, its original is known already.
    if let Some(original) = own.or_else(|| calls.iter().find(stranger).map(Call::target)) {
        through.original.store(original.cast_mut(), Ordering::Release);
    } else if through.original.load(Ordering::Acquire).is_null() || first.target().is_null() {
        return Err(format!("it calls {name} in a way that is not seen"));
    }
    for call in calls.iter().filter(stranger) {
        // SAFETY: a function of the same type; the configuration is read by the one thread there is, and this
        // library is never unmapped (build.rs).
        unsafe { call.lead_to(through.function) }
            .map_err(|errno| format!("its call of {name} cannot be led elsewhere (errno {errno})"))?;
    }
    Ok(())
}

/// Takes from the request what a confined script must not have. A function is about to run in this state for the
/// request, which is the last value on the state's stack.
///
/// # Safety
/// mod_lua runs its hook `lua_request` with this state, and its own function of that hook ran before.
pub unsafe fn runs(state: *mut c_void) {
    if is_confined() {
        // SAFETY: the caller's promise; guard_states() prepared the functions before it set ON.
        unsafe { lua_request::narrow(state) };
    }
}

/// Whether this thread may run a tenant's code, so that states must be stripped.
fn is_confined() -> bool {
    guard(|| ON.load(Ordering::Acquire) && CONFINED.get().is_none_or(|is_confined| is_confined()), |_| true)
}

/// Replaces luaL_openlibs for mod_lua.
unsafe extern "C" fn opens(state: State) {
    // SAFETY: the original with its own argument. An error in it or in strip() jumps past this frame, which owns
    // nothing.
    unsafe {
        transmute::<*mut c_void, Open>(OPEN.load(Ordering::Acquire))(state);
        if is_confined() {
            strip(state);
        }
    }
}

/// Replaces ap_lua_load_config_lmodule, the last function that mod_lua calls on a new state before the script.
unsafe extern "C" fn opened(state: State) {
    // SAFETY: as in opens().
    unsafe {
        transmute::<*mut c_void, Open>(LAST_OPEN.load(Ordering::Acquire))(state);
        if is_confined() {
            strip(state);
        }
    }
}

/// Replaces lua_load for the Lua library itself: load, loadfile, dofile, require, and the files that mod_lua runs.
unsafe extern "C" fn loads(
    state: State,
    reader: Reader,
    data: *mut c_void,
    name: *const c_char,
    mode: *const c_char,
) -> c_int {
    let mode = if is_confined() { text_only(mode) } else { mode };
    // SAFETY: the original with its own arguments; this frame owns nothing.
    unsafe { original_load()(state, reader, data, name, mode) }
}

/// The same mode without bytecode.
fn text_only(mode: *const c_char) -> *const c_char {
    // SAFETY: null or the caller's string.
    let takes_text = mode.is_null() || unsafe { CStr::from_ptr(mode) }.to_bytes().contains(&b't');
    if takes_text { c"t".as_ptr() } else { c"".as_ptr() }
}

fn original_load() -> Load {
    // SAFETY: set to lua_load before this can be called.
    unsafe { transmute::<*mut c_void, Load>(LOAD.load(Ordering::Acquire)) }
}

/// Replaces luaL_loadbufferx for mod_lua. Its argument is bytecode that mod_lua itself compiled just before from the
/// text of a section.
unsafe extern "C" fn loads_section(
    state: State,
    buffer: *const c_char,
    size: usize,
    name: *const c_char,
    mode: *const c_char,
) -> c_int {
    struct Piece(*const c_char, usize);
    unsafe extern "C" fn once(_: State, data: *mut c_void, size: *mut usize) -> *const c_char {
        // SAFETY: Lua hands the reader its data, and a place for the size.
        unsafe {
            let piece = &mut *data.cast::<Piece>();
            *size = std::mem::take(&mut piece.1);
            if *size == 0 { null() } else { piece.0 }
        }
    }
    let mut piece = Piece(buffer, size);
    // SAFETY: lua_load returns an error rather than jump; the piece outlives the call.
    unsafe { original_load()(state, once, (&raw mut piece).cast(), name, mode) }
}

/// Replaces dlopen for the Lua library.
unsafe extern "C" fn maps(file: *const c_char, mode: c_int) -> *mut c_void {
    if is_confined() {
        // SAFETY: a name that no file has, so that dlerror() has something to tell.
        return unsafe { libc::dlopen(REFUSED.as_ptr(), libc::RTLD_NOW) };
    }
    // SAFETY: the caller's own arguments.
    unsafe { libc::dlopen(file, mode) }
}

/// The name that the loader is given in place of a library.
const REFUSED: &CStr = c"/dev/null/mod_confine: no native code in a confined request";

/// Functions of the library `os` that act on the whole process. The one ends the child with all its requests, and the
/// other changes the locale of all threads.
const UNSAFE_OF_OS: [&CStr; 2] = [c"exit", c"setlocale"];

/// Functions of the library `debug` that can give a C function what it does not expect, or change values that the
/// function still uses. `debug.debug` is among them because it waits for a terminal.
const UNSAFE_OF_DEBUG: [&CStr; 8] = [
    c"setmetatable",
    c"getregistry",
    c"setupvalue",
    c"upvaluejoin",
    c"setlocal",
    c"setuservalue",
    c"setcstacklimit",
    c"debug",
];

/// Removes the ways to native code from a state in which no script has run yet.
///
/// # Safety
/// `state` is a live state with its standard libraries, whose globals are as they were made; [`FUNCTIONS`] are set.
unsafe fn strip(state: State) {
    let function = |i: usize| FUNCTIONS[i].load(Ordering::Acquire);
    // SAFETY: functions of lua.h since Lua 5.2 by their types (what some return is not used), in the order of
    // INTERFACE; the stack has room for twenty values (lua.h, LUA_MINSTACK).
    unsafe {
        let get_global: unsafe extern "C" fn(State, *const c_char) -> c_int = transmute(function(0));
        let get_field: unsafe extern "C" fn(State, c_int, *const c_char) -> c_int = transmute(function(1));
        let set_field: unsafe extern "C" fn(State, c_int, *const c_char) = transmute(function(2));
        let push_nil: unsafe extern "C" fn(State) = transmute(function(3));
        let push_string: unsafe extern "C" fn(State, *const c_char) -> *const c_char = transmute(function(4));
        let raw_set: unsafe extern "C" fn(State, c_int, i64) = transmute(function(5));
        let set_top: unsafe extern "C" fn(State, c_int) = transmute(function(6));
        get_global(state, c"package".as_ptr());
        push_nil(state);
        set_field(state, -2, c"loadlib".as_ptr());
        push_string(state, c"".as_ptr());
        set_field(state, -2, c"cpath".as_ptr());
        // The searchers for preloaded functions and for Lua files stay. The third and the fourth search for C
        // libraries.
        get_field(state, -1, c"searchers".as_ptr());
        for number in [4, 3] {
            push_nil(state);
            raw_set(state, -2, number);
        }
        set_top(state, -3);
        for (library, names) in [(c"debug", &UNSAFE_OF_DEBUG[..]), (c"os", &UNSAFE_OF_OS[..])] {
            get_global(state, library.as_ptr());
            for name in names {
                push_nil(state);
                set_field(state, -2, name.as_ptr());
            }
            set_top(state, -2);
        }
    }
}
