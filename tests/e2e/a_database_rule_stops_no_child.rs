//! A request that holds a connection of mod_dbd never waits for something for which another request needs a
//! connection. So a child always goes on, with any number of connections, and however they are kept.

use std::{
    thread,
    time::{Duration, Instant},
};

use confine_tests::{
    Cell, Gate, Mpm, Request, Response, Server, ServerBuilder, matrix,
    tables::{Table, asking},
    tenants::*,
};

/// Longer than each of these takes, unless something hangs.
const SOON: Duration = Duration::from_secs(8);

/// Logins keep their connection to the end of the request. Each check of a password takes some time, in which others
/// begin to want the same row.
fn logins(most: usize, rules: &str) -> String {
    format!(
        "DBDMin 1
        DBDKeep 1
        DBDMax {most}
        DBDPrepareSQL \"SELECT context FROM tenants WHERE name = 'alice' AND %s = 'here'\" by_host
        DBDPrepareSQL \"SELECT context FROM tenants WHERE name = %s\" by_name
        ErrorDocument 404 \"/errors/page.txt\"
        Alias \"/errors\" \"@root@/www/app\"
        Alias \"/free\" \"@root@/www/app\"
        <Location \"/app\">
            AuthBasicProvider dbd
            AuthDBDUserPWQuery \"SELECT password FROM passwords, pg_sleep(0.2) WHERE name = %s\"
        </Location>
        {rules}"
    )
}

fn with_passwords() -> Table {
    let table = Table::postgresql();
    table.sql(
        "CREATE TABLE passwords (name VARCHAR(64), password VARCHAR(200));
         INSERT INTO passwords VALUES ('alice', '{SHA}g2YDYHBhl9R/ddqtGep+ipAO4aU=');
         GRANT SELECT ON passwords TO web;",
    );
    table
}

/// Sends this many logins at the same time, for a page or for an error document, and one request without a login.
fn all_are_served(server: &Server, logins: usize) {
    let began = Instant::now();
    thread::scope(|scope| {
        for number in 0..logins {
            scope.spawn(move || {
                let client = server.client();
                if number % 2 == 0 {
                    client.get_as("alice", &note_of(server, "alice")).expect_content(NOTE_OF_ALICE);
                } else {
                    client.get_as("alice", "/app/missing").expect_status(404);
                }
            });
        }
        thread::sleep(Duration::from_millis(100));
        scope.spawn(move || server.client().get("/free/page.txt").expect_status(200));
    });
    let took = began.elapsed();
    assert!(took < SOON, "the last answer came after {took:?}");
}

fn logins_beside_others(cell: Cell) {
    let early = "ConfineEarly landlock:early\n<ConfineLandlock early>\nLandlockRead /\n</ConfineLandlock>";
    let by_host = "ConfineMap dbd:by_host ttl=1 here";
    // The second rule is asked where the first gives nothing.
    let two = format!("ConfineMap dbd:by_name ttl=1 \"nobody\"\n{by_host}");
    let with_early = format!("{early}\n{two}");
    for (most, rules) in [(1, by_host), (1, &two), (10, &two), (1, &with_early)] {
        if rules == with_early && cell.gate != Gate::Process {
            continue;
        }
        let table = with_passwords();
        let server = asking(cell, &table, &logins(most, rules)).modules(["authn_dbd"]).workers(24).start();
        for _ in 0..2 {
            all_are_served(&server, if most == 1 { 2 } else { most });
            // The answers are forgotten.
            thread::sleep(Duration::from_millis(1100));
        }
    }
}

matrix!(logins_beside_others);

/// Takes a connection of the server's pool and keeps it. Nobody can see that it does.
const KEEPER: &str = "function keep(r)
    kept = r:dbacquire('mod_dbd')
    return apache2.DECLINED
end
";

fn keeping(cell: Cell, table: &Table, rule: &str) -> ServerBuilder {
    asking(cell, table, &format!("DBDMin 1\nDBDKeep 1\nDBDMax 1\n{rule}"))
        .workers(if cell.mpm == Mpm::Prefork { 1 } else { 8 })
        .file("keeper.lua", KEEPER)
        .alias("/keep", "www/app")
        .location("/keep", "LuaHookFixups \"@root@/keeper.lua\" keep")
}

/// A request holds the only connection and comes to a rule that needs another one. It is refused after some time, and
/// all others are served.
fn a_connection_that_an_application_keeps(cell: Cell) {
    let table = Table::sqlite();
    let server = keeping(cell, &table, "ConfineMap dbd:tenant ttl=1").start();
    let ask = |path: &str| -> Response { server.client().send(&Request::get(path).user("alice")) };
    ask("/app/page.txt").expect_status(200);
    thread::sleep(Duration::from_millis(1100));
    thread::scope(|scope| {
        for _ in 0..if cell.mpm == Mpm::Prefork { 1 } else { 3 } {
            scope.spawn(|| ask("/keep/page.txt"));
        }
    });
    server.wait_for_log(&[
        "confine: refused GET /keep/page.txt",
        "all connections of mod_dbd's pool are in use",
    ]);
    ask("/app/page.txt").expect_status(200);
}

matrix!(a_connection_that_an_application_keeps for gates);

/// If nobody keeps a connection, many requests for the same row at the same time ask once.
fn a_stampede_is_one_question(cell: Cell) {
    let table = Table::postgresql();
    let slow = "DBDMax 4\nDBDPrepareSQL \"SELECT context FROM tenants, pg_sleep(0.5) WHERE name = %s\" slow
        ConfineMap dbd:slow ttl=60
        <Location \"/status\">
            SetHandler confine-status
            ConfineContext unconfined
        </Location>";
    let server = asking(cell, &table, slow).workers(40).start();
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| server.client().get_as("alice", "/app/page.txt").expect_status(200));
        }
    });
    let took = began.elapsed();
    assert!(
        took < Duration::from_millis(2500),
        "thirty questions, four at a time, take 3.5 s; this took {took:?}"
    );
    let status = server.client().get("/status").expect_status(200).text();
    let asked =
        status.lines().find(|line| line.starts_with("confine_database_misses_total")).unwrap_or_default();
    assert!(asked.ends_with(" 1"), "{status}");
}

matrix!(a_stampede_is_one_question for gates);
