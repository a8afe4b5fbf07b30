//! People whose password and context stand in a database or a directory, and what each of them gets.

use std::{
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Request, Response, Server,
    tenants::{Expectations as _, NOTE_OF_ALICE, note, note_of, password_hash},
};

/// Who there is, and the contexts that their row or entry holds. Everybody but bob has alice's password.
const ACCOUNTS: [(&str, Option<&str>); 7] = [
    ("alice", Some("landlock:alice")),
    ("bob", Some("bob")),
    ("none", None),
    ("prefix", Some("landlock:")),
    ("unknown", Some("landlock:nobody")),
    ("several", Some("landlock:alice landlock:bob")),
    ("exempt", Some("unconfined")),
];

/// The table `account` with a row for each, and one whose context is empty.
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

/// How mod_dbd is told of the database: with a connection for each request, as docs/directories.md
/// recommends.
pub fn connection(driver: &str, parameters: &str) -> String {
    format!("DBDriver {driver}\nDBDParams \"{parameters}\"\nDBDPersist Off")
}

/// For a section: everybody proves themselves by their row, which has the context in AUTHENTICATE_CONTEXT.
pub const LOGIN_BY_ROW: &str = r#"
AuthType Basic
AuthName "tests"
AuthBasicProvider dbd
AuthDBDUserPWQuery "SELECT password, context FROM account WHERE name = %s"
Require valid-user
"#;

/// The entries `uid=NAME,dc=example,dc=org`, and one, `two`, with alice's context and bob's.
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

/// `user` asks for the note of `owner`.
#[track_caller]
pub fn ask(server: &Server, user: &str, owner: &str) -> Response {
    server.client().send(&request(user, note_of(server, owner)))
}

/// As [`ask`], again and again until the answer has this status: after a graceful restart, a child of before
/// may still take a connection; a cache ends with time.
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

/// `user` reads what is theirs, and the kernel refuses them the other's.
#[track_caller]
pub fn is_confined(server: &Server, user: &str) {
    let other = if user == "bob" { "alice" } else { "bob" };
    ask(server, user, user).expect_content(note(user)).expect_context(&format!("landlock:{user}"));
    ask(server, user, other).expect_denied_by_kernel();
}

/// `user` gets nothing, and the module's log says why.
#[track_caller]
pub fn is_refused(server: &Server, user: &str, status: u16, reason: &str) {
    expect_nothing(ask(server, user, "alice"), status);
    server.wait_for_log(&["confine: refused GET /app/leaky.lua ", &format!("user={user} "), reason]);
}

/// Every account whose value is no context, or none.
#[track_caller]
pub fn no_context_is_refused(server: &Server) {
    is_refused(server, "none", 403, "no rule matched");
    is_refused(server, "prefix", 500, "has no context behind it");
    is_refused(server, "unknown", 500, "there is no ruleset of this name");
    is_refused(server, "several", 500, "a value is one word");
    is_refused(server, "exempt", 500, "unconfined");
}

/// Without a password, with a wrong one, with an empty one, or with a name that nobody has: 401.
#[track_caller]
pub fn who_is_not_proven_is_asked_again(server: &Server) {
    let target = note_of(server, "alice");
    let wrong = [("alice", "wrong"), ("alice", "bob-pw"), ("alice", ""), ("carol", "alice-pw")];
    let requests = wrong.map(|(user, password)| Request::get(&target).password(user, password));
    for request in requests.iter().chain([&Request::get(&target)]) {
        expect_nothing(server.client().send(request), 401);
    }
}

/// This status, and nothing of what alice wrote.
#[track_caller]
pub fn expect_nothing(response: Response, status: u16) {
    let response = response.expect_status(status);
    assert!(!response.text().contains(NOTE_OF_ALICE.trim()), "{response:?}");
}
