//! Who besides root can change a file that chooses contexts.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use confine::dump::User;

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
/// In a folder with this mode, only the owner of an entry can remove it.
const STICKY: u32 = 0o1000;

/// Who besides root can change `path`, how, and what to do. It is empty if nobody can. The user who runs this counts
/// as the administrator, unless the server runs as the same account.
pub fn strangers(path: &Path, server: Option<&User>) -> Vec<String> {
    let me = fs::metadata("/proc/self").map_or(0, |m| m.uid());
    // A server that root did not start runs as the user who started it, whatever User says.
    let server = server.filter(|_| me == 0);
    let mut all: BTreeSet<PathBuf> = path.ancestors().map(Path::to_owned).collect();
    if let Ok(real) = path.canonicalize() {
        all.extend(real.ancestors().map(Path::to_owned));
    }
    all.iter().rev().filter(|p| p.is_absolute()).filter_map(|p| stranger(p, server, me)).collect()
}

fn stranger(path: &Path, server: Option<&User>, me: u32) -> Option<String> {
    let metadata = fs::symlink_metadata(path).ok()?;
    // The mode of a link means nothing. The target of the link is checked, too.
    let writes = |who: u32| metadata.mode() & who != 0 && !metadata.is_symlink();
    let open_to = |who| writes(who) && !(metadata.is_dir() && metadata.mode() & STICKY != 0);
    let shown = path.display();
    let what = if metadata.is_dir() {
        "and can put another file in the place of what lies in it"
    } else {
        "and so choose contexts"
    };
    if server.is_some_and(|user| user.id == metadata.uid()) && metadata.uid() != 0 {
        let name = server.map_or("", |user| user.name.as_str());
        return Some(format!(
            "{shown} belongs to the server's User {name}, which may write it {what}; let root own it (chown root \
             {shown})"
        ));
    }
    if metadata.uid() != 0 && metadata.uid() != me {
        let uid = metadata.uid();
        return Some(format!(
            "{shown} belongs to the user with id {uid}, who may write it {what}; let root own it (chown root {shown})"
        ));
    }
    if open_to(OTHERS_WRITE) {
        return Some(format!("everybody may write {shown} {what}; forbid it (chmod o-w {shown})"));
    }
    if open_to(GROUP_WRITES) && metadata.gid() != 0 {
        let gid = metadata.gid();
        return Some(format!(
            "the group with id {gid} may write {shown} {what}; forbid it (chmod g-w {shown})"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    #[test]
    fn files_and_directories_that_others_may_write_are_told() {
        let d = tempfile::tempdir().expect("a directory");
        let map = d.path().join("m");
        fs::write(&map, "* unconfined\n").expect("a map");
        mode(&map, 0o644);
        assert_eq!(strangers(&map, None), Vec::<String>::new());
        mode(&map, 0o646);
        let shown = map.display();
        let everybody =
            format!("everybody may write {shown} and so choose contexts; forbid it (chmod o-w {shown})");
        assert_eq!(strangers(&map, None), [everybody]);
        mode(&map, 0o644);
        mode(d.path(), 0o777);
        let told = strangers(&map, None);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].starts_with(&format!("everybody may write {} and can put", d.path().display())),
            "{told:?}"
        );
        // In such a folder, as in /tmp, nobody can replace the entries of others.
        mode(d.path(), 0o1777);
        assert_eq!(strangers(&map, None), Vec::<String>::new());
    }

    #[test]
    fn where_a_link_leads_is_looked_at() {
        let d = tempfile::tempdir().expect("a directory");
        let (map, link) = (d.path().join("m"), d.path().join("link"));
        fs::write(&map, "").expect("a file");
        mode(&map, 0o666);
        std::os::unix::fs::symlink(&map, &link).expect("a link");
        assert_eq!(strangers(&link, None).len(), 1);
    }
}
