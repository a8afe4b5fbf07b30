//! Where a guide is followed: `manual/machine`, a Debian of its own in namespaces.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::workspace;

/// Runs this script there, with these files in its `/root`.
pub fn follow(script: &str, files: &[PathBuf]) -> io::Result<Output> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(script.as_bytes())?;
    machine().arg("run").arg(file.path()).args(files).output()
}

/// Whether guides can be followed here: they are written for Debian, whose packages they install.
pub fn is_possible() -> bool {
    Path::new("/usr/bin/apt-get").exists()
}

fn machine() -> Command {
    Command::new(workspace().join("manual/machine"))
}
