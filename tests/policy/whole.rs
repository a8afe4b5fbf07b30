//! Whole policies: Debian's, which `scripts/setup test` unpacks and does not install; that of the Fedora on which
//! this runs; and one in the folder that `CONFINE_SELINUX_POLICY` names.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::{Kind, compile::Compiled, modules};

/// A policy as CIL.
pub struct Policy {
    pub name: String,
    pub kind: Kind,
    pub files: Vec<PathBuf>,
    _folder: TempDir,
    compiled: [OnceLock<Compiled>; 2],
}

impl Policy {
    /// The policy with our modules. To compile it takes seconds, so each is compiled once.
    pub fn compiled(&self, with_mcs: bool) -> &Compiled {
        self.compiled[usize::from(with_mcs)].get_or_init(|| {
            let files = [self.files.clone(), modules(with_mcs)].concat();
            Compiled::of(&files).unwrap_or_else(|log| panic!("{}: secilc refuses: {log}", self.name))
        })
    }
}

/// Turns a module into CIL. `pp` is the translator of semodule.
const CONVERT: &str = r#"set -e
case $1 in *.cil) exec cp "$1" "$2" ;; */cil) exec sh -c 'bzcat "$1" 2>/dev/null || cat "$1"' - "$1" >"$2" ;; esac
pp=/usr/libexec/selinux/hll/pp
test -x $pp || { echo "$pp is missing: scripts/setup test installs it" >&2; exit 1; }
case $1 in *.bz2) bzcat "$1" | $pp - "$2" ;; *) $pp "$1" "$2" ;; esac
"#;

/// The policies of this machine. There is at least one.
pub fn policies() -> &'static [Policy] {
    static POLICIES: OnceLock<Vec<Policy>> = OnceLock::new();
    POLICIES.get_or_init(|| {
        let unpacked =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/selinux-policy/usr/share/selinux/default");
        let mut folders: Vec<PathBuf> =
            env::var_os("CONFINE_SELINUX_POLICY").map(PathBuf::from).into_iter().collect();
        folders.extend(
            [
                unpacked,
                "/usr/share/selinux/default".into(),
                "/var/lib/selinux/targeted/active/modules/100".into(),
            ]
            .into_iter()
            .find(|folder| folder.is_dir()),
        );
        assert!(!folders.is_empty(), "no whole policy is here: `scripts/setup test` fetches Debian's");
        folders.iter().map(|folder| read(folder)).collect()
    })
}

fn read(from: &Path) -> Policy {
    let folder = tempfile::tempdir().expect("a directory");
    let mut files: Vec<PathBuf> = fs::read_dir(from)
        .unwrap_or_else(|error| panic!("{}: {error}", from.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.split('.').next()?.to_owned();
            let file = if path.is_dir() { path.join("cil") } else { path };
            // If one of our modules is installed, it would be there twice.
            let is_module = file.is_file() && !name.starts_with("mod_confine") && {
                let file = file.to_str()?;
                [".pp", ".pp.bz2", ".cil", "/cil"].iter().any(|end| file.ends_with(end))
            };
            is_module.then(|| {
                let cil = folder.path().join(format!("{name}.cil"));
                let output =
                    Command::new("sh").args(["-c", CONVERT, "-"]).arg(&file).arg(&cil).output().expect("sh");
                assert!(
                    output.status.success(),
                    "{}: {}",
                    file.display(),
                    String::from_utf8_lossy(&output.stderr)
                );
                cil
            })
        })
        .collect();
    files.sort();
    assert!(files.iter().any(|file| file.ends_with("base.cil")), "{}: no base module", from.display());
    let fedoras = files.iter().any(|file| {
        fs::read_to_string(file).is_ok_and(|text| text.contains("(typeattribute base_ro_file_type)"))
    });
    let kind = if fedoras { Kind::Fedora } else { Kind::Reference };
    println!("{}: {} modules, {kind:?}", from.display(), files.len());
    Policy { name: from.display().to_string(), kind, files, _folder: folder, compiled: Default::default() }
}
