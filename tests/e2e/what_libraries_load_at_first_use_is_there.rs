//! Drivers and converters that a library loads at its first use are already loaded, whichever request comes first in
//! a child. The rulesets of these requests do not let them read any of these files.

use confine_tests::{Cell, Mpm, Request, ServerBuilder, matrix, tenants::*};

/// Two letters of Japanese in SHIFT_JIS, and what they are in UTF-8.
const SHIFT_JIS: &[u8] = b"\x93\xfa\x96\x7b\n";
const UTF_8: &str = "\u{65e5}\u{672c}\n";

fn one_child(cell: Cell, server: ServerBuilder) -> ServerBuilder {
    server.workers(if cell.mpm == Mpm::Prefork { 1 } else { 4 })
}

/// mod_dav_fs keeps properties and locks in DBM files.
fn a_dbm_driver(cell: Cell) {
    let folder = |server: ServerBuilder| dav_folder(one_child(cell, server));
    let ruleset =
        "LandlockRead \"@root@/www\" \"@root@/locks\"\nLandlockWrite \"@root@/www/dav\" \"@root@/locks\"";
    let confined = folder(leaky_app(cell))
        .ruleset("dav", ruleset)
        .location("/dav", "ConfineContext landlock:dav")
        .start();
    let stock = folder(application(cell)).stock().start();
    for server in [&stock, &confined] {
        let put = Request::upload("PUT", "/dav/file", b"text".to_vec());
        server.client().send(&put).expect_status(201);
        let lock = "<?xml version='1.0'?><lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope>\
                    <locktype><write/></locktype></lockinfo>";
        let lock = Request::upload("LOCK", "/dav/file", lock.into()).header("Content-Type", "text/xml");
        server.client().send(&lock).expect_status(200);
    }
}

matrix!(a_dbm_driver);

fn a_character_set(cell: Cell) {
    let page = |server: ServerBuilder| {
        one_child(cell, server)
            .modules(["charset_lite"])
            .file("www/pages/japanese.txt", SHIFT_JIS)
            .location("/pages", "CharsetSourceEnc SHIFT_JIS\nCharsetDefault UTF-8")
    };
    let confined = page(leaky_app(cell)).location("/pages", "ConfineContext landlock:alice").start();
    let stock = page(application(cell)).stock().start();
    for server in [&stock, &confined] {
        let response = server.client().get("/pages/japanese.txt").expect_status(200);
        assert_eq!(response.text(), UTF_8);
    }
}

matrix!(a_character_set);
