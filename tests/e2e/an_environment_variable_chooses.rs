//! `ConfineEnv`: the context is in a variable that another module set. If it is empty or not set, the next rule is
//! asked.

use confine_tests::{Cell, Request, Response, Server, matrix, tenants::*};

const RULES: &str = r#"
SetEnvIf X-Tenant "^(alice|bob|nobody)$" TENANT=landlock:$1
SetEnvIf X-Tenant "^bare-(.*)$" TENANT=$1
SetEnvIf X-Tenant "^empty()$" TENANT=$1
ConfineEnv TENANT
ConfineContext landlock:guest
<ConfineLandlock guest>
    LandlockRead "@root@/www"
</ConfineLandlock>
"#;

fn a_variable_chooses(cell: Cell) {
    let server = leaky_app(cell).modules(["setenvif"]).config(RULES).start();
    ask(&server, "alice").expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    ask(&server, "bob").expect_denied_by_kernel().expect_context("landlock:bob");
    ask(&server, "bare-alice").expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    for next_rule in ["empty", "unset"] {
        ask(&server, next_rule).expect_denied_by_kernel().expect_context("landlock:guest");
    }
    for (no_context, reason) in
        [("nobody", "there is no ruleset of this name"), ("bare-landlock:", "has no context behind it")]
    {
        ask(&server, no_context).expect_status(500);
        server.wait_for_log(&["confine: refused GET /app/leaky.lua ", " rule=", "httpd.conf:", reason]);
    }
    ask(&server, "alice").expect_content(NOTE_OF_ALICE);
}

/// Asks for alice's note as this tenant.
fn ask(server: &Server, tenant: &str) -> Response {
    server.client().send(&Request::get(note_of(server, "alice")).header("X-Tenant", tenant))
}

matrix!(a_variable_chooses);
