//! A value in a ruleset's path is one component. A value that leads elsewhere is refused before anything else
//! happens.

use confine_tests::{Cell, Request, matrix, tenants::*};

const OWN: &str = r#"
<ConfineLandlock own>
    LandlockRead "@root@/www" "@root@/data/%{HTTP:X-Tenant}"
</ConfineLandlock>
<ConfineLandlock named>
    LandlockRead "@root@/www" "@root@/data/%{REMOTE_USER}"
</ConfineLandlock>
"#;

fn values_that_lead_elsewhere(cell: Cell) {
    let server = leaky_app(cell).config(OWN).config("ConfineContext landlock:own").start();
    let client = server.client();
    let ask = |tenant: &str| client.send(&Request::get(note_of(&server, "bob")).header("X-Tenant", tenant));
    let long = "a".repeat(256);
    for (value, reason) in [
        ("..", "leads to another directory"),
        (".", "leads to another directory"),
        ("alice/../bob", "holds a slash"),
        ("/", "holds a slash"),
        ("../data/bob", "holds a slash"),
        (long.as_str(), "is longer than a file name can be"),
    ] {
        let refused = ask(value).expect_status(403);
        assert!(!refused.text().contains(NOTE_OF_BOB.trim()), "{value}: {refused:?}");
        server.wait_for_log(&["confine: refused GET /app/leaky.lua ", "context=landlock:own: path ", reason]);
        ask("alice").expect_denied_by_kernel();
    }
    client.get(&note_of(&server, "bob")).expect_status(403);
    server.wait_for_log(&["confine: refused GET", "the value \"\" of %{HTTP:X-Tenant} is empty"]);
    ask("bob").expect_content(NOTE_OF_BOB).expect_context("landlock:own");
}

matrix!(values_that_lead_elsewhere);

fn a_user_called_dot_dot(cell: Cell) {
    let server = leaky_app(cell)
        .config(OWN)
        .config(LOGIN)
        // The password is `alice-pw`.
        .file("passwords", "..:{SHA}g2YDYHBhl9R/ddqtGep+ipAO4aU=\nalice:{SHA}g2YDYHBhl9R/ddqtGep+ipAO4aU=\n")
        .config("ConfineContext landlock:named")
        .start();
    let ask =
        |user: &str, target: &str| server.client().send(&Request::get(target).password(user, "alice-pw"));
    ask("..", &note_of(&server, "alice")).expect_status(403);
    server.wait_for_log(&[
        "confine: refused GET /app/leaky.lua user=.. ",
        "the value \"..\" of %{REMOTE_USER} leads to another directory",
    ]);
    ask("alice", &note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
    ask("alice", &note_of(&server, "bob")).expect_denied_by_kernel();
}

matrix!(a_user_called_dot_dot);
