//! No rule matched: 403, or with `ConfineUnmatched allow` the request runs as the server, and the log
//! says so.

use confine_tests::{Cell, matrix, tenants::*};

const ALICE_ALONE: &str = "alice landlock:alice\n";

fn refused_by_default(cell: Cell) {
    let server = two_people(cell).file("tenants.map", ALICE_ALONE).start();
    let client = server.client();
    let refused = client.get_as("bob", &note_of(&server, "bob")).expect_status(403);
    assert!(!refused.text().contains(NOTE_OF_BOB.trim()), "{refused:?}");
    let line = server
        .wait_for_log(&["confine: refused GET /app/leaky.lua user=bob addr=127.0.0.1 vhost=localhost "]);
    assert!(
        line.contains(" rule=- context=-: no rule matched; ") && line.contains("ConfineUnmatched allow"),
        "{line}"
    );
    client.get_as("alice", &note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
    client.get(&open_note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
}

matrix!(refused_by_default);

fn let_through_on_request(cell: Cell) {
    let server = two_people(cell).file("tenants.map", ALICE_ALONE).config("ConfineUnmatched allow").start();
    let client = server.client();
    client.get_as("bob", &note_of(&server, "alice")).expect_content(NOTE_OF_ALICE).expect_context("-");
    server.wait_for_log(&[
        "confine: unmatched GET /app/leaky.lua user=bob addr=127.0.0.1 vhost=localhost rule=- context=-",
    ]);
    client.get_as("alice", &note_of(&server, "bob")).expect_denied_by_kernel();
}

matrix!(let_through_on_request);

fn an_inner_scope_has_the_last_word(cell: Cell) {
    let server = two_people(cell)
        .file("tenants.map", ALICE_ALONE)
        .config("ConfineUnmatched allow")
        .alias("/strict", "www/app")
        .location("/strict", "ConfineUnmatched deny")
        .start();
    let client = server.client();
    client.get_as("bob", "/app/page.txt").expect_status(200);
    client.get_as("bob", "/strict/page.txt").expect_status(403);
    client.get_as("alice", "/strict/page.txt").expect_status(200);
}

matrix!(an_inner_scope_has_the_last_word for gates);
