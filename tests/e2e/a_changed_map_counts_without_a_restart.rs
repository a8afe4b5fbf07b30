//! A map that is renamed into place, or written in place, is used within a second and without a restart. A map that
//! is still being written is not used yet.

use std::{
    fs::{self, File},
    io::Write,
    thread,
    time::{Duration, Instant},
};

use confine_tests::{Cell, Server, matrix, tenants::*};

const SWAPPED: &str = "# the other way round\nalice landlock:bob\nbob landlock:alice\n";

/// The promise is one second. A machine that also runs other tests gets more time.
const LIMIT: Duration = Duration::from_secs(4);

/// The context that alice has in the child that answers.
fn context_of_alice(server: &Server) -> String {
    let response = server.client().get_as("alice", &note_of(server, "alice"));
    response.expect_status(200).header("x-context").unwrap_or_default().to_owned()
}

/// Waits until every child seems to give alice this context. The result is the time that it took.
#[track_caller]
fn wait_for(server: &Server, context: &str) -> Duration {
    let start = Instant::now();
    while (0..8).any(|_| context_of_alice(server) != context) {
        assert!(start.elapsed() < LIMIT, "alice is not in {context} in time:\n{}", server.log());
        thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}

fn rename(server: &Server, text: &str) {
    let new = server.path("new.map");
    fs::write(&new, text).and_then(|()| fs::rename(&new, server.path("tenants.map"))).expect("a new map");
}

fn a_new_map_is_taken_over(cell: Cell) {
    let server = two_people(cell).start();
    wait_for(&server, "landlock:alice");
    rename(&server, SWAPPED);
    wait_for(&server, "landlock:bob");
    server.client().get_as("alice", &note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
    server.client().get_as("bob", &note_of(&server, "bob")).expect_denied_by_kernel();
    server.wait_for_log(&["confine: confined GET /app/leaky.lua user=alice ", "/tenants.map:2 "]);
    // In place.
    fs::write(server.path("tenants.map"), MAP).expect("a map");
    wait_for(&server, "landlock:alice");
    let told = server.log_lines("tenants.map: changed, 2 rules are in force");
    assert_eq!(told.len(), 2, "once for each change, however many children there are: {told:#?}");
    // The new configuration watches, too.
    server.restart_gracefully();
    rename(&server, SWAPPED);
    wait_for(&server, "landlock:bob");
}

matrix!(a_new_map_is_taken_over);

fn a_half_written_map_is_not_taken(cell: Cell) {
    let server = two_people(cell).start();
    // The file is written in place. What is there so far is always a valid map, but not the intended one.
    let mut file = File::create(server.path("tenants.map")).expect("a map");
    let end = Instant::now() + Duration::from_millis(1200);
    file.write_all(b"alice landlock:bob\n").expect("written");
    while Instant::now() < end {
        file.write_all(b"# and so on\n").expect("written");
        let before = Instant::now();
        thread::sleep(Duration::from_millis(50));
        // If this machine stood still meanwhile, so did the file.
        if before.elapsed() < Duration::from_millis(120) {
            assert_eq!(context_of_alice(&server), "landlock:alice");
        }
    }
    file.write_all(b"bob landlock:bob\n").expect("written");
    drop(file);
    wait_for(&server, "landlock:bob");
}

matrix!(a_half_written_map_is_not_taken for gates);
