//! mod_authn_dbd and `ConfineEnv`: the row that proves the user names the context, in a column of its own.

use confine_tests::{
    Cell, Server, ServerBuilder,
    accounts::{self, *},
    matrix,
    services::*,
    tenants::*,
};

/// A server that asks a database for passwords and contexts.
fn server(cell: Cell, driver: &str, parameters: &str) -> ServerBuilder {
    leaky_app(cell)
        .modules(["dbd", "authn_dbd"])
        .config(connection(driver, parameters))
        .location("/", LOGIN_BY_ROW)
        .config("ConfineEnv AUTHENTICATE_CONTEXT")
}

fn sqlite(cell: Cell) -> (Sqlite, ServerBuilder) {
    let database = Sqlite::new(&accounts::table());
    let server = server(cell, "sqlite3", &database.file().display().to_string());
    (database, server)
}

fn postgresql(cell: Cell) -> (PostgreSql, ServerBuilder) {
    let database = PostgreSql::start(&format!("{}GRANT SELECT ON account TO web;", accounts::table()));
    let server = server(cell, "pgsql", &database.connection());
    (database, server)
}

/// Alice's row says from now on what bob's does.
const SWAP: &str = "UPDATE account SET context = 'bob' WHERE name = 'alice';";

fn each_is_confined_by_their_row(server: &Server) {
    is_confined(server, "alice");
    is_confined(server, "bob");
    no_context_is_refused(server);
    is_refused(server, "empty", 403, "no rule matched");
    who_is_not_proven_is_asked_again(server);
}

fn a_changed_row_counts_at_once(server: &Server) {
    ask(server, "alice", "alice").expect_denied_by_kernel().expect_context("landlock:bob");
}

fn nobody_is_served(server: &Server) {
    for user in ["alice", "bob"] {
        expect_nothing(ask(server, user, "alice"), 500);
        server.wait_for_log(&["authn_dbd:error", user]);
    }
}

fn in_sqlite(cell: Cell) {
    let (mut database, server) = sqlite(cell);
    let server = server.start();
    each_is_confined_by_their_row(&server);
    database.stop();
    nobody_is_served(&server);
    database.start_again();
    is_confined(&server, "alice");
    database.sql(SWAP);
    a_changed_row_counts_at_once(&server);
}

matrix!(in_sqlite);

fn in_postgresql(cell: Cell) {
    let (mut database, server) = postgresql(cell);
    let server = server.start();
    each_is_confined_by_their_row(&server);
    database.stop();
    nobody_is_served(&server);
    database.start_again();
    is_confined(&server, "alice");
    is_confined(&server, "bob");
    database.sql(SWAP);
    a_changed_row_counts_at_once(&server);
}

matrix!(in_postgresql);

/// A kept connection that PQreset opened again has lost its prepared statements (apr_dbd_pgsql.c,
/// dbd_pgsql_check_conn). httpd then finds no user. This is a nuisance, but nobody gets what is not theirs.
fn with_connections_that_are_kept(cell: Cell) {
    let (mut database, server) = postgresql(cell);
    let server = server.config("DBDPersist On\nDBDMin 1\nDBDKeep 1\nDBDMax 1").start();
    is_confined(&server, "alice");
    database.stop();
    let down = ask(&server, "alice", "alice");
    assert!([401, 500].contains(&down.status), "{down:?}");
    expect_nothing(down.clone(), down.status);
    database.start_again();
    for _ in 0..3 {
        match ask(&server, "alice", "bob") {
            confined if confined.status == 200 => drop(confined.expect_denied_by_kernel()),
            unknown => expect_nothing(unknown, 401),
        }
    }
    server.restart_gracefully();
    ask_until(&server, "alice", "alice", 200).expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
}

matrix!(with_connections_that_are_kept for gates);
