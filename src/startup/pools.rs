//! What stands in the way of pools of processes, as far as the configuration shows it before the first request.

use std::ffi::CStr;

use confine::{Origin, policy::decide::Rule, pool::takes_a_pools_host};

use crate::{
    config::{
        WatchedMap, Written,
        fastcgi::{HANDLER, Program},
    },
    describe::pool_contexts::{faults_of_handlers, note_programs, of_map},
    httpd::{config_tree, expression::Expression, hooks, server::Server},
};

/// All of it. `rules` are those of the configuration, if all of them could be made.
pub fn faults(main: &Server<'_>, written: &Written, rules: &[Rule<Expression>]) -> Vec<String> {
    let mut faults = without_section(main, written);
    let Some(first) = written.programs.first() else { return faults };
    faults.extend(of_the_server(written, first));
    faults.extend(workers_that_match(main));
    if rules.len() == written.rules.len() {
        faults.extend(faults_of_handlers(main, written, rules));
    }
    faults
}

/// What stands in the way of pools in the contexts of maps. Each map has its programs noted, for when it changes.
pub fn in_maps(
    main: &Server<'_>,
    written: &Written,
    rules: &[Rule<Expression>],
    maps: &mut [WatchedMap],
) -> Vec<String> {
    if rules.len() < written.rules.len() {
        return Vec::new();
    }
    note_programs(main, written, rules, maps);
    maps.iter().flat_map(of_map).collect()
}

/// Handlers that lead to a section which is not there.
fn without_section(main: &Server<'_>, written: &Written) -> Vec<String> {
    let known: Vec<_> = written.programs.iter().map(|program| &*program.name).collect();
    let remedy = match known[..] {
        [] => String::new(),
        _ => format!(", or one of: {}", known.join(", ")),
    };
    let of_directive = |directive: &'static CStr, handler: fn(&config_tree::Line) -> Option<String>| {
        let lines = config_tree::lines(main, directive).into_iter();
        lines.filter_map(move |line| {
            let handler = handler(&line)?;
            let name = handler.strip_prefix(HANDLER).or((handler == "confine-fastcgi").then_some(""))?;
            Some((directive, line.origin, handler.clone(), name.to_owned()))
        })
    };
    let all = of_directive(c"SetHandler", first_word)
        .chain(of_directive(c"AddHandler", first_word))
        .chain(of_directive(c"RewriteRule", handler_of_rewrite));
    let missing = all.filter(|(.., name)| !known.contains(&name.as_str()));
    let fault = |(directive, origin, handler, name): (&CStr, Origin, String, String)| {
        let directive = directive.to_string_lossy();
        if name.is_empty() {
            return format!("{origin}: {directive} {handler}: names no section; write {HANDLER}NAME{remedy}");
        }
        format!(
            "{origin}: {directive} {handler}: there is no section <ConfineFastCGI {name}>; write one{remedy}"
        )
    };
    missing.map(fault).collect()
}

fn first_word(line: &config_tree::Line) -> Option<String> {
    line.words.first().map(|word| word.to_string_lossy().into_owned())
}

/// The handler that a `RewriteRule` sets with its flag `H=`.
fn handler_of_rewrite(line: &config_tree::Line) -> Option<String> {
    let flags = line.words.get(2)?.to_str().ok()?.strip_prefix('[')?.strip_suffix(']')?;
    let value = |flag: &str| {
        let (name, value) = flag.trim().split_once('=')?;
        ["H", "handler"].iter().any(|own| own.eq_ignore_ascii_case(name)).then(|| value.to_owned())
    };
    flags.split(',').find_map(value)
}

/// What does not go together with any pool.
fn of_the_server(written: &Written, program: &Program) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault =
        |why: &str| faults.push(format!("{}: <ConfineFastCGI {}>: {why}", program.origin, program.name));
    if hooks::started_by() != 0 {
        fault(
            "needs a server that root starts: only then can the sockets of pools be out of reach for the programs \
             themselves, which run as the same user",
        );
    }
    if written.core_dumps {
        fault(
            "does not go together with ConfineCoreDumps on, under which a program can reach the descriptors of the \
             server's children (/proc), and by them the sockets of other pools; take one of the two away",
        );
    }
    let loaded = IN_PROCESS.iter().filter(|module| hooks::module_loaded(module));
    let loaded: Vec<_> = loaded.map(|m| m.to_string_lossy().trim_end_matches(".c").to_owned()).collect();
    if !loaded.is_empty() {
        fault(&format!(
            "does not go together with {}: scripts that run in the server's own processes can use their descriptors by \
             number (php://fd/N), and so find the way to the pools; take that module out, and serve its scripts by a \
             program of this kind",
            loaded.join(", ")
        ));
    }
    faults
}

/// Interpreters in the server's process whose scripts reach descriptors of it, or connect to sockets. mod_lua's have no
/// way to either: see [`super::trust`].
const IN_PROCESS: [&CStr; 9] = [
    c"mod_php.c",
    c"mod_php5.c",
    c"mod_php7.c",
    c"mod_perl.c",
    c"mod_python.c",
    c"mod_ruby.c",
    c"mod_tcl.c",
    c"mod_wsgi.c",
    c"mod_passenger.c",
];

/// Workers of mod_proxy that the configuration defines, and that mod_proxy would take for the way to a pool: it looks
/// for one by the name of the host, and a worker's own socket wins (modules/proxy/proxy_util.c, ap_proxy_get_worker).
fn workers_that_match(main: &Server<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    for directive in [c"<Proxy", c"<ProxyMatch", c"ProxyPass", c"ProxyPassMatch", c"BalancerMember"] {
        for line in config_tree::lines(main, directive) {
            let words = line.words.iter().map(|word| word.to_string_lossy());
            for word in words.filter(|word| takes_a_pools_host(word)) {
                faults.push(format!(
                    "{}: {} {word}: mod_proxy would lead requests of <ConfineFastCGI> here and not to their pools; \
                     write the name of the backend's own host",
                    line.origin,
                    directive.to_string_lossy()
                ));
            }
        }
    }
    faults
}
