//! Explains a request to a whole configuration: the server chooses the virtual host and merges the sections.

use std::{
    ffi::{OsStr, OsString},
    io::Write,
    net::SocketAddr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use anstyle::{AnsiColor, Style};
use clap::builder::PossibleValuesParser;
use confine::{
    bytes::Bytes,
    dump::{Answer, Attempt, Attempted, Dump, Found, Object, Outcome as Decided, Question, Verdict},
    field::{Field, Reason, Words},
    lsm::landlock::FileAccess,
};
use serde_json::{Value, json};

use crate::{
    Failure, Outcome, check,
    described::{HOW_TO_LOAD, Reading},
    out::{self, Out},
};

/// The facts of a request that only a whole configuration needs.
#[derive(clap::Args)]
pub struct RequestArgs {
    /// The path of the URL, with its query if there is one. The default is /.
    #[arg(long, value_name = "PATH", conflicts_with = "map")]
    uri: Option<OsString>,
    /// The method.
    #[arg(long, value_name = "METHOD", conflicts_with = "map")]
    method: Option<String>,
    /// A header, `Name: value`. May be given several times.
    #[arg(long = "header", value_name = "HEADER", conflicts_with = "map")]
    headers: Vec<OsString>,
    /// An environment variable, `NAME=VALUE`, as modules set them. May be given several times.
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "map")]
    env: Vec<OsString>,
    /// The address and port of the server to which the client connects. The default is one that leads to the virtual
    /// host of --host.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "map", value_parser = to)]
    to: Option<SocketAddr>,
    /// What the application would do with the file of --path. The rulesets of the request answer. The request's own
    /// file then follows from --uri. May be given several times.
    #[arg(long, value_name = "ACCESS", conflicts_with = "map", requires = "path", value_parser = accesses())]
    access: Vec<String>,
    /// A program that the application would run.
    #[arg(long, value_name = "FILE", conflicts_with = "map")]
    exec: Option<PathBuf>,
    /// A TCP port that the application would connect to, or the file of a UNIX socket, or @NAME for an abstract one.
    #[arg(long, value_name = "PORT|SOCKET", conflicts_with = "map")]
    connect: Option<OsString>,
    /// Print one JSON object instead of lines of text.
    #[arg(long, conflicts_with = "map")]
    pub json: bool,
}

/// The words for kinds of access to a file.
fn accesses() -> PossibleValuesParser {
    let mut words = FileAccess::ALL.map(FileAccess::word).to_vec();
    words.dedup();
    PossibleValuesParser::new(words)
}

/// An address and a port, for the command line.
fn to(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write ADDRESS:PORT, such as 192.0.2.1:80 or [2001:db8::1]:443".to_owned())
}

impl RequestArgs {
    /// The accesses that the rulesets are asked about.
    fn attempts(&self, path: Option<&Path>) -> Result<Vec<Attempt>, Failure> {
        let object = |path: &Path| Object::Path(Bytes::from(path.as_os_str().as_bytes()));
        let of = |access: &str, object| Attempt { access: access.to_owned(), object };
        let mut attempts: Vec<_> = path
            .into_iter()
            .flat_map(|path| self.access.iter().map(move |access| of(access, object(path))))
            .collect();
        if let Some(program) = &self.exec {
            absolute("--exec", program)?;
            attempts.push(of(FileAccess::Execute.word(), object(program)));
        }
        if let Some(to) = &self.connect {
            let text = to.to_string_lossy();
            let to = match text.parse() {
                Ok(port) => Object::Port(port),
                Err(_) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                    let why = format!("--connect {text}: ports are numbered from 0 to 65535");
                    return Err(Failure::Refused(why));
                }
                Err(_) if text.starts_with('@') => Object::AbstractSocket,
                Err(_) => {
                    absolute("--connect", Path::new(to))?;
                    object(Path::new(to))
                }
            };
            attempts.push(of(FileAccess::ConnectSocket.word(), to));
        }
        Ok(attempts)
    }
}

fn absolute(option: &str, path: &Path) -> Result<(), Failure> {
    match path.is_absolute() {
        true => Ok(()),
        false => Err(Failure::Refused(format!("{option} {}: write the whole path from /", path.display()))),
    }
}

/// `read /etc/passwd`.
fn attempt(attempt: &Attempt) -> String {
    match &attempt.object {
        Object::Path(path) => format!("{} {}", attempt.access, Field(Some(path))),
        Object::Port(port) => format!("{} to TCP port {port}", attempt.access),
        Object::AbstractSocket => format!("{} to an abstract socket of another process", attempt.access),
    }
}

/// Asks the server and writes its answer.
pub fn run(args: &super::Args, out: &mut Out<impl Write>) -> Result<Outcome, Failure> {
    let question = question(args)?;
    let (reading, said) = args.server.read(Some(&question))?;
    let shown = args.server.shown();
    let mut undecided = |said: &[String], why: String| -> Result<Outcome, Failure> {
        if args.request.json {
            let findings: Vec<_> = said.iter().chain([&why]).collect();
            out.json(&json!({"event": null, "findings": findings}))?;
        } else {
            said.iter().try_for_each(|line| writeln!(out, "{line}"))?;
            writeln!(out, "{shown}: {why}")?;
        }
        Ok(Outcome::Bad)
    };
    let dump = match reading {
        Reading::Described(dump) => dump,
        Reading::NotLoaded => {
            let why = format!("mod_confine is not loaded, so no request is confined; {HOW_TO_LOAD}");
            return undecided(&[], why);
        }
        Reading::Refused(said) => {
            let said: Vec<_> = check::refusals(&said).iter().map(ToString::to_string).collect();
            return undecided(&said, "the server does not start with this configuration".to_owned());
        }
    };
    let Some(answer) = &dump.answer else {
        return undecided(&dump.faults, "no answer; confinectl check shows all that is wrong".to_owned());
    };
    let explained = Explained { dump: &dump, answer, question: &question, said: &said };
    if args.request.json {
        out.json(&explained.json())?;
    } else {
        explained.write(out)?;
    }
    Ok(explained.outcome())
}

fn question(args: &super::Args) -> Result<Question, Failure> {
    let refused = |text: String| Err(Failure::Refused(text));
    let bytes = |text: &OsString| Bytes::from(text.as_bytes());
    let request = &args.request;
    if let Some(uri) = request.uri.as_ref().filter(|u| !u.as_bytes().starts_with(b"/")) {
        return refused(format!("--uri {}: a URL's path begins with /", uri.to_string_lossy()));
    }
    args.path.as_ref().map_or(Ok(()), |path| absolute("--path", path))?;
    // With --access, --path is the file of the application and not the file of the request.
    let own_path = args.path.as_ref().filter(|_| request.access.is_empty());
    if let Some(env) = request.env.iter().find(|e| !e.as_bytes().iter().skip(1).any(|b| *b == b'=')) {
        return refused(format!("--env {}: write NAME=VALUE", env.to_string_lossy()));
    }
    if let Some(header) = request.headers.iter().find(|h| !h.as_bytes().iter().skip(1).any(|b| *b == b':')) {
        return refused(format!("--header {}: write `Name: value`", header.to_string_lossy()));
    }
    Ok(Question {
        user: args.user.as_ref().map(bytes),
        addr: args.ip,
        host: args.host.as_ref().map(|h| h.to_string_lossy().into_owned()),
        to: request.to,
        path: own_path.map(|p| Bytes::from(p.as_os_str().as_bytes())),
        uri: request.uri.as_ref().map(bytes),
        method: request.method.clone(),
        headers: request.headers.iter().map(bytes).collect(),
        env: request.env.iter().map(bytes).collect(),
        kernel: args.kernel,
        attempts: request.attempts(args.path.as_deref())?,
    })
}

struct Explained<'a> {
    dump: &'a Dump,
    answer: &'a Answer,
    question: &'a Question,
    /// What the server wrote to standard error.
    said: &'a [String],
}

impl Explained<'_> {
    fn outcome(&self) -> Outcome {
        let decided = self.answer.outcome.as_ref().map(|o| o.event.as_str());
        let accepted = self.answer.kernel.iter().all(|k| k.refused.is_none());
        let granted = self.answer.attempted.iter().all(|a| a.refused.is_none());
        match decided {
            Some("confined" | "would confine" | "learning" | "exempt") if accepted && granted => {
                Outcome::Good
            }
            _ => Outcome::Bad,
        }
    }

    fn write(&self, out: &mut Out<impl Write>) -> Result<(), Failure> {
        self.write_place(out)?;
        if let Some(early) = &self.answer.early {
            writeln!(out, "early: {}", self.verdict(early, None))?;
        }
        let winner = self.winner();
        for (number, verdict) in self.answer.verdicts.iter().enumerate() {
            let line = format!("{}. {}", number + 1, self.verdict(verdict, winner.map(|w| (w, number))));
            let style = if winner == Some(number) { Style::new().bold() } else { Style::new().dimmed() };
            writeln!(out, "{}", out::paint(style, &line))?;
        }
        for kernel in &self.answer.kernel {
            match &kernel.refused {
                None => writeln!(out, "kernel: {}: accepted", kernel.contexts)?,
                Some(why) => writeln!(out, "kernel: {}: {why}", kernel.contexts)?,
            }
        }
        self.write_attempts(out)?;
        self.write_decision(out)
    }

    /// Writes what the rulesets answer the application.
    fn write_attempts(&self, out: &mut Out<impl Write>) -> Result<(), Failure> {
        for Attempted { context, attempt: asked, refused } in &self.answer.attempted {
            match refused {
                None => writeln!(out, "{context}: {}: granted", attempt(asked))?,
                Some(why) => writeln!(out, "{context}: {}: refused; {why}", attempt(asked))?,
            }
        }
        if self.answer.attempted.is_empty() && !self.question.attempts.is_empty() {
            writeln!(
                out,
                "no ruleset of Landlock reaches this request's application, so none can refuse it anything"
            )?;
        }
        if !self.question.attempts.is_empty() {
            writeln!(out, "note: modes of files and other LSMs are not asked here")?;
        }
        Ok(())
    }

    /// Writes where the request arrives, and the settings there.
    fn write_place(&self, out: &mut Out<impl Write>) -> Result<(), Failure> {
        let Answer { server, to, mode, unmatched, not_asked, .. } = self.answer;
        let server = &self.dump.servers[*server];
        let at = server.origin.as_ref().map_or("main server".to_owned(), ToString::to_string);
        let confine::dump::Server { name, gate, workers, .. } = server;
        writeln!(out, "virtual host {name} ({at}), reached at {to}")?;
        let other = self.answer.out_of_process.as_ref().map(|o| format!(", out of process {o}"));
        writeln!(
            out,
            "gate {gate}, workers {workers}, mode {mode}, unmatched {unmatched}{}",
            other.unwrap_or_default()
        )?;
        let path = self.answer.path.as_deref();
        if let Some(note) = self.other_host() {
            writeln!(out, "note: {note}")?;
        }
        let assumed = if self.question.uri.is_some() { "" } else { " (assumed; name another with --uri)" };
        writeln!(out, "URL {}{assumed}", Field(Some(&self.answer.uri)))?;
        match path {
            Some(_) => {
                let rest = self.answer.rest.as_ref().map(|rest| {
                    format!("; the rest is not there, and is taken for the URL's: {}", Field(Some(rest)))
                });
                writeln!(out, "file {} ({}{})", Field(path), self.path_is(), rest.unwrap_or_default())?;
            }
            None => writeln!(out, "no file: <Directory> and <Files> are left out; name it with --path")?,
        }
        if !not_asked.is_empty() {
            let names: Vec<_> = not_asked.iter().map(|n| n.strip_suffix(".c").unwrap_or(n)).collect();
            writeln!(
                out,
                "note: not asked, and might lead to another file: {}; name the file with --path",
                names.join(", ")
            )?;
        }
        if self.question.addr.is_none() {
            writeln!(out, "note: the client's address is not known; name it with --ip")?;
        }
        Ok(())
    }

    /// How the request came to its file, and whether there is one.
    fn path_is(&self) -> String {
        let from = if self.question.path.is_some() { "given" } else { "from the URL" };
        let path = self.answer.path.as_deref().map(|path| Path::new(OsStr::from_bytes(path)));
        let is_missing = |path: &Path| path.is_absolute() && matches!(path.try_exists(), Ok(false));
        let missing = if path.is_some_and(is_missing) { ", not there" } else { "" };
        format!("{from}{missing}")
    }

    /// That the name asked for is no virtual host's, so that httpd takes the first of that address.
    fn other_host(&self) -> Option<String> {
        let asked = self.question.host.as_deref()?;
        let name = asked.rsplit_once(':').map_or(asked, |(name, port)| {
            if port.bytes().all(|b| b.is_ascii_digit()) { name } else { asked }
        });
        let server = &self.dump.servers[self.answer.server];
        let mut known = server.aliases.iter().chain([&server.name]);
        (!known.any(|known| is_name(known.as_bytes(), name.as_bytes()))).then(|| {
            format!(
                "no virtual host reached there is called {name}; httpd takes the first one, {}",
                server.name
            )
        })
    }

    /// The first rule that matches.
    fn winner(&self) -> Option<usize> {
        self.answer.verdicts.iter().position(|v| v.found != Found::Silent)
    }

    /// A rule, what it says, and whether it is used. `ranks` are the numbers of the used rule and of this one.
    fn verdict(&self, verdict: &Verdict, ranks: Option<(usize, usize)>) -> String {
        let written = &self.dump.rules[verdict.rule].written;
        let around = check::around(written);
        let inside = if around.is_empty() { String::new() } else { format!(" in {around}") };
        let own_line = verdict.at.as_ref().filter(|at| **at != written.origin);
        let from = own_line.map(|at| format!(" from {at}")).unwrap_or_default();
        let says = match verdict.found {
            Found::Silent => format!("no match: {}", verdict.text),
            Found::Unasked => format!("?: {}", verdict.text),
            Found::Contexts | Found::Exempt => format!("-> {}{from}", verdict.text),
            Found::Failed => format!("fails{from}: {}", verdict.text),
        };
        let rank = match ranks {
            Some((winner, this)) if winner == this && verdict.found == Found::Unasked => {
                " (applies if it has a row)".to_owned()
            }
            Some((winner, this)) if winner == this => " (applies: the first that matches)".to_owned(),
            Some((winner, this)) if winner < this && verdict.found != Found::Silent => {
                format!(" (matches too, but {} comes first)", winner + 1)
            }
            _ => String::new(),
        };
        format!("{}: {written}{inside} {says}{rank}", written.origin)
    }

    /// The line that the server's log would have, without its beginning.
    fn write_decision(&self, out: &mut Out<impl Write>) -> Result<(), Failure> {
        let Some(decided) = &self.answer.outcome else {
            return self.write_undecided(out);
        };
        if decided.event == "no rules" {
            writeln!(out, "no rule applies here: the request runs with the server's privileges")?;
            return Ok(());
        }
        if decided.event == "undecided" {
            writeln!(out, "undecided: the database has the first word, and is not asked here")?;
            return Ok(());
        }
        let addr = self.question.addr.map_or("-".to_owned(), |a| a.to_canonical().to_string());
        let host = &self.dump.servers[self.answer.server].name;
        let rule = decided.at.as_ref().map(ToString::to_string);
        let Decided { event, contexts, status, reason, .. } = decided;
        write!(
            out,
            "{} {} {} user={} addr={addr} vhost={} rule={} context={}",
            painted(event),
            self.question.method.as_deref().unwrap_or("GET"),
            Field(Some(&self.answer.uri)),
            Field(self.question.user.as_deref()),
            Field(Some(host.as_bytes())),
            Field(rule.as_deref().map(str::as_bytes)),
            Words(contexts.as_deref()),
        )?;
        let reason = reason.as_ref().map(|r| format!(": {}", Reason(r))).unwrap_or_default();
        writeln!(out, "{reason}")?;
        if let Some(pool) = &decided.pool {
            writeln!(out, "served by {pool}")?;
        }
        if let Some(status) = status.filter(|_| event == "refused") {
            writeln!(out, "the client gets {status}")?;
        }
        Ok(())
    }

    fn write_undecided(&self, out: &mut Out<impl Write>) -> Result<(), Failure> {
        match self.answer.status {
            Some(status) => {
                self.said.iter().try_for_each(|line| writeln!(out, "httpd: {line}"))?;
                writeln!(out, "httpd answers {status} before any rule is asked")?;
            }
            None => {
                writeln!(out, "the virtual host has no rule: the request runs with the server's privileges")?
            }
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let server = &self.dump.servers[self.answer.server];
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let rules: Vec<_> = self.answer.verdicts.iter().map(|v| self.verdict_json(v)).collect();
        let decided = self.answer.outcome.as_ref();
        let kernel: Vec<_> = self
            .answer
            .kernel
            .iter()
            .map(|k| json!({"contexts": k.contexts, "accepted": k.refused.is_none(), "why": k.refused}))
            .collect();
        json!({
            "vhost": server.name,
            "file": server.origin.as_ref().map(|o| o.file.display().to_string()),
            "line": server.origin.as_ref().map(|o| o.line),
            "to": self.answer.to,
            "gate": server.gate,
            "workers": server.workers,
            "mode": self.answer.mode,
            "unmatched": self.answer.unmatched,
            "out_of_process": self.answer.out_of_process,
            "uri": text(&self.answer.uri),
            "path": self.answer.path.as_deref().map(text),
            "path_info": self.answer.rest.as_deref().map(text),
            "not_asked": self.answer.not_asked,
            "status": decided.and_then(|d| d.status).or(self.answer.status),
            "early": self.answer.early.as_ref().map(|v| self.verdict_json(v)),
            "rules": rules,
            "winner": self.winner(),
            "event": decided.map(|d| &d.event),
            "rule": decided.and_then(|d| d.at.as_ref()).map(ToString::to_string),
            "context": decided.and_then(|d| d.contexts.as_ref()),
            "reason": decided.and_then(|d| d.reason.as_ref()),
            "pool": decided.and_then(|d| d.pool.as_ref()),
            "kernel": kernel,
            "access": self.answer.attempted.iter().map(attempted_json).collect::<Vec<_>>(),
        })
    }

    fn verdict_json(&self, verdict: &Verdict) -> Value {
        let written = &self.dump.rules[verdict.rule].written;
        let sections: Vec<_> = written.sections.iter().map(|s| &s.title).collect();
        json!({
            "directive": written.to_string(),
            "file": written.origin.file.display().to_string(),
            "line": written.origin.line,
            "sections": sections,
            "found": verdict.found,
            "from": verdict.at.as_ref().map(ToString::to_string),
            "text": verdict.text,
        })
    }
}

/// Whether a ServerName or ServerAlias, which may hold `*` and `?`, is a host's name (httpd: ap_strcasecmp_match).
fn is_name(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], _) => name.is_empty(),
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|skipped| is_name(rest, &name[skipped..])),
        ([b'?', rest @ ..], [_, name @ ..]) => is_name(rest, name),
        ([p, rest @ ..], [n, name @ ..]) => p.eq_ignore_ascii_case(n) && is_name(rest, name),
        (_, []) => false,
    }
}

fn attempted_json(answer: &Attempted) -> Value {
    let Attempted { context, attempt: asked, refused } = answer;
    json!({"context": context, "what": attempt(asked), "granted": refused.is_none(), "remedy": refused})
}

fn painted(event: &str) -> String {
    let color = match event {
        "confined" | "would confine" | "learning" => AnsiColor::Green,
        "refused" | "would refuse" => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    };
    let style = color.on_default().bold();
    out::paint(style, event)
}
