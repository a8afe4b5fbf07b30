//! The answers of a database are kept for `ttl` seconds and no longer, and no more of them than `entries`.

use std::{
    thread,
    time::{Duration, Instant},
};

use confine_tests::{
    Cell, Mpm, Request, Response, Server, matrix,
    tables::{Table, asking},
    tenants::*,
};

/// The numbers of all children.
const STATUS: &str = "<Location \"/status\">\nSetHandler confine-status\nConfineContext unconfined\nRequire all granted\n</Location>";

/// One child, so that all requests meet the same answers.
fn one_child(cell: Cell, table: &Table, rule: &str) -> Server {
    let workers = if cell.mpm == Mpm::Prefork { 1 } else { 4 };
    asking(cell, table, &format!("{rule}\n{STATUS}")).workers(workers).start()
}

fn as_alice(server: &Server) -> Response {
    server.client().get_as("alice", &note_of(server, "alice"))
}

/// A number of `confine-status`.
#[track_caller]
fn number(server: &Server, name: &str) -> u64 {
    let page = server.client().get("/status").expect_status(200).text();
    let line = page
        .lines()
        .find(|line| line.starts_with(&format!("confine_database_{name}{{map=\"dbd:tenant\",rule=")));
    let line = line.unwrap_or_else(|| panic!("no {name} in:\n{page}"));
    line.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

fn before_it_is_kept_and_after_it_is_new(cell: Cell) {
    const TTL: Duration = Duration::from_secs(3);
    let table = Table::sqlite();
    let server = one_child(cell, &table, "ConfineMap dbd:tenant ttl=3");
    let start = Instant::now();
    as_alice(&server).expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    table.set("alice", "'landlock:bob'");
    let kept = as_alice(&server);
    if start.elapsed() < TTL {
        kept.expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    }
    thread::sleep(TTL);
    // Under ConfineWorkers per-context: another context, another worker.
    as_alice(&server).expect_denied_by_kernel().expect_context("landlock:bob");
    table.set("alice", "NULL");
    thread::sleep(TTL);
    as_alice(&server).expect_status(403);
}

matrix!(before_it_is_kept_and_after_it_is_new);

fn without_a_time_each_request_asks(cell: Cell) {
    let table = Table::sqlite();
    let server = one_child(cell, &table, "ConfineMap dbd:tenant ttl=0");
    for _ in 0..3 {
        table.set("alice", "'landlock:bob'");
        as_alice(&server).expect_denied_by_kernel().expect_context("landlock:bob");
        table.set("alice", "'landlock:alice'");
        as_alice(&server).expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    }
    assert_eq!((number(&server, "entries"), number(&server, "hits_total")), (0, 0));
    assert_eq!(number(&server, "misses_total"), 6);
}

matrix!(without_a_time_each_request_asks for gates);

fn the_status_counts_what_is_kept(cell: Cell) {
    let table = Table::sqlite();
    let server = one_child(cell, &table, "ConfineMap dbd:tenant ttl=3600");
    for _ in 0..5 {
        as_alice(&server).expect_content(NOTE_OF_ALICE);
        server.client().get_as("bob", &note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
        server.client().get(&note_of(&server, "bob")).expect_status(403);
    }
    // Anonymous requests asked nothing.
    assert_eq!((number(&server, "misses_total"), number(&server, "hits_total")), (2, 8));
    assert_eq!((number(&server, "entries"), number(&server, "errors_total")), (2, 0));
}

matrix!(the_status_counts_what_is_kept for gates);

/// Each process keeps its own answers. The counts are those of all processes.
fn the_counts_are_those_of_all_processes(cell: Cell) {
    let table = Table::sqlite();
    let server =
        asking(cell, &table, &format!("ConfineMap dbd:tenant ttl=3600\n{STATUS}")).workers(4).start();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    as_alice(&server).expect_content(NOTE_OF_ALICE);
                }
            });
        }
    });
    let (hits, misses) = (number(&server, "hits_total"), number(&server, "misses_total"));
    assert_eq!(hits + misses, 40, "{hits} and {misses}");
    assert_eq!(number(&server, "entries"), misses, "each process that asked keeps one");
    assert!(misses > 1, "one process served all: {misses}");
}

matrix!(the_counts_are_those_of_all_processes once on prefork);

fn there_are_no_more_than_the_limit(cell: Cell) {
    let table = Table::sqlite();
    let rule = "ConfineMap dbd:tenant ttl=3600 entries=5 %{HTTP:X-Name}";
    let server = one_child(cell, &table, rule);
    for n in 0..40 {
        let name = if n % 10 == 0 { "alice".to_owned() } else { format!("nobody-{n}") };
        let request = Request::get(note_of(&server, "alice")).header("X-Name", &name);
        server.client().send(&request).expect_status(if name == "alice" { 200 } else { 403 });
        assert!(number(&server, "entries") <= 5);
    }
    assert_eq!(number(&server, "entries"), 5);
    assert_eq!(number(&server, "misses_total"), 40, "alice's answer had to go each time");
}

matrix!(there_are_no_more_than_the_limit for gates);

/// A request that needs an answer which is being asked for waits for it.
fn one_asks_and_the_others_wait(cell: Cell) {
    const TOGETHER: u64 = 8;
    let table = Table::postgresql();
    let slow = "SELECT context FROM tenants, (SELECT pg_sleep(0.7)) AS time WHERE name = %s";
    let rule = format!(
        "DBDPrepareSQL \"{slow}\" slow\n{STATUS}\n<Location \"/app\">\nConfineMap dbd:slow ttl=3600\n</Location>"
    );
    let server = asking(cell, &table, &rule).workers(3 * TOGETHER as usize).start();
    thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                as_alice(&server).expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
            });
        }
    });
    let page = server.client().get("/status").expect_status(200).text();
    let of = |name: &str| page.lines().find(|line| line.starts_with(&format!("confine_database_{name}{{")));
    assert!(of("misses_total").is_some_and(|line| line.ends_with(" 1")), "{page}");
    assert!(of("hits_total").is_some_and(|line| line.ends_with(&format!(" {}", TOGETHER - 1))), "{page}");
}

matrix!(one_asks_and_the_others_wait for threaded);
