//! What one thread gathers while the configuration is read. Requests see none of it.

use std::{
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet, HashMap},
    ffi::CString,
    ops::Range,
    path::PathBuf,
};

use confine::{
    Origin,
    context::BackendName,
    lsm::{landlock::RulesetSpec, uid::UserSettings},
    policy::{
        answer_cache,
        database::{Parameters, RowsAre},
        decide::Piece,
    },
};

use super::{Mode, ServerConfig, fastcgi::Program};
use crate::httpd::{
    expression::Expression,
    pool::Pool,
    server::{Server, ServerId},
};

/// One reading of the configuration.
#[derive(Default)]
pub struct Written {
    /// The rules in the order in which they were read. Their index is their identity.
    pub rules: Vec<WrittenRule>,
    /// The rules of each directory section, by their indices.
    pub lists: Vec<Vec<usize>>,
    /// Rulesets that are complete.
    pub rulesets: Vec<WrittenRuleset>,
    /// The ruleset whose section is being read.
    pub open: Option<WrittenRuleset>,
    /// Sections `<ConfineFastCGI>` that are complete.
    pub programs: Vec<Program>,
    /// The one that is being read.
    pub open_program: Option<Program>,
    /// `LandlockIncludeDir`: the folders in which included files are looked for first, in their order.
    pub include_folders: Vec<PathBuf>,
    /// Expressions in Landlock paths, by index.
    pub path_expressions: Vec<Expression>,
    /// Where the server itself is to move.
    pub server_context: Option<WrittenServerContext>,
    /// The server sections that say `ConfineWorkers per-context`, and where.
    pub per_context: Vec<(Origin, ServerId)>,
    /// The directives as they are written, only where they are to be shown. See [`super::noting`].
    pub directives: Vec<WrittenDirective>,
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
    /// `ConfineStatusRows`.
    pub status_rows: Option<usize>,
    /// Whether requests are watched anywhere.
    pub watches: bool,
    /// Whether `ConfineMode report` or `learn` stands anywhere.
    pub reports: bool,
    /// Each `ConfineMode`, and where it stands.
    pub modes: Vec<(Standing, Mode)>,
    /// The handlers that lead to pools.
    pub pool_handlers: Vec<WrittenPoolHandler>,
    /// The server sections in which `ConfineMode learn` stands.
    pub learning: BTreeSet<ServerId>,
    /// `ConfineLearnFolder`.
    pub learn_folder: Option<PathBuf>,
    /// `ConfineUsers`.
    pub users: WrittenUsers,
}

/// The place of what is written, in the configuration's pool.
#[derive(Default)]
struct Reading {
    open: RefCell<Written>,
    done: OnceCell<Written>,
}

impl Written {
    /// Changes what is written, while the configuration is being read. `edit` must not read further directives.
    pub fn edit<T>(pool: Pool<'_>, edit: impl FnOnce(&mut Self) -> T) -> T {
        edit(&mut pool.single::<Reading>().open.borrow_mut())
    }

    /// All that is written. To be called once the configuration was read: what is added later is not seen.
    pub fn of(pool: Pool<'_>) -> &Self {
        let reading = pool.single::<Reading>();
        reading.done.get_or_init(|| reading.open.take())
    }
}

/// A `<ConfineLandlock>` section.
pub struct WrittenRuleset {
    /// What the section says. [`super::rulesets`] adds the name of the virtual host.
    pub spec: RulesetSpec,
    /// The virtual host that it stands in; `None` outside of those.
    pub host: Option<ServerId>,
    /// `LandlockInclude`: the names of what was put into it already.
    pub included: BTreeSet<Box<str>>,
}

/// `ConfineServerContext`, as written.
pub struct WrittenServerContext {
    /// Where.
    pub origin: Origin,
    /// The directive's name.
    pub directive: Box<str>,
    /// What.
    pub words: Vec<String>,
}

/// `ConfineUsers`, of all places where it is written.
#[derive(Default)]
pub struct WrittenUsers {
    /// What it says.
    pub settings: UserSettings,
    /// Where each of its words was written first, by the part before the equals sign.
    pub places: BTreeMap<&'static str, Origin>,
}

/// Whose directive a rule was written with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vocabulary {
    /// This module's, or TOMOYO's own module's.
    Own,
    /// mod_selinux's directives keep their own meaning. Contexts are SELinux's, the server's own context exempts a
    /// request, and a list of such rules alone lets unmatched requests pass.
    ModSelinux,
}

/// The sections around a directive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The server section.
    pub server: ServerId,
    /// The others, the outermost first, each as it is written and with its place.
    pub sections: Vec<(String, Origin)>,
}

impl Standing {
    /// Whether what stands here also counts where `inner` stands: sections that are further out count, too, and those
    /// of the main server in virtual hosts.
    fn is_around(&self, inner: &Self, main: ServerId) -> bool {
        (self.server == inner.server || self.server == main) && inner.sections.starts_with(&self.sections)
    }

    /// Of several things that count here, the first one of the innermost section. Where sections overlap without
    /// standing in each other, only a request can tell.
    pub fn nearest<'s, T>(&self, things: impl Iterator<Item = (&'s Self, T)>, main: ServerId) -> Option<T> {
        let around = things.filter(|(standing, _)| standing.is_around(self, main));
        let depth = |standing: &Self| (standing.sections.len(), standing.server == self.server);
        // Of equal ones the first stays.
        let nearer = |best: (&'s Self, T), next: (&'s Self, T)| {
            if depth(next.0) > depth(best.0) { next } else { best }
        };
        around.reduce(nearer).map(|(_, thing)| thing)
    }

    /// Whether files of the section `inner` get a handler that stands here, in the same server, though this section is
    /// not around it: only `<Files>` and `<FilesMatch>` keep the two apart, and those say nothing of folders. A section
    /// of `inner` that is about files must be written the same.
    pub fn reaches_into(&self, inner: &Self) -> bool {
        let is_of_files = |(section, _): &&(String, Origin)| section.starts_with("<Files");
        let both = self.sections.iter().zip(&inner.sections).take_while(|(own, other)| own == other).count();
        let (own, other) = (&self.sections[both..], &inner.sections[both..]);
        let is_named_here = |(section, _): &(String, Origin)| own.iter().any(|(text, _)| text == section);
        self.server == inner.server
            && !other.is_empty()
            && own.iter().all(|section| is_of_files(&section))
            && (own.is_empty() || other.iter().filter(is_of_files).all(is_named_here))
    }
}

/// `SetHandler confine-fastcgi:NAME`, in the server's configuration.
pub struct WrittenPoolHandler {
    /// Where.
    pub origin: Origin,
    /// The name of the section that it leads to.
    pub name: Box<str>,
    /// The sections around it.
    pub standing: Standing,
}

/// A rule as written.
pub struct WrittenRule {
    /// Where.
    pub origin: Origin,
    /// The sections around it.
    pub standing: Standing,
    /// The directive's name.
    pub directive: Box<str>,
    /// The server section it stands in, whose default backend counts.
    pub server: ServerId,
    /// What.
    pub source: WrittenSource,
    /// Whose directive it is.
    pub vocabulary: Vocabulary,
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

impl WrittenRule {
    /// The settings of the server section that the rule stands in.
    pub fn config<'s>(&self, servers: &Servers<'s>) -> Option<&'s ServerConfig<'s>> {
        servers.get(self.server).as_ref().and_then(ServerConfig::of)
    }

    /// The backend of contexts that name none, in that section.
    pub fn default_backend(&self, servers: &Servers<'_>) -> BackendName {
        self.config(servers).map_or(BackendName::SELINUX, ServerConfig::backend)
    }

    /// The same for the rule itself: mod_selinux's directives mean SELinux, and others may name a backend.
    pub fn backend(&self, servers: &Servers<'_>) -> BackendName {
        match self.source {
            WrittenSource::Env(_, Some(named)) | WrittenSource::Expr(_, Some(named)) => named,
            _ if self.vocabulary == Vocabulary::ModSelinux => BackendName::SELINUX,
            _ => self.default_backend(servers),
        }
    }
}

/// A directive as it is written, for `confinectl`.
pub struct WrittenDirective {
    /// Its name.
    pub directive: Box<str>,
    /// What stands behind it.
    pub words: Vec<String>,
    /// Where.
    pub origin: Origin,
    /// The server section it stands in.
    pub server: ServerId,
    /// The directory section it stands in.
    pub section: usize,
    /// How that section and those around it are written, the outermost first.
    pub sections: Vec<(String, Origin)>,
    /// The rules that it made, by their indices.
    pub rules: Range<usize>,
}

/// The servers of a configuration, by what the directives know of them.
pub struct Servers<'s> {
    all: Vec<Server<'s>>,
    numbers: HashMap<ServerId, usize>,
}

impl<'s> Servers<'s> {
    /// The main server and its virtual hosts.
    pub fn of(main: &Server<'s>) -> Self {
        let all = main.with_hosts();
        let numbers = all.iter().enumerate().map(|(number, server)| (server.id(), number)).collect();
        Self { all, numbers }
    }

    /// All of them, the main one first.
    pub fn all(&self) -> &[Server<'s>] {
        &self.all
    }

    /// The number of a server in that list.
    pub fn number(&self, server: ServerId) -> Option<usize> {
        self.numbers.get(&server).copied()
    }

    /// A server.
    pub fn get(&self, server: ServerId) -> Option<Server<'s>> {
        self.number(server).map(|number| self.all[number])
    }
}
