//! The kernel has no permissive mode for Landlock. So report mode watches the worker, logs each access that its
//! ruleset would refuse, with the missing directive, and refuses nothing.

use std::{
    fs,
    net::TcpListener,
    thread::sleep,
    time::{Duration, Instant},
};

use confine_tests::{Cell, Server, ServerBuilder, matrix, need_lua, tenants::*};

const SCRIPT: &str = "#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
cat \"$QUERY_STRING\" 2>&1
";

/// All requests are alice's, in report mode.
fn reported(cell: Cell) -> ServerBuilder {
    leaky_app(cell).config("ConfineMode report").location("/app", "ConfineContext landlock:alice")
}

/// The directive at the end of a log line.
fn remedy(line: &str) -> &str {
    let reason =
        line.split_once("context=landlock:alice: add ").unwrap_or_else(|| panic!("no remedy: {line}")).1;
    reason.rsplit_once(" (GET /app/").unwrap_or_else(|| panic!("no request: {line}")).0
}

fn each_access_that_is_not_granted(cell: Cell) {
    let server = reported(cell).start();
    let bobs = server.client().get(&note_of(&server, "bob"));
    bobs.expect_content(NOTE_OF_BOB).expect_context("-");
    let line = server.wait_for_log(&[
        "confine: would deny read ",
        "/data/bob/note user=- addr=127.0.0.1 vhost=localhost ",
    ]);
    let folder = fs::canonicalize(server.path("data/bob")).unwrap_or_else(|e| panic!("data/bob: {e}"));
    assert_eq!(remedy(&line), format!("LandlockRead \"{}\"", folder.display()));
    // Granted accesses are not logged: to the application itself, and to alice's own data.
    server.client().get(&note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
    server.client().get(&leaky("read", "/etc/passwd"));
    server.wait_for_log(&[
        "confine: would deny read /etc/passwd ",
        "add LandlockRead \"/etc/passwd\" (GET /app/leaky.lua)",
    ]);
    let told = server.log_lines("confine: would deny ");
    assert!(
        !told.iter().any(|line| line.contains("/data/alice/") || line.contains("/www/app/")),
        "{told:#?}"
    );
    assert_eq!(server.log_lines("/data/bob/note user").len(), 1, "once a request: {told:#?}");
}

matrix!(each_access_that_is_not_granted);

fn what_is_missing_is_all_that_is_missing(cell: Cell) {
    need_lua();
    let started = |lines: &str| {
        let more = leaky_app_with(cell, lines).writable_folder("data/shared");
        more.config("ConfineMode report").location("/app", "ConfineContext landlock:alice").start()
    };
    let walk = |server: &Server| {
        let new = server.path("data/shared/new").display().to_string();
        server.client().get(&leaky("write", &new)).expect_content("written");
        let ran = server.client().get(&leaky("run", "cat /etc/hostname; echo it ran")).text();
        assert!(ran.contains("it ran"), "{ran}");
        server.client().get(&leaky("read", "/etc/passwd")).expect_status(200);
        server.wait_for_log(&["confine: would deny read /etc/passwd "]);
    };
    let server = started("");
    walk(&server);
    let mut lines: Vec<_> =
        server.log_lines("would deny").iter().map(|line| remedy(line).to_owned()).collect();
    lines.sort_unstable();
    lines.dedup();
    assert!(
        lines.iter().any(|line| line.starts_with("LandlockWrite ") && line.contains("/data/shared")),
        "{lines:#?}"
    );
    assert!(lines.iter().any(|line| line.starts_with("LandlockExecute ")), "{lines:#?}");
    let root = fs::canonicalize(server.path("")).unwrap_or_else(|e| panic!("{e}")).display().to_string();
    let ruleset: Vec<_> = lines.iter().map(|line| line.replace(&root, "@root@")).collect();
    let ruleset: Vec<_> = ruleset.into_iter().filter(|line| !line.contains("/etc/passwd")).collect();
    drop(server);
    // With these lines everything works under the ruleset, except the control, which was left out.
    let server = leaky_app_with(cell, &ruleset.join("\n"))
        .writable_folder("data/shared")
        .location("/app", "ConfineContext landlock:alice")
        .start();
    let new = server.path("data/shared/new").display().to_string();
    server.client().get(&leaky("write", &new)).expect_content("written");
    let ran = server.client().get(&leaky("run", "cat /etc/hostname; echo it ran")).text();
    assert!(ran.contains("it ran\nstatus=0"), "{ran}\nunder {ruleset:#?}");
    server.client().get(&leaky("read", "/etc/passwd")).expect_denied_by_kernel();
}

matrix!(what_is_missing_is_all_that_is_missing for gates);

fn programs_of_a_request(cell: Cell) {
    let server = leaky_app(cell)
        .modules(["cgi"])
        .config(CGI_BIN)
        .config("ConfineMode report")
        .location("/cgi-bin", "ConfineContext landlock:alice")
        .program("cgi-bin/read.cgi", SCRIPT)
        .start();
    let answer = server.client().get(&format!("/cgi-bin/read.cgi?{}", note_path(&server, "bob")));
    assert_eq!(answer.text(), NOTE_OF_BOB);
    server.wait_for_log(&["would deny read ", "/data/bob/note "]);
    server.wait_for_log(&["would deny execute ", "/cgi-bin/read.cgi "]);
    assert!(!server.log().contains("cannot be looked at"), "{}", server.log());
}

matrix!(programs_of_a_request for process_gate);

fn connections(cell: Cell) {
    need_lua();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("a port: {e}"));
    let port = listener.local_addr().unwrap_or_else(|e| panic!("a port: {e}")).port();
    let server = reported(cell).start();
    let command = format!("bash -c 'echo x > /dev/tcp/127.0.0.1/{port} && echo connected'");
    let ran = server.client().get(&leaky("run", &command)).text();
    assert!(ran.contains("connected"), "{ran}");
    let line = server.wait_for_log(&[&format!("would deny connect tcp:{port} ")]);
    assert_eq!(remedy(&line), format!("LandlockConnect {port}"));
}

matrix!(connections once);

fn a_program_that_outlives_request_and_child(cell: Cell) {
    need_lua();
    let server = reported(cell).writable_folder("data/shared").start();
    let mark = server.path("data/shared/mark");
    let note = note_path(&server, "bob");
    let late = format!("(sleep 2; cat {note} > {}) > /dev/null 2>&1 &", mark.display());
    server.client().get(&leaky("run", &late)).expect_status(200);
    // The child ends. The program that it started goes on and opens files.
    server.restart_gracefully();
    // The program may be late on a machine that is busy.
    let is_written = || fs::read_to_string(&mark).is_ok_and(|text| text == NOTE_OF_BOB);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_written() && Instant::now() < deadline {
        sleep(Duration::from_millis(100));
    }
    assert_eq!(fs::read_to_string(&mark).unwrap_or_else(|e| panic!("{}: {e}", mark.display())), NOTE_OF_BOB);
    server.client().get(&note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
}

matrix!(a_program_that_outlives_request_and_child for process_gate);

/// One request opens ten thousand files. All opens are answered, and the log stays small.
fn a_request_that_opens_much(cell: Cell) {
    need_lua();
    let server = reported(cell).start();
    let command = "i=0; while [ $i -lt 10000 ]; do i=$((i+1)); : < /dev/null; done; echo done-$i";
    let ran = server.client().get(&leaky("run", command)).text();
    assert!(ran.contains("done-10000"), "{ran}");
    server.wait_for_log(&["would deny read /dev/null ", "LandlockRead \"/dev/null\""]);
    sleep(Duration::from_millis(300));
    assert_eq!(server.log_lines("would deny read /dev/null ").len(), 1);
}

matrix!(a_request_that_opens_much once);
