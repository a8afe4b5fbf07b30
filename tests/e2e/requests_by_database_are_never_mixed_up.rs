//! Many connections at once, each used by everybody in turn, with answers that end all the time: every context is
//! the asker's own.

use std::thread;

use confine_tests::{
    Cell, Client, Mpm, Server, matrix,
    tables::{Table, asking},
    tenants::*,
};

const CONNECTIONS: usize = 16;
const REQUESTS_EACH: usize = 125;

/// Threads that have just answered are not idle yet when the next request comes, and event closes connections
/// while no thread is idle.
fn workers(cell: Cell) -> usize {
    if cell.mpm == Mpm::Prefork { CONNECTIONS } else { 2 * CONNECTIONS }
}

fn two_thousand_mixed_requests(cell: Cell, table: &Table, rule: &str) {
    let server = asking(cell, table, rule).workers(workers(cell)).start();
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let server = &server;
            scope.spawn(move || ask_for_everything(server, connection));
        }
    });
    let decided = server.log_lines("confine: confined GET").len();
    let refused = server.log_lines("confine: refused GET").len();
    assert_eq!(decided + refused, CONNECTIONS * REQUESTS_EACH, "one line a decision");
    assert_eq!(server.log_lines("no rule matched").len(), refused, "only nobody is refused");
}

fn ask_for_everything(server: &Server, connection: usize) {
    let client = server.client();
    // 7 is prime to the five kinds of requests, and every connection starts with another kind.
    (0..REQUESTS_EACH).for_each(|number| ask(server, &client, connection + 7 * number));
}

/// One request of one of five kinds.
fn ask(server: &Server, client: &Client, kind: usize) {
    let (user, owner) =
        [("alice", "alice"), ("bob", "bob"), ("alice", "bob"), ("bob", "alice"), ("", "bob")][kind % 5];
    if user.is_empty() {
        client.get(&note_of(server, owner)).expect_status(403);
        return;
    }
    let response = client.get_as(user, &note_of(server, owner));
    response.expect_context(&format!("landlock:{user}"));
    if user == owner {
        response.expect_content(note(owner));
    } else {
        response.expect_denied_by_kernel();
    }
}

/// One place for two users: they take it from each other all the time.
fn in_sqlite_with_one_entry(cell: Cell) {
    two_thousand_mixed_requests(cell, &Table::sqlite(), "ConfineMap dbd:tenant entries=1");
}

matrix!(in_sqlite_with_one_entry);

fn in_postgresql_for_a_second_each(cell: Cell) {
    two_thousand_mixed_requests(cell, &Table::postgresql(), "ConfineMap dbd:tenant ttl=1");
}

matrix!(in_postgresql_for_a_second_each);
