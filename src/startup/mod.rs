//! From what was read to what requests use. Every map, context and ruleset is made and checked before the first
//! request. A fault stops the server, and its text names file and line.

mod compile;
mod dbd_statements;
mod first_use;
mod learn;
pub mod map_watch;
mod maps;
mod pools;
mod prepare;
mod running;
mod server_context;
mod tally;
mod trust;

use confine::{context::BackendName, lsm::Backend};

pub use self::prepare::OwnHandlers;
use crate::{
    config::{Faults, Policy, ServerConfig, Written, noting::wanted},
    describe,
    fastcgi::{self, Programs, moves::Users},
    httpd::{
        config_tree, hooks,
        log::{self, Level},
        pool::Pool,
        server::Server,
    },
    request::{
        modules::{expressions, php},
        watch,
    },
    thread::{outside, signals, watched},
    worker,
};

/// check_config: makes everything that requests use, or says what is wrong.
///
/// At start the server reads its configuration twice. The first reading only checks, as `-t` does. From the second
/// reading on, the server itself moves first, if that is configured. It must move before it opens its logs and makes
/// its pipes, because these carry the context of the process that makes them.
pub fn check(main: &Server<'_>, handlers: OwnHandlers) -> bool {
    let (Some(config), Some(pool)) = (ServerConfig::of(main), main.pool()) else { return true };
    let written = Written::of(pool);
    if hooks::first_reading() || hooks::only_testing() {
        let result = server_context::check(main, config, written)
            .and_then(|backends| prepare::policy(main, written, backends, handlers));
        let checked = say_faults(main, describe::faults_shown(main, written, result));
        if hooks::only_testing() && !wanted() {
            warn_of_landlock(main, checked.as_ref());
        }
        return match checked {
            Some(policy) if wanted() => {
                config.set_policy(policy);
                true
            }
            checked => checked.is_some(),
        };
    }
    let result = server_context::enter(main, config, written)
        .and_then(|()| prepare::backends(main, written))
        .and_then(|backends| prepare::policy(main, written, backends, handlers));
    match say_faults(main, result) {
        Some(policy) => {
            config.set_policy(policy);
            true
        }
        None => false,
    }
}

/// `-t` shows no other warnings. These are about faults that a running server survives and a first start does not.
fn warn_of_landlock(main: &Server<'_>, policy: Option<&Policy>) {
    let backends = policy.into_iter().flat_map(|policy| policy.backends.iter());
    let landlock = backends.filter(|backend| backend.name() == BackendName::LANDLOCK);
    let warnings = landlock.flat_map(Backend::warnings);
    warnings.for_each(|warning| log::startup(main, &format!("confine: warning: {warning}")));
}

/// Writes every fault to the terminal and to the log.
fn say_faults<T>(main: &Server<'_>, result: Result<T, Faults>) -> Option<T> {
    for fault in result.as_ref().err().into_iter().flatten() {
        log::startup(main, &format!("confine: {fault}"));
    }
    result.ok()
}

/// post_config: makes what must exist before the first child, and writes what the log must say.
///
/// `false`: something that must be there is not, and the log says what.
pub fn finish(main: &Server<'_>) -> bool {
    log::set_main(Some(main));
    map_watch::prepare();
    watch::prepare();
    signals::keep_masks_of_programs();
    let policy = ServerConfig::of(main).and_then(ServerConfig::policy);
    let written = main.pool().map(Written::of);
    tally::prepare(main, policy, written);
    let (Some(policy), Some(written)) = (policy, written) else { return true };
    learn::open_files(main, policy, written);
    let say = |level, text: &str| log::server(main, level, &format!("confine: {text}"));
    if let Some(context) = &written.server_context {
        say(Level::Notice, &format!("the server moved to {}", context.words.join(" ")));
    }
    let has_rules = !policy.rules.is_empty();
    if has_rules && !policy.core_dumps && !config_tree::lines(main, c"CoreDumpDirectory").is_empty() {
        say(Level::Notice, NO_CORE_DUMPS);
    }
    for warning in policy.backends.iter().flat_map(|b| b.warnings()).chain(policy.warnings.iter().cloned()) {
        say(Level::Warning, &warning);
    }
    if let Some(php) = &policy.php {
        say(Level::Notice, php::NOTICE);
        // At the first reading PHP has not started, and no request is served.
        let warning = if hooks::first_reading() { None } else { php.bound_mail(main) };
        if let Some(warning) = warning.filter(|_| !written.rulesets.is_empty()) {
            say(Level::Warning, &warning);
        }
    }
    if has_rules {
        first_use::load(main);
    }
    if !hooks::first_reading() && !hooks::only_testing() {
        if let Err(why) = start_pools(main, written, policy) {
            say(Level::Error, &format!("no pools of processes: {why}"));
            return false;
        }
    }
    say(Level::Info, &format!("ready, {} rules", policy.rules.len()));
    true
}

/// Starts the manager of pools, where the configuration has programs; that of an earlier configuration ends.
fn start_pools(main: &Server<'_>, written: &Written, policy: &Policy) -> Result<(), String> {
    let wanted = !written.programs.is_empty();
    let programs =
        wanted.then(|| Programs::new(written.programs.clone(), Users::new(policy), written.reports));
    fastcgi::start(main, programs)
}

const NO_CORE_DUMPS: &str = "children leave no core dumps, so that no confined code reads their memory through /proc; \
                             ConfineCoreDumps on keeps them";

/// drop_privileges: opens what each child must open while it still has the privileges.
pub fn child(main: &Server<'_>) {
    let policy = ServerConfig::of(main).and_then(ServerConfig::policy);
    policy.into_iter().flat_map(|policy| policy.backends.iter()).for_each(Backend::start_child);
}

/// child_init: starts the threads that watch requests, if any request is to be watched.
pub fn start_watching(main: &Server<'_>, pool: Pool<'_>) {
    let policy = ServerConfig::of(main).and_then(ServerConfig::policy);
    if !policy.is_some_and(|policy| policy.watches) {
        return;
    }
    if let Err(error) = watched::start(pool) {
        let line = format!(
            "confine: no threads to watch requests ({error}): this child does not tell what rulesets refuse; raise the \
             limits on threads (TasksMax, ulimit -u) and open files"
        );
        log::server(main, Level::Error, &line);
    }
}

/// child_init, after every other module's (mod_unixd makes a child dumpable again for `CoreDumpDirectory`).
pub fn child_ready(main: &Server<'_>, pool: Pool<'_>) {
    tally::child(main);
    if fastcgi::programs().is_some() {
        fastcgi::client::child();
        if let Err(error) = outside::start(pool) {
            let text = format!(
                "confine: no thread to ask for pools ({error}): confined requests find no new ones in this child; \
                 raise the limit on threads (TasksMax, ulimit -u)"
            );
            log::server(main, Level::Error, &text);
        }
    }
    let policy = ServerConfig::of(main).and_then(ServerConfig::policy);
    if policy.is_some_and(|policy| policy.keeps_workers)
        && let Err(error) = worker::pool::end_idle_workers(pool)
    {
        let text = format!(
            "confine: no thread to end idle workers ({error}): this child keeps none, and serves each request by a \
             one-time worker; raise the limit on threads (TasksMax, ulimit -u)"
        );
        log::server(main, Level::Error, &text);
    }
    if policy.is_some_and(|policy| !policy.rules.is_empty()) {
        expressions::child_begins();
    }
    if policy.is_none_or(|policy| policy.rules.is_empty() || policy.core_dumps) {
        return;
    }
    if let Err(errno) = hooks::forbid_dumps() {
        let why = confine::problem::errno_name(errno);
        let text =
            format!("confine: this child's memory can be read through /proc: it cannot be made so ({why})");
        log::server(main, Level::Warning, &text);
    }
}
