//! At a graceful restart, running requests end in the context that they have. The new configuration decides about the
//! next ones.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use confine_tests::{Cell, Server, ServerBuilder, matrix, tenants::*};

/// Reading this file lasts until somebody writes to it.
fn with_fifo(builder: ServerBuilder, name: &str) -> ServerBuilder {
    let path = builder.path(name);
    let made = Command::new("mkfifo").args(["-m", "666"]).arg(&path).status();
    assert!(
        made.as_ref().is_ok_and(std::process::ExitStatus::success),
        "mkfifo {}: {made:?}",
        path.display()
    );
    builder
}

fn release(server: &Server, name: &str, text: &str) {
    let path = server.path(name);
    fs::write(&path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

fn a_request_in_flight(cell: Cell) {
    // There is room for a second child. With one slot, the worker MPM may wait for the old child, and that one waits
    // for its running request.
    let room = two_people(cell).config("MaxRequestWorkers 16");
    let server = with_fifo(room, "data/alice/slow").start();
    let slow = leaky("read", server.path("data/alice/slow").display().to_string());
    thread::scope(|scope| {
        let in_flight = scope.spawn(|| server.client().get_as("alice", &slow));
        server.wait_for_log(&["confine: confined GET /app/leaky.lua user=alice "]);
        release(&server, "tenants.map", "alice landlock:bob\n");
        server.restart_gracefully();
        // The new generation serves and has read the map again. An old child may still take a connection before it
        // learns of the restart.
        let deadline = Instant::now() + Duration::from_secs(10);
        let ask = || server.client().get_as("alice", &note_of(&server, "bob"));
        let mut response = ask();
        while response.header("x-context") == Some("landlock:alice") && Instant::now() < deadline {
            response = ask();
        }
        response.expect_content(NOTE_OF_BOB).expect_context("landlock:bob");
        release(&server, "data/alice/slow", "at last\n");
        let response = in_flight.join().unwrap_or_else(|_| panic!("the request in flight has failed"));
        response.expect_content("at last\n").expect_context("landlock:alice");
    });
}

matrix!(a_request_in_flight);

fn restarts_under_load(cell: Cell) {
    let server = two_people(cell).workers(8).start();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for (user, other) in [("alice", "bob"), ("bob", "alice")] {
            let (server, over) = (&server, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    // A new connection each time: that an idle one closes at a restart is stock.
                    server.client().get_as(user, &note_of(server, user)).expect_content(note(user));
                    server.client().get_as(user, &note_of(server, other)).expect_denied_by_kernel();
                }
            });
        }
        for _ in 0..3 {
            server.restart_gracefully();
        }
        over.store(true, Ordering::Relaxed);
    });
}

matrix!(restarts_under_load);

fn a_restart_with_a_bad_map_keeps_nobody_waiting(cell: Cell) {
    let server = two_people(cell).start();
    server.client().get_as("alice", &note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
    release(&server, "tenants.map", "alice\n");
    // httpd checks the configuration again when told to restart, and ends if it is bad: as for any
    // module, `apachectl configtest` comes before `apachectl graceful`.
    server.begin_graceful_restart();
    server.wait_for_log(&["tenants.map:1:6: ", "no context given"]);
}

matrix!(a_restart_with_a_bad_map_keeps_nobody_waiting for gates);
