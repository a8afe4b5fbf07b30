//! Turns off what PHP's module shares between requests, for confined requests.
//!
//! mod_php keeps data in the memory of the server's process, where the kernel does not look. OPcache gives a request
//! the compiled script that another request left. It checks access(2) at most, and no LSM answers this call as it
//! answers open(2). So a context that may not read a file could get it by `include`. Persistent links give a request
//! a connection with somebody else's log-in. The cache of paths knows the names of files that others used.
//!
//! So a confined request gets settings that come last and are as strong as the server's own (`php_admin_flag`).
//! Neither `.htaccess` nor `ini_set` can change them. `ConfinePHPCache shared` leaves them out. They are set
//! immediately before PHP's handler, which this module wraps, so no way leads around them.
//!
//! Settings alone are not enough. When PHP's handler declines a subrequest, or finds no script for it, it resets
//! every setting in the subrequest's configuration to the value of php.ini (sapi/apache2handler, PHP:
//! php_apache_ini_dtor). But the page that made the subrequest (`virtual()`) is still running. So a subrequest of a
//! running page has no PHP settings in its configuration at all. Nothing can be reset, and it runs with the settings
//! of the page.

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

/// The settings for confined requests. PHP ignores settings that it does not have.
///
/// PHP reads each of these during a request and not only at startup (PHP: ext/opcache, zend_accel_activate;
/// ext/mysqli, mysqli_common_connect; ext/pgsql, php_pgsql_do_connect; ext/odbc, odbc_do_connect; ext/standard/dl.c).
/// `opcache.enable` can be switched off during a request, but not on. `opcache.restrict_api` gets a path that no
/// script's path begins with, because otherwise `opcache_get_status` lists everybody's files.
const APART: [(&CStr, &CStr); 13] = [
    (c"php_admin_flag", c"opcache.enable off"),
    (c"php_admin_value", c"opcache.restrict_api mod_confine"),
    (c"php_admin_value", c"realpath_cache_size 0"),
    (c"php_admin_flag", c"enable_dl off"),
    (c"php_admin_flag", c"mysqli.allow_persistent off"),
    (c"php_admin_flag", c"pgsql.allow_persistent off"),
    (c"php_admin_flag", c"odbc.allow_persistent off"),
    (c"php_admin_value", c"oci8.max_persistent 0"),
    // These are for older versions.
    (c"php_admin_flag", c"mysql.allow_persistent off"),
    (c"php_admin_flag", c"ibase.allow_persistent off"),
    (c"php_admin_flag", c"mssql.allow_persistent off"),
    (c"php_admin_flag", c"sybct.allow_persistent off"),
    (c"php_admin_flag", c"fbsql.allow_persistent off"),
];

impl Php {
    /// Prepares the settings for confined requests. `None` without PHP.
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

    /// Gives `mail()` a time limit, after PHP has started. The result is a text for the administrator.
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

    /// Replaces PHP's handler by `handler`.
    pub fn take_over(&self, handler: HandlerHook) -> Result<(), String> {
        if self.module.wrap_handler(handler) {
            return Ok(());
        }
        Err(format!("mod_php has not the one handler that all its versions have; {REMEDY}"))
    }
}

/// The notice at every start.
pub const NOTICE: &str = "PHP in confined requests has no OPcache, no cache of paths and no persistent links of mysqli, pgsql, odbc and oci8, \
     which would pass from one context to another. The price: each request compiles its scripts (50 ms for each MB of \
     them, see docs/performance.md). Where all contexts trust each other, write ConfinePHPCache shared";

/// Facts about PHP and contexts that `confinectl check` tells.
pub fn notes(written: &Written, policy: &Policy) -> Vec<String> {
    if policy.php.is_none() {
        return Vec::new();
    }
    let shared = has_several_contexts(policy);
    let shared = shared.then(|| format!("{}; {}", names::SHARED, names::SHARED_REMEDY));
    // PHP has not started, so the settings of php.ini are not known.
    let mail = names::mail_fails(names::MAILER).filter(|_| !written.rulesets.is_empty());
    let mail = mail.map(|text| format!("{text}, unless php.ini says otherwise; {}", names::MAIL_REMEDY));
    shared.into_iter().chain(mail).collect()
}

/// Whether the rules can lead to more than one context.
fn has_several_contexts(policy: &Policy) -> bool {
    let mut first = None;
    policy.rules.iter().any(|rule| match &rule.source {
        Source::Constant(Prepared::Unconfined) => false,
        Source::Constant(Prepared::Moves(moves)) => **first.get_or_insert(&moves.text) != *moves.text,
        _ => true,
    })
}

const REMEDY: &str = "unload it, or report its version";

/// Runs in place of PHP's handler, and calls it with the settings for confined requests.
pub fn handler(r: &mut Request<'_>) -> Status {
    let running = php::running();
    let is_watched = !current::is_confined() && current::watch().is_some();
    if !(current::is_confined() || is_watched) || (running == Running::No && !may_be_php(r)) {
        return php::call(r);
    }
    let policy = ServerConfig::of(&r.server()).and_then(|s| s.policy());
    let Some(php) = policy.and_then(|policy| policy.php.as_ref()) else {
        return report::refused(r, &Grounds::of(r), &Refusal::not_ready());
    };
    // A script that OPcache holds is not opened, so nobody would see that it is needed.
    if is_watched {
        if running == Running::No && !trusts(r) {
            r.force_php(Some(&php.apart), None);
        }
        return php::call(r);
    }
    match running {
        Running::Here if trusts(r) => {}
        Running::Here if r.is_included() => r.bare_php(&php.module),
        // PHP would reset all settings after it.
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

/// Whether the configuration says that contexts trust each other, for this request and for all requests that were
/// redirected to it or included it. So a redirect or an include does not lead to what is shared.
fn trusts(r: &Request<'_>) -> bool {
    let shared = |d: &DirectoryConfig| d.settings.php_cache == Some(PhpCache::Shared);
    DirectoryConfig::of(r).is_some_and(shared)
        && [r.redirected_from(), r.main()].into_iter().flatten().all(|source| trusts(&source))
}

/// Whether PHP's handler can take this request. The handler's names differ between versions (`php5-script`,
/// `application/x-httpd-php`, ...). With xbithack, it also takes pages that their owner may execute.
fn may_be_php(r: &Request<'_>) -> bool {
    is_named_php(r) || r.handler() == Some(c"text/html")
}

/// Whether PHP's handler will take it, as far as this module can tell.
fn is_php(r: &Request<'_>) -> bool {
    is_named_php(r) || (r.handler() == Some(c"text/html") && r.is_executable())
}

fn is_named_php(r: &Request<'_>) -> bool {
    r.handler().is_none_or(|name| name.to_bytes().windows(3).any(|part| part == b"php"))
}
