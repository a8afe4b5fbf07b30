//! Many streams of one HTTP/2 connection run at the same time, for two people. Each is in its own context, whatever
//! happens to the others.

use confine_tests::{Cell, Request, Wire, matrix, tenants::*};

const STREAMS: usize = 90;

fn ninety_streams_at_once(cell: Cell) {
    let server = two_people(cell).tls().workers(16).start();
    let kinds = [("alice", "alice"), ("bob", "bob"), ("alice", "bob"), ("bob", "alice")];
    let requests: Vec<_> = (0..STREAMS)
        .map(|n| kinds[n % 4])
        .map(|(user, owner)| Request::get(note_of(&server, owner)).user(user))
        .collect();
    let responses = server.client_over(Wire::H2).send_together(&requests);
    for (number, response) in responses.iter().enumerate() {
        let (user, owner) = kinds[number % 4];
        response.expect_context(&format!("landlock:{user}"));
        if user == owner {
            response.expect_content(note(owner));
        } else {
            response.expect_denied_by_kernel();
        }
        assert!(response.status_line.starts_with("HTTP/2"), "{response:?}");
        assert_eq!(response.local_port, responses[0].local_port, "one connection");
    }
}

matrix!(ninety_streams_at_once for threaded);

fn errors_end_their_stream_alone(cell: Cell) {
    let server = two_people(cell).tls().workers(16).config(DATA_URLS).start();
    let requests: Vec<_> = (0..60)
        .map(|n| match n % 4 {
            0 => Request::get("/data/bob/note").user("alice"),
            1 => Request::get("/app/missing").user("alice"),
            2 => Request::get("/app/page.txt"),
            _ => Request::get("/data/alice/note").user("alice"),
        })
        .collect();
    for (number, response) in server.client_over(Wire::H2).send_together(&requests).into_iter().enumerate() {
        match number % 4 {
            0 => drop(response.expect_status(403)),
            1 => drop(response.expect_status(404)),
            2 => drop(response.expect_status(401)),
            _ => drop(response.expect_content(NOTE_OF_ALICE)),
        }
    }
}

matrix!(errors_end_their_stream_alone for threaded);

fn without_tls(cell: Cell) {
    let server = two_people(cell).modules(["http2"]).config("Protocols h2c http/1.1").start();
    let client = server.client_over(Wire::H2c);
    client
        .get_as("alice", &note_of(&server, "alice"))
        .expect_content(NOTE_OF_ALICE)
        .expect_context("landlock:alice");
    client.get_as("alice", &note_of(&server, "bob")).expect_denied_by_kernel();
    client.get(&open_note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
}

matrix!(without_tls for threaded);

/// The upgrade happens in the middle of a request, in a handler of the server. HTTP/2 then starts threads that stay
/// and serve everybody. They must not be confined.
fn after_an_upgrade(cell: Cell) {
    let server = two_people(cell).modules(["http2"]).config("Protocols h2c http/1.1").start();
    let upgrade = server.client_over(Wire::Upgrade);
    for _ in 0..3 {
        let alice = upgrade.get_as("alice", &note_of(&server, "alice"));
        alice.expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
        assert!(alice.status_line.starts_with("HTTP/2"), "{alice:?}");
        for wire in [Wire::Upgrade, Wire::H2c, Wire::Http11] {
            let client = server.client_over(wire);
            client.get_as("bob", &note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
            client.get(&open_note_of(&server, "bob")).expect_content(NOTE_OF_BOB).expect_context("-");
        }
    }
}

matrix!(after_an_upgrade for threaded);
