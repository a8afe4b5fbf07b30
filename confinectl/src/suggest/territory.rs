//! Whose folders these are, by who writes there. Document roots do not say it where several virtual hosts have one, as
//! with an application that a package installs for all (`/usr/share/wordpress`): what belongs to one site is elsewhere.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use confine::{
    learn::Learned,
    lsm::landlock::{FileAccess, PathAccess, is_shared},
};

use super::lift::standing;

/// Folders in which everybody writes, beside those of many purposes.
const EVERYBODYS: [&str; 5] = ["/dev", "/proc", "/run", "/var/lib/php", "/usr"];

/// The folders in which these requests made, changed or removed something.
pub fn written(learned: &[Learned]) -> BTreeSet<PathBuf> {
    let of = |learned: &Learned| {
        let (access, path, is_folder) = learned.deed.as_file()?;
        let writes = access.granted_by() == Some(PathAccess::Write)
            && !matches!(access, FileAccess::ConnectSocket | FileAccess::ControlDevice);
        let folder = if is_folder { path } else { path.parent()? };
        writes.then(|| standing(folder))
    };
    learned.iter().filter_map(of).filter(|folder| is_somebodys(folder)).collect()
}

fn is_somebodys(folder: &Path) -> bool {
    !is_shared(folder) && !EVERYBODYS.iter().any(|of| folder.starts_with(of))
}

/// The areas of whoever writes in `mine`: each folder, and what is above it as far as nothing of others is there. Where
/// both write, it is nobody's.
pub fn areas(mine: &BTreeSet<PathBuf>, others: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let is_free = |folder: &Path| !others.iter().any(|other| other.starts_with(folder));
    let is_mine = |folder: &&PathBuf| {
        is_free(folder) && is_somebodys(folder) && !others.iter().any(|other| folder.starts_with(other))
    };
    let area = |folder: &PathBuf| {
        let above = folder.ancestors().take_while(|above| is_somebodys(above) && is_free(above));
        above.last().map(Path::to_owned)
    };
    mine.iter().filter(is_mine).filter_map(area).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use confine::{
        learn::Deed,
        lsm::landlock::FileAccess::{MakeFile, Read, Refer, Write},
    };

    use super::{super::tests::of, *};

    /// Two sites of one package: its folder is the document root of both.
    #[test]
    fn folders_are_whose_requests_write_there() {
        let folder = tempfile::tempdir().unwrap();
        // Below what everybody shares, as /srv and /var/lib are.
        let set = |names: &[&str]| names.iter().map(PathBuf::from).collect::<BTreeSet<_>>();
        let dog = set(&[
            "/srv/dog/up/2026",
            "/srv/dog/tmp",
            "/var/lib/farm/dog/data/pages",
            "/var/lib/farm/cache",
            "/tmp",
        ]);
        let cat = set(&["/srv/cat/up", "/var/lib/farm/cat/data/pages", "/var/lib/farm/cache", "/srv/dogs"]);
        assert_eq!(areas(&dog, &cat), set(&["/srv/dog", "/var/lib/farm/dog"]));
        assert_eq!(areas(&cat, &dog), set(&["/srv/cat", "/srv/dogs", "/var/lib/farm/cat"]));
        // Who writes into another's folder gets nothing by it.
        assert_eq!(areas(&set(&["/srv/cat/up/x", "/srv/cat/up"]), &set(&["/srv/cat/up"])), set(&[]));

        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        let learned = [
            of(Deed::file(MakeFile, at("a/b/made"), false)),
            of(Deed::file(Write, at("a/written"), false)),
            of(Deed::file(Refer, at("a/b"), true)),
            of(Deed::file(Read, at("read"), false)),
            of(Deed::file(Write, "/dev/null", false)),
            of(Deed::file(FileAccess::ConnectSocket, at("socket"), false)),
        ];
        assert_eq!(written(&learned), [at("a"), at("a/b")].into());
    }
}
