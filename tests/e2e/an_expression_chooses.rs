//! `ConfineExpr`: a string expression gives the context. If it is empty, the next rule is asked. If it fails, the
//! answer is 500.

use confine_tests::{Cell, Request, Response, Server, matrix, tenants::*};

const RULES: &str = r#"
ConfineExpr "%{HTTP:X-Tenant}"
ConfineContext landlock:guest
<ConfineLandlock guest>
    LandlockRead "@root@/www"
</ConfineLandlock>
"#;

fn an_expression_gives_the_context(cell: Cell) {
    let server = leaky_app(cell).config(RULES).start();
    ask(&server, "landlock:alice").expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    ask(&server, "bob").expect_denied_by_kernel().expect_context("landlock:bob");
    server
        .client()
        .get(&note_of(&server, "alice"))
        .expect_denied_by_kernel()
        .expect_context("landlock:guest");
    ask(&server, "nobody").expect_status(500);
    server.wait_for_log(&[
        "confine: refused GET",
        "httpd.conf:",
        "there is no ruleset of this name",
        "alice, bob, guest",
    ]);
    ask(&server, "selinux:httpd_dog_t:s0").expect_status(500);
    server.wait_for_log(&["confine: refused GET", "httpd_dog_t"]);
    ask(&server, "alice").expect_content(NOTE_OF_ALICE);
}

matrix!(an_expression_gives_the_context);

fn an_expression_that_fails(cell: Cell) {
    let server = leaky_app(cell)
        .config("ConfineContext alice")
        .location("/app/page.txt", "ConfineExpr \"%{file:@root@/nonexistent}\"")
        .start();
    let client = server.client();
    client.get("/app/page.txt").expect_status(500);
    server.wait_for_log(&["confine: refused GET /app/page.txt ", " rule=", "httpd.conf:"]);
    client.get(&note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
}

matrix!(an_expression_that_fails);

/// Asks for alice's note as this tenant.
fn ask(server: &Server, tenant: &str) -> Response {
    server.client().send(&Request::get(note_of(server, "alice")).header("X-Tenant", tenant))
}
