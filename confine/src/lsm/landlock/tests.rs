//! Real moves on the running kernel. If the kernel has no Landlock, or lacks a right that a test needs, the test fails
//! and says so.

mod faults;

use std::{
    fs, io,
    net::{TcpListener, TcpStream},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::symlink,
            net::{SocketAddr, UnixListener, UnixStream},
        },
    },
    path::Path,
    process::Command,
    thread,
};

use tempfile::TempDir;

use super::{
    ruleset_move::{InKernel, Ruleset},
    *,
};
use crate::lsm::{Enter, EnterError, NoValues, PreparedMove, Values};

/// The value of expression `i` is `self.0[i]`.
struct Table<'a>(&'a [&'a str]);

impl Values for Table<'_> {
    fn value(&self, index: usize) -> Result<Vec<u8>, String> {
        self.0.get(index).map(|v| v.as_bytes().to_vec()).ok_or_else(|| format!("no expression {index}"))
    }
}

fn need_abi(abi: u32, what: &str) {
    match Landlock::abi() {
        Ok(found) => assert!(found >= abi, "{what} needs Landlock ABI {abi}; this kernel has {found}"),
        Err(e) => panic!("this test needs Landlock: {e}"),
    }
}

fn at(line: u32) -> Origin {
    Origin::new("confine.conf", line)
}

/// A ruleset `name` with these paths. They stand on lines of their own, from line 2 on.
fn spec(name: &str, paths: &[(PathAccess, &str)]) -> RulesetSpec {
    let mut index = 0;
    let mut spec = RulesetSpec::new(name, at(1));
    for (line, (access, path)) in (2..).zip(paths) {
        let (path, expressions) = PathTemplate::parse(path, index).unwrap();
        index += expressions.len();
        spec.paths.push(PathRule { access: *access, path, optional: false, origin: at(line) });
    }
    spec
}

fn backend(spec: RulesetSpec) -> Landlock {
    need_abi(DEFAULT_MIN_ABI, "a ruleset");
    Landlock::new(vec![spec]).unwrap_or_else(|e| panic!("{}", e[0]))
}

fn errors(spec: RulesetSpec, abi: u32) -> Vec<String> {
    match make(spec, abi, Missing::Fault) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

/// Runs `work` in a thread that is under the only ruleset of `landlock`.
fn confined_with<T: Send>(
    landlock: &Landlock,
    values: &(dyn Values + Sync),
    work: impl FnOnce() -> T + Send,
) -> T {
    let name = landlock.names().next().unwrap();
    let way = landlock.prepare(name).unwrap();
    thread::scope(|s| {
        s.spawn(|| {
            way.ready(values).unwrap().enter().unwrap();
            work()
        })
        .join()
        .unwrap()
    })
}

fn confined<T: Send>(spec: RulesetSpec, work: impl FnOnce() -> T + Send) -> T {
    confined_with(&backend(spec), &NoValues, work)
}

fn errno<T>(result: io::Result<T>) -> i32 {
    match result {
        Ok(_) => 0,
        Err(e) => e.raw_os_error().unwrap_or(-1),
    }
}

/// A directory with `granted/file`, `granted/dir` and `secret`.
fn tree() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("granted/dir")).unwrap();
    fs::write(dir.path().join("granted/file"), "content").unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    dir
}

fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().to_str().unwrap().to_owned()
}

#[test]
fn reading_is_granted_where_it_says_so_and_the_other_threads_go_on_as_before() {
    let dir = tree();
    let (granted, secret) = (dir.path().join("granted"), dir.path().join("secret"));
    let (file, listed, other, written) = confined(spec("r", &[(PathAccess::Read, &text(&granted))]), || {
        (
            fs::read_to_string(granted.join("file")),
            fs::read_dir(&granted).map(Iterator::count),
            errno(fs::read(&secret)),
            errno(fs::write(granted.join("file"), "x")),
        )
    });
    assert_eq!(file.unwrap(), "content");
    assert_eq!(listed.unwrap(), 2);
    assert_eq!(other, libc::EACCES);
    assert_eq!(written, libc::EACCES);
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    fs::write(granted.join("file"), "x").unwrap();
    // SAFETY: this prctl takes and gives integers only.
    assert_eq!(unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) }, 0);
}

#[test]
fn a_rule_on_a_file_covers_that_file() {
    let dir = tree();
    let file = dir.path().join("granted/file");
    let all = [
        (PathAccess::Read, &*text(&file)),
        (PathAccess::Write, &text(&file)),
        (PathAccess::Execute, &text(&file)),
    ];
    let (write, list) = confined(spec("f", &all), || {
        (fs::write(&file, "new"), errno(fs::read_dir(dir.path().join("granted"))))
    });
    write.unwrap();
    assert_eq!(list, libc::EACCES);
    assert_eq!(fs::read_to_string(&file).unwrap(), "new");
}

#[test]
fn writing_is_making_removing_truncating_and_renaming_but_not_reading() {
    let dir = tree();
    let granted = dir.path().join("granted");
    confined(spec("w", &[(PathAccess::Write, &text(&granted))]), || {
        fs::write(granted.join("new"), "new").unwrap();
        fs::OpenOptions::new().write(true).open(granted.join("new")).unwrap().set_len(1).unwrap();
        // A rename to another directory needs the right REFER.
        fs::rename(granted.join("new"), granted.join("dir/new")).unwrap();
        fs::hard_link(granted.join("dir/new"), granted.join("linked")).unwrap();
        symlink("dir", granted.join("symlink")).unwrap();
        fs::create_dir(granted.join("more")).unwrap();
        fs::remove_dir(granted.join("more")).unwrap();
        fs::remove_file(granted.join("linked")).unwrap();
        UnixListener::bind(granted.join("socket")).unwrap();

        assert_eq!(errno(fs::read(granted.join("dir/new"))), libc::EACCES);
        let out = errno(fs::rename(granted.join("dir/new"), dir.path().join("out")));
        assert!(matches!(out, libc::EXDEV | libc::EACCES), "errno {out}");
        assert_eq!(errno(fs::write(dir.path().join("secret"), "")), libc::EACCES);
    });
    assert_eq!(fs::read_to_string(granted.join("dir/new")).unwrap(), "n");
    assert_eq!(fs::read_to_string(dir.path().join("secret")).unwrap(), "secret");
}

#[test]
fn truncating_a_readable_file_is_refused() {
    let dir = tree();
    let file = text(dir.path().join("granted/file"));
    let path = std::ffi::CString::new(file.clone()).unwrap();
    let truncated = confined(spec("t", &[(PathAccess::Read, &file)]), || {
        // SAFETY: `path` ends in NUL.
        errno(if unsafe { libc::truncate(path.as_ptr(), 0) } == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        })
    });
    assert_eq!(truncated, libc::EACCES);
}

#[test]
fn device_nodes_cannot_be_made_even_where_writing_is_granted() {
    let dir = tree();
    let node = std::ffi::CString::new(text(dir.path().join("granted/null"))).unwrap();
    // SAFETY: `node` ends in NUL.
    let make = || match unsafe { libc::mknod(node.as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(1, 3)) } {
        0 => 0,
        _ => errno(Err::<(), _>(io::Error::last_os_error())),
    };
    let made = confined(spec("d", &[(PathAccess::Write, &text(dir.path().join("granted")))]), make);
    // A user without privileges gets EPERM before Landlock is asked.
    assert!(matches!(made, libc::EACCES | libc::EPERM), "errno {made}");
}

#[test]
fn programs_run_only_where_executing_is_granted() {
    let true_ = ["/usr/bin/true", "/bin/true"].into_iter().find(|p| Path::new(p).exists()).unwrap();
    let system: Vec<_> =
        ["/usr", "/lib", "/lib64", "/bin", "/etc"].into_iter().filter(|p| Path::new(p).exists()).collect();
    let run = || errno(Command::new(true_).status());

    let read: Vec<_> = system.iter().map(|p| (PathAccess::Read, *p)).collect();
    assert_eq!(confined(spec("x", &read), run), libc::EACCES);

    let execute: Vec<_> = system.iter().map(|p| (PathAccess::Execute, *p)).collect();
    assert_eq!(confined(spec("x", &execute), run), 0);
}

#[test]
fn tcp_ports_are_closed_unless_listed_or_any() {
    need_abi(4, "TCP");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let attempt =
        || (errno(TcpStream::connect(("127.0.0.1", port))), errno(TcpListener::bind(("127.0.0.1", free))));

    let with = |connect: Ports, bind: Ports| RulesetSpec { connect, bind, ..spec("n", &[]) };
    for (connect, bind, result) in [
        (Ports::Unset, Ports::Unset, (libc::EACCES, libc::EACCES)),
        (Ports::Listed(vec![]), Ports::Listed(vec![]), (libc::EACCES, libc::EACCES)),
        (Ports::Listed(vec![port]), Ports::Unset, (0, libc::EACCES)),
        (Ports::Listed(vec![free]), Ports::Listed(vec![port]), (libc::EACCES, libc::EACCES)),
        (Ports::Unset, Ports::Listed(vec![free]), (libc::EACCES, 0)),
        (Ports::Any, Ports::Unset, (0, libc::EACCES)),
        (Ports::Any, Ports::Any, (0, 0)),
    ] {
        let what = format!("{connect:?} {bind:?}");
        assert_eq!(confined(with(connect, bind), attempt), result, "{what}");
    }
}

#[test]
fn signals_and_abstract_sockets_stop_at_the_ruleset_unless_lifted() {
    need_abi(6, "LandlockScope");
    let name = format!("confine-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = child.id() as libc::pid_t;
    let attempt = || {
        // SAFETY: kill takes integers only, and signal 0 does nothing.
        let signal = match unsafe { libc::kill(pid, 0) } {
            0 => 0,
            _ => errno(Err::<(), _>(io::Error::last_os_error())),
        };
        (signal, errno(UnixStream::connect_addr(&address)))
    };

    let with = |words: &[&str]| {
        let mut spec = spec("s", &[]);
        if !words.is_empty() {
            spec.scope.add(words.iter().copied()).unwrap();
        }
        spec
    };
    for (words, result) in [
        (&[][..], (libc::EPERM, libc::EPERM)),
        (&["signals", "abstract-sockets"], (libc::EPERM, libc::EPERM)),
        (&["signals"], (libc::EPERM, 0)),
        (&["abstract-sockets"], (0, libc::EPERM)),
        (&["none"], (0, 0)),
    ] {
        assert_eq!(confined(with(words), attempt), result, "{words:?}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_value_opens_one_tenants_directory() {
    let dir = tempfile::tempdir().unwrap();
    for tenant in ["alice", "bob"] {
        fs::create_dir_all(dir.path().join(tenant).join("data")).unwrap();
        fs::write(dir.path().join(tenant).join("data/f"), tenant).unwrap();
        fs::write(dir.path().join(tenant).join("private"), tenant).unwrap();
    }
    fs::write(dir.path().join("shared"), "shared").unwrap();
    let path = format!("{}/%{{REMOTE_USER}}/data", text(dir.path()));
    let shared = text(dir.path().join("shared"));
    let landlock = backend(spec(
        "tenant",
        &[(PathAccess::Read, &path), (PathAccess::Write, &path), (PathAccess::Read, &shared)],
    ));

    for (tenant, other) in [("alice", "bob"), ("bob", "alice")] {
        // Both directives name one path. It is looked up once, with the value of the first.
        let values = Table(&[tenant, "not asked for"]);
        confined_with(&landlock, &values, || {
            assert_eq!(fs::read_to_string(dir.path().join(tenant).join("data/f")).unwrap(), tenant);
            fs::write(dir.path().join(tenant).join("data/f"), tenant).unwrap();
            assert_eq!(fs::read_to_string(&shared).unwrap(), "shared");
            assert_eq!(errno(fs::read(dir.path().join(tenant).join("private"))), libc::EACCES);
            assert_eq!(errno(fs::read(dir.path().join(other).join("data/f"))), libc::EACCES);
            assert_eq!(errno(fs::write(&shared, "x")), libc::EACCES);
        });
    }
}

fn refusal(landlock: &Landlock, values: &[&str]) -> EnterError {
    let way = landlock.prepare("tenant").unwrap();
    match way.ready(&Table(values)) {
        Ok(_) => panic!("a ruleset was made"),
        Err(e) => e,
    }
}

#[test]
fn a_symbolic_link_that_a_tenant_plants_widens_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let tenants = dir.path().join("tenants");
    fs::create_dir_all(tenants.join("alice")).unwrap();
    let path = format!("{}/%{{A}}/data", text(&tenants));
    let landlock = backend(spec("tenant", &[(PathAccess::Read, &path)]));

    for (link, place) in [("/", "alice/data"), ("../..", "alice/data"), ("alice", "bob")] {
        symlink(link, tenants.join(place)).unwrap();
        let error = refusal(&landlock, &[place.split('/').next().unwrap()]);
        assert_eq!(error.problem.errno, Some(libc::ELOOP));
        assert!(!error.forbidden);
        let message = error.to_string();
        assert!(message.starts_with(&format!("path {path}: {}/", text(&tenants))), "{message}");
        assert!(message.contains("cannot be opened (ELOOP); "), "{message}");
        assert!(message.contains("no symbolic link is followed"), "{message}");
        fs::remove_file(tenants.join(place)).unwrap();
    }
}

#[test]
fn links_in_the_fixed_part_are_the_administrators_and_are_followed() {
    let dir = tree();
    symlink(dir.path().join("granted"), dir.path().join("link")).unwrap();
    let path = format!("{}/link/%{{A}}", text(dir.path()));
    let landlock = backend(spec("tenant", &[(PathAccess::Read, &path)]));
    let read =
        confined_with(&landlock, &Table(&["file"]), || fs::read_to_string(dir.path().join("granted/file")));
    assert_eq!(read.unwrap(), "content");
}

#[test]
fn a_request_path_that_cannot_be_opened_says_which() {
    let dir = tree();
    let path = format!("{}/%{{A}}/data", text(dir.path()));
    let landlock = backend(spec("tenant", &[(PathAccess::Read, &path)]));

    let error = refusal(&landlock, &["ni\x1bl"]);
    assert_eq!((error.problem.errno, error.forbidden), (Some(libc::ENOENT), false));
    assert_eq!(
        error.to_string(),
        format!(
            "path {path}: {}/ni\\x1bl/data cannot be opened (ENOENT); \
             create it, or correct {path} in the ruleset",
            text(dir.path())
        )
    );
    assert_eq!(refusal(&landlock, &["secret"]).problem.errno, Some(libc::ENOTDIR));
    assert!(refusal(&landlock, &[".."]).forbidden);
    assert!(!refusal(&landlock, &[]).forbidden);
}

#[test]
fn two_rulesets_grant_what_both_grant() {
    let dir = tree();
    let (granted, secret) = (dir.path().join("granted"), dir.path().join("secret"));
    let landlock = Landlock::new(vec![
        spec("outer", &[(PathAccess::Read, &text(dir.path()))]),
        spec("inner", &[(PathAccess::Read, &text(&granted)), (PathAccess::Write, &text(&granted))]),
    ])
    .unwrap_or_else(|e| panic!("{}", e[0]));
    let enter = |name: &str| landlock.prepare(name).unwrap().ready(&NoValues).unwrap().enter().unwrap();
    thread::scope(|s| {
        s.spawn(|| {
            enter("outer");
            assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
            enter("inner");
            assert_eq!(fs::read_to_string(granted.join("file")).unwrap(), "content");
            assert_eq!(errno(fs::read(&secret)), libc::EACCES);
            assert_eq!(errno(fs::write(granted.join("file"), "")), libc::EACCES);
        })
        .join()
        .unwrap();
    });
}

#[test]
fn the_seventeenth_ruleset_is_refused_with_a_reason() {
    let landlock = backend(spec("deep", &[]));
    let way = landlock.prepare("deep").unwrap();
    let error = thread::scope(|s| {
        s.spawn(|| (0..32).find_map(|_| way.ready(&NoValues).unwrap().enter().err())).join().unwrap()
    });
    assert_eq!(
        error.unwrap().to_string(),
        "the kernel refused to put the thread under the ruleset (E2BIG); \
         a thread can be under 16 rulesets: start the server under fewer"
    );
}

#[test]
fn a_ruleset_is_made_once_unless_the_request_has_a_part_in_it() {
    let dir = tree();
    let fixed = backend(spec("fixed", &[(PathAccess::Read, &text(dir.path()))]));
    let way = fixed.prepare("fixed").unwrap();
    assert_eq!(way.context().to_string(), "landlock:fixed");
    assert!(matches!(way.ready(&NoValues), Ok(PreparedMove::Shared(_))));

    let path = format!("{}/%{{A}}", text(dir.path()));
    let dynamic = backend(spec("dynamic", &[(PathAccess::Read, &path)]));
    assert!(matches!(
        dynamic.prepare("dynamic").unwrap().ready(&Table(&["secret"])),
        Ok(PreparedMove::Own(_))
    ));
}

#[test]
fn rulesets_do_not_leak_into_programs() {
    let landlock = backend(spec("fd", &[]));
    let Ruleset::Static(InKernel { fd, .. }, ..) = &landlock.find("fd").unwrap().ruleset else {
        panic!("not static")
    };
    // SAFETY: F_GETFD takes no argument.
    let flags = unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(fd), libc::F_GETFD) };
    assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
}

#[test]
fn a_ruleset_with_a_folder_grants_that_too_and_the_one_before_stays_as_it_was() {
    let dir = tree();
    let (granted, folder) = (dir.path().join("granted"), dir.path().join("folder"));
    fs::create_dir(&folder).unwrap();
    let landlock = backend(spec("r", &[(PathAccess::Read, &text(&granted))]));
    let plain = landlock.prepare("r").unwrap();
    let with = plain.anew(Some(&folder)).unwrap().expect("another move");
    assert_eq!(with.context(), plain.context());
    let tries = |way: &Arc<dyn Move>| {
        thread::scope(|s| {
            let confined = s.spawn(|| {
                way.ready(&NoValues).unwrap().enter().unwrap();
                [
                    errno(fs::write(folder.join("x"), "x")),
                    errno(fs::read(folder.join("x"))),
                    errno(fs::read(granted.join("file"))),
                    errno(fs::read(dir.path().join("secret"))),
                ]
            });
            confined.join().unwrap()
        })
    };
    assert_eq!(tries(&with), [0, 0, 0, libc::EACCES]);
    assert_eq!(tries(&plain), [libc::EACCES, libc::EACCES, 0, libc::EACCES]);
    let anew = plain.anew(None).unwrap().expect("another move");
    assert_eq!(tries(&anew), [libc::EACCES, libc::EACCES, 0, libc::EACCES]);
}

#[test]
fn a_ruleset_says_whether_a_program_may_run() {
    let landlock = backend(spec("r", &[(PathAccess::Read, "/usr"), (PathAccess::Execute, "/usr")]));
    let program = Path::new("/usr/bin/env");
    assert_eq!(landlock.prepare("r").unwrap().may_execute(program), Ok(()));
    let landlock = backend(spec("r", &[(PathAccess::Read, "/usr")]));
    let problem = landlock.prepare("r").unwrap().may_execute(program).unwrap_err();
    assert!(problem.remedy.starts_with("add LandlockExecute "), "{problem}");
    // What is not there is for the kernel to say.
    assert_eq!(landlock.prepare("r").unwrap().may_execute(Path::new("/nonexistent")), Ok(()));
}

#[test]
fn a_hosts_ruleset_is_found_by_the_name_that_its_moves_show() {
    need_abi(DEFAULT_MIN_ABI, "a ruleset");
    let of_host = RulesetSpec { host: Some("a.example".into()), ..spec("r", &[(PathAccess::Read, "/usr")]) };
    let landlock = Landlock::new(vec![of_host]).unwrap_or_else(|e| panic!("{}", e[0]));
    assert_eq!(landlock.prepare_shown("r@a.example").unwrap().context().to_string(), "landlock:r@a.example");
    assert!(landlock.prepare("r@a.example").is_err());
    assert!(landlock.prepare_shown("r").is_err());
}
