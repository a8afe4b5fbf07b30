//! From what was read to what requests use: every map, context and ruleset is made and checked
//! before the first request, and what is wrong stops the server with file and line.

pub mod dbd_statements;
pub mod first_use;
pub mod map_watch;
pub mod running;
pub mod trust;

use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use apache_sys as sys;
use confine::{
    Origin,
    backends::{Backends, CheckError, Prepared, SameContext},
    context::{BackendName, ContextList},
    lsm::{
        Backend, Enter, Moved, NoValues,
        landlock::{Landlock, Missing},
        selinux::{SecurityContext, Selinux},
    },
    map::{FileStamp, Map},
    policy::{
        database::{Database, RowsAre},
        decide::{Rule, Source},
        live_map::{LiveMap, LoadOptions},
        prepared_map::{self, PreparedLists, PreparedMap},
        transition_map::TransitionMap,
    },
};

use self::dbd_statements::Statements;
use crate::{
    config::{
        Faults, Gate, Generation, Policy, ServerConfig, ServerContext, WrittenRule, WrittenSource,
        handlers::Handlers, php::Php, rulesets, written::wanted,
    },
    describe,
    httpd::{
        config_tree,
        expression::Expression,
        hooks,
        log::{self, Level},
        server::Server,
    },
    report::counters,
    request::modules::{lua, php, scripts},
    thread::signals,
};

/// The server's context under the reference policy: what `-t`, which an administrator's shell runs in
/// a domain of its own, asks about.
const USUAL_CONTEXT: &str = "system_u:system_r:httpd_t:s0";

/// check_config: makes everything that requests use, or says what is wrong.
///
/// The server reads its configuration twice at start. The first reading, like `-t`, only checks. From
/// the second on, the server itself moves first where that is asked for: before it opens its logs and
/// makes its pipes, which carry the context of their compiler.
pub fn check(main: &Server<'_>) -> bool {
    let Some(config) = ServerConfig::of(main) else { return true };
    let generation = config.generation();
    if hooks::first_reading() || hooks::only_testing() {
        let result =
            check_server_context(main, config, generation).and_then(|after| prepare(main, generation, after));
        let checked = report(main, describe::faults_shown(main, generation, result));
        if hooks::only_testing() && !wanted() {
            // Nothing else of a test is shown. What a running server outlives, a first start does not.
            let landlock = checked.iter().flat_map(|ready| ready.backends.iter());
            let landlock = landlock.filter(|b| b.name() == BackendName::LANDLOCK);
            landlock
                .flat_map(Backend::warnings)
                .for_each(|w| log::startup(main, &format!("confine: warning: {w}")));
        }
        return match checked {
            Some(ready) if wanted() => {
                generation.set_ready(ready);
                true
            }
            checked => checked.is_some(),
        };
    }
    let result = move_server(main, config, generation)
        .and_then(|()| backends(main, generation))
        .and_then(|here| prepare(main, generation, here));
    match report(main, result) {
        Some(ready) => {
            generation.set_ready(ready);
            true
        }
        None => false,
    }
}

/// post_config: what must be there before the first child, and what the log is to say.
pub fn finish(main: &Server<'_>) {
    log::set_main(Some(main));
    counters::prepare();
    map_watch::prepare();
    signals::keep_masks_of_programs();
    let Some(generation) = ServerConfig::of(main).map(ServerConfig::generation) else { return };
    let Some(ready) = generation.ready() else { return };
    if let Some(context) = &generation.server_context {
        let words = context.words.join(" ");
        log::server(main, Level::Notice, &format!("confine: the server moved to {words}"));
    }
    if !generation.core_dumps
        && !ready.rules.is_empty()
        && !config_tree::lines(main, c"CoreDumpDirectory").is_empty()
    {
        let text = "confine: children leave no core dumps, so that no confined code reads their memory through /proc; \
                    ConfineCoreDumps on keeps them";
        log::server(main, Level::Notice, text);
    }
    for warning in ready.backends.iter().flat_map(|b| b.warnings()).chain(ready.warnings.iter().cloned()) {
        log::server(main, Level::Warning, &format!("confine: {warning}"));
    }
    if let Some(php) = &ready.php {
        log::server(main, Level::Notice, &format!("confine: {}", php::NOTICE));
        // At the first reading PHP has not started, and no request is served.
        let warning = if hooks::first_reading() { None } else { php.bound_mail(main) };
        if let Some(warning) = warning.filter(|_| !generation.rulesets.is_empty()) {
            log::server(main, Level::Warning, &format!("confine: {warning}"));
        }
    }
    if !ready.rules.is_empty() {
        first_use::load(main);
    }
    log::server(main, Level::Info, &format!("confine: ready, {} rules", ready.rules.len()));
}

/// drop_privileges: what each child must open while it still may.
pub fn child(main: &Server<'_>) {
    let ready = ServerConfig::of(main).map(ServerConfig::generation).and_then(Generation::ready);
    ready.into_iter().flat_map(|ready| ready.backends.iter()).for_each(Backend::start_child);
}

/// child_init, after every other module's (mod_unixd makes a child dumpable again for `CoreDumpDirectory`).
pub fn child_ready(main: &Server<'_>) {
    let generation = ServerConfig::of(main).map(ServerConfig::generation);
    if generation.is_none_or(|g| g.drafts.is_empty() || g.core_dumps) {
        return;
    }
    if let Err(errno) = hooks::forbid_dumps() {
        let why = confine::lsm::errno_name(errno);
        let text =
            format!("confine: this child's memory can be read through /proc: it cannot be made so ({why})");
        log::server(main, Level::Warning, &text);
    }
}

/// Says every fault, on the terminal and in the log.
fn report<T>(main: &Server<'_>, result: Result<T, Faults>) -> Option<T> {
    for fault in result.as_ref().err().into_iter().flatten() {
        log::startup(main, &format!("confine: {fault}"));
    }
    result.ok()
}

/// Makes a generation's rules, and asks the kernel about each context; `backends` know where the
/// server's moves start.
fn prepare(main: &Server<'_>, generation: &Generation, backends: Backends) -> Result<Policy, Faults> {
    let backends = Arc::new(backends);
    let mut compiler = RuleCompiler {
        backends: &backends,
        of_hosts: rulesets::of_hosts(main, generation, &backends),
        drafts: &generation.drafts,
        maps: HashMap::new(),
        looks: Vec::new(),
        swaps: Arc::default(),
        faults: Vec::new(),
        warnings: Vec::new(),
        statements: Statements::of(main),
    };
    let rules: Vec<_> = generation.drafts.iter().filter_map(|draft| compiler.rule(draft)).collect();
    let RuleCompiler { mut faults, mut warnings, looks, swaps, .. } = compiler;
    let lua = lua::scope(main).unwrap_or_else(|fault| {
        faults.push(fault);
        None
    });
    // Before the handlers are listed, of which PHP's is replaced.
    let php = php_apart(main, generation).unwrap_or_else(|fault| {
        faults.push(fault);
        None
    });
    let trust::Found { faults: untrusted, warnings: trusted } = trust::examine(main, generation);
    faults.extend(untrusted);
    warnings.extend(trusted);
    let nothing_of_lua = scripts::nothing_of_lua(main).unwrap_or_else(|fault| {
        faults.push(fault);
        None
    });
    faults.extend(generation.per_context.iter().filter_map(kept_under_the_process_gate));
    let handlers = Handlers::of(main, crate::handler_gate).map_err(|fault| faults.push(fault));
    let Ok(handlers) = handlers else { return Err(faults) };
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Policy {
        rules,
        backends: Arc::clone(&backends),
        maps: looks,
        swaps,
        warnings,
        handlers,
        cgid: hooks::module_loaded(c"mod_cgid.c"),
        lua,
        nothing_of_lua,
        php,
    })
}

/// What keeps apart what PHP shares, where there is any rule.
fn php_apart(main: &Server<'_>, generation: &Generation) -> Result<Option<Php>, String> {
    if generation.drafts.is_empty() {
        return Ok(None);
    }
    let php = Php::prepare(main)?;
    php.as_ref().map_or(Ok(()), |php| php.take_over(crate::php_handler))?;
    Ok(php)
}

/// What a ruleset's missing path means: a server that runs outlives it, and whoever is to reload that server, or to
/// look at its configuration before, must not stand in the way.
fn missing(main: &Server<'_>) -> Missing {
    let for_one_that_runs = || hooks::only_testing() && running::server_runs(main);
    if hooks::reads_again() || hooks::only_signals() || for_one_that_runs() {
        Missing::Refuse
    } else {
        Missing::Fault
    }
}

fn backends(main: &Server<'_>, generation: &Generation) -> Result<Backends, Faults> {
    Landlock::made(rulesets::specs(main, generation), missing(main))
        .map(Backends::with)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// What a map is read and checked for: the file, the backend of contexts that name none, the meaning of the
/// server's own context, the contexts in which its moves start, and the virtual host whose rulesets are found first.
type MapKey = (String, BackendName, SameContext, Option<Vec<String>>, *mut sys::server_rec);

/// Makes rules, collecting what is wrong.
struct RuleCompiler<'b> {
    backends: &'b Arc<Backends>,
    /// As they are seen from virtual hosts that have rulesets of their own.
    of_hosts: HashMap<*mut sys::server_rec, Arc<Backends>>,
    drafts: &'b [WrittenRule],
    /// A map that several rules name is read once.
    maps: HashMap<MapKey, Option<Arc<LiveMap>>>,
    /// All of them, with what their files looked like.
    looks: Vec<(Arc<LiveMap>, FileStamp, Arc<Backends>)>,
    swaps: Arc<AtomicU64>,
    faults: Faults,
    /// What deserves a line in the log.
    warnings: Vec<String>,
    statements: Statements,
}

impl RuleCompiler<'_> {
    /// A rule, or `None` with a fault noted.
    fn rule(&mut self, draft: &WrittenRule) -> Option<Rule<Expression>> {
        if self.is_early(draft) && draft.config().is_some_and(|s| s.gate() == Gate::Handler) {
            let why = "needs ConfineGate process, under which a request's first phase runs in its worker";
            self.note(draft, Err::<(), _>(why))?;
        }
        let same_context = if draft.of_mod_selinux { SameContext::Exempt } else { SameContext::Refused };
        let default = draft.backend();
        let source = match &draft.source {
            WrittenSource::Constant(words) => {
                Source::Constant(self.constant(draft, words, default, same_context)?)
            }
            WrittenSource::Map(path) => Source::Map(self.map(draft, path, default, same_context)?),
            WrittenSource::Transitions(path) => Source::Transitions(self.transitions(draft, path)?),
            WrittenSource::Env(name, named) => {
                self.active(draft, default)?;
                let name = name.clone().into_boxed_c_str();
                Source::Env { name, backend: default, named: named.is_some() }
            }
            WrittenSource::Expr(pieces, named) => {
                self.active(draft, default)?;
                Source::Expr { pieces: pieces.clone(), backend: default, named: named.is_some() }
            }
            WrittenSource::Database(label, parameters, rows, limits) => {
                self.active(draft, default)?;
                if *rows == RowsAre::Rules {
                    // A row may name any backend by its prefix.
                    self.backends.iter().for_each(Backend::expect_values);
                }
                let found = self.statements.find(label, parameters, &draft.server()?);
                let statement = self.note(draft, found)?;
                let database = Database::new(statement, parameters.clone(), default, *rows, *limits);
                Source::Database(Box::new(database))
            }
        };
        let backends = self.of_hosts.get(&draft.server).cloned();
        Some(Rule { origin: draft.origin.clone(), source, same_context, backends })
    }

    /// The backends as they are seen from where the rule stands.
    fn backends_of(&self, draft: &WrittenRule) -> Arc<Backends> {
        Arc::clone(self.of_hosts.get(&draft.server).unwrap_or(self.backends))
    }

    /// Whether this is its server's `ConfineEarly`.
    fn is_early(&self, draft: &WrittenRule) -> bool {
        self.early_of(draft).is_some_and(|early| std::ptr::eq(early, draft))
    }

    fn early_of(&self, draft: &WrittenRule) -> Option<&WrittenRule> {
        self.drafts.get(draft.config()?.early?)
    }

    /// The backends that look otherwise from the contexts of the early move, where this rule's moves
    /// start; `None` where there is no such move. Where only requests know its contexts, none.
    fn after_early(&self, draft: &WrittenRule) -> Option<Vec<Box<dyn Backend>>> {
        let early = self.early_of(draft).filter(|early| !std::ptr::eq(*early, draft))?;
        let WrittenSource::Constant(words) = &early.source else { return Some(Vec::new()) };
        match ContextList::parse(words.iter().map(String::as_str), early.default_backend()) {
            Ok(list) => Some(self.backends_of(early).after(&list, Moved::Thread)),
            // It is an error of the early move's own.
            Err(_) => Some(Vec::new()),
        }
    }

    /// The words of the early move that comes before this rule, where they are constant.
    fn early_words(&self, draft: &WrittenRule) -> Option<&[String]> {
        match &self.early_of(draft)?.source {
            WrittenSource::Constant(words) => Some(words),
            _ => None,
        }
    }

    /// The contexts that a directive's words name, asked of the kernel.
    fn constant(
        &mut self,
        draft: &WrittenRule,
        words: &[String],
        default: BackendName,
        same_context: SameContext,
    ) -> Option<Prepared> {
        let list = ContextList::parse(words.iter().map(String::as_str), default);
        let list = self.note(draft, list)?;
        let backends = self.backends_of(draft);
        let checked = backends.check(&list, same_context, self.after_early(draft).as_deref());
        let checked = checked.map_err(|e| format!("{list}: {}", with_hint(&e)));
        self.note(draft, checked)?;
        let prepared = backends.prepare(&list, same_context);
        self.note(draft, prepared)
    }

    /// A rule whose contexts only requests know: at least the backend must be there.
    fn active(&mut self, draft: &WrittenRule, default: BackendName) -> Option<()> {
        let backend = self.backends.iter().find(|b| b.name() == default)?;
        let active = backend.active().map_err(|e| with_hint(&CheckError::Inactive(e)));
        self.note(draft, active)?;
        backend.expect_values();
        Some(())
    }

    /// A map, read once however many rules name it.
    fn map(
        &mut self,
        draft: &WrittenRule,
        path: &str,
        default: BackendName,
        same_context: SameContext,
    ) -> Option<Arc<LiveMap>> {
        let host = self.of_hosts.get_key_value(&draft.server).map_or(std::ptr::null_mut(), |(host, _)| *host);
        let key = (path.to_owned(), default, same_context, self.early_words(draft).map(<[_]>::to_vec), host);
        if let Some(known) = self.maps.get(&key) {
            return known.clone();
        }
        let live = self.read_map(draft, path, default, same_context).map(|(live, look)| {
            let live = Arc::new(live);
            self.looks.push((Arc::clone(&live), look, self.backends_of(draft)));
            live
        });
        self.maps.insert(key, live.clone());
        live
    }

    fn read_map(
        &mut self,
        draft: &WrittenRule,
        path: &str,
        default: BackendName,
        same_context: SameContext,
    ) -> Option<(LiveMap, FileStamp)> {
        let map = Map::load_stamped(Path::new(path), default, None);
        let (map, look) = self.note(draft, map)?;
        let early = self.after_early(draft);
        let backends = self.backends_of(draft);
        let named = format!("({} at {})", draft.directive, draft.origin);
        let answers =
            prepared_map::ask(&map, &backends, same_context, early.as_deref(), &PreparedLists::new());
        for (line, contexts, error) in &answers.refused {
            self.faults.push(format!("{path}:{line}: {contexts}: {} {named}", with_hint(error)));
        }
        if !answers.refused.is_empty() {
            return None;
        }
        if answers.unasked > 0 {
            self.warnings.push(unasked(path, answers.unasked));
        }
        let ready = PreparedMap::new(map, &backends, same_context)
            .map_err(|(line, error)| self.faults.push(format!("{path}:{line}: {error} {named}")))
            .ok()?;
        let options = LoadOptions { default, same_context, early };
        Some((LiveMap::new(Path::new(path), options, ready, Arc::clone(&self.swaps)), look))
    }

    /// A table of TOMOYO's own module.
    fn transitions(&mut self, draft: &WrittenRule, path: &str) -> Option<Arc<TransitionMap>> {
        let table = TransitionMap::load(Path::new(path));
        let table = self.note(draft, table)?;
        let named = format!("({} at {})", draft.directive, draft.origin);
        let prepared = table.prepare(self.backends, self.after_early(draft).as_deref());
        prepared
            .map_err(|errors| self.faults.extend(errors.iter().map(|e| format!("{e} {named}"))))
            .ok()
            .map(Arc::new)
    }

    fn note<T, E: fmt::Display>(&mut self, draft: &WrittenRule, result: Result<T, E>) -> Option<T> {
        let WrittenRule { origin, directive, .. } = draft;
        result.map_err(|e| self.faults.push(format!("{origin}: {directive}: {e}"))).ok()
    }
}

/// What is to be known of a map with more contexts than the kernel can be asked about.
fn unasked(path: &str, number: usize) -> String {
    format!(
        "{path}: {number} of its lists of contexts were not tried out, as there are so many; the form of each is \
         good, and a move that the kernel refuses is an error page for its request"
    )
}

/// The error, and what a newcomer needs most where a backend is not active.
fn with_hint(error: &CheckError) -> String {
    match error {
        CheckError::Inactive(_) => {
            format!(
                "{error}; or name another backend, with ConfineBackend or in the context, as in landlock:NAME"
            )
        }
        CheckError::Refused(refused) => refused.reason(),
    }
}

/// Under the process gate a worker starts before anybody knows the context that it will need.
fn kept_under_the_process_gate((origin, server): &(Origin, *mut sys::server_rec)) -> Option<String> {
    // SAFETY: as in server_of.
    let server = unsafe { Server::from_raw(*server) };
    let gate = server.as_ref().and_then(ServerConfig::of).map(ServerConfig::gate);
    (gate == Some(Gate::Process)).then(|| {
        format!(
            "{origin}: ConfineWorkers: per-context needs ConfineGate handler, under which the context is known \
             before the worker is chosen"
        )
    })
}

/// The backends as the server will see them once it has moved to its `ConfineServerContext`, which is
/// checked here; without one, as it sees them now.
fn check_server_context(
    main: &Server<'_>,
    config: &ServerConfig,
    generation: &Generation,
) -> Result<Backends, Faults> {
    let mut backends = backends(main, generation)?;
    if let Some(usual) = SecurityContext::parse(USUAL_CONTEXT).filter(|_| hooks::only_testing()) {
        if Selinux::new().own().is_ok_and(|own| own.domain != usual.domain) {
            backends.put(Box::new(Selinux::assuming(usual)));
        }
    }
    let Some(context) = &generation.server_context else { return Ok(backends) };
    let list = context.list(config)?;
    backends.server_moves(&list).map_err(|e| context.fault(&e))?;
    for moved in backends.after(&list, Moved::Server) {
        backends.put(moved);
    }
    Ok(backends)
}

/// Moves the server's own process, before it makes children, into `ConfineServerContext`.
///
/// Restarts come here again, in the same process: already there is success.
fn move_server(main: &Server<'_>, config: &ServerConfig, generation: &Generation) -> Result<(), Faults> {
    static THERE: Mutex<Option<Vec<String>>> = Mutex::new(None);
    let Some(context) = &generation.server_context else { return Ok(()) };
    let mut there = THERE.lock().unwrap_or_else(PoisonError::into_inner);
    if there.as_ref() == Some(&context.words) {
        return Ok(());
    }
    let list = context.list(config)?;
    let backends = backends(main, generation)?;
    for step in backends.server_moves(&list).map_err(|e| context.fault(&e))? {
        let ready = step.ready(&NoValues).map_err(|e| context.fault(&e))?;
        ready.enter().map_err(|e| context.fault(&e))?;
    }
    *there = Some(context.words.clone());
    Ok(())
}

impl ServerContext {
    fn fault(&self, why: &dyn fmt::Display) -> Faults {
        vec![format!("{}: {}: {why}", self.origin, self.directive)]
    }

    fn list(&self, config: &ServerConfig) -> Result<ContextList, Faults> {
        ContextList::parse(self.words.iter().map(String::as_str), config.backend())
            .map_err(|e| self.fault(&e))
    }
}
