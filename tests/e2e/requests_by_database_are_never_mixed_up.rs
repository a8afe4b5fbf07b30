//! Many connections at the same time, each used by everybody in turn, with answers that expire all the time. Every
//! context belongs to the user who asks.

use confine_tests::{
    Cell, matrix, mixed,
    tables::{Table, asking},
    tenants::*,
};

fn two_thousand_mixed_requests(cell: Cell, table: &Table, rule: &str) {
    let server = asking(cell, table, rule).workers(mixed::workers(cell)).start();
    mixed::send(&server, |client| client.get(&note_of(&server, "bob")).expect_status(403));
    let decided = server.log_lines("confine: confined GET").len();
    let refused = server.log_lines("confine: refused GET").len();
    assert_eq!(decided + refused, mixed::REQUESTS, "one line a decision");
    assert_eq!(server.log_lines("no rule matched").len(), refused, "only nobody is refused");
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
