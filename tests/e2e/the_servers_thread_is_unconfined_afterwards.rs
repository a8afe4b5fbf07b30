//! A worker's confinement ends with it. The thread that waited for it, and the whole process, go on as before.
//! Nothing is left for the next request, whoever sends it.

use confine_tests::{Cell, Mpm, Request, matrix, tenants::*};

fn the_next_request_on_the_same_connection(cell: Cell) {
    let server = two_people(cell).workers(1).start();
    let client = server.client();
    let mut ports = Vec::new();
    for _ in 0..5 {
        let alice = client.get_as("alice", &note_of(&server, "alice"));
        let server_itself = client.get(&open_note_of(&server, "bob"));
        let bob = client.get_as("bob", &note_of(&server, "bob"));
        alice.expect_content(NOTE_OF_ALICE);
        server_itself.expect_content(NOTE_OF_BOB).expect_context("-");
        bob.expect_content(NOTE_OF_BOB);
        ports.extend([alice.local_port, server_itself.local_port, bob.local_port]);
    }
    // Event closes connections that it could keep, while none of its threads is idle.
    let is_one = ports.iter().all(|port| *port == ports[0]);
    assert!(is_one || cell.mpm == Mpm::Event, "one connection: {ports:?}");
}

matrix!(the_next_request_on_the_same_connection);

fn a_virtual_host_without_rules_on_the_same_process(cell: Cell) {
    let hosts = r#"
    <VirtualHost 127.0.0.1:@port@>
        ServerName plain
    </VirtualHost>
    <VirtualHost 127.0.0.1:@port@>
        ServerName guarded
        ConfineContext landlock:alice
    </VirtualHost>
    "#;
    let server =
        application(cell).workers(1).config("ConfineBackend landlock").config(hosts).config(ALICE).start();
    let client = server.client();
    let ask = |host: &str| client.send(&Request::get(note_of(&server, "bob")).header("Host", host));
    for _ in 0..3 {
        ask("guarded").expect_denied_by_kernel();
        ask("plain").expect_content(NOTE_OF_BOB).expect_context("-");
    }
}

const ALICE: &str =
    "<ConfineLandlock alice>\nLandlockRead \"@root@/www\" \"@root@/data/alice\"\n</ConfineLandlock>";

matrix!(a_virtual_host_without_rules_on_the_same_process);

/// With `LuaScope thread`, mod_lua keeps its state with the thread that the connection names. This is the worker's
/// while it runs, and the server's own afterwards.
fn what_is_kept_with_a_thread(cell: Cell) {
    let counter = "function handle(r)
    calls = (calls or 0) + 1
    r:puts(calls)
    return apache2.OK
end
";
    let server = application(cell)
        .workers(1)
        .file("www/app/count.lua", counter)
        .config("ConfineBackend landlock")
        .config(ALICE)
        .config("LuaScope thread")
        .host("plain", "")
        .host("guarded", "ConfineContext landlock:alice")
        .start();
    let client = server.client();
    let ask = |host: &str| {
        client.send(&Request::get("/app/count.lua").header("Host", host)).expect_status(200).text()
    };
    let mut plain = Vec::new();
    for _ in 0..5 {
        assert_eq!(ask("guarded"), "1", "a worker is new, and so is what is kept with it");
        plain.push(ask("plain"));
    }
    if cell.mpm != Mpm::Event {
        assert_eq!(plain, ["1", "2", "3", "4", "5"], "the server's thread is the same all the time");
    }
}

matrix!(what_is_kept_with_a_thread);
