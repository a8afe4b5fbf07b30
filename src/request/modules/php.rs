//! What PHP's module shares between requests is off in confined ones.
//!
//! mod_php keeps things in the memory of the server's process, where no kernel looks. OPcache gives every request
//! the compiled script that another one left, asking at most access(2), which no LSM answers for a file that it
//! would not let be opened: a context that may not read a file gets it by `include`. Persistent links hand the next
//! request a connection that is logged in. The cache of paths knows the names of files that others used.
//!
//! So a confined request gets settings, innermost and as strong as the server's own (`php_admin_flag`), which
//! neither `.htaccess` nor `ini_set` can change; `ConfinePHPCache shared` leaves them out. They are given right
//! before PHP's handler, which this module stands before, so nothing leads to it without them.
//!
//! Settings alone would not do. When PHP's handler declines a subrequest, or finds no script for it, it puts every
//! setting that stands in the subrequest's configuration back to what php.ini says (sapi/apache2handler, PHP:
//! php_apache_ini_dtor), though the page that asked (`virtual()`) goes on running. So within a running page, a
//! subrequest brings no settings of PHP's at all: there is nothing to be put back, and it runs with the page's.

use std::{ffi::CStr, sync::OnceLock};

use confine::{backends::Prepared, php as names, policy::decide::Source};

use crate::httpd::status::Status;
use crate::report::Grounds;
use crate::thread::current;
use crate::{
    config::{DirectoryConfig, PhpCache, Policy, ServerConfig, Written, php::Php},
    httpd::{
        directives::Directives,
        hooks,
        php::{self, HandlerHook, Module, Running},
        request::Request,
        server::Server,
    },
    report::{self, Refusal},
    request::modules::php_mail::Mail,
};

/// What confined requests get. Settings that this PHP does not have are ignored by it.
///
/// All are read where they matter (PHP: ext/opcache, zend_accel_activate; ext/mysqli, mysqli_common_connect;
/// ext/pgsql, php_pgsql_do_connect; ext/odbc, odbc_do_connect; ext/standard/dl.c), not at startup only.
/// `opcache.enable` can be switched off, not on, while a request runs. `opcache.restrict_api`
/// names what no script's path begins with: else `opcache_get_status` lists everybody's files.
const APART: [(&CStr, &CStr); 13] = [
    (c"php_admin_flag", c"opcache.enable off"),
    (c"php_admin_value", c"opcache.restrict_api mod_confine"),
    (c"php_admin_value", c"realpath_cache_size 0"),
    (c"php_admin_flag", c"enable_dl off"),
    (c"php_admin_flag", c"mysqli.allow_persistent off"),
    (c"php_admin_flag", c"pgsql.allow_persistent off"),
    (c"php_admin_flag", c"odbc.allow_persistent off"),
    (c"php_admin_value", c"oci8.max_persistent 0"),
    // Of older versions.
    (c"php_admin_flag", c"mysql.allow_persistent off"),
    (c"php_admin_flag", c"ibase.allow_persistent off"),
    (c"php_admin_flag", c"mssql.allow_persistent off"),
    (c"php_admin_flag", c"sybct.allow_persistent off"),
    (c"php_admin_flag", c"fbsql.allow_persistent off"),
];

impl Php {
    /// Makes ready what confined requests get; `None` without PHP.
    pub fn prepare(main: &Server<'_>) -> Result<Option<Self>, String> {
        let Some(module) = Module::find(main) else { return Ok(None) };
        match Directives::read(main, &APART) {
            Ok(apart) => {
                Ok(Some(Self { module, apart, threads: hooks::threaded_mpm(), mail: OnceLock::new() }))
            }
            Err(why) => {
                Err(format!("mod_php refuses a setting that confined requests need: {why}; {REMEDY}"))
            }
        }
    }

    /// Gives `mail()` its limit, once PHP has started; says what is to be known about it.
    pub fn bound_mail(&self, main: &Server<'_>) -> Option<String> {
        let mail = Mail::of(&self.module)?;
        match mail.bounded(main) {
            Ok(bounded) => {
                let _ = self.mail.set(bounded);
                mail.warning()
            }
            Err(why) => Some(format!("mail() of PHP got no limit of time: {why}")),
        }
    }

    /// Stands before PHP's handler.
    pub fn take_over(&self, handler: HandlerHook) -> Result<(), String> {
        if self.module.wrap_handler(handler) {
            return Ok(());
        }
        Err(format!("mod_php has not the one handler that all its versions have; {REMEDY}"))
    }
}

/// What is said at every start.
pub const NOTICE: &str = "PHP in confined requests has no OPcache, no cache of paths and no persistent links of mysqli, pgsql, odbc and oci8, \
     which would pass from one context to another. The price: each request compiles its scripts (50 ms for each MB of \
     them, see docs/performance.md). Where all contexts trust each other, write ConfinePHPCache shared";

/// What is worth knowing about PHP and contexts, for `confinectl check`.
pub fn notes(written: &Written, policy: &Policy) -> Vec<String> {
    if policy.php.is_none() {
        return Vec::new();
    }
    let shared = has_several_contexts(policy);
    let shared = shared.then(|| format!("{}; {}", names::SHARED, names::SHARED_REMEDY));
    // PHP has not started, so php.ini is not known.
    let mail = names::mail_fails(names::MAILER).filter(|_| !written.rulesets.is_empty());
    let mail = mail.map(|text| format!("{text}, unless php.ini says otherwise; {}", names::MAIL_REMEDY));
    shared.into_iter().chain(mail).collect()
}

/// Whether rules may lead to more than one context.
fn has_several_contexts(policy: &Policy) -> bool {
    let mut first = None;
    policy.rules.iter().any(|rule| match &rule.source {
        Source::Constant(Prepared::Unconfined) => false,
        Source::Constant(Prepared::Moves(moves)) => **first.get_or_insert(&moves.text) != *moves.text,
        _ => true,
    })
}

const REMEDY: &str = "unload it, or report its version";

/// In place of PHP's handler: calls it, with what a confined request gets.
pub fn handler(r: &mut Request<'_>) -> Status {
    let running = php::running();
    if !current::is_confined() || (running == Running::No && !may_be_php(r)) {
        return php::call(r);
    }
    let policy = ServerConfig::of(&r.server()).and_then(|s| s.policy());
    let Some(php) = policy.and_then(|policy| policy.php.as_ref()) else {
        return report::refused(r, &Grounds::of(r), &Refusal::not_ready());
    };
    match running {
        Running::Here if trusts(r) => {}
        Running::Here if r.is_included() => r.bare_php(&php.module),
        // PHP would put all settings back after it.
        Running::Here => return report::refused(r, &Grounds::of(r), &Refusal::php_again()),
        Running::Elsewhere if !php.threads => {
            return if is_php(r) {
                report::refused(r, &Grounds::of(r), &Refusal::php_outside())
            } else {
                Status::DECLINED
            };
        }
        _ => {
            let apart = (!trusts(r)).then_some(&php.apart);
            let mail = php.mail.get().filter(|_| php::no_new_privileges());
            if apart.is_some() || mail.is_some() {
                r.force_php(apart, mail);
            }
        }
    }
    php::call(r)
}

/// Whether the configuration says of this request, and of all that led to it inside the server, that contexts trust
/// each other. So nobody comes to what is shared by a redirect or an include.
fn trusts(r: &Request<'_>) -> bool {
    let shared = |d: &DirectoryConfig| d.settings.php_cache == Some(PhpCache::Shared);
    DirectoryConfig::of(r).is_some_and(shared)
        && [r.redirected_from(), r.main()].into_iter().flatten().all(|source| trusts(&source))
}

/// Whether PHP's handler may take this request. Its names differ from version to version (`php5-script`,
/// `application/x-httpd-php`, ...); where xbithack is on, it takes pages that their owner may execute.
fn may_be_php(r: &Request<'_>) -> bool {
    is_named_php(r) || r.handler() == Some(c"text/html")
}

/// Whether it would take it, as far as can be told from here.
fn is_php(r: &Request<'_>) -> bool {
    is_named_php(r) || (r.handler() == Some(c"text/html") && r.is_executable())
}

fn is_named_php(r: &Request<'_>) -> bool {
    r.handler().is_none_or(|name| name.to_bytes().windows(3).any(|part| part == b"php"))
}
