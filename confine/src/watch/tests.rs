//! Real threads and programs under the filter.

use std::{
    fs, io,
    net::{TcpListener, TcpStream, UdpSocket},
    os::{
        fd::AsRawFd,
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStringExt,
            fs::symlink,
            net::{SocketAddr, UnixListener, UnixStream},
        },
    },
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    lsm::{
        NoValues,
        landlock::{Grants, RulesetSpec},
    },
    origin::Origin,
};

/// What was seen, one line each, and what could not be seen.
#[derive(Default)]
struct Seen(Mutex<Vec<String>>, Mutex<Vec<Remark>>);

impl Observer for Seen {
    fn saw(&self, act: &Act) {
        let object = act.object().escape_ascii().to_string();
        self.0.lock().unwrap().push(format!("{} {object}", act.word()));
    }

    fn missed(&self, remark: Remark) {
        self.1.lock().unwrap().push(remark);
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Runs `work` in a watched thread, waits until the last task is gone, and returns what was seen.
fn watched<T: Send>(work: impl FnOnce() -> T + Send) -> (T, Vec<String>, Vec<Remark>) {
    let (hub, over, seen) = (Hub::new().unwrap(), AtomicBool::new(false), Arc::new(Seen::default()));
    let is_over = || over.load(Ordering::Relaxed);
    let result = thread::scope(|s| {
        s.spawn(|| hub.answer(is_over));
        s.spawn(|| hub.judge(is_over, |tell| tell()));
        let worker = s.spawn(|| {
            hub.watch_this_thread(seen.clone()).expect("a kernel that takes filters");
            work()
        });
        let result = worker.join();
        until("the last task is gone", || hub.open() == 0);
        // The last call is judged when the watch ends, and the end of the watch drops the observer.
        until("all is judged", || Arc::strong_count(&seen) == 1);
        over.store(true, Ordering::Relaxed);
        result
    });
    let (acts, remarks) = (seen.0.lock().unwrap().clone(), seen.1.lock().unwrap().clone());
    (result.unwrap(), acts, remarks)
}

/// As [`watched`]. What is in `dir` is named from there, and what is elsewhere is left out.
fn watched_in(dir: &Path, work: impl FnOnce() + Send) -> Vec<String> {
    let ((), acts, remarks) = watched(work);
    assert_eq!(remarks, []);
    let dir = format!("{}/", dir.canonicalize().unwrap().display());
    acts.iter().filter(|act| act.contains(&dir)).map(|act| act.replace(&dir, "")).collect()
}

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/dir")).unwrap();
    fs::create_dir_all(dir.path().join("b")).unwrap();
    fs::write(dir.path().join("a/file"), "content").unwrap();
    dir
}

#[test]
fn each_kind_of_access_to_files_has_its_word() {
    let dir = tree();
    let at = |name: &str| dir.path().join(name);
    let acts = watched_in(dir.path(), || {
        fs::read(at("a/file")).unwrap();
        fs::read_dir(at("a")).unwrap();
        fs::OpenOptions::new().append(true).open(at("a/file")).unwrap();
        fs::write(at("a/file"), "x").unwrap();
        fs::write(at("a/new"), "x").unwrap();
        fs::create_dir(at("a/folder")).unwrap();
        symlink("file", at("a/link")).unwrap();
        UnixListener::bind(at("a/socket")).unwrap();
        UnixStream::connect(at("a/socket")).unwrap_err();
        fs::remove_file(at("a/new")).unwrap();
        fs::remove_dir(at("a/folder")).unwrap();
    });
    let expected = [
        "read a/file",
        "list a",
        "write a/file",
        "write a/file",
        "truncate a/file",
        "make-file a/new",
        "write a/new",
        "make-folder a/folder",
        "make-link a/link",
        "make-socket a/socket",
        "connect a/socket",
        "remove a/new",
        "remove-folder a/folder",
    ];
    assert_eq!(acts, expected);
}

#[test]
fn paths_lead_where_they_lead_for_the_kernel() {
    let dir = tree();
    let at = |name: &str| dir.path().join(name);
    symlink("../a", at("b/to-a")).unwrap();
    symlink("made-by-link", at("a/dangling")).unwrap();
    let folder = fs::File::open(at("a")).unwrap();
    let acts = watched_in(dir.path(), || {
        fs::read(at("b/to-a/../a/./file")).unwrap();
        let flags = rustix::fs::OFlags::RDONLY;
        rustix::fs::openat(&folder, "file", flags, rustix::fs::Mode::empty()).unwrap();
        fs::read(format!("/proc/self/fd/{}/file", folder.as_raw_fd())).unwrap();
        fs::read(format!("/proc/thread-self/fd/{}/file", folder.as_raw_fd())).unwrap();
        fs::write(at("a/dangling"), "x").unwrap();
        // These calls fail before a ruleset is asked.
        fs::read(at("a/nothing")).unwrap_err();
        fs::create_dir(at("a/dir")).unwrap_err();
        fs::remove_file(at("a/nothing")).unwrap_err();
        // This opens nothing.
        let flags = rustix::fs::OFlags::PATH;
        rustix::fs::open(at("a/file"), flags, rustix::fs::Mode::empty()).unwrap();
    });
    let mut expected = vec!["read a/file"; 4];
    expected.extend(["make-file a/made-by-link", "write a/made-by-link"]);
    assert_eq!(acts, expected);
}

#[test]
fn openat2_is_read_with_its_own_flags() {
    let dir = tree();
    symlink("a/file", dir.path().join("link")).unwrap();
    let folder = fs::File::open(dir.path()).unwrap();
    let acts = watched_in(dir.path(), || {
        use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
        openat2(&folder, "link", OFlags::RDWR, Mode::empty(), ResolveFlags::BENEATH).unwrap();
        openat2(&folder, "link", OFlags::RDWR, Mode::empty(), ResolveFlags::NO_SYMLINKS).unwrap_err();
    });
    assert_eq!(acts, ["read a/file", "write a/file"]);
}

#[test]
fn links_and_new_names_in_other_folders_are_told_from_those_in_the_same() {
    let dir = tree();
    let at = |name: &str| dir.path().join(name);
    let acts = watched_in(dir.path(), || {
        fs::rename(at("a/file"), at("a/renamed")).unwrap();
        fs::hard_link(at("a/renamed"), at("b/second")).unwrap();
        fs::rename(at("a/renamed"), at("b/second-too")).unwrap();
        fs::rename(at("a/dir"), at("b/dir")).unwrap();
    });
    let expected = [
        "make-file a/renamed",
        "remove a/file",
        "make-file b/second",
        "move-or-link a/renamed",
        "make-file b/second-too",
        "remove a/renamed",
        "move-or-link a/renamed",
        "make-folder b/dir",
        "remove-folder a/dir",
        "move-or-link a/dir",
    ];
    assert_eq!(acts, expected);
}

#[test]
fn a_program_is_watched_with_what_loads_it_and_all_it_opens() {
    let dir = tree();
    let script = dir.path().join("script");
    fs::write(&script, "#!/bin/sh\ncd a\ncat file ../b/nothing\ncat < file\n").unwrap();
    Command::new("chmod").arg("755").arg(&script).status().unwrap();
    let (output, acts, remarks) = watched(|| Command::new(&script).current_dir(dir.path()).output().unwrap());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "contentcontent", "nothing is refused");
    assert_eq!(remarks, []);
    let shown = |path: &str| fs::canonicalize(path).unwrap().display().to_string();
    for expected in [
        format!("execute {}", shown(script.to_str().unwrap())),
        format!("execute {}", shown("/bin/sh")),
        format!("execute {}", shown("/bin/cat")),
        format!("read {}", shown(dir.path().join("a/file").to_str().unwrap())),
    ] {
        assert!(acts.contains(&expected), "{expected} is not in {acts:#?}");
    }
    let loader = acts.iter().any(|act| act.starts_with("execute ") && act.contains("/ld-"));
    assert!(loader, "{acts:#?}");
}

#[test]
fn tcp_is_seen_and_udp_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ((), acts, _) = watched(|| {
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        TcpListener::bind("[::1]:0").unwrap();
        UdpSocket::bind("127.0.0.1:0").unwrap().connect(("127.0.0.1", port)).unwrap();
    });
    assert_eq!(acts, [format!("connect tcp:{port}"), "bind tcp:0".to_owned()]);
}

#[test]
fn abstract_sockets_and_signals_of_the_requests_own_are_not_told() {
    let name = |name: &str| {
        SocketAddr::from_abstract_name(format!("confine-{}-{name}", std::process::id())).unwrap()
    };
    let foreign = UnixListener::bind_addr(&name("foreign")).unwrap();
    let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
    let number = stranger.id();
    let ((), acts, _) = watched(|| {
        let own = UnixListener::bind_addr(&name("own")).unwrap();
        UnixStream::connect_addr(&name("own")).unwrap();
        UnixStream::connect_addr(&name("foreign")).unwrap();
        drop(own);
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // SAFETY: integers.
        unsafe { libc::kill(number as i32, libc::SIGCONT) };
    });
    drop(foreign);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    let beside_files = |act: &&String| !act.contains(" /");
    let told: Vec<_> = acts.iter().filter(beside_files).collect();
    let socket = format!("connect unix:@confine-{}-foreign", std::process::id());
    assert_eq!(told, [&socket, &format!("signal process:{number}")]);
}

#[test]
fn devices_are_controlled_where_they_were_opened_since() {
    let before = fs::File::open("/dev/null").unwrap();
    let ask = |file: &fs::File| {
        let mut settings = [0_u8; 256];
        // SAFETY: an open file and more room than the answer takes; it is no terminal anyway.
        unsafe { libc::ioctl(file.as_raw_fd(), libc::TCGETS, settings.as_mut_ptr()) };
    };
    let ((), acts, _) = watched(|| ask(&before));
    assert_eq!(acts, [""; 0]);
    let ((), acts, _) = watched(|| ask(&fs::File::open("/dev/null").unwrap()));
    assert_eq!(acts, ["read /dev/null", "ioctl /dev/null"]);
}

#[test]
fn what_is_nowhere_is_not_told() {
    let ((), acts, _) = watched(|| {
        let (end, _other) = io::pipe().unwrap();
        fs::File::open(format!("/proc/self/fd/{}", end.as_raw_fd())).unwrap();
    });
    assert_eq!(acts, [""; 0]);
}

#[test]
fn odd_paths_are_told_as_they_are() {
    let dir = tree();
    let odd = std::ffi::OsString::from_vec(b"a/\xff \n\"confine: x".to_vec());
    let mut long = dir.path().canonicalize().unwrap();
    while long.as_os_str().len() + 202 < libc::PATH_MAX as usize {
        long.push("x".repeat(200));
    }
    fs::create_dir_all(&long).unwrap();
    long.push("y".repeat(libc::PATH_MAX as usize - 2 - long.as_os_str().len()));
    let acts = watched_in(dir.path(), || {
        fs::write(dir.path().join(&odd), "x").unwrap();
        fs::write(&long, "x").unwrap();
        fs::read(format!("{}y", long.display())).unwrap_err();
        // SAFETY: an address that is not there, which the kernel refuses.
        unsafe { libc::open(std::ptr::without_provenance(8), libc::O_RDONLY) };
    });
    assert_eq!(acts[..2], ["make-file a/\\xff \\n\\\"confine: x", "write a/\\xff \\n\\\"confine: x"]);
    assert_eq!(acts.len(), 4, "{acts:?}");
    assert!(acts[3].starts_with("write xxxx") && acts[3].ends_with("yyyy"));
}

#[test]
fn files_that_go_while_they_are_looked_at_harm_nothing() {
    let dir = tree();
    let at = |name: String| dir.path().join(name);
    let acts = watched_in(dir.path(), || {
        for number in 0..500 {
            fs::write(at(format!("b/{number}")), "x").unwrap();
            fs::remove_file(at(format!("b/{number}"))).unwrap();
        }
    });
    let made = acts.iter().filter(|act| act.starts_with("make-file b/") && !act.contains("deleted")).count();
    assert_eq!(made, 500);
    let removed = acts.iter().filter(|act| act.starts_with("remove b/")).count();
    assert_eq!(removed, 500);
}

#[test]
fn ten_thousand_opens_are_all_seen() {
    let dir = tree();
    let file = dir.path().join("a/file");
    let acts = watched_in(dir.path(), || {
        for _ in 0..10_000 {
            drop(fs::File::open(&file).unwrap());
        }
    });
    assert_eq!(acts.len(), 10_000);
}

#[test]
fn a_program_that_outlives_its_thread_goes_on_and_is_told() {
    let dir = tree();
    let done = dir.path().join("b/done");
    let acts = watched_in(dir.path(), || {
        let line = format!("(sleep 0.3; cat a/file > {}) &", done.display());
        Command::new("sh").arg("-c").arg(line).current_dir(dir.path()).status().unwrap();
    });
    assert_eq!(fs::read_to_string(done).unwrap(), "content");
    assert!(acts.contains(&"make-file b/done".to_owned()), "{acts:?}");
}

#[test]
fn other_threads_have_no_filter_and_a_second_watch_is_refused() {
    let own = || {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        (field("Seccomp:"), field("NoNewPrivs:"))
    };
    let before = own();
    let (inside, ..) = watched(own);
    assert_eq!((inside, own()), (("2".to_owned(), "1".to_owned()), before));
    let hub = Hub::new().unwrap();
    let (second, ..) = watched(|| hub.watch_this_thread(Arc::new(Seen::default())));
    assert_eq!(second.err(), Some(NotWatched::Refused(NotInstalled(libc::EBUSY))));
    assert_eq!(hub.open(), 0);
}

#[test]
fn io_uring_is_told() {
    let ((), _, remarks) = watched(|| {
        // SAFETY: an address that is not there, which the kernel refuses.
        unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, std::ptr::null::<libc::c_void>()) };
    });
    assert_eq!(remarks, [Remark::IoUring]);
    let line = remarks[0].to_string();
    assert!(line.contains("io_uring"), "{line}");
}

/// 32-bit calls have an entry of their own into the kernel. Their numbers mean other calls.
#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_32_bit_programs_are_told_and_not_guessed() {
    let (answer, acts, remarks) = watched(|| {
        let answer: i64;
        // SAFETY: open(2) by the gate of 32-bit programs, of an address that is not there: it fails with EFAULT, or
        // with ENOSYS where the kernel serves no such programs.
        unsafe {
            std::arch::asm!("push rbx", "mov ebx, 8", "int 0x80", "pop rbx", inlateout("rax") 5_i64 => answer,
                in("rcx") 0, in("rdx") 0, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
        }
        answer as i32
    });
    assert_eq!(acts, [""; 0]);
    match answer {
        errno if errno == -libc::EFAULT => assert_eq!(remarks, [Remark::Foreign]),
        errno => assert_eq!(errno, -libc::ENOSYS, "a kernel that serves no 32-bit programs"),
    }
}

#[test]
fn an_act_is_judged_by_a_ruleset() {
    let dir = tree();
    let file = dir.path().canonicalize().unwrap().join("a/file");
    struct Judged(Grants, Mutex<Vec<String>>);
    impl Observer for Judged {
        fn saw(&self, act: &Act) {
            if let Err(denied) = act.asked_of(&self.0) {
                self.1.lock().unwrap().push(denied.remedy());
            }
        }
        fn missed(&self, _: Remark) {}
    }
    let spec = RulesetSpec::new("none", Origin::new("confine.conf", 1));
    let judged = Arc::new(Judged(Grants::of(&spec, &NoValues).unwrap(), Mutex::default()));
    let (hub, over) = (Hub::new().unwrap(), AtomicBool::new(false));
    let is_over = || over.load(Ordering::Relaxed);
    thread::scope(|s| {
        s.spawn(|| hub.answer(is_over));
        s.spawn(|| hub.judge(is_over, |tell| tell()));
        let worker = s.spawn(|| {
            hub.watch_this_thread(judged.clone()).unwrap();
            fs::read(&file).unwrap();
        });
        worker.join().unwrap();
        until("the judgement", || !judged.1.lock().unwrap().is_empty());
        over.store(true, Ordering::Relaxed);
    });
    let folder = file.parent().unwrap();
    assert_eq!(*judged.1.lock().unwrap(), [format!("add LandlockRead \"{}\"", folder.display())]);
}
