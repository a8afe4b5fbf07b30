//! An upgrade of the protocol starts threads that serve everybody. None of them ever starts in a context, because a
//! confined thread looks at no upgrade, whoever asks for it.

use std::{thread::sleep, time::Duration};

use confine_tests::{Cell, Gate, Server, ServerBuilder, hostile::*, matrix};

const SLOW: &str = "function handle(r) r:puts('slow') r.usleep(300000) return apache2.OK end";

/// Writes the headers of an upgrade, and includes `/alice/kinds/slow.lua`.
const UPGRADES: &str = include_str!("../../lab/www/alice/kinds/up.lua");

const WANTS_H2C: &str =
    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";

fn with_http2(cell: Cell) -> ServerBuilder {
    two_tenants(cell)
        .modules(["http2", "include"])
        .file("www/alice/kinds/slow.lua", SLOW)
        .file("www/alice/kinds/up.lua", UPGRADES)
        .file("www/page.txt", "the page")
        .directory("www", "Options +Includes")
        .config("Protocols h2c http/1.1\nH2MinWorkers 1\nH2MaxWorkers 8\n<Files up.lua>\nSetOutputFilter INCLUDES\n</Files>")
}

#[track_caller]
fn no_thread_is_in_a_context(server: &Server, cell: Cell) {
    // mod_http2 keeps its threads for minutes; a worker ends with its request.
    sleep(Duration::from_millis(500));
    let found = server.threads_in_a_context();
    assert!(found.is_empty() || cell.gate == Gate::Kept, "{found:#?}");
}

fn where_an_application_asks(cell: Cell) {
    let server = with_http2(cell).location("/alice", "ConfineContext landlock:alice").start();
    let mut connection = server.connect();
    connection.send_get("/alice/kinds/up.lua", "");
    let response = connection.response();
    assert_eq!(response.status, 200, "{response:?}");
    assert!(response.text().contains("slow"), "{response:?}");
    no_thread_is_in_a_context(&server, cell);
}

matrix!(where_an_application_asks for threaded);

fn where_a_client_asks_and_everything_is_confined(cell: Cell) {
    let server = with_http2(cell)
        .host("free", "")
        .host("early", "ConfineEarly landlock:alice\nConfineContext landlock:alice")
        .start();
    // The control: without a rule the upgrade is taken.
    let mut connection = server.connect();
    connection.send(format!("GET /page.txt HTTP/1.1\r\nHost: free\r\n{WANTS_H2C}\r\n"));
    assert_eq!(connection.head_only().status, 101);
    drop(connection);
    let mut connection = server.connect();
    connection.send(format!("GET /alice/kinds/slow.lua HTTP/1.1\r\nHost: early\r\n{WANTS_H2C}\r\n"));
    let response = connection.response();
    assert_eq!((response.status, response.text().as_str()), (200, "slow"), "{response:?}");
    no_thread_is_in_a_context(&server, cell);
}

matrix!(where_a_client_asks_and_everything_is_confined for process_gate_threaded);

/// If the context is entered just before the content, a client may upgrade before that. The threads of the connection
/// are in no context, and each of its requests is in its own.
fn where_a_client_asks_before_the_move(cell: Cell) {
    let server = with_http2(cell).location("/alice", "ConfineContext landlock:alice").start();
    let mut connection = server.connect();
    connection.send(format!("GET /alice/kinds/slow.lua HTTP/1.1\r\nHost: localhost\r\n{WANTS_H2C}\r\n"));
    assert_eq!(connection.head_only().status, 101);
    server.wait_for_log(&["confine: confined GET /alice/kinds/slow.lua "]);
    no_thread_is_in_a_context(&server, cell);
}

matrix!(where_a_client_asks_before_the_move for threaded);
