//! The base of all other tests: without the module, the harness's server serves, the application leaks, and every
//! client works. If this fails, the module is not the cause.

use confine_tests::{Cell, Mpm, Request, Wire, matrix, noise, tenants::*};

fn the_application_leaks(cell: Cell) {
    let server = application(cell).stock().start();
    for (owner, note) in [("alice", NOTE_OF_ALICE), ("bob", NOTE_OF_BOB)] {
        server.client().get(&note_of(&server, owner)).expect_content(note).expect_context("-");
    }
    let missing = server.client().get(&leaky("read", "/nonexistent"));
    assert!(missing.text().starts_with("failed: "), "{missing:?}");
}

matrix!(the_application_leaks for process_gate);

fn every_client_works(cell: Cell) {
    let body = noise(1 << 20);
    let server = dav_folder(cell.server().stock().tls()).start();
    for &wire in Wire::all_of(cell.mpm) {
        let client = server.client_over(wire);
        let put = Request::upload("PUT", "/dav/upload.bin", body.clone());
        let sized = client.send(&put.clone());
        let chunked = client.send(&put.chunked());
        assert!(
            matches!((sized.status, chunked.status), (201 | 204, 204)),
            "{wire:?}: {sized:?} {chunked:?}"
        );
        let back = client.get("/dav/upload.bin").expect_status(200);
        assert!(back.body == body, "{wire:?}: what comes back differs");
        let is_kept = sized.local_port == back.local_port;
        assert!(is_kept || wire == Wire::H2c, "{wire:?}: a new connection for every request");
        let is_h2 = back.status_line.starts_with("HTTP/2");
        assert_eq!(is_h2, matches!(wire, Wire::H2c | Wire::H2), "{wire:?}: {back:?}");
    }
}

matrix!(every_client_works for process_gate);

fn raw_connections_and_streams_work(cell: Cell) {
    let server = application(cell).stock().tls().start();
    let mut connection = server.connect();
    for owner in ["alice", "bob"] {
        connection.send_get(&note_of(&server, owner), "");
    }
    assert_eq!(connection.response().text(), NOTE_OF_ALICE);
    assert_eq!(connection.response().text(), NOTE_OF_BOB);
    if cell.mpm != Mpm::Prefork {
        let requests = vec![Request::get(note_of(&server, "bob")); 20];
        let responses = server.client_over(Wire::H2).send_together(&requests);
        assert!(responses.iter().all(|r| r.text() == NOTE_OF_BOB && r.local_port == responses[0].local_port));
    }
}

matrix!(raw_connections_and_streams_work for process_gate);
