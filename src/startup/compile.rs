//! Makes rules of written rules: each context, map and statement is checked, and what is wrong is gathered.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, atomic::AtomicU64},
};

use confine::{
    backends::{Backends, CheckError, Prepared, SameContext},
    context::{BackendName, ContextList},
    lsm::{Backend, Moved},
    policy::{
        database::{Database, RowsAre},
        decide::{Rule, Source},
        live_map::LiveMap,
    },
};

use crate::{
    config::{Faults, Gate, Servers, Vocabulary, WatchedMap, Written, WrittenRule, WrittenSource, rulesets},
    httpd::{
        expression::Expression,
        server::{Server, ServerId},
    },
    report,
    startup::{dbd_statements::Statements, maps::MapKey},
};

/// Makes rules, and gathers what is wrong.
pub struct RuleCompiler<'b> {
    pub(super) backends: &'b Arc<Backends>,
    /// The backends for rules of virtual hosts that have rulesets of their own.
    pub(super) of_hosts: HashMap<ServerId, Arc<Backends>>,
    servers: &'b Servers<'b>,
    written: &'b [WrittenRule],
    /// The maps that were read. A map that several rules name is read once.
    pub(super) known_maps: HashMap<MapKey, Option<Arc<LiveMap>>>,
    pub(super) maps: Vec<WatchedMap>,
    pub(super) swaps: Arc<AtomicU64>,
    pub(super) faults: Faults,
    /// What the log should say.
    pub(super) warnings: Vec<String>,
    statements: Statements,
}

/// What comes of all rules.
pub struct Compiled {
    /// The rules. Where there is a fault, not all of them.
    pub rules: Vec<Rule<Expression>>,
    /// The maps that they name.
    pub maps: Vec<WatchedMap>,
    /// What counts how often a map is taken over.
    pub swaps: Arc<AtomicU64>,
    /// What is wrong.
    pub faults: Faults,
    /// What the log should say.
    pub warnings: Vec<String>,
}

impl<'b> RuleCompiler<'b> {
    /// Makes ready to compile what is written.
    pub fn new(
        main: &Server<'_>,
        servers: &'b Servers<'b>,
        written: &'b Written,
        backends: &'b Arc<Backends>,
    ) -> Self {
        Self {
            backends,
            of_hosts: rulesets::of_hosts(main, written, backends),
            servers,
            written: &written.rules,
            known_maps: HashMap::new(),
            maps: Vec::new(),
            swaps: Arc::default(),
            faults: Vec::new(),
            warnings: Vec::new(),
            statements: Statements::of(main),
        }
    }

    /// Makes all rules.
    pub fn compile(mut self) -> Compiled {
        let rules = self.written.iter().filter_map(|written| self.rule(written)).collect();
        let Self { maps, swaps, faults, warnings, .. } = self;
        Compiled { rules, maps, swaps, faults, warnings }
    }

    /// A rule, or `None` with a fault noted.
    fn rule(&mut self, written: &WrittenRule) -> Option<Rule<Expression>> {
        let gate = written.config(self.servers).map(|server| server.gate());
        if self.is_early(written) && gate == Some(Gate::Handler) {
            let why = "needs ConfineGate process, under which a request's first phase runs in its worker";
            self.or_fault(written, Err::<(), _>(why))?;
        }
        let same_context = match written.vocabulary {
            Vocabulary::ModSelinux => SameContext::Exempt,
            Vocabulary::Own => SameContext::Refused,
        };
        let default = written.backend(self.servers);
        let source = match &written.source {
            WrittenSource::Constant(words) => {
                Source::Constant(self.constant(written, words, default, same_context)?)
            }
            WrittenSource::Map(path) => Source::Map(self.map(written, path, default, same_context)?),
            WrittenSource::Transitions(path) => Source::Transitions(self.transitions(written, path)?),
            WrittenSource::Env(name, named) => {
                self.active(written, default)?;
                let name = name.clone().into_boxed_c_str();
                Source::Env { name, backend: default, named: named.is_some() }
            }
            WrittenSource::Expr(pieces, named) => {
                self.active(written, default)?;
                Source::Expr { pieces: pieces.clone(), backend: default, named: named.is_some() }
            }
            WrittenSource::Database(label, parameters, rows, limits) => {
                self.active(written, default)?;
                if *rows == RowsAre::Rules {
                    // A row may name any backend by its prefix, and is refused where that backend takes no values.
                    self.backends.iter().for_each(|backend| drop(backend.expect_values()));
                }
                let found = self.statements.find(label, parameters, &self.servers.get(written.server)?);
                let statement = self.or_fault(written, found)?;
                let database = Database::new(statement, parameters.clone(), default, *rows, *limits);
                Source::Database(Box::new(database))
            }
        };
        let backends = self.of_hosts.get(&written.server).cloned();
        let origin = written.origin.clone();
        let in_log = report::in_log(&origin.file, origin.line).into();
        Some(Rule { origin, in_log, source, same_context, backends })
    }

    /// The backends for the place where the rule stands.
    pub(super) fn backends_of(&self, written: &WrittenRule) -> Arc<Backends> {
        Arc::clone(self.of_hosts.get(&written.server).unwrap_or(self.backends))
    }

    /// Whether this is its server's `ConfineEarly`.
    fn is_early(&self, written: &WrittenRule) -> bool {
        self.early_of(written).is_some_and(|early| std::ptr::eq(early, written))
    }

    fn early_of(&self, written: &WrittenRule) -> Option<&'b WrittenRule> {
        self.written.get(written.config(self.servers)?.early?)
    }

    /// The backends that give other answers in the contexts of the early move, because the moves of this rule start
    /// there. The list is empty if only requests know those contexts. `None` if there is no early move.
    pub(super) fn after_early(&self, written: &WrittenRule) -> Option<Vec<Box<dyn Backend>>> {
        let early = self.early_of(written).filter(|early| !std::ptr::eq(*early, written))?;
        let WrittenSource::Constant(words) = &early.source else { return Some(Vec::new()) };
        match ContextList::parse(words.iter().map(String::as_str), early.default_backend(self.servers)) {
            Ok(list) => Some(self.backends_of(early).after(&list, Moved::Thread)),
            // The early move itself reports this error.
            Err(_) => Some(Vec::new()),
        }
    }

    /// The words of the early move that comes before this rule, if they are constant.
    pub(super) fn early_words(&self, written: &WrittenRule) -> Option<&'b [String]> {
        match &self.early_of(written)?.source {
            WrittenSource::Constant(words) => Some(words),
            _ => None,
        }
    }

    /// The contexts that a directive's words name. The kernel is asked about them.
    fn constant(
        &mut self,
        written: &WrittenRule,
        words: &[String],
        default: BackendName,
        same_context: SameContext,
    ) -> Option<Prepared> {
        let list = ContextList::parse(words.iter().map(String::as_str), default);
        let list = self.or_fault(written, list)?;
        let backends = self.backends_of(written);
        let checked = backends.check(&list, same_context, self.after_early(written).as_deref());
        let checked = checked.map_err(|e| format!("{list}: {}", with_hint(&e)));
        self.or_fault(written, checked)?;
        let prepared = backends.prepare(&list, same_context);
        let prepared = self.or_fault(written, prepared)?;
        let for_processes = match &prepared {
            Prepared::Moves(moves) if self.is_early(written) => moves.for_processes.as_ref(),
            _ => None,
        };
        let early = for_processes.map_or(Ok(()), |context| Err(not_early(context.backend)));
        self.or_fault(written, early)?;
        Some(prepared)
    }

    /// Checks a rule whose contexts only requests know. At least its backend must be active.
    fn active(&mut self, written: &WrittenRule, default: BackendName) -> Option<()> {
        let backend = self.backends.iter().find(|b| b.name() == default)?;
        let active = backend.active().map_err(|e| with_hint(&CheckError::Inactive(e)));
        self.or_fault(written, active)?;
        let expected = backend.expect_values().map_err(|problem| format!("{default}: {problem}"));
        self.or_fault(written, expected)?;
        // A request's first thread makes the early move, whatever serves it later.
        let early = self.is_early(written) && backend.is_for_processes();
        self.or_fault(written, if early { Err(not_early(default)) } else { Ok(()) })
    }

    /// The value, or `None` with a fault noted that names the rule.
    pub(super) fn or_fault<T, E: fmt::Display>(
        &mut self,
        written: &WrittenRule,
        result: Result<T, E>,
    ) -> Option<T> {
        let WrittenRule { origin, directive, .. } = written;
        result.map_err(|e| self.faults.push(format!("{origin}: {directive}: {e}"))).ok()
    }
}

/// Why an early move cannot be one for processes.
fn not_early(backend: BackendName) -> String {
    format!(
        "{backend}: is for processes of their own, and the early move is a thread's; write it in the rule of what \
         <ConfineFastCGI> serves"
    )
}

/// The error, and if a backend is not active, the hint that a beginner needs most.
pub fn with_hint(error: &CheckError) -> String {
    match error {
        CheckError::Inactive(_) => {
            format!(
                "{error}; or name another backend, with ConfineBackend or in the context, as in landlock:NAME"
            )
        }
        CheckError::Refused(refused) => refused.problem.to_string(),
    }
}
