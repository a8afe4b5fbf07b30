//! `confinectl`: the command beside mod_confine. Checks maps, explains decisions, writes policy.
//!
//! Findings and answers go to standard output, what keeps it from answering to standard error. Exit
//! status: 0 all is well, 1 there is something to mend (or no rule matches), 2 wrong usage or a file
//! that cannot be read or written.

mod check;
mod described;
mod directives;
mod doctor;
mod explain;
mod generate;
mod httpd;
mod map;
mod out;
mod selinux_domain;
mod suggest;
mod synopsis;
mod term;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use confine::context::BackendName;

use crate::out::{Out, complain};

/// Checks maps of mod_confine, explains its decisions and writes policy for it.
#[derive(Parser)]
#[command(version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check a configuration as the server reads it, or one map: every line, every rule that can never match,
    /// every context against the kernel.
    ///
    /// Exit status: 0 nothing found, 1 findings, 2 wrong usage, the map cannot be read, or httpd cannot be run.
    Check(check::Args),
    /// Look at this machine: what confines requests here, what is missing, and what to do.
    ///
    /// Sees most as root. Exit status: 0 no errors, 1 errors, 2 wrong usage, or what was named is not there.
    Doctor(doctor::Args),
    /// Show which rules a request meets, of a configuration as the server reads it or of one map, and what it
    /// gets.
    ///
    /// Exit status: 0 a rule matches, 1 none does, the request is refused, (--kernel) a context is refused, or
    /// the server would not start with this configuration; 2 wrong usage, the map cannot be read or has an error,
    /// or httpd cannot be run.
    Explain(Box<explain::Args>),
    /// Change the form of a map.
    #[command(subcommand)]
    Map(map::Command),
    /// Write an SELinux policy module (CIL) that declares the domain of an application.
    ///
    /// Exit status: 0 written, 2 refused, with the reason.
    SelinuxDomain(selinux_domain::Args),
    /// Write a Landlock ruleset of what requests did under ConfineMode learn, or of what the audit log says was refused.
    ///
    /// Where the ruleset has lines already, what differs from them is written: + for what it lacks, - for what nothing
    /// used. What may be none of the application's business stands in comments, for somebody to decide.
    ///
    /// Exit status: 0 written, 2 wrong usage, nothing was learned, or the configuration cannot be read.
    Suggest(suggest::Args),
}

/// The result of a command that could be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// There is nothing to complain about, or a rule matches.
    Good,
    /// There are findings, or no rule matches.
    Bad,
}

/// Why a command could not be carried out: texts for standard error, one line each.
enum Failure {
    /// The map cannot be used.
    Map(Vec<confine::map::MapError>),
    /// The request cannot be carried out. The text says what to do.
    Refused(String),
    /// The output could not be written.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The backend called `name`, for the command line.
fn backend(name: &str) -> Result<BackendName, String> {
    BackendName::parse(name).ok_or_else(|| {
        let names: Vec<_> = BackendName::ALL.iter().map(|b| b.as_str()).collect();
        format!("there is no such backend; the backends are {}", names.join(", "))
    })
}

fn main() -> ExitCode {
    // It is added here and not in the definition, so the generated pages do not name it.
    let command = synopsis::with_usage(Cli::command().subcommand(generate::command()));
    let matches = match command.clone().try_get_matches() {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => {
            failed(&[out::usage(&error, command)], std::env::args_os().any(|word| word == "--json"));
            return ExitCode::from(2);
        }
        // The help or the version was requested.
        Err(error) => error.exit(),
    };
    if let Some((generate::NAME, arguments)) = matches.subcommand() {
        return ended(generate::run(arguments, Cli::command()), false);
    }
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.exit());
    let mut out = Out::standard();
    let json = match &cli.command {
        Command::Check(args) => args.json,
        Command::Doctor(args) => args.json,
        Command::Explain(args) => args.json(),
        Command::Suggest(args) => args.json,
        Command::Map(command) => command.json(),
        Command::SelinuxDomain(_) => false,
    };
    let result = match &cli.command {
        Command::Check(args) => check::run(args, &mut out),
        Command::Doctor(args) => doctor::run(args, &mut out),
        Command::Explain(args) => explain::run(args, &mut out),
        Command::Map(command) => map::run(command, &mut out),
        Command::SelinuxDomain(args) => selinux_domain::run(args, &mut out),
        Command::Suggest(args) => suggest::run(args, &mut out),
    };
    ended(result.and_then(|outcome| out.flush().map(|()| outcome).map_err(Failure::from)), json)
}

/// Says why a command could not be carried out, and returns the exit status. Each fault is a line on standard error.
/// If JSON was requested, they are one JSON object on standard output.
fn ended(result: Result<Outcome, Failure>, json: bool) -> ExitCode {
    let texts = match result {
        Ok(Outcome::Good) => return ExitCode::SUCCESS,
        Ok(Outcome::Bad) => return ExitCode::from(1),
        // The reader has closed the pipe (`confinectl check MAP | head`).
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::from(1),
        Err(Failure::Map(errors)) => errors.iter().map(ToString::to_string).collect(),
        Err(Failure::Refused(text)) => vec![text],
        Err(Failure::Output(error)) => vec![format!("cannot write the output: {error}")],
    };
    failed(&texts, json);
    ExitCode::from(2)
}

/// Says why there is no answer.
fn failed(texts: &[String], json: bool) {
    if json {
        let mut out = Out::standard();
        // If standard output is closed, standard error is used.
        if out.json(&serde_json::json!({"errors": texts})).and_then(|()| out.flush()).is_ok() {
            return;
        }
    }
    texts.iter().for_each(|text| complain(&format_args!("confinectl: {text}")));
}
