//! `confinectl selinux-domain`: writes a CIL module that declares the domain of an application.
//!
//! [`cil`] has the names, the paths and the text. This file looks at the system: at the paths on disk, at the
//! installed modules, and at the file to write.

mod cil;

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use cil::{Access, Entry, FilePath, Module, Name, Profile};

use crate::{
    Failure, Outcome,
    out::{self, Out},
};

/// The command line of `selinux-domain`.
#[derive(clap::Args)]
pub struct Args {
    /// The application. Its domain is NAME.process, the types of its files NAME.readable and
    /// NAME.writable.
    #[arg(value_parser = Name::parse)]
    name: Name,
    /// What it needs beyond its own files.
    #[arg(long, value_enum, default_value_t = Profile::Static)]
    profile: Profile,
    /// A folder or file that it may read. May be given several times.
    #[arg(long, value_name = "PATH", value_parser = FilePath::parse)]
    read: Vec<FilePath>,
    /// A folder or file that it may read and change. May be given several times, and may be below a path of --read.
    #[arg(long, value_name = "PATH", value_parser = FilePath::parse)]
    write: Vec<FilePath>,
    /// The file to write, or `-` for standard output. The default is NAME.cil in the current folder.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists.
    #[arg(long)]
    force: bool,
}

/// The folder in which `semodule` keeps the installed modules.
const STORE: &str = "/var/lib/selinux";

/// The folder in which policies keep what applications read of them.
const POLICIES: &str = "/etc/selinux";

/// Writes the module, and says what to do with it.
pub fn run(args: &Args, out: &mut Out<impl Write>) -> Result<Outcome, Failure> {
    let default = PathBuf::from(format!("{}.cil", args.name));
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    let file = args.output.as_ref().filter(|_| !to_stdout).unwrap_or(&default);
    let stem = module_name(file).map_err(Failure::Refused)?;
    if let Some(place) = replaced_module(Path::new(STORE), stem) {
        return Err(Failure::Refused(format!(
            "{}: semodule names a module after its file, and {stem} is already one of this system ({}), \
             which would be replaced; write to a file of another name with -o",
            file.display(),
            place.display()
        )));
    }
    let (entries, missing) = entries(&args.read, &args.write).map_err(Failure::Refused)?;
    check_free(Path::new(POLICIES), &args.name, &entries).map_err(Failure::Refused)?;
    let module = Module { name: &args.name, profile: args.profile, entries: &entries, file_name: stem };
    if to_stdout {
        out.content(module.to_string().as_bytes())?;
        return Ok(Outcome::Good);
    }
    save(file, &module.to_string(), args.force).map_err(Failure::Refused)?;
    let shown = out::shown(file);
    writeln!(out, "{shown}: the domain {}.process, profile {}", args.name, args.profile.as_str())?;
    for path in missing {
        writeln!(out, "{shown}: note: {path} does not exist; taken for a folder")?;
    }
    writeln!(out, "next, as root:")?;
    writeln!(out, "  semodule -i mod_confine.cil {}", cil::shell_word(&shown))?;
    writeln!(out, "  {}", module.restorecon())?;
    writeln!(out, "then in the server's configuration, where the application lies:")?;
    writeln!(out, "  {}", module.directive())?;
    Ok(Outcome::Good)
}

/// The name that `semodule` gives to the module in `file`.
fn module_name(file: &Path) -> Result<&str, String> {
    let shown = file.display();
    let stem = file.file_stem().and_then(OsStr::to_str).unwrap_or_default();
    if file.extension() != Some(OsStr::new("cil")) {
        return Err(format!(
            "{shown}: semodule takes a module's language from its file's name; end it in .cil"
        ));
    }
    // libsemanage, semanage_module_validate_name.
    if !stem.starts_with(|c: char| c.is_ascii_alphabetic())
        || !stem.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        || stem.ends_with('.')
    {
        return Err(format!(
            "{shown}: semodule names a module after its file, and such a name is a letter followed by \
             letters, digits, _, - and ."
        ));
    }
    if cil::SHIPPED_FILES.contains(&stem) {
        return Err(format!("{shown}: is the name of a module of mod_confine itself; choose another"));
    }
    Ok(stem)
}

/// The installed module that an installation of `name` would hide. It has another priority than the 400 of `semodule
/// -i`, so it belongs to the distribution. `None` if the store cannot be read.
fn replaced_module(store: &Path, name: &str) -> Option<PathBuf> {
    let inside = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    inside(store)
        .iter()
        .flat_map(|policy| inside(&policy.join("active/modules")))
        .filter(|priority| {
            priority
                .file_name()
                .and_then(OsStr::to_str)
                .is_some_and(|p| p != "400" && p.parse::<u16>().is_ok())
        })
        .map(|priority| priority.join(name))
        .find(|module| module.is_dir())
}

/// The file contexts of the module in the order of their paths, and the paths that do not exist.
fn entries<'a>(
    read: &'a [FilePath],
    write: &'a [FilePath],
) -> Result<(Vec<Entry<'a>>, Vec<&'a FilePath>), String> {
    if let Some(path) = read.iter().find(|path| write.contains(path)) {
        return Err(format!(
            "{path} is given to --read and to --write; what may be written may be read, so leave out --read"
        ));
    }
    let mut wanted: Vec<_> = read
        .iter()
        .map(|path| (path, Access::Read))
        .chain(write.iter().map(|path| (path, Access::Write)))
        .collect();
    if wanted.is_empty() {
        return Err(
            "an application needs files; name at least one folder or file with --read or --write".to_owned()
        );
    }
    wanted.sort_by_key(|(path, _)| path.as_path());
    wanted.dedup();
    let mut missing = Vec::new();
    let mut entries = Vec::new();
    for (path, access) in wanted {
        let found = look(path.as_path())?;
        if found == Found::Nothing {
            missing.push(path);
        }
        entries.push(Entry { path, access, tree: found != Found::File });
    }
    Ok((entries, missing))
}

/// Whether the installed policies have no entry for these paths. If two modules have the same regular expression,
/// libsepol silently keeps one entry and drops the other.
fn check_free(policies: &Path, name: &Name, entries: &[Entry<'_>]) -> Result<(), String> {
    let own = format!("{name}.");
    for policy in fs::read_dir(policies).into_iter().flatten().flatten() {
        for file in ["file_contexts", "file_contexts.local"] {
            let file = policy.path().join("contexts/files").join(file);
            let Ok(lines) = fs::read(&file) else { continue };
            let lines = String::from_utf8_lossy(&lines);
            let labels: BTreeMap<_, _> = lines
                .lines()
                .filter_map(|line| match line.split_ascii_whitespace().collect::<Vec<_>>()[..] {
                    [pattern, context] => Some((pattern, context)),
                    _ => None,
                })
                .collect();
            for Entry { path, tree, .. } in entries {
                let Some(context) = labels.get(path.pattern(*tree).as_str()) else { continue };
                if !context.split(':').nth(2).is_some_and(|kind| kind.starts_with(&own)) {
                    return Err(format!(
                        "{path} has a label already, {context} in {}, and keeps it; name folders below it",
                        file.display()
                    ));
                }
            }
        }
    }
    Ok(())
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Folder,
    File,
    Nothing,
}

/// Looks at `path`, which must be the real path: labels belong to files, and `restorecon` asks for a file's label by
/// the path without symbolic links.
fn look(path: &Path) -> Result<Found, String> {
    let shown = path.display();
    let unseen =
        |error: io::Error| format!("{shown} cannot be looked at: {error}; correct it, or run this as root");
    let found = match fs::symlink_metadata(path) {
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(unseen(error)),
    };
    let existing = path.ancestors().find(|p| fs::symlink_metadata(p).is_ok()).unwrap_or(path);
    let real = fs::canonicalize(existing).map_err(unseen)?;
    if real != existing {
        let rest = path.strip_prefix(existing).unwrap_or(Path::new(""));
        let real = real.join(rest).components().collect::<PathBuf>();
        return Err(format!(
            "{shown} leads over a symbolic link, and files are labelled by their real path; give {}",
            real.display()
        ));
    }
    match found {
        None => Ok(Found::Nothing),
        Some(metadata) if metadata.is_dir() => Ok(Found::Folder),
        Some(metadata) if metadata.is_file() => Ok(Found::File),
        Some(_) => {
            Err(format!("{shown} is neither a folder nor a regular file; the profiles allow nothing else"))
        }
    }
}

/// Writes `text` to `file`. It replaces an existing file only with `force`.
fn save(file: &Path, text: &str, force: bool) -> Result<(), String> {
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    options.open(file).and_then(|mut f| f.write_all(text.as_bytes())).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{}: exists; replace it with --force, or write to another file with -o", file.display())
        }
        _ => format!("{}: cannot be written: {error}", file.display()),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_module_is_called_what_its_file_is_called() {
        assert_eq!(module_name(Path::new("/x/my-blog_2.1.cil")), Ok("my-blog_2.1"));
        for (file, says) in [
            ("blog", "end it in .cil"),
            ("blog.pp", "end it in .cil"),
            ("/x/", "end it in .cil"),
            (".cil", "end it in .cil"),
            ("1blog.cil", "a letter followed by"),
            ("my blog.cil", "a letter followed by"),
            ("blog..cil", "a letter followed by"),
            ("mod_confine.cil", "a module of mod_confine itself"),
        ] {
            let error = module_name(Path::new(file)).expect_err(file);
            assert!(error.contains(says), "{file}: {error}");
        }
    }

    #[test]
    fn a_module_of_the_distribution_is_not_replaced() {
        let store = tempfile::tempdir().expect("a directory");
        let modules = store.path().join("default/active/modules");
        for module in ["100/apache", "400/blog", "disabled/shop"] {
            fs::create_dir_all(modules.join(module)).expect("a directory");
        }
        assert_eq!(replaced_module(store.path(), "apache"), Some(modules.join("100/apache")));
        assert_eq!(replaced_module(store.path(), "blog"), None);
        assert_eq!(replaced_module(store.path(), "shop"), None);
        assert_eq!(replaced_module(&store.path().join("none"), "apache"), None);
    }

    #[test]
    fn a_path_that_the_policy_labels_is_not_taken() {
        let policies = tempfile::tempdir().expect("a directory");
        let files = policies.path().join("default/contexts/files");
        fs::create_dir_all(&files).expect("a directory");
        let lines = "# /srv/a(/.*)? no\n/srv/a(/.*)?\tsystem_u:object_r:blog.readable:s0\n\
                     /srv/b(/.*)?   -d   system_u:object_r:var_t:s0\n/srv/c(/.*)?\t<<none>>\n";
        fs::write(files.join("file_contexts"), lines).expect("a file");
        let check = |name: &str, path: &str, tree| {
            let (name, path) = (Name::parse(name).expect("a name"), FilePath::parse(path).expect("a path"));
            let entries = [Entry { path: &path, access: Access::Read, tree }];
            check_free(policies.path(), &name, &entries)
        };
        assert_eq!(check("blog", "/srv/a", true), Ok(()));
        assert_eq!(check("shop", "/srv/a", false), Ok(()));
        assert_eq!(check("shop", "/srv/b", true), Ok(()));
        assert_eq!(check("shop", "/srv/a/b", true), Ok(()));
        for (path, label) in [("/srv/a", "system_u:object_r:blog.readable:s0"), ("/srv/c", "<<none>>")] {
            let error = check("shop", path, true).expect_err(path);
            assert!(error.starts_with(&format!("{path} has a label already, {label} in ")), "{error}");
        }
        assert!(check("blo", "/srv/a", true).is_err());
    }

    #[test]
    fn what_lies_at_a_path() {
        let d = tempfile::tempdir().expect("a directory");
        let root = d.path().canonicalize().expect("its real path");
        fs::create_dir(root.join("folder")).expect("a directory");
        fs::write(root.join("file"), "").expect("a file");
        symlink("folder", root.join("link")).expect("a link");
        symlink("gone", root.join("dangling")).expect("a link");
        assert_eq!(look(&root.join("folder")), Ok(Found::Folder));
        assert_eq!(look(&root.join("file")), Ok(Found::File));
        assert_eq!(look(&root.join("folder/new/newer")), Ok(Found::Nothing));
        for (path, says) in [
            ("link", format!("real path; give {}/folder", root.display())),
            ("link/new/newer", format!("real path; give {}/folder/new/newer", root.display())),
            ("dangling", "cannot be looked at".to_owned()),
            ("file/below", "cannot be looked at".to_owned()),
        ] {
            let error = look(&root.join(path)).expect_err(path);
            assert!(error.contains(&says), "{path}: {error}");
        }
        let error = look(Path::new("/dev/null")).expect_err("a device");
        assert!(error.contains("neither a folder nor a regular file"), "{error}");
    }
}
