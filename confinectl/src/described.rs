//! A whole configuration, as the server reads it: `httpd -t` with the module's description.

use std::{ffi::OsString, path::PathBuf, process::Output};

use confine::dump::{self, Dump, DumpError, Question};

use crate::{Failure, httpd, out::shown, term::during};

/// Which server, and which configuration.
#[derive(clap::Args)]
pub struct ServerArgs {
    /// The server's configuration. The default is the one that its program reads.
    #[arg(short = 'f', long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The server's program. The default is /usr/sbin/apache2 or /usr/sbin/httpd.
    #[arg(long, value_name = "PROGRAM")]
    httpd: Option<PathBuf>,
    /// ServerRoot until the configuration sets it, like the server's own -d.
    #[arg(short = 'd', long, value_name = "DIRECTORY")]
    server_root: Option<PathBuf>,
    /// Defines NAME for <IfDefine>, like the server's own -D. May be given several times.
    #[arg(short = 'D', long = "define", value_name = "NAME")]
    defines: Vec<OsString>,
}

/// The result of the reading.
pub enum Reading {
    /// The module's description. It may contain faults.
    Described(Box<Dump>),
    /// The configuration is good, but it does not load the module.
    NotLoaded,
    /// The server refuses the configuration before the module has seen all of it. These are the server's own words.
    Refused(Vec<String>),
}

/// The remedy if the module is not loaded.
pub const HOW_TO_LOAD: &str =
    "add LoadModule confine_module and the path of mod_confine.so (Debian: a2enmod confine)";

impl ServerArgs {
    /// Whether any of them was given.
    pub fn is_any(&self) -> bool {
        self.config.is_some()
            || self.httpd.is_some()
            || self.server_root.is_some()
            || !self.defines.is_empty()
    }

    /// The name of the configuration, for people.
    pub fn shown(&self) -> String {
        self.config.as_ref().map_or("the server's configuration".to_owned(), |c| shown(c))
    }

    /// The configuration that was named.
    pub fn config(&self) -> Option<String> {
        self.config.as_ref().map(|c| c.display().to_string())
    }

    /// Makes the server read the configuration. The result also has what the server said.
    pub fn read(&self, question: Option<&Question>) -> Result<(Reading, Vec<String>), Failure> {
        let refused = |(why, remedy): httpd::NoProgram| Failure::Refused(format!("{why}; {remedy}"));
        let program = httpd::find(self.httpd.as_deref()).map_err(refused)?;
        self.config.as_deref().map_or(Ok(()), httpd::readable)?;
        let mut command = httpd::command(&program);
        command.args(["-t", "-D", dump::DUMP]);
        if let Some(question) = question {
            let text = question.to_json().map_err(|e| Failure::Refused(format!("no question: {e}")))?;
            command.args(["-D", dump::EXPLAIN]).env(dump::EXPLAIN, text);
        } else {
            command.env_remove(dump::EXPLAIN);
        }
        for define in &self.defines {
            command.arg("-D").arg(define);
        }
        for (option, value) in [("-d", &self.server_root), ("-f", &self.config)] {
            if let Some(value) = value {
                // The server would look for a relative name below ServerRoot.
                let full = std::path::absolute(value).unwrap_or_else(|_| value.clone());
                command.arg(option).arg(full);
            }
        }
        let output = during("the server reads its configuration", 0, |_| command.output()).map_err(|e| {
            refused((format!("{} cannot be run: {e}", program.display()), "name another with --httpd"))
        })?;
        let said = lines(&output.stderr);
        let words = || {
            let said = if said.is_empty() { "it said nothing".to_owned() } else { said.join(" ") };
            format!("{} -t: {}: {said}", program.display(), output.status)
        };
        match Dump::parse(&String::from_utf8_lossy(&output.stdout)) {
            Ok(dump) => Ok((Reading::Described(Box::new(dump)), said)),
            Err(DumpError::Missing) if is_good(&output) => Ok((Reading::NotLoaded, said)),
            Err(DumpError::Missing) if is_refusal(&output, &said) => Ok((Reading::Refused(said), Vec::new())),
            Err(DumpError::Missing) => Err(refused((
                words(),
                "name the server's program with --httpd and its configuration with -f",
            ))),
            Err(error) => Err(Failure::Refused(format!("{}: {error}", words()))),
        }
    }
}

/// Whether the server accepted the configuration.
fn is_good(output: &Output) -> bool {
    output.status.success() && String::from_utf8_lossy(&output.stderr).contains("Syntax OK")
}

/// Whether this was an httpd that found the configuration and refused it.
fn is_refusal(output: &Output, said: &[String]) -> bool {
    let unopened = |line: &String| line.contains("Could not open configuration file");
    output.status.code() == Some(1) && !said.is_empty() && !said.iter().any(unopened)
}

/// What the server said, without lines that mean nothing.
fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(str::trim).filter(|l| !l.is_empty() && *l != "Syntax OK").map(str::to_owned).collect()
}
