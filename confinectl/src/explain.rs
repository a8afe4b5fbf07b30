//! `confinectl explain`: which rules a request meets, and which of them counts.

use std::{
    ffi::OsString, fmt, io::Write, net::IpAddr, ops::ControlFlow, os::unix::ffi::OsStrExt, path::PathBuf,
};

use confine::{
    Subject,
    lsm::BackendName,
    map::{Map, MapLine, MapText},
};

use crate::{Failure, Outcome};

/// The command line of `explain`.
#[derive(clap::Args)]
pub struct Args {
    /// The map.
    map: PathBuf,
    /// The proven HTTP user; without it the request is anonymous.
    #[arg(long, value_name = "NAME")]
    user: Option<OsString>,
    /// The client's address.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// The virtual host's ServerName.
    #[arg(long, value_name = "NAME")]
    host: Option<OsString>,
    /// The file that the request maps to, as an absolute path.
    #[arg(long, value_name = "FILE")]
    path: Option<PathBuf>,
    /// The backend of contexts that name none, as in the directive ConfineBackend.
    #[arg(long, value_name = "NAME", default_value = "selinux", value_parser = crate::backend)]
    default_backend: BackendName,
}

/// Writes every rule that matches, in order, and what the request gets.
pub fn run(args: &Args, out: &mut impl Write) -> Result<Outcome, Failure> {
    // A compiled map has no lines to show.
    let text = MapText::load(&args.map, args.default_backend).ok();
    let map = match &text {
        Some(text) => text.all_errors().map_err(Failure::Map)?,
        None => Map::load(&args.map, args.default_backend).map_err(|e| Failure::Map(vec![e]))?,
    };
    let subject = Subject {
        user: args.user.as_ref().map(|u| u.as_bytes()),
        addr: args.ip,
        host: args.host.as_ref().map(|h| h.as_bytes()),
        path: args.path.as_ref().map(|p| p.as_os_str().as_bytes()),
    };
    let file = args.map.display();
    let gives = |list: u32| map.list(list).map(|l| l.contexts.to_string()).unwrap_or_default();
    // The same look-up that the server does; the lines are only there to show what else matches.
    let hit = map.lookup(&subject);
    let mut result = Ok(());
    if let Some(text) = text {
        text.scan(|line| {
            let Some(line) = line.ok().filter(|line| line.subject.matches(&subject)) else {
                return ControlFlow::Continue(());
            };
            let verdict = match hit {
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
            Ok(Outcome::Good)
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

/// A subject in the form of the server's log lines; what is not known is a dash.
struct Facts<'a>(&'a Subject<'a>);

impl fmt::Display for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: Option<&[u8]>| bytes.map_or("-".to_owned(), |b| b.escape_ascii().to_string());
        let addr = self.0.addr.map_or("-".to_owned(), |a| a.to_canonical().to_string());
        write!(f, "user={} addr={addr} vhost={}", shown(self.0.user), shown(self.0.host))
    }
}
