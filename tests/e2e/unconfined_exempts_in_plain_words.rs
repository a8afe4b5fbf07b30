//! The word `unconfined`, in a directive or in a map, exempts a request: it runs as the server, and the log names the
//! rule.

use confine_tests::{Cell, matrix, tenants::*};

fn a_line_of_a_map_exempts(cell: Cell) {
    let server = two_people(cell).file("tenants.map", "alice unconfined\n* landlock:bob\n").start();
    let client = server.client();
    client.get_as("alice", &note_of(&server, "bob")).expect_content(NOTE_OF_BOB).expect_context("-");
    let line = server
        .wait_for_log(&["confine: exempt GET /app/leaky.lua user=alice addr=127.0.0.1 vhost=localhost "]);
    assert!(line.contains("tenants.map:1 context=-"), "{line}");
    client.get_as("bob", &note_of(&server, "alice")).expect_denied_by_kernel().expect_context("landlock:bob");
}

matrix!(a_line_of_a_map_exempts);

fn a_directive_exempts(cell: Cell) {
    let server = two_people(cell).start();
    let client = server.client();
    client.get(&open_note_of(&server, "alice")).expect_content(NOTE_OF_ALICE).expect_context("-");
    server.wait_for_log(&["confine: exempt GET /open/leaky.lua user=- ", "httpd.conf:"]);
    client.get_as("bob", &note_of(&server, "alice")).expect_denied_by_kernel();
}

matrix!(a_directive_exempts);
