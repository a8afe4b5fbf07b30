//! Needs folders of several owners, which only root can make. For another user the tests end early.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown, lchown, symlink},
};

use tempfile::TempDir;

use super::*;

const TENANT: u32 = 65_534;

struct Tree(TempDir);

impl Tree {
    /// `adm/`, a folder of root with `real/x`; `tenant/`, a folder of somebody else with `pub/x`; and `bob/secret`.
    /// `None` says that this process is not root.
    fn new() -> Option<Self> {
        if kernel::effective_user() != 0 {
            return None;
        }
        let tree = Self(tempfile::tempdir().expect("a folder"));
        for file in ["adm/real/x", "tenant/pub/x", "bob/secret"] {
            let file = tree.path(file);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(&file, "x").expect("a file");
        }
        fs::set_permissions(tree.0.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        ["tenant", "tenant/pub", "tenant/pub/x"].iter().for_each(|p| tree.give(p));
        Some(tree)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn give(&self, name: &str) {
        lchown(self.path(name), Some(TENANT), Some(TENANT)).expect("chown");
    }

    fn link(&self, target: &str, name: &str) {
        symlink(target, self.path(name)).expect("a link");
    }

    fn walk(&self, name: &str, trusted: &[&str]) -> Result<PathBuf, String> {
        let trusted: Vec<Box<Path>> = trusted.iter().map(|name| self.path(name).into()).collect();
        let path = self.path(name);
        match walk(&path, &Trust::new(&trusted)) {
            Ok(found) => {
                let (fd, _) = looked_at(found.fd).expect("open");
                let shown = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
                Ok(fs::read_link(shown).expect("procfs"))
            }
            Err(astray) => Err(astray.why(&path)),
        }
    }

    #[track_caller]
    fn leads(&self, name: &str, to: &str) {
        assert_eq!(self.walk(name, &[]), Ok(self.path(to)), "{name}");
    }

    #[track_caller]
    fn refuses(&self, name: &str, why: &str) {
        let said = self.walk(name, &[]).expect_err(name);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn real_folders_are_taken_whoever_owns_them() {
    let Some(tree) = Tree::new() else { return };
    tree.leads("tenant/pub", "tenant/pub");
    tree.leads("tenant/pub/x", "tenant/pub/x");
    tree.leads("adm/real", "adm/real");
    tree.refuses("adm/nothing", "cannot be opened");
    tree.refuses("adm/real/x/y", "cannot be opened");
}

#[test]
fn links_of_the_administrators_are_followed() {
    let Some(tree) = Tree::new() else { return };
    tree.link("real", "adm/link");
    tree.link("../adm/link/x", "adm/file");
    tree.link(&tree.path("tenant/pub").display().to_string(), "adm/into");
    tree.leads("adm/link", "adm/real");
    tree.leads("adm/file", "adm/real/x");
    tree.leads("adm/into/x", "tenant/pub/x");
    assert!(walk(Path::new("/proc/self/ns/mnt"), &Trust::new(&[])).is_ok(), "the links of a process");
    tree.link("loop", "adm/loop");
    tree.refuses("adm/loop", "cannot be opened");
}

#[test]
fn links_that_somebody_else_may_have_laid_are_not() {
    let Some(tree) = Tree::new() else { return };
    let links = ["tenant/last", "tenant/pub/deep", "tenant/middle", "tenant/up"];
    for (link, target) in links.iter().zip(["../bob", "../../bob", "..", "../bob"]) {
        tree.link(target, link);
        tree.give(link);
    }
    // This link is root's own, but the tenant can exchange it.
    tree.link("../bob", "tenant/roots");
    // This link is the tenant's, in a folder of root.
    tree.link("../bob", "adm/given");
    tree.give("adm/given");
    for path in [
        "tenant/last",
        "tenant/pub/deep",
        "tenant/middle/bob",
        "tenant/up/secret",
        "tenant/roots",
        "adm/given",
    ] {
        tree.refuses(path, "is a symbolic link, and ");
    }
    tree.refuses("tenant/last", &format!("belongs to the user with id {TENANT}"));
    // A link of root leads to a link of the tenant.
    tree.link("../tenant/last", "adm/chain");
    tree.refuses("adm/chain", "tenant/last is a symbolic link");
    // The tenant could have exchanged this folder of root, which is below its own.
    fs::create_dir(tree.path("tenant/roots-folder")).expect("a folder");
    tree.link("../../bob", "tenant/roots-folder/link");
    tree.refuses("tenant/roots-folder/link", "is a symbolic link, and ");
}

#[test]
fn folders_that_others_may_write_are_theirs() {
    let Some(tree) = Tree::new() else { return };
    tree.link("real", "adm/link");
    for (mode, group, is_followed) in [
        (0o755, 7, true),
        (0o775, 0, true),
        (0o775, 7, false),
        (0o757, 0, false),
        // The link may be a hard link to one of root's.
        (0o1777, 0, false),
    ] {
        chown(tree.path("adm"), Some(0), Some(group)).expect("chown");
        fs::set_permissions(tree.path("adm"), fs::Permissions::from_mode(mode)).expect("chmod");
        assert_eq!(tree.walk("adm/link", &[]).is_ok(), is_followed, "{mode:o} {group}");
    }
    // In a sticky folder such as /tmp nobody else can exchange a folder of root.
    fs::create_dir(tree.path("adm/own")).expect("a folder");
    tree.link("../real", "adm/own/link");
    tree.leads("adm/own/link", "adm/real");
}

#[test]
fn a_second_name_of_a_file_is_not_taken_where_others_may_have_made_it() {
    let Some(tree) = Tree::new() else { return };
    fs::hard_link(tree.path("bob/secret"), tree.path("tenant/pub/mine")).expect("a link");
    tree.refuses("tenant/pub/mine", "is a file with another name elsewhere");
    tree.leads("bob/secret", "bob/secret");
    assert!(tree.walk("tenant/pub/mine", &["tenant"]).is_ok());
}

#[test]
fn trusted_paths_are_followed_and_told() {
    let Some(tree) = Tree::new() else { return };
    tree.link("../bob", "tenant/current");
    tree.give("tenant/current");
    assert_eq!(tree.walk("tenant/current", &["tenant"]), Ok(tree.path("bob")));
    assert_eq!(tree.walk("tenant/current", &["tenant/current"]), Ok(tree.path("bob")));
    assert!(tree.walk("tenant/current", &["tenant/pub", "adm"]).is_err());
    let trust = Trust::new(&[tree.path("tenant").into()]);
    let found = walk(&tree.path("tenant/current"), &trust).expect("a way");
    assert_eq!(found.trusted.len(), 1);
    assert_eq!(found.trusted[0].0, tree.path("tenant/current"));
}
