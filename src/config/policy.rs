//! What requests use of the configuration. All threads share it, and nobody changes it once it is made.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use confine::{
    backends::Backends,
    learn::LearnFile,
    map::FileStamp,
    policy::{decide::Rule, live_map::LiveMap},
};

use super::{handlers::ContentHandlers, php::Php};
use crate::httpd::{directives::Directives, expression::Expression, pool::Pool};

/// What requests use of one reading of the configuration.
pub struct Policy {
    /// The rules. Each has the index of the written rule that it was made of.
    pub rules: Vec<Rule<Expression>>,
    /// The rules of each directory section, by their indices, in the order in which they stand there.
    pub lists: Vec<Vec<usize>>,
    /// The backends, with the rulesets of this configuration.
    pub backends: Arc<Backends>,
    /// The maps that rules name.
    pub maps: Vec<WatchedMap>,
    /// How often this process replaced a changed map. See [`Policy::map_swaps`].
    pub swaps: Arc<AtomicU64>,
    /// Expressions in Landlock paths, by index.
    pub path_expressions: Vec<Expression>,
    /// What start-up found that deserves a line in the log.
    pub warnings: Vec<String>,
    /// The server's content handlers.
    pub handlers: ContentHandlers,
    /// Whether CGI programs are started by mod_cgid's daemon.
    pub cgid: bool,
    /// Whether the configuration itself gives mod_lua functions to run before or after the content.
    pub lua_hooks: bool,
    /// What ends mod_lua's states in the worker, where mod_lua is loaded. See [`crate::request::modules::lua`].
    pub lua: Option<Directives>,
    /// What a directory has of mod_lua's that names no code. See [`crate::request::modules::scripts`].
    pub nothing_of_lua: Option<Directives>,
    /// What keeps apart what mod_php shares, where it is loaded.
    pub php: Option<Php>,
    /// What leads requests to mod_proxy_fcgi as programs of `<ConfineFastCGI>` need it; `None` without such sections.
    pub fcgi: Option<Directives>,
    /// Whether children may leave core dumps (`ConfineCoreDumps on`).
    pub core_dumps: bool,
    /// Whether requests under rulesets are watched anywhere.
    pub watches: bool,
    /// Whether any virtual host keeps workers (`ConfineWorkers per-context`).
    pub keeps_workers: bool,
    /// The files of the rulesets that are learned, by their names. Start-up opens them after the policy is made.
    pub learned: OnceLock<BTreeMap<String, Arc<LearnFile>>>,
}

/// A map that rules name.
#[derive(Clone)]
pub struct WatchedMap {
    /// The rules that are in force.
    pub map: Arc<LiveMap>,
    /// What its file looked like when it was read.
    pub stamp: FileStamp,
    /// The backends as they are seen from where the rules stand.
    pub backends: Arc<Backends>,
    /// Which programs have pools in its contexts.
    pub programs: Vec<MapProgram>,
}

/// A program that has pools in the contexts of a map.
#[derive(Clone)]
pub struct MapProgram {
    /// The program's file.
    pub file: PathBuf,
    /// Whether it is PHP's.
    pub is_php: bool,
    /// The handler and the rule, with their places, for people.
    pub place: String,
    /// Whether handler and rule stand in one section, so that nothing else decides.
    pub is_certain: bool,
    /// Why no context may name a user there.
    pub no_users: Vec<&'static str>,
}

impl Policy {
    /// How often this process replaced a changed map. Code that keeps something from a decision notes the number
    /// before the decision. When the number has changed, the same request may get another decision.
    pub fn map_swaps(&self) -> u64 {
        self.swaps.load(Ordering::Acquire)
    }
}

/// The place of a policy in the configuration's pool. It is empty until start-up has finished.
#[derive(Default)]
pub(super) struct PolicyPlace(OnceLock<Policy>);

impl PolicyPlace {
    /// The place in this configuration's pool.
    pub(super) fn of(pool: Pool<'_>) -> &Self {
        pool.single()
    }

    /// The policy, once there is one.
    pub(super) fn policy(&self) -> Option<&Policy> {
        self.0.get()
    }

    /// Finishes start-up. A second call for one configuration would be a fault of start-up; the first policy stays.
    pub(super) fn set(&self, policy: Policy) {
        let _ = self.0.set(policy);
    }
}

/// Threads share a policy, so the compiler is asked whether they may.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<PolicyPlace>();
};
