//! Some of the server's modules load a library when a request first needs it. A confined thread may not be able to, so
//! these libraries are loaded before the first request.
//!
//! Other modules load theirs while the configuration is read, so they do not stand here: mod_dbd (`DBDDriver`),
//! mod_session_crypto and mod_ldap (post_config), and mod_ssl. What an application loads by itself, its ruleset must
//! allow.

use std::ffi::CStr;

use crate::httpd::{
    config_tree,
    first_use::{load_charset, load_dbm},
    hooks,
    server::Server,
};

/// Modules that open a DBM file of the default type in a request.
const DEFAULT_DBM: [&CStr; 3] = [c"mod_dav_fs.c", c"mod_dav_lock.c", c"mod_socache_dbm.c"];

/// Modules whose directives name the type. Such directives may stand in .htaccess, so any type may be needed.
const ANY_DBM: [&CStr; 3] = [c"mod_authn_dbm.c", c"mod_authz_dbm.c", c"mod_rewrite.c"];

/// All types that APR has drivers for.
const DBM_TYPES: [&CStr; 4] = [c"sdbm", c"gdbm", c"ndbm", c"db"];

/// Modules that convert what applications send.
const CONVERTERS: [&CStr; 3] = [c"mod_charset_lite.c", c"mod_xml2enc.c", c"mod_authnz_ldap.c"];

/// Directives of these modules that name character sets.
const CHARSETS_IN: [&CStr; 4] = [c"CharsetSourceEnc", c"CharsetDefault", c"xml2EncDefault", c"xml2EncAlias"];

/// The character sets of most pages that are not in UTF-8.
const CHARSETS: [&CStr; 14] = [
    c"ISO-8859-1",
    c"ISO-8859-2",
    c"ISO-8859-15",
    c"WINDOWS-1250",
    c"WINDOWS-1251",
    c"WINDOWS-1252",
    c"KOI8-R",
    c"UTF-16",
    c"SHIFT_JIS",
    c"EUC-JP",
    c"ISO-2022-JP",
    c"GB18030",
    c"BIG5",
    c"EUC-KR",
];

/// Loads them. To be called in the process that forks the children, where there are rules.
pub fn load(main: &Server<'_>) {
    let is_there = |modules: &[&CStr]| modules.iter().any(|module| hooks::module_loaded(module));
    if is_there(&DEFAULT_DBM) {
        load_dbm(main, c"default");
    }
    if is_there(&ANY_DBM[..2]) || names_dbm(main) {
        DBM_TYPES.iter().for_each(|kind| load_dbm(main, kind));
        load_dbm(main, c"default");
    }
    if is_there(&CONVERTERS) {
        CHARSETS.iter().for_each(|name| load_charset(main, name));
        let named = CHARSETS_IN.iter().flat_map(|directive| config_tree::lines(main, directive));
        named.flat_map(|line| line.words).for_each(|word| load_charset(main, &word));
    }
}

/// Whether the configuration has mod_rewrite look into a DBM file (`RewriteMap NAME dbm:FILE` or `dbm=TYPE:FILE`).
fn names_dbm(main: &Server<'_>) -> bool {
    let is_dbm = |word: &std::ffi::CString| word.to_bytes().starts_with(b"dbm");
    hooks::module_loaded(ANY_DBM[2])
        && config_tree::lines(main, c"RewriteMap").iter().flat_map(|line| &line.words).any(is_dbm)
}
