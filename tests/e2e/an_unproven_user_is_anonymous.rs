//! A name counts only once it is proven: without a password, or with a wrong one, a request is
//! anonymous.

use confine_tests::{Cell, Request, matrix, tenants::*};

const GUESTS: &str = r#"
<ConfineLandlock guest>
    LandlockRead "@root@/www"
</ConfineLandlock>
<ConfineLandlock own>
    LandlockRead "@root@/www" "@root@/data/%{REMOTE_USER}"
</ConfineLandlock>
"#;

fn a_request_without_a_password(cell: Cell) {
    let server = leaky_app(cell)
        .config(OPTIONAL_LOGIN)
        .config(GUESTS)
        .file("guests.map", "alice landlock:alice\n__anonymous__ landlock:guest\n")
        .config("ConfineMap guests.map")
        .start();
    let client = server.client();
    client
        .get_as("alice", &note_of(&server, "alice"))
        .expect_content(NOTE_OF_ALICE)
        .expect_context("landlock:alice");
    client.get(&note_of(&server, "alice")).expect_denied_by_kernel().expect_context("landlock:guest");
    client.get("/app/page.txt").expect_content("a page for everybody\n");
    // A proven user whom no line names is not anonymous.
    client.get_as("bob", "/app/page.txt").expect_status(403);
}

matrix!(a_request_without_a_password);

/// httpd copies the typed name to an ErrorDocument of the very same directory configuration.
const LOGIN_WITH_ERROR_DOCUMENT: &str = r#"
ErrorDocument 401 "/app/leaky.lua?read=@root@/data/alice/note"
<Directory "@root@/www">
    AuthType Basic
    AuthName "tests"
    AuthBasicProvider file
    AuthUserFile "@root@/passwords"
    Require valid-user
</Directory>
"#;

fn a_wrong_password_as_the_stock_server_sees_it(cell: Cell) {
    let server = application(cell).stock().config(LOGIN_WITH_ERROR_DOCUMENT).start();
    let response =
        server.client().send(&Request::get("/app/page.txt").password("alice", "wrong")).expect_status(401);
    assert_eq!(
        (response.header("x-user"), response.text().as_str()),
        (Some("alice"), NOTE_OF_ALICE),
        "{response:?}"
    );
}

matrix!(a_wrong_password_as_the_stock_server_sees_it once);

fn a_wrong_password(cell: Cell) {
    let server = leaky_app(cell)
        .config(LOGIN_WITH_ERROR_DOCUMENT)
        .config(GUESTS)
        .file("guests.map", "alice landlock:alice\n__anonymous__ landlock:guest\n")
        .config("ConfineMap guests.map")
        .start();
    let client = server.client();
    let wrong = client.send(&Request::get("/app/page.txt").password("alice", "wrong")).expect_status(401);
    assert!(wrong.text().contains("Permission denied"), "{wrong:?}");
    wrong.expect_context("landlock:guest");
    server.wait_for_log(&["confine: confined GET /app/leaky.lua user=- ", "context=landlock:guest"]);
    client.get_as("alice", &note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
}

matrix!(a_wrong_password);

fn a_wrong_password_in_a_rulesets_path(cell: Cell) {
    let server = leaky_app(cell)
        .config(LOGIN_WITH_ERROR_DOCUMENT)
        .config(GUESTS)
        .config("ConfineContext landlock:own")
        .start();
    let client = server.client();
    let wrong = client.send(&Request::get("/app/page.txt").password("alice", "wrong")).expect_status(401);
    assert!(!wrong.text().contains(NOTE_OF_ALICE.trim()), "{wrong:?}");
    server.wait_for_log(&["confine: refused GET /app/leaky.lua user=- ", "context=landlock:own: "]);
    client.get_as("alice", &note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
    client.get_as("alice", &note_of(&server, "bob")).expect_denied_by_kernel();
    client.get_as("bob", &note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
}

matrix!(a_wrong_password_in_a_rulesets_path);

fn a_wrong_password_in_an_expression(cell: Cell) {
    let server =
        leaky_app(cell).config(LOGIN_WITH_ERROR_DOCUMENT).config("ConfineExpr \"%{REMOTE_USER}\"").start();
    let client = server.client();
    let wrong = client.send(&Request::get("/app/page.txt").password("alice", "wrong")).expect_status(401);
    assert!(!wrong.text().contains(NOTE_OF_ALICE.trim()), "{wrong:?}");
    client.get_as("alice", &note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
}

matrix!(a_wrong_password_in_an_expression);
