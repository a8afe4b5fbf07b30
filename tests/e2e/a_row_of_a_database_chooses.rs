//! `ConfineMap dbd:LABEL`: the row of a statement has the contexts of the proven user. If there is no row, or an
//! empty one, the next rule is asked.

use confine_tests::{
    Cell, Request, Server, matrix,
    tables::{Table, asking},
    tenants::*,
};

/// Nobody else.
const GUESTS: &str =
    "ConfineContext landlock:guest\n<ConfineLandlock guest>\nLandlockRead \"@root@/www\"\n</ConfineLandlock>";

/// Every question counts at once.
const ASK: &str = "ConfineMap dbd:tenant ttl=0";

fn users_have_their_rows(cell: Cell, table: &Table) {
    let server = asking(cell, table, &format!("{ASK}\n{GUESTS}")).start();
    let client = server.client();
    for user in ["alice", "bob"] {
        for owner in ["alice", "bob"] {
            let response = client.get_as(user, &note_of(&server, owner));
            response.expect_context(&format!("landlock:{user}"));
            if user == owner {
                response.expect_content(note(owner));
            } else {
                response.expect_denied_by_kernel();
            }
        }
    }
    // Nobody, and somebody with a wrong password on the way to no error document: not asked for.
    client.get(&note_of(&server, "alice")).expect_denied_by_kernel().expect_context("landlock:guest");
    let wrong = Request::get(note_of(&server, "alice")).password("alice", "wrong");
    client.send(&wrong).expect_status(401);
    server.wait_for_log(&["confine: confined GET /app/leaky.lua user=alice ", " rule=", "httpd.conf:"]);
}

fn in_sqlite(cell: Cell) {
    users_have_their_rows(cell, &Table::sqlite());
}

matrix!(in_sqlite);

fn in_postgresql(cell: Cell) {
    users_have_their_rows(cell, &Table::postgresql());
}

matrix!(in_postgresql);

fn without_contexts_the_next_rule_is_asked(table: &Table) {
    let server = asking(ANY, table, &format!("{ASK}\n{GUESTS}")).start();
    for nothing in ["NULL", "''"] {
        table.set("alice", nothing);
        as_alice(&server).expect_denied_by_kernel().expect_context("landlock:guest");
    }
    table.sql("DELETE FROM tenants WHERE name = 'alice';");
    as_alice(&server).expect_denied_by_kernel().expect_context("landlock:guest");
    table.sql("INSERT INTO tenants VALUES ('alice', 'landlock:alice');");
    as_alice(&server).expect_content(NOTE_OF_ALICE);
}

fn without_a_next_rule_it_is_403(table: &Table) {
    let server = asking(ANY, table, ASK).start();
    server.client().get(&note_of(&server, "alice")).expect_status(403);
    table.set("alice", "NULL");
    as_alice(&server).expect_status(403);
    server.wait_for_log(&["confine: refused GET /app/leaky.lua user=alice ", "no rule matched"]);
}

/// Where the administrator says in plain words that rows are rules.
fn a_row_may_hold_several_contexts(table: &Table) {
    let server = asking(ANY, table, &format!("{ASK} rows=rules")).start();
    table.set("alice", "'alice \"landlock:bob\" # for both'");
    as_alice(&server).expect_denied_by_kernel().expect_context("landlock:alice landlock:bob");
    table.set("alice", "'bob'");
    let client = server.client();
    client
        .get_as("alice", &note_of(&server, "bob"))
        .expect_content(NOTE_OF_BOB)
        .expect_context("landlock:bob");
}

/// Nothing is served, and the log says what stood there.
fn what_is_no_context_is_500(table: &Table) {
    let server = asking(ANY, table, &format!("{ASK} rows=rules")).start();
    for (value, reason) in [
        (
            "'landlock:nobody'",
            "\"landlock:nobody\" for tenant: landlock:nobody: there is no ruleset of this name",
        ),
        ("'nobody'", "\"nobody\" for tenant: landlock:nobody: there is no ruleset"),
        ("'landlock:'", "\"landlock:\" for tenant: landlock: has no context behind it"),
        ("'alice alice'", "is in the list twice"),
        ("'alice \"bob'", "the double quote that opens here is not closed"),
        ("'smack:alice'", "this version does not offer"),
        ("'selinux:a_t:s0'", "selinux"),
        ("'unconfined'", "\"unconfined\" for tenant: only a configuration or a map may say `unconfined`"),
        ("'alice unconfined'", "unconfined must stand alone"),
    ] {
        table.set("alice", value);
        let refused = as_alice(&server).expect_status(500);
        assert!(!refused.text().contains(NOTE_OF_ALICE.trim()), "{refused:?}");
        let line = server.wait_for_log(&["confine: refused GET /app/leaky.lua user=alice ", reason]);
        assert!(line.contains(" rule=") && line.contains("httpd.conf:"), "{line}");
    }
    // Bob never had a part in it.
    server.client().get_as("bob", &note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
}

fn two_rows_are_none_too_many_for_chance(table: &Table) {
    let server = asking(ANY, table, ASK).start();
    table.sql("INSERT INTO tenants VALUES ('alice', 'landlock:bob');");
    as_alice(&server).expect_status(500);
    server.wait_for_log(&["confine: refused ", "more than one row for tenant", "LIMIT 1"]);
    // The connection is as good as before.
    server.client().get_as("bob", &note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
    table.sql("DELETE FROM tenants WHERE context = 'landlock:bob' AND name = 'alice';");
    as_alice(&server).expect_content(NOTE_OF_ALICE);
}

/// What all drivers have in common, and their differences.
macro_rules! with_both {
    ($($behaviour:ident),+) => {
        mod sqlite { $(#[test] fn $behaviour() { super::$behaviour(&super::Table::sqlite()); })+ }
        mod postgresql { $(#[test] fn $behaviour() { super::$behaviour(&super::Table::postgresql()); })+ }
    };
}

with_both!(
    without_contexts_the_next_rule_is_asked,
    without_a_next_rule_it_is_403,
    a_row_may_hold_several_contexts,
    what_is_no_context_is_500,
    two_rows_are_none_too_many_for_chance
);

/// The meaning of a value does not depend on the MPM or the gate.
const ANY: Cell = Cell { mpm: confine_tests::Mpm::Event, gate: confine_tests::Gate::Process };

#[track_caller]
fn as_alice(server: &Server) -> confine_tests::Response {
    server.client().get_as("alice", &note_of(server, "alice"))
}

/// Other facts than the user's name.
fn expressions_are_the_parameters(cell: Cell) {
    let table = Table::postgresql();
    table.sql(
        "ALTER TABLE tenants ADD site VARCHAR(64);
         UPDATE tenants SET site = 'shop';
         INSERT INTO tenants VALUES ('', 'landlock:bob', 'blog');",
    );
    let rule = "DBDPrepareSQL \"SELECT context FROM tenants WHERE name = %s AND site = %s\" by_site
        ConfineMap dbd:by_site ttl=60 \"%{REMOTE_USER}\" \"expr=%{HTTP:X-Site}\"";
    let server = asking(cell, &table, rule).start();
    let ask = |user: &str, site: &str| {
        let request = Request::get(note_of(&server, "alice")).header("X-Site", site);
        server.client().send(&if user.is_empty() { request } else { request.user(user) })
    };
    for _ in 0..2 {
        ask("alice", "shop").expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
        ask("bob", "shop").expect_denied_by_kernel().expect_context("landlock:bob");
        ask("alice", "blog").expect_status(403);
        // An anonymous request has the empty user, for whom there may be a row.
        ask("", "blog").expect_denied_by_kernel().expect_context("landlock:bob");
        ask("", "shop").expect_status(403);
    }
    // A value is a value, whatever it holds.
    ask("alice", "shop' OR 'a' = 'a").expect_status(403);
    ask("alice", "%s").expect_status(403);
}

matrix!(expressions_are_the_parameters for gates);

/// A rule outside of virtual hosts asks the database of the one that serves the request.
fn each_virtual_host_asks_its_own_database(cell: Cell) {
    let (main, other) = (Table::sqlite(), Table::sqlite());
    other.set("alice", "'landlock:bob'");
    let server = asking(cell, &main, "ConfineMap dbd:tenant ttl=3600")
        .host("main", "")
        .host("other", &other.directives())
        .start();
    let ask = |host: &str| {
        let request = Request::get(note_of(&server, "alice")).header("Host", host).user("alice");
        server.client().send(&request)
    };
    for _ in 0..3 {
        ask("main").expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
        ask("other").expect_denied_by_kernel().expect_context("landlock:bob");
    }
}

matrix!(each_virtual_host_asks_its_own_database for gates);

/// The question is asked in the worker, before the move and after an early one.
fn after_an_early_move_the_question_runs_confined(cell: Cell) {
    let table = Table::sqlite();
    let Table::Sqlite(file) = &table else { return };
    let folder = file.file().parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    let rule = format!("{ASK}\nConfineEarly landlock:early");
    let grants = format!("LandlockRead \"@root@\" \"{folder}\"\nLandlockWrite \"{folder}\"");
    let server = asking(cell, &table, &rule).ruleset("early", &grants).start();
    let client = server.client();
    let both = "landlock:early landlock:alice";
    client.get_as("alice", &note_of(&server, "alice")).expect_content(NOTE_OF_ALICE).expect_context(both);
    client.get_as("alice", &note_of(&server, "bob")).expect_denied_by_kernel().expect_context(both);
}

matrix!(after_an_early_move_the_question_runs_confined for process_gate);

/// mod_authn_dbd keeps its connection to the end of the request. There is only one connection, so a wait for a second
/// one would never end.
fn the_connection_of_the_authentication_is_used(cell: Cell) {
    let table = Table::postgresql();
    table.sql(
        "CREATE TABLE passwords (name VARCHAR(64), password VARCHAR(200));
         INSERT INTO passwords VALUES ('alice', '{SHA}g2YDYHBhl9R/ddqtGep+ipAO4aU=');
         GRANT SELECT ON passwords TO web;",
    );
    let rule = "DBDMin 1\nDBDKeep 1\nDBDMax 1
        <Location \"/app\">
            AuthBasicProvider dbd
            AuthDBDUserPWQuery \"SELECT password FROM passwords WHERE name = %s\"
            ConfineMap dbd:tenant ttl=0
        </Location>";
    let server = asking(cell, &table, rule).modules(["authn_dbd"]).start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let client = server.client();
                for _ in 0..5 {
                    client.get_as("alice", &note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
                }
            });
        }
    });
}

matrix!(the_connection_of_the_authentication_is_used);
