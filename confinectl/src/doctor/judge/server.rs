//! Findings about the server: its configuration, the modules beside this one, PHP, and limits of threads.

use confine::{hints, php};

use super::super::{
    Diagnosis, Level,
    facts::{Config, Running, Seen, Server, ThreadLimits, Unseen},
};

pub fn server(d: &mut Diagnosis, server: &Seen<Server>, running: Option<&Running>) {
    let area = "httpd";
    let Some(server) = d.seen(area, "the server", server) else { return };
    if let Some(version) = d.seen(area, "the version", &server.version) {
        d.ok(area, format!("{}: {version}", server.program));
    }
    match running {
        Some(Running { pid, label }) => {
            let label = label.as_ref().map_or_else(String::new, |l| format!(", labelled {l}"));
            d.ok(area, format!("runs as process {pid}{label}"));
        }
        None => d.note(area, "no server runs; its limits are those of its unit, where systemd has one"),
    }
    match &server.config {
        Err(Unseen { why, .. }) if server.refuses => d.mend(
            Level::Error,
            area,
            format!("the server does not start with its configuration: {why}"),
            "correct it; confinectl check names file and line, and shows what else is wrong",
        ),
        config => {
            d.seen(area, "the configuration", config);
        }
    }
}

/// Modules that make content in other processes, and what to do about them.
const OTHER_PROCESSES: [(&str, Level, &str, &str); 14] = [
    (
        "cgid_module",
        Level::Warning,
        "mod_cgid's programs do not inherit a request's context; under a rule they are refused",
        "load mod_cgi instead (Debian: a2dismod cgid, a2enmod cgi), or write ConfineOutOfProcess allow",
    ),
    ("fcgid_module", Level::Warning, PROGRAMS, "use mod_cgi, or write ConfineOutOfProcess allow"),
    ("fastcgi_module", Level::Warning, PROGRAMS, "use mod_cgi, or write ConfineOutOfProcess allow"),
    ("proxy_fcgi_module", Level::Warning, PROXIED, PROXY),
    ("proxy_scgi_module", Level::Warning, PROXIED, PROXY),
    ("proxy_uwsgi_module", Level::Warning, PROXIED, PROXY),
    ("proxy_ajp_module", Level::Warning, PROXIED, PROXY),
    ("proxy_http_module", Level::Note, PROXIED, PROXY),
    ("proxy_http2_module", Level::Note, PROXIED, PROXY),
    (
        "wsgi_module",
        Level::Note,
        "where WSGIDaemonProcess is set, mod_wsgi's applications do not inherit a request's context; under a rule \
         they are refused",
        "run them embedded, without WSGIDaemonProcess, or write ConfineOutOfProcess allow",
    ),
    ("jk_module", Level::Warning, PROXIED, PROXY),
    ("uwsgi_module", Level::Warning, PROXIED, PROXY),
    ("scgi_module", Level::Warning, PROXIED, PROXY),
    ("passenger_module", Level::Warning, PROXIED, PROXY),
];

const PROGRAMS: &str = "its programs do not inherit a request's context; under a rule they are refused";
const PROXIED: &str =
    "a backend behind it runs with its own rights, not in a request's context; under a rule it is refused";
const PROXY: &str = "confine that process by its own means and write ConfineOutOfProcess allow there";

pub fn config(d: &mut Diagnosis, config: &Config) {
    let area = "httpd";
    if config.has("confine_module") {
        d.ok(area, "confine_module is loaded");
    } else {
        let remedy = "add LoadModule confine_module and the path of mod_confine.so to the configuration (Debian: \
                      a2enmod confine), or name the configuration with --config";
        d.mend(Level::Error, area, "confine_module is not loaded: no request is confined", remedy);
    }
    match config.mpm() {
        Some(mpm @ ("event" | "worker" | "prefork")) => d.ok(area, format!("MPM {mpm}")),
        Some(mpm) => d.mend(
            Level::Error,
            area,
            format!("MPM {mpm} is not one that mod_confine is made for"),
            "load mpm_event, mpm_worker or mpm_prefork",
        ),
        // This MPM was loaded from no file. It is built in, and listed under its own name.
        None => d.note(area, "the MPM is built in under a name that is not known"),
    }
    for (module, level, text, remedy) in OTHER_PROCESSES {
        // Where there are pools, it is what leads to them.
        let leads_to_pools = module == "proxy_fcgi_module" && !config.pools.is_empty();
        if config.has(module) && !leads_to_pools {
            d.mend(level, area, format!("{module} is loaded: {text}"), remedy);
        }
    }
    let per_context = config.argument("ConfineWorkers").is_some_and(|words| words.starts_with("per-context"));
    if config.has("wsgi_module") && config.has("confine_module") && !per_context {
        d.mend(Level::Note, area, hints::WSGI_ONE_TIME, hints::WSGI_REMEDY);
    }
    suexec(d, config);
    php_threads(d, config);
    php_in_contexts(d, config);
    d.seen(area, "the directives", &config.directives);
}

/// A move by Landlock takes set-user-ID away, and suexec's message says nothing of that.
fn suexec(d: &mut Diagnosis, config: &Config) {
    let has = |wanted: &str| config.directives.iter().flatten().any(|(name, _)| is(name, wanted));
    if has("SuexecUserGroup") && has("<ConfineLandlock") {
        d.mend(
            Level::Warning,
            "httpd",
            "SuexecUserGroup beside Landlock rulesets: under a ruleset suexec has no privilege, and its programs are \
             answered with 500 (\"suexec failure: could not open log file\")",
            "take SuexecUserGroup out of the hosts that such rules are for, or confine these by SELinux or AppArmor",
        );
    }
}

fn php_threads(d: &mut Diagnosis, config: &Config) {
    let Some(threads) = &config.php_threads else { return };
    let Some(threads) = d.seen("php", "whether it was built for threads", threads) else { return };
    match (threads, config.mpm()) {
        (false, Some(mpm @ ("event" | "worker"))) => d.mend(
            Level::Error,
            "php",
            format!("mod_php is not built for threads, and MPM {mpm} runs requests in several at once"),
            "load mpm_prefork (Debian: a2dismod mpm_event, a2enmod mpm_prefork), or a PHP built with --enable-zts",
        ),
        (false, _) => d.ok("php", "mod_php, not built for threads, with one request a process"),
        (true, _) => d.ok("php", "mod_php, built for threads"),
    }
}

/// Findings about what contexts share in PHP, and about mail.
fn php_in_contexts(d: &mut Diagnosis, config: &Config) {
    if config.php_threads.is_none() || !config.has("confine_module") {
        return;
    }
    if config.has_several_contexts() {
        d.mend(Level::Note, "php", php::SHARED, php::SHARED_REMEDY);
    }
    let by_landlock = config.directives.iter().flatten().any(|(name, _)| is(name, "<ConfineLandlock"));
    if by_landlock && !config.grants_time_zones() {
        d.mend(
            Level::Note,
            "php",
            "no ruleset grants time zones: PHP that is built to use the system's ends the child in date() without them",
            "write LandlockInclude php in the rulesets of PHP; confinectl check tells each",
        );
    }
    for (ruleset, path) in config.written_only() {
        let (text, remedy) = hints::written_only(&ruleset, &path);
        d.mend(Level::Note, "php", text, remedy);
    }
    if let Some(text) = config.mail_fails.as_ref().filter(|_| by_landlock) {
        d.mend(Level::Warning, "php", text, php::MAIL_REMEDY);
    }
}

fn is(name: &str, directive: &str) -> bool {
    name.eq_ignore_ascii_case(directive)
}

/// MaxRequestWorkers, or its default (httpd: server/mpm/event, worker and prefork).
fn requests_at_once(config: Option<&Config>) -> u64 {
    let written = config.and_then(|c| c.argument("MaxRequestWorkers").or_else(|| c.argument("MaxClients")));
    let default = if config.and_then(Config::mpm) == Some("prefork") { 256 } else { 400 };
    written.and_then(|n| n.trim_matches('"').parse().ok()).unwrap_or(default)
}

pub fn limits(d: &mut Diagnosis, limits: &ThreadLimits, config: Option<&Config>) {
    let area = "limits";
    // Each request needs the server's thread and a thread of its own.
    let needed = requests_at_once(config) * 2;
    let mut compare = |what: String, limit: u64, raise: String| {
        if limit < needed {
            let text = format!(
                "{what} allows {limit} threads, and {} requests at once take {needed}: those above it get 503",
                needed / 2
            );
            d.mend(Level::Warning, area, text, raise);
        } else {
            d.ok(
                area,
                format!("{what} allows {limit} threads; {} requests at once take {needed}", needed / 2),
            );
        }
    };
    if let Ok(max) = limits.threads_max {
        compare("the machine (threads-max)".to_owned(), max, "raise sysctl kernel.threads-max".to_owned());
    }
    if let Ok(Some(max)) = limits.processes {
        compare(
            "the server's user (ulimit -u)".to_owned(),
            max,
            "raise LimitNPROC= of the server's unit, or ulimit -u where it is started".to_owned(),
        );
    }
    let of_pools: u64 =
        config.into_iter().flat_map(|config| &config.pools).map(|program| program.total).sum();
    if let Ok(Some((place, max))) = &limits.group {
        compare(place.clone(), *max, format!("raise TasksMax= of the unit to {needed} or more"));
    }
    if let Ok(Some((place, max))) = limits.group.as_ref().map(|group| group.as_ref().filter(|_| of_pools > 0))
    {
        if *max < needed + of_pools {
            let text = format!(
                "{place} allows {max} threads and processes, and pools may have {of_pools} beside {needed}"
            );
            let remedy =
                format!("raise TasksMax= of the unit to {} or more, or lower Total", needed + of_pools);
            d.mend(Level::Warning, area, text, remedy);
        }
    }
    if matches!(limits.processes, Ok(None)) {
        d.ok(area, "the server's user has no limit of threads (ulimit -u)");
    }
    if matches!(limits.group, Ok(None)) {
        d.ok(area, "the server's control group has no limit of threads (TasksMax)");
    }
    d.seen(area, "threads of the machine", &limits.threads_max);
    d.seen(area, "threads of the server's user", &limits.processes);
    d.seen(area, "threads of the server's control group", &limits.group);
    let Some(config) = config.filter(|c| c.directives.is_ok()) else { return };
    let bytes = config.argument("ThreadStackSize").and_then(|size| size.parse().ok());
    if let Some((text, remedy)) = bytes.filter(|_| config.php_threads.is_some()).and_then(hints::php_stack) {
        d.mend(Level::Warning, area, text, remedy);
        return;
    }
    match config.argument("ThreadStackSize") {
        Some(size) => d.ok(area, format!("ThreadStackSize {size}")),
        None => d.mend(
            Level::Note,
            area,
            "ThreadStackSize is not set: each request's thread gets a stack of the system's size (ulimit -s, most \
             often 8 MB), which the C library does not keep for the next one when many run at once",
            "write ThreadStackSize 1048576, or what the application needs",
        ),
    }
}
