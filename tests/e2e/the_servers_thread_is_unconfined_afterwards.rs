//! A worker takes its confinement with it when it ends: the thread that waited for it, and the whole
//! process, go on as before. Nothing is left for the next request, whoever asks.

use confine_tests::{Cell, Mpm, matrix, tenants::*};

/// One process serves everything; under event it needs a second thread, or it closes connections that
/// could be kept.
fn workers(cell: Cell) -> usize {
    if cell.mpm == Mpm::Event { 2 } else { 1 }
}

fn the_next_request_on_the_same_connection(cell: Cell) {
    let server = two_people(cell).workers(workers(cell)).start();
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
    assert!(ports.iter().all(|port| *port == ports[0]), "one connection: {ports:?}");
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
    let server = application(cell)
        .workers(workers(cell))
        .config("ConfineBackend landlock")
        .config(hosts)
        .config(ALICE)
        .start();
    let client = server.client();
    let ask =
        |host: &str| client.send(&confine_tests::Request::get(note_of(&server, "bob")).header("Host", host));
    for _ in 0..3 {
        ask("guarded").expect_denied_by_kernel();
        ask("plain").expect_content(NOTE_OF_BOB).expect_context("-");
    }
}

const ALICE: &str =
    "<ConfineLandlock alice>\nLandlockRead \"@root@/www\" \"@root@/data/alice\"\n</ConfineLandlock>";

matrix!(a_virtual_host_without_rules_on_the_same_process);
