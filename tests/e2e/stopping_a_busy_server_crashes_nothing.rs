//! SIGTERM while workers run: the children end without a crash, and at once.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use confine_tests::{Cell, Request, Server, matrix, tenants::*};

const CLIENTS: usize = 8;

fn under_load(cell: Cell) {
    for _ in 0..3 {
        let server = two_people(cell).workers(CLIENTS).start();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                let target = note_of(&server, "alice");
                let client = server.client();
                let over = &over;
                scope.spawn(move || {
                    // Once the server stops, requests fail, as they should.
                    while !over.load(Ordering::Relaxed) {
                        let _ = client.try_send(&Request::get(&target).user("alice"));
                    }
                });
            }
            let served = |server: &Server| server.log_lines("confine: confined").len();
            while served(&server) < 200 {
                thread::sleep(Duration::from_millis(2));
            }
            // The harness looks for crashes in the log.
            server.stop();
            over.store(true, Ordering::Relaxed);
        });
    }
}

matrix!(under_load for prefork);

fn with_handlers_that_do_not_end(cell: Cell) {
    let server =
        leaky_app_with(cell, RUN_PROGRAMS).workers(3).config("ConfineContext landlock:alice").start();
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let client = server.client();
            let target = leaky("run", "exec sleep 20");
            thread::spawn(move || drop(client.try_send(&Request::get(target))))
        })
        .collect();
    while server.log_lines("confine: confined").len() < 3 {
        thread::sleep(Duration::from_millis(2));
    }
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "stopping took {:?}", start.elapsed());
    for client in clients {
        assert!(client.join().is_ok());
    }
}

matrix!(with_handlers_that_do_not_end for prefork);
