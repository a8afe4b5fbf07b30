//! A missing path of a ruleset stops the first start. A running server that reads its configuration again goes on. It
//! refuses the requests of this ruleset until the path is back, and serves all others.

use std::{fs, thread, time::Duration};

use confine_tests::{Cell, Gate, Mpm, ServerBuilder, matrix, tenants::*};

fn shop(cell: Cell) -> ServerBuilder {
    leaky_app(cell)
        .file("data/shop/note", "of the shop\n")
        .ruleset("shop", "LandlockRead \"@root@/www\" \"@root@/data/shop\"")
        .alias("/shop", "www/app")
        .location("/shop", "ConfineContext shop")
        .location("/app", "ConfineContext bob")
}

fn it_is_served_again_once_the_path_is_back(cell: Cell) {
    let server = shop(cell).start();
    read_at(&server, "/shop", "data/shop/note").expect_content("of the shop\n");
    fs::rename(server.path("data/shop"), server.path("data/away")).expect("a folder");
    for _ in 0..2 {
        server.restart_gracefully();
        wait_until_refused(&server, "/shop", "data/shop/note");
        server.client().get("/shop/page.txt").expect_status(500);
        let line =
            server.wait_for_log(&["confine: refused GET /shop/leaky.lua ", "data/shop cannot be opened"]);
        assert!(line.contains("(ENOENT)") && line.contains("without a restart"), "{line}");
        server.wait_for_log(&["[confine:warn", "data/shop cannot be opened", "the server goes on"]);
        let of_bob = server.client().get(&note_of(&server, "bob"));
        of_bob.expect_content(NOTE_OF_BOB).expect_context("landlock:bob");
    }
    fs::rename(server.path("data/away"), server.path("data/shop")).expect("a folder");
    thread::sleep(Duration::from_millis(1100));
    for _ in 0..3 {
        read_at(&server, "/shop", "data/shop/note")
            .expect_content("of the shop\n")
            .expect_context("landlock:shop");
        read_at(&server, "/shop", "data/bob/note").expect_denied_by_kernel();
    }
}

matrix!(it_is_served_again_once_the_path_is_back);

/// `apachectl graceful` looks at the configuration first (`-t`), and `-k graceful` reads it to find the server: neither
/// stands in the way of the reload.
#[test]
fn a_reload_by_command_goes_through() {
    let server = shop(Cell { mpm: Mpm::Event, gate: Gate::Process }).start();
    fs::rename(server.path("data/shop"), server.path("data/away")).expect("a folder");
    let run = |words: &[&str]| {
        let program = fs::read_link(format!("/proc/{}/exe", server.pid())).expect("procfs");
        let root = server.path("");
        let mut command = std::process::Command::new(program);
        command.arg("-d").arg(&root).arg("-f").arg(server.path("httpd.conf")).args(words);
        let output = command.output().expect("httpd");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (fine, said) = run(&["-t"]);
    assert!(fine && said.contains("data/shop cannot be opened") && said.contains("warning"), "{said}");
    let (fine, said) = run(&["-k", "graceful"]);
    assert!(fine, "{said}");
    wait_until_refused(&server, "/shop", "data/shop/note");
    server.client().get(&note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
}

#[test]
fn at_the_first_start_it_is_an_error() {
    let builder = shop(Cell { mpm: Mpm::Event, gate: Gate::Process });
    fs::remove_dir_all(builder.path("data/shop")).expect("a folder");
    builder.refused().says(&["ruleset shop: ", "data/shop cannot be opened (ENOENT)", "if it may be absent"]);
}
