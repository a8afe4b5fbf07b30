//! If a database cannot be asked, requests are refused, and the log says so. When it is back, they are served again,
//! without a restart and without any change of mod_dbd's settings.

use confine_tests::{
    Cell, Response, Server, matrix,
    tables::{PREPARE, Table, asking},
    tenants::*,
};

const ASK: &str = "ConfineMap dbd:tenant ttl=0";

fn as_alice(server: &Server) -> Response {
    server.client().get_as("alice", &note_of(server, "alice"))
}

/// More requests than there are children, as prefork's have a connection each.
const ENOUGH: usize = 12;

fn stopped_and_started_again(cell: Cell) {
    let mut table = Table::postgresql();
    let server = asking(cell, &table, ASK).start();
    for round in 1..=2 {
        for _ in 0..ENOUGH {
            as_alice(&server).expect_content(NOTE_OF_ALICE);
        }
        table.stop();
        for _ in 0..ENOUGH {
            let refused = as_alice(&server).expect_status(503);
            assert!(!refused.text().contains(NOTE_OF_ALICE.trim()), "{refused:?}");
        }
        let refused = "the database could not be asked with tenant: ";
        let line = server.wait_for_log(&["confine: refused GET /app/leaky.lua user=alice ", refused]);
        assert!(line.contains(" rule=") && line.contains("no restart is needed"), "{line}");
        assert!(server.log_lines(refused).len() >= round * ENOUGH, "{}", server.log());
        // A request without a user does not need the database.
        server.client().get(&note_of(&server, "alice")).expect_status(403);
        table.start_again();
    }
    for _ in 0..ENOUGH {
        as_alice(&server).expect_content(NOTE_OF_ALICE);
    }
    assert_eq!(server.log_lines("confine: ready").len(), 1, "nothing was restarted");
}

matrix!(stopped_and_started_again);

/// The connections of the pool are broken, and their statements are gone. No request notices.
fn restarted_between_two_requests(cell: Cell) {
    let mut table = Table::postgresql();
    let server = asking(cell, &table, ASK).start();
    for _ in 0..3 {
        for _ in 0..ENOUGH {
            as_alice(&server).expect_content(NOTE_OF_ALICE);
        }
        table.stop();
        table.start_again();
    }
    for _ in 0..ENOUGH {
        as_alice(&server).expect_content(NOTE_OF_ALICE);
    }
    assert!(server.log_lines("confine: refused").is_empty(), "{}", server.log());
}

matrix!(restarted_between_two_requests);

/// The database was not there when the children started.
fn away_from_the_start(cell: Cell) {
    let mut table = Table::postgresql();
    table.stop();
    let server = asking(cell, &table, ASK).start();
    as_alice(&server).expect_status(503);
    server
        .wait_for_log(&["confine: refused ", "no connection; the line of mod_dbd before this one says why"]);
    table.start_again();
    for _ in 0..ENOUGH {
        as_alice(&server).expect_content(NOTE_OF_ALICE);
    }
}

matrix!(away_from_the_start);

/// A kept answer is used until its time ends. Failures are not kept.
fn a_kept_answer_outlasts_a_short_absence(cell: Cell) {
    let mut table = Table::postgresql();
    let server = asking(cell, &table, "ConfineMap dbd:tenant ttl=3600").workers(1).start();
    as_alice(&server).expect_content(NOTE_OF_ALICE);
    table.stop();
    as_alice(&server).expect_content(NOTE_OF_ALICE);
    for _ in 0..2 {
        server.client().get_as("bob", &note_of(&server, "bob")).expect_status(503);
    }
    table.start_again();
    server.client().get_as("bob", &note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
}

matrix!(a_kept_answer_outlasts_a_short_absence);

/// What the database refuses is in the log, in its own words.
fn a_table_that_may_not_be_read(cell: Cell) {
    let table = Table::postgresql();
    let server = asking(cell, &table, ASK).start();
    as_alice(&server).expect_content(NOTE_OF_ALICE);
    table.sql("REVOKE SELECT ON tenants FROM web;");
    as_alice(&server).expect_status(503);
    server.wait_for_log(&[
        "confine: refused ",
        "asked with tenant: the driver says \"ERROR: permission denied",
    ]);
    table.sql("GRANT SELECT ON tenants TO web;");
    as_alice(&server).expect_content(NOTE_OF_ALICE);
    table.sql("ALTER TABLE tenants RENAME TO elsewhere;");
    as_alice(&server).expect_status(503);
    table.sql("ALTER TABLE elsewhere RENAME TO tenants;");
    as_alice(&server).expect_content(NOTE_OF_ALICE);
}

matrix!(a_table_that_may_not_be_read for gates);

/// SQLite voids prepared statements when tables change.
fn a_table_that_changes_its_form(cell: Cell) {
    let table = Table::sqlite();
    let server = asking(cell, &table, ASK).start();
    for n in 0..3 {
        for _ in 0..ENOUGH {
            as_alice(&server).expect_content(NOTE_OF_ALICE);
        }
        table.sql(&format!(
            "ALTER TABLE tenants ADD COLUMN more_{n} TEXT; CREATE INDEX i_{n} ON tenants (name);"
        ));
    }
    for _ in 0..ENOUGH {
        as_alice(&server).expect_content(NOTE_OF_ALICE);
    }
    assert!(server.log_lines("confine: refused").is_empty(), "{}", server.log());
}

matrix!(a_table_that_changes_its_form);

/// Without a pool each question has a connection of its own.
fn without_a_pool(cell: Cell) {
    let mut table = Table::postgresql();
    let server = asking(cell, &table, &format!("DBDPersist off\n{ASK}")).start();
    as_alice(&server).expect_content(NOTE_OF_ALICE);
    table.stop();
    as_alice(&server).expect_status(503);
    table.start_again();
    as_alice(&server).expect_content(NOTE_OF_ALICE);
}

matrix!(without_a_pool for gates);

/// New children, and the old ones' connections with them.
fn a_graceful_restart_asks_anew(cell: Cell) {
    let table = Table::postgresql();
    let server = asking(cell, &table, "ConfineMap dbd:tenant ttl=3600").start();
    as_alice(&server).expect_content(NOTE_OF_ALICE);
    table.set("alice", "'landlock:bob'");
    server.restart_gracefully();
    for _ in 0..ENOUGH {
        as_alice(&server).expect_denied_by_kernel().expect_context("landlock:bob");
    }
}

matrix!(a_graceful_restart_asks_anew);

/// mod_dbd knows no database here, which it says only when it is asked.
fn without_a_driver(cell: Cell) {
    let lines = format!("{OPTIONAL_LOGIN}\n{PREPARE}\n{ASK}");
    let server = leaky_app(cell).modules(["dbd"]).config(lines).start();
    as_alice(&server).expect_status(503);
    server.wait_for_log(&["confine: refused ", "asked with tenant: no connection", "add DBDDriver"]);
}

matrix!(without_a_driver once);
