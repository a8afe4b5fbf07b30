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
    /// The user. The module takes the name for proven.
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
    /// Whether the kernel is to be asked about the contexts that come of it.
    pub kernel: bool,
    /// What its application would do, for the rulesets to answer.
    pub attempts: Vec<Attempt>,
}

/// Something that an application does and a ruleset may refuse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// The word of the access, as logs have it.
    pub access: String,
    /// To what.
    pub object: Object,
}

/// What an application reaches for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// A file or folder, by its whole path.
    Path(Bytes),
    /// A TCP port.
    Port(u16),
    /// An abstract UNIX socket of another process.
    AbstractSocket,
}

/// What one ruleset answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempted {
    /// The ruleset, as a context.
    pub context: String,
    /// What was asked.
    pub attempt: Attempt,
    /// What to do where it is refused, or why that is not known.
    pub refused: Option<String>,
}

/// What the request meets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The index of the virtual host in [`Dump::servers`](super::Dump::servers).
    pub server: usize,
    /// The server's address and port, if they were given or assumed.
    pub to: String,
    /// The URL's path, as sections see it.
    pub uri: Bytes,
    /// The file, which the question gave or the server found.
    pub path: Option<Bytes>,
    /// The end of the file's name that does not exist. The server takes it for a part of the URL (PATH_INFO).
    pub rest: Option<Bytes>,
    /// Modules that were not asked, and might have led to another file.
    pub not_asked: Vec<String>,
    /// The status with which the server answers before any rule is asked, if it does.
    pub status: Option<u16>,
    /// `enforce` or `report`.
    pub mode: String,
    /// `deny` or `allow`.
    pub unmatched: String,
    /// The value of `ConfineOutOfProcess`, where it is set.
    pub out_of_process: Option<String>,
    /// What the rule of the early move says.
    pub early: Option<Verdict>,
    /// Every rule that applies there, in order.
    pub verdicts: Vec<Verdict>,
    /// What becomes of the request.
    pub outcome: Option<Outcome>,
    /// What the kernel says.
    pub kernel: Vec<Kernel>,
    /// What the rulesets among the contexts say.
    pub attempted: Vec<Attempted>,
}

/// What one rule alone says.
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
    /// A database would have to be asked, and is not.
    Unasked,
}

/// What one rule says, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The index of the rule in [`Dump::rules`](super::Dump::rules).
    pub rule: usize,
    /// What it says.
    pub found: Found,
    /// The rule as the log names it: for a map, the map's line.
    pub at: Option<Origin>,
    /// The contexts, or why it is silent or fails.
    pub text: String,
}

/// What becomes of the request: the words of the server's log line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// `confined`, `would confine`, `learning`, `exempt`, `unmatched`, `refused` or `would refuse`; `no rules` where
    /// the module has nothing to say; `undecided` where a database has to be asked.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// The contexts.
    pub contexts: String,
    /// Why it refuses them, if it does.
    pub refused: Option<String>,
}
