//! A configuration, as the module read it.

use std::{fmt, str::FromStr};

use super::{Answer, Record, RecordError};
use crate::Origin;

/// All there is to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// The main server, and the virtual hosts in their order.
    pub servers: Vec<Server>,
    /// In the order in which they were read.
    pub rules: Vec<Rule>,
    /// Directives that set something.
    pub settings: Vec<Setting>,
    /// The Landlock rulesets.
    pub rulesets: Vec<Ruleset>,
    /// Loaded modules that make content in other processes, by their source files.
    pub modules: Vec<String>,
    /// Loaded modules with a content handler of which it is not known in which process they make content, by
    /// their source files.
    pub unknown_handlers: Vec<String>,
    /// Who proves users: the words of AuthBasicProvider and its like, and what aliases stand for.
    pub providers: Vec<String>,
    /// What is as it was written, and worth knowing.
    pub notes: Vec<String>,
    /// What start-up would write to the log.
    pub warnings: Vec<String>,
    /// What keeps the server from starting; each begins with file and line where there are such.
    pub faults: Vec<String>,
    /// Whom the server's children run as.
    pub user: Option<User>,
    /// The answer, where a question was asked and the configuration is good.
    pub answer: Option<Answer>,
}

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its number.
    pub id: u32,
}

/// The main server or a virtual host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// ServerName.
    pub name: String,
    /// ServerAlias.
    pub aliases: Vec<String>,
    /// As in `<VirtualHost ADDRESS>`; none for the main server.
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
    /// The rule of its ConfineEarly.
    pub early: Option<usize>,
}

/// A section around a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Such as `<Directory "/srv">`.
    pub title: String,
    /// Where it begins.
    pub origin: Origin,
}

/// Where a rule's context comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl Kind {
    const ALL: [(Self, &str); 6] = [
        (Self::Constant, "constant"),
        (Self::Map, "map"),
        (Self::Transitions, "transitions"),
        (Self::Env, "env"),
        (Self::Expr, "expr"),
        (Self::Database, "database"),
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(kind, _)| kind == self).map_or("?", |(_, name)| name);
        f.write_str(name)
    }
}

impl FromStr for Kind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(kind, _)| *kind).ok_or(())
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Whether it is a server's early move, which is in no list.
    pub early: bool,
}

/// A directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub directive: String,
    /// What stands behind it.
    pub words: Vec<String>,
    /// Where.
    pub origin: Origin,
    /// In which of the servers.
    pub server: usize,
    /// The same number for the directives of one section, which make one list.
    pub list: usize,
    /// The sections around it, the outermost first, but for the virtual host.
    pub sections: Vec<Section>,
}

/// A Landlock ruleset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub origin: Origin,
}

impl fmt::Display for Setting {
    /// As a configuration would have it; words with blanks in quotes.
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

impl Dump {
    /// The records, in an order in which they can be read; the last one says that it is.
    pub fn records(&self) -> Vec<Record> {
        let mut all: Vec<_> = self.servers.iter().map(Server::record).collect();
        for rule in &self.rules {
            all.push(rule.record());
            all.extend(rule.written.section_records());
        }
        for setting in &self.settings {
            all.push(setting.record("setting"));
            all.extend(setting.section_records());
        }
        let ruleset = |r: &Ruleset| Record::new("ruleset").with("name", &r.name).at(&r.origin);
        all.extend(self.rulesets.iter().map(ruleset));
        for (kind, texts) in [
            ("module", &self.modules),
            ("unknown-handler", &self.unknown_handlers),
            ("provider", &self.providers),
            ("note", &self.notes),
            ("warning", &self.warnings),
            ("fault", &self.faults),
        ] {
            all.extend(texts.iter().map(|text| Record::new(kind).with("text", text)));
        }
        all.extend(
            self.user
                .as_ref()
                .map(|user| Record::new("user").with("name", &user.name).with("id", user.id.to_string())),
        );
        all.extend(self.answer.iter().flat_map(Answer::records));
        all.push(Record::new("end"));
        all
    }

    /// Reads what a server printed.
    pub fn parse(printed: &str) -> Result<Self, RecordError> {
        let records: Vec<_> = printed.lines().filter_map(Record::parse).collect();
        match records.last() {
            None => return Err(RecordError::Missing),
            Some(last) if last.kind() != "end" => return Err(RecordError::CutShort),
            Some(_) => {}
        }
        let mut dump = Self::default();
        // The directive that a record of a section belongs to.
        let mut last_is_rule = false;
        for record in &records {
            match record.kind() {
                "server" => dump.servers.push(Server::read(record)?),
                "rule" => dump.rules.push(Rule::read(record)?),
                "setting" => dump.settings.push(Setting::read(record)?),
                "section" => dump.add_section(last_is_rule, Section::read(record)?),
                "ruleset" => {
                    dump.rulesets.push(Ruleset { name: record.need("name")?, origin: record.need_origin()? });
                }
                "module" => dump.modules.extend(record.text("text")),
                "unknown-handler" => dump.unknown_handlers.extend(record.text("text")),
                "provider" => dump.providers.extend(record.text("text")),
                "note" => dump.notes.extend(record.text("text")),
                "warning" => dump.warnings.extend(record.text("text")),
                "fault" => dump.faults.extend(record.text("text")),
                "user" => dump.user = Some(User { name: record.need("name")?, id: record.need("id")? }),
                _ => {}
            }
            last_is_rule = match record.kind() {
                "rule" => true,
                "section" => last_is_rule,
                _ => false,
            };
        }
        dump.answer = Answer::read(&records)?;
        dump.consistent()
    }

    /// Gives a section to the directive that was read last.
    fn add_section(&mut self, to_rule: bool, section: Section) {
        let rule = self.rules.last_mut().map(|r| &mut r.written);
        if let Some(written) = if to_rule { rule } else { self.settings.last_mut() } {
            written.sections.push(section);
        }
    }

    /// Refuses numbers of servers and rules that are not there.
    fn consistent(self) -> Result<Self, RecordError> {
        let written = self.rules.iter().map(|r| &r.written).chain(&self.settings);
        let servers = written.map(|w| w.server).chain(self.answer.iter().map(|a| a.server));
        let early = self.servers.iter().filter_map(|s| s.early);
        let verdicts = self.answer.iter().flat_map(|a| a.early.iter().chain(&a.verdicts)).map(|v| v.rule);
        if servers.max().is_some_and(|n| n >= self.servers.len())
            || early.chain(verdicts).max().is_some_and(|n| n >= self.rules.len())
        {
            return Err(RecordError::CutShort);
        }
        Ok(self)
    }
}

impl Server {
    fn record(&self) -> Record {
        let record = Record::new("server")
            .with("name", &self.name)
            .each("alias", &self.aliases)
            .each("address", &self.addresses)
            .with("gate", &self.gate)
            .with("workers", &self.workers)
            .with("backend", &self.backend)
            .with("rules", self.has_rules.to_string())
            .maybe("early", self.early.map(|n| n.to_string()));
        match &self.origin {
            Some(origin) => record.at(origin),
            None => record,
        }
    }

    fn read(record: &Record) -> Result<Self, RecordError> {
        Ok(Self {
            name: record.need("name")?,
            aliases: record.texts("alias"),
            addresses: record.texts("address"),
            origin: record.origin(),
            gate: record.need("gate")?,
            workers: record.need("workers")?,
            backend: record.need("backend")?,
            has_rules: record.need("rules")?,
            early: record.bytes("early").map(|_| record.need("early")).transpose()?,
        })
    }
}

impl Rule {
    fn record(&self) -> Record {
        self.written
            .record("rule")
            .with("kind", self.kind.to_string())
            .maybe("source", self.file.as_ref())
            .with("backend", &self.backend)
            .maybe("contexts", self.contexts.as_ref())
            .with("early", self.early.to_string())
    }

    fn read(record: &Record) -> Result<Self, RecordError> {
        Ok(Self {
            written: Setting::read(record)?,
            kind: record.need("kind")?,
            file: record.text("source"),
            backend: record.need("backend")?,
            contexts: record.text("contexts"),
            early: record.need("early")?,
        })
    }
}

impl Setting {
    fn record(&self, kind: &str) -> Record {
        Record::new(kind)
            .with("directive", &self.directive)
            .each("word", &self.words)
            .with("server", self.server.to_string())
            .with("list", self.list.to_string())
            .at(&self.origin)
    }

    fn section_records(&self) -> impl Iterator<Item = Record> {
        self.sections.iter().map(|s| Record::new("section").with("title", &s.title).at(&s.origin))
    }

    fn read(record: &Record) -> Result<Self, RecordError> {
        Ok(Self {
            directive: record.need("directive")?,
            words: record.texts("word"),
            origin: record.need_origin()?,
            server: record.need("server")?,
            list: record.need("list")?,
            sections: Vec::new(),
        })
    }
}

impl Section {
    fn read(record: &Record) -> Result<Self, RecordError> {
        Ok(Self { title: record.need("title")?, origin: record.need_origin()? })
    }
}
