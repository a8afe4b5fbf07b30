//! `confinectl explain`: which rules a request meets, and which of them counts.

use std::{ffi::OsString, fmt, io::Write, net::IpAddr, os::unix::ffi::OsStrExt, path::PathBuf};

use confine::{Subject, lsm::BackendName, map::Map};

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
    let map = Map::load_all_errors(&args.map, args.default_backend).map_err(Failure::Map)?;
    let subject = Subject {
        user: args.user.as_ref().map(|u| u.as_bytes()),
        addr: args.ip,
        host: args.host.as_ref().map(|h| h.as_bytes()),
        path: args.path.as_ref().map(|p| p.as_os_str().as_bytes()),
    };
    let file = args.map.display();
    let gives =
        |list: u32| map.lists().get(list as usize).map(|l| l.contexts.to_string()).unwrap_or_default();
    // The same look-up that the server does; the lines are only there to show what else matches.
    let hit = map.lookup(&subject);
    for line in map.lines().filter(|line| line.subject.matches(&subject)) {
        let verdict = match hit {
            Some(hit) if hit.line == line.line => "applies: the first that matches".to_owned(),
            Some(hit) => format!("matches too, but line {} comes first", hit.line),
            None => String::new(),
        };
        writeln!(out, "{file}:{}: {} -> {} ({verdict})", line.line, line.subject, gives(line.list))?;
    }
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
