//! One request can have several attempts to log in. The variables of the successful attempt count. A name that a
//! provider accepted without a password belongs to nobody.

use confine_tests::{
    Cell, Request, Response, Server, ServerBuilder,
    accounts::{self, connection},
    matrix,
    services::Sqlite,
    tenants::*,
};

const FORM: &str = r#"
<AuthnProviderAlias dbd rows>
    AuthDBDUserPWQuery "SELECT password, context FROM account WHERE name = %s"
</AuthnProviderAlias>
<Location "/app">
    AuthType form
    AuthName "tests"
    AuthFormProvider @providers@
    AuthUserFile "@root@/passwords-of-bob"
    AuthDBDUserPWQuery "SELECT password, context FROM account WHERE name = %s"
    Session On
    SessionCookieName session path=/
    Require valid-user
</Location>
"#;

/// Alice has a row, and bob a line in a file.
fn with_forms(cell: Cell, database: &Sqlite, providers: &str, rule: &str) -> Server {
    leaky_app(cell)
        .modules(["dbd", "authn_dbd", "auth_form", "session", "session_cookie", "request"])
        .config(connection("sqlite3", &database.file().display().to_string()))
        .file("passwords-of-bob", format!("bob:{}\n", password_hash("bob")))
        .config(FORM.replace("@providers@", providers))
        .config(rule)
        .start()
}

fn log_in(server: &Server, target: &str, user: &str, password: &str, session: Option<&str>) -> Response {
    let form = format!("httpd_username={user}&httpd_password={password}");
    let mut request = Request::upload("POST", target, form.into_bytes())
        .header("Content-Type", "application/x-www-form-urlencoded");
    if let Some(session) = session {
        request = request.header("Cookie", &format!("session={session}"));
    }
    server.client().send(&request)
}

fn one_who_failed_and_one_who_did_not(cell: Cell) {
    let database = Sqlite::new(&accounts::table());
    database.sql("DELETE FROM account WHERE name = 'bob'");
    for providers in ["dbd file", "rows file"] {
        for rule in ["ConfineEnv AUTHENTICATE_CONTEXT", "ConfineExpr %{ENV:AUTHENTICATE_CONTEXT}"] {
            let server = with_forms(cell, &database, providers, rule);
            let note = note_of(&server, "alice");
            log_in(&server, &note, "alice", "alice-pw", None)
                .expect_content(NOTE_OF_ALICE)
                .expect_context("landlock:alice");
            log_in(&server, &note, "alice", "wrong", None).expect_status(401);
            log_in(&server, &note, "bob", "bob-pw", None).expect_status(403);
            // The session's alice fails, but her row is in the environment. The form's bob succeeds, and has no row.
            let session = Some("tests-user=alice&tests-pw=wrong");
            log_in(&server, &note, "bob", "bob-pw", session).expect_status(403);
            log_in(&server, &note, "alice", "wrong", Some("tests-user=bob&tests-pw=wrong"))
                .expect_status(401);
            server.wait_for_log(&["confine: refused ", " user=bob ", "no rule matched"]);
        }
    }
}

matrix!(one_who_failed_and_one_who_did_not for gates);

const ANYBODY: &str = r#"
<ConfineLandlock guest>
    LandlockRead "@root@/www"
</ConfineLandlock>
<AuthnProviderAlias anon visitors>
    Anonymous *
</AuthnProviderAlias>
<Location "/app">
    AuthType Basic
    AuthName "tests"
    AuthBasicProvider file @anybody@
    AuthUserFile "@root@/passwords-of-bob"
    Anonymous *
    Require valid-user
</Location>
ConfineMap "@root@/guests.map"
"#;

fn anybody(cell: Cell, provider: &str) -> ServerBuilder {
    leaky_app(cell)
        .modules(["authn_anon"])
        .file("passwords-of-bob", format!("bob:{}\n", password_hash("bob")))
        .file("guests.map", "alice landlock:alice\nbob landlock:bob\n__anonymous__ landlock:guest\n")
        .config(ANYBODY.replace("@anybody@", provider))
}

fn whoever_says_a_name(cell: Cell) {
    for provider in ["anon", "visitors"] {
        let server = anybody(cell, provider).start();
        let client = server.client();
        let as_alice = Request::get(note_of(&server, "alice")).password("alice", "alice@example.org");
        client.send(&as_alice).expect_denied_by_kernel().expect_context("landlock:guest");
        client
            .get_as("bob", &note_of(&server, "bob"))
            .expect_content(NOTE_OF_BOB)
            .expect_context("landlock:bob");
    }
}

matrix!(whoever_says_a_name for gates);

/// Apart from mod_authnz_ldap and mod_authn_dbd, nobody proves anything by setting such a variable.
fn a_variable_that_somebody_else_set(cell: Cell) {
    let server = leaky_app(cell)
        .modules(["env", "setenvif"])
        .config(LOGIN)
        .config(
            "SetEnv AUTHENTICATE_CONTEXT landlock:bob\nSetEnvIf User-Agent . AUTHORIZE_CONTEXT=landlock:bob",
        )
        .config("ConfineExpr %{ENV:AUTHENTICATE_CONTEXT}%{ENV:AUTHORIZE_CONTEXT}")
        .config(
            "ConfineEnv AUTHENTICATE_CONTEXT\nConfineEnv AUTHORIZE_CONTEXT\nConfineContext landlock:alice",
        )
        .start();
    let client = server.client();
    let request = Request::get(note_of(&server, "bob")).user("alice").header("User-Agent", "x");
    client.send(&request).expect_denied_by_kernel().expect_context("landlock:alice");
    client.get_as("alice", &note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
}

matrix!(a_variable_that_somebody_else_set for gates);
