//! The variables of authentication (`AUTHENTICATE_*`) only come from the database. No header of such a name counts,
//! and no row of a person whose password was not given.

use confine_tests::{
    Cell, Request, ServerBuilder,
    accounts::{self, *},
    matrix,
    services::Sqlite,
    tenants::*,
};

fn server(cell: Cell, database: &Sqlite, more: &str) -> ServerBuilder {
    leaky_app(cell)
        .modules(["dbd", "authn_dbd"])
        .config(connection("sqlite3", &database.file().display().to_string()))
        .directory("www", &format!("{LOGIN_BY_ROW}\n{more}"))
}

/// As a client may write the variable, and as CGI would call it, or the server after a redirect.
const HEADERS: [&str; 5] = [
    "AUTHENTICATE_CONTEXT",
    "AUTHENTICATE-CONTEXT",
    "Authenticate-Context",
    "HTTP_AUTHENTICATE_CONTEXT",
    "REDIRECT_AUTHENTICATE_CONTEXT",
];

fn a_header_of_that_name(cell: Cell) {
    let database = Sqlite::new(&accounts::table());
    let server = server(cell, &database, "").config("ConfineEnv AUTHENTICATE_CONTEXT").start();
    let client = server.client();
    for header in HEADERS {
        let forged = |user: &str, target: String| request(user, target).header(header, "landlock:bob");
        let target = format!("{}&AUTHENTICATE_CONTEXT=landlock:bob", note_of(&server, "bob"));
        expect_nothing(client.send(&forged("none", target)), 403);
        client.send(&forged("alice", note_of(&server, "bob"))).expect_denied_by_kernel();
        client.send(&forged("alice", note_of(&server, "alice"))).expect_context("landlock:alice");
    }
}

matrix!(a_header_of_that_name);

const GUEST: &str = r#"
<ConfineLandlock guest>
    LandlockRead "@root@/www"
</ConfineLandlock>
"#;

/// Says what mod_authn_dbd made of a row before it looked at the password, and under which name it arrived.
const WHAT_IS_KNOWN: &str = r#"
function handle(r)
    r.headers_out["X-Context"] = r.subprocess_env["CONFINE_CONTEXT"] or "-"
    r.headers_out["X-Row"] = r.subprocess_env["REDIRECT_AUTHENTICATE_CONTEXT"] or "-"
    local file, why = io.open(r.args)
    r:write(file and file:read("a") or why)
    return apache2.OK
end
"#;

fn a_wrong_password(cell: Cell) {
    let database = Sqlite::new(&accounts::table());
    let error_document = "ErrorDocument 401 \"/app/known.lua?@root@/data/alice/note\"";
    let server = server(cell, &database, error_document)
        .file("www/app/known.lua", WHAT_IS_KNOWN)
        .config(GUEST)
        .config("ConfineEnv AUTHENTICATE_CONTEXT\nConfineContext landlock:guest")
        .start();
    let wrong = Request::get("/app/page.txt").password("alice", "wrong");
    let answer = server.client().send(&wrong).expect_status(401);
    assert_eq!(answer.header("x-row"), Some("landlock:alice"), "the row of whom nobody proved: {answer:?}");
    answer.expect_context("landlock:guest");
    assert!(answer.text().contains("Permission denied"), "{answer:?}");
    is_confined(&server, "alice");
}

matrix!(a_wrong_password);
