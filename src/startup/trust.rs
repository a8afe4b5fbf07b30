//! Modules that run the code of applications in ways that a worker cannot confine, and what startup says about them.
//!
//! If something cannot be ensured, the server does not start, and the fault names the remedies. `ConfineTrustScripts`
//! accepts the risk, for scripts that are trusted like the server itself.

use crate::{
    config::{ServerConfig, Written},
    httpd::{config_tree, hooks, lua_state, named_code, server::Server},
    thread::current,
};

/// A module, by its source file, and what its scripts can do.
struct Interpreter {
    module: &'static std::ffi::CStr,
    does: &'static str,
}

/// The interpreters that are known. A module itself does not say what its scripts can do.
const INTERPRETERS: [Interpreter; 5] = [
    Interpreter {
        module: c"mod_perl.c",
        does: "any script can leave code for later (PerlCleanupHandler, PerlLogHandler, push_handlers, \
               $r->pool->cleanup_register), which mod_perl runs in a thread of the server's after the worker",
    },
    Interpreter {
        module: c"mod_python.c",
        does: "any script can leave code for later (register_cleanup, PythonLogHandler, PythonCleanupHandler), which \
               mod_python runs in a thread of the server's after the worker",
    },
    Interpreter {
        module: c"mod_ruby.c",
        does: "any script can leave code for later (RubyLogHandler, RubyCleanupHandler), which mod_ruby runs in a \
               thread of the server's after the worker",
    },
    Interpreter {
        module: c"mod_tcl.c",
        does: "its scripts can have handlers for every phase, which run in a thread of the server's after the worker",
    },
    Interpreter { module: c"mod_wsgi.c", does: EMBEDDED },
];

const EMBEDDED: &str = "its embedded interpreters outlive the request: what a script registers for their end \
                        (atexit) runs in a thread of the server's, and threads that a script starts stay in its \
                        context";

/// What start-up says where mod_cern_meta is loaded. It runs no code of a tenant, but in its phase, which comes before
/// the move, it opens a file that the tenant can make a link, and sends what stands in it (modules/metadata/mod_cern_meta.c,
/// add_cern_meta_data).
const CERN_META: &str = "mod_cern_meta is loaded, and rules stand in this configuration: before a request moves, it reads \
                         the request's meta file with the server's privileges and puts its lines into the answer, and \
                         a link in the place of a meta file shows another tenant's. Unload it, and set headers with \
                         mod_headers";

const CORE_DUMPS: &str = "ConfineCoreDumps on: where a server is started by a user, or CoreDumpDirectory is set, a \
                          confined script whose context lets it read /proc can read the memory of its process, and \
                          so other requests and keys (/proc/thread-self/mem)";

/// What start-up found.
#[derive(Default)]
pub struct Found {
    /// What stops the server.
    pub faults: Vec<String>,
    /// What the log says at every start.
    pub warnings: Vec<String>,
}

/// If there are rules, this looks at the loaded modules and closes mod_lua's ways to native code.
pub fn examine(main: &Server<'_>, written: &Written) -> Found {
    let mut found = Found::default();
    lua_state::leave();
    if written.rules.is_empty() {
        return found;
    }
    found.warnings.extend(written.code_of_others.iter().cloned());
    // These run before any rule is known, so no request can be refused because of them.
    let late =
        |server: &Server<'_>| ServerConfig::of(server).is_some_and(|s| s.has_rules && s.early.is_none());
    let first = written.first_code_of_others.iter().cloned();
    if main.with_hosts().iter().any(late) {
        found.faults.extend(first)
    } else {
        found.warnings.extend(first)
    }
    if written.core_dumps {
        found.warnings.push(CORE_DUMPS.to_owned());
    }
    if hooks::module_loaded(c"mod_cern_meta.c") {
        found.faults.push(CERN_META.to_owned());
    }
    interpreters(main, written, &mut found);
    lua(written, &mut found);
    overrides(main, &mut found);
    found
}

/// Whether `ConfineTrustScripts` names the module with this source file.
fn trusts(written: &Written, module: &str) -> bool {
    written.trusted.iter().any(|name| module.strip_suffix(".c") == Some(name))
}

/// Says which of the known interpreters are loaded.
fn interpreters(main: &Server<'_>, written: &Written, found: &mut Found) {
    for Interpreter { module, does } in INTERPRETERS.iter().filter(|i| hooks::module_loaded(i.module)) {
        let name = module.to_string_lossy();
        let short = name.trim_end_matches(".c");
        if trusts(written, &name) {
            found.warnings.push(trusted(short, does));
        } else if *module == c"mod_wsgi.c" {
            wsgi(main, found);
        } else {
            found.faults.push(refused(short, does));
        }
    }
}

/// Closes mod_lua's ways to native code, unless its scripts are trusted.
fn lua(written: &Written, found: &mut Found) {
    if !hooks::module_loaded(c"mod_lua.c") {
        return;
    }
    if trusts(written, "mod_lua.c") {
        let does = "confined Lua code can map libraries and run bytecode in the server's process, and a .htaccess \
                    file can name Lua functions that run before the request moves and when it is logged";
        found.warnings.push(trusted("mod_lua", does));
    } else if let Err(why) = lua_state::guard_states(current::is_confined) {
        let does = "confined Lua code would have ways to native code (package.loadlib, bytecode), and they cannot be \
                    shut here:";
        found.faults.push(refused("mod_lua", &format!("{does} {why}")));
    }
}

fn refused(module: &str, does: &str) -> String {
    format!(
        "{module} is loaded, and rules stand in this configuration: {does}. Unload it, serve its applications by a \
         server of their own, or, if you trust every script as the server itself, write ConfineTrustScripts {module}"
    )
}

fn trusted(module: &str, does: &str) -> String {
    format!(
        "ConfineTrustScripts {module}: {does}; as you say, its scripts are trusted as the server itself is"
    )
}

/// A server with daemons most likely has no embedded interpreter, but this is not certain. So this is a warning.
/// Without daemons it is a fault.
fn wsgi(main: &Server<'_>, found: &mut Found) {
    let restrict = config_tree::lines(main, c"WSGIRestrictEmbedded");
    let on = |line: &config_tree::Line| {
        line.words.first().is_some_and(|w| w.to_bytes().eq_ignore_ascii_case(b"on"))
    };
    if restrict.last().is_some_and(on) {
        return;
    }
    let text = format!(
        "mod_wsgi is loaded, and rules stand in this configuration: {EMBEDDED}. Write WSGIRestrictEmbedded On, or, \
         if you trust every script as the server itself, ConfineTrustScripts mod_wsgi"
    );
    let daemons = !config_tree::lines(main, c"WSGIDaemonProcess").is_empty();
    if daemons { found.warnings.push(text) } else { found.faults.push(text) }
}

/// Says where `.htaccess` files may name code, by the server's own rules.
fn overrides(main: &Server<'_>, found: &mut Found) {
    let mut places = Vec::new();
    for server in main.with_hosts() {
        if ServerConfig::of(&server).is_some_and(|c| c.has_rules && c.early.is_none()) {
            places.extend(named_code::places_with_overrides(&server, main));
        }
    }
    places.sort();
    places.dedup();
    if places.is_empty() {
        return;
    }
    let shown: Vec<_> = places.iter().take(3).map(|place| format!("<Directory \"{place}\">")).collect();
    let more = if places.len() > 3 { format!(" and {} more", places.len() - 3) } else { String::new() };
    found.warnings.push(format!(
        "AllowOverride of {}{more} lets .htaccess files name code that runs before a request moves (LuaHookFixups and \
         the like): under a rule such a request is refused. AllowOverride None, or an AllowOverrideList without such \
         directives, takes them away where they are written; under ConfineEarly they run confined",
        shown.join(", ")
    ));
}
