//! The server's program.

use std::{
    ffi::OsStr,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Failure;

/// The programs of Debian and of Fedora.
pub const PROGRAMS: [&str; 2] = ["/usr/sbin/apache2", "/usr/sbin/httpd"];

/// Runs a program of the server with the environment that Debian's scripts give it.
const WITH_ENVVARS: &str = "[ ! -r /etc/apache2/envvars ] || . /etc/apache2/envvars; exec \"$@\"";

/// Why there is no program: what is wrong, and what to do.
pub type NoProgram = (String, &'static str);

/// The program that was named, or else the distribution's.
pub fn find(program: Option<&Path>) -> Result<PathBuf, NoProgram> {
    match program {
        Some(program) if program.is_file() => Ok(program.to_owned()),
        Some(program) => Err((format!("{}: there is no such file", program.display()), "correct --httpd")),
        None => PROGRAMS.iter().map(PathBuf::from).find(|p| p.is_file()).ok_or_else(|| {
            (
                format!("there is no {}", PROGRAMS.join(" and no ")),
                "install apache2 (Debian) or httpd (Fedora), or name its program with --httpd",
            )
        }),
    }
}

/// Whether a configuration that was named is there.
pub fn readable(config: &Path) -> Result<(), Failure> {
    File::open(config).map(drop).map_err(|e| {
        let name = config.display();
        Failure::Refused(format!("{name}: cannot be opened: {e}; correct the name, or run this as root"))
    })
}

/// The program in the environment that its distribution gives it. The caller adds the arguments.
pub fn command(program: &Path) -> Command {
    if program.file_name() == Some(OsStr::new("apache2")) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WITH_ENVVARS, "sh"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}
