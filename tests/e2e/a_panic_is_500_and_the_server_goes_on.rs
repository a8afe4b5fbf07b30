//! A bug of the module itself becomes 500 and a log line. Neither the process nor the next request notices it.

use confine_tests::{Cell, Request, matrix, tenants::*};

const PLACES: [&str; 3] = ["panic-in-gate", "panic-in-worker", "panic-in-move"];

fn a_panic_in_each_place(cell: Cell) {
    let builder = leaky_app(cell).with_faults().workers(1).host("sane", "ConfineContext landlock:alice");
    let server = PLACES
        .iter()
        .fold(builder, |builder, place| {
            builder.host(place, &format!("ConfineContext landlock:alice\nConfineFault {place}"))
        })
        .start();
    let client = server.client();
    let ask = |host: &str| client.send(&Request::get(note_of(&server, "alice")).header("Host", host));
    for place in PLACES {
        for _ in 0..3 {
            ask(place).expect_status(500);
            ask("sane").expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
        }
        server.wait_for_log(&[
            "confine: refused GET /app/leaky.lua ",
            &format!(" vhost={place} "),
            "please report it",
        ]);
    }
    let panics = server.log_lines("confine: panic");
    assert_eq!(panics.len(), 3 * PLACES.len(), "one line a panic: {panics:#?}");
    let processes: std::collections::HashSet<_> =
        server.log_lines("confine: confined").iter().map(|l| pid_of(l)).collect();
    assert_eq!(processes.len(), 1, "the same process all the time: {processes:?}");
}

/// The process id in a line of the error log.
fn pid_of(line: &str) -> String {
    let (_, after) = line.split_once("[pid ").unwrap_or_else(|| panic!("no process id in {line}"));
    after.chars().take_while(char::is_ascii_digit).collect()
}

matrix!(a_panic_in_each_place);
