//! A program of `<ConfineFastCGI>` runs in processes that were started in the context, and shares them with no other
//! context.

use std::thread;

use confine_tests::{Cell, Request, matrix, pools::*, tenants::Expectations};

const WHO: &str = "echo getenv('CONFINE_CONTEXT') ?: $_SERVER['CONFINE_CONTEXT'] ?? '-', ' ', posix_getuid() === 0 ? 'root' \
                   : 'user', ' ', count(posix_getgroups() ?: []), ' ', \
                   @file_get_contents($_SERVER['DOCUMENT_ROOT'] . '/../data/' . $_GET['of'] . '/secret') ?: 'closed';";

fn each_context_has_processes_of_its_own(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 2")
        .file("www/alice/who.php", php(WHO))
        .file("www/bob/who.php", php(WHO))
        .start();
    let client = server.client();
    for (tenant, other, secret) in [("alice", "bob", SECRET_OF_ALICE), ("bob", "alice", SECRET_OF_BOB)] {
        let own = client.get(&format!("/{tenant}/who.php?of={tenant}"));
        own.expect_content(&format!("landlock:{tenant} user 0 {secret}"));
        let theirs = client.get(&format!("/{tenant}/who.php?of={other}"));
        theirs.expect_content(&format!("landlock:{tenant} user 0 closed"));
    }
    // A master answers by its first child while it still forks the second.
    until("two masters with two children each", || server.processes_of("php-cgi").len() == 6);
    let processes = server.processes_of("php-cgi");
    for tenant in ["alice", "bob"] {
        let own =
            processes.iter().filter(|(_, folder)| folder.ends_with(&format!("landlock:{tenant}"))).count();
        assert_eq!(own, 3, "{tenant}: {processes:?}");
    }
    server.wait_for_log(&["confine: pool started", "program=php context=landlock:alice"]);
    let line = server.wait_for_log(&["confine: confined GET /alice/who.php"]);
    assert!(line.contains("made by a process that was started in these contexts"), "{line}");
}

matrix!(each_context_has_processes_of_its_own);

fn what_a_request_brings_arrives(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let echo = "echo $_SERVER['REQUEST_METHOD'], ' ', $_SERVER['QUERY_STRING'] ?? '', ' ', $_SERVER['SCRIPT_NAME'], ' ', \
                $_SERVER['PATH_INFO'] ?? '-', ' ', strlen(file_get_contents('php://input')), ' ', \
                $_SERVER['HTTP_X_OWN'] ?? '-';";
    let server = two_pools(cell, "Processes 2")
        .file("www/alice/echo.php", php(echo))
        .file("www/alice/page.shtml", "begin <!--#include virtual=\"echo.php?in=page\" --> end")
        .directory("www/alice", "AddOutputFilter INCLUDES .shtml\nFallbackResource /alice/echo.php")
        .file("www/alice/teapot.php", php("http_response_code(418); echo 'short and stout';"))
        .file("www/alice/to.php", php("header('Location: /alice/echo.php?redirected');"))
        .start();
    let client = server.client();
    client.get("/alice/echo.php/more?a=b").expect_content("GET a=b /alice/echo.php /more 0 -");
    let body = vec![b'x'; 3_000_000];
    let upload = Request::upload("POST", "/alice/echo.php", body).header("X-Own", "own");
    client.send(&upload).expect_content("POST  /alice/echo.php - 3000000 own");
    client.get("/alice/nothing/here").expect_content("GET  /alice/echo.php - 0 -");
    client.get("/alice/page.shtml").expect_content("begin GET in=page /alice/echo.php - 0 - end");
    assert_eq!(client.get("/alice/teapot.php").status, 418);
    let redirected = client.get("/alice/to.php");
    assert_eq!((redirected.status, redirected.header("location")), (302, Some("/alice/echo.php?redirected")));
}

matrix!(what_a_request_brings_arrives for gates);

fn many_requests_at_once(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 2\nRequests 5")
        .workers(8)
        .file("www/alice/who.php", php(WHO))
        .file("www/bob/who.php", php(WHO))
        .start();
    thread::scope(|scope| {
        for (tenant, secret) in
            [("alice", SECRET_OF_ALICE), ("bob", SECRET_OF_BOB)].into_iter().cycle().take(6)
        {
            let (client, target) = (server.client(), format!("/{tenant}/who.php?of={tenant}"));
            scope.spawn(move || {
                for _ in 0..10 {
                    client.get(&target).expect_content(&format!("landlock:{tenant} user 0 {secret}"));
                }
            });
        }
    });
}

matrix!(many_requests_at_once for gates);
