//! Under `ConfineMode report` and `learn` a pool without contexts serves what pools serve, and nothing of it is called
//! confined.

use confine_tests::{Cell, Request, matrix, pools::*, tenants::Expectations};

const WHO: &str = "echo $_SERVER['CONFINE_CONTEXT'] ?? '-', ' ', posix_getuid() === 0 ? 'root' : 'user', ' ', \
                   @file_get_contents($_SERVER['DOCUMENT_ROOT'] . '/../data/' . $_GET['of'] . '/secret') ?: 'closed';";

fn and_says_what_it_would(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 2")
        .file("www/alice/who.php", php(WHO))
        .file("www/bob/who.php", php(WHO))
        .file("www/nobody/who.php", php(WHO))
        .location("/alice", "ConfineMode report")
        .location("/nobody", "ConfineMode report\nConfineEnv landlock:TENANT")
        .location("/status", "SetHandler confine-status\nConfineContext unconfined")
        .start();
    let client = server.client();
    // Alice's ruleset does not count, and Bob's does.
    client.get("/alice/who.php?of=bob").expect_content(&format!("- user {SECRET_OF_BOB}"));
    client.get("/bob/who.php?of=alice").expect_content("landlock:bob user closed");
    // What would be refused goes on.
    client.get("/nobody/who.php?of=bob").expect_content(&format!("- user {SECRET_OF_BOB}"));
    let line = server.wait_for_log(&["confine: would confine GET /alice/who.php"]);
    assert!(line.contains("context=landlock:alice") && !line.contains("started in these contexts"), "{line}");
    server.wait_for_log(&["confine: would refuse GET /nobody/who.php", "no rule matched"]);
    server.wait_for_log(&["confine: pool started", "program=php context=unconfined"]);
    let counts = client.get("/status?auto").expect_status(200).text();
    for line in ["ConfineConfined: 1\n", "ConfineWouldConfine: 1\n", "ConfineWouldRefuse: 1\n"] {
        assert!(counts.contains(line), "{line}: {counts}");
    }
    assert!(!server.log().contains("confined GET /alice"), "{}", server.log());
}

matrix!(and_says_what_it_would for gates);

/// A ruleset that would not let the program run stops nobody yet, and `check` tells of it.
fn and_in_place_of_one_that_could_not_be(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let shut = "<ConfineLandlock shut>\nLandlockRead \"@root@/www\"\n</ConfineLandlock>";
    let here = "SetHandler confine-fastcgi:php\nConfineContext landlock:shut\nConfineMode report";
    let server = two_pools(cell, "Processes 1")
        .config(shut)
        .file("www/shut/who.php", php(WHO))
        .config(format!("<LocationMatch \"^/shut\">\n{here}\n</LocationMatch>"))
        .start();
    server.client().get("/shut/who.php?of=bob").expect_content(&format!("- user {SECRET_OF_BOB}"));
    let told = server.confinectl("check", &[]).out;
    for part in ["landlock:shut: it does not let /usr/bin/php-cgi run", "once ConfineMode enforce holds here"]
    {
        assert!(told.contains(part), "{part} in:\n{told}");
    }
}

matrix!(and_in_place_of_one_that_could_not_be for gates);

/// What a pool does is not watched, so nothing is learned of it.
fn and_learns_nothing_of_them(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 1")
        .config("ConfineLearnFolder \"@root@/learned\"")
        .file("www/alice/who.php", php(WHO))
        .location("/alice", "ConfineMode learn")
        .start();
    server.client().get("/alice/who.php?of=bob").expect_content(&format!("- user {SECRET_OF_BOB}"));
    server.wait_for_log(&["confine: would confine GET /alice/who.php"]);
    assert!(!server.log().contains("confine: learning"), "{}", server.log());
}

matrix!(and_learns_nothing_of_them for gates);

/// A program never runs as another user than its rule names.
fn but_not_in_place_of_a_user(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 1")
        .config("ConfineUsers min-uid=1 min-gid=1")
        .file("www/alice/who.php", php(WHO))
        .location("/alice", "ConfineMode report\nConfineEnv TENANT\nConfineContext uid:daemon landlock:alice")
        .start();
    let answer = server.client().send(&Request::get("/alice/who.php?of=bob")).expect_status(500);
    assert!(!answer.text().contains("secret"), "{answer:?}");
    server.wait_for_log(&[
        "confine: refused GET /alice/who.php",
        "its rule names a user, and ConfineMode report",
    ]);
    assert!(server.processes_of("php-cgi").is_empty());
}

matrix!(but_not_in_place_of_a_user for gates);

/// Without such a mode anywhere, nobody gets a pool without contexts.
fn and_only_there(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 1")
        .file("www/exempt/who.php", php(WHO))
        .location("/exempt", "ConfineContext unconfined")
        .start();
    server.client().get("/exempt/who.php?of=bob").expect_status(500);
    server.wait_for_log(&["GET /exempt/who.php", "serves requests in the contexts"]);
}

matrix!(and_only_there for gates);
