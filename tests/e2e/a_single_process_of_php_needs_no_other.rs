//! With `Processes 1` a pool of PHP is one process, unless it ends so often that a copy of a main process is cheaper than
//! a start.

use confine_tests::{Cell, Request, Server, matrix, pools::*};

fn server(cell: Cell, section: &str) -> Server {
    two_pools(cell, section).file("www/alice/pid.php", php("echo getmypid();")).start()
}

/// The processes of the pool, and the one that served.
fn processes(server: &Server) -> (Vec<i32>, i32) {
    let served = server.client().get("/alice/pid.php").expect_status(200).text();
    let all = server.processes_of("php-cgi").into_iter().map(|(pid, _)| pid).collect();
    (all, served.parse().unwrap_or_else(|e| panic!("{served}: {e}")))
}

fn that_lives_for_long(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = server(cell, "Processes 1\nRequests 1000\nTotal 1");
    let (all, first) = processes(&server);
    assert_eq!(all, [first], "the one that serves is the only one");
    // After its requests it ends, and the next request has another one. None is lost meanwhile.
    let client = server.client();
    for _ in 0..1000 {
        client.get("/alice/pid.php").expect_status(200);
    }
    server.wait_for_log(&["confine: pool ended", &format!("process={first}"), "it ended by itself"]);
    let (all, second) = processes(&server);
    assert_eq!(all, [second]);
    assert_ne!(first, second);
    assert_eq!(server.log_lines("confine: pool died"), [""; 0]);
}

matrix!(that_lives_for_long for gates);

fn that_is_replaced_often(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = server(cell, "Processes 1\nRequests 1");
    let (all, first) = processes(&server);
    assert!(all.iter().any(|pid| *pid != first), "the main process is there: {all:?}, {first} served");
    let (_, second) = processes(&server);
    assert_ne!(first, second, "each request has a process of its own");
}

matrix!(that_is_replaced_often once);

/// What a script of its left running ends with the manager, however that ended.
fn that_left_something_running(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let start =
        "exec(dirname($_SERVER['DOCUMENT_ROOT']) . '/bin/left >/dev/null 2>&1 &', $said, $code); echo $code;";
    let server = pools_of(cell, &format!("Program {PHP_CGI}\nProcesses 1"), "php-cgi perl cgi")
        .program("bin/left", "#!/usr/bin/perl\nsleep 300;\n")
        .file("www/alice/it.php", php(start))
        .start();
    assert_eq!(server.client().get("/alice/it.php").expect_status(200).text(), "0");
    until("it runs", || !server.processes_of("bin/left").is_empty());
    // SAFETY: a signal to a process of this test's.
    unsafe { libc::kill(server.manager_of_pools(), libc::SIGKILL) };
    until("it ends", || server.processes_of("bin/left").is_empty());
    until("its process ends", || server.processes_of("php-cgi").is_empty());
}

matrix!(that_left_something_running once);

/// One that is told to end finishes what it serves.
fn that_ends_with_the_server(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 1")
        .file("www/alice/slow.php", php("sleep(2); echo 'whole';"))
        .config("GracefulShutdownTimeout 20")
        .start();
    std::thread::scope(|scope| {
        let client = server.client();
        let slow = scope.spawn(move || client.send(&Request::get("/alice/slow.php")));
        std::thread::sleep(std::time::Duration::from_millis(700));
        server.restart_gracefully();
        let answer = slow.join().unwrap_or_else(|_| panic!("a client's thread"));
        assert_eq!(answer.expect_status(200).text(), "whole");
    });
}

matrix!(that_ends_with_the_server once);
