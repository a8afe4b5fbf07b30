//! Alice reads her note and is refused bob's, and bob the other way round. The kernel refuses it, whatever the
//! application tries.

use confine_tests::{Cell, matrix, tenants::*};

const BOTH_WAYS: [(&str, &str); 2] = [("alice", "bob"), ("bob", "alice")];

fn in_an_application(cell: Cell) {
    let server = two_people(cell).start();
    let client = server.client();
    for (user, other) in BOTH_WAYS {
        let own = client.get_as(user, &note_of(&server, user));
        own.expect_content(note(user)).expect_context(&format!("landlock:{user}"));
        client.get_as(user, &note_of(&server, other)).expect_denied_by_kernel();
        client.get_as(user, &leaky("read", "/etc/passwd")).expect_denied_by_kernel();
        client.get(&open_note_of(&server, other)).expect_content(note(other)).expect_context("-");
    }
}

matrix!(in_an_application);

fn as_static_files(cell: Cell) {
    let server = two_people(cell).config(DATA_URLS).start();
    let client = server.client();
    for (user, other) in BOTH_WAYS {
        client.get_as(user, &format!("/data/{user}/note")).expect_content(note(user));
        let refused = client.get_as(user, &format!("/data/{other}/note")).expect_status(403);
        assert!(!refused.text().contains(note(other).trim()), "{refused:?}");
        client.get_as(user, "/app/page.txt").expect_content("a page for everybody\n");
    }
}

matrix!(as_static_files);

fn and_the_log_says_who_where_and_why(cell: Cell) {
    let server = two_people(cell).start();
    server.client().get_as("bob", &note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
    let line = server.wait_for_log(&[
        "confine: confined GET /app/leaky.lua user=bob addr=127.0.0.1 vhost=localhost rule=",
    ]);
    assert!(line.ends_with("tenants.map:2 context=landlock:bob"), "{line}");
    // For log formats: %{CONFINE_CONTEXT}e.
    server.wait_for_access_log(&["GET /app/leaky.lua", " 200 bob landlock:bob"]);
}

matrix!(and_the_log_says_who_where_and_why for gates);
