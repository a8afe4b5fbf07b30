//! What the configuration says, from the directives' words to what a request meets.
//!
//! A [`Generation`] is one reading of the configuration. It hangs on the configuration's pool and
//! dies with it; nothing of it is kept anywhere else. Directives add [`WrittenRule`]s; once all is read,
//! [`crate::startup`] turns them into [`Policy`].

pub mod directives;
pub mod handlers;
pub mod makers;
pub mod named_code;
pub mod php;
pub mod rulesets;
pub mod unverified_certificates;
pub mod written;

use std::{
    ffi::{CStr, CString, c_char, c_void},
    ptr::NonNull,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use apache_sys as sys;
use confine::{
    Origin,
    backends::Backends,
    context::BackendName,
    lsm::landlock::RulesetSpec,
    map::FileStamp,
    policy::{
        answer_cache,
        database::{Parameters, RowsAre},
        decide::{Piece, Rule},
        live_map::LiveMap,
    },
};

use crate::httpd::{
    command::Command, directives::Directives, expression::Expression, pool::Pool, request::Request,
    server::Server,
};

use self::{handlers::Handlers, named_code::NamedCode, php::Php};

/// Everything that is wrong, one text each, beginning with file and line.
pub type Faults = Vec<String>;

/// One reading of the configuration.
#[derive(Default)]
pub struct Generation {
    /// Rules in the order in which they were read; their index is their identity.
    pub drafts: Vec<WrittenRule>,
    /// Rulesets that are complete.
    pub rulesets: Vec<WrittenRuleset>,
    /// The ruleset whose section is being read.
    pub open: Option<WrittenRuleset>,
    /// Expressions in Landlock paths, by index.
    pub path_expressions: Vec<Expression>,
    /// Where the server itself is to move.
    pub server_context: Option<ServerContext>,
    /// The server sections that say `ConfineWorkers per-context`, and where.
    pub per_context: Vec<(Origin, *mut sys::server_rec)>,
    /// The directives as they are written; only where they are to be shown. See [`crate::describe`].
    pub written: Vec<Written>,
    /// Whether the configuration itself gives mod_lua functions to run before or after the content.
    pub lua_hooks: bool,
    /// Directives of the configuration that name code which others than the administrator can change.
    pub code_of_others: Vec<String>,
    /// Those whose code runs before the sections of a request are known.
    pub first_code_of_others: Vec<String>,
    /// `ConfineTrustScripts`.
    pub trusted: Vec<String>,
    /// `ConfineCoreDumps on`.
    pub core_dumps: bool,
    /// Set once, by check_config.
    ready: OnceLock<Policy>,
}

/// A `<ConfineLandlock>` section.
pub struct WrittenRuleset {
    /// What stands in it. Whose it is, start-up fills in ([`crate::startup::rulesets`]).
    pub spec: RulesetSpec,
    /// The virtual host that it stands in; null outside of those.
    pub host: *mut sys::server_rec,
}

/// `ConfineServerContext`, as written.
#[derive(Clone)]
pub struct ServerContext {
    /// Where.
    pub origin: Origin,
    /// The directive's name.
    pub directive: Box<str>,
    /// What.
    pub words: Vec<String>,
}

/// A rule as written.
pub struct WrittenRule {
    /// Where.
    pub origin: Origin,
    /// The directive's name.
    pub directive: Box<str>,
    /// The server section it stands in, whose default backend counts.
    pub server: *mut sys::server_rec,
    /// What.
    pub source: WrittenSource,
    /// Whether it is a directive of mod_selinux, with its own meaning: contexts are SELinux's, the
    /// server's own exempts, and a list made of such rules alone lets the unmatched pass.
    pub of_mod_selinux: bool,
}

impl WrittenRule {
    /// The server section that the rule stands in.
    pub fn server(&self) -> Option<Server<'_>> {
        // SAFETY: the server section of this very reading of the configuration, which is still in use.
        unsafe { Server::from_raw(self.server) }
    }

    /// The settings of that section.
    pub fn config(&self) -> Option<&ServerConfig> {
        self.server().as_ref().and_then(ServerConfig::of)
    }

    /// The backend of contexts that name none, in that section.
    pub fn default_backend(&self) -> BackendName {
        self.config().map_or(BackendName::SELINUX, ServerConfig::backend)
    }

    /// The same for the rule itself: mod_selinux's directives mean SELinux, and others may name a backend.
    pub fn backend(&self) -> BackendName {
        match self.source {
            WrittenSource::Env(_, Some(named)) | WrittenSource::Expr(_, Some(named)) => named,
            _ if self.of_mod_selinux => BackendName::SELINUX,
            _ => self.default_backend(),
        }
    }
}

/// A directive as it is written, for `confinectl`.
pub struct Written {
    /// Its name.
    pub directive: Box<str>,
    /// What stands behind it.
    pub words: Vec<String>,
    /// Where.
    pub origin: Origin,
    /// The server section it stands in.
    pub server: *mut sys::server_rec,
    /// The directory section it stands in: which one, and how that and those around it are written, the
    /// outermost first.
    pub list: usize,
    /// See `list`.
    pub sections: Vec<(String, Origin)>,
    /// The drafts that it made.
    pub drafts: std::ops::Range<usize>,
}

/// What a rule was written as.
pub enum WrittenSource {
    /// `ConfineContext`.
    Constant(Vec<String>),
    /// `ConfineMap`, the file's full path.
    Map(String),
    /// `ConfineMap dbd:`: the statement's label, what it is asked with, and what its rows are.
    Database(CString, Parameters<Expression>, RowsAre, answer_cache::CacheLimits),
    /// `TOMOYO_TransitionMap`, the file's full path.
    Transitions(String),
    /// `ConfineEnv`, and the backend that it names.
    Env(CString, Option<BackendName>),
    /// `ConfineExpr`, and the backend that stands literally at its beginning.
    Expr(Box<[Piece<Expression>]>, Option<BackendName>),
}

/// A generation that requests can use.
pub struct Policy {
    /// By the index of their drafts.
    pub rules: Vec<Rule<Expression>>,
    /// With the rulesets of this generation.
    pub backends: Arc<Backends>,
    /// The maps that rules name, each with what its file looked like when it was read, and the backends as they are
    /// seen from where the rules stand.
    pub maps: Vec<(Arc<LiveMap>, FileStamp, Arc<Backends>)>,
    /// See [`Policy::map_swaps`].
    pub swaps: Arc<AtomicU64>,
    /// What start-up found that deserves a line in the log.
    pub warnings: Vec<String>,
    /// The server's content handlers.
    pub handlers: Handlers,
    /// Whether CGI programs are started by mod_cgid's daemon.
    pub cgid: bool,
    /// What ends mod_lua's states in the worker, where mod_lua is loaded. See [`crate::request::modules::lua`].
    pub lua: Option<Directives>,
    /// What a directory has of mod_lua's that names no code. See [`crate::request::modules::scripts`].
    pub nothing_of_lua: Option<Directives>,
    /// What keeps apart what mod_php shares, where it is loaded.
    pub php: Option<Php>,
}

impl Policy {
    /// How often this process took a changed map over. Whoever keeps something that a decision led to notes the
    /// number before the decision; once it is another one, the same request may be decided otherwise.
    pub fn map_swaps(&self) -> u64 {
        self.swaps.load(Ordering::Acquire)
    }
}

impl Generation {
    const KEY: &'static std::ffi::CStr = c"mod_confine: generation";

    /// The generation of this configuration pool, made at the first call.
    fn of(pool: Pool<'_>) -> NonNull<Self> {
        pool.recall(Self::KEY).unwrap_or_else(|| {
            let new = pool.own(Self::default());
            pool.remember(Self::KEY, new);
            new
        })
    }

    /// Changes the generation that is being read. `edit` must not read further directives.
    pub fn edit<T>(pool: Pool<'_>, edit: impl FnOnce(&mut Self) -> T) -> T {
        let mut generation = Self::of(pool);
        // SAFETY: the configuration is read by one thread, before any request; `edit` cannot reach
        // this function again, so this is the only borrow.
        edit(unsafe { generation.as_mut() })
    }

    /// What requests use; `None` until start-up has finished.
    pub fn ready(&self) -> Option<&Policy> {
        self.ready.get()
    }

    /// Finishes start-up.
    pub fn set_ready(&self, ready: Policy) {
        // A second call in one generation would be a fault of start-up; the first stays.
        let _ = self.ready.set(ready);
    }
}

/// Which gate takes requests over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gate {
    /// Before the first phase.
    Process,
    /// Before the content handler.
    Handler,
}

/// How many, how long, how often: the words behind `per-context`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WorkerLimits {
    /// Kept workers of one child, resting ones and those at work.
    pub max: usize,
    /// After this time without work a kept worker ends.
    pub idle: Duration,
    /// After this many requests it ends.
    pub requests: u32,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self { max: 64, idle: Duration::from_secs(10), requests: 1000 }
    }
}

/// How long a worker lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workers {
    /// For one request.
    OneTime,
    /// For further requests of its context, within limits.
    PerContext(WorkerLimits),
}

/// Settings of a server section.
#[derive(Clone, Copy)]
pub struct ServerConfig {
    /// `ConfineGate`.
    pub gate: Option<Gate>,
    /// `ConfineWorkers`.
    pub workers: Option<Workers>,
    /// `ConfineBackend`.
    pub backend: Option<BackendName>,
    /// `ConfineEarly`: the index of its rule in [`Policy::rules`].
    pub early: Option<usize>,
    /// Whether any rule stands in this server or in a section of it.
    pub has_rules: bool,
    generation: NonNull<Generation>,
}

impl ServerConfig {
    /// The merged configuration of a server.
    pub fn of<'s>(server: &Server<'s>) -> Option<&'s Self> {
        let raw = NonNull::new(server.module_config().cast::<Self>())?;
        // SAFETY: this module's entry is what create_server or merge_server made, in a pool that
        // lives as long as the server.
        Some(unsafe { raw.as_ref() })
    }

    /// The gate, with its default.
    pub fn gate(&self) -> Gate {
        self.gate.unwrap_or(Gate::Process)
    }

    /// How long workers live, with the default.
    pub fn workers(&self) -> Workers {
        self.workers.unwrap_or(Workers::OneTime)
    }

    /// The backend of contexts that name none.
    pub fn backend(&self) -> BackendName {
        self.backend.unwrap_or(BackendName::SELINUX)
    }

    /// The generation that this server belongs to.
    pub fn generation(&self) -> &Generation {
        // SAFETY: owned by the configuration pool, as is self.
        unsafe { self.generation.as_ref() }
    }
}

/// Changes the settings of the server section that a directive stands in.
pub fn edit_server<T>(command: &Command<'_>, edit: impl FnOnce(&mut ServerConfig) -> T) -> Result<T, String> {
    let server = command.server().ok_or("the server gave no section")?;
    let raw = server.module_config().cast::<ServerConfig>();
    // SAFETY: as ServerConfig::of; the configuration is read by one thread, before any request, and
    // `edit` reads no further directive.
    unsafe { raw.as_mut() }.map(edit).ok_or_else(|| "this server has no configuration".to_owned())
}

/// Sets how long workers live in the server section that a directive stands in.
pub fn set_workers(command: &Command<'_>, workers: Workers) -> Result<(), String> {
    edit_server(command, |s| s.workers = Some(workers))?;
    if workers != Workers::OneTime {
        let pool = command.pool().ok_or("the server gave no pool")?;
        let server = command.server().ok_or("the server gave no section")?;
        let place = (command.origin(), server.as_ptr());
        Generation::edit(pool, |g| g.per_context.push(place));
    }
    Ok(())
}

/// Notes where the server itself is to move; once a configuration.
pub fn set_server_context(command: &Command<'_>, words: Vec<String>) -> Result<(), String> {
    command.outside_virtual_hosts()?;
    let pool = command.pool().ok_or("the server gave no pool")?;
    let context = ServerContext { origin: command.origin(), directive: command.name().into(), words };
    Generation::edit(pool, |g| match &g.server_context {
        Some(first) => Err(format!("is set already at {}; the server has one context", first.origin)),
        None => {
            g.server_context = Some(context);
            Ok(())
        }
    })
}

/// What a request without a matching rule gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unmatched {
    /// 403.
    Deny,
    /// The server's own privileges.
    Allow,
}

/// Whether decisions are carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Yes.
    Enforce,
    /// Only logged and counted.
    Report,
}

/// What content that another process makes gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutOfProcess {
    /// 403.
    Deny,
    /// A log line, once a child.
    Warn,
    /// Silence.
    Allow,
}

/// What confined requests have of what PHP shares between requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PhpCache {
    /// Nothing that a setting can take.
    Off,
    /// All, because the contexts trust each other.
    Shared,
}

/// Where a request is made to panic, for tests of what happens then.
#[cfg(feature = "fault-injection")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// In the gate, before the worker.
    Gate,
    /// At the worker's start.
    Worker,
    /// In the move.
    Move,
    /// No panic: the worker's pool is asked for more memory than there is.
    Memory,
}

/// Settings of a directory section; `None` is inherited.
#[derive(Clone, Copy, Default)]
pub struct Settings {
    /// `ConfineUnmatched`.
    pub unmatched: Option<Unmatched>,
    /// `ConfineMode`.
    pub mode: Option<Mode>,
    /// `ConfineOutOfProcess`.
    pub out_of_process: Option<OutOfProcess>,
    /// `ConfineAllowCache`.
    pub allow_cache: Option<bool>,
    /// `ConfinePHPCache`.
    pub php_cache: Option<PhpCache>,
    /// `ConfineFault`.
    #[cfg(feature = "fault-injection")]
    pub fault: Option<Fault>,
}

impl Settings {
    /// These settings over those of an outer scope.
    fn over(self, outer: Self) -> Self {
        Self {
            unmatched: self.unmatched.or(outer.unmatched),
            mode: self.mode.or(outer.mode),
            out_of_process: self.out_of_process.or(outer.out_of_process),
            allow_cache: self.allow_cache.or(outer.allow_cache),
            php_cache: self.php_cache.or(outer.php_cache),
            #[cfg(feature = "fault-injection")]
            fault: self.fault.or(outer.fault),
        }
    }
}

/// The configuration of a directory section, or of several merged: the inner rules before the outer
/// ones. Plain data in a pool: the server merges on every request, so merging must be cheap.
#[derive(Clone, Copy)]
pub struct DirectoryConfig {
    /// What is set here.
    pub settings: Settings,
    /// Code that is named here, see [`crate::request::modules::scripts`].
    pub code: NamedCode,
    /// The last `SetHandler`.
    handler: Option<SetHandler>,
    first: Option<NonNull<Link>>,
    /// `SSLUserName`; see [`crate::subject::certificates`].
    pub name_in_certificate: Option<NonNull<c_char>>,
}

/// `SetHandler`, which is core's, as this module saw it.
#[derive(Clone, Copy)]
enum SetHandler {
    /// In the server's configuration: the handler's name, as written. It lives as long as the configuration.
    Configuration(NonNull<c_char>),
    /// In a .htaccess file.
    Htaccess,
}

/// One section's rules in a chain of scopes.
#[derive(Clone, Copy)]
struct Link {
    /// The section's own list, owned by the configuration's pool.
    rules: NonNull<Vec<usize>>,
    outer: Option<NonNull<Link>>,
}

impl DirectoryConfig {
    /// The configuration that applies to a request; `None` where no directive does.
    pub fn of<'r>(r: &Request<'r>) -> Option<&'r Self> {
        let raw = NonNull::new(r.directory_config().cast::<Self>())?;
        // SAFETY: this module's entry is what create_directory or merge_directory made, in a pool
        // that lives at least as long as the request.
        Some(unsafe { raw.as_ref() })
    }

    /// The variable of mod_ssl's that says the user's name.
    pub fn name_in_certificate(&self) -> Option<&CStr> {
        // SAFETY: a word of the configuration that was merged into this one, which lives at least as long.
        self.name_in_certificate.map(|name| unsafe { CStr::from_ptr(name.as_ptr()) })
    }

    /// Whether any rule applies.
    pub fn has_rules(&self) -> bool {
        self.first.is_some()
    }

    /// The handler that `SetHandler` names in the server's configuration; `None` where a .htaccess file says
    /// otherwise, or nobody does.
    pub fn handler_of_the_configuration(&self) -> Option<&CStr> {
        match self.handler? {
            // SAFETY: note_handler() put a C string there, in the configuration's pool.
            SetHandler::Configuration(name) => Some(unsafe { CStr::from_ptr(name.as_ptr()) }),
            SetHandler::Htaccess => None,
        }
    }

    /// The rules' indices in [`Policy::rules`], inner scopes first, each scope in its own order.
    pub fn rules(&self) -> impl Iterator<Item = usize> {
        let mut link = self.first;
        std::iter::from_fn(move || {
            // SAFETY: links and lists live in the pools of the configurations that were merged, all
            // of which live at least as long as this one; nobody changes them any more.
            let (rules, outer) = unsafe {
                let current = link?.as_ref();
                (current.rules.as_ref(), current.outer)
            };
            link = outer;
            Some(rules.iter().copied())
        })
        .flatten()
    }
}

/// Notes code that a directive names in its directory section, or `.htaccess` file.
pub fn name_code(command: &Command<'_>, code: NamedCode) -> Result<(), String> {
    let raw = command.directory_config().cast::<DirectoryConfig>();
    // SAFETY: what create_directory made for this section, or for the `.htaccess` file that this thread reads.
    let config = unsafe { raw.as_mut() }.ok_or("this section has no configuration")?;
    config.code = config.code.and(code);
    Ok(())
}

/// Changes the settings of the directory section that a directive stands in.
pub fn edit_settings(command: &Command<'_>, edit: impl FnOnce(&mut Settings)) -> Result<(), String> {
    let raw = command.directory_config().cast::<DirectoryConfig>();
    // SAFETY: what create_directory made for this section; read by one thread, before any request.
    let config = unsafe { raw.as_mut() }.ok_or("this section has no configuration")?;
    edit(&mut config.settings);
    Ok(())
}

/// Notes which handler `SetHandler` names for the directory section that it stands in, or that a .htaccess file
/// does. The directive itself is core's, which the server calls as well (server/config.c, ap_walk_config_sub).
pub fn note_handler(command: &Command<'_>, name: &str) -> Result<(), String> {
    let handler = if command.is_in_htaccess() {
        SetHandler::Htaccess
    } else {
        let pool = command.pool().ok_or("the server gave no pool")?;
        SetHandler::Configuration(NonNull::from(pool.text(name.as_bytes())).cast())
    };
    let raw = command.directory_config().cast::<DirectoryConfig>();
    // SAFETY: what create_directory made for this section; it is being read, by one thread.
    let config = unsafe { raw.as_mut() }.ok_or("this section has no configuration")?;
    config.handler = Some(handler);
    Ok(())
}

/// Notes which variable of mod_ssl's holds the user's name in the directory section that `SSLUserName` stands in.
pub fn note_name_in_certificate(command: &Command<'_>, name: &CStr) -> Result<(), String> {
    let pool = command.pool().ok_or("the server gave no pool")?;
    let raw = command.directory_config().cast::<DirectoryConfig>();
    // SAFETY: what create_directory made for this section; it is being read, by one thread.
    let config = unsafe { raw.as_mut() }.ok_or("this section has no configuration")?;
    config.name_in_certificate = Some(NonNull::from(pool.text(name.to_bytes())).cast());
    Ok(())
}

/// Adds a rule to the directory section that a directive stands in.
pub fn add_rule(command: &Command<'_>, source: WrittenSource) -> Result<(), String> {
    add(command, source, false)
}

/// Adds a rule that a directive of mod_selinux gives.
pub fn add_rule_of_mod_selinux(command: &Command<'_>, source: WrittenSource) -> Result<(), String> {
    add(command, source, true)
}

/// Sets the early move of the server section that a directive stands in.
pub fn set_early(command: &Command<'_>, source: WrittenSource) -> Result<(), String> {
    let index = draft(command, source, false)?;
    edit_server(command, |s| match s.early.replace(index) {
        None => Ok(()),
        Some(_) => Err("is set already in this server".to_owned()),
    })?
}

/// Notes a rule; gives its index.
fn draft(command: &Command<'_>, source: WrittenSource, of_mod_selinux: bool) -> Result<usize, String> {
    let pool = command.pool().ok_or("the server gave no pool")?;
    let server = command.server().ok_or("the server gave no section")?;
    let draft = WrittenRule {
        origin: command.origin(),
        directive: command.name().into(),
        server: server.as_ptr(),
        source,
        of_mod_selinux,
    };
    edit_server(command, |s| s.has_rules = true)?;
    command.read_files();
    Ok(Generation::edit(pool, |g| {
        g.drafts.push(draft);
        g.drafts.len() - 1
    }))
}

fn add(command: &Command<'_>, source: WrittenSource, of_mod_selinux: bool) -> Result<(), String> {
    let pool = command.pool().ok_or("the server gave no pool")?;
    let index = draft(command, source, of_mod_selinux)?;
    let raw = command.directory_config().cast::<DirectoryConfig>();
    // SAFETY: as edit_settings; a section's first link is its own, made here.
    unsafe {
        let config = raw.as_mut().ok_or("this section has no configuration")?;
        match config.first {
            Some(mut link) => link.as_mut().rules.as_mut().push(index),
            None => {
                let link = Link { rules: pool.own(vec![index]), outer: None };
                config.first = Some(NonNull::from(pool.place(link)));
            }
        }
    }
    Ok(())
}

/// Makes a server's configuration.
///
/// # Safety
/// For the module record: `pool` is the configuration's live pool.
pub unsafe extern "C" fn create_server(pool: *mut sys::apr_pool_t, _: *mut sys::server_rec) -> *mut c_void {
    // SAFETY: the caller's promise.
    let Some(pool) = (unsafe { Pool::from_raw(pool) }) else { return std::ptr::null_mut() };
    let config = ServerConfig {
        gate: None,
        workers: None,
        backend: None,
        early: None,
        has_rules: false,
        generation: Generation::of(pool),
    };
    std::ptr::from_mut(pool.place(config)).cast()
}

/// Merges a virtual host's configuration over the main server's.
///
/// # Safety
/// For the module record: both were made by [`create_server`] and live as long as `pool`.
pub unsafe extern "C" fn merge_server(
    pool: *mut sys::apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    let parts = unsafe {
        (Pool::from_raw(pool), outer.cast::<ServerConfig>().as_ref(), inner.cast::<ServerConfig>().as_ref())
    };
    let (Some(pool), Some(outer), Some(inner)) = parts else { return inner };
    let merged = ServerConfig {
        gate: inner.gate.or(outer.gate),
        workers: inner.workers.or(outer.workers),
        backend: inner.backend.or(outer.backend),
        early: inner.early.or(outer.early),
        has_rules: inner.has_rules || outer.has_rules,
        generation: inner.generation,
    };
    std::ptr::from_mut(pool.place(merged)).cast()
}

/// Makes a directory section's configuration.
///
/// # Safety
/// For the module record: `pool` is the live pool of the configuration, or of the request whose
/// .htaccess is read.
pub unsafe extern "C" fn create_directory(pool: *mut sys::apr_pool_t, _: *mut c_char) -> *mut c_void {
    // SAFETY: the caller's promise.
    let Some(pool) = (unsafe { Pool::from_raw(pool) }) else { return std::ptr::null_mut() };
    let config = DirectoryConfig {
        settings: Settings::default(),
        code: NamedCode::default(),
        handler: None,
        first: None,
        name_in_certificate: None,
    };
    std::ptr::from_mut(pool.place(config)).cast()
}

/// Merges an inner directory section over an outer one. Runs on requests: a few words of pool.
///
/// # Safety
/// For the module record: both were made by [`create_directory`] or this, and live as long as `pool`.
pub unsafe extern "C" fn merge_directory(
    pool: *mut sys::apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    let parts = unsafe {
        (
            Pool::from_raw(pool),
            outer.cast::<DirectoryConfig>().as_ref(),
            inner.cast::<DirectoryConfig>().as_ref(),
        )
    };
    let (Some(pool), Some(outer), Some(inner)) = parts else { return inner };
    let merged = DirectoryConfig {
        settings: inner.settings.over(outer.settings),
        code: inner.code.and(outer.code),
        handler: inner.handler.or(outer.handler),
        first: append(pool, inner.first, outer.first),
        name_in_certificate: inner.name_in_certificate.or(outer.name_in_certificate),
    };
    std::ptr::from_mut(pool.place(merged)).cast()
}

/// The chain `inner`, copied, with `outer` behind its last link.
fn append(
    pool: Pool<'_>,
    inner: Option<NonNull<Link>>,
    outer: Option<NonNull<Link>>,
) -> Option<NonNull<Link>> {
    let Some(link) = inner else { return outer };
    if outer.is_none() {
        return inner;
    }
    // SAFETY: a link of a configuration that lives as long as the merged one.
    let Link { rules, outer: next } = unsafe { *link.as_ref() };
    let copy = Link { rules, outer: append(pool, next, outer) };
    Some(NonNull::from(pool.place(copy)))
}
