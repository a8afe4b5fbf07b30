//! From what was read to what requests use: every map, context and ruleset is made and checked
//! before the first request, and what is wrong stops the server with file and line.

use std::{collections::HashMap, path::Path, sync::Arc};

use confine::{
    Origin,
    backends::Backends,
    context::ContextList,
    lsm::BackendName,
    map::Map,
    rule::{ReadyMap, Rule, Source},
};

use crate::{
    config::{Draft, DraftSource, Generation, Ready, ServerConfig, ServerContext},
    counters,
    httpd::{
        expression::Expression,
        hooks,
        log::{self, Level},
        server::Server,
    },
};

/// Everything that is wrong, one text each, beginning with file and line.
type Faults = Vec<String>;

/// check_config: makes everything once, so that `-t` and a start say the same, and throws it away.
pub fn check(main: &Server<'_>) -> bool {
    let Some(config) = ServerConfig::of(main) else { return true };
    match prepare(main, config.generation()) {
        Ok(_) => true,
        Err(faults) => {
            for fault in faults {
                log::startup(main, &format!("confine: {fault}"));
            }
            false
        }
    }
}

/// post_config: moves the server itself where that is asked for, then makes everything for good.
pub fn finish(main: &Server<'_>) -> bool {
    log::set_main(Some(main));
    counters::prepare();
    let Some(config) = ServerConfig::of(main) else { return true };
    if hooks::first_reading() || hooks::only_testing() {
        return true;
    }
    let generation = config.generation();
    let result = move_server(main, config, generation).and_then(|()| prepare(main, generation));
    match result {
        Ok(ready) => {
            for warning in ready.backends.iter().flat_map(|b| b.warnings()) {
                log::server(main, Level::Warning, &format!("confine: {warning}"));
            }
            log::server(main, Level::Info, &format!("confine: ready, {} rules", ready.rules.len()));
            generation.set_ready(ready);
            true
        }
        Err(faults) => {
            for fault in faults {
                log::startup(main, &format!("confine: {fault}"));
            }
            false
        }
    }
}

/// Makes a generation's rules and backends, and asks the kernel about each context.
fn prepare(main: &Server<'_>, generation: &Generation) -> Result<Ready, Faults> {
    let backends = Backends::new(generation.rulesets.clone())
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Faults>())?;
    let mut maker = Maker { backends: &backends, maps: HashMap::new(), faults: Vec::new() };
    if let Some(context) = &generation.server_context {
        let default = ServerConfig::of(main).map_or(BackendName::SELINUX, ServerConfig::backend);
        maker.list(&context.origin, "ConfineServerContext", &context.words, default);
    }
    let rules: Vec<_> = generation.drafts.iter().filter_map(|draft| maker.rule(draft)).collect();
    let faults = maker.faults;
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Ready {
        rules,
        backends,
        cache_handler: hooks::has_handler_of(c"mod_cache.c"),
        cgid: hooks::module_loaded(c"mod_cgid.c"),
    })
}

/// Makes rules, collecting what is wrong.
struct Maker<'b> {
    backends: &'b Backends,
    /// A map that several rules name is read once.
    maps: HashMap<(String, BackendName), Option<Arc<ReadyMap>>>,
    faults: Faults,
}

impl Maker<'_> {
    /// A rule, or `None` with a fault noted.
    fn rule(&mut self, draft: &Draft) -> Option<Rule<Expression>> {
        let default = default_backend(draft);
        let source = match &draft.source {
            DraftSource::Constant(words) => {
                let list = self.list(&draft.origin, "ConfineContext", words, default)?;
                let prepared = self.backends.prepare(&list);
                Source::Constant(self.note(&draft.origin, "ConfineContext", prepared)?)
            }
            DraftSource::Map(path) => Source::Map(self.map(&draft.origin, path, default)?),
            DraftSource::Env(name) => {
                self.active(&draft.origin, "ConfineEnv", default)?;
                Source::Env { name: name.clone().into_boxed_c_str(), default }
            }
            DraftSource::Expr(expr) => {
                self.active(&draft.origin, "ConfineExpr", default)?;
                Source::Expr { expr: *expr, default }
            }
        };
        Some(Rule { origin: draft.origin.clone(), source })
    }

    /// The contexts that a directive's words name, asked of the kernel.
    fn list(
        &mut self,
        origin: &Origin,
        directive: &str,
        words: &[String],
        default: BackendName,
    ) -> Option<ContextList> {
        let list = ContextList::parse(words.iter().map(String::as_str), default);
        let list = self.note(origin, directive, list)?;
        let checked = self.backends.check(&list);
        self.note(origin, directive, checked)?;
        Some(list)
    }

    /// A rule whose contexts only requests know: at least the backend must be there.
    fn active(&mut self, origin: &Origin, directive: &str, default: BackendName) -> Option<()> {
        let backend = self.backends.iter().find(|b| b.name() == default)?;
        let active = backend.active().map_err(|e| format!("{e}; or name another with ConfineBackend"));
        self.note(origin, directive, active)
    }

    fn map(&mut self, origin: &Origin, path: &str, default: BackendName) -> Option<Arc<ReadyMap>> {
        let key = (path.to_owned(), default);
        if let Some(known) = self.maps.get(&key) {
            return known.clone();
        }
        let ready = self.read_map(origin, path, default).map(Arc::new);
        self.maps.insert(key, ready.clone());
        ready
    }

    fn read_map(&mut self, origin: &Origin, path: &str, default: BackendName) -> Option<ReadyMap> {
        let map = Map::load(Path::new(path), default);
        let map = self.note(origin, "ConfineMap", map)?;
        let before = self.faults.len();
        for list in map.lists() {
            if let Err(error) = self.backends.check(&list.contexts) {
                self.faults.push(format!("{path}:{}: {error} (ConfineMap at {origin})", list.first_line));
            }
        }
        if self.faults.len() > before {
            return None;
        }
        match ReadyMap::new(map, self.backends) {
            Ok(ready) => Some(ready),
            Err((line, error)) => {
                self.faults.push(format!("{path}:{line}: {error} (ConfineMap at {origin})"));
                None
            }
        }
    }

    fn note<T, E: std::fmt::Display>(
        &mut self,
        origin: &Origin,
        directive: &str,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|e| self.faults.push(format!("{origin}: {directive}: {e}"))).ok()
    }
}

/// The backend of contexts that name none, in the section that the rule stands in.
fn default_backend(draft: &Draft) -> BackendName {
    // SAFETY: the server section of this very reading of the configuration, which is still in use.
    let server = unsafe { Server::from_raw(draft.server) };
    server.as_ref().and_then(ServerConfig::of).map_or(BackendName::SELINUX, ServerConfig::backend)
}

/// Moves the server's own process, before it makes children, into `ConfineServerContext`.
///
/// Restarts come here again, in the same process: already there is success.
fn move_server(main: &Server<'_>, config: &ServerConfig, generation: &Generation) -> Result<(), Faults> {
    static THERE: std::sync::Mutex<Option<Vec<String>>> = std::sync::Mutex::new(None);
    let Some(ServerContext { origin, words }) = &generation.server_context else { return Ok(()) };
    let mut there = THERE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if there.as_ref() == Some(words) {
        return Ok(());
    }
    let fault = |e: &dyn std::fmt::Display| vec![format!("{origin}: ConfineServerContext: {e}")];
    let backends = Backends::new(generation.rulesets.clone())
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Faults>())?;
    let list =
        ContextList::parse(words.iter().map(String::as_str), config.backend()).map_err(|e| fault(&e))?;
    let prepared = backends.prepare(&list).map_err(|e| fault(&e))?;
    if let confine::backends::Prepared::Moves(moves) = prepared {
        for step in &moves.steps {
            let ready = step.ready(&confine::lsm::NoValues).map_err(|e| fault(&e))?;
            confine::lsm::Enter::enter(&ready).map_err(|e| fault(&e))?;
        }
        log::server(
            main,
            Level::Notice,
            &format!("confine: the server moved to {}", moves.text.to_string_lossy()),
        );
    }
    *there = Some(words.clone());
    Ok(())
}
