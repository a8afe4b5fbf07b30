//! `confinectl map`: converts a map (`compile`, `fmt`), and shows what changes between two maps (`diff`).

mod diff;

use std::{
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    sync::Arc,
};

use anstyle::AnsiColor;
use confine::{
    context::BackendName,
    map::{self, Map, MapText, Progress},
};
use serde_json::{Value, json};

use crate::{
    Failure, Outcome,
    out::{Out, paint, shown},
    term::{during, size},
};
use diff::{Change, Given};

/// The commands below `map`.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Write a map's compiled form, which all children of the server share.
    ///
    /// Exit status: 0 written, 2 the map has an error or a file cannot be read or written.
    Compile(Compile),
    /// Bring a map into the layout of all maps. Words and comments stay as they are.
    ///
    /// Exit status: 0 done, 1 (with --check) the layout is another, 2 the map has an error or a file cannot
    /// be read or written.
    Fmt(Fmt),
    /// Show whose contexts change from one map to another.
    ///
    /// Exit status: 0 nobody's, 1 somebody's, 2 a map has an error or cannot be read.
    Diff(Diff),
}

impl Command {
    /// Whether JSON is asked for.
    pub fn json(&self) -> bool {
        matches!(self, Self::Diff(Diff { json: true, .. }))
    }
}

/// The command line of `map fmt`.
#[derive(clap::Args)]
pub struct Fmt {
    /// The map. A rename replaces it.
    map: PathBuf,
    /// Only say whether the layout differs.
    #[arg(long)]
    check: bool,
    /// Print the result instead of replacing the map.
    #[arg(long, conflicts_with = "check")]
    stdout: bool,
}

/// The command line of `map diff`.
#[derive(clap::Args)]
pub struct Diff {
    /// The map as it was.
    old: PathBuf,
    /// The map as it will be.
    new: PathBuf,
    /// The backend of contexts without a prefix, as the directive ConfineBackend sets it.
    #[arg(long, value_name = "NAME", default_value = "selinux", value_parser = crate::backend)]
    default_backend: BackendName,
    /// Print one JSON object instead of lines of text.
    #[arg(long)]
    json: bool,
}

/// The command line of `map compile`.
#[derive(clap::Args)]
pub struct Compile {
    /// The map.
    map: PathBuf,
    /// The file to write. The default is the map's name with `.compiled` behind it.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The backend of contexts without a prefix, as the directive ConfineBackend sets it.
    #[arg(long, value_name = "NAME", default_value = "selinux", value_parser = crate::backend)]
    default_backend: BackendName,
}

/// Runs a command below `map`.
pub fn run(command: &Command, out: &mut Out<impl Write>) -> Result<Outcome, Failure> {
    match command {
        Command::Compile(args) => compile(args, out),
        Command::Fmt(args) => format(args, out),
        Command::Diff(args) => compare(args, out),
    }
}

fn compile(args: &Compile, out: &mut Out<impl Write>) -> Result<Outcome, Failure> {
    let compiled = during("compiling the map", size(&args.map), |progress| {
        Map::compile_watched(&args.map, args.default_backend, progress).map_err(|e| Failure::Map(vec![e]))
    })?;
    let output = args.output.clone().unwrap_or_else(|| with_suffix(&args.map, ".compiled"));
    replace(compiled.source(), false, &output, compiled.bytes())
        .map_err(|error| Failure::Refused(format!("{}: cannot be written: {error}", output.display())))?;
    // The server will read what was written, so this reads it, too.
    let map = Map::load(&output, args.default_backend).map_err(|e| Failure::Map(vec![e]))?;
    let (rules, kept) = (map.len(), map.size());
    writeln!(out, "{}: {rules} rules, {kept} bytes", shown(&output))?;
    Ok(Outcome::Good)
}

/// A map without a bad line, and the metadata of its file.
fn valid(
    path: &Path,
    default: BackendName,
    progress: &Arc<Progress>,
) -> Result<(MapText, Metadata), Failure> {
    let (text, metadata) = MapText::load_with_metadata(path, default).map_err(|e| Failure::Map(vec![e]))?;
    let text = text.watched_by(progress);
    text.all_errors().map_err(Failure::Map)?;
    Ok((text, metadata))
}

fn format(args: &Fmt, out: &mut Out<impl Write>) -> Result<Outcome, Failure> {
    let name = args.map.display();
    let unusable = |error: io::Error| Failure::Refused(format!("{name}: cannot be read or written: {error}"));
    // The backend of contexts that name none does not matter here. The text that is checked is also the text that is
    // laid out: the file is opened and read once.
    let (text, like) = during("reading the map", size(&args.map), |progress| {
        valid(&args.map, BackendName::SELINUX, progress)
    })?;
    let text = std::str::from_utf8(text.bytes()).unwrap_or_default();
    let laid_out = during("laying out the map", text.len() as u64, |progress| map::layout(text, progress));
    if args.stdout {
        out.content(laid_out.as_bytes())?;
    } else if laid_out != text {
        if args.check {
            writeln!(out, "{name}: the layout is another; run confinectl map fmt {name}")?;
            return Ok(Outcome::Bad);
        }
        // If the path is a link, its target is replaced, and not the link.
        let real = args.map.canonicalize().map_err(unusable)?;
        replace(&like, true, &real, laid_out.as_bytes()).map_err(unusable)?;
    }
    Ok(Outcome::Good)
}

fn compare(args: &Diff, out: &mut Out<impl Write>) -> Result<Outcome, Failure> {
    let size = size(&args.old) + size(&args.new);
    let (old, new) = during("reading the maps", size, |progress| {
        let read = |path| valid(path, args.default_backend, progress);
        Ok::<_, Failure>((read(&args.old)?.0, read(&args.new)?.0))
    })?;
    // Each map is read once for its rules and once for its questions.
    let compared = |map: &MapText| if map.ignores_case() { "ignore-case" } else { "exact" };
    let (changes, names) = during("comparing the maps", 2 * size, |progress| {
        let (old, new) = (old.watched_by(progress), new.watched_by(progress));
        let names = (compared(&old), compared(&new));
        (diff::diff(&old, &new), names)
    });
    if args.json {
        let given = |g: &Option<Given>| g.as_ref().map(|g| json!({"contexts": g.contexts, "line": g.line}));
        let change = |(subject, c): (&String, &Change)| -> Value {
            json!({"subject": subject, "old": given(&c.old), "new": given(&c.new)})
        };
        let changes: Vec<_> = changes.iter().map(change).collect();
        out.json(&json!({"changes": changes, "names": {"old": names.0, "new": names.1}}))?;
    } else {
        let given = |g: &Option<Given>, map: &Path| {
            g.as_ref().map_or("no rule".to_owned(), |g| format!("{} ({}:{})", g.contexts, shown(map), g.line))
        };
        for (subject, Change { old, new }) in &changes {
            let old = paint(AnsiColor::Red.on_default(), &given(old, &args.old));
            let new = paint(AnsiColor::Green.on_default(), &given(new, &args.new));
            writeln!(out, "{subject}: {old} -> {new}")?;
        }
        // How names are compared is not a subject, so the list cannot show it.
        if names.0 != names.1 {
            writeln!(out, "user names in another case than on a line: {} -> {}", names.0, names.1)?;
        }
        let plural = if changes.len() == 1 { "" } else { "s" };
        writeln!(out, "contexts change for {} subject{plural}", changes.len())?;
    }
    Ok(if changes.is_empty() && names.0 == names.1 { Outcome::Good } else { Outcome::Bad })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Writes a new file beside `output`, with the permissions of the file `like`, and renames it. So a server reads
/// either the old file or the whole new one. With `in_place` the new file replaces `like` itself and keeps its owner.
/// If `like` was exchanged meanwhile, nothing is written.
fn replace(like: &Metadata, in_place: bool, output: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = with_suffix(output, &format!(".{}", std::process::id()));
    // The file is made new under this name, so that nothing is written through a link or into an existing file.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let mut write = || -> io::Result<()> {
        file.write_all(bytes)?;
        if in_place {
            // The file keeps its owner. A user who cannot give files away owns the file already, or gets an error.
            fchown(&file, Some(like.uid()), Some(like.gid()))?;
        }
        file.set_permissions(fs::Permissions::from_mode(like.permissions().mode() & 0o777))?;
        file.sync_all()?;
        if in_place && !is_still(like, &fs::symlink_metadata(output)?) {
            return Err(io::Error::other("it was changed meanwhile, and is left as it is; do it again"));
        }
        fs::rename(&beside, output)?;
        // The rename must also survive a crash of the machine.
        File::open(output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")))?
            .sync_all()
    };
    let result = write();
    if result.is_err() {
        // The file may not exist. The first error is the one that is reported.
        let _ = fs::remove_file(&beside);
    }
    result
}

/// Whether a file is still the one that was read, unchanged.
fn is_still(read: &Metadata, now: &Metadata) -> bool {
    let what =
        |m: &Metadata| (m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
    what(read) == what(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_changed_meanwhile_is_left_as_it_is() {
        let d = tempfile::tempdir().expect("a directory");
        let map = d.path().join("m");
        fs::write(&map, "alice  x\n").expect("a map");
        let like = fs::metadata(&map).expect("metadata");
        fs::write(d.path().join("new"), "bob x\n").expect("a map");
        fs::rename(d.path().join("new"), &map).expect("a rename");
        let error = replace(&like, true, &map, b"alice x\n").expect_err("changed").to_string();
        assert!(error.contains("it was changed meanwhile"), "{error}");
        assert_eq!(fs::read_to_string(&map).expect("a map"), "bob x\n");
        // A link is not the file that was read.
        let other = d.path().join("other");
        fs::rename(&map, &other).expect("a rename");
        std::os::unix::fs::symlink(&other, &map).expect("a link");
        let like = fs::metadata(&other).expect("metadata");
        assert!(replace(&like, true, &map, b"x").is_err());
        assert_eq!(fs::read_dir(d.path()).expect("a folder").count(), 2, "nothing is left behind");
    }
}
