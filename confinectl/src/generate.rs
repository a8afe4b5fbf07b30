//! `confinectl generate`, for packages: manual pages and shell completions. They are made from the definition of the
//! command line, so they always agree with it.

mod man;
mod texts;

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgMatches, Command, builder::PossibleValuesParser, value_parser};
use clap_complete::{Shell, generate};
use confine::context::BackendName;

use crate::{Failure, Outcome};

/// The word on the command line.
pub const NAME: &str = "generate";

/// The arguments of `generate`.
pub fn command() -> Command {
    Command::new(NAME)
        .hide(true)
        .about("Write manual pages and completions of shells, as below PREFIX/share")
        .arg(Arg::new("folder").value_name("FOLDER").required(true).value_parser(value_parser!(PathBuf)))
}

/// Writes all pages and completions below the folder that `arguments` names. `definition` is the command line.
pub fn run(arguments: &ArgMatches, definition: Command) -> Result<Outcome, Failure> {
    let Some(folder) = arguments.get_one::<PathBuf>("folder") else {
        return Err(Failure::Refused("no folder was given".to_owned()));
    };
    for (name, bytes) in files(definition)? {
        let path = folder.join(name);
        save(&path, &bytes)
            .map_err(|e| Failure::Refused(format!("{}: cannot be written: {e}", path.display())))?;
    }
    Ok(Outcome::Good)
}

/// Every file, by its name below `share`.
fn files(definition: Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = man::pages(definition.clone())?;
    for (shell, name) in [
        (Shell::Bash, "bash-completion/completions/confinectl"),
        (Shell::Zsh, "zsh/site-functions/_confinectl"),
        (Shell::Fish, "fish/vendor_completions.d/confinectl.fish"),
    ] {
        let mut script = Vec::new();
        generate(shell, &mut with_backends(definition.clone()), "confinectl", &mut script);
        files.push((name.to_owned(), script));
    }
    Ok(files)
}

/// Adds the names of the backends as values that a shell can offer. The command itself has a parser with an error of
/// its own for them.
fn with_backends(command: Command) -> Command {
    let names = || PossibleValuesParser::new(BackendName::ALL.iter().map(|b| b.as_str()));
    let takes_backend = command.get_arguments().any(|a| a.get_id() == "default_backend");
    let command =
        if takes_backend { command.mut_arg("default_backend", |a| a.value_parser(names())) } else { command };
    let below: Vec<_> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    below.into_iter().fold(command, |command, name| command.mut_subcommand(name, with_backends))
}

/// Writes a file that everybody can read, whatever the umask is.
fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        make(folder)?;
    }
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

/// Makes a folder, and the folders above it that do not exist.
fn make(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make(above)?;
    }
    fs::create_dir(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}
