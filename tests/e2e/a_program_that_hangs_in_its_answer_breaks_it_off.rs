//! A program of a pool that hangs in the middle of an answer: the client gets what came, and then the answer breaks off
//! rather than looking whole. Thread and place in the pool are free again after ProxyTimeout, and meanwhile others are
//! served.

use std::time::{Duration, Instant};

use confine_tests::{Cell, Gate, Request, Server, Wire, matrix, pools::*, tenants::Expectations};
use serde_json::Value;

/// More than the server keeps back for one packet, and less.
const AMOUNTS: [usize; 2] = [100_000, 10];

const HANGS: &str =
    "echo str_repeat('x', (int) $_GET['n']); while (ob_get_level()) ob_end_flush(); flush(); sleep(1000);";

const TIMEOUT: Duration = Duration::from_secs(2);

fn hanging(cell: Cell) -> Server {
    let server = two_pools(cell, "Processes 5")
        .config(format!("ProxyTimeout {}", TIMEOUT.as_secs()))
        .workers(6)
        .tls()
        .location("/status", "SetHandler confine-status")
        .file("www/alice/hangs.php", php(HANGS))
        .file("www/alice/hello.php", php("echo 'hello';"))
        .file("www/bob/hello.php", php("echo 'hello';"))
        .start();
    server.client().get("/alice/hello.php").expect_content("hello");
    server.client().get("/bob/hello.php").expect_content("hello");
    server
}

/// How many requests alice's pool has.
fn in_flight(server: &Server) -> u64 {
    let text = server.client().get("/status?format=json").expect_status(200).text();
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let pools = value["pools"].as_array().expect("pools");
    let alice = pools.iter().find(|pool| pool["context"] == "landlock:alice").expect("alice's pool");
    alice["in_flight"].as_u64().expect("a number")
}

fn on_http_1(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = hanging(cell);
    for amount in AMOUNTS {
        let mut connection = server.connect();
        let start = Instant::now();
        connection.send_get(&format!("/alice/hangs.php?n={amount}"), "");
        until("the request is in the pool", || in_flight(&server) == 1);
        server.client().get("/bob/hello.php").expect_content("hello");
        server.client().get("/alice/hello.php").expect_content("hello");
        assert_eq!(in_flight(&server), 1, "it hangs still");
        assert_eq!(connection.head_only().status, 200, "{amount}");
        let body = String::from_utf8_lossy(&connection.rest()).into_owned();
        assert_eq!(body.matches('x').count(), amount, "{amount}: all that came");
        assert!(!body.ends_with("0\r\n\r\n"), "{amount}: no end of a whole body");
        assert!(start.elapsed() >= TIMEOUT && start.elapsed() < TIMEOUT * 5, "{:?}", start.elapsed());
        until("its place is free", || in_flight(&server) == 0);
        if cell.gate != Gate::Kept {
            until("its thread has ended", || server.threads_in_a_context().is_empty());
        }
    }
    server.client().get("/alice/hello.php").expect_content("hello");
}

matrix!(on_http_1 for gates);

fn on_http_2(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = hanging(cell);
    for amount in AMOUNTS {
        let client = server.client_over(Wire::H2);
        match client.try_send(&Request::get(format!("/alice/hangs.php?n={amount}"))) {
            Err(error) if error.is_http2_stream_error() || error.is_partial_file() => {}
            other => panic!("{amount}: {other:?}"),
        }
        until("its place is free", || in_flight(&server) == 0);
        client.get("/alice/hello.php").expect_content("hello");
    }
}

matrix!(on_http_2 for gates);
