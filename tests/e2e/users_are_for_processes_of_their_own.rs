//! `uid:NAME` is a context for processes. Where a thread would have to become another user the server does not start,
//! and a request whose value names one is refused.

use confine_tests::{
    Cell, Gate, Mpm, Refusal,
    tables::{Table, asking},
    tenants::*,
};

/// Neither MPM nor gate has a part in reading the configuration.
const ANY: Cell = Cell { mpm: Mpm::Event, gate: Gate::Process };

/// The refusal of `lines`, where the line that contains `culprit` has to be named.
#[track_caller]
fn refused(lines: &str, culprit: &str) -> Refusal {
    let refusal = leaky_app(ANY).config(lines).refused();
    refusal.points_at(culprit);
    refusal
}

const BY_THREADS: &[&str] =
    &["only a process can run as another user", "serve the application with <ConfineFastCGI>"];

#[test]
fn a_constant_stops_the_server() {
    for line in ["ConfineContext uid:nobody", "ConfineContext uid:nobody landlock:alice"] {
        refused(line, line).says(BY_THREADS);
    }
    let line = "ConfineContext nobody";
    refused(&format!("ConfineBackend uid\n{line}"), line).says(BY_THREADS);
}

#[test]
fn a_line_of_a_map_stops_the_server() {
    let line = "ConfineMap \"@root@/users.map\"";
    let map = "alice landlock:alice\nbob uid:nobody landlock:bob\n";
    let refusal = leaky_app(ANY).config(line).file("users.map", map).refused();
    refusal.says(&["/users.map:2: uid:nobody landlock:bob: only a process can run as another user"]);
}

#[test]
fn rules_whose_values_are_users_stop_the_server() {
    for line in [
        "ConfineExpr \"uid:%{REMOTE_USER}\"",
        "ConfineEnv uid:TENANT",
        "ConfineEarly uid:nobody",
        "ConfineEarly \"expr=uid:%{HTTP_HOST}\"",
    ] {
        refused(line, line).says(BY_THREADS);
    }
}

#[test]
fn the_server_changes_its_user_by_httpds_directive() {
    let line = "ConfineServerContext uid:nobody";
    refused(line, line).says(&["write it in httpd's directives User and Group"]);
}

/// A row of a database is known at the request.
#[test]
fn a_request_that_a_thread_would_serve_is_refused() {
    let table = Table::sqlite();
    table.set("alice", "'uid:nobody landlock:alice'");
    let server = asking(ANY, &table, "ConfineMap dbd:tenant ttl=0 rows=rules").start();
    let note = note_of(&server, "alice");
    server.client().get_as("alice", &note).expect_status(500);
    server.wait_for_log(&[
        "confine: refused GET /app/leaky.lua user=alice ",
        "uid:nobody: only a process of its own can be in it, and here a thread of the server serves",
        "<ConfineFastCGI>",
    ]);
    table.set("alice", "'landlock:alice uid:nobody'");
    server.client().get_as("alice", &note).expect_status(500);
    table.set("alice", "'landlock:alice'");
    server.client().get_as("alice", &note).expect_content(NOTE_OF_ALICE);
}

#[test]
fn what_is_said_of_users_is_looked_at() {
    for (words, says) in [
        ("", "takes at least one of members-of=, keep-groups=, min-uid=, min-gid="),
        ("alice", "\"alice\" is not known here"),
        ("members-of=", "nothing stands behind members-of="),
        ("min-uid=0", "0 is root's"),
        ("keep-groups=adm,,users", "a group between two commas has no name"),
        ("members-of=no-such-group", "there is no group no-such-group"),
        ("members-of=root", "the group root is root's"),
        ("keep-groups=daemon", "those below 100 belong to the system"),
        ("min-uid=500 min-uid=600", "min-uid= is set already at"),
    ] {
        let line = format!("ConfineUsers {words}").trim_end().to_owned();
        refused(&line, &line).says(&[says]);
    }
    let line = "ConfineUsers min-uid=500";
    refused(&format!("<VirtualHost *>\n{line}\n</VirtualHost>"), line).says(&["ConfineUsers"]);
    // What is not used stands in nobody's way.
    leaky_app(ANY).config("ConfineUsers min-uid=500 min-gid=100\nConfineContext landlock:alice").start();
}
