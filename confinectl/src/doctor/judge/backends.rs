//! Findings about the kernel's security modules.

use confine::{
    BackendName,
    lsm::{Inactive, apparmor::Mode, landlock},
    problem::Problem,
};

use super::super::{
    Diagnosis, Level,
    facts::{Config, Facts, Presence, Running, Seen, Selinux, Tomoyo},
};

/// The backends that the configuration names.
pub struct Used(Vec<BackendName>);

impl Used {
    /// Reads them from the directives that give contexts.
    pub fn of(config: Option<&Config>) -> Self {
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

    /// How serious a fault of `backend` is.
    fn level(&self, backend: BackendName) -> Level {
        if self.0.contains(&backend) { Level::Error } else { Level::Warning }
    }
}

/// Directives whose arguments are contexts, or name files with contexts.
const GIVES_CONTEXTS: [&str; 6] =
    ["confinecontext", "confinemap", "confineenv", "confineexpr", "confineearly", "confineservercontext"];

/// Judges every backend, and whether any of them is active.
pub fn backends(d: &mut Diagnosis, facts: &Facts, used: &Used) {
    let not_listed = not_listed(facts);
    let mut active = vec![
        state(d, used, BackendName::SELINUX, &facts.selinux, selinux),
        state(d, used, BackendName::TOMOYO, not_listed.as_ref().unwrap_or(&facts.tomoyo), tomoyo),
        state(d, used, BackendName::APPARMOR, &facts.apparmor, |d, level, profiles| {
            apparmor(d, level, profiles, facts.running.as_ref());
        }),
        state(d, used, BackendName::LANDLOCK, &facts.landlock, |d, _, abi| rulesets(d, *abi, &facts.audit)),
    ];
    for (backend, found) in &facts.others {
        active.push(state(d, used, *backend, found, |d, _, ()| d.ok(backend.as_str(), "active".to_owned())));
    }
    match &facts.libselinux {
        Ok(version) => d.ok("selinux", format!("libselinux {version}")),
        // This only matters on a machine that runs SELinux.
        Err(why) if matches!(facts.selinux, Presence::Active(_)) => {
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

/// TOMOYO's interface is in securityfs, which may not be mounted. If the kernel lists its modules, and TOMOYO is not
/// among them, mounting securityfs would not help.
fn not_listed(facts: &Facts) -> Option<Presence<Tomoyo>> {
    let modules = facts.modules.as_ref().ok()?;
    let is_listed = modules.iter().any(|module| module == "tomoyo");
    (matches!(facts.tomoyo, Presence::Inactive(_)) && !is_listed).then(|| {
        Presence::Inactive(Inactive {
            backend: BackendName::TOMOYO,
            problem: Problem::new(
                "it is not among the active security modules",
                "boot with tomoyo in lsm= on the kernel's command line; this takes a kernel with \
                 CONFIG_SECURITY_TOMOYO=y and the package tomoyo-tools",
            ),
        })
    })
}

/// Says the state of a backend, and whether it is active.
fn state<T>(
    d: &mut Diagnosis,
    used: &Used,
    backend: BackendName,
    state: &Presence<T>,
    more: impl FnOnce(&mut Diagnosis, Level, &T),
) -> bool {
    let area = backend.as_str();
    match state {
        Presence::Inactive(inactive) if used.0.contains(&backend) => {
            let text = format!("not active, and the configuration uses it: {}", inactive.problem.why);
            d.mend(Level::Error, area, text, &*inactive.problem.remedy);
        }
        Presence::Inactive(inactive) => {
            let remedy = format!(
                "nothing, unless requests are to be confined by it; then {}",
                inactive.problem.remedy
            );
            d.mend(Level::Note, area, format!("not active: {}", inactive.problem.why), remedy);
        }
        Presence::Unseen(why) => d.unseen(area, "its policy", why),
        Presence::Active(facts) => more(d, used.level(backend), facts),
    }
    !matches!(state, Presence::Inactive(_))
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

/// How many names a sentence lists at most.
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
        // The rules say which of them requests use. These are checked when the server starts.
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

/// What each ABI added, with its version of Linux (kernel: Documentation/userspace-api/landlock.rst). ABIs 7 and 8
/// added no right.
const LANDLOCK: [(u32, &str, &str); 7] = [
    (1, "5.13", "files"),
    (2, "5.19", "renaming and linking between folders"),
    (3, "6.2", "truncating files"),
    (4, "6.7", "TCP ports (LandlockConnect, LandlockBind)"),
    (5, "6.10", "device commands"),
    (6, "6.12", "signals and abstract sockets (LandlockScope)"),
    (9, "7.1", "connecting to UNIX sockets that are files (databases, php-fpm, D-Bus)"),
];

fn rulesets(d: &mut Diagnosis, abi: u32, audit: &Seen<bool>) {
    restricts(d, abi);
    refusals(d, abi, audit);
}

/// Says how one sees what rulesets refuse.
fn refusals(d: &mut Diagnosis, abi: u32, audit: &Seen<bool>) {
    let area = "landlock";
    let log = "refusals stand in the error log where ConfineExplain is on";
    match audit {
        _ if abi < landlock::AUDITS => {
            d.ok(area, format!("{log}; Linux 6.15 and newer write them into the audit log, too"))
        }
        Ok(true) => d.ok(
            area,
            format!(
                "{log}, and in the audit log: ausearch --message LANDLOCK_ACCESS --start recent (or dmesg)"
            ),
        ),
        Ok(false) => d.mend(
            Level::Note,
            area,
            format!("audit is off; {log}"),
            "auditctl -e 1, or audit=1 on the kernel's command line, if they are to be in the audit log, too",
        ),
        Err(unseen) => d.mend(Level::Note, area, format!("{log}; {}", unseen.why), unseen.remedy.clone()),
    }
}

/// Says what rulesets cannot restrict here.
fn restricts(d: &mut Diagnosis, abi: u32) {
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
