//! Every request is counted once, by its outcome. The counts are the same in every process, and they survive a
//! restart.

use confine_tests::{Cell, Request, Server, matrix, tenants::*};

fn counted_once(cell: Cell) {
    let server = leaky_app(cell)
        .modules(["status"])
        .location("/counts", "SetHandler confine-status\nConfineContext unconfined\nRequire all granted")
        .location("/server-status", "SetHandler server-status\nConfineContext unconfined")
        .location("/report", "ConfineMode report\nConfineContext alice")
        .alias("/report", "www/app")
        .config("ConfineExpr \"%{HTTP:X-Tenant}\"")
        .start();
    let client = server.client();
    let ask = |tenant: &str| client.send(&Request::get("/app/page.txt").header("X-Tenant", tenant));
    for tenant in ["alice", "bob", "alice"] {
        ask(tenant).expect_status(200);
    }
    ask("nobody").expect_status(500);
    client.get("/app/page.txt").expect_status(403);
    client.get("/report/page.txt").expect_status(200);
    let expected =
        [("Confined", 3), ("RefusedContext", 1), ("RefusedUnmatched", 1), ("WouldConfine", 1), ("Panic", 0)];
    for _ in 0..4 {
        for (outcome, number) in expected {
            assert_eq!(count(&server, outcome), number, "{outcome}");
        }
    }
    let page = server.client().get("/server-status?auto").expect_status(200).text();
    assert!(page.contains("ConfineConfined: 3\n") && page.contains("ConfineRefusedUnmatched: 1\n"), "{page}");
    server.restart_gracefully();
    assert_eq!(count(&server, "Confined"), 3, "after a restart");
}

/// Reads the status page on a connection of its own, so any process may answer.
fn count(server: &Server, outcome: &str) -> u64 {
    let page = server.client().get("/counts").expect_status(200).text();
    let name = format!("confine_requests_total{{outcome=\"{outcome}\"}} ");
    let number =
        page.lines().find_map(|line| line.strip_prefix(&name)).and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no {outcome} in:\n{page}"))
}

matrix!(counted_once);
