//! Runs the command and reads what it leaves.

use std::{path::Path, process::Command};

/// The result of a run.
#[derive(Debug)]
pub struct Run {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Run {
    /// Runs a command.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().expect("confinectl runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// `confinectl ARGUMENTS` in `directory`.
pub fn confinectl(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confinectl"));
    command.args(arguments).current_dir(directory);
    command
}
