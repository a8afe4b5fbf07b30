//! Addresses and networks of both families choose a context; the first line that matches wins.

use confine_tests::{Cell, Client, matrix, tenants::*};

const MAP: &str = "\
127.0.0.2 landlock:alice
127.0.0.0/28 landlock:bob
# Behind the network that holds it: never reached.
127.0.0.3 landlock:alice
ip:127.1.0.0/16 landlock:alice
::1/128 landlock:alice
";

fn an_address_chooses(cell: Cell) {
    let server = leaky_app(cell).file("by-address.map", MAP).config("ConfineMap by-address.map").start();
    let from = |address: &str| server.client().from_address(address);
    let expect = |client: Client, owner: &str, other: &str| {
        client.get(&note_of(&server, owner)).expect_content(note(owner));
        client.get(&note_of(&server, other)).expect_denied_by_kernel();
    };
    expect(from("127.0.0.2"), "alice", "bob");
    expect(from("127.0.0.1"), "bob", "alice");
    expect(from("127.0.0.3"), "bob", "alice");
    expect(from("127.1.200.7"), "alice", "bob");
    expect(server.client_v6(), "alice", "bob");
    // Just outside of the networks.
    for stranger in ["127.0.0.16", "127.2.0.1"] {
        from(stranger).get(&note_of(&server, "bob")).expect_status(403);
        from(stranger).get(&open_note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
        server.wait_for_log(&["confine: refused GET /app/leaky.lua user=- ", &format!(" addr={stranger} ")]);
    }
    server.wait_for_log(&[
        "confine: confined GET /app/leaky.lua user=- addr=::1 ",
        "by-address.map:6 context=landlock:alice",
    ]);
}

matrix!(an_address_chooses);

fn the_address_is_the_one_of_mod_remoteip(cell: Cell) {
    let map = "192.0.2.7 landlock:alice\n2001:db8::/32 landlock:bob\n::1 landlock:bob\n";
    let server = leaky_app(cell)
        .modules(["remoteip"])
        .file("by-address.map", map)
        .config("RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1\nConfineMap by-address.map")
        .start();
    let ask = |client: Client, forwarded: &str, owner: &str| {
        client
            .send(&confine_tests::Request::get(note_of(&server, owner)).header("X-Forwarded-For", forwarded))
    };
    ask(server.client(), "192.0.2.7", "alice").expect_content(NOTE_OF_ALICE);
    ask(server.client(), "192.0.2.7", "bob").expect_denied_by_kernel();
    ask(server.client(), "2001:db8::99", "bob").expect_content(NOTE_OF_BOB);
    ask(server.client(), "192.0.2.8", "alice").expect_status(403);
    // Not a trusted proxy: what it says of others does not count.
    ask(server.client_v6(), "192.0.2.7", "alice").expect_denied_by_kernel();
    server.wait_for_log(&["confine: confined", " addr=192.0.2.7 "]);
}

matrix!(the_address_is_the_one_of_mod_remoteip);
