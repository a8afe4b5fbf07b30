//! `<ConfineLandlock>` in a virtual host: the rules of the host find its own rulesets before the server's. Two hosts
//! may use one name for different rulesets, and they are never confused.

use std::fs;

use confine_tests::{Cell, Request, Response, Server, ServerBuilder, matrix, tenants::*};

/// The name `own` means three rulesets. The server's grants bob's data, that of the host `one` grants alice's data,
/// and that of the second `one` (on another port) grants nothing.
fn hosts(cell: Cell, rule: &str) -> ServerBuilder {
    let host = |grants: &str| {
        format!(
            "<ConfineLandlock own>\nLandlockRead \"@root@/www\" {grants}\n</ConfineLandlock>\n\
             <Location \"/app\">\n{rule}\n</Location>"
        )
    };
    leaky_app(cell)
        .ruleset("own", "LandlockRead \"@root@/www\" \"@root@/data/bob\"")
        .host("main", &format!("<Location \"/app\">\n{rule}\n</Location>"))
        .host("one", &host("\"@root@/data/alice\""))
        .host("two", &host(""))
}

fn ask(server: &Server, host: &str, owner: &str, value: &str) -> Response {
    let request = Request::get(note_of(server, owner)).header("Host", host).header("X-Tenant", value);
    server.client().send(&request)
}

fn each_host_finds_its_own_first(cell: Cell) {
    for rule in
        ["ConfineContext landlock:own", "ConfineExpr \"%{HTTP:X-Tenant}\"", "ConfineMap \"@root@/own.map\""]
    {
        let server = hosts(cell, rule).file("own.map", "* own\n").start();
        // More than once: kept workers of one host serve no other's requests.
        for _ in 0..3 {
            ask(&server, "main", "bob", "own").expect_content(NOTE_OF_BOB).expect_context("landlock:own");
            ask(&server, "main", "alice", "own").expect_denied_by_kernel().expect_context("landlock:own");
            ask(&server, "one", "alice", "own")
                .expect_content(NOTE_OF_ALICE)
                .expect_context("landlock:own@one");
            ask(&server, "one", "bob", "own").expect_denied_by_kernel().expect_context("landlock:own@one");
            ask(&server, "two", "alice", "own").expect_denied_by_kernel().expect_context("landlock:own@two");
        }
        server.wait_for_log(&[
            "confine: confined GET /app/leaky.lua ",
            "vhost=one ",
            "context=landlock:own@one",
        ]);
    }
}

matrix!(each_host_finds_its_own_first);

/// If a host has no ruleset of a name, the server's is found. The full name that logs show does not lead to another
/// host's ruleset.
fn nobody_elses_is_found(cell: Cell) {
    let server = hosts(cell, "ConfineExpr \"%{HTTP:X-Tenant}\"").start();
    ask(&server, "one", "alice", "alice").expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    for (host, value) in [("main", "own@one"), ("two", "own@one"), ("one", "own@two"), ("one", "own@one")] {
        ask(&server, host, "alice", value).expect_status(500);
    }
    server.wait_for_log(&["confine: refused ", "own@one", "there is no ruleset of this name"]);
}

matrix!(nobody_elses_is_found for gates);

/// A map that changes is read for the host that it belongs to.
fn a_changed_map_counts_for_its_host(cell: Cell) {
    let server = hosts(cell, "ConfineMap \"@root@/own.map\"").file("own.map", "* alice\n").start();
    ask(&server, "one", "alice", "").expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    fs::write(server.path("own.map"), "* own # of each host\n").expect("a map");
    server.wait_for_log(&["own.map: changed, 1 rules are in force"]);
    std::thread::sleep(std::time::Duration::from_millis(800));
    ask(&server, "one", "alice", "").expect_content(NOTE_OF_ALICE).expect_context("landlock:own@one");
    ask(&server, "main", "bob", "").expect_content(NOTE_OF_BOB).expect_context("landlock:own");
    ask(&server, "two", "alice", "").expect_denied_by_kernel().expect_context("landlock:own@two");
}

matrix!(a_changed_map_counts_for_its_host once);

/// Hosts of one name are told apart.
fn hosts_of_one_name(cell: Cell) {
    let ruleset =
        "<ConfineLandlock own>\nLandlockRead \"@root@/www\"\n</ConfineLandlock>\nConfineContext own";
    let server = leaky_app(cell).host("one", ruleset).host("one", ruleset).start();
    ask(&server, "one", "alice", "").expect_denied_by_kernel().expect_context("landlock:own@one");
    let twice = format!("{ruleset}\n<ConfineLandlock own>\n</ConfineLandlock>");
    leaky_app(cell).host("one", &twice).refused().says(&["the ruleset \"own\" is defined already at "]);
}

matrix!(hosts_of_one_name once);
