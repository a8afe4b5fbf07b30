//! The configuration, described for `confinectl`: `httpd -t -D CONFINE_DUMP`.
//!
//! This has an effect under `-t` alone. A running server ignores the define.
//!
//! A configuration with faults is described in check_config, where the faults are found, and the server stops as
//! it always does. One without faults is described in test_config, which the server runs last under `-t`.

mod access;
pub mod explain;
mod hints;
pub mod pool_contexts;
pub mod pools;

use std::{
    collections::{BTreeSet, HashMap},
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use confine::{
    backends::Prepared,
    bytes::Bytes,
    dump::{self, Answer, Dump, GrantedPath, Kind, Question, Rule, Ruleset, Section, Setting},
    lsm::landlock::{DEFAULT_MIN_ABI, PathRule, Ports, RulesetSpec, Scope, Scopes, quoted_path},
    policy::decide::Source,
};

use crate::{
    config::{
        Faults, Gate, Policy, ServerConfig, Servers, Workers, Written, WrittenDirective, WrittenRule,
        WrittenSource,
        fastcgi::{DIRECTIVES, Program},
        makers,
        noting::{is_defined, wanted},
        rulesets::{self, learn_folder},
    },
    httpd::{
        config_tree, hosts,
        log::{self, Level},
        pool::Pool,
        server::Server,
    },
    request::modules::php,
};

/// Describes the configuration if it has faults and a description is wanted.
pub fn faults_shown(
    main: &Server<'_>,
    written: &Written,
    result: Result<Policy, Faults>,
) -> Result<Policy, Faults> {
    if let Some(faults) = result.as_ref().err().filter(|_| wanted()) {
        print(main, &Dump { faults: faults.clone(), ..describe(main, written, None) });
    }
    result
}

/// test_config: describes a good configuration, and answers a question about it.
pub fn show(main: &Server<'_>, pool: Pool<'_>) {
    if !wanted() {
        return;
    }
    let Some(policy) = ServerConfig::of(main).and_then(ServerConfig::policy) else { return };
    let Some(written) = main.pool().map(Written::of) else { return };
    let mut shown = describe(main, written, Some(policy));
    if is_defined(dump::EXPLAIN) {
        match answer(main, pool, &written.programs) {
            Ok(answer) => shown.answer = Some(answer),
            Err(why) => shown.faults.push(why),
        }
    }
    print(main, &shown);
}

fn answer(main: &Server<'_>, pool: Pool<'_>, programs: &[Program]) -> Result<Answer, String> {
    let text = std::env::var(dump::EXPLAIN).map_err(|e| format!("{}: {e}", dump::EXPLAIN))?;
    let question =
        Question::from_json(&text).map_err(|e| format!("{} holds no question: {e}", dump::EXPLAIN))?;
    explain::answer(main, pool, &question, programs)
}

fn print(main: &Server<'_>, shown: &Dump) {
    let written = shown.lines().map_err(io::Error::from).and_then(|lines| {
        let mut out = io::stdout().lock();
        out.write_all(lines.as_bytes())?;
        out.flush()
    });
    if let Err(error) = written {
        log::server(main, Level::Error, &format!("confine: the description cannot be written: {error}"));
    }
}

fn describe(main: &Server<'_>, written: &Written, policy: Option<&Policy>) -> Dump {
    let known = Servers::of(main);
    let mut lists = HashMap::new();
    let mut rules: Vec<_> =
        written.rules.iter().enumerate().map(|(i, r)| rule(i, r, &known, policy)).collect();
    let mut settings = Vec::new();
    for directive in &written.directives {
        let next = lists.len();
        let list = *lists.entry(directive.section).or_insert(next);
        let written_as = setting(directive, &known, list);
        for number in directive.rules.clone() {
            if let Some(rule) = rules.get_mut(number) {
                rule.written = written_as.clone();
            }
        }
        // Rulesets and the directives inside them set nothing for a request, and SetHandler belongs to core.
        let in_section = |name: &str| DIRECTIVES.contains(&name);
        let sets = !directive.directive.contains("Landlock")
            && !in_section(&directive.directive)
            && !directive.directive.contains("ConfineFastCGI")
            && &*directive.directive != "SetHandler";
        if directive.rules.is_empty() && sets {
            settings.push(written_as);
        }
    }
    let servers: Vec<_> = known.all().iter().filter_map(server).collect();
    for early in servers.iter().filter_map(|s| s.early) {
        rules[early].early = true;
    }
    let warnings = policy.into_iter().flat_map(|policy| {
        let hints = hints::of(main, written, policy);
        policy.backends.iter().flat_map(|b| b.warnings()).chain(policy.warnings.iter().cloned()).chain(hints)
    });
    Dump {
        rules,
        settings,
        servers,
        rulesets: all_rulesets(main, written),
        programs: written.programs.iter().map(|program| self::program(written, program)).collect(),
        learn_folder: (!written.learning.is_empty()).then(|| bytes(&learn_folder(main, written))),
        include_folders: written.include_folders.iter().map(|folder| bytes(folder)).collect(),
        modules: makers::loaded(main).iter().map(|name| name.to_string_lossy().into_owned()).collect(),
        unknown_handlers: policy.map(|policy| policy.handlers.unknown()).unwrap_or_default(),
        providers: providers(main),
        notes: policy.map(|policy| php::notes(written, policy)).unwrap_or_default(),
        findings: policy.map(|policy| pools::findings(main, written, policy)).unwrap_or_default(),
        warnings: warnings.collect(),
        faults: Vec::new(),
        user: hosts::child_user(),
        answer: None,
    }
}

/// The providers that prove users, each once.
fn providers(main: &Server<'_>) -> Vec<String> {
    let lists = [c"AuthBasicProvider", c"AuthDigestProvider", c"AuthFormProvider"].into_iter();
    let words = lists.flat_map(|name| config_tree::lines(main, name)).flat_map(|line| line.words);
    // `<AuthnProviderAlias ldap corporation>` names the provider that the alias stands for.
    let aliases = config_tree::lines(main, c"<AuthnProviderAlias").into_iter();
    let aliases = aliases.filter_map(|line| line.words.into_iter().next());
    let all = words.chain(aliases).map(|word| word.to_string_lossy().to_ascii_lowercase());
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

fn bytes(path: &Path) -> Bytes {
    path.as_os_str().as_bytes().into()
}

/// The rulesets, and those that are still to be made.
fn all_rulesets(main: &Server<'_>, written: &Written) -> Vec<Ruleset> {
    let specs = rulesets::specs(main, written);
    // They come in the order in which they are written, and then those that are not.
    let included =
        written.rulesets.iter().map(|ruleset| Some(&ruleset.included)).chain(std::iter::repeat(None));
    specs.iter().zip(included).map(|(spec, included)| ruleset(spec, included)).collect()
}

fn program(written: &Written, program: &Program) -> dump::Program {
    let handlers = written.pool_handlers.iter().filter(|handler| handler.name == program.name);
    dump::Program {
        name: program.name.to_string(),
        origin: program.origin.clone(),
        file: program.file.to_string_lossy().into_owned(),
        handlers: handlers.map(|handler| handler.origin.clone()).collect(),
    }
}

fn ruleset(spec: &RulesetSpec, included: Option<&BTreeSet<Box<str>>>) -> Ruleset {
    let grant = |rule: &PathRule| GrantedPath {
        directive: rule.access.directive().to_owned(),
        path: rule.path.as_str().to_owned(),
        optional: rule.optional,
        origin: rule.origin.clone(),
    };
    let mut words = Vec::new();
    for (directive, ports) in [("LandlockConnect", &spec.connect), ("LandlockBind", &spec.bind)] {
        let listed = match ports {
            Ports::Unset => continue,
            Ports::Any => vec!["any".to_owned()],
            Ports::Listed(ports) if ports.is_empty() => vec!["none".to_owned()],
            Ports::Listed(ports) => ports.iter().map(u16::to_string).collect(),
        };
        words.push((directive.to_owned(), listed));
    }
    if spec.scope != Scopes::default() {
        let scopes = [("signals", spec.scope.signals), ("abstract-sockets", spec.scope.abstract_sockets)];
        let stays = scopes.iter().filter(|(_, scope)| *scope == Scope::Restricted);
        let mut listed: Vec<_> = stays.map(|(name, _)| (*name).to_owned()).collect();
        if listed.is_empty() {
            listed.push("none".to_owned());
        }
        words.push(("LandlockScope".to_owned(), listed));
    }
    if !spec.trusted.is_empty() {
        let paths = spec.trusted.iter().map(|path| quoted_path(path)).collect();
        words.push(("LandlockTrustPaths".to_owned(), paths));
    }
    if spec.min_abi != DEFAULT_MIN_ABI {
        words.push(("LandlockABI".to_owned(), vec![spec.min_abi.to_string()]));
    }
    Ruleset {
        name: spec.full_name(),
        origin: spec.origin.clone(),
        defined: included.is_some(),
        grants: spec.paths.iter().map(grant).collect(),
        words,
        included: included.into_iter().flatten().map(|name| name.to_string()).collect(),
    }
}

fn server(server: &Server<'_>) -> Option<dump::Server> {
    let config = ServerConfig::of(server)?;
    let gate = match config.gate() {
        Gate::Process => "process",
        Gate::Handler => "handler",
    };
    let workers = match config.workers() {
        Workers::OneTime => "one-time".to_owned(),
        Workers::PerContext(limits) => format!(
            "per-context max={} idle={} requests={}",
            limits.max,
            limits.idle.as_secs(),
            limits.requests
        ),
    };
    Some(dump::Server {
        name: server.name().map_or("-".into(), |name| name.to_string_lossy().into_owned()),
        aliases: server.aliases(),
        addresses: server.addresses(),
        origin: server.begins_at(),
        gate: gate.to_owned(),
        workers,
        backend: config.backend().to_string(),
        has_rules: config.has_rules,
        early: config.early,
        document_root: server.document_root().map(|root| root.to_bytes().into()),
    })
}

fn setting(written: &WrittenDirective, servers: &Servers<'_>, list: usize) -> Setting {
    let of_host = |title: &str| title.get(..12).is_some_and(|t| t.eq_ignore_ascii_case("<VirtualHost"));
    let sections = written.sections.iter().filter(|(title, _)| !of_host(title));
    Setting {
        directive: written.directive.to_string(),
        words: written.words.clone(),
        origin: written.origin.clone(),
        server: servers.number(written.server).unwrap_or(0),
        list,
        sections: sections
            .map(|(title, origin)| Section { title: title.clone(), origin: origin.clone() })
            .collect(),
    }
}

fn rule(number: usize, written: &WrittenRule, servers: &Servers<'_>, policy: Option<&Policy>) -> Rule {
    let (kind, file) = match &written.source {
        WrittenSource::Constant(_) => (Kind::Constant, None),
        WrittenSource::Map(path) => (Kind::Map, Some(path.clone())),
        WrittenSource::Transitions(path) => (Kind::Transitions, Some(path.clone())),
        WrittenSource::Env(..) => (Kind::Env, None),
        WrittenSource::Expr(..) => (Kind::Expr, None),
        WrittenSource::Database(..) => (Kind::Database, None),
    };
    let contexts = match policy.and_then(|policy| policy.rules.get(number)).map(|rule| &rule.source) {
        Some(Source::Constant(Prepared::Unconfined)) => Some("unconfined".to_owned()),
        Some(Source::Constant(Prepared::Moves(moves))) => Some(moves.text.to_string_lossy().into_owned()),
        _ => None,
    };
    Rule {
        // If the directive itself was not noted, this is all that is known.
        written: Setting {
            directive: written.directive.to_string(),
            words: Vec::new(),
            origin: written.origin.clone(),
            server: 0,
            list: 0,
            sections: Vec::new(),
        },
        kind,
        file,
        backend: written.backend(servers).to_string(),
        contexts,
        early: false,
    }
}
