//! A question about one request, and what the module answers.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{Origin, bytes::Bytes};

/// A question about a request that nobody sent.
///
/// A field that is not known is an error: without it, the answer would be about another request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The user. The module treats this name as proven.
    pub user: Option<Bytes>,
    /// The client's address.
    pub addr: Option<IpAddr>,
    /// The header `Host`.
    pub host: Option<String>,
    /// The server's address and port that the client spoke to.
    pub to: Option<SocketAddr>,
    /// The file that the request maps to.
    pub path: Option<Bytes>,
    /// The URL's path and query.
    pub uri: Option<Bytes>,
    /// The method, such as `GET`.
    pub method: Option<String>,
    /// Headers, each as `Name: value`.
    pub headers: Vec<Bytes>,
    /// Environment variables, each as `NAME=value`.
    pub env: Vec<Bytes>,
    /// Whether the kernel must be asked about the contexts of the request.
    pub kernel: bool,
    /// What the application would do. The rulesets answer this.
    pub attempts: Vec<Attempt>,
}

/// An access of an application that a ruleset can refuse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// The word for the kind of access, as in logs.
    pub access: String,
    /// The object of the access.
    pub object: Object,
}

/// The object of an access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// A file or folder, by its absolute path.
    Path(Bytes),
    /// A TCP port.
    Port(u16),
    /// An abstract UNIX socket of another process.
    AbstractSocket,
}

/// The answer of one ruleset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    /// The ruleset, as a context.
    pub context: String,
    /// The access.
    pub attempt: Attempt,
    /// If it is refused: what to do, or why that is not known.
    pub refused: Option<String>,
}

/// What the request meets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The index of the virtual host in [`Dump::servers`](super::Dump::servers).
    pub server: usize,
    /// The server's address and port, if they were given or assumed.
    pub to: String,
    /// The URL's path, as the server compares it with sections.
    pub uri: Bytes,
    /// The file, from the question or as the server found it.
    pub path: Option<Bytes>,
    /// The end of the path that does not exist. The server takes it for a part of the URL (PATH_INFO).
    pub rest: Option<Bytes>,
    /// Modules that were not asked, although they might lead to another file.
    pub not_asked: Vec<String>,
    /// The status with which the server answers before any rule is asked, if it does.
    pub status: Option<u16>,
    /// `enforce` or `report`.
    pub mode: String,
    /// `deny` or `allow`.
    pub unmatched: String,
    /// The value of `ConfineOutOfProcess`, if it is set.
    pub out_of_process: Option<String>,
    /// The answer of the early move's rule.
    pub early: Option<Verdict>,
    /// Every rule that applies there, in order.
    pub verdicts: Vec<Verdict>,
    /// What happens with the request.
    pub outcome: Option<Outcome>,
    /// The answers of the kernel.
    pub kernel: Vec<Kernel>,
    /// The answers of the rulesets among the contexts.
    pub attempted: Vec<Attempted>,
}

/// The answer of one rule alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// It does not match.
    Silent,
    /// It matches, and gives contexts.
    Contexts,
    /// It matches, and exempts.
    Exempt,
    /// It cannot be carried out on this request.
    Failed,
    /// A database would have to be asked, and it is not asked.
    Unasked,
}

/// The answer of one rule, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The index of the rule in [`Dump::rules`](super::Dump::rules).
    pub rule: usize,
    /// The answer.
    pub found: Found,
    /// The rule as the log names it: for a map, the map's line.
    pub at: Option<Origin>,
    /// The contexts, or why the rule does not match or fails.
    pub text: String,
}

/// What happens with the request, in the words of the server's log line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// `confined`, `would confine`, `learning`, `exempt`, `unmatched`, `refused` or `would refuse`. It is `no rules` if
    /// the module has nothing to do with the request, and `undecided` if a database must be asked.
    pub event: String,
    /// The value of `rule=`.
    pub at: Option<Origin>,
    /// The value of `context=`.
    pub contexts: Option<String>,
    /// The status of a refusal.
    pub status: Option<u16>,
    /// Why it is refused.
    pub reason: Option<String>,
    /// The pool of processes that makes the content, in words.
    #[serde(default)]
    pub pool: Option<String>,
}

/// The answer of the kernel about one list of contexts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// The contexts.
    pub contexts: String,
    /// Why it refuses them, if it does.
    pub refused: Option<String>,
}
