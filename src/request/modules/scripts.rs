//! Code that a directory configuration names and that would run outside of the worker or before its move.
//!
//! If a tenant's `.htaccess` file is read (any `AllowOverride` but `None`), the tenant can write `LuaHookFixups` into
//! it, and the next request runs that function with the server's privileges. So such directives are noted when they
//! are read ([`kind_of`], [`seen`]), if they are in a `.htaccess` file, in a section inside of it, or in the
//! configuration for a file that others than the administrator can change. They are noted in this module's own part
//! of the directory configuration. The server merges this part as it merges the part of the module that would run the
//! code. So the first hook that could run the code knows exactly whether there is any.
//! [`crate::request::directory_found`] refuses the request if rules apply and the thread is not confined yet.
//!
//! What runs when the server logs a request comes after the worker, in a thread of the server. This code is removed
//! from the request ([`before_log`]).
//!
//! Some directives cannot wait for a rule: those that start a program while the server reads the file (`exec:` of
//! passwords), and those that change what other requests run (`LuaRoot`). In a virtual host with rules they are
//! refused when they are read.

use std::{
    ffi::{CStr, OsStr},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

use crate::thread::current;
use crate::{
    config::{DirectoryConfig, ServerConfig, Written, name_code, named_code::NamedCode},
    httpd::{
        command::Command, directives::Directives, hooks, named_code::Kind, request::Request, server::Server,
    },
    request::Scope,
};

/// What a module's directive does. `None` if it names no such code.
///
/// Modules that only make content (mod_cgi, mod_php, `LuaMapHandler`) run their code in the worker, after the move.
pub fn kind_of(module: &CStr, directive: &str) -> Option<Kind> {
    let is = |name: &str| directive.eq_ignore_ascii_case(name);
    match module.to_bytes() {
        // The first and the last say when a state ends and whether it is made anew. With LuaInherit, mod_lua forgets code
        // that the section itself names. None of them names code.
        b"mod_lua.c" if is("LuaScope") || is("LuaInherit") || is("LuaCodeCache") => None,
        b"mod_lua.c" if is("LuaHookLog") => Some(Kind::Log),
        b"mod_lua.c" if is("LuaPackagePath") || is("LuaPackageCPath") => Some(Kind::Paths),
        // It sets a field of the whole server (modules/lua/mod_lua.c, register_lua_root).
        b"mod_lua.c" if is("LuaRoot") => Some(Kind::Everybody),
        // These are content, and filters of content.
        b"mod_lua.c" if is("LuaMapHandler") || is("LuaInputFilter") || is("LuaOutputFilter") => None,
        // This covers all others, also those of later versions. Sections become Lua_____ByteCodeHack.
        b"mod_lua.c" => Some(Kind::Early),
        // Macros are one table for the whole process. What one request's file defines is used by the files of others as
        // long as that request lasts, and by several threads at once (modules/core/mod_macro.c, ap_macros).
        b"mod_macro.c" => Some(Kind::Everybody),
        // These set fields of the server's own part, from then on for all requests of the virtual host in this child. Of
        // all modules of httpd 2.4, these and LuaRoot do.
        b"mod_proxy_express.c" => Some(Kind::Everybody),
        b"mod_usertrack.c" if is("CookieExpires") => Some(Kind::Everybody),
        b"mod_md.c" if is("MDRequireHttps") => Some(Kind::Everybody),
        b"mod_perl.c" | b"mod_python.c" | b"mod_ruby.c" | b"mod_tcl.c" => Some(Kind::Early),
        // These are WSGIAuthUserScript, WSGIAuthGroupScript and WSGIAccessScript.
        b"mod_wsgi.c" if is("WSGIAccessScript") || directive.starts_with("WSGIAuth") => Some(Kind::Early),
        // These are programs that mod_fcgid's processes run to decide about access. The other directives of mod_fcgid
        // are about content.
        b"mod_fcgid.c"
            if ["FcgidAccessChecker", "FcgidAuthenticator", "FcgidAuthorizer"]
                .iter()
                .any(|name| is(name)) =>
        {
            Some(Kind::Early)
        }
        // Their rules can run scripts and programs (SecRuleScript, exec:, @inspectFile). Whether .htaccess may hold
        // them depends on how the module was built.
        b"mod_security2.c" | b"mod_security3.c"
            if ["SecRule", "SecAction", "SecDefaultAction"]
                .iter()
                .any(|name| directive.starts_with(name)) =>
        {
            Some(Kind::Early)
        }
        b"mod_authnz_ldap.c" if is("AuthLDAPBindPassword") => Some(Kind::Exec),
        b"mod_session_crypto.c" if is("SessionCryptoPassphrase") => Some(Kind::Exec),
        _ => None,
    }
}

/// A directive of another module was read. This notes what it names, or refuses it.
pub fn seen(command: &Command<'_>, kind: Kind, arguments: &[u8]) -> Result<(), String> {
    // mod_lua makes this directive of its own sections. If somebody writes it in a file, mod_lua follows a null
    // pointer.
    if command.name() == "Lua_____ByteCodeHack" && !command.has_data() {
        return Err(format!("{} is none to be written", command.name()));
    }
    if !command.in_htaccess() {
        return seen_in_configuration(command, kind, arguments);
    }
    let guarded = command.server().as_ref().and_then(ServerConfig::of).is_some_and(|s| s.has_rules);
    match kind {
        Kind::Everybody if guarded => Err(format!(
            "{} changes what other requests run, and has no place in .htaccess in a server with rules of \
             mod_confine; write it into the server's configuration",
            command.name()
        )),
        Kind::Exec if guarded && !current::confines_code() && may_run(arguments) => Err(format!(
            "{} with exec: would run a program with the server's privileges, and has no place in .htaccess in a \
             server with rules of mod_confine; write it into the server's configuration",
            command.name()
        )),
        Kind::Everybody | Kind::Exec => Ok(()),
        Kind::Early | Kind::Log | Kind::Paths => note(command, kind),
    }
}

/// Whether a directive's words can become `exec:` when the server replaces variables in them.
fn may_run(arguments: &[u8]) -> bool {
    let has = |word: &[u8]| arguments.windows(word.len()).any(|piece| piece == word);
    has(b"exec:") || has(b"${")
}

/// The administrator's own code is trusted. But a file that others can change is their code.
fn seen_in_configuration(command: &Command<'_>, kind: Kind, arguments: &[u8]) -> Result<(), String> {
    if !matches!(kind, Kind::Early | Kind::Log) {
        return Ok(());
    }
    let pool = command.pool().ok_or("the server gave no pool")?;
    Written::edit(pool, |written| written.lua_hooks = true);
    let file = command.first_word(arguments);
    let path = file.map(|file| Path::new(OsStr::from_bytes(file.to_bytes()))).filter(|p| p.is_absolute());
    let Some(path) = path.filter(|path| !only_administrators(path)) else { return Ok(()) };
    let text = format!(
        "{}: {}: others than root, or who started the server, can change {}; where rules apply it counts as a \
         tenant's code, which only runs confined: under ConfineEarly, or not at all",
        command.origin(),
        command.name(),
        path.display()
    );
    let first = BEFORE_SECTIONS.iter().any(|name| name.eq_ignore_ascii_case(command.name()));
    Written::edit(pool, |written| {
        if first { written.first_code_of_others.push(text) } else { written.code_of_others.push(text) }
    });
    note(command, kind)
}

/// Directives of mod_lua whose functions run before the sections of a request, and so its rules, are known.
/// `.htaccess` files cannot hold them.
const BEFORE_SECTIONS: [&str; 4] =
    ["LuaQuickHandler", "LuaHookPreTranslateName", "LuaHookTranslateName", "LuaHookMapToStorage"];

fn note(command: &Command<'_>, kind: Kind) -> Result<(), String> {
    let code = NamedCode::of(kind, command).ok_or("the server gave no pool")?;
    name_code(command, code)
}

/// Whether nobody but root, or the user who started the server, can change this file or put another in its place. If
/// the file does not exist, the same is asked of its folder.
fn only_administrators(path: &Path) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    let closed = |path: &Path| {
        path.ancestors().all(|p| match p.symlink_metadata() {
            Ok(m) => {
                let shut =
                    m.mode() & OTHERS_WRITE == 0 || m.is_symlink() || (m.is_dir() && m.mode() & STICKY != 0);
                (m.uid() == 0 || m.uid() == hooks::started_by()) && shut
            }
            Err(_) => true,
        })
    };
    closed(path) && path.canonicalize().map_or(true, |real| closed(&real))
}

/// The parts of mod_lua's directory configuration that name no code. `None` without mod_lua.
pub fn nothing_of_lua(main: &Server<'_>) -> Result<Option<Directives>, String> {
    if !hooks::module_loaded(c"mod_lua.c") {
        return Ok(None);
    }
    Directives::read(main, &[(c"LuaInherit", c"none")]).map(Some)
}

/// log_transaction, before all others. A tenant's code must not run in the server's thread.
pub fn before_log(r: &mut Request<'_>) {
    let Some(code) = DirectoryConfig::of(r).map(|d| d.code).filter(NamedCode::is_any) else { return };
    let Ok(scope) = Scope::of(r) else { return };
    // With an early move it is no longer known whether that move let the request pass.
    let guarded = scope.guards_phases() || scope.server.early.is_some();
    if !guarded || scope.reports_only() || !code.runs_at_log(scope.policy) {
        return;
    }
    if let Some(nothing) = &scope.policy.nothing_of_lua {
        r.replace_part(c"mod_lua.c", nothing);
    }
}
