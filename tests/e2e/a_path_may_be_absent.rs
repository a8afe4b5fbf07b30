//! `-/path` in a ruleset grants nothing while the path is absent, and is no error.

use std::fs;

use confine_tests::{Cell, Request, matrix, tenants::*};

fn absent_at_the_start_and_there_after_a_restart(cell: Cell) {
    let server = leaky_app(cell)
        .file("data/shop/note", "of the shop\n")
        .ruleset(
            "shop",
            "LandlockRead \"@root@/www\" \"-@root@/data/later\" -/nonexistent/x \"-@root@/data/shop/note/y\"",
        )
        .location("/app", "ConfineContext shop")
        .start();
    let read = |file: &str| server.client().get(&leaky("read", server.path(file).display().to_string()));
    server.client().get("/app/page.txt").expect_status(200);
    read("data/shop/note").expect_denied_by_kernel();
    fs::rename(server.path("data/shop"), server.path("data/later")).expect("a folder");
    read("data/later/note").expect_denied_by_kernel();
    server.restart_gracefully();
    let is_read = |_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        read("data/later/note").text() == "of the shop\n"
    };
    assert!((0..200).any(is_read), "{}", server.log());
    read("data/bob/note").expect_denied_by_kernel();
}

matrix!(absent_at_the_start_and_there_after_a_restart for gates);

/// With an expression, each request looks for itself.
fn absent_for_one_request(cell: Cell) {
    let server = leaky_app(cell)
        .ruleset(
            "own",
            "LandlockRead \"@root@/www\" \"-@root@/data/%{HTTP:X-Name}\" \"-@root@/no/%{HTTP:X-Name}\"",
        )
        .location("/app", "ConfineContext own")
        .start();
    let ask =
        |name: &str| server.client().send(&Request::get(note_of(&server, "alice")).header("X-Name", name));
    ask("alice").expect_content(NOTE_OF_ALICE);
    ask("bob").expect_denied_by_kernel();
    ask("carol").expect_denied_by_kernel();
    fs::rename(server.path("data/alice"), server.path("data/carol")).expect("a folder");
    let moved = leaky("read", server.path("data/carol/note").display().to_string());
    server.client().send(&Request::get(moved).header("X-Name", "carol")).expect_content(NOTE_OF_ALICE);
    // What is not one component is refused all the same.
    ask("..").expect_status(403);
}

matrix!(absent_for_one_request for gates);
