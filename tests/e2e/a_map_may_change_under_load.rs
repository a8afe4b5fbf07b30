//! While maps are replaced under two hundred requests at a time, each request has the rights that its context
//! says, none fails, and each context is one that a map gave.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use confine_tests::{Cell, Mpm, matrix, tenants::*};

const CLIENTS: usize = 200;

const MAPS: [&str; 2] = ["alice landlock:bob\nbob landlock:alice\n", MAP];

fn no_request_is_mixed_up(cell: Cell) {
    let workers = if cell.mpm == Mpm::Prefork { 16 } else { 64 };
    let server = two_people(cell).workers(workers).config("ListenBacklog 511").log_level("notice").start();
    let (over, served) = (AtomicBool::new(false), [AtomicUsize::new(0), AtomicUsize::new(0)]);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (server, over, served) = (&server, &over, &served);
            scope.spawn(move || {
                let user = ["alice", "bob"][number % 2];
                while !over.load(Ordering::Relaxed) {
                    let response = server.client().get_as(user, &note_of(server, "alice"));
                    let response = response.expect_status(200);
                    match response.header("x-context") {
                        Some("landlock:alice") => _ = response.expect_content(NOTE_OF_ALICE),
                        Some("landlock:bob") => _ = response.expect_denied_by_kernel(),
                        other => panic!("{other:?} in {response:?}"),
                    }
                    let own = response.header("x-context") == Some(&format!("landlock:{user}"));
                    served[usize::from(own)].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for change in 0..6 {
            let new = server.path("new.map");
            fs::write(&new, format!("{}# {change}\n", MAPS[change % 2])).expect("a map");
            fs::rename(&new, server.path("tenants.map")).expect("a map");
            thread::sleep(Duration::from_millis(700));
        }
        over.store(true, Ordering::Relaxed);
    });
    let [other, own] = served.map(AtomicUsize::into_inner);
    assert!(other > 0 && own > 0, "both maps were in force: {other} and {own} requests");
}

matrix!(no_request_is_mixed_up for process_gate);
