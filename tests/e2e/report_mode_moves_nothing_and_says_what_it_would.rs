//! `ConfineMode report`: every decision is made and logged, none is carried out.

use confine_tests::{Cell, matrix, tenants::*};

fn nothing_is_confined_or_refused(cell: Cell) {
    let server = two_people(cell)
        .file("tenants.map", "alice landlock:alice\n")
        .config("ConfineMode report")
        .location("/app/page.txt", "ConfineMode enforce")
        .start();
    let client = server.client();
    client.get_as("alice", &note_of(&server, "bob")).expect_content(NOTE_OF_BOB).expect_context("-");
    let line = server.wait_for_log(&[
        "confine: would confine GET /app/leaky.lua user=alice addr=127.0.0.1 vhost=localhost ",
    ]);
    assert!(line.ends_with("tenants.map:1 context=landlock:alice"), "{line}");
    client.get_as("bob", &note_of(&server, "alice")).expect_content(NOTE_OF_ALICE).expect_context("-");
    server.wait_for_log(&["confine: would refuse GET /app/leaky.lua user=bob ", "no rule matched"]);
    assert_eq!(server.log_lines("confine: confined").len(), 0);
    // Where it is in force, it is in force.
    client.get_as("bob", "/app/page.txt").expect_status(403);
    client.get_as("alice", "/app/page.txt").expect_status(200);
}

matrix!(nothing_is_confined_or_refused);

fn what_would_fail_is_reported_too(cell: Cell) {
    let server = leaky_app(cell)
        .config("ConfineMode report\nConfineExpr \"%{HTTP:X-Tenant}\"\nConfineContext landlock:own")
        .ruleset("own", "LandlockRead \"@root@/data/%{HTTP:X-Owner}\"")
        .start();
    let client = server.client();
    let request = confine_tests::Request::get(note_of(&server, "bob"));
    client.send(&request.clone().header("X-Tenant", "nobody")).expect_content(NOTE_OF_BOB);
    server.wait_for_log(&[
        "confine: would refuse GET /app/leaky.lua ",
        "landlock:nobody: there is no ruleset of this name",
    ]);
    client.send(&request.clone().header("X-Owner", "..")).expect_content(NOTE_OF_BOB);
    server.wait_for_log(&["confine: would refuse GET /app/leaky.lua ", "landlock:own", "\"..\""]);
    client.send(&request.header("X-Tenant", "alice")).expect_content(NOTE_OF_BOB).expect_context("-");
}

matrix!(what_would_fail_is_reported_too);
