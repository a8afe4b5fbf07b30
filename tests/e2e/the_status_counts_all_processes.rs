//! The counts are those of all processes together, whichever process answers. They survive a graceful restart, and a
//! process that is killed. The number of rows is limited.

use std::{thread, time::Duration};

use confine_tests::{Cell, Request, Server, ServerBuilder, matrix, tenants::*};
use serde_json::Value;

const STATUS: &str = "ConfineContext unconfined\n<Location /status>\nSetHandler confine-status\n</Location>";

fn with_page(cell: Cell) -> ServerBuilder {
    leaky_app(cell)
        .host("alice.example.com", "ConfineContext landlock:alice")
        .host("bob.example.com", "ConfineContext landlock:bob")
        .host("status.example.com", STATUS)
}

/// Reads the status on a connection of its own, so any process may answer.
fn status(server: &Server) -> Value {
    let request = Request::get("/status?format=json").header("Host", "status.example.com");
    serde_json::from_slice(&server.client().send(&request).expect_status(200).body).expect("JSON")
}

fn row(status: &Value, vhost: &str) -> u64 {
    let rows = status["rows"].as_array().expect("rows");
    let of_host = rows.iter().filter(|row| row["vhost"] == vhost);
    of_host.map(|row| row["requests"]["Confined"].as_u64().unwrap_or_default()).sum()
}

/// Several at a time, each on a connection of its own, so that all processes have some.
fn send(server: &Server, host: &str, number: usize) {
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..number / 4 {
                    let request = Request::get("/app/page.txt").header("Host", host);
                    server.client().send(&request).expect_status(200);
                }
            });
        }
    });
}

fn the_sum_is_what_was_sent(cell: Cell) {
    let server = with_page(cell).workers(4).start();
    send(&server, "alice.example.com", 80);
    send(&server, "bob.example.com", 40);
    // The count comes after the last byte of the response.
    let before = wait_for(&server, |status| status["requests"]["Confined"] == 120);
    for _ in 0..4 {
        let status = status(&server);
        assert_eq!(
            (row(&status, "alice.example.com"), row(&status, "bob.example.com")),
            (80, 40),
            "{status:#}"
        );
        assert_eq!(status["requests"]["Confined"], 120);
        assert_eq!(status["counted_since"], before["counted_since"]);
    }
    let prefork = cell.mpm == confine_tests::Mpm::Prefork;
    let children = before["children"].as_array().expect("children").len();
    assert!(if prefork { children >= 2 } else { children == 1 }, "{before:#}");
    server.restart_gracefully();
    send(&server, "alice.example.com", 8);
    let after = wait_for(&server, |status| status["requests"]["Confined"] == 128);
    assert_eq!((row(&after, "alice.example.com"), row(&after, "bob.example.com")), (88, 40), "{after:#}");
    assert_eq!(after["counted_since"], before["counted_since"]);
    assert!(after["configured_since"].as_u64() >= before["configured_since"].as_u64());
}

matrix!(the_sum_is_what_was_sent);

/// The work of a killed process does not count as running.
fn a_process_that_is_killed_leaves_nothing_in_flight(cell: Cell) {
    const SLOW: &str = "function handle(r) r.usleep(20000000) r:puts('done') return apache2.OK end";
    let mut server = with_page(cell).file("www/app/slow.lua", SLOW).workers(4).start();
    server.expect_crashes();
    let mut slow = server.connect();
    slow.send("GET /app/slow.lua HTTP/1.1\r\nHost: alice.example.com\r\n\r\n");
    let busy = wait_for(&server, |status| in_flight(status).len() == 1);
    let process = in_flight(&busy)[0];
    // SAFETY: a process of this test's own server, which is no ancestor of anybody.
    unsafe { libc::kill(process, libc::SIGKILL) };
    // Once the server has noticed, no connection goes to it any more.
    // SAFETY: asks for the process alone.
    while unsafe { libc::kill(process, 0) } == 0 {
        thread::sleep(Duration::from_millis(20));
    }
    let after = wait_for(&server, |status| {
        let children = status["children"].as_array().expect("children");
        !children.is_empty() && children.iter().all(|child| child["process"] != process)
    });
    assert_eq!(in_flight(&after), [0_i32; 0], "{after:#}");
}

/// A process that finishes its requests after a graceful restart is shown as such, with its running requests.
fn a_process_that_leaves_is_told(cell: Cell) {
    const SLOW: &str = "function handle(r) r.usleep(3000000) r:puts('done') return apache2.OK end";
    let server = with_page(cell).file("www/app/slow.lua", SLOW).workers(4).start();
    let mut slow = server.connect();
    slow.send("GET /app/slow.lua HTTP/1.1\r\nHost: alice.example.com\r\nConnection: close\r\n\r\n");
    let process = in_flight(&wait_for(&server, |status| in_flight(status).len() == 1))[0];
    server.restart_gracefully();
    let leaving = |status: &Value| {
        let children = status["children"].as_array().expect("children");
        children
            .iter()
            .any(|child| child["leaving"] == true && child["process"] == process && child["in_flight"] == 1)
    };
    let status = wait_for(&server, leaving);
    let children = status["children"].as_array().expect("children");
    assert!(children.iter().any(|child| child["leaving"] == false), "{status:#}");
    assert_eq!(slow.response().text(), "done");
    wait_for(&server, |status| in_flight(status).is_empty());
}

matrix!(a_process_that_leaves_is_told for handler_gate);

/// A changed map is shown once for all processes, with the number of those that have it.
fn a_map_is_told_for_all_processes(cell: Cell) {
    let server = with_page(cell)
        .file("tenants.map", "* landlock:alice\n")
        .host("mapped.example.com", "ConfineMap \"@root@/tenants.map\"")
        .workers(4)
        .start();
    let all = |status: &Value| {
        let children = status["children"].as_array().expect("children").len();
        status["maps"][0]["children"] == children
    };
    let before = wait_for(&server, all);
    assert_eq!((&before["maps"][0]["generation"], &before["maps"][0]["rules"]), (&1.into(), &1.into()));
    std::fs::write(server.path("tenants.map"), "bob landlock:bob\n* landlock:alice\n").expect("a map");
    let after = wait_for(&server, |status| status["maps"][0]["generation"] == 2 && all(status));
    assert_eq!(after["maps"][0]["rules"], 2);
    assert!(after["maps"][0]["since"].as_f64() > before["maps"][0]["since"].as_f64(), "{after:#}");
    std::fs::write(server.path("tenants.map"), "bob\n").expect("a map");
    let bad = wait_for(&server, |status| !status["maps"][0]["error"].is_null());
    let error = bad["maps"][0]["error"]["text"].as_str().expect("a text");
    assert!(error.contains("tenants.map:1:4: no context given"), "{error}");
    assert!(all(&bad) && bad["maps"][0]["rules"] == 2, "the rules from before stay: {bad:#}");
}

matrix!(a_map_is_told_for_all_processes for process_gate);

/// The processes that wait for workers. Under the handler gate an exempt request, such as one for the page, has none.
fn in_flight(status: &Value) -> Vec<i32> {
    let children = status["children"].as_array().expect("children").iter();
    let busy = children.filter(|child| child["in_flight"].as_u64() > Some(0));
    busy.filter_map(|child| child["process"].as_i64()?.try_into().ok()).collect()
}

fn wait_for(server: &Server, holds: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..200 {
        let status = status(server);
        if holds(&status) {
            return status;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("it does not come about: {:#}", status(server));
}

matrix!(a_process_that_is_killed_leaves_nothing_in_flight for handler_gate);

fn rows_end_where_they_are_said_to(cell: Cell) {
    let mut builder = leaky_app(cell).config("ConfineStatusRows 3").host("status.example.com", STATUS);
    let names: Vec<_> = (0..6).map(|n| format!("h{n}.example.com")).collect();
    for name in &names {
        builder = builder.host(name, "ConfineContext landlock:alice");
    }
    let server = builder.start();
    for name in names.iter().chain(&names) {
        server.client().send(&Request::get("/app/page.txt").header("Host", name)).expect_status(200);
    }
    let status = wait_for(&server, |status| status["requests"]["Confined"] == 12);
    assert_eq!((&status["rows_used"], &status["rows_limit"]), (&3.into(), &3.into()));
    let counts: Vec<_> = names.iter().map(|name| row(&status, name)).collect();
    assert_eq!(
        (counts.iter().filter(|count| **count == 2).count(), row(&status, "other")),
        (3, 6),
        "{status:#}"
    );
    let request = Request::get("/status?format=html").header("Host", "status.example.com");
    let html = server.client().send(&request).expect_status(200).text();
    assert!(html.contains("All 3 rows") && html.contains("ConfineStatusRows"), "{html}");
}

matrix!(rows_end_where_they_are_said_to once);

fn a_number_of_rows_is_one(cell: Cell) {
    for (words, why) in [
        ("", "takes exactly one number of rows, got 0"),
        ("0", "is no whole number from 1 to"),
        ("many", "is no whole number from 1 to"),
        ("100000000", "is no whole number from 1 to"),
    ] {
        let line = format!("ConfineStatusRows {words}");
        cell.server().config(&line).refused().says(&[why]).points_at(line.trim());
    }
}

matrix!(a_number_of_rows_is_one once);
