//! A tenant who truncates a file while it is sent damages only that response. Under a rule files are read and not
//! mapped into memory. With a mapping, a read behind the new end would be a fault (SIGBUS) and end all requests of
//! the child.

use std::{fs::OpenOptions, thread, time::Duration};

use confine_tests::{Cell, ServerBuilder, matrix, noise};

const LARGE: usize = 32 << 20;

/// mod_deflate reads the bytes itself, as TLS and HTTP/2 do. A plain writev would only fail.
fn deflating(cell: Cell) -> ServerBuilder {
    cell.server()
        .modules(["filter", "deflate"])
        .config("SetOutputFilter DEFLATE")
        .config("ConfineContext landlock:www")
        .ruleset("www", "LandlockRead \"@root@/www\"")
        .file("www/large.bin", noise(LARGE))
        .file("www/small.txt", "whole")
}

fn cut_while_it_is_sent(cell: Cell) {
    cut(deflating(cell));
}

matrix!(cut_while_it_is_sent);

/// Nobody who can write `.htaccess` files, or a section inside them, can make the server map files.
fn nobody_has_files_mapped(cell: Cell) {
    let builder = deflating(cell).modules(["authz_core"]);
    let builder = builder.directory("www", "AllowOverride FileInfo\nEnableMMAP on");
    cut(builder.file("www/.htaccess", "EnableMMAP on\n"));
}

matrix!(nobody_has_files_mapped for gates);

fn cut(builder: ServerBuilder) {
    let server = builder.start();
    let mut slow = server.connect();
    slow.send_get("/large.bin", "Accept-Encoding: gzip\r\nConnection: close\r\n");
    // The server has filled what the network buffers, and waits in the middle of the file.
    slow.exactly(100_000);
    thread::sleep(Duration::from_millis(300));
    let file = OpenOptions::new().write(true).open(server.path("www/large.bin"));
    file.and_then(|file| file.set_len(0)).expect("cutting the file short");
    let rest = slow.until_it_ends();
    assert!(rest < LARGE, "{rest} bytes came all the same: the file was not cut while it was sent");
    assert_eq!(server.client().get("/small.txt").expect_status(200).text(), "whole");
    assert!(server.log_lines("exit signal").is_empty(), "{}", server.log());
}
