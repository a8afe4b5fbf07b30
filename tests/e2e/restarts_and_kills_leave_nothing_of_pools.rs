//! Restarts, and processes of the server that are killed, leave nothing of pools: no program, no process that ended, no
//! socket, no descriptor.

use std::{
    env, fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use confine_tests::{Cell, ServerBuilder, matrix, pools::*, tenants::Expectations};

fn php_pools(cell: Cell) -> ServerBuilder {
    let hello = php("echo 'hello';");
    two_pools(cell, "Processes 2").file("www/alice/hello.php", &hello).file("www/bob/hello.php", hello)
}

const PERL: &str = r#"#!/usr/bin/perl
use strict; use FCGI;
my $request = FCGI::Request();
print "Content-Type: text/plain\r\n\r\nhello" while $request->Accept() >= 0;
"#;

/// How many restarts there are with each gate, two hundred together.
const RESTARTS: u32 = 67;

/// After how long no more are begun. httpd's parent process sleeps for a second where the signal comes just before it
/// looks whether one came (server/mpm_common.c, ap_wait_or_timeout), and on a busy machine it comes then again and again.
const PATIENCE: Duration = Duration::from_secs(20);

/// None leaves an orphan, a zombie, a socket or a descriptor. CONFINE_RESTARTS says how many there are, however long
/// they take.
fn restarts_under_load(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let wanted: Option<u32> = env::var("CONFINE_RESTARTS").ok().and_then(|n| n.parse().ok());
    let server = php_pools(cell).workers(6).start();
    let open = || {
        let folder = format!("/proc/{}/fd", server.pid());
        fs::read_dir(&folder).unwrap_or_else(|e| panic!("{folder}: {e}")).count()
    };
    // The first restart opens what the server keeps from then on.
    server.restart_gracefully();
    let open_before = open();
    let done = std::sync::atomic::AtomicBool::new(false);
    let (mut restarts, mut longest) = (0, Duration::ZERO);
    let served = thread::scope(|scope| {
        let asked: Vec<_> = ["/alice/hello.php", "/bob/hello.php"]
            .map(|target| {
                let (server, done) = (&server, &done);
                scope.spawn(move || {
                    let mut served = 0;
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        server.client().get(target).expect_content("hello");
                        served += 1;
                    }
                    served
                })
            })
            .into();
        let begin = Instant::now();
        while restarts < wanted.unwrap_or(RESTARTS) && (wanted.is_some() || begin.elapsed() < PATIENCE) {
            restarts += 1;
            let start = Instant::now();
            server.restart_gracefully();
            longest = longest.max(start.elapsed());
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        asked
            .into_iter()
            .map(|it| it.join().unwrap_or_else(|_| panic!("a client's thread")))
            .collect::<Vec<u32>>()
    });
    // Restarts follow each other at once, so a request waits for new pools nearly as long as a restart takes.
    println!("{restarts} restarts, {served:?} requests, the longest restart took {longest:?}");
    assert!(served.iter().all(|count| *count > 0), "{served:?}");
    let of_server = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned())
    };
    let children = || {
        let list = format!("/proc/{0}/task/{0}/children", server.pid());
        let list = fs::read_to_string(list).unwrap_or_default();
        list.split_whitespace().filter_map(of_server).collect::<Vec<_>>()
    };
    server.client().get("/alice/hello.php").expect_content("hello");
    server.client().get("/bob/hello.php").expect_content("hello");
    until("only this configuration's pools are there", || server.processes_of("php-cgi").len() == 6);
    // One child and one manager, and no zombie.
    until("the children of earlier configurations are gone", || children().len() == 2);
    assert!(children().iter().all(|stat| !stat.starts_with('Z')), "{:?}", children());
    let entries = |path: &Path| {
        let entries = fs::read_dir(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let folders = entries(&server.path("run/confine-fastcgi"));
    assert_eq!(folders.len(), 1, "folders of sockets: {folders:?}");
    assert_eq!(entries(&folders[0]).len(), 3, "the manager's socket, and one for each pool");
    assert_eq!(open(), open_before, "descriptors of the server");
}

matrix!(restarts_under_load for gates);

/// The manager made each process of such a program itself, and they lead no group that the server knows.
fn a_manager_that_is_killed(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = pools_of(cell, "Program \"@root@/bin/app\"\nProcesses 2", "perl cgi")
        .program("bin/app", PERL)
        .file("www/alice/it.php", "source")
        .start();
    server.client().get("/alice/it.php").expect_status(200);
    let before: Vec<i32> = server.processes_of("bin/app").into_iter().map(|(pid, _)| pid).collect();
    assert_eq!(before.len(), 1, "{before:?}");
    // SAFETY: a signal to a process of this test's.
    unsafe { libc::kill(server.manager_of_pools(), libc::SIGKILL) };
    until("its program ends with it", || {
        server.processes_of("bin/app").iter().all(|(pid, _)| *pid != before[0])
    });
    until("the next manager serves", || server.client().get("/alice/it.php").status == 200);
}

matrix!(a_manager_that_is_killed once);

/// The children go on for a while, and nobody is there who would end what they use.
fn a_parent_process_that_is_killed_alone(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = php_pools(cell).start();
    server.client().get("/alice/hello.php").expect_content("hello");
    let manager = format!("/proc/{}/comm", server.manager_of_pools());
    let list = format!("/proc/{0}/task/{0}/children", server.pid());
    let children = fs::read_to_string(list).unwrap_or_default();
    // SAFETY: a signal to a process of this test's.
    unsafe { libc::kill(server.pid(), libc::SIGKILL) };
    until("programs end with the server", || server.processes_of("php-cgi").is_empty());
    until("the manager ends", || fs::read_to_string(&manager).map_or(true, |name| name != "confine-pools\n"));
    for pid in children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()) {
        // SAFETY: as above; what has ended is gone, or a process that nobody else waits for.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

matrix!(a_parent_process_that_is_killed_alone once);

fn a_parent_process_that_is_killed(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = php_pools(cell).start();
    server.client().get("/alice/hello.php").expect_content("hello");
    let list = format!("/proc/{0}/task/{0}/children", server.pid());
    let children = fs::read_to_string(list).unwrap_or_default();
    // All that is called as the server is, as `killall -9` finds it. The manager is called otherwise.
    let name = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let own = name(&server.pid().to_string());
    let mut killed: Vec<i32> = children
        .split_whitespace()
        .filter(|pid| name(pid) == own)
        .filter_map(|pid| pid.parse().ok())
        .collect();
    assert_eq!(killed.len(), 1, "one child serves: {children}");
    killed.push(server.pid());
    for pid in killed {
        // SAFETY: a signal to processes of this test's.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
    until("programs end with the server", || server.processes_of("php-cgi").is_empty());
}

matrix!(a_parent_process_that_is_killed once);
