//! Watches directives of other modules while the server reads them, also in `.htaccess` files.
//!
//! Several modules can have a directive of the same name. The server then calls each of these modules, beginning with
//! the one that was added last, and gives each its own part of the directory configuration (server/config.c,
//! ap_walk_config_sub). So when all modules are loaded, a second record of this module is added. It has the names of
//! the directives to watch, with the attributes that they have in the loaded modules, and it shares this module's
//! place in the configuration vectors. No new name comes into being, and `AllowOverride` still decides as it does for
//! the module that the name belongs to.

use std::{
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    fmt,
    ptr::{NonNull, null, null_mut},
};

use apache_sys as sys;

use crate::httpd::{
    boundary::guard,
    command::{self, Command},
    command_table::END,
    config_tree,
    pool::Pool,
    server::Server,
    slot::{CreateDirectory, module_index},
};

/// A directive that was read, and its place. Both are in the pool of the configuration that it belongs to.
#[derive(Clone, Copy)]
pub struct Directive {
    name: NonNull<c_char>,
    file: NonNull<c_char>,
    line: u32,
}

// SAFETY: the pointers are to texts of the configuration's pool, which nobody changes after they were copied there.
unsafe impl Send for Directive {}
// SAFETY: as above.
unsafe impl Sync for Directive {}

impl Directive {
    /// The directive that is being read.
    pub fn of(command: &Command<'_>) -> Option<Self> {
        let (pool, origin) = (command.pool()?, command.origin());
        let keep = |text: &[u8]| NonNull::new(pool.text(text).as_ptr().cast_mut());
        let file = keep(origin.file.as_os_str().as_encoded_bytes())?;
        Some(Self { name: keep(command.name().as_bytes())?, file, line: origin.line })
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: strings of a pool that lives as long as the configuration, which is what holds this value.
        let (name, file) =
            unsafe { (CStr::from_ptr(self.name.as_ptr()), CStr::from_ptr(self.file.as_ptr())) };
        write!(f, "{} at {}:{}", name.to_string_lossy(), file.to_string_lossy(), self.line)
    }
}

/// What a directive of another module does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Names code for the phases before the content. Its first word is a file with this code.
    Early,
    /// Names code that runs when the request is logged.
    Log,
    /// Sets where mod_lua's code looks for more code.
    Paths,
    /// Changes what other requests run.
    Everybody,
    /// Runs a program at once if its word begins with `exec:`.
    Exec,
}

/// What is done with the watched directives.
#[derive(Clone, Copy)]
pub struct Watcher {
    /// What a module's directive does, if it is to be watched. The module is named by its source file.
    pub kind_of: fn(module: &CStr, directive: &str) -> Option<Kind>,
    /// Notes a directive with its arguments, or refuses it.
    pub seen: fn(&Command<'_>, Kind, &[u8]) -> Result<(), String>,
    /// Makes this module's part of a directory configuration, as this module's own record does.
    pub create_directory: CreateDirectory,
}

/// A watched directive. Its entry of the table points to this.
#[derive(Clone, Copy)]
struct Watched {
    kind: Kind,
    seen: fn(&Command<'_>, Kind, &[u8]) -> Result<(), String>,
}

/// Begins to watch, for as long as this configuration lives. It must be called after the modules were loaded.
pub fn watch(pconf: Pool<'_>, watcher: Watcher) -> Result<(), String> {
    let trusted = config_tree::words_of(pconf, c"ConfineTrustScripts");
    let mut table = Vec::new();
    for module in modules() {
        // SAFETY: a loaded module's name and table; the table ends with an entry without a name.
        unsafe {
            let name = CStr::from_ptr(module.name);
            if trusted.iter().any(|word| is_called(name, word)) {
                continue;
            }
            let mut next = module.cmds;
            while let Some(entry) = next.as_ref().filter(|entry| !entry.name.is_null()) {
                table.extend(watched(pconf, watcher, name, entry));
                next = next.add(1);
            }
        }
    }
    if table.is_empty() {
        return Ok(());
    }
    table.push(END);
    let table = pconf.own(table);
    pconf.remember(KEY, table);
    add(pconf, table, watcher.create_directory)
}

const KEY: &CStr = c"mod_confine: watched directives";

/// The `<Directory>` sections of a server and of the main server whose `AllowOverride` or `AllowOverrideList` allows
/// a watched directive in a `.htaccess` file. The test is the server's own before it runs a directive
/// (server/config.c, invoke_cmd).
pub fn places_with_overrides(server: &Server<'_>, main: &Server<'_>) -> Vec<String> {
    // SAFETY: the main server's process and its pool are live while the configuration is read.
    let pool = unsafe { Pool::from_raw((*(*main.as_ptr()).process).pconf) };
    let Some(table) = pool.and_then(|pool| pool.recall::<Vec<sys::command_rec>>(KEY)) else {
        return Vec::new();
    };
    let mut places = Vec::new();
    // SAFETY: the table was made from this configuration; core's parts of servers and sections are what http_core.h
    // says, and nobody changes them now.
    unsafe {
        for server in [server, main] {
            let core = core_part::<sys::core_server_config>((*server.as_ptr()).module_config);
            let Some(sections) = core.and_then(|core| core.sec_dir.as_ref()) else { continue };
            let first = sections.elts.cast::<*mut sys::ap_conf_vector_t>();
            for number in 0..sections.nelts.max(0) as usize {
                let section = core_part::<sys::core_dir_config>(*first.add(number));
                places.extend(section.filter(|s| lets_through(s, table.as_ref())).map(|section| {
                    let name = if section.d.is_null() { c"?" } else { CStr::from_ptr(section.d) };
                    name.to_string_lossy().into_owned()
                }));
            }
        }
    }
    places
}

/// Core's part of a vector.
///
/// # Safety
/// `vector` is null or a live vector in which core's part is a `T`.
unsafe fn core_part<'v, T>(vector: *const sys::ap_conf_vector_t) -> Option<&'v T> {
    if vector.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    unsafe { (*vector.cast::<*const T>().offset(sys::core_module.module_index as isize)).as_ref() }
}

/// # Safety
/// The section's table, if it has one, is live.
unsafe fn lets_through(section: &sys::core_dir_config, table: &[sys::command_rec]) -> bool {
    table.iter().filter(|entry| !entry.name.is_null() && !is_run_at_once(entry)).any(|entry| {
        let list = section.override_list;
        // A section that sets nothing inherits the value of an outer one.
        let set = section.override_ as i32 & sys::OR_UNSET == 0;
        let by_class = set && section.override_ as i32 & entry.req_override & sys::OR_ALL != 0;
        // SAFETY: the caller's promise; names are C strings.
        by_class || (!list.is_null() && unsafe { !sys::apr_table_get(list, entry.name).is_null() })
    })
}

/// Whether `word` names this module: its source file, with `.c` or without.
pub fn is_called(module: &CStr, word: &CStr) -> bool {
    let module = module.to_bytes();
    let short = module.strip_suffix(b".c").unwrap_or(module);
    [module, short].iter().any(|name| word.to_bytes().eq_ignore_ascii_case(name))
}

/// All loaded modules.
fn modules() -> impl Iterator<Item = &'static sys::module> {
    // SAFETY: the server's list, which only the reading of a configuration changes; no caller keeps an element.
    let first = unsafe { sys::ap_top_module.as_ref() };
    // SAFETY: as above.
    std::iter::successors(first, |module| unsafe { module.next.as_ref() })
}

/// The entry that watches `entry`.
///
/// The server runs some directives while it parses a file (sections with code or macros up to their end). They are
/// watched only where they change what other requests run: mod_lua turns its own into other directives, which are
/// watched.
///
/// # Safety
/// `entry` has a name.
unsafe fn watched(
    pool: Pool<'_>,
    watcher: Watcher,
    module: &CStr,
    entry: &'static sys::command_rec,
) -> Option<sys::command_rec> {
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(entry.name) };
    let kind = (watcher.kind_of)(module, name.to_str().ok()?)?;
    let at_once = is_run_at_once(entry);
    if at_once && kind != Kind::Everybody {
        return None;
    }
    let watched = Watched { kind, seen: watcher.seen };
    Some(sys::command_rec {
        name: entry.name,
        func: sys::cmd_func { raw_args: Some(if at_once { read_at_once } else { read }) },
        cmd_data: std::ptr::from_mut(pool.place(watched)).cast(),
        req_override: entry.req_override,
        args_how: sys::RAW_ARGS,
        errmsg: entry.errmsg,
    })
}

fn is_run_at_once(entry: &sys::command_rec) -> bool {
    entry.req_override & sys::EXEC_ON_READ as c_int != 0
}

/// As [`read`], for a directive that the server runs while it parses the file. The server calls the module that the
/// directive belongs to afterwards, as for other directives (server/config.c, execute_now).
///
/// # Safety
/// As [`read`]. The second parameter is where the server wants a tree, and no part of a directory configuration.
unsafe extern "C" fn read_at_once(
    parms: *mut sys::cmd_parms,
    _tree: *mut c_void,
    arguments: *const c_char,
) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { read(parms, null_mut(), arguments) }
}

/// # Safety
/// For the table: called by the server with live parameters, this module's part and the rest of the line, or null.
unsafe extern "C" fn read(
    parms: *mut sys::cmd_parms,
    directory: *mut c_void,
    arguments: *const c_char,
) -> *const c_char {
    guard(
        || {
            // SAFETY: the caller's promise; the entry's data is a Watched (see watched()), and the error's text is
            // copied into a pool that lives as long as the server needs it.
            unsafe {
                let Some(command) = Command::without_words(parms, directory) else { return null() };
                let Watched { kind, seen, .. } = *(*(*parms).cmd).cmd_data.cast::<Watched>();
                let arguments = if arguments.is_null() { c"" } else { CStr::from_ptr(arguments) };
                match seen(&command, kind, arguments.to_bytes()) {
                    Ok(()) => null(),
                    Err(text) => command::error(parms, &text),
                }
            }
        },
        |_| c"a fault of mod_confine itself".as_ptr(),
    )
}

/// Adds the record, and removes it before the pool ends and the modules that the names belong to are unloaded.
fn add(
    pconf: Pool<'_>,
    table: NonNull<Vec<sys::command_rec>>,
    create_directory: CreateDirectory,
) -> Result<(), String> {
    unsafe extern "C" fn remove(record: *mut c_void) -> sys::apr_status_t {
        // SAFETY: the server's list, while the configuration is taken down by the one thread there is.
        unsafe {
            let record = record.cast::<sys::module>();
            let mut link = &raw mut sys::ap_top_module;
            while !(*link).is_null() {
                if *link == record {
                    *link = (*record).next;
                    break;
                }
                link = &raw mut (**link).next;
            }
        }
        0
    }
    // SAFETY: the table was made right now.
    let cmds = unsafe { table.as_ref() }.as_ptr();
    let record = pconf.place(sys::module {
        version: sys::MODULE_MAGIC_NUMBER_MAJOR as c_int,
        minor_version: sys::MODULE_MAGIC_NUMBER_MINOR as c_int,
        module_index: module_index(),
        name: c"mod_confine_watch.c".as_ptr(),
        dynamic_load_handle: null_mut(),
        next: null_mut(),
        magic: sys::MODULE_MAGIC_COOKIE as _,
        rewrite_args: None,
        create_dir_config: Some(create_directory),
        merge_dir_config: None,
        create_server_config: None,
        merge_server_config: None,
        cmds,
        register_hooks: None,
        flags: 0 as c_uint as _,
    });
    // SAFETY: a record with a valid index and no hooks, which lives as long as the pool; the server puts it into
    // its list and its table of directives, of which the latter ends with the same pool.
    unsafe {
        let error = sys::ap_add_module(record, pconf.as_ptr(), null());
        if !error.is_null() {
            return Err(CStr::from_ptr(error).to_string_lossy().into_owned());
        }
        let data = std::ptr::from_mut(record).cast();
        sys::apr_pool_cleanup_register(pconf.as_ptr(), data, Some(remove), Some(sys::apr_pool_cleanup_null));
    }
    Ok(())
}
