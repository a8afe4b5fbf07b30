//! mod_fcgid can run programs that decide about access, in other processes and before any rule is asked. A tenant's
//! .htaccess cannot name such a program where rules apply.

use std::fs;

use confine_tests::{Cell, ServerBuilder, hostile::*, matrix};

const PROGRAM: &str = "#!/bin/sh\necho ran >> \"@root@/out/ran\"\n";

fn with_an_access_checker(cell: Cell) -> ServerBuilder {
    two_tenants(cell)
        .modules(["fcgid"])
        .writable_folder("out")
        .writable_folder("run/fcgid")
        .program("www/alice/checker", PROGRAM)
        .file("www/alice/.htaccess", "FcgidAccessChecker @root@/www/alice/checker\n")
        .file("www/alice/page.txt", "the page")
        .config("FcgidIPCDir @root@/run/fcgid\nFcgidProcessTableFile @root@/run/fcgid/table")
        .directory("www/alice", "AllowOverride FileInfo\nOptions +ExecCGI")
}

fn under_a_rule(cell: Cell) {
    let server = with_an_access_checker(cell).location("/alice", "ConfineContext landlock:alice").start();
    server.client().get("/alice/page.txt").expect_status(403);
    server.wait_for_log(&["confine: refused GET /alice/page.txt ", "FcgidAccessChecker"]);
    assert!(fs::read(server.path("out/ran")).is_err(), "the program ran");
}

matrix!(under_a_rule);

/// The control: without a rule the program runs, as in stock httpd. Here it gives no useful answer.
fn without_a_rule(cell: Cell) {
    let server = with_an_access_checker(cell).start();
    server.client().get("/alice/page.txt");
    assert!(fs::read(server.path("out/ran")).is_ok(), "the program did not run:\n{}", server.log());
}

matrix!(without_a_rule once);
