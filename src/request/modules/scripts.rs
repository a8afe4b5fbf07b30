//! Code that the configuration of a directory names, and that would run outside of the worker or before its move.
//!
//! A tenant whose `.htaccess` file is read (any `AllowOverride` but `None`) can write `LuaHookFixups` into it, and
//! the next request runs that function with the server's privileges. Whatever of the kind stands in a `.htaccess`
//! file, in a section inside of it, or in the configuration for a file that others than the administrator can
//! change, is noted where it is read ([`kind_of`], [`seen`]), in this module's own part of the directory
//! configuration, which the server merges as it merges the part of the module that would run the code. So at the
//! first hook that could run it the answer is known exactly: [`crate::request::directory_found`] refuses the request
//! where rules apply and the thread is not confined yet. What runs when the server logs a request comes after the
//! worker, in a thread of the server's: there the code is taken out of the request ([`before_log`]).
//!
//! Programs that the server runs while it reads the file (`exec:` of passwords), and directives that change what
//! other requests run (`LuaRoot`), cannot wait for a rule: they are refused where they are read, in a virtual host
//! with rules.

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

/// What a module's directive does; `None`: nothing of the kind.
///
/// Modules that only make content (mod_cgi, mod_php, `LuaMapHandler`) do that in the worker, after the move.
pub fn kind_of(module: &CStr, directive: &str) -> Option<Kind> {
    let is = |name: &str| directive.eq_ignore_ascii_case(name);
    match module.to_bytes() {
        // These choose when a state ends and whether it is made anew; mod_lua forgets a section's own code with
        // LuaInherit, it names none.
        b"mod_lua.c" if is("LuaScope") || is("LuaInherit") || is("LuaCodeCache") => None,
        b"mod_lua.c" if is("LuaHookLog") => Some(Kind::Log),
        b"mod_lua.c" if is("LuaPackagePath") || is("LuaPackageCPath") => Some(Kind::Paths),
        // It sets the server's own field (modules/lua/mod_lua.c, register_lua_root).
        b"mod_lua.c" if is("LuaRoot") => Some(Kind::Everybody),
        // Content, and its filters.
        b"mod_lua.c" if is("LuaMapHandler") || is("LuaInputFilter") || is("LuaOutputFilter") => None,
        // Whatever else there is, in this version or the next. Sections become Lua_____ByteCodeHack.
        b"mod_lua.c" => Some(Kind::Early),
        b"mod_perl.c" | b"mod_python.c" | b"mod_ruby.c" | b"mod_tcl.c" => Some(Kind::Early),
        // WSGIAuthUserScript, WSGIAuthGroupScript, WSGIAccessScript.
        b"mod_wsgi.c" if is("WSGIAccessScript") || directive.starts_with("WSGIAuth") => Some(Kind::Early),
        // Programs that mod_fcgid's processes run to decide about access. The rest of its directives is about content.
        b"mod_fcgid.c"
            if ["FcgidAccessChecker", "FcgidAuthenticator", "FcgidAuthorizer"]
                .iter()
                .any(|name| is(name)) =>
        {
            Some(Kind::Early)
        }
        // Their rules may run scripts and programs (SecRuleScript, exec:, @inspectFile); whether .htaccess may hold
        // them is a question of how the module was built.
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

/// A directive of another module was read: notes what it names, or refuses it.
pub fn seen(command: &Command<'_>, kind: Kind, arguments: &[u8]) -> Result<(), String> {
    // mod_lua makes this one of its sections, and follows a null pointer where somebody writes it.
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
        Kind::Exec if guarded && !current::is_confined() && may_run(arguments) => Err(format!(
            "{} with exec: would run a program with the server's privileges, and has no place in .htaccess in a \
             server with rules of mod_confine; write it into the server's configuration",
            command.name()
        )),
        Kind::Everybody | Kind::Exec => Ok(()),
        Kind::Early | Kind::Log | Kind::Paths => note(command, kind),
    }
}

/// Whether a directive's words may come to `exec:`, once the server has filled its variables in.
fn may_run(arguments: &[u8]) -> bool {
    let has = |word: &[u8]| arguments.windows(word.len()).any(|piece| piece == word);
    has(b"exec:") || has(b"${")
}

/// The administrator's own code is trusted, but a file that others can change is theirs.
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

/// Directives of mod_lua whose functions run before a request's sections are known, and so its rules. They have no
/// place in `.htaccess`.
const BEFORE_SECTIONS: [&str; 4] =
    ["LuaQuickHandler", "LuaHookPreTranslateName", "LuaHookTranslateName", "LuaHookMapToStorage"];

fn note(command: &Command<'_>, kind: Kind) -> Result<(), String> {
    let code = NamedCode::of(kind, command).ok_or("the server gave no pool")?;
    name_code(command, code)
}

/// Whether nobody but root, or who started the server, can change this file or put another in its place. A file
/// that is not there yet is whose folder it will lie in.
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

/// What a directory has of mod_lua's that names no code; `None` without mod_lua.
pub fn nothing_of_lua(main: &Server<'_>) -> Result<Option<Directives>, String> {
    if !hooks::module_loaded(c"mod_lua.c") {
        return Ok(None);
    }
    Directives::read(main, &[(c"LuaInherit", c"none")]).map(Some)
}

/// log_transaction, before all others: a tenant's code does not run in the server's thread.
pub fn before_log(r: &mut Request<'_>) {
    let Some(code) = DirectoryConfig::of(r).map(|d| d.code).filter(NamedCode::is_any) else { return };
    let Ok(scope) = Scope::of(r) else { return };
    // With an early move nobody knows any more whether that let the request pass.
    let guarded = scope.guards_phases() || scope.server.early.is_some();
    if !guarded || scope.reports_only() || !code.runs_at_log(scope.policy) {
        return;
    }
    if let Some(nothing) = &scope.policy.nothing_of_lua {
        r.replace_part(c"mod_lua.c", nothing);
    }
}
