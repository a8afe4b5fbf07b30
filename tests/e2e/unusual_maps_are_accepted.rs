//! What editors and people do to text files is no error: other line ends, a byte order mark, blank lines, quotes, no
//! line end at the end, a subject that occurs twice.

use confine_tests::{Cell, Gate, Mpm, Request, Server, tenants::*};

/// Reading maps does not depend on the MPM or the gate.
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

#[test]
fn user_names_with_blanks_signs_other_scripts_and_four_kilobytes() {
    let long = "n".repeat(4096);
    let passwords = format!(
        "John Smith:{{SHA}}WV45tiB0J3GBIVSwBBCLcfesU4c=\na #b:{{SHA}}Fn0xNhqUkp5Kp4kmWk2UvLP7VBI=\n\
         jürgen:{{SHA}}PVhAFiOJPJbkxY7LnbEpWd0pWlE=\n{long}:{{SHA}}GpHWL3ymc5liWkNopqtdSjuqYHM=\n"
    );
    let map = format!(
        "user:\"John Smith\" landlock:alice\n\"a #b\" landlock:alice\njürgen landlock:alice\n{long} landlock:alice\n"
    );
    let server = two_people(ANY).file("passwords", passwords).file("tenants.map", map).start();
    let client = server.client();
    for name in ["John Smith", "a #b", "jürgen"] {
        client.get_as(name, &note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
        client.get_as(name, &note_of(&server, "bob")).expect_denied_by_kernel();
    }
    // A password as long as the name would be too long for a header.
    let as_long = |owner: &str| client.send(&Request::get(note_of(&server, owner)).password(&long, "pw"));
    as_long("alice").expect_content(NOTE_OF_ALICE);
    as_long("bob").expect_denied_by_kernel();
    server.wait_for_log(&["confine: confined", "tenants.map:4 context=landlock:alice"]);
}

#[test]
fn a_host_in_capitals_with_a_dot_at_the_end() {
    let hosts = |name: &str| {
        format!("<VirtualHost 127.0.0.1:@port@>\nServerName {name}\nConfineMap hosts.map\n</VirtualHost>\n")
    };
    let server = leaky_app(ANY)
        .file("hosts.map", "host:WWW.Alice.EXAMPLE. landlock:alice\nhost:bob.example landlock:bob\n")
        .config(format!("{}{}", hosts("www.alice.example"), hosts("Bob.Example")))
        .start();
    let client = server.client();
    for (host, owner, other) in [
        ("www.alice.example", "alice", "bob"),
        ("Www.Alice.Example", "alice", "bob"),
        ("BOB.example", "bob", "alice"),
    ] {
        let ask = |owner: &str| client.send(&Request::get(note_of(&server, owner)).header("Host", host));
        ask(owner).expect_content(note(owner));
        ask(other).expect_denied_by_kernel();
    }
}

#[test]
fn the_whole_of_either_family() {
    let server = leaky_app(ANY)
        .file("all.map", "::/0 landlock:bob\n0.0.0.0/0 landlock:alice\n")
        .config("ConfineMap all.map")
        .start();
    server.client().get(&note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
    server.client().get(&note_of(&server, "bob")).expect_denied_by_kernel();
    server.client_v6().get(&note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
    server.client_v6().get(&note_of(&server, "alice")).expect_denied_by_kernel();
}
