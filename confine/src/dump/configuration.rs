//! A configuration, as the module read it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Answer;
use crate::{Origin, bytes::Bytes};

/// The whole description of a configuration.
///
/// A missing part is empty, because an older module does not write it. An unknown part is ignored, because a newer
/// module may write more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dump {
    /// The main server, and the virtual hosts in their order.
    pub servers: Vec<Server>,
    /// The rules, in the order in which they were read.
    pub rules: Vec<Rule>,
    /// Directives that set something.
    pub settings: Vec<Setting>,
    /// The Landlock rulesets.
    pub rulesets: Vec<Ruleset>,
    /// The programs that have processes of their own.
    pub programs: Vec<Program>,
    /// Loaded modules that make content in other processes, by their source files.
    pub modules: Vec<String>,
    /// Loaded modules with a content handler of which it is not known in which process they make content, by their
    /// source files.
    pub unknown_handlers: Vec<String>,
    /// The providers that prove users: the words of AuthBasicProvider and similar directives, and what aliases stand
    /// for.
    pub providers: Vec<String>,
    /// Where the files of learned rulesets lie, where `ConfineMode learn` stands anywhere.
    pub learn_folder: Option<Bytes>,
    /// `LandlockIncludeDir`.
    pub include_folders: Vec<Bytes>,
    /// What the administrator wrote on purpose, and should know about.
    pub notes: Vec<String>,
    /// What is to be corrected, though the server starts. Each text begins with its file and line, if it has them.
    pub findings: Vec<String>,
    /// What startup would write into the log.
    pub warnings: Vec<String>,
    /// What keeps the server from starting. Each text begins with its file and line, if it has them.
    pub faults: Vec<String>,
    /// The account that the server's children run as.
    pub user: Option<User>,
    /// The answer to the question, if one was asked and the configuration has no faults.
    pub answer: Option<Answer>,
}

/// An account of the system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: u32,
}

/// The main server or a virtual host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// ServerName.
    pub name: String,
    /// ServerAlias.
    pub aliases: Vec<String>,
    /// The addresses in `<VirtualHost ADDRESS>`. The main server has none.
    pub addresses: Vec<String>,
    /// Where a virtual host begins.
    pub origin: Option<Origin>,
    /// ConfineGate.
    pub gate: String,
    /// ConfineWorkers.
    pub workers: String,
    /// ConfineBackend.
    pub backend: String,
    /// Whether any rule stands in it, in the main server, or in a section of either.
    pub has_rules: bool,
    /// The index of its ConfineEarly in [`Dump::rules`].
    pub early: Option<usize>,
    /// DocumentRoot.
    #[serde(default)]
    pub document_root: Option<Bytes>,
}

/// A section around a directive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The section's line, such as `<Directory "/srv">`.
    pub title: String,
    /// Where it begins.
    pub origin: Origin,
}

/// Where a rule's context comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The words of the directive.
    Constant,
    /// A map.
    Map,
    /// A table of TOMOYO's own module.
    Transitions,
    /// An environment variable.
    Env,
    /// An expression.
    Expr,
    /// A statement of a database.
    Database,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its directive, place and sections.
    pub written: Setting,
    /// Where its context comes from.
    pub kind: Kind,
    /// The file of a map or a table.
    pub file: Option<String>,
    /// The backend of contexts that name none.
    pub backend: String,
    /// The contexts of a constant, as they were prepared.
    pub contexts: Option<String>,
    /// Whether it is the early move of a server. Such a rule is in no list.
    pub early: bool,
}

/// A directive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name.
    pub directive: String,
    /// Its arguments.
    pub words: Vec<String>,
    /// Where it is written.
    pub origin: Origin,
    /// The index of its server in [`Dump::servers`].
    pub server: usize,
    /// A number that is the same for all directives of one section. They make one list.
    pub list: usize,
    /// The sections around it, the outermost first. The virtual host is not among them.
    pub sections: Vec<Section>,
}

/// A Landlock ruleset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruleset {
    /// Its name.
    pub name: String,
    /// Where it begins; where it is not defined, the first rule that names it.
    pub origin: Origin,
    /// Whether it has a section. Under `ConfineMode learn` it need not.
    #[serde(default = "defined")]
    pub defined: bool,
    /// What it grants.
    #[serde(default)]
    pub grants: Vec<GrantedPath>,
    /// The words of its other directives: `LandlockConnect`, `LandlockBind`, `LandlockScope`.
    #[serde(default)]
    pub words: Vec<(String, Vec<String>)>,
    /// The files that it includes.
    #[serde(default)]
    pub included: Vec<String>,
}

fn defined() -> bool {
    true
}

impl Ruleset {
    /// A ruleset with a section that grants nothing.
    pub fn empty(name: &str, origin: Origin) -> Self {
        let (grants, words, included) = Default::default();
        Self { name: name.to_owned(), origin, defined: true, grants, words, included }
    }
}

/// A program that has processes of its own (`<ConfineFastCGI NAME>`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The name of its section.
    pub name: String,
    /// Where the section begins.
    pub origin: Origin,
    /// Its file.
    pub file: String,
    /// Where handlers of the configuration lead to it.
    #[serde(default)]
    pub handlers: Vec<Origin>,
}

/// A path that a ruleset grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedPath {
    /// `LandlockRead`, `LandlockWrite` or `LandlockExecute`.
    pub directive: String,
    /// The path as it is written, with its expressions.
    pub path: String,
    /// Whether it may be absent.
    pub optional: bool,
    /// Where it is written, which may be a file that the ruleset includes.
    pub origin: Origin,
}

impl fmt::Display for Setting {
    /// The directive as a configuration could have it. Words with blanks are in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.directive)?;
        for word in &self.words {
            if word.is_empty() || word.contains(|c: char| c.is_whitespace() || c == '"') {
                write!(f, " \"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))?;
            } else {
                write!(f, " {word}")?;
            }
        }
        Ok(())
    }
}
