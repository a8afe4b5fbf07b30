//! The synopsis of a command: each option with the value that it takes, for `--help` and for the manual page.

use std::fmt;

use clap::{Arg, ArgAction, Command};

/// Options that every command has.
const OF_ALL: [&str; 2] = ["help", "version"];

/// How wide a line of the help is, and how far the lines behind the first are indented.
const WIDTH: usize = 100;
const INDENT: usize = 11;

/// One word of a synopsis, with the value that belongs to it.
pub struct Piece {
    /// `-f`, `--json`; none for an argument that is known by its place.
    pub option: Option<String>,
    /// What it takes.
    pub value: Option<String>,
    is_required: bool,
    is_repeated: bool,
}

impl Piece {
    fn of(arg: &Arg) -> Self {
        let option =
            arg.get_short().map(|c| format!("-{c}")).or(arg.get_long().map(|name| format!("--{name}")));
        let takes_value = arg.is_positional() || arg.get_action().takes_values();
        let names = || arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string);
        Self {
            option,
            value: takes_value.then(|| names().collect::<Vec<_>>().join(" ")),
            is_required: arg.is_required_set(),
            is_repeated: matches!(arg.get_action(), ArgAction::Append),
        }
    }

    /// What stands before and behind it.
    pub fn around(&self) -> (&'static str, &'static str) {
        match (self.is_required, self.is_repeated) {
            (true, false) => ("", ""),
            (true, true) => ("", "..."),
            (false, false) => ("[", "]"),
            (false, true) => ("[", "]..."),
        }
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, behind) = self.around();
        let words: Vec<_> = self.option.iter().chain(&self.value).map(String::as_str).collect();
        write!(f, "{before}{}{behind}", words.join(" "))
    }
}

/// What may be written behind the command's name: options first, then what is known by its place.
pub fn pieces(command: &Command) -> Vec<Piece> {
    if command.get_subcommands().any(|c| !c.is_hide_set()) {
        let piece = |value: &str, is_required| Piece {
            option: None,
            value: Some(value.to_owned()),
            is_required,
            is_repeated: !is_required,
        };
        return vec![piece("COMMAND", true), piece("ARGUMENT", false)];
    }
    let arguments = || command.get_arguments().filter(|a| !OF_ALL.contains(&a.get_id().as_str()));
    let options = arguments().filter(|a| !a.is_positional());
    options.chain(arguments().filter(|a| a.is_positional())).map(Piece::of).collect()
}

/// The command and all below it, with this synopsis in their help.
pub fn with_usage(mut command: Command) -> Command {
    // Gives every command the names of those above it.
    command.build();
    in_help(command)
}

fn in_help(command: Command) -> Command {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut usage = name;
    let mut column = usage.len();
    for piece in pieces(&command) {
        let piece = piece.to_string();
        if column + 1 + piece.len() > WIDTH - INDENT {
            usage.push_str(&format!("\n{:INDENT$}{piece}", ""));
            column = INDENT + piece.len();
        } else {
            usage.push_str(&format!(" {piece}"));
            column += 1 + piece.len();
        }
    }
    let below: Vec<_> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    below
        .into_iter()
        .fold(command.override_usage(usage), |command, name| command.mut_subcommand(name, in_help))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn each_option_comes_with_its_value() {
        let shown = |name: &str| {
            let mut command = crate::Cli::command();
            command.build();
            let command = command.find_subcommand(name).expect("a command");
            pieces(command).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let check = "[-f FILE] [--httpd PROGRAM] [-d DIRECTORY] [-D NAME]... [--list] ";
        assert!(shown("check").starts_with(check), "{}", shown("check"));
        assert!(shown("check").ends_with("[--json] [MAP]"), "{}", shown("check"));
        assert!(shown("explain").contains(" [--connect PORT|SOCKET] "), "{}", shown("explain"));
        assert!(shown("selinux-domain").ends_with(" [--force] NAME"), "{}", shown("selinux-domain"));
        assert_eq!(shown("map"), "COMMAND [ARGUMENT]...");
    }

    #[test]
    fn the_help_begins_with_it_in_lines_of_a_terminal() {
        let mut command = with_usage(crate::Cli::command());
        let explain = command.find_subcommand_mut("explain").expect("a command");
        let help = explain.render_long_help().to_string();
        assert!(help.contains("Usage: confinectl explain [-f FILE] [--httpd PROGRAM] "), "{help}");
        let (_, usage) = help.split_once("Usage: ").expect("a synopsis");
        let lines = usage.lines().take_while(|line| !line.is_empty());
        assert!(lines.clone().count() > 1 && lines.clone().all(|line| line.len() <= WIDTH), "{usage}");
    }
}
