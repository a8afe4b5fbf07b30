//! `confinectl explain`: which rules of a map or of a whole configuration a request meets, and which of them is used.

mod whole;

use std::{
    ffi::OsString,
    fmt,
    io::Write,
    net::IpAddr,
    ops::ControlFlow,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use confine::{
    ContextList, Subject,
    map::{Map, MapLine, MapSubject, MapText},
};

use crate::{
    Failure, Outcome, check, described,
    out::{Out, shown},
};

/// The command line of `explain`.
#[derive(clap::Args)]
pub struct Args {
    /// The map. Without one, the whole configuration of the server is asked.
    map: Option<PathBuf>,
    #[command(flatten)]
    server: described::ServerArgs,
    /// The proven HTTP user. Without it, the request is anonymous.
    #[arg(long, value_name = "NAME")]
    user: Option<OsString>,
    /// The client's address.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    ip: Option<IpAddr>,
    /// The virtual host's ServerName. For a configuration, the header Host, which chooses the virtual host.
    #[arg(long, value_name = "NAME")]
    host: Option<OsString>,
    /// The file that the request maps to, as an absolute path.
    #[arg(long, value_name = "FILE")]
    path: Option<PathBuf>,
    #[command(flatten)]
    request: whole::RequestArgs,
    /// For a map: also show the rules that do not match, and why. (For a configuration, all rules are shown.)
    #[arg(long, requires = "map")]
    all: bool,
    /// Ask the kernel about each context that the request gets.
    #[arg(long)]
    kernel: bool,
    #[command(flatten)]
    assumed: check::Assumed,
}

/// A client's address, for the command line.
fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "write an IPv4 or IPv6 address, such as 192.0.2.7 or 2001:db8::7".to_owned())
}

impl Args {
    /// Whether JSON was requested.
    pub fn json(&self) -> bool {
        self.request.json
    }
}

/// Why a rule for `rule` does not match `subject`. `None` if it matches.
fn mismatch(rule: MapSubject<'_>, subject: &Subject<'_>) -> Option<&'static str> {
    if rule.matches(subject) {
        return None;
    }
    let other = |is_known: bool, other, unknown| if is_known { other } else { unknown };
    Some(match rule {
        MapSubject::User(_) | MapSubject::UserInAnyCase(_) => {
            other(subject.user.is_some(), "the user is another", "the request is anonymous")
        }
        MapSubject::Net(_) => {
            other(subject.addr.is_some(), "the address is outside of it", "no --ip was given")
        }
        MapSubject::Host(_) => {
            other(subject.host.is_some(), "the virtual host is another", "no --host was given")
        }
        MapSubject::Path(_) => {
            other(subject.path.is_some(), "the path is none of these", "no --path was given")
        }
        MapSubject::Anonymous => "the user is proven",
        MapSubject::Any => "it matches everything",
    })
}

/// Writes what the kernel says about each context. The result says whether it refuses none.
fn ask_kernel(args: &Args, contexts: &ContextList, out: &mut Out<impl Write>) -> Result<bool, Failure> {
    let ContextList::Contexts(contexts) = contexts else { return Ok(true) };
    let mut accepted = true;
    for context in contexts {
        match check::checker(context.backend, &args.assumed) {
            Err(why) => writeln!(out, "kernel: {context}: not asked: {why}")?,
            Ok((backend, how)) => match backend.check(&context.text) {
                Ok(()) => writeln!(out, "kernel: {context}: accepted, {how}")?,
                Err(error) => {
                    accepted = false;
                    writeln!(out, "kernel: {error}")?;
                }
            },
        }
    }
    Ok(accepted)
}

/// Writes the rules that the request meets, in order, and its contexts.
pub fn run(args: &Args, out: &mut Out<impl Write>) -> Result<Outcome, Failure> {
    match &args.map {
        Some(_) if args.server.is_any() => Err(Failure::Refused(
            "a map is asked alone; leave the map out to ask a configuration with its maps".to_owned(),
        )),
        Some(map) => explain_map(args, map, out),
        None => whole::run(args, out),
    }
}

/// Writes every rule that matches, in order, and the contexts of the request.
fn explain_map(args: &Args, path: &Path, out: &mut Out<impl Write>) -> Result<Outcome, Failure> {
    // A compiled map has no lines to show.
    let text = MapText::load(path, args.assumed.default_backend).ok();
    let map = match &text {
        Some(text) => text.all_errors().map_err(Failure::Map)?,
        None => Map::load(path, args.assumed.default_backend).map_err(|e| Failure::Map(vec![e]))?,
    };
    let subject = Subject {
        user: args.user.as_ref().map(|u| u.as_bytes()),
        addr: args.ip,
        host: args.host.as_ref().map(|h| h.as_bytes()),
        path: args.path.as_ref().map(|p| p.as_os_str().as_bytes()),
    };
    let file = shown(path);
    let gives = |list: u32| map.list(list).map(|l| l.contexts.to_string()).unwrap_or_default();
    // The server does the same look-up. The lines only show what else matches.
    let hit = map.lookup(&subject);
    let mut result = Ok(());
    if let Some(text) = text {
        text.scan(|line| {
            let Ok(line) = line else { return ControlFlow::Continue(()) };
            let mismatch = mismatch(line.subject, &subject);
            if mismatch.is_some() && !args.all {
                return ControlFlow::Continue(());
            }
            let verdict = match hit {
                _ if mismatch.is_some() => format!("does not match: {}", mismatch.unwrap_or_default()),
                Some(hit) if hit.line == line.line => "applies: the first that matches".to_owned(),
                Some(hit) => format!("matches too, but line {} comes first", hit.line),
                None => String::new(),
            };
            let MapLine { line, subject, contexts } = line;
            result = writeln!(out, "{file}:{line}: {subject} -> {contexts} ({verdict})");
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
    }
    result?;
    match hit {
        Some(hit) => {
            writeln!(out, "{}: {} from {file}:{}", Facts(&subject), gives(hit.list), hit.line)?;
            let list = map.list(hit.list).filter(|_| args.kernel);
            let accepted = list.map_or(Ok(true), |list| ask_kernel(args, &list.contexts, out))?;
            Ok(if accepted { Outcome::Good } else { Outcome::Bad })
        }
        None => {
            writeln!(
                out,
                "{}: no rule of {file} matches; if no other rule of the server does, ConfineUnmatched decides \
                 (by default the request is denied)",
                Facts(&subject)
            )?;
            Ok(Outcome::Bad)
        }
    }
}

/// A subject in the form of the server's log lines. An unknown fact is a dash.
struct Facts<'a>(&'a Subject<'a>);

impl fmt::Display for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: Option<&[u8]>| bytes.map_or("-".to_owned(), |b| b.escape_ascii().to_string());
        let addr = self.0.addr.map_or("-".to_owned(), |a| a.to_canonical().to_string());
        write!(f, "user={} addr={addr} vhost={}", shown(self.0.user), shown(self.0.host))
    }
}
