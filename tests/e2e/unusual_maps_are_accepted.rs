//! What editors and people do to text files is no error: other line ends, a byte order mark, blank
//! lines, quotes, no line end at the end, a subject that occurs twice.

use confine_tests::{Cell, Gate, Mpm, Server, tenants::*};

/// Neither MPM nor gate has a part in reading maps.
const ANY: Cell = Cell { mpm: Mpm::Event, gate: Gate::Process };

fn with_map(content: &str) -> Server {
    two_people(ANY).file("tenants.map", content).start()
}

#[track_caller]
fn expect_alice_and_bob(server: &Server) {
    let client = server.client();
    for (user, other) in [("alice", "bob"), ("bob", "alice")] {
        client.get_as(user, &note_of(server, user)).expect_content(note(user));
        client.get_as(user, &note_of(server, other)).expect_denied_by_kernel();
    }
}

#[test]
fn lines_that_end_in_crlf() {
    expect_alice_and_bob(&with_map("# tenants\r\nalice landlock:alice\r\n\r\nbob landlock:bob\r\n"));
}

#[test]
fn a_byte_order_mark() {
    expect_alice_and_bob(&with_map("\u{feff}alice landlock:alice\nbob landlock:bob\n"));
}

#[test]
fn blanks_tabs_comments_quotes_and_no_last_line_end() {
    expect_alice_and_bob(&with_map(
        "\n\t user:alice\t\tlandlock:alice  # hers\n   \n\"bob\" \"landlock:bob\"",
    ));
}

#[test]
fn the_first_of_two_lines_for_one_subject() {
    expect_alice_and_bob(&with_map(
        "alice landlock:alice\nbob landlock:bob\nalice landlock:bob\nuser:bob unconfined\n",
    ));
}

#[test]
fn the_line_in_the_log_is_the_one_of_the_file() {
    let server = with_map("# one\r\n\r\n# three\r\nalice landlock:alice\r\n");
    server.client().get_as("alice", "/app/page.txt").expect_status(200);
    server.wait_for_log(&["confine: confined", "tenants.map:4 context=landlock:alice"]);
}

#[test]
fn a_star_in_the_last_line_and_fifty_thousand_before() {
    let crowd: String = (0..50_000).map(|n| format!("user{n} landlock:bob\n")).collect();
    let server = with_map(&format!("{crowd}alice landlock:alice\n* landlock:bob\n"));
    expect_alice_and_bob(&server);
    server.wait_for_log(&["confine: confined", "user=alice", "tenants.map:50001 context=landlock:alice"]);
    server.wait_for_log(&["confine: confined", "user=bob", "tenants.map:50002 context=landlock:bob"]);
}

#[test]
fn one_map_for_the_server_and_for_a_directory() {
    let server = two_people(ANY).directory("www/app", "ConfineMap tenants.map").start();
    expect_alice_and_bob(&server);
}
