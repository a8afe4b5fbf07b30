//! People whose passwords and contexts are in a database or a directory, and what each of them gets.

use std::{
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Request, Response, Server,
    tenants::{Expectations as _, NOTE_OF_ALICE, note, note_of, password_hash},
};

/// The names, and the contexts in their rows or entries. Everybody but bob has alice's password.
const ACCOUNTS: [(&str, Option<&str>); 7] = [
    ("alice", Some("landlock:alice")),
    ("bob", Some("bob")),
    ("none", None),
    ("prefix", Some("landlock:")),
    ("unknown", Some("landlock:nobody")),
    ("several", Some("landlock:alice landlock:bob")),
    ("exempt", Some("unconfined")),
];

/// The table `account` with a row for each person. The context of one of them is empty.
pub fn table() -> String {
    let mut sql =
        "CREATE TABLE account (name text PRIMARY KEY, password text NOT NULL, context text);\n".to_owned();
    for (name, context) in ACCOUNTS.into_iter().chain([("empty", Some(""))]) {
        let context = context.map_or("NULL".to_owned(), |context| format!("'{context}'"));
        let hash = password_hash(if name == "bob" { "bob" } else { "alice" });
        let _ = writeln!(sql, "INSERT INTO account VALUES ('{name}', '{hash}', {context});");
    }
    sql
}

/// The directives that connect mod_dbd with the database. Each request gets a connection, as docs/directories.md
/// recommends.
pub fn connection(driver: &str, parameters: &str) -> String {
    format!("DBDriver {driver}\nDBDParams \"{parameters}\"\nDBDPersist Off")
}

/// Lines for a section: everybody logs in by the row of a database. The row's context is in AUTHENTICATE_CONTEXT.
pub const LOGIN_BY_ROW: &str = r#"
AuthType Basic
AuthName "tests"
AuthBasicProvider dbd
AuthDBDUserPWQuery "SELECT password, context FROM account WHERE name = %s"
Require valid-user
"#;

/// The entries `uid=NAME,dc=example,dc=org`. One of them, `two`, has the contexts of alice and of bob.
pub fn entries() -> String {
    let mut ldif = String::new();
    let two = ("two", Some("landlock:alice\nconfineContext: landlock:bob"));
    for (name, context) in ACCOUNTS.into_iter().chain([two]) {
        let password = password(name);
        let _ = writeln!(
            ldif,
            "dn: uid={name},dc=example,dc=org\nobjectClass: account\nobjectClass: simpleSecurityObject\n\
             objectClass: confineAccount\nuid: {name}\nuserPassword: {password}"
        );
        if let Some(context) = context {
            let _ = writeln!(ldif, "confineContext: {context}");
        }
        ldif.push('\n');
    }
    ldif
}

fn password(name: &str) -> &'static str {
    if name == "bob" { "bob-pw" } else { "alice-pw" }
}

/// A request of `user` for `target`, with the right password.
pub fn request(user: &str, target: impl Into<String>) -> Request {
    Request::get(target).password(user, password(user))
}

/// Requests the note of `owner` as `user`.
#[track_caller]
pub fn ask(server: &Server, user: &str, owner: &str) -> Response {
    server.client().send(&request(user, note_of(server, owner)))
}

/// As [`ask`], repeated until the answer has this status. After a graceful restart an old child may still take a
/// connection, and a cache takes time to expire.
#[track_caller]
pub fn ask_until(server: &Server, user: &str, owner: &str, status: u16) -> Response {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let response = ask(server, user, owner);
        if response.status == status {
            return response;
        }
        assert!(Instant::now() < deadline, "never {status}: {response:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Checks that `user` can read their own note, and that the kernel refuses the other one.
#[track_caller]
pub fn is_confined(server: &Server, user: &str) {
    let other = if user == "bob" { "alice" } else { "bob" };
    ask(server, user, user).expect_content(note(user)).expect_context(&format!("landlock:{user}"));
    ask(server, user, other).expect_denied_by_kernel();
}

/// Checks that `user` gets nothing, and that the module's log says why.
#[track_caller]
pub fn is_refused(server: &Server, user: &str, status: u16, reason: &str) {
    expect_nothing(ask(server, user, "alice"), status);
    server.wait_for_log(&["confine: refused GET /app/leaky.lua ", &format!("user={user} "), reason]);
}

/// Checks that every account is refused whose value is missing or is no context.
#[track_caller]
pub fn no_context_is_refused(server: &Server) {
    is_refused(server, "none", 403, "no rule matched");
    is_refused(server, "prefix", 500, "has no context behind it");
    is_refused(server, "unknown", 500, "there is no ruleset of this name");
    is_refused(server, "several", 500, "a value is one word");
    is_refused(server, "exempt", 500, "unconfined");
}

/// Checks that these get 401: no password, a wrong one, an empty one, and an unknown name.
#[track_caller]
pub fn who_is_not_proven_is_asked_again(server: &Server) {
    let target = note_of(server, "alice");
    let wrong = [("alice", "wrong"), ("alice", "bob-pw"), ("alice", ""), ("carol", "alice-pw")];
    let requests = wrong.map(|(user, password)| Request::get(&target).password(user, password));
    for request in requests.iter().chain([&Request::get(&target)]) {
        expect_nothing(server.client().send(request), 401);
    }
}

/// Checks that the answer has this status and contains nothing that alice wrote.
#[track_caller]
pub fn expect_nothing(response: Response, status: u16) {
    let response = response.expect_status(status);
    assert!(!response.text().contains(NOTE_OF_ALICE.trim()), "{response:?}");
}
