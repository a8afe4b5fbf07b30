//! A value of a request is one word, byte for byte. It names no backend and no exemption, and a name that only looks
//! like another name is different. The configuration says to which LSM the value belongs.

use confine_tests::{
    Cell, Gate, Mpm, Request, Response, Server, matrix,
    tables::{Table, asking},
    tenants::*,
};

/// Each with what the log says of it.
const NO_WORDS: [(&str, &str); 15] = [
    ("apparmor:/usr/bin/man", "a value may not name a backend"),
    ("apparmor:stack man", "a value may not name a backend"),
    ("apparmor:unconfined", "a value may not name a backend"),
    ("tomoyo:<kernel>", "a value may not name a backend"),
    ("selinux:*:s0", "a value may not name a backend"),
    ("Landlock:alice", "a value may not name a backend"),
    ("smack:alice", "a value may not name a backend"),
    ("Unconfined", "which only a configuration or a map may say"),
    ("alice bob", "a value is one word"),
    ("alice\u{a0}", "U+00A0"),
    ("\u{3000}alice", "U+3000"),
    ("alice\u{200b}", "U+200B"),
    ("alice\u{85}", "U+0085"),
    ("\"alice\"", "there is no ruleset of this name"),
    ("*", "there is no ruleset of this name"),
];

fn refused(response: &Response, server: &Server, value: &str, reason: &str) {
    assert_eq!(response.status, 500, "{value:?}: {response:?}");
    assert!(!response.text().contains(NOTE_OF_ALICE.trim()), "{value:?}: {response:?}");
    server.wait_for_log(&["confine: refused GET /app/leaky.lua ", reason]);
}

fn by_each_kind_of_rule(cell: Cell) {
    let rules = |rule: &str| leaky_app(cell).modules(["setenvif"]).config(rule).start();
    let early = "ConfineEarly \"expr=%{HTTP:X-Tenant}\"\nConfineUnmatched allow";
    let mut all = vec![
        rules("ConfineExpr \"%{HTTP:X-Tenant}\""),
        rules("ConfineExpr \"landlock:%{HTTP:X-Tenant}\""),
        rules("SetEnvIf X-Tenant \"(.*)\" TENANT=$1\nConfineEnv TENANT"),
        rules("SetEnvIf X-Tenant \"(.*)\" TENANT=$1\nConfineBackend selinux\nConfineEnv landlock:TENANT"),
    ];
    if cell.gate == Gate::Process {
        all.push(rules(early));
    }
    for server in all {
        let ask = |value: &str| {
            server.client().send(&Request::get(note_of(&server, "alice")).header("X-Tenant", value))
        };
        ask("alice").expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
        ask("bob").expect_denied_by_kernel().expect_context("landlock:bob");
        for (value, reason) in NO_WORDS {
            refused(&ask(value), &server, value, reason);
        }
        ask("alice").expect_content(NOTE_OF_ALICE);
    }
}

matrix!(by_each_kind_of_rule for gates);

/// A row is data, unless the administrator says that it is a rule.
fn by_a_row(cell: Cell) {
    let table = Table::sqlite();
    let server = asking(cell, &table, "ConfineMap dbd:tenant ttl=0").start();
    let ask = || server.client().get_as("alice", &note_of(&server, "alice"));
    ask().expect_content(NOTE_OF_ALICE);
    for (value, reason) in NO_WORDS {
        table.set("alice", &format!("'{value}'"));
        let reason = if value == "Unconfined" { "only a configuration or a map may say" } else { reason };
        refused(&ask(), &server, value, reason);
    }
    for padded in ["'alice '", "' alice'", "'  '"] {
        table.set("alice", padded);
        refused(&ask(), &server, padded, "a column of type CHAR pads");
    }
}

matrix!(by_a_row once);

/// The directive's own text may hold what a value may not.
#[test]
fn what_stands_literally_in_the_directive_is_the_configurations() {
    let cell = Cell { mpm: Mpm::Event, gate: Gate::Process };
    let rule = "ConfineBackend selinux\nConfineExpr \"landlock:%{HTTP:X-First}i%{HTTP:X-Last}\"";
    let server = leaky_app(cell).config(rule).start();
    let request = Request::get(note_of(&server, "alice")).header("X-First", "al").header("X-Last", "ce");
    server.client().send(&request).expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    let refused = leaky_app(cell).config("ConfineExpr \"Landlock:%{HTTP:X-First}\"").refused();
    refused.says(&["ConfineExpr: ", "backends are written in lower case"]);
}
