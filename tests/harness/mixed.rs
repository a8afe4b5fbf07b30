//! Two thousand requests of five kinds, mixed, over sixteen connections at the same time.

use std::thread;

use crate::{Cell, Client, Mpm, Response, Server, tenants::*};

const CONNECTIONS: usize = 16;
const REQUESTS_EACH: usize = 125;

/// How many requests [`send`] sends.
pub const REQUESTS: usize = CONNECTIONS * REQUESTS_EACH;

/// How many workers the server needs. A thread that has just answered is not idle yet when the next request comes, and
/// event closes connections while no thread is idle.
pub fn workers(cell: Cell) -> usize {
    if cell.mpm == Mpm::Prefork { CONNECTIONS } else { 2 * CONNECTIONS }
}

/// Sends all requests. `anonymous` sends the one without a user. Fails the test unless each user gets the context of
/// their own and the content that it allows. The result says whether every connection was kept to its end.
pub fn send(server: &Server, anonymous: impl Fn(&Client) -> Response + Sync) -> bool {
    let anonymous = &anonymous;
    thread::scope(|scope| {
        let one = |connection| {
            scope.spawn(move || {
                let client = server.client();
                // 7 is prime to the five kinds of requests, and every connection starts with another kind.
                let kinds = (0..REQUESTS_EACH).map(|number| connection + 7 * number);
                let mut ports = kinds.map(|kind| ask(server, &client, kind, anonymous).local_port);
                let first = ports.next();
                // All are sent, whatever the ports are.
                ports.filter(|port| Some(*port) != first).count() == 0
            })
        };
        let all: Vec<_> = (0..CONNECTIONS).map(one).collect();
        let kept = all.into_iter().map(|thread| thread.join().expect("answers as they should be"));
        kept.filter(|kept| *kept).count() == CONNECTIONS
    })
}

/// Sends one request of one of the five kinds.
fn ask(server: &Server, client: &Client, kind: usize, anonymous: impl Fn(&Client) -> Response) -> Response {
    let (user, owner) =
        [("alice", "alice"), ("bob", "bob"), ("alice", "bob"), ("bob", "alice"), ("", "bob")][kind % 5];
    if user.is_empty() {
        return anonymous(client);
    }
    let response = client.get_as(user, &note_of(server, owner));
    response.expect_context(&format!("landlock:{user}"));
    if user == owner {
        response.expect_content(note(owner));
    } else {
        response.expect_denied_by_kernel();
    }
    response
}
