//! The file that a request maps to chooses a context, by patterns of its path. The first line that matches is used.

use std::{fs, os::unix::fs::symlink};

use confine_tests::{Cell, ServerBuilder, matrix, tenants::*};

const MAP: &str = "\
path:@root@/www/*/private/** landlock:alice
path:@root@/www/app/leaky.lua landlock:bob
path:@root@/www/**/[a-c]*.lua landlock:alice
# Behind the pattern that holds it: never reached.
path:@root@/www/app/** landlock:alice
";

/// The application under further names.
fn with_copies(builder: ServerBuilder, names: &[&str]) -> ServerBuilder {
    let program = fs::read(builder.path("www/app/leaky.lua")).unwrap_or_else(|e| panic!("leaky.lua: {e}"));
    names.iter().fold(builder, |builder, name| builder.file(name, &program))
}

fn the_path_chooses(cell: Cell) {
    let copies = ["www/app/private/leaky.lua", "www/x/y/app.lua", "www/x/y/other.lua"];
    let server = with_copies(leaky_app(cell), &copies)
        .file("by-path.map", MAP)
        .config("ConfineMap by-path.map")
        .start();
    let expect = |place: &str, owner: &str, other: &str| {
        let read = |whose: &str| leaky_at(place, "read", note_path(&server, whose));
        server.client().get(&read(owner)).expect_content(note(owner));
        server.client().get(&read(other)).expect_denied_by_kernel();
    };
    expect("/app/leaky.lua", "bob", "alice");
    expect("/app/private/leaky.lua", "alice", "bob");
    expect("/x/y/app.lua", "alice", "bob");
    // The part of the URL behind the file does not count.
    expect("/app/leaky.lua/private/x", "bob", "alice");
    expect("/x/../app//./leaky.lua", "bob", "alice");
    expect("/app/priv%61te/leaky.lua", "alice", "bob");
    server.client().get(&leaky_at("/x/y/other.lua", "read", note_path(&server, "alice"))).expect_status(403);
    server.wait_for_log(&["confine: confined GET /app/leaky.lua ", "by-path.map:2 context=landlock:bob"]);
}

matrix!(the_path_chooses);

fn a_symbolic_link_counts_by_its_own_name(cell: Cell) {
    let builder = with_copies(leaky_app(cell), &["www/app/private/leaky.lua"])
        .file("by-path.map", MAP)
        .config("ConfineMap by-path.map");
    symlink(builder.path("www/app/leaky.lua"), builder.path("www/app/private/link.lua"))
        .unwrap_or_else(|e| panic!("link.lua: {e}"));
    let server = builder.start();
    let read = |place: &str| server.client().get(&leaky_at(place, "read", note_path(&server, "alice")));
    read("/app/leaky.lua").expect_denied_by_kernel();
    read("/app/private/link.lua").expect_content(NOTE_OF_ALICE);
}

matrix!(a_symbolic_link_counts_by_its_own_name once);
