//! Behind `ConfineEarly` the processes of a pool are in the contexts of the early move, and in those of the rule.

use confine_tests::{Cell, Gate, Mpm, Request, matrix, pools::*, tenants::Expectations};

const WHO: &str = "$data = $_SERVER['DOCUMENT_ROOT'] . '/../data'; echo $_SERVER['CONFINE_CONTEXT'] ?? '-';\n\
                   foreach (['alice', 'bob'] as $of) echo ' ', @file_get_contents(\"$data/$of/secret\") ?: 'closed';";

/// A ruleset for every tenant's files but Alice's.
fn outer() -> String {
    "<ConfineLandlock outer>\nLandlockInclude php-cgi\nLandlockRead \"@root@/www\" \"@root@/data/bob\"\n\
     LandlockWrite \"@root@/run\"\n</ConfineLandlock>\nConfineEarly landlock:outer"
        .to_owned()
}

fn and_what_neither_grants_is_refused(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 2")
        .config(outer())
        .file("www/alice/who.php", php(WHO))
        .file("www/bob/who.php", php(WHO))
        .file("www/early/who.php", php(WHO))
        .file("www/alice/page.shtml", "<!--#include virtual=\"who.php\" -->")
        .directory("www/alice", "AddOutputFilter INCLUDES .shtml")
        .start();
    let client = server.client();
    client.get("/alice/who.php").expect_content("landlock:outer landlock:alice closed closed");
    client.get("/bob/who.php").expect_content(&format!("landlock:outer landlock:bob closed {SECRET_OF_BOB}"));
    // Where no rule applies, the early move's contexts are all.
    client.get("/early/who.php").expect_content(&format!("landlock:outer closed {SECRET_OF_BOB}"));
    // A request inside another one is in all contexts of that one.
    client.get("/alice/page.shtml").expect_content("landlock:outer landlock:alice closed closed");
    server.wait_for_log(&["confine: pool started", "program=php context=landlock:outer landlock:alice"]);
}

matrix!(and_what_neither_grants_is_refused for process_gate);

/// The values of both moves tell pools apart.
#[test]
fn values_of_the_early_move_count() {
    if !can_have_pools() {
        return;
    }
    let tenant = "<ConfineLandlock home>\nLandlockInclude php-cgi\nLandlockRead \"@root@/www\"\n\
                  LandlockRead \"@root@/data/%{req:Tenant}\"\nLandlockWrite \"@root@/run\"\n</ConfineLandlock>\n\
                  ConfineEarly landlock:home";
    let server = two_pools(Cell { mpm: Mpm::Event, gate: Gate::Process }, "Processes 1")
        .config(tenant)
        .file("www/bob/who.php", php(WHO))
        .start();
    for (tenant, secret) in [("alice", "closed"), ("bob", SECRET_OF_BOB)] {
        let request = Request::get("/bob/who.php").header("Tenant", tenant);
        let own = format!("landlock:home landlock:bob closed {secret}");
        server.client().send(&request).expect_content(&own);
        server.wait_for_log(&["pool started", &format!("context=landlock:home landlock:bob({tenant})")]);
    }
}
