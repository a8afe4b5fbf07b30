//! Many connections at once, each used by everybody in turn: every answer is the asker's own.

use std::thread;

use confine_tests::{Cell, Client, Mpm, Server, matrix, tenants::*};

const CONNECTIONS: usize = 16;
const REQUESTS_EACH: usize = 125;

/// Threads that have just answered are not idle yet when the next request comes, and event closes
/// connections while no thread is idle.
fn workers(cell: Cell) -> usize {
    if cell.mpm == Mpm::Prefork { CONNECTIONS } else { 2 * CONNECTIONS }
}

fn two_thousand_mixed_requests(cell: Cell) {
    let server = two_people(cell).workers(workers(cell)).start();
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let server = &server;
            scope.spawn(move || ask_for_everything(server, connection));
        }
    });
    let decided = server.log_lines("confine: confined GET").len();
    let exempt = server.log_lines("confine: exempt GET").len();
    assert_eq!(decided + exempt, CONNECTIONS * REQUESTS_EACH, "one line a decision");
}

fn ask_for_everything(server: &Server, connection: usize) {
    let client = server.client();
    let first = ask(server, &client, connection);
    for number in 1..REQUESTS_EACH {
        // 7 is prime to the five kinds of requests, and every connection starts with another kind.
        let port = ask(server, &client, connection + 7 * number);
        assert_eq!(port, first, "the connection is kept");
    }
}

/// One request of one of five kinds. Returns the client's port.
fn ask(server: &Server, client: &Client, kind: usize) -> u16 {
    let (user, owner) =
        [("alice", "alice"), ("bob", "bob"), ("alice", "bob"), ("bob", "alice"), ("", "bob")][kind % 5];
    if user.is_empty() {
        let response = client.get(&open_note_of(server, owner));
        response.expect_content(note(owner)).expect_context("-");
        return response.local_port;
    }
    let response = client.get_as(user, &note_of(server, owner));
    response.expect_context(&format!("landlock:{user}"));
    if user == owner {
        response.expect_content(note(owner));
    } else {
        response.expect_denied_by_kernel();
    }
    response.local_port
}

matrix!(two_thousand_mixed_requests);
