//! Runs `confinectl` on a server's configuration.

use std::{path::Path, process::Command};

use crate::{Server, ServerBuilder, platform};

/// The result of a run.
#[derive(Debug)]
pub struct Run {
    /// The exit status. It is -1 if a signal ended the command.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Run {
    /// Fails the test unless the exit status is this one.
    #[track_caller]
    pub fn expect_status(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// Fails the test unless the output contains each of these lines.
    #[track_caller]
    pub fn says(&self, lines: &[&str]) -> &Self {
        for line in lines {
            assert!(self.out.lines().any(|l| l == *line), "no line {line:?} in:\n{self}");
        }
        self
    }

    /// The last line of the output that has the form of the server's log, if there is one.
    pub fn decision(&self) -> Option<&str> {
        self.out.lines().rev().find(|line| line.contains(" vhost=") && line.contains(" context="))
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit status {}\n{}--- standard error ---\n{}", self.status, self.out, self.err)
    }
}

impl Server {
    /// Runs `confinectl COMMAND` on the configuration of this server.
    #[track_caller]
    pub fn confinectl(&self, command: &str, args: &[&str]) -> Run {
        run(command, &self.path("httpd.conf"), args)
    }
}

impl ServerBuilder {
    /// Runs `confinectl COMMAND` on the configuration of a server that is not started.
    #[track_caller]
    pub fn confinectl(&self, command: &str, args: &[&str]) -> Run {
        let (config, _, _) = self.write_config();
        run(command, &config, args)
    }
}

#[track_caller]
fn run(command: &str, config: &Path, args: &[&str]) -> Run {
    let output = Command::new(platform::command())
        .arg(command)
        .arg(if command == "doctor" { "--config" } else { "-f" })
        .arg(config)
        .arg("--httpd")
        .arg(platform::httpd())
        .args(args)
        .env("LC_ALL", "C")
        .output();
    let output = output.unwrap_or_else(|e| panic!("{}: {e}", platform::command().display()));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Run { status: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}
