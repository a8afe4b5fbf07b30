//! A fixed path of a ruleset is followed only along the administrator's links. A link that a tenant can have made
//! stops the first start. At a restart, requests of this ruleset are refused, and no others.

use std::{fs, os::unix::fs::symlink};

use confine_tests::{Cell, Gate, Mpm, ServerBuilder, matrix, tenants::*};

const ANY: Cell = Cell { mpm: Mpm::Event, gate: Gate::Process };

/// Anybody can write in `data/shared`. The ruleset `shop` applies to `/shop/`, and bob's applies to `/app/`.
fn shop(cell: Cell, lines: &str) -> ServerBuilder {
    leaky_app(cell)
        .writable_folder("data/shared")
        .folder("data/shared/pub")
        .file("data/shared/pub/note", "of the shop\n")
        .ruleset("shop", &format!("LandlockRead \"@root@/www\"\n{lines}"))
        .alias("/shop", "www/app")
        .location("/shop", "ConfineContext shop")
        .location("/app", "ConfineContext bob")
}

/// What a tenant can do who may write in `data/shared`.
fn exchange(root: impl Fn(&str) -> std::path::PathBuf) {
    fs::rename(root("data/shared/pub"), root("data/shared/old")).expect("a folder");
    symlink("../bob", root("data/shared/pub")).expect("a link");
}

fn at_a_restart(cell: Cell) {
    let server = shop(cell, "LandlockRead \"@root@/data/shared/pub\"").start();
    read_at(&server, "/shop", "data/shared/pub/note").expect_content("of the shop\n");
    read_at(&server, "/shop", "data/bob/note").expect_denied_by_kernel();
    exchange(|name| server.path(name));
    server.restart_gracefully();
    wait_until_refused(&server, "/shop", "data/bob/note");
    for file in ["data/bob/note", "data/shared/pub/note"] {
        let refused = read_at(&server, "/shop", file).expect_status(500);
        assert!(!refused.text().contains(NOTE_OF_BOB.trim()), "{refused:?}");
    }
    server.wait_for_log(&["confine: refused GET /shop/leaky.lua ", "data/shared/pub is a symbolic link"]);
    server.wait_for_log(&["[confine:warn", "data/shared/pub is a symbolic link", "the server goes on"]);
    let of_bob = server.client().get(&note_of(&server, "bob"));
    of_bob.expect_content(NOTE_OF_BOB).expect_context("landlock:bob");
    // Taken back: served again, without a restart.
    fs::remove_file(server.path("data/shared/pub")).expect("a link");
    fs::rename(server.path("data/shared/old"), server.path("data/shared/pub")).expect("a folder");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    read_at(&server, "/shop", "data/shared/pub/note")
        .expect_content("of the shop\n")
        .expect_context("landlock:shop");
    read_at(&server, "/shop", "data/bob/note").expect_denied_by_kernel();
}

matrix!(at_a_restart);

#[test]
fn at_the_first_start() {
    for line in [
        "LandlockRead \"@root@/data/shared/pub\"",
        "LandlockRead \"@root@/data/shared/pub/note\"",
        "LandlockWrite \"@root@/data/shared/pub/%{REMOTE_USER}\"",
        // May be absent, and is not: a link is no absence.
        "LandlockExecute \"-@root@/data/shared/pub\"",
    ] {
        let builder = shop(ANY, line);
        exchange(|name| builder.path(name));
        builder.refused().says(&[
            "ruleset shop: ",
            "data/shared/pub is a symbolic link",
            "data/shared may be written by everybody",
            "write LandlockTrustPaths ",
        ]);
    }
}

/// Root's own links, in folders of root's, are followed as ever.
fn links_of_the_administrators(cell: Cell) {
    let builder = shop(cell, "LandlockRead \"@root@/data/link\" \"@root@/data/to-a-file\"");
    symlink("alice", builder.path("data/link")).expect("a link");
    symlink("link/../bob/note", builder.path("data/to-a-file")).expect("a link");
    let server = builder.start();
    read_at(&server, "/shop", "data/alice/note").expect_content(NOTE_OF_ALICE);
    read_at(&server, "/shop", "data/bob/note").expect_content(NOTE_OF_BOB);
    server.restart_gracefully();
    read_at(&server, "/shop", "data/alice/note").expect_content(NOTE_OF_ALICE);
}

matrix!(links_of_the_administrators once);

/// Where whoever may write is trusted, their links are followed, and the log says which.
fn trusted_paths(cell: Cell) {
    let lines = "LandlockTrustPaths \"@root@/data/shared\"\nLandlockRead \"@root@/data/shared/pub\"";
    let builder = shop(cell, lines);
    exchange(|name| builder.path(name));
    let server = builder.start();
    server.wait_for_log(&["data/shared/pub is a symbolic link", "because of LandlockTrustPaths"]);
    read_at(&server, "/shop", "data/bob/note").expect_content(NOTE_OF_BOB);
    shop(cell, "LandlockTrustPaths \"@root@/data/%{REMOTE_USER}\"").refused().says(&["only fixed paths"]);
}

matrix!(trusted_paths once);
