//! A question about one request, and what the module answers.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use super::{Record, RecordError};
use crate::Origin;

/// A request that nobody sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The user, taken for proven.
    pub user: Option<Vec<u8>>,
    /// The client's address.
    pub addr: Option<IpAddr>,
    /// The header `Host`.
    pub host: Option<String>,
    /// The server's address and port that the client spoke to.
    pub to: Option<SocketAddr>,
    /// The file that the request maps to.
    pub path: Option<Vec<u8>>,
    /// The URL's path and query.
    pub uri: Option<Vec<u8>>,
    /// `GET`, ...
    pub method: Option<String>,
    /// Headers, `Name: value`.
    pub headers: Vec<Vec<u8>>,
    /// Environment variables, `NAME=value`.
    pub env: Vec<Vec<u8>>,
    /// Whether the kernel is to be asked about the contexts that come of it.
    pub kernel: bool,
}

/// What the request meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The virtual host.
    pub server: usize,
    /// The server's address and port, if they were given or assumed.
    pub to: String,
    /// The URL's path, as sections see it.
    pub uri: Vec<u8>,
    /// The file, given or found.
    pub path: Option<Vec<u8>>,
    /// What of the file's name is not there, which the server takes for the URL's (PATH_INFO).
    pub rest: Option<Vec<u8>>,
    /// Modules that might have led to another file and were not asked.
    pub not_asked: Vec<String>,
    /// The status with which the server answers before any rule is asked, if it does.
    pub status: Option<u16>,
    /// `enforce` or `report`.
    pub mode: String,
    /// `deny` or `allow`.
    pub unmatched: String,
    /// `ConfineOutOfProcess`, where it is set.
    pub out_of_process: Option<String>,
    /// What the early move gives.
    pub early: Option<Verdict>,
    /// Every rule that applies there, in order.
    pub verdicts: Vec<Verdict>,
    /// What comes of it.
    pub outcome: Option<Outcome>,
    /// What the kernel says.
    pub kernel: Vec<Kernel>,
}

/// What one rule alone says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It does not match.
    Silent,
    /// It matches, and gives contexts.
    Contexts,
    /// It matches, and exempts.
    Exempt,
    /// It cannot be carried out on this request.
    Failed,
    /// It is for a database to say, which is not asked.
    Unasked,
}

impl Found {
    const ALL: [(Self, &str); 5] = [
        (Self::Silent, "silent"),
        (Self::Contexts, "contexts"),
        (Self::Exempt, "exempt"),
        (Self::Failed, "failed"),
        (Self::Unasked, "unasked"),
    ];
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(found, _)| found == self).map_or("?", |(_, name)| name))
    }
}

impl FromStr for Found {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(found, _)| *found).ok_or(())
    }
}

/// One rule's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its number.
    pub rule: usize,
    /// What it says.
    pub found: Found,
    /// The rule as the log names it: for a map, the map's line.
    pub at: Option<Origin>,
    /// The contexts, or why it is silent or fails.
    pub text: String,
}

/// What comes of the request: the words of the server's log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// `confined`, `would confine`, `exempt`, `unmatched`, `refused` or `would refuse`; `no rules` where the
    /// module has nothing to say; `undecided` where a database has to be asked.
    pub event: String,
    /// `rule=`.
    pub at: Option<Origin>,
    /// `context=`.
    pub contexts: Option<String>,
    /// The status of a refusal.
    pub status: Option<u16>,
    /// Why it is refused.
    pub reason: Option<String>,
}

/// What the kernel says of one list of contexts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The contexts.
    pub contexts: String,
    /// Why it refuses them, if it does.
    pub refused: Option<String>,
}

impl Question {
    /// For the environment variable.
    pub fn record(&self) -> Record {
        Record::new("question")
            .maybe("user", self.user.as_ref())
            .maybe("addr", self.addr.map(|a| a.to_string()))
            .maybe("host", self.host.as_ref())
            .maybe("to", self.to.map(|a| a.to_string()))
            .maybe("path", self.path.as_ref())
            .maybe("uri", self.uri.as_ref())
            .maybe("method", self.method.as_ref())
            .each("header", &self.headers)
            .each("env", &self.env)
            .with("kernel", self.kernel.to_string())
    }

    /// Reads what [`Question::record`] wrote.
    pub fn read(record: &Record) -> Result<Self, RecordError> {
        let owned = |name| record.bytes(name).map(<[u8]>::to_vec);
        let optional = |name| record.bytes(name).map(|_| record.need(name)).transpose();
        Ok(Self {
            user: owned("user"),
            addr: record.bytes("addr").map(|_| record.need("addr")).transpose()?,
            host: optional("host")?,
            to: record.bytes("to").map(|_| record.need("to")).transpose()?,
            path: owned("path"),
            uri: owned("uri"),
            method: optional("method")?,
            headers: record.all("header").map(<[u8]>::to_vec).collect(),
            env: record.all("env").map(<[u8]>::to_vec).collect(),
            kernel: record.need("kernel")?,
        })
    }
}

impl Answer {
    pub(super) fn records(&self) -> Vec<Record> {
        let first = Record::new("answer")
            .with("server", self.server.to_string())
            .with("to", &self.to)
            .with("uri", &self.uri)
            .maybe("path", self.path.as_ref())
            .maybe("rest", self.rest.as_ref())
            .each("not-asked", &self.not_asked)
            .maybe("status", self.status.map(|s| s.to_string()))
            .with("mode", &self.mode)
            .with("unmatched", &self.unmatched)
            .maybe("out-of-process", self.out_of_process.as_ref());
        let mut all = vec![first];
        all.extend(self.early.iter().map(|v| v.record("early")));
        all.extend(self.verdicts.iter().map(|v| v.record("verdict")));
        all.extend(self.outcome.iter().map(Outcome::record));
        all.extend(self.kernel.iter().map(|k| {
            Record::new("kernel").with("contexts", &k.contexts).maybe("refused", k.refused.as_ref())
        }));
        all
    }

    pub(super) fn read(records: &[Record]) -> Result<Option<Self>, RecordError> {
        let of = |kind: &'static str| records.iter().filter(move |r| r.kind() == kind);
        let Some(first) = of("answer").next() else { return Ok(None) };
        Ok(Some(Self {
            server: first.need("server")?,
            to: first.need("to")?,
            uri: first.bytes("uri").unwrap_or_default().to_vec(),
            path: first.bytes("path").map(<[u8]>::to_vec),
            rest: first.bytes("rest").map(<[u8]>::to_vec),
            not_asked: first.texts("not-asked"),
            status: first.bytes("status").map(|_| first.need("status")).transpose()?,
            mode: first.need("mode")?,
            unmatched: first.need("unmatched")?,
            out_of_process: first.text("out-of-process"),
            early: of("early").next().map(Verdict::read).transpose()?,
            verdicts: of("verdict").map(Verdict::read).collect::<Result<_, _>>()?,
            outcome: of("outcome").next().map(Outcome::read).transpose()?,
            kernel: of("kernel")
                .map(|r| Ok(Kernel { contexts: r.need("contexts")?, refused: r.text("refused") }))
                .collect::<Result<_, RecordError>>()?,
        }))
    }
}

impl Verdict {
    fn record(&self, kind: &str) -> Record {
        let record = Record::new(kind)
            .with("rule", self.rule.to_string())
            .with("found", self.found.to_string())
            .with("text", &self.text);
        maybe_at(record, self.at.as_ref())
    }

    fn read(record: &Record) -> Result<Self, RecordError> {
        Ok(Self {
            rule: record.need("rule")?,
            found: record.need("found")?,
            at: record.origin(),
            text: record.need("text")?,
        })
    }
}

impl Outcome {
    fn record(&self) -> Record {
        let record = Record::new("outcome")
            .with("event", &self.event)
            .maybe("contexts", self.contexts.as_ref())
            .maybe("status", self.status.map(|s| s.to_string()))
            .maybe("reason", self.reason.as_ref());
        maybe_at(record, self.at.as_ref())
    }

    fn read(record: &Record) -> Result<Self, RecordError> {
        Ok(Self {
            event: record.need("event")?,
            at: record.origin(),
            contexts: record.text("contexts"),
            status: record.bytes("status").map(|_| record.need("status")).transpose()?,
            reason: record.text("reason"),
        })
    }
}

fn maybe_at(record: Record, origin: Option<&Origin>) -> Record {
    match origin {
        Some(origin) => record.at(origin),
        None => record,
    }
}
