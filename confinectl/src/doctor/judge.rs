//! Makes findings of facts. Touches nothing.
//!
//! What is wrong with an LSM is an error where the configuration uses that LSM, and a warning where it
//! does not or could not be read.

use confine::{context::BackendName, lsm::apparmor::Mode, php};

use super::{
    Diagnosis, Level,
    facts::{Config, Facts, Limits, Running, Selinux, Server, State, Tomoyo},
};

/// All there is to say.
pub fn judge(facts: &Facts) -> Diagnosis {
    let mut d = Diagnosis::default();
    let config = facts.server.as_ref().ok().and_then(|s| s.config.as_ref().ok());
    if let Some(release) = d.seen("kernel", "its release", &facts.kernel) {
        d.ok("kernel", format!("Linux {release}"));
    }
    if let Some(modules) = d.seen("kernel", "the active security modules", &facts.modules) {
        d.ok("kernel", format!("active security modules: {}", modules.join(",")));
    }
    backends(&mut d, facts, &Used::of(config));
    server(&mut d, &facts.server, facts.running.as_ref());
    if let Some(config) = config {
        self::config(&mut d, config);
    }
    limits(&mut d, &facts.limits, config);
    d
}

/// The backends that the configuration names.
struct Used(Vec<BackendName>);

impl Used {
    fn of(config: Option<&Config>) -> Self {
        let directives = config.and_then(|c| c.directives.as_ref().ok()).map_or(&[][..], Vec::as_slice);
        let is_used = |backend: &BackendName| {
            let prefix = format!("{backend}:");
            let default = config.and_then(|c| c.argument("ConfineBackend")).unwrap_or("selinux");
            let is_default = default.trim_matches('"') == backend.as_str();
            directives.iter().any(|(name, arguments)| {
                let name = name.to_ascii_lowercase();
                let gives = GIVES_CONTEXTS.contains(&&*name);
                let own = match *backend {
                    BackendName::SELINUX => name.starts_with("selinuxdomain"),
                    BackendName::TOMOYO => name.ends_with("_transitionmap"),
                    BackendName::LANDLOCK => name == "<confinelandlock",
                    _ => false,
                };
                let names_it = arguments.contains(&prefix);
                let names_any = BackendName::ALL.iter().any(|b| arguments.contains(&format!("{b}:")));
                own || gives && (names_it || is_default && !names_any && !arguments.starts_with("unconfined"))
            })
        };
        Self(BackendName::ALL.iter().copied().filter(is_used).collect())
    }

    /// How bad a fault of `backend` is.
    fn level(&self, backend: BackendName) -> Level {
        if self.0.contains(&backend) { Level::Error } else { Level::Warning }
    }
}

/// Directives whose arguments are contexts, or lead to some.
const GIVES_CONTEXTS: [&str; 6] =
    ["confinecontext", "confinemap", "confineenv", "confineexpr", "confineearly", "confineservercontext"];

fn backends(d: &mut Diagnosis, facts: &Facts, used: &Used) {
    let active = [
        state(d, used, BackendName::SELINUX, &facts.selinux, selinux),
        state(d, used, BackendName::TOMOYO, &facts.tomoyo, tomoyo),
        state(d, used, BackendName::APPARMOR, &facts.apparmor, |d, level, profiles| {
            apparmor(d, level, profiles, facts.running.as_ref());
        }),
        state(d, used, BackendName::LANDLOCK, &facts.landlock, |d, _, abi| landlock(d, *abi)),
    ];
    match &facts.libselinux {
        Ok(version) => d.ok("selinux", format!("libselinux {version}")),
        // Of interest only to those who run it.
        Err(why) if matches!(facts.selinux, State::Active(_)) => {
            d.unseen("selinux", "libselinux's version", why);
        }
        Err(_) => {}
    }
    if !active.contains(&true) {
        let remedy = "boot a kernel with one of them: Landlock needs no policy (landlock in lsm= on the kernel's \
                      command line)";
        d.mend(Level::Error, "kernel", "no LSM that could confine a request is active", remedy);
    }
}

/// Says what a backend's state is, and whether it may be active.
fn state<T>(
    d: &mut Diagnosis,
    used: &Used,
    backend: BackendName,
    state: &State<T>,
    more: impl FnOnce(&mut Diagnosis, Level, &T),
) -> bool {
    let area = backend.as_str();
    match state {
        State::Inactive(inactive) if used.0.contains(&backend) => {
            let text = format!("not active, and the configuration uses it: {}", inactive.why);
            d.mend(Level::Error, area, text, &*inactive.remedy);
        }
        State::Inactive(inactive) => {
            let remedy =
                format!("nothing, unless requests are to be confined by it; then {}", inactive.remedy);
            d.mend(Level::Note, area, format!("not active: {}", inactive.why), remedy);
        }
        State::Unseen(why) => d.unseen(area, "its policy", why),
        State::Active(facts) => more(d, used.level(backend), facts),
    }
    !matches!(state, State::Inactive(_))
}

fn selinux(d: &mut Diagnosis, level: Level, facts: &Selinux) {
    let area = "selinux";
    match d.seen(area, "whether it enforces", &facts.enforcing) {
        Some(true) => d.ok(area, "enforcing"),
        Some(false) => d.mend(
            level,
            area,
            "permissive: the kernel logs and refuses nothing, so no context confines anything",
            "run setenforce 1, and set SELINUX=enforcing in /etc/selinux/config",
        ),
        None => {}
    }
    let Some(policy) = d.seen(area, "what its policy says", &facts.policy) else { return };
    d.ok(area, format!("a policy is loaded; the kernel reads policies up to version {}", policy.version));
    let context = &facts.context;
    if !policy.knows_server {
        let remedy = "install a policy with a domain for the server (selinux-policy-default on Debian, \
                      selinux-policy-targeted on Fedora), or give the server's context with --server-context";
        d.mend(level, area, format!("the policy does not know the server's context {context}"), remedy);
        return;
    }
    match &policy.missing {
        Some(rule) => d.mend(
            level,
            area,
            format!("no thread of a server in {context} may move"),
            format!("add to the policy: {rule}, or install conf/selinux/mod_confine.cil, which has it"),
        ),
        None => d.ok(area, format!("threads of a server in {context} may set their context")),
    }
    let domain = context.split(':').nth(2).unwrap_or(context);
    if policy.permissive {
        let remedy = format!("run semanage permissive -d {domain}");
        d.mend(level, area, format!("the server's domain {domain} is permissive"), remedy);
    }
    match policy.categories {
        Some(true) => d.ok(area, format!("categories are enforced for {domain}")),
        Some(false) => d.mend(
            Level::Note,
            area,
            format!(
                "the policy does not enforce categories for {domain}: contexts that differ only in their range, as in \
                 *:s0:c1, confine nothing"
            ),
            format!(
                "nothing, unless such contexts are used; then add (typeattributeset mcs_constrained_type ({domain})) \
                 to the policy"
            ),
        ),
        None => d.note(area, "the policy has no ranges: contexts are told apart by their domain alone"),
    }
}

fn tomoyo(d: &mut Diagnosis, level: Level, facts: &Tomoyo) {
    let area = "tomoyo";
    let domain = &facts.domain;
    if facts.is_known {
        d.ok(
            area,
            format!("the policy has the server's domain {domain}, which may move to {} others", facts.ways),
        );
    } else {
        let remedy = "start the server once under TOMOYO, load conf/tomoyo/domain_policy.conf as an example has it, \
                      or name the server's domain with --server-domain";
        d.mend(level, area, format!("the policy does not hold the server's domain {domain}"), remedy);
    }
    for finding in &facts.findings {
        match finding.rsplit_once("; ") {
            Some((text, remedy)) => d.mend(level, area, text, remedy),
            None => d.note(area, finding),
        }
    }
}

/// How many names a sentence lists.
const SOME: usize = 8;

fn listed(names: &[&str]) -> String {
    let more = if names.len() > SOME { format!(" and {} more", names.len() - SOME) } else { String::new() };
    format!("{}{more}", names[..names.len().min(SOME)].join(", "))
}

fn apparmor(d: &mut Diagnosis, level: Level, profiles: &[(String, Mode)], running: Option<&Running>) {
    let area = "apparmor";
    let of = |mode| -> Vec<&str> {
        profiles.iter().filter(|(_, m)| *m == mode).map(|(name, _)| &**name).collect()
    };
    if profiles.is_empty() {
        d.mend(
            level,
            area,
            "active, and no profile is loaded",
            "load some: apparmor_parser --replace FILE, or systemctl start apparmor",
        );
        return;
    }
    d.ok(area, format!("active, {} profiles enforce", of(Mode::Enforces).len()));
    let complain = of(Mode::Complain);
    if !complain.is_empty() {
        // Which of them requests use is in the rules; those are checked when the server starts.
        d.mend(
            Level::Warning,
            area,
            format!("in complain mode, so they confine nothing: {}", listed(&complain)),
            "run aa-enforce NAME once the profile is complete, for each that a rule uses",
        );
    }
    let Some(label) = running.and_then(|r| r.label.as_deref()) else { return };
    if label == "unconfined" {
        d.mend(
            Level::Note,
            area,
            "the running server has no profile",
            "nothing is needed for moves; a profile for the server (conf/apparmor) also limits what is not a request",
        );
    }
}

/// What ABIs brought, each with its Linux (kernel: Documentation/userspace-api/landlock.rst). 7 and 8 brought no right.
const LANDLOCK: [(u32, &str, &str); 7] = [
    (1, "5.13", "files"),
    (2, "5.19", "renaming and linking between folders"),
    (3, "6.2", "truncating files"),
    (4, "6.7", "TCP ports (LandlockConnect, LandlockBind)"),
    (5, "6.10", "device commands"),
    (6, "6.12", "signals and abstract sockets (LandlockScope)"),
    (9, "7.1", "connecting to UNIX sockets that are files (databases, php-fpm, D-Bus)"),
];

fn landlock(d: &mut Diagnosis, abi: u32) {
    let area = "landlock";
    let lacking: Vec<_> = LANDLOCK.iter().filter(|(since, ..)| *since > abi).collect();
    let Some((_, release, _)) = lacking.last() else {
        d.ok(area, format!("ABI {abi}: restricts all that rulesets can say"));
        return;
    };
    let what: Vec<_> = lacking.iter().map(|(.., what)| *what).collect();
    let level = if abi < 3 { Level::Warning } else { Level::Note };
    let remedy = format!(
        "boot Linux {release} or newer, if rulesets are to restrict these; until then let file modes and the services \
         themselves (passwords) keep the server's user out"
    );
    d.mend(level, area, format!("ABI {abi}: cannot restrict {}", what.join(", ")), remedy);
}

fn server(d: &mut Diagnosis, server: &super::facts::Seen<Server>, running: Option<&Running>) {
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
    d.seen(area, "the configuration", &server.config);
}

/// Modules that run content in other processes, and what to do about them.
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

fn config(d: &mut Diagnosis, config: &Config) {
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
        // Loaded from no file: built in, and then listed under its own name.
        None => d.note(area, "the MPM is built in under a name that is not known"),
    }
    for (module, level, text, remedy) in OTHER_PROCESSES {
        if config.has(module) {
            d.mend(level, area, format!("{module} is loaded: {text}"), remedy);
        }
    }
    php_threads(d, config);
    php_in_contexts(d, config);
    d.seen(area, "the directives", &config.directives);
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

/// What contexts share in PHP, and mail.
fn php_in_contexts(d: &mut Diagnosis, config: &Config) {
    if config.php_threads.is_none() || !config.has("confine_module") {
        return;
    }
    if config.has_several_contexts() {
        d.mend(Level::Note, "php", php::SHARED, php::SHARED_REMEDY);
    }
    let by_landlock = config.directives.iter().flatten().any(|(name, _)| is(name, "<ConfineLandlock"));
    if let Some(text) = config.mail_fails.as_ref().filter(|_| by_landlock) {
        d.mend(Level::Warning, "php", text, php::MAIL_REMEDY);
    }
}

fn is(name: &str, directive: &str) -> bool {
    name.eq_ignore_ascii_case(directive)
}

/// MaxRequestWorkers where it is not written (httpd: server/mpm/event, worker and prefork).
fn requests_at_once(config: Option<&Config>) -> u64 {
    let written = config.and_then(|c| c.argument("MaxRequestWorkers").or_else(|| c.argument("MaxClients")));
    let default = if config.and_then(Config::mpm) == Some("prefork") { 256 } else { 400 };
    written.and_then(|n| n.trim_matches('"').parse().ok()).unwrap_or(default)
}

fn limits(d: &mut Diagnosis, limits: &Limits, config: Option<&Config>) {
    let area = "limits";
    // Each request has the server's thread and its own.
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
    if let Ok(Some((place, max))) = &limits.group {
        compare(place.clone(), *max, format!("raise TasksMax= of the unit to {needed} or more"));
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

#[cfg(test)]
mod tests;
