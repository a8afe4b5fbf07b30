//! Each guide, followed from its first line to its last.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use confine_manual::{
    guide::{self, Step, What},
    machine, script, target_folder, workspace,
};

/// Follows a page, with the packages that `make deb` made beside the reader.
fn follow(name: &str) {
    follow_with(name, None, packages);
}

/// Follows a page for Fedora as far as its commands are not Fedora's own. What it has the reader build is installed.
fn follow_what_is_not_fedoras(name: &str) {
    follow_with(name, Some("sudo apt install ./confinectl_*.deb"), packages);
}

/// Follows the page about upgrades, with the same packages as a later version in a folder `new`.
fn follow_with_later_packages(name: &str) {
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
    follow_with(name, None, || {
        let mut files = packages();
        let new = folder.path().join("new");
        fs::create_dir(&new).unwrap_or_else(|e| panic!("{}: {e}", new.display()));
        files.iter().for_each(|package| as_later_version(package, folder.path(), &new));
        files.push(new);
        files
    });
}

/// The same package as a later version, in the folder `new`.
fn as_later_version(package: &Path, work: &Path, new: &Path) {
    let tree = work.join("tree");
    dpkg_deb(&["--raw-extract".as_ref(), package, &tree]);
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control).unwrap_or_else(|e| panic!("{}: {e}", control.display()));
    let later = |line: &str| {
        if line.starts_with("Version: ") { format!("{line}+later\n") } else { format!("{line}\n") }
    };
    fs::write(&control, text.lines().map(later).collect::<String>())
        .unwrap_or_else(|e| panic!("{}: {e}", control.display()));
    dpkg_deb(&["--root-owner-group".as_ref(), "-Zgzip".as_ref(), "--build".as_ref(), &tree, new]);
    fs::remove_dir_all(&tree).unwrap_or_else(|e| panic!("{}: {e}", tree.display()));
}

fn dpkg_deb(arguments: &[&Path]) {
    let output =
        Command::new("dpkg-deb").args(arguments).output().unwrap_or_else(|e| panic!("dpkg-deb: {e}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Follows a page, after what it takes for granted. A machine without Debian's packages cannot; that it was not done is said, and is no success in CI.
fn follow_with(name: &str, before: Option<&str>, files: impl FnOnce() -> Vec<PathBuf>) {
    let page = format!("docs/guides/{name}.md");
    if !machine::is_possible() {
        assert!(env::var_os("CI").is_none(), "{page} was not followed: it is written for Debian");
        eprintln!("{page} was not followed: it is written for Debian");
        return;
    }
    let text = fs::read_to_string(workspace().join(&page)).unwrap_or_else(|e| panic!("{page}: {e}"));
    let mut steps = guide::steps(&text).unwrap_or_else(|e| panic!("{page}: {e}"));
    steps.splice(0..0, before.map(|text| Step { line: 0, what: What::Run(text.to_owned()) }));
    let files = files();
    let from = Instant::now();
    let output = machine::follow(&script::of(&page, &steps), &files);
    let output = output.unwrap_or_else(|e| panic!("manual/machine: {e}"));
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    // Not by the macro, whose lines are shown for failures alone.
    let _ = writeln!(io::stderr(), "# {page}: {:.1} s", from.elapsed().as_secs_f64());
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.ends_with("## followed to its end\n"), "{said}\n{trouble}");
    let done = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(done >= 3, "a guide has more to do than this:\n{said}");
}

/// What `make deb` made, for the guides to install.
fn packages() -> Vec<PathBuf> {
    let folder = env::var_os("CONFINE_PACKAGES").map_or_else(|| target_folder().join("deb"), PathBuf::from);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}; run make deb", folder.display()));
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let packages: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "deb")).collect();
    assert!(!packages.is_empty(), "{}: no package; run make deb", folder.display());
    packages
}

macro_rules! guides {
    ($($test:ident: $follow:ident $page:literal,)*) => {
        $(#[test] fn $test() { $follow($page); })*

        /// No page is left out.
        #[test]
        fn each_page_is_followed() {
            let followed = [$($page),*];
            let folder = workspace().join("docs/guides");
            let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let name = name.strip_suffix(".md").unwrap_or_else(|| panic!("{name} is no page"));
                let in_lab = IN_THE_LAB.contains(&name);
                assert!(followed.contains(&name) != in_lab, "{name}: followed nowhere, or at two places");
            }
        }
    };
}

/// Guides about a kernel that enforces a policy: their scripts run in the lab's guests (lab/lib/payload.sh).
const IN_THE_LAB: [&str; 3] = ["apparmor", "selinux", "tomoyo"];

guides! {
    five_minutes: follow "five-minutes",
    hosting_php: follow "hosting-php",
    wordpress_end_to_end: follow "wordpress",
    wordpress_learned: follow "learn",
    users_from_ldap: follow "ldap",
    why_was_this_request_refused: follow "refused",
    coming_from_suexec: follow "from-suexec",
    hardening: follow "hardening",
    upgrading: follow_with_later_packages "upgrading",
    selinux_on_fedora: follow_what_is_not_fedoras "selinux-fedora",
}
