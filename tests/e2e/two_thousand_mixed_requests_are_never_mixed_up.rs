//! Many connections at the same time, each used by everybody in turn. Every answer belongs to the user who asks.

use confine_tests::{Cell, matrix, mixed, tenants::*};

fn two_thousand_mixed_requests(cell: Cell) {
    let server = two_people(cell).workers(mixed::workers(cell)).start();
    let kept = mixed::send(&server, |client| {
        let response = client.get(&open_note_of(&server, "bob"));
        response.expect_content(note("bob")).expect_context("-");
        response
    });
    assert!(kept, "the connections are kept");
    let decided = server.log_lines("confine: confined GET").len();
    let exempt = server.log_lines("confine: exempt GET").len();
    assert_eq!(decided + exempt, mixed::REQUESTS, "one line a decision");
}

matrix!(two_thousand_mixed_requests);
