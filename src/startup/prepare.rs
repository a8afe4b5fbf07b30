//! Makes the policy from what is written.

use std::sync::{Arc, OnceLock};

use confine::{
    Origin,
    backends::Backends,
    lsm::{
        landlock::{Landlock, Missing},
        uid::{Uid, UserSettings},
    },
};

use crate::{
    config::{
        Faults, Gate, Policy, ServerConfig, Servers, Written, handlers::ContentHandlers, php::Php, rulesets,
    },
    httpd::{
        hooks::{self, RequestHook},
        hosts,
        php::HandlerHook,
        server::{Server, ServerId},
    },
    request::modules::{fastcgi, lua, scripts},
    startup::{
        compile::{Compiled, RuleCompiler},
        pools, running, trust,
    },
};

/// Handlers of this module that the server calls, as its list of handlers shows them.
#[derive(Clone, Copy)]
pub struct OwnHandlers {
    /// The gate before all content handlers.
    pub gate: RequestHook,
    /// The handler in place of PHP's.
    pub php: HandlerHook,
}

/// Makes all rules and what they need, and asks the kernel about each context. `backends` know where the server's
/// moves start.
pub fn policy(
    main: &Server<'_>,
    written: &Written,
    backends: Backends,
    handlers: OwnHandlers,
) -> Result<Policy, Faults> {
    let backends = Arc::new(backends);
    let servers = Servers::of(main);
    let Compiled { rules, mut maps, swaps, mut faults, mut warnings } =
        RuleCompiler::new(main, &servers, written, &backends).compile();
    let lua = or_fault(&mut faults, lua::scope(main)).flatten();
    // This comes before the handlers are listed, because it replaces PHP's handler.
    let php = or_fault(&mut faults, php_apart(main, written, handlers.php)).flatten();
    let trust::Found { faults: untrusted, warnings: trusted } = trust::examine(main, written);
    faults.extend(untrusted);
    warnings.extend(trusted);
    let nothing_of_lua = or_fault(&mut faults, scripts::nothing_of_lua(main)).flatten();
    faults.extend(written.per_context.iter().filter_map(|place| without_handler_gate(&servers, place)));
    let fcgi = or_fault(&mut faults, fastcgi::settings(main, !written.programs.is_empty())).flatten();
    faults.extend(pools::faults(main, written, &rules));
    warnings.extend(pools::in_maps(main, written, &rules, &mut maps));
    let content_handlers = or_fault(&mut faults, ContentHandlers::of(main, handlers.gate));
    let Some(content_handlers) = content_handlers.filter(|_| faults.is_empty()) else { return Err(faults) };
    Ok(Policy {
        rules,
        lists: written.lists.clone(),
        backends,
        maps,
        swaps,
        path_expressions: written.path_expressions.clone(),
        warnings,
        handlers: content_handlers,
        cgid: hooks::module_loaded(c"mod_cgid.c"),
        lua_hooks: written.lua_hooks,
        lua,
        nothing_of_lua,
        php,
        fcgi,
        core_dumps: written.core_dumps,
        keeps_workers: !written.per_context.is_empty(),
        watches: written.watches && !rulesets::specs(main, written).is_empty(),
        learned: OnceLock::new(),
    })
}

/// The value, or `None` with the fault noted.
fn or_fault<T>(faults: &mut Faults, result: Result<T, String>) -> Option<T> {
    result.map_err(|fault| faults.push(fault)).ok()
}

/// What keeps contexts apart in PHP, if there is any rule.
fn php_apart(main: &Server<'_>, written: &Written, handler: HandlerHook) -> Result<Option<Php>, String> {
    if written.rules.is_empty() {
        return Ok(None);
    }
    let php = Php::prepare(main)?;
    php.as_ref().map_or(Ok(()), |php| php.take_over(handler))?;
    Ok(php)
}

/// With the process gate a worker starts before the context that it will need is known.
fn without_handler_gate(servers: &Servers<'_>, (origin, server): &(Origin, ServerId)) -> Option<String> {
    let gate = servers.get(*server).as_ref().and_then(ServerConfig::of).map(ServerConfig::gate);
    (gate == Some(Gate::Process)).then(|| {
        format!(
            "{origin}: ConfineWorkers: per-context needs ConfineGate handler, under which the context is known \
             before the worker is chosen"
        )
    })
}

/// The backends as this process sees them, with the rulesets that are written, and what is written of users.
pub fn backends(main: &Server<'_>, written: &Written) -> Result<Backends, Faults> {
    let landlock = Landlock::made(rulesets::specs(main, written), missing(main))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Faults>());
    let mut backends = landlock.map(Backends::with)?;
    backends.put(Box::new(users(written)?));
    Ok(backends)
}

/// The users that processes may run as.
fn users(written: &Written) -> Result<Uid, Faults> {
    let users = &written.users;
    let settings = UserSettings {
        server: hosts::child_user().map(|user| user.id),
        has_processes: !written.programs.is_empty(),
        ..users.settings.clone()
    };
    Uid::new(settings).map_err(|problems| {
        let at = users.places.values().next().map(|origin| format!("{origin}: ")).unwrap_or_default();
        problems.iter().map(|problem| format!("{at}ConfineUsers: {problem}")).collect()
    })
}

/// What a missing path of a ruleset means. A running server survives it. So a process that reloads this server, or
/// checks its configuration before, must not fail either.
fn missing(main: &Server<'_>) -> Missing {
    let for_one_that_runs = || hooks::only_testing() && running::server_runs(main);
    if hooks::reads_again() || hooks::only_signals() || for_one_that_runs() {
        Missing::Refuse
    } else {
        Missing::Fault
    }
}
