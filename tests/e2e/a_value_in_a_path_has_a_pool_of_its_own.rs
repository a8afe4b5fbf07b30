//! Where the paths of a ruleset hold values of the request, each value has a pool. What a value must be, and who is
//! proven, is as for threads.

use confine_tests::{Cell, Gate, Mpm, Request, Server, ServerBuilder, matrix, pools::*, tenants::*};

const WHO: &str = "$data = $_SERVER['DOCUMENT_ROOT'] . '/../data'; $of = $_GET['of'];\n\
                   echo @file_get_contents(\"$data/$of/secret\") ?: 'closed', ' ', session_save_path();";

/// One ruleset for all tenants, by the name of who is logged in.
fn by_login(cell: Cell, section: &str) -> ServerBuilder {
    let passwords: String = ["alice", "bob"].map(|user| format!("{user}:{}\n", password_hash(user))).concat();
    two_pools(cell, section)
        .modules(["auth_basic", "authn_file", "authz_user"])
        .ruleset(
            "home",
            "LandlockInclude php-cgi\nLandlockRead \"@root@/www/home\" \"@root@/passwords\" \"@root@/data/%{REMOTE_USER}\"\n\
             LandlockWrite \"@root@/data/%{REMOTE_USER}\"",
        )
        .config(LOGIN)
        .file("passwords", passwords)
        .file("www/home/who.php", php(WHO))
        .file("www/home/page.shtml", "<!--#include virtual=\"who.php?of=alice\" -->")
        .directory("www/home", "Options +Includes\nAddOutputFilter INCLUDES .shtml")
        .location("/home", "ConfineContext landlock:home")
}

#[track_caller]
fn ask(server: &Server, user: &str, target: &str) -> confine_tests::Response {
    server.client().send(&Request::get(target).password(user, &format!("{user}-pw")))
}

fn and_reaches_no_other(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = by_login(cell, "Processes 1").start();
    for _ in 0..2 {
        for (user, other, secret) in [("alice", "bob", SECRET_OF_ALICE), ("bob", "alice", SECRET_OF_BOB)] {
            let own = ask(&server, user, &format!("/home/who.php?of={user}")).expect_status(200).text();
            assert!(own.starts_with(secret), "{own}");
            assert!(own.contains(&format!("/confine-tmp/landlock:home=28{user}=29")), "{own}");
            let theirs = ask(&server, user, &format!("/home/who.php?of={other}")).expect_status(200).text();
            assert!(theirs.starts_with("closed "), "{theirs}");
        }
    }
    assert_eq!(
        server.processes_of("php-cgi").len(),
        2,
        "a pool for each: {:?}",
        server.processes_of("php-cgi")
    );
    server.wait_for_log(&["confine: pool started", "program=php context=landlock:home(alice)"]);
    // An include stays in the pool of the value.
    assert!(ask(&server, "alice", "/home/page.shtml").expect_status(200).text().starts_with(SECRET_OF_ALICE));
    assert!(ask(&server, "bob", "/home/page.shtml").expect_status(200).text().starts_with("closed"));
}

matrix!(and_reaches_no_other for gates);

fn values_are_looked_at_as_for_threads(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = by_login(cell, "Processes 1")
        .ruleset(
            "header",
            "LandlockInclude php-cgi\nLandlockRead \"@root@/www/header\" \"@root@/data/%{req:Tenant}\"",
        )
        .file("www/header/who.php", php(WHO))
        .location("/header", "Require all granted\nAuthType None\nConfineContext landlock:header")
        .location("/anonymous", "Require all granted\nAuthType None\nConfineContext landlock:home")
        .file("www/anonymous/who.php", php(WHO))
        .start();
    // Nobody is proven there.
    ask(&server, "alice", "/anonymous/who.php?of=alice").expect_status(403);
    server.wait_for_log(&["refused GET /anonymous/who.php", "the value \"\" of %{REMOTE_USER} is empty"]);
    // There is no such folder.
    let request = Request::get("/header/who.php?of=alice").header("Tenant", "carol");
    server.client().send(&request).expect_status(500);
    server.wait_for_log(&["refused GET /header/who.php", "cannot be opened (ENOENT)"]);
    for value in ["../data/alice", "..", "", &"x".repeat(300)] {
        let request = Request::get("/header/who.php?of=alice").header("Tenant", value);
        server.client().send(&request).expect_status(403);
    }
    let request = Request::get("/header/who.php?of=alice").header("Tenant", "alice");
    assert!(server.client().send(&request).expect_status(200).text().starts_with(SECRET_OF_ALICE));
    assert_eq!(server.processes_of("php-cgi").len(), 1, "{:?}", server.processes_of("php-cgi"));
}

matrix!(values_are_looked_at_as_for_threads for gates);

/// More contexts than there can be pools: those that are unused give their places up.
#[test]
fn unused_pools_make_room_for_others() {
    if !can_have_pools() {
        return;
    }
    const TENANTS: usize = 115;
    let mut builder =
        two_pools(Cell { mpm: Mpm::Event, gate: Gate::Handler }, "Processes 1\nTotal 8\nIdle 1")
            // Half of them are for sockets of pools. A ruleset that is made needs some fifty.
            .few_descriptors(192)
            .ruleset(
                "header",
                "LandlockInclude php-cgi\nLandlockRead \"@root@/www/header\" \"@root@/data/%{req:Tenant}\"",
            )
            .file("www/header/who.php", php(WHO))
            .location("/header", "ConfineContext landlock:header")
            .location("/status", "SetHandler confine-status\nConfineContext unconfined");
    for tenant in 0..TENANTS {
        builder = builder.file(&format!("data/tenant{tenant}/secret"), format!("secret {tenant}"));
    }
    let server = builder.start();
    for tenant in (0..TENANTS).chain([0, 1, TENANTS - 1]) {
        let request = Request::get(format!("/header/who.php?of=tenant{tenant}"))
            .header("Tenant", &format!("tenant{tenant}"));
        let own = server.client().send(&request).expect_status(200).text();
        assert!(own.starts_with(&format!("secret {tenant} ")), "{tenant}: {own}");
    }
    let lines = server.client().get("/status?auto").expect_status(200).text();
    let pools =
        lines.lines().filter(|line| line.starts_with("ConfinePool[") && line.contains("]Context: ")).count();
    assert!((1..=96).contains(&pools), "{pools} pools are kept");
}
