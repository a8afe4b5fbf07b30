//! Each answer is compared with the kernel's.

use std::{
    fs, io,
    net::{TcpListener, TcpStream},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
};

use super::*;
use crate::{
    lsm::{
        Backend, Enter, NoValues,
        landlock::{PathAccess, PathRule, PathTemplate, Ports},
    },
    origin::Origin,
};

fn spec(paths: &[(PathAccess, PathBuf)]) -> RulesetSpec {
    let mut spec = RulesetSpec::new("r", Origin::new("confine.conf", 1));
    for (access, path) in paths {
        let (path, _) = PathTemplate::parse(path.to_str().unwrap(), 0).unwrap();
        let origin = Origin::new("confine.conf", 2);
        spec.paths.push(PathRule { access: *access, path, optional: false, origin });
    }
    spec
}

/// What the kernel says to `attempt` in a thread under the ruleset.
fn kernel_says(spec: &RulesetSpec, attempt: impl FnOnce() -> io::Result<()> + Send) -> Option<i32> {
    let landlock = Landlock::new(vec![spec.clone()]).unwrap_or_else(|e| panic!("{}", e[0]));
    let way = landlock.prepare("r").unwrap();
    thread::scope(|s| {
        let confined = s.spawn(|| {
            way.ready(&NoValues).unwrap().enter().unwrap();
            attempt().err().and_then(|e| e.raw_os_error())
        });
        confined.join().unwrap()
    })
}

/// `a/file`, `a/dir/`, `a/program`, `b/`, `b/file`.
fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("a/dir")).unwrap();
    fs::create_dir_all(at("b")).unwrap();
    fs::write(at("a/file"), "content").unwrap();
    fs::write(at("b/file"), "content").unwrap();
    fs::copy("/bin/true", at("a/program")).unwrap();
    fs::set_permissions(at("a/program"), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// truncate(2), which opens nothing.
fn truncate(file: &Path) -> io::Result<()> {
    let file = std::ffi::CString::new(file.to_str().unwrap()).unwrap();
    // SAFETY: a path that ends in NUL.
    match unsafe { libc::truncate(file.as_ptr(), 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

type Attempt = fn(&Path) -> io::Result<()>;

/// What is tried, and what it asks for: of which place, and which access.
const ATTEMPTS: [(&str, FileAccess, Attempt); 10] = [
    ("a/file", FileAccess::Read, |t| fs::File::open(t.join("a/file")).map(drop)),
    ("a", FileAccess::List, |t| fs::read_dir(t.join("a")).map(drop)),
    ("a/file", FileAccess::Write, |t| fs::OpenOptions::new().append(true).open(t.join("a/file")).map(drop)),
    ("a/file", FileAccess::Truncate, |t| truncate(&t.join("a/file"))),
    ("a", FileAccess::MakeFile, |t| {
        let mode = rustix::fs::Mode::RUSR;
        let kind = rustix::fs::FileType::RegularFile;
        Ok(rustix::fs::mknodat(rustix::fs::CWD, t.join("a/new"), kind, mode, 0)?)
    }),
    ("a", FileAccess::MakeFolder, |t| fs::create_dir(t.join("a/folder"))),
    ("a", FileAccess::MakeLink, |t| symlink("x", t.join("a/link"))),
    ("a", FileAccess::MakeSocket, |t| std::os::unix::net::UnixListener::bind(t.join("a/s")).map(drop)),
    ("a", FileAccess::RemoveFile, |t| fs::remove_file(t.join("a/file"))),
    ("a", FileAccess::RemoveFolder, |t| fs::remove_dir(t.join("a/dir"))),
];

#[test]
fn the_kernel_refuses_what_is_said_to_be_refused_and_nothing_else() {
    let grants: [&[(PathAccess, &str)]; 8] = [
        &[],
        &[(PathAccess::Read, "a")],
        &[(PathAccess::Write, "a")],
        &[(PathAccess::Execute, "a")],
        &[(PathAccess::Read, "a/file"), (PathAccess::Write, "a/file")],
        &[(PathAccess::Read, "")],
        &[(PathAccess::Write, "a/dir"), (PathAccess::Read, "b")],
        &[(PathAccess::Read, "a"), (PathAccess::Write, "a"), (PathAccess::Execute, "a")],
    ];
    let (mut granted, mut refused) = (0, 0);
    for rules in grants {
        for (place, access, attempt) in ATTEMPTS {
            let tree = tree();
            let rules: Vec<_> =
                rules.iter().map(|(access, path)| (*access, tree.path().join(path))).collect();
            let spec = spec(&rules);
            let said = Grants::of(&spec, &NoValues).unwrap();
            let said = said.path(&tree.path().join(place), access).unwrap();
            let errno = kernel_says(&spec, || attempt(tree.path()));
            let expected = said.is_err().then_some(libc::EACCES);
            assert_eq!(errno, expected, "{access:?} of {place} under {rules:?}: {said:?}");
            *if said.is_ok() { &mut granted } else { &mut refused } += 1;
        }
    }
    assert!(granted > 20 && refused > 30, "{granted} granted, {refused} refused");
}

#[test]
fn what_is_missing_makes_the_kernel_agree() {
    let tree = tree();
    let file = tree.path().join("a/file");
    let bare = spec(&[]);
    let denied =
        Grants::of(&bare, &NoValues).unwrap().path(&file, FileAccess::Read).unwrap().expect_err("no rule");
    let folder = tree.path().canonicalize().unwrap().join("a");
    assert_eq!(denied.add, Some(Directive::path(PathAccess::Read, &folder)));
    assert_eq!(denied.remedy(), format!("add LandlockRead \"{}\"", folder.display()));
    assert_eq!(kernel_says(&bare, || fs::read(&file).map(drop)), Some(libc::EACCES));
    let mended = spec(&[(PathAccess::Read, folder)]);
    assert_eq!(kernel_says(&mended, || fs::read(&file).map(drop)), None);
}

#[test]
fn a_rule_is_an_inodes_whatever_name_leads_to_it() {
    let tree = tree();
    let at = |name: &str| tree.path().join(name);
    fs::hard_link(at("a/file"), at("b/second")).unwrap();
    symlink(at("a"), at("b/to-a")).unwrap();
    let spec = spec(&[(PathAccess::Read, at("a/file"))]);
    let grants = Grants::of(&spec, &NoValues).unwrap();
    for (name, errno) in [
        ("b/second", None),
        ("b/to-a/file", None),
        ("b/file", Some(libc::EACCES)),
        ("a/program", Some(libc::EACCES)),
    ] {
        let said = grants.path(&at(name), FileAccess::Read).unwrap();
        assert_eq!(said.is_ok(), errno.is_none(), "{name}: {said:?}");
        assert_eq!(kernel_says(&spec, || fs::read(at(name)).map(drop)), errno, "{name}");
    }
}

#[test]
fn a_folder_that_is_made_anew_is_another_folder() {
    let tree = tree();
    let folder = tree.path().join("a/dir");
    let spec = spec(&[(PathAccess::Read, folder.clone())]);
    let grants = Grants::of(&spec, &NoValues).unwrap();
    assert!(grants.path(&folder, FileAccess::List).unwrap().is_ok());
    fs::remove_dir(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    assert!(grants.path(&folder, FileAccess::List).unwrap().is_err(), "its inode's number may be the same");
}

#[test]
fn a_move_between_folders_needs_the_right_on_both_sides_and_gains_none() {
    type Rules = &'static [(PathAccess, &'static str)];
    let rules: [(Rules, Option<i32>); 5] = [
        (&[(PathAccess::Write, "a"), (PathAccess::Write, "b")], None),
        (&[(PathAccess::Write, "a")], Some(libc::EACCES)),
        (&[(PathAccess::Write, "b")], Some(libc::EACCES)),
        // It could be read afterwards, and not before.
        (&[(PathAccess::Write, "a"), (PathAccess::Write, "b"), (PathAccess::Read, "b")], Some(libc::EXDEV)),
        (&[(PathAccess::Write, "a"), (PathAccess::Read, "a"), (PathAccess::Write, "b")], None),
    ];
    for (rules, errno) in rules {
        let tree = tree();
        let at = |name: &str| tree.path().join(name);
        let rules: Vec<_> = rules.iter().map(|(access, path)| (*access, at(path))).collect();
        let spec = spec(&rules);
        let grants = Grants::of(&spec, &NoValues).unwrap();
        let place = |name: &str| Place::resolve(&at(name)).unwrap();
        let said = grants
            .refer(&place("a"), &place("b"), &place("a/file"))
            .and_then(|()| grants.file(&place("a"), FileAccess::RemoveFile))
            .and_then(|()| grants.file(&place("b"), FileAccess::MakeFile));
        let kernels = kernel_says(&spec, || fs::rename(at("a/file"), at("b/moved")));
        assert_eq!((said.is_err(), kernels), (errno.is_some(), errno), "{rules:?}: {said:?}");
    }
}

#[test]
fn programs_and_what_loads_them() {
    let tree = tree();
    let program = tree.path().join("a/program");
    let all = spec(&[(PathAccess::Execute, tree.path().join("a")), (PathAccess::Execute, "/usr".into())]);
    let none = spec(&[(PathAccess::Read, "/".into())]);
    for (spec, errno) in [(all, None), (none, Some(libc::EACCES))] {
        let said = Grants::of(&spec, &NoValues).unwrap().path(&program, FileAccess::Execute).unwrap();
        assert_eq!(said.is_ok(), errno.is_none());
        let kernels = kernel_says(&spec, || Command::new(&program).status().map(drop));
        assert_eq!(kernels, errno);
    }
}

#[test]
fn ports_and_scopes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut open = spec(&[]);
    open.connect = Ports::Listed(vec![port]);
    for (spec, granted) in [(open, true), (spec(&[]), false)] {
        let grants = Grants::of(&spec, &NoValues).unwrap();
        let said = grants.connect(port);
        assert_eq!(said.is_ok(), granted, "this test needs Landlock ABI 4");
        let kernels = kernel_says(&spec, || TcpStream::connect(("127.0.0.1", port)).map(drop));
        assert_eq!(kernels, (!granted).then_some(libc::EACCES));
        if let Err(denied) = said {
            assert_eq!(denied.remedy(), format!("add LandlockConnect {port}"));
        }
        assert!(grants.bind(port).is_err());
    }
    let grants = Grants::of(&spec(&[]), &NoValues).unwrap();
    assert_eq!(grants.signal().unwrap_err().remedy(), "add LandlockScope abstract-sockets");
    assert_eq!(grants.abstract_socket().unwrap_err().remedy(), "add LandlockScope signals");
}

#[test]
fn a_move_knows_what_it_grants() {
    let tree = tree();
    let spec = spec(&[(PathAccess::Read, tree.path().join("a"))]);
    let landlock = Landlock::new(vec![spec]).unwrap_or_else(|e| panic!("{}", e[0]));
    let grants: Arc<Grants> = landlock.prepare("r").unwrap().grants(&NoValues).unwrap().expect("a ruleset");
    assert_eq!(grants.name(), "r");
    assert!(grants.path(&tree.path().join("a/file"), FileAccess::Read).unwrap().is_ok());
    assert!(grants.path(&tree.path().join("b/file"), FileAccess::Read).unwrap().is_err());
}
