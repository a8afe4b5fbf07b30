//! `confinectl map compile`: a map in the form that the server maps into memory instead of reading it.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use confine::{lsm::BackendName, map::Map};

use crate::{Failure, Outcome};

/// The commands below `map`.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Write a map's compiled form, which all children of the server share.
    ///
    /// Exit status: 0 written, 2 the map has an error or a file cannot be read or written.
    Compile(Compile),
}

/// The command line of `map compile`.
#[derive(clap::Args)]
pub struct Compile {
    /// The map.
    map: PathBuf,
    /// Where to write; by default beside the map, with `.compiled` behind its name.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The backend of contexts that name none, as in the directive ConfineBackend.
    #[arg(long, value_name = "NAME", default_value = "selinux", value_parser = crate::backend)]
    default_backend: BackendName,
}

/// Runs a command below `map`.
pub fn run(command: &Command, out: &mut impl Write) -> Result<Outcome, Failure> {
    let Command::Compile(args) = command;
    let compiled = Map::compile(&args.map, args.default_backend).map_err(|e| Failure::Map(vec![e]))?;
    let output = args.output.clone().unwrap_or_else(|| with_suffix(&args.map, ".compiled"));
    replace(&args.map, &output, compiled.bytes())
        .map_err(|error| Failure::Refused(format!("{}: cannot be written: {error}", output.display())))?;
    // What was written is what the server will read.
    let map = Map::load(&output, args.default_backend).map_err(|e| Failure::Map(vec![e]))?;
    let (rules, kept) = (map.len(), map.size());
    writeln!(out, "{}: {rules} rules, {kept} bytes", output.display())?;
    Ok(Outcome::Good)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Writes a new file beside `output`, as readable as `source`, and renames it into place: a server that has the
/// old one mapped keeps that, whole.
fn replace(source: &Path, output: &Path, bytes: &[u8]) -> io::Result<()> {
    let mode = fs::metadata(source)?.permissions().mode() & 0o777;
    let beside = with_suffix(output, &format!(".{}", std::process::id()));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&beside, output)?;
        // The name, too, is to survive a crash.
        File::open(output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))?
            .sync_all()
    };
    let result = write();
    if result.is_err() {
        // It may not be there; the first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    result
}
