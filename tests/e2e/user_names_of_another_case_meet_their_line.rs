//! A directory, and a database with such a column, accept a user's name in any case. A map that ignores the case
//! gives each spelling the user's line, and so does an expression in lower case. A map that compares exactly does
//! not, and `confinectl check` warns about it.

use confine_tests::{Cell, Request, Server, ServerBuilder, accounts, matrix, services::*, tenants::*};

/// The last line is wider than alice's.
const RULES: &str = "alice landlock:alice\n* landlock:everything\n";

const EXEMPTING: &str = "alice landlock:alice\n* unconfined\n";

fn application(cell: Cell, login: &str) -> ServerBuilder {
    let login = format!("AuthType Basic\nAuthName \"tests\"\n{login}\nRequire valid-user");
    leaky_app(cell)
        .ruleset("everything", "LandlockRead \"/\"")
        .location("/", &login)
        .alias("/expr", "www/app")
        .file("exact.map", RULES)
        .file("any-case.map", format!("__names__ ignore-case\n{RULES}"))
        .config("ConfineBackend landlock")
        .location("/expr", "ConfineExpr \"%{tolower:%{REMOTE_USER}}\"")
}

fn by_directory(cell: Cell, directory: &Directory) -> ServerBuilder {
    let (manager, password) = MANAGER;
    let login = format!(
        "AuthBasicProvider ldap\nAuthLDAPURL \"ldap://127.0.0.1:{}/dc=example,dc=org?uid\"\n\
         AuthLDAPBindDN \"{manager}\"\nAuthLDAPBindPassword {password}",
        directory.port()
    );
    application(cell, &login).modules(["ldap", "authnz_ldap"])
}

fn by_table(cell: Cell, table: &Sqlite) -> ServerBuilder {
    let login = "AuthBasicProvider dbd\nAuthDBDUserPWQuery \"SELECT password FROM account WHERE name = %s\"";
    let file = table.file().display().to_string();
    application(cell, login).modules(["dbd", "authn_dbd"]).config(accounts::connection("sqlite3", &file))
}

/// Alice reads bob's note, under each spelling of her name.
fn ask(server: &Server, user: &str, place: &str) -> confine_tests::Response {
    let target = leaky_at(&format!("{place}/leaky.lua"), "read", note_path(server, "bob"));
    server.client().send(&Request::get(target).password(user, "alice-pw"))
}

fn every_spelling_is_alice(server: &Server) {
    for user in ["alice", "ALICE", "Alice"] {
        for place in ["/app", "/expr"] {
            ask(server, user, place).expect_denied_by_kernel().expect_context("landlock:alice");
        }
    }
}

const IN_ANY_CASE: &str = "ConfineMap \"@root@/any-case.map\"";

fn a_directory_takes_any_case(cell: Cell) {
    let directory = Directory::start(&accounts::entries());
    every_spelling_is_alice(&by_directory(cell, &directory).location("/app", IN_ANY_CASE).start());
    // The control: the directory accepts the name, and an exact map does not use her line.
    let server = by_directory(cell, &directory).location("/app", "ConfineMap \"@root@/exact.map\"").start();
    ask(&server, "alice", "/app").expect_denied_by_kernel();
    ask(&server, "ALICE", "/app").expect_content(NOTE_OF_BOB).expect_context("landlock:everything");
}

matrix!(a_directory_takes_any_case for process_gate);

fn a_column_takes_any_case(cell: Cell) {
    let hash = password_hash("alice");
    let table = Sqlite::new(&format!(
        "CREATE TABLE account (name text COLLATE NOCASE PRIMARY KEY, password text);\n\
         INSERT INTO account VALUES ('alice', '{hash}');"
    ));
    every_spelling_is_alice(&by_table(cell, &table).location("/app", IN_ANY_CASE).start());
}

matrix!(a_column_takes_any_case for process_gate);

fn check_warns(cell: Cell) {
    let directory = Directory::start(&accounts::entries());
    let with = |rules: &str| {
        let builder = by_directory(cell, &directory).file("exact.map", rules);
        builder.location("/app", "ConfineMap \"@root@/exact.map\"").confinectl("check", &[])
    };
    let run = with(RULES);
    let note = "exact.map:2: note: * landlock:everything is also for users who type their names in another case than on \
                their lines, and may be wider than their own lines; where a directory or a database takes both for one \
                user, write __names__ ignore-case before the first rule";
    assert!(run.out.contains(note), "{run}");
    let run = with(EXEMPTING).expect_status(1);
    let finding = "exact.map:2: * unconfined is also for users who type their names in another case than on their lines";
    assert!(run.out.contains(finding), "{run}");
    let mended = with(&format!("__names__ ignore-case\n{EXEMPTING}"));
    assert!(!mended.out.contains("in another case"), "{}", mended.out);
    // Files compare exactly.
    let files = leaky_app(cell).config(LOGIN).file("exact.map", EXEMPTING);
    let run = files.location("/app", "ConfineMap \"@root@/exact.map\"").confinectl("check", &[]);
    assert!(!run.out.contains("in another case"), "{}", run.out);
}

matrix!(check_warns for process_gate);
