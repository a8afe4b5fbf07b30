//! The command table. Each entry reads as its manual does: name, where it is allowed, what it takes.

mod landlock;
mod rules;
mod selinux;
mod settings;
mod tomoyo;

use std::ffi::{CStr, c_char, c_void};

use apache_sys as sys;

use crate::{
    httpd::command::{Run, section, with_words},
    subject::certificates::{user_name, verify_client},
};

/// Server config and virtual host.
const SERVER: i32 = sys::RSRC_CONF;
/// Server config, virtual host and directory sections; never .htaccess, because a tenant must not
/// choose its own context.
const ANYWHERE: i32 = sys::RSRC_CONF | sys::ACCESS_CONF;

/// The table as the server reads it.
#[repr(transparent)]
pub struct Table([sys::command_rec; COUNT + 1]);

// SAFETY: constant data; the pointers in it are to static strings and functions.
unsafe impl Sync for Table {}

impl Table {
    /// For the module record.
    pub const fn as_ptr(&self) -> *const sys::command_rec {
        self.0.as_ptr()
    }
}

#[cfg(feature = "fault-injection")]
const COUNT: usize = 37;
#[cfg(not(feature = "fault-injection"))]
const COUNT: usize = 36;

/// Every directive there is, one line each.
#[rustfmt::skip]
pub static TABLE: Table = Table([
    entry(c"ConfineContext", rules::context, ANYWHERE, c"CONTEXT [CONTEXT ...] | unconfined: the context of every request here"),
    entry(c"ConfineMap", rules::map, ANYWHERE, c"FILE | dbd:LABEL [ttl=SECONDS] [entries=NUMBER] [rows=values|rules] [EXPRESSION ...]: a map from subjects to contexts, in a file or a database"),
    entry(c"ConfineEnv", rules::env, ANYWHERE, c"[BACKEND:]NAME: the environment variable that holds the context"),
    entry(c"ConfineExpr", rules::expr, ANYWHERE, c"EXPRESSION: a string expression that gives the context"),
    entry(c"ConfineUnmatched", settings::unmatched, ANYWHERE, c"deny|allow: what a request without a matching rule gets"),
    entry(c"ConfineMode", settings::mode, ANYWHERE, c"enforce|report: whether decisions are carried out or only logged"),
    entry(c"ConfineOutOfProcess", settings::out_of_process, ANYWHERE, c"deny|warn|allow: content that another process makes"),
    entry(c"ConfineAllowCache", settings::allow_cache, ANYWHERE, c"on|off: whether httpd's cache may hold confined responses"),
    // Core's own directive, which the server gives to both.
    entry(c"SetHandler", settings::set_handler, sys::OR_FILEINFO, c"HANDLER: core's; noted, so that a .htaccess file cannot name a page about the server"),
    entry(c"ConfinePHPCache", settings::php_cache, ANYWHERE, c"off|shared: whether PHP in confined requests has the caches and persistent links that all requests share"),
    entry(c"ConfineGate", settings::gate, SERVER, c"process|handler: where a request is taken over"),
    entry(c"ConfineWorkers", settings::workers, SERVER, c"one-time | per-context [max=NUMBER] [idle=SECONDS] [requests=NUMBER]: how long a worker lives"),
    entry(c"ConfineEarly", rules::early, SERVER, c"CONTEXT [CONTEXT ...] | expr=EXPRESSION: the move before the first phase"),
    entry(c"ConfineBackend", settings::backend, SERVER, c"NAME: the LSM of contexts that name none"),
    entry(c"ConfineServerContext", settings::server_context, SERVER, c"CONTEXT [CONTEXT ...]: where the server itself moves at startup"),
    entry(c"ConfineTrustScripts", settings::trust_scripts, SERVER, c"MODULE [MODULE ...]: their scripts are trusted as the server itself is"),
    entry(c"ConfineCoreDumps", settings::core_dumps, SERVER, c"on|off: whether children may leave core dumps, and their memory be read through /proc"),
    section_entry(c"<ConfineLandlock", landlock::section, SERVER, c"NAME>: a Landlock ruleset"),
    entry(c"LandlockRead", landlock::read, SERVER, c"[-]PATH [[-]PATH ...]: what may be read"),
    entry(c"LandlockWrite", landlock::write, SERVER, c"[-]PATH [[-]PATH ...]: what may be changed"),
    entry(c"LandlockExecute", landlock::execute, SERVER, c"[-]PATH [[-]PATH ...]: what may be run"),
    entry(c"LandlockTrustPaths", landlock::trust_paths, SERVER, c"PATH [PATH ...]: where links are followed, whoever made them"),
    entry(c"LandlockConnect", landlock::connect, SERVER, c"PORT [PORT ...] | any | none: TCP ports to connect to"),
    entry(c"LandlockBind", landlock::bind, SERVER, c"PORT [PORT ...] | any | none: TCP ports to listen on"),
    entry(c"LandlockScope", landlock::scope, SERVER, c"signals | abstract-sockets | none: ways out that are closed"),
    entry(c"LandlockABI", landlock::abi, SERVER, c"NUMBER: the oldest kernel ABI that will do"),
    section_entry(c"</ConfineLandlock>", landlock::stray_end, SERVER, c"ends a ruleset"),
    entry(c"selinuxServerDomain", selinux::server_domain, SERVER, c"DOMAIN: ConfineServerContext, as in mod_selinux"),
    entry(c"selinuxDomainMap", selinux::domain_map, ANYWHERE, c"FILE: ConfineMap, as in mod_selinux"),
    entry(c"selinuxDomainEnv", selinux::domain_env, ANYWHERE, c"NAME: ConfineEnv, as in mod_selinux"),
    entry(c"selinuxDomainVal", selinux::domain_val, ANYWHERE, c"DOMAIN: ConfineContext, as in mod_selinux"),
    entry(c"selinuxAllowCaches", selinux::allow_caches, ANYWHERE, c"on|off: ConfineAllowCache, as in mod_selinux"),
    entry(c"TOMOYO_TransitionMap", tomoyo::transition_map, SERVER, c"FILE: from patterns of file names to domains, as in TOMOYO's module"),
    entry(c"CCS_TransitionMap", tomoyo::transition_map, SERVER, c"FILE: TOMOYO_TransitionMap, as in TOMOYO's module for 1.8"),
    of_mod_ssl(c"SSLUserName", user_name, c"mod_ssl's directive: the variable that holds the user's name"),
    of_mod_ssl(c"SSLVerifyClient", verify_client, c"mod_ssl's directive: whether clients need certificates"),
    #[cfg(feature = "fault-injection")]
    entry(c"ConfineFault", settings::fault, ANYWHERE, c"panic-in-gate|panic-in-worker|panic-in-move|no-memory-in-worker: for tests"),
    END,
]);

const fn entry(name: &'static CStr, run: Run, place: i32, help: &'static CStr) -> sys::command_rec {
    make(name, run, place, help, sys::cmd_func { take_argv: Some(with_words) }, sys::TAKE_ARGV)
}

const fn section_entry(name: &'static CStr, run: Run, place: i32, help: &'static CStr) -> sys::command_rec {
    make(name, run, place, help, sys::cmd_func { raw_args: Some(section) }, sys::RAW_ARGS)
}

const fn make(
    name: &'static CStr,
    run: Run,
    place: i32,
    help: &'static CStr,
    func: sys::cmd_func,
    args_how: sys::cmd_how,
) -> sys::command_rec {
    sys::command_rec {
        name: name.as_ptr(),
        func,
        cmd_data: run as *const () as *mut c_void,
        req_override: place,
        args_how,
        errmsg: help.as_ptr(),
    }
}

/// mod_ssl's, where mod_ssl allows it; this module only learns what is said.
const fn of_mod_ssl(name: &'static CStr, learn: OneWord, help: &'static CStr) -> sys::command_rec {
    sys::command_rec {
        name: name.as_ptr(),
        func: sys::cmd_func { take1: Some(learn) },
        cmd_data: std::ptr::null_mut(),
        req_override: sys::RSRC_CONF | sys::OR_AUTHCFG,
        args_how: sys::TAKE1,
        errmsg: help.as_ptr(),
    }
}

type OneWord = unsafe extern "C" fn(*mut sys::cmd_parms, *mut c_void, *const c_char) -> *const c_char;

const END: sys::command_rec = sys::command_rec {
    name: std::ptr::null(),
    func: sys::cmd_func { no_args: None },
    cmd_data: std::ptr::null_mut(),
    req_override: 0,
    args_how: sys::RAW_ARGS,
    errmsg: std::ptr::null(),
};

/// The one word that a directive takes.
fn one<'c>(words: &[&'c str], what: &str) -> Result<&'c str, String> {
    match words {
        [word] => Ok(word),
        _ => Err(format!("takes exactly one {what}, got {}", words.len())),
    }
}

/// The value that a word stands for.
fn choice<T: Copy>(words: &[&str], choices: &[(&str, T)]) -> Result<T, String> {
    let names = || choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" or ");
    let word = one(words, &format!("word ({})", names()))?;
    choices
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word))
        .map(|(_, value)| *value)
        .ok_or_else(|| format!("{word:?} is not known here; write {}", names()))
}
