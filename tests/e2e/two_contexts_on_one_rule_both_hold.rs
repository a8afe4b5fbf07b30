//! Several contexts on one rule are entered one after the other. Only what all of them grant is granted. If one
//! cannot be entered, the request is refused.

use confine_tests::{Cell, Request, ServerBuilder, matrix, tenants::*};

const RULESETS: &str = r#"
<ConfineLandlock left>
    LandlockRead "@root@/www" "@root@/data/alice" "@root@/data/shared"
</ConfineLandlock>
<ConfineLandlock right>
    LandlockRead "@root@/www" "@root@/data/bob" "@root@/data/shared"
</ConfineLandlock>
<ConfineLandlock own>
    LandlockRead "@root@/www" "@root@/data/%{HTTP:X-Tenant}"
</ConfineLandlock>
Alias "/reversed" "@root@/www/app"
Alias "/second-may-fail" "@root@/www/app"
ConfineContext landlock:left landlock:right
<Location "/reversed">
    ConfineContext landlock:right landlock:left
</Location>
<Location "/second-may-fail">
    ConfineContext landlock:left landlock:own
</Location>
"#;

fn with_rulesets(cell: Cell) -> ServerBuilder {
    leaky_app(cell).file("data/shared/note", "for both\n").config(RULESETS)
}

fn two_rulesets_intersect(cell: Cell) {
    let server = with_rulesets(cell).start();
    let client = server.client();
    let shared = server.path("data/shared/note").display().to_string();
    for (place, context) in
        [("/app", "landlock:left landlock:right"), ("/reversed", "landlock:right landlock:left")]
    {
        let read = |path: &str| client.get(&leaky_at(&format!("{place}/leaky.lua"), "read", path));
        read(&shared).expect_content("for both\n").expect_context(context);
        read(&note_path(&server, "alice")).expect_denied_by_kernel();
        read(&note_path(&server, "bob")).expect_denied_by_kernel();
    }
    client.get(&open_note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
    server
        .wait_for_log(&["confine: confined GET /app/leaky.lua ", "context=\"landlock:left landlock:right\""]);
}

matrix!(two_rulesets_intersect);

fn all_or_nothing(cell: Cell) {
    let server = with_rulesets(cell).start();
    let note = leaky_at("/second-may-fail/leaky.lua", "read", note_path(&server, "alice"));
    let as_tenant = |tenant| server.client().send(&Request::get(&note).header("X-Tenant", tenant));
    as_tenant("alice").expect_content(NOTE_OF_ALICE).expect_context("landlock:left landlock:own");
    as_tenant("bob").expect_denied_by_kernel();
    as_tenant("..").expect_status(403);
    server.wait_for_log(&["confine: refused GET /second-may-fail/leaky.lua ", "landlock:own", "\"..\""]);
}

matrix!(all_or_nothing);
