//! Twenty requests of two people arrive in one write. They are answered in order, each in its own context.

use confine_tests::{Cell, matrix, tenants::*};

/// `alice:alice-pw` and `bob:bob-pw`, base 64.
const AUTHORIZATIONS: [(&str, &str); 2] = [("alice", "YWxpY2U6YWxpY2UtcHc="), ("bob", "Ym9iOmJvYi1wdw==")];

fn twenty_requests_in_one_write(cell: Cell) {
    let server = two_people(cell).start();
    let mut connection = server.connect();
    let alices = note_of(&server, "alice");
    let together: String = (0..10)
        .flat_map(|_| AUTHORIZATIONS)
        .map(|(_, code)| {
            format!("GET {alices} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {code}\r\n\r\n")
        })
        .collect();
    connection.send(together);
    for _ in 0..10 {
        connection.response().expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
        connection.response().expect_denied_by_kernel().expect_context("landlock:bob");
    }
}

matrix!(twenty_requests_in_one_write);

fn bodies_between_them(cell: Cell) {
    let server = two_people(cell).start();
    let mut connection = server.connect();
    let (_, alice) = AUTHORIZATIONS[0];
    let head = format!("Host: localhost\r\nAuthorization: Basic {alice}\r\n");
    connection.send(format!(
        "POST /app/leaky.lua?body=1 HTTP/1.1\r\n{head}Content-Length: 5\r\n\r\nfirst\
         POST /app/leaky.lua HTTP/1.1\r\n{head}Content-Length: 14\r\n\r\nis never read.\
         GET /app/page.txt HTTP/1.1\r\n{head}\r\n"
    ));
    assert_eq!(connection.response().text(), "first");
    assert_eq!(connection.response().text(), "");
    assert_eq!(connection.response().text(), "a page for everybody\n");
}

matrix!(bodies_between_them);
