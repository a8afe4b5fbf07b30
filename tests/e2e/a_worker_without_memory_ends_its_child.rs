//! If there is no memory for a worker's pool, the child ends at once, as it does for the server's own pools. So
//! nobody uses a null pointer. The server makes a new child, and other requests are served.

use confine_tests::{Cell, matrix, tenants::*};

fn when_its_pool_has_none(cell: Cell) {
    let mut server = leaky_app(cell)
        .with_faults()
        .workers(2)
        .host("localhost", "ConfineContext landlock:alice")
        .host("short", "ConfineContext landlock:alice\nConfineFault no-memory-in-worker")
        .start();
    server.expect_crashes();
    let before = server.client().get(&note_of(&server, "alice"));
    before.expect_content(NOTE_OF_ALICE);
    let mut connection = server.connect();
    connection.send("GET /app/page.txt HTTP/1.1\r\nHost: short\r\n\r\n");
    assert_eq!(connection.until_it_ends(), 0, "nothing is sent");
    server.wait_for_log(&["confine: no memory for a worker's pool; aborting the child"]);
    server.wait_for_log(&["exit signal Abort"]);
    server.client().get(&note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
}

matrix!(when_its_pool_has_none);
