use confine::{
    BackendName,
    lsm::{Inactive, apparmor::Mode, selinux::ServerPolicy},
    problem::Problem,
};

use super::{
    super::{
        Level,
        facts::{Config, Presence, Running, Seen, Selinux, Server, ThreadLimits, Tomoyo, Unseen},
        pools::PoolProgram,
    },
    *,
};

fn hidden<T>() -> Seen<T> {
    Err(Unseen::new("hidden", "look"))
}

fn inactive<T>(backend: BackendName) -> Presence<T> {
    Presence::Inactive(Inactive {
        backend,
        problem: Problem { why: "not built in".into(), errno: None, remedy: "build it in".into() },
    })
}

fn config(modules: &[&str], directives: &[(&str, &str)]) -> Config {
    Config {
        modules: modules.iter().map(|m| ((*m).to_owned(), None)).collect(),
        directives: Ok(directives.iter().map(|(n, a)| ((*n).to_owned(), (*a).to_owned())).collect()),
        php_threads: None,
        pools: Vec::new(),
        mail_fails: None,
    }
}

/// A machine with Landlock and a server that uses nothing.
fn machine() -> Facts {
    let config = config(&["confine_module", "mpm_event_module"], &[("ThreadStackSize", "262144")]);
    Facts {
        kernel: Ok("6.12.1".into()),
        modules: Ok(vec!["capability".into(), "landlock".into()]),
        selinux: inactive(BackendName::SELINUX),
        libselinux: hidden(),
        others: Vec::new(),
        tomoyo: inactive(BackendName::TOMOYO),
        apparmor: inactive(BackendName::APPARMOR),
        landlock: Presence::Active(6),
        audit: Ok(true),
        server: Ok(Server {
            program: "/usr/sbin/httpd".into(),
            version: Ok("Apache/2.4.66".into()),
            config: Ok(config),
            refuses: false,
        }),
        running: None,
        limits: ThreadLimits { threads_max: Ok(10_000), processes: Ok(None), group: Ok(None) },
    }
}

#[test]
fn suexec_under_landlock_is_warned_of() {
    let both = [("SuexecUserGroup", "alice alice"), ("<ConfineLandlock", "site>")];
    for (directives, wanted) in [(&both[..], Some(Level::Warning)), (&both[..1], None), (&both[1..], None)] {
        assert_eq!(level(&with(config(&["confine_module"], directives)), "suexec has no privilege"), wanted);
    }
}

#[test]
fn mpm_itk_is_prefork() {
    let facts = with(config(&["confine_module", "mpm_itk_module", "mpm_prefork_module"], &[]));
    assert_eq!(level(&facts, "MPM prefork"), Some(Level::Ok));
    assert_eq!(level(&facts, "MPM itk"), None);
}

#[test]
fn a_configuration_with_which_the_server_does_not_start_is_an_error() {
    let mut facts = machine();
    let server = facts.server.as_mut().expect("a server");
    server.config = Err(Unseen::new("Invalid command 'Konfine'", "look"));
    assert_eq!(level(&facts, "does not start"), None);
    facts.server.as_mut().expect("a server").refuses = true;
    assert_eq!(level(&facts, "does not start with its configuration: Invalid"), Some(Level::Error));
    assert!(judge(&facts).not_seen.iter().all(|(_, what, _)| *what != "the configuration"));
}

fn with(config: Config) -> Facts {
    let mut facts = machine();
    facts.server.as_mut().expect("a server").config = Ok(config);
    facts
}

/// The levels and texts of findings that contain `text`.
fn about(facts: &Facts, text: &str) -> Vec<(Level, String)> {
    let found = judge(facts).findings.into_iter().filter(|f| f.text.contains(text));
    found.map(|f| (f.level, f.text)).collect()
}

fn level(facts: &Facts, text: &str) -> Option<Level> {
    let found = about(facts, text);
    assert!(found.len() < 2, "{found:?}");
    found.first().map(|f| f.0)
}

fn policy() -> ServerPolicy {
    ServerPolicy { version: 33, knows_server: true, permissive: false, missing: None, categories: Some(true) }
}

fn selinux(enforcing: bool, policy: ServerPolicy) -> Presence<Selinux> {
    Presence::Active(Selinux {
        context: "system_u:system_r:httpd_t:s0".into(),
        enforcing: Ok(enforcing),
        policy: Ok(policy),
    })
}

#[test]
fn a_machine_in_order_has_nothing_to_mend() {
    let d = judge(&machine());
    assert_eq!((d.count(Level::Error), d.count(Level::Warning), d.not_seen.len()), (0, 0, 0));
    assert!(d.findings.iter().filter(|f| f.level > Level::Note).all(|f| f.remedy.is_some()));
}

#[test]
fn every_fault_has_a_remedy_and_what_is_hidden_is_said() {
    let mut facts = machine();
    facts.landlock = inactive(BackendName::LANDLOCK);
    facts.kernel = hidden();
    facts.modules = hidden();
    facts.server = hidden();
    facts.limits = ThreadLimits { threads_max: hidden(), processes: hidden(), group: hidden() };
    let d = judge(&facts);
    assert_eq!(d.not_seen.len(), 6);
    assert_eq!(level(&facts, "no LSM that could confine"), Some(Level::Error));
    assert!(d.findings.iter().filter(|f| f.level > Level::Note).all(|f| f.remedy.is_some()));
}

#[test]
fn a_policy_that_root_alone_may_read_is_no_missing_lsm() {
    let mut facts = machine();
    facts.landlock = inactive(BackendName::LANDLOCK);
    facts.tomoyo = Presence::Unseen(Unseen::new("Permission denied", "run this as root"));
    assert_eq!(level(&facts, "no LSM that could confine"), None);
    assert_eq!(judge(&facts).not_seen[0].0, "tomoyo");
}

#[test]
fn a_fault_is_an_error_where_the_configuration_uses_the_lsm() {
    for (directive, arguments, wanted) in [
        ("ConfineContext", "httpd_dog_t:s0", Level::Error),
        ("ConfineMap", "/etc/x.map", Level::Error),
        ("selinuxDomainVal", "x", Level::Error),
        ("ConfineContext", "landlock:x", Level::Note),
        ("ConfineContext", "unconfined", Level::Note),
        ("ServerName", "selinux:x", Level::Note),
    ] {
        let facts = with(config(&["confine_module"], &[(directive, arguments)]));
        let found = judge(&facts).findings.into_iter().find(|f| f.area == "selinux").expect("a finding");
        assert_eq!(found.level, wanted, "{directive} {arguments}");
    }
    let directives = [("ConfineBackend", "apparmor"), ("ConfineContext", "dog")];
    let facts = with(config(&["confine_module"], &directives));
    let levels: Vec<_> = judge(&facts).findings.iter().map(|f| (f.area, f.level)).collect();
    assert!(levels.contains(&("apparmor", Level::Error)) && levels.contains(&("selinux", Level::Note)));
}

#[test]
fn the_module_must_be_loaded() {
    assert_eq!(level(&machine(), "confine_module"), Some(Level::Ok));
    assert_eq!(level(&with(config(&["mpm_event_module"], &[])), "confine_module"), Some(Level::Error));
}

#[test]
fn content_of_other_processes_is_told_of() {
    for (module, wanted) in [
        ("cgid_module", Level::Warning),
        ("fcgid_module", Level::Warning),
        ("proxy_fcgi_module", Level::Warning),
        ("proxy_http_module", Level::Note),
    ] {
        assert_eq!(level(&with(config(&["confine_module", module], &[])), module), Some(wanted));
    }
    assert_eq!(level(&with(config(&["confine_module", "cgi_module"], &[])), "cgi_module"), None);
}

#[test]
fn php_without_threads_needs_prefork() {
    for (mpm, threads, wanted) in [
        ("mpm_event_module", false, Level::Error),
        ("mpm_worker_module", false, Level::Error),
        ("mpm_prefork_module", false, Level::Ok),
        ("mpm_event_module", true, Level::Ok),
    ] {
        let mut config = config(&["confine_module", mpm], &[]);
        config.php_threads = Some(Ok(threads));
        assert_eq!(level(&with(config), "mod_php"), Some(wanted), "{mpm} {threads}");
    }
}

#[test]
fn what_contexts_share_in_php_is_named() {
    let with_php = |directives: &[(&str, &str)]| {
        let mut config = config(&["confine_module", "php_module", "mpm_prefork_module"], directives);
        config.php_threads = Some(Ok(false));
        config.mail_fails = Some("mail() fails".into());
        with(config)
    };
    let one = [
        ("ConfineContext", "landlock:a"),
        ("ConfineContext", "unconfined"),
        ("ConfineContext", "landlock:a"),
    ];
    assert_eq!(level(&with_php(&one), "APCu"), None);
    assert_eq!(level(&with_php(&one), "mail() fails"), None);
    let two =
        [("ConfineContext", "landlock:a"), ("confinecontext", "landlock:b"), ("<ConfineLandlock", "a>")];
    assert_eq!(level(&with_php(&two), "APCu"), Some(Level::Note));
    assert_eq!(level(&with_php(&two), "mail() fails"), Some(Level::Warning));
    assert_eq!(level(&with_php(&[("ConfineMap", "tenants.map")]), "APCu"), Some(Level::Note));
    let without = with(config(&["confine_module"], &two));
    assert_eq!(level(&without, "APCu"), None);
}

#[test]
fn what_applications_trip_over_is_told() {
    let php = |directives: &[(&str, &str)]| {
        let mut config = config(&["confine_module", "php_module", "mpm_prefork_module"], directives);
        config.php_threads = Some(Ok(false));
        with(config)
    };
    let stack = |size| level(&php(&[("ThreadStackSize", size)]), "is small for PHP");
    assert_eq!((stack("262144"), stack("1048576")), (Some(Level::Warning), None));
    let zones = |more: &[(&str, &str)]| {
        level(&php(&[&[("<ConfineLandlock", "a>")], more].concat()), "grants time zones")
    };
    assert_eq!(zones(&[("LandlockRead", "\"/srv\"")]), Some(Level::Note));
    for granted in
        [("LandlockRead", "/srv \"-/usr/share\""), ("LandlockInclude", "php"), ("LandlockExecute", "/usr")]
    {
        assert_eq!(zones(&[granted]), None, "{granted:?}");
    }
    assert_eq!(level(&php(&[]), "grants time zones"), None);
    let written = |more: &[(&str, &str)]| {
        level(&php(&[&[("<ConfineLandlock", "a>")], more].concat()), "lets /srv/a b be written and not read")
    };
    let up = ("LandlockWrite", "/dev/null \"-/srv/a b\"");
    assert_eq!(written(&[up]), Some(Level::Note));
    assert_eq!(written(&[("LandlockRead", "/srv/a"), up]), Some(Level::Note));
    // What another ruleset lets be read is another's.
    assert_eq!(written(&[up, ("<ConfineLandlock", "\"b\">"), ("LandlockRead", "/srv")]), Some(Level::Note));
    for read in [("LandlockRead", "-/srv"), ("landlockexecute", "'/srv/a b'")] {
        assert_eq!(written(&[up, read]), None, "{read:?}");
    }
    // Without PHP it does not matter.
    let without = [("<ConfineLandlock", "a>"), up];
    assert_eq!(level(&with(config(&["confine_module"], &without)), "written and not read"), None);
    let wsgi = |directives: &[(&str, &str)]| {
        level(&with(config(&["confine_module", "wsgi_module"], directives)), "for each new thread")
    };
    assert_eq!(wsgi(&[]), Some(Level::Note));
    assert_eq!(wsgi(&[("ConfineWorkers", "one-time")]), Some(Level::Note));
    assert_eq!(wsgi(&[("ConfineWorkers", "per-context max=4")]), None);
}

#[test]
fn limits_are_compared_with_twice_the_requests() {
    let facts = |max: u64, directives: &[(&str, &str)]| {
        let mut facts = with(config(&["confine_module", "mpm_event_module"], directives));
        facts.limits.group = Ok(Some(("TasksMax of x.service".into(), max)));
        facts
    };
    let workers = [("MaxRequestWorkers", "150")];
    assert_eq!(level(&facts(299, &workers), "TasksMax"), Some(Level::Warning));
    assert_eq!(level(&facts(300, &workers), "TasksMax"), Some(Level::Ok));
    assert_eq!(level(&facts(799, &[]), "TasksMax"), Some(Level::Warning));
    assert_eq!(level(&facts(800, &[]), "TasksMax"), Some(Level::Ok));
    assert_eq!(level(&facts(800, &[]), "ThreadStackSize is not set"), Some(Level::Note));
    let mut prefork = facts(512, &[]);
    prefork.server.as_mut().expect("a server").config = Ok(config(&["mpm_prefork_module"], &[]));
    assert_eq!(level(&prefork, "TasksMax"), Some(Level::Ok));
}

#[test]
fn landlock_says_where_its_refusals_are_seen() {
    let told = |abi, audit| {
        let mut facts = machine();
        facts.landlock = Presence::Active(abi);
        facts.audit = audit;
        let findings = judge(&facts).findings;
        let found = findings.into_iter().find(|f| f.area == "landlock" && f.text.contains("ConfineExplain"));
        let found = found.expect("a finding");
        (found.level, found.text, found.remedy)
    };
    let (level, text, _) = told(6, Ok(true));
    assert_eq!(
        (level, text.contains("ausearch"), text.contains("Linux 6.15")),
        (Level::Ok, false, true),
        "{text}"
    );
    let (level, text, _) = told(7, Ok(true));
    assert_eq!((level, text.contains("ausearch --message LANDLOCK_ACCESS")), (Level::Ok, true), "{text}");
    let (level, text, remedy) = told(7, Ok(false));
    assert_eq!((level, text.starts_with("audit is off")), (Level::Note, true), "{text}");
    assert!(remedy.is_some_and(|remedy| remedy.contains("auditctl -e 1")));
    let (level, text, remedy) = told(9, Err(Unseen::new("auditctl is not installed", "install auditd")));
    assert_eq!((level, text.contains("auditctl is not installed")), (Level::Note, true), "{text}");
    assert_eq!(remedy.as_deref(), Some("install auditd"));
}

#[test]
fn landlock_says_what_it_lacks() {
    let text = |abi| {
        let mut facts = machine();
        facts.landlock = Presence::Active(abi);
        let found = judge(&facts).findings.into_iter().find(|f| f.area == "landlock").expect("a finding");
        (found.level, found.text, found.remedy)
    };
    assert_eq!(text(9).0, Level::Ok);
    for abi in 6..9 {
        let (level, said, _) = text(abi);
        assert_eq!(level, Level::Note);
        assert_eq!(
            said,
            format!(
                "ABI {abi}: cannot restrict connecting to UNIX sockets that are files (databases, php-fpm, D-Bus)"
            )
        );
    }
    let (level, said, remedy) = text(4);
    assert_eq!(level, Level::Note);
    assert_eq!(
        said,
        "ABI 4: cannot restrict device commands, signals and abstract sockets (LandlockScope), connecting to UNIX \
         sockets that are files (databases, php-fpm, D-Bus)"
    );
    assert!(
        remedy.is_some_and(|r| r.starts_with("boot Linux 7.1 or newer, if rulesets are to restrict these; "))
    );
    assert_eq!(text(2).0, Level::Warning);
}

#[test]
fn what_selinuxs_policy_lacks_is_told() {
    let judged = |enforcing, policy, text: &str| {
        let mut facts = with(config(&["confine_module"], &[("ConfineContext", "a_t:s0")]));
        facts.selinux = selinux(enforcing, policy);
        facts.libselinux = Ok("3.8".into());
        level(&facts, text)
    };
    assert_eq!(judged(true, policy(), "enforcing"), Some(Level::Ok));
    assert_eq!(judged(true, policy(), "libselinux 3.8"), Some(Level::Ok));
    assert_eq!(judged(false, policy(), "permissive"), Some(Level::Error));
    let missing = ServerPolicy { missing: Some("(allow x)".into()), ..policy() };
    assert_eq!(judged(true, missing, "may move"), Some(Level::Error));
    let unknown = ServerPolicy { knows_server: false, ..policy() };
    assert_eq!(judged(true, unknown, "does not know"), Some(Level::Error));
    let permissive = ServerPolicy { permissive: true, ..policy() };
    assert_eq!(judged(true, permissive, "httpd_t is permissive"), Some(Level::Error));
    let ranges = ServerPolicy { categories: Some(false), ..policy() };
    assert_eq!(judged(true, ranges, "does not enforce categories"), Some(Level::Note));
}

#[test]
fn what_the_library_finds_in_tomoyos_policy_comes_with_its_remedy() {
    let mut facts = machine();
    facts.tomoyo = Presence::Active(Tomoyo {
        domain: "<kernel> /usr/sbin/httpd".into(),
        is_known: true,
        ways: 1,
        findings: vec!["an application may leave it; remove the line".into()],
    });
    let found = judge(&facts).findings.into_iter().find(|f| f.text.contains("may leave")).expect("a finding");
    assert_eq!((found.level, &*found.text), (Level::Warning, "an application may leave it"));
    assert_eq!(found.remedy.as_deref(), Some("remove the line"));
    if let Presence::Active(tomoyo) = &mut facts.tomoyo {
        tomoyo.is_known = false;
    }
    assert_eq!(level(&facts, "does not hold the server's domain"), Some(Level::Warning));
}

/// The kernel's own list is better evidence than a file system that is not mounted.
#[test]
fn tomoyo_is_judged_by_the_kernels_list() {
    let told = |modules: Seen<Vec<String>>| {
        let mut facts = machine();
        facts.modules = modules;
        facts.tomoyo = inactive(BackendName::TOMOYO);
        let found = judge(&facts).findings.into_iter().find(|f| f.area == "tomoyo").expect("a finding");
        (found.text, found.remedy.unwrap_or_default())
    };
    let (text, remedy) = told(Ok(vec!["capability".into(), "landlock".into()]));
    assert_eq!(text, "not active: it is not among the active security modules");
    assert!(remedy.contains("then boot with tomoyo in lsm="), "{remedy}");
    for modules in [hidden(), Ok(vec!["tomoyo".into()])] {
        assert_eq!(told(modules).0, "not active: not built in");
    }
}

#[test]
fn profiles_that_complain_are_named() {
    let mut facts = machine();
    facts.apparmor = Presence::Active(vec![("blog".into(), Mode::Complain), ("dog".into(), Mode::Enforces)]);
    facts.running = Some(Running { pid: 1, label: Some("unconfined".into()) });
    assert_eq!(
        about(&facts, "complain"),
        [(Level::Warning, "in complain mode, so they confine nothing: blog".to_owned())]
    );
    assert_eq!(level(&facts, "has no profile"), Some(Level::Note));
    facts.apparmor = Presence::Active((0..10).map(|n| (format!("p{n}"), Mode::Complain)).collect());
    assert!(about(&facts, "complain")[0].1.ends_with("p7 and 2 more"));
    facts.apparmor = Presence::Active(Vec::new());
    assert_eq!(level(&facts, "no profile is loaded"), Some(Level::Warning));
}

#[test]
fn text_and_json_say_the_same() {
    let facts = with(config(&["mpm_event_module"], &[("ThreadStackSize", "1")]));
    let d = judge(&facts);
    let mut plain = crate::out::Out::to(Vec::new());
    assert!(d.write(&mut plain).is_ok());
    let plain = String::from_utf8(plain.into_inner()).expect("UTF-8");
    assert!(plain.contains(
        "\nerror    httpd: confine_module is not loaded: no request is confined\n         to do: add "
    ));
    assert!(plain.ends_with("\nerrors: 1, warnings: 0, notes: 5, not seen: 0\n"), "{plain}");
    assert!(!plain.contains('\x1b'));
    let json = d.json();
    assert_eq!(json["errors"], 1);
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(d.findings.len()));
}

/// A program of `<ConfineFastCGI>`, as it should be.
fn pool(trusted: Result<(), Problem>, php: Option<&str>) -> PoolProgram {
    let settings = |text: &str| {
        let mut settings = confine::php_cgi::Settings::default();
        settings.add(text);
        settings
    };
    PoolProgram {
        section: "php".into(),
        file: "/usr/bin/env".into(),
        link: None,
        trusted,
        php: php.map(|text| Ok(settings(text))),
        total: 200,
    }
}

#[test]
fn what_pools_need_is_looked_at() {
    let told = |modules: &[&str], program: PoolProgram, tasks: Option<u64>| {
        let mut machine = machine();
        let mut all = vec!["confine_module", "mpm_event_module", "proxy_module"];
        all.extend(modules);
        let mut config = config(&all, &[("MaxRequestWorkers", "100")]);
        config.pools = vec![program];
        machine.server.as_mut().expect("a server").config = Ok(config);
        machine.limits.group = Ok(tasks.map(|limit| ("TasksMax".to_owned(), limit)));
        let d = judge(&machine);
        let line = |f: &super::super::Finding| format!("{} {}: {}", f.level.as_str(), f.area, f.text);
        d.findings.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let good = "zend_extension=opcache.so\n";
    let well = told(&["proxy_fcgi_module"], pool(Ok(()), Some(good)), Some(1000));
    assert!(
        well.contains("ok pools: php: /usr/bin/env; only root can change it; at most 200 processes"),
        "{well}"
    );
    let is_bad = |line: &str| ["error ", "warning ", "note pools"].iter().any(|bad| line.starts_with(bad));
    assert!(!well.lines().any(is_bad), "{well}");
    let without = told(&[], pool(Ok(()), None), None);
    assert!(without.contains("error pools: <ConfineFastCGI> needs mod_proxy_fcgi"), "{without}");
    let beside = told(&["proxy_fcgi_module", "php_module"], pool(Ok(()), None), None);
    assert!(beside.contains("error pools: php_module is loaded"), "{beside}");
    let open =
        told(&["proxy_fcgi_module"], pool(Err(Problem::new("others may write it", "chmod")), None), None);
    assert!(open.contains("warning pools: php: others may write it: whoever can change it"), "{open}");
    let shared = told(
        &["proxy_fcgi_module"],
        pool(Ok(()), Some("zend_extension=opcache\nopcache.file_cache=/x")),
        None,
    );
    assert!(shared.contains("warning pools: php: opcache.file_cache is /x"), "{shared}");
    let slow = told(&["proxy_fcgi_module"], pool(Ok(()), Some("")), None);
    assert!(slow.contains("note pools: php: OPcache is not loaded"), "{slow}");
    let few = told(&["proxy_fcgi_module"], pool(Ok(()), None), Some(300));
    assert!(
        few.contains("warning limits: TasksMax allows 300 threads and processes, and pools may have 200"),
        "{few}"
    );
}
