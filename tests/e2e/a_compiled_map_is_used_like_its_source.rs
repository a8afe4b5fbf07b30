//! The compiled form of a map chooses as its source does. It is read again when it changes, and it is refused if it
//! is older than its source or damaged.

use std::{fs, thread, time::Duration};

use confine::{context::BackendName, map::Map};
use confine_tests::{Cell, Gate, Mpm, Server, ServerBuilder, matrix, tenants::*};

/// Reads the map that is compiled from `tenants.map`.
fn with_compiled(cell: Cell) -> ServerBuilder {
    leaky_app(cell).config(LOGIN).config(OPEN_ROAD).config("ConfineMap \"@root@/tenants.compiled\"")
}

/// Opens the path that [`LOGIN`] closes.
const OPEN_ROAD: &str = "<Location \"/open\">\nRequire all granted\n</Location>";

fn compile(source: &std::path::Path) -> Vec<u8> {
    Map::compile(source, BackendName::LANDLOCK).unwrap_or_else(|e| panic!("{e}")).bytes().to_vec()
}

fn a_compiled_map_chooses(cell: Cell) {
    let builder = with_compiled(cell);
    let bytes = compile(&builder.path("tenants.map"));
    let server = builder.file("tenants.compiled", bytes).start();
    let read =
        |server: &Server, user: &str, owner: &str| server.client().get_as(user, &note_of(server, owner));
    read(&server, "alice", "alice").expect_content(NOTE_OF_ALICE);
    read(&server, "bob", "alice").expect_denied_by_kernel();
    server.wait_for_log(&["user=alice ", "rule=", "/tenants.compiled:1 context=landlock:alice"]);
    // A new one, renamed into place as confinectl does.
    let source = server.path("tenants.map");
    fs::write(&source, "alice landlock:bob\nbob landlock:alice\n# new\n").expect("a map");
    fs::write(server.path("new"), compile(&source)).expect("a file");
    fs::rename(server.path("new"), server.path("tenants.compiled")).expect("a rename");
    server.wait_for_log(&["tenants.compiled: changed, 2 rules are in force (generation 2)"]);
    thread::sleep(Duration::from_secs(1));
    read(&server, "alice", "alice").expect_denied_by_kernel();
    read(&server, "alice", "bob").expect_content(NOTE_OF_BOB);
    // One that is cut short.
    let short = compile(&source);
    fs::write(server.path("new"), &short[..short.len() - 1]).expect("a file");
    fs::rename(server.path("new"), server.path("tenants.compiled")).expect("a rename");
    server.wait_for_log(&[
        "tenants.compiled: is a compiled map that is cut short",
        "the rules from before stay",
    ]);
    read(&server, "alice", "bob").expect_content(NOTE_OF_BOB);
}

matrix!(a_compiled_map_chooses);

const ANY: Cell = Cell { mpm: Mpm::Event, gate: Gate::Process };

#[test]
fn a_stale_one_stops_the_server() {
    let builder = with_compiled(ANY);
    let bytes = compile(&builder.path("tenants.map"));
    let builder = builder.file("tenants.compiled", bytes).file("tenants.map", "alice landlock:bob\n");
    builder.refused().says(&[
        "/tenants.compiled: is a compiled map that is older than ",
        "/tenants.map; compile that again",
    ]);
}

#[test]
fn a_damaged_one_stops_the_server() {
    let builder = with_compiled(ANY);
    let mut bytes = compile(&builder.path("tenants.map"));
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    builder
        .file("tenants.compiled", bytes)
        .refused()
        .says(&["/tenants.compiled: is a compiled map whose checksum does not hold"]);
}

#[test]
fn one_for_another_backend_stops_the_server() {
    let builder = with_compiled(ANY);
    fs::write(builder.path("bare.map"), "alice alice\n").expect("a map");
    let bytes =
        Map::compile(&builder.path("bare.map"), BackendName::SELINUX).expect("a map").bytes().to_vec();
    builder.file("tenants.compiled", bytes).refused().says(&[
        "is compiled for selinux as the backend of contexts that name none, and here that is landlock",
    ]);
}
