//! A request that is redirected within one directory is not authenticated again, and the server renames the variables
//! of authentication. The row still counts.

use confine_tests::{
    Cell,
    accounts::{self, *},
    matrix,
    services::Sqlite,
    tenants::*,
};

const SECTION: &str = r#"
RewriteEngine on
RewriteRule "^app/of/(.*)$" "/app/leaky.lua?read=@root@/data/$1/note" [L]
RewriteRule "^app/twice/(.*)$" "/app/of/$1" [L]
DirectoryIndex leaky.lua
ErrorDocument 404 "/app/leaky.lua?read=@root@/data/alice/note"
"#;

fn redirects_within_a_directory(cell: Cell) {
    let database = Sqlite::new(&accounts::table());
    let server = leaky_app(cell)
        .modules(["dbd", "authn_dbd", "rewrite", "dir"])
        .config(connection("sqlite3", &database.file().display().to_string()))
        .directory("www", &format!("{LOGIN_BY_ROW}{SECTION}"))
        .config("ConfineEnv AUTHENTICATE_CONTEXT")
        .start();
    let client = server.client();
    let get = |user: &str, target: &str| client.send(&request(user, target));
    for (user, other) in [("alice", "bob"), ("bob", "alice")] {
        for way in ["of", "twice"] {
            get(user, &format!("/app/{way}/{user}")).expect_content(note(user));
            get(user, &format!("/app/{way}/{other}")).expect_denied_by_kernel();
        }
        get(user, "/app/").expect_status(200).expect_context(&format!("landlock:{user}"));
        get(user, "/app/not-there").expect_status(404).expect_context(&format!("landlock:{user}"));
    }
    assert_eq!(get("alice", "/app/not-there").text(), NOTE_OF_ALICE);
    assert!(get("bob", "/app/not-there").text().contains("Permission denied"));
    expect_nothing(get("none", "/app/of/alice"), 403);
    server.wait_for_log(&["confine: confined GET /app/leaky.lua user=bob ", "context=landlock:bob"]);
}

matrix!(redirects_within_a_directory);

/// mod_authn_socache answers for the database and knows passwords alone: no row, no context.
fn a_cached_password_has_no_row(cell: Cell) {
    let database = Sqlite::new(&accounts::table());
    let login = LOGIN_BY_ROW.replace("AuthBasicProvider dbd", "AuthBasicProvider socache dbd");
    let server = leaky_app(cell)
        .modules(["dbd", "authn_dbd", "authn_socache", "socache_shmcb"])
        .config(connection("sqlite3", &database.file().display().to_string()))
        .config("AuthnCacheSOCache shmcb:@root@/run/passwords")
        .directory("www", &format!("{login}\nAuthnCacheProvideFor dbd"))
        .config("ConfineEnv AUTHENTICATE_CONTEXT")
        .start();
    ask(&server, "alice", "alice").expect_content(NOTE_OF_ALICE);
    is_refused(&server, "alice", 403, "no rule matched");
}

matrix!(a_cached_password_has_no_row for gates);
