//! What becomes of pools and their requests when programs fail, processes are killed, and the server restarts or ends.

use std::{
    thread,
    time::{Duration, Instant},
};

use confine_tests::{Cell, Request, matrix, pools::*};

const HELLO: &str = "echo 'hello from ', getmypid();";

fn a_program_that_exits_at_once(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = pools_of(cell, "Program \"@root@/bin/broken\"", "cgi")
        .program("bin/broken", "#!/bin/sh\necho 'my configuration is broken' >&2\nexit 3\n")
        .file("www/alice/hello.php", "source")
        .start();
    for attempt in 0..2 {
        let start = Instant::now();
        let answer = server.client().get("/alice/hello.php").expect_status(503);
        assert!(start.elapsed() < Duration::from_secs(4), "{attempt}: {:?}", start.elapsed());
        assert!(answer.header("retry-after").is_some(), "{attempt}: {answer:?}");
        assert!(!answer.text().contains("source"), "{answer:?}");
    }
    server.wait_for_log(&["confine: pool died", "program=php context=landlock:alice: status 3"]);
    server.wait_for_log(&["confine: pool says", "my configuration is broken"]);
    server.wait_for_log(&["confine: refused GET /alice/hello.php", "died at its start, and is tried again"]);
}

matrix!(a_program_that_exits_at_once for gates);

fn a_program_that_its_ruleset_does_not_let_run(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "")
        .config("<ConfineLandlock shut>\nLandlockRead \"@root@/www\"\n</ConfineLandlock>")
        .file("www/shut/hello.php", "source")
        .location("/shut", "ConfineContext landlock:shut")
        .start();
    let answer = server.client().get("/shut/hello.php").expect_status(500);
    assert!(!answer.text().contains("source"), "{answer:?}");
    server.wait_for_log(&["refused GET /shut/hello.php", "it does not let", "add LandlockExecute"]);
}

matrix!(a_program_that_its_ruleset_does_not_let_run once);

fn without_a_context_nothing_runs_and_no_source_is_sent(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "")
        .file("www/free/hello.php", "<?php echo 'source';")
        .file("www/exempt/hello.php", "<?php echo 'source';")
        .location("/exempt", "ConfineContext unconfined")
        .start();
    for place in ["free", "exempt"] {
        let answer = server.client().get(&format!("/{place}/hello.php")).expect_status(500);
        assert!(!answer.text().contains("source"), "{answer:?}");
        server.wait_for_log(&[&format!("GET /{place}/hello.php"), "serves requests in the contexts"]);
    }
    assert!(server.processes_of("php-cgi").is_empty());
}

matrix!(without_a_context_nothing_runs_and_no_source_is_sent for gates);

fn a_process_that_dies_in_a_request(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 1")
        .file("www/alice/hello.php", php(HELLO))
        .file("www/alice/die.php", php("posix_kill(getmypid(), 9);"))
        .start();
    let client = server.client();
    for _ in 0..3 {
        assert!(client.get("/alice/die.php").status >= 500);
        assert!(client.get("/alice/hello.php").expect_status(200).text().starts_with("hello"));
    }
}

matrix!(a_process_that_dies_in_a_request once);

/// Who looks for the reason of an error is led to the program's own words.
fn an_error_of_a_program_is_pointed_at(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 1")
        .file("www/alice/fails.php", php("http_response_code(500); echo 'no';"))
        .file("www/alice/page.txt", "a page")
        .start();
    server.client().get("/alice/fails.php").expect_status(500);
    let line = server.wait_for_log(&["confine: failed GET /alice/fails.php", "context=landlock:alice"]);
    assert!(line.contains("lines `pool says` and those of mod_proxy_fcgi (AH01071)"), "{line}");
    assert!(!line.contains("ConfineExplain"), "{line}");
}

matrix!(an_error_of_a_program_is_pointed_at for gates);

fn requests_beyond_the_queue_are_turned_away(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 1\nQueue 2")
        .workers(12)
        .file("www/alice/hello.php", php(HELLO))
        .file("www/alice/wait.php", php("sleep(3); echo 'waited';"))
        .file("www/bob/hello.php", php(HELLO))
        .start();
    server.client().get("/alice/hello.php").expect_status(200);
    server.client().get("/bob/hello.php").expect_status(200);
    thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..8).map(|_| scope.spawn(|| server.client().get("/alice/wait.php"))).collect();
        thread::sleep(Duration::from_millis(700));
        let start = Instant::now();
        server.client().get("/bob/hello.php").expect_status(200);
        let full = server.client().get("/alice/hello.php").expect_status(503);
        assert!(full.header("retry-after").is_some(), "{full:?}");
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        let answers = waiting.into_iter().map(|it| it.join().unwrap_or_else(|_| panic!("a client's thread")));
        let answers: Vec<_> = answers.collect();
        let served = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(served, 3, "one served, two wait: {answers:?}");
        assert!(answers.iter().all(|answer| [200, 503].contains(&answer.status)));
    });
    server.wait_for_log(&["3 requests are in the pool of these contexts"]);
    assert!(server.client().get("/alice/hello.php").expect_status(200).text().starts_with("hello"));
}

matrix!(requests_beyond_the_queue_are_turned_away once);

fn idle_pools_end_and_make_room(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 1\nTotal 1\nIdle 1")
        .file("www/alice/hello.php", php(HELLO))
        .file("www/bob/hello.php", php(HELLO))
        .start();
    for _ in 0..4 {
        for tenant in ["alice", "bob"] {
            // There is room for one pool at a time.
            server.client().get(&format!("/{tenant}/hello.php")).expect_status(200);
            assert!(server.processes_of("php-cgi").len() <= 2, "{:?}", server.processes_of("php-cgi"));
        }
    }
    until("idle pools end", || server.processes_of("php-cgi").is_empty());
    let ended = "program=php context=landlock:alice: ";
    server
        .wait_for_log(&["confine: pool ended", &format!("{ended}another pool needed its place under Total")]);
    server.wait_for_log(&["confine: pool ended", ": it had no request for as long as Idle says"]);
    server.client().get("/alice/hello.php").expect_status(200);
}

matrix!(idle_pools_end_and_make_room once);

fn a_killed_manager_is_replaced_and_leaves_nothing(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 2").file("www/alice/hello.php", php(HELLO)).start();
    server.client().get("/alice/hello.php").expect_status(200);
    let before: Vec<i32> = server.processes_of("php-cgi").into_iter().map(|(pid, _)| pid).collect();
    // SAFETY: a signal to a process of this test's.
    unsafe { libc::kill(server.manager_of_pools(), libc::SIGKILL) };
    server.wait_for_log(&["confine: the manager of pools", "another is started"]);
    until("the programs of the killed manager end", || {
        !server.processes_of("php-cgi").iter().any(|(pid, _)| before.contains(pid))
    });
    server.client().get("/alice/hello.php").expect_status(200);
}

matrix!(a_killed_manager_is_replaced_and_leaves_nothing once);

fn graceful_restarts_lose_no_request_and_leave_no_process(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 2")
        .workers(6)
        .file("www/alice/hello.php", php(HELLO))
        .file("www/bob/hello.php", php(HELLO))
        .start();
    for _ in 0..3 {
        thread::scope(|scope| {
            let busy = scope.spawn(|| {
                let targets = ["/alice/hello.php", "/bob/hello.php"];
                let requests: Vec<_> = targets.into_iter().cycle().take(30).map(Request::get).collect();
                server.client().send_together(&requests)
            });
            server.restart_gracefully();
            for answer in busy.join().unwrap_or_else(|_| panic!("the client's thread")) {
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        });
    }
    server.client().get("/alice/hello.php").expect_status(200);
    server.client().get("/bob/hello.php").expect_status(200);
    until("the pools of earlier configurations end", || server.processes_of("php-cgi").len() == 6);
    let root = server.path("").display().to_string();
    server.stop();
    until("all pools end with the server", || {
        let line = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let entries = std::fs::read_dir("/proc").unwrap_or_else(|e| panic!("/proc: {e}"));
        !entries
            .flatten()
            .any(|entry| String::from_utf8_lossy(&line(entry)).contains(&format!("TMPDIR={root}")))
    });
}

matrix!(graceful_restarts_lose_no_request_and_leave_no_process for gates);
