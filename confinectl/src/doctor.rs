//! `confinectl doctor`: what can confine requests on this machine, what is missing, and what to do.
//!
//! [`gather`] looks at the kernel, the server and the limits. [`judge`] makes findings from that. This file shows
//! them.

mod facts;
mod gather;
mod judge;
mod limits;
mod pools;
mod server;

use std::{io::Write, path::PathBuf};

use anstyle::{AnsiColor, Style};
use confine::lsm::{selinux::SecurityContext, tomoyo::Domain};
use serde_json::{Value, json};

use crate::{
    Failure, Outcome, httpd,
    out::{self, Out},
};
use facts::Unseen;

/// The command line of `doctor`.
#[derive(clap::Args)]
pub struct Args {
    /// The server's program. The default is /usr/sbin/apache2 or /usr/sbin/httpd.
    #[arg(long, value_name = "PATH")]
    httpd: Option<PathBuf>,
    /// The server's configuration. The default is the one that the program reads.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The security context of the server. The default is that of the running server, or
    /// system_u:system_r:httpd_t:s0.
    #[arg(long, value_name = "CONTEXT", value_parser = crate::check::server_context)]
    server_context: Option<SecurityContext>,
    /// The TOMOYO domain of the server. The default is `<kernel>` and the path of its program.
    #[arg(long, value_name = "DOMAIN", value_parser = Domain::parse)]
    server_domain: Option<Domain>,
    /// Print one JSON object instead of lines of text.
    #[arg(long)]
    pub json: bool,
}

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// It is as it should be.
    Ok,
    /// It is useful to know.
    Note,
    /// It works, but less well or less safely than it could.
    Warning,
    /// Requests are not confined, or refused.
    Error,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => AnsiColor::Green.on_default(),
            Self::Note => AnsiColor::Cyan.on_default(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Error => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    level: Level,
    /// The area, in one word.
    area: &'static str,
    text: String,
    /// What to do. `None` if nothing has to be done.
    remedy: Option<String>,
}

/// All findings, and what could not be seen.
#[derive(Default)]
struct Diagnosis {
    findings: Vec<Finding>,
    not_seen: Vec<(&'static str, &'static str, Unseen)>,
}

impl Diagnosis {
    fn ok(&mut self, area: &'static str, text: impl Into<String>) {
        self.add(Level::Ok, area, text, None);
    }

    fn note(&mut self, area: &'static str, text: impl Into<String>) {
        self.add(Level::Note, area, text, None);
    }

    fn mend(&mut self, level: Level, area: &'static str, text: impl Into<String>, remedy: impl Into<String>) {
        self.add(level, area, text, Some(remedy.into()));
    }

    fn add(&mut self, level: Level, area: &'static str, text: impl Into<String>, remedy: Option<String>) {
        self.findings.push(Finding { level, area, text: text.into(), remedy });
    }

    /// Notes that `what` of `area` could not be seen.
    fn unseen(&mut self, area: &'static str, what: &'static str, why: &Unseen) {
        self.not_seen.push((area, what, why.clone()));
    }

    /// The value. If it could not be seen, this notes a line about it.
    fn seen<'a, T>(
        &mut self,
        area: &'static str,
        what: &'static str,
        value: &'a facts::Seen<T>,
    ) -> Option<&'a T> {
        value.as_ref().map_err(|why| self.unseen(area, what, why)).ok()
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|f| f.level == level).count()
    }

    fn write(&self, out: &mut Out<impl Write>) -> Result<(), Failure> {
        let painted = |style: Style, text: &str| out::paint(style, &format!("{text:<8}"));
        for Finding { level, area, text, remedy } in &self.findings {
            writeln!(out, "{} {area}: {text}", painted(level.style(), level.as_str()))?;
            if let Some(remedy) = remedy {
                writeln!(out, "{:9}to do: {remedy}", "")?;
            }
        }
        for (area, what, Unseen { why, remedy }) in &self.not_seen {
            writeln!(out, "{} {area}: {what}: {why}", painted(Style::new().dimmed(), "not seen"))?;
            writeln!(out, "{:9}to see it: {remedy}", "")?;
        }
        writeln!(
            out,
            "errors: {}, warnings: {}, notes: {}, not seen: {}",
            self.count(Level::Error),
            self.count(Level::Warning),
            self.count(Level::Note),
            self.not_seen.len()
        )?;
        Ok(())
    }

    fn json(&self) -> Value {
        let findings: Vec<_> = self
            .findings
            .iter()
            .map(|f| json!({"level": f.level.as_str(), "area": f.area, "text": f.text, "remedy": f.remedy}))
            .collect();
        let not_seen: Vec<_> = self
            .not_seen
            .iter()
            .map(|(area, what, u)| json!({"area": area, "what": what, "why": u.why, "remedy": u.remedy}))
            .collect();
        json!({
            "errors": self.count(Level::Error),
            "warnings": self.count(Level::Warning),
            "findings": findings,
            "not_seen": not_seen,
        })
    }
}

/// Checks this machine and writes the findings.
pub fn run(args: &Args, out: &mut Out<impl Write>) -> Result<Outcome, Failure> {
    // What was named is meant; what was not may be absent, and the rest of the machine is looked at all the same.
    if args.httpd.is_some() {
        let refused = |(why, remedy): httpd::NoProgram| Failure::Refused(format!("{why}; {remedy}"));
        httpd::find(args.httpd.as_deref()).map_err(refused)?;
    }
    args.config.as_deref().map_or(Ok(()), httpd::readable)?;
    let diagnosis = judge::judge(&gather::gather(args));
    if args.json {
        out.json(&diagnosis.json())?;
    } else {
        diagnosis.write(out)?;
    }
    Ok(if diagnosis.count(Level::Error) == 0 { Outcome::Good } else { Outcome::Bad })
}
