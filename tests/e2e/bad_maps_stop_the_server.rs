//! A map that cannot be used is an error when the server starts, and when its configuration is checked. The error
//! names file, line and column, the fault and the remedy.

use confine_tests::{Cell, Gate, Mpm, Refusal, ServerBuilder, tenants::*};

/// Reading maps does not depend on the MPM or the gate.
const ANY: Cell = Cell { mpm: Mpm::Event, gate: Gate::Process };

fn using_map(builder: ServerBuilder) -> ServerBuilder {
    builder.config("ConfineMap bad.map")
}

#[track_caller]
fn refused(content: impl AsRef<[u8]>) -> Refusal {
    let refusal = using_map(leaky_app(ANY)).file("bad.map", content).refused();
    refusal.points_at("ConfineMap bad.map");
    refusal
}

#[test]
fn missing() {
    let refusal = using_map(leaky_app(ANY)).refused();
    refusal.points_at("ConfineMap bad.map");
    refusal
        .says(&["/bad.map: cannot be opened: No such file or directory", "create it, or correct the name"]);
}

#[test]
fn unreadable() {
    let refusal =
        using_map(leaky_app(ANY)).file("bad.map", MAP).unreadable("bad.map").bound_by_modes().refused();
    refusal.points_at("ConfineMap bad.map");
    refusal.says(&["/bad.map: cannot be opened: Permission denied", "let this user read it"]);
}

#[test]
fn a_directory() {
    let refusal = using_map(leaky_app(ANY)).folder("bad.map").refused();
    refusal.points_at("ConfineMap bad.map");
    refusal.says(&["/bad.map: is a directory, not a regular file", "name the file that holds the rules"]);
}

#[test]
fn empty() {
    for content in ["", "\n\n", "# nothing but a comment\n", "\u{feff}"] {
        refused(content).says(&["/bad.map: holds no rule; write at least one, such as: * landlock:NAME"]);
    }
}

#[test]
fn a_subject_without_a_context() {
    refused("alice landlock:alice\nbob\n").says(&["/bad.map:2:4: ", "no context given; write at least one"]);
}

#[test]
fn a_bad_network() {
    refused("# networks\n10.0.0.0/33 landlock:alice\n").says(&[
        "/bad.map:2:1: ",
        "the prefix of 10.0.0.0/33 is too long",
        "a number from 0 to 32",
    ]);
    refused("10.0.0.7/8 landlock:alice\n").says(&[
        "/bad.map:1:1: ",
        "has bits set behind its prefix; did you mean 10.0.0.0/8 (the network) or 10.0.0.7 (one address)?",
    ]);
    refused("  ip:2001:db8::/129 landlock:alice\n").says(&["/bad.map:1:3: ", "a number from 0 to 128"]);
    refused("ip:300.0.0.1 landlock:alice\n")
        .says(&["/bad.map:1:1: ", "is over 255; write four numbers from 0 to 255"]);
}

#[test]
fn a_megabyte_in_one_line() {
    let content = format!("alice landlock:alice\n{} landlock:bob\n", "b".repeat(1 << 20));
    refused(content).says(&[
        "/bad.map:2:65537: ",
        "the line is longer than 64 KiB",
        "is a line end missing?",
    ]);
}

#[test]
fn a_nul_byte() {
    refused("alice landlock:alice\nbo\0b landlock:bob\n")
        .says(&["/bad.map:2:3: ", "there is a NUL byte; a map is plain text in UTF-8"]);
}

#[test]
fn bytes_that_are_not_utf8() {
    refused(b"alice landlock:alice\nj\xfcrgen landlock:bob\n")
        .says(&["/bad.map:2:2: ", "the byte 0xFC is not UTF-8 here; save the file in UTF-8"]);
}

#[test]
fn a_carriage_return_inside_a_line() {
    refused("alice landlock:alice # old\rbob landlock:bob\n")
        .says(&["/bad.map:1:27: ", "carriage return inside the line"]);
}

#[test]
fn an_unclosed_quote() {
    refused("\"alice landlock:alice\n")
        .says(&["/bad.map:1:1: ", "the double quote that opens here is not closed"]);
}

#[test]
fn an_unknown_kind_of_subject() {
    refused("group:staff landlock:alice\n")
        .says(&["/bad.map:1:1: ", "which is no kind of subject; the kinds are user:, ip:, host: and path:"]);
}

#[test]
fn an_unknown_ruleset() {
    refused("alice landlock:alice\nbob landlock:bobby\n").says(&[
        "/bad.map:2",
        "landlock:bobby: there is no ruleset of this name",
        "write one of: alice, bob",
    ]);
}

#[test]
fn a_backend_that_is_not_active() {
    refused("alice landlock:alice\nbob selinux:httpd_bob_t:s0\n").says(&[
        "/bad.map:2",
        "selinux",
        "not active in this kernel",
    ]);
}

#[test]
fn a_misspelt_backend() {
    refused("alice landlock:alice\nbob landlok:bob\n").says(&[
        "/bad.map:2:5: ",
        "there is no backend called \"landlok\"",
        "write landlock: if that was meant",
    ]);
}

/// One look is enough to mend the map: every bad line, and what the good ones give.
#[test]
fn everything_that_is_wrong() {
    refused("alice\nbob landlock:bobby\n10.0.0.0/33 landlock:alice\n* selinux:httpd_bob_t:s0\n").says(&[
        "/bad.map:1:6: no context given",
        "/bad.map:2: landlock:bobby: there is no ruleset of this name",
        "/bad.map:3:1: the prefix of 10.0.0.0/33 is too long",
        "/bad.map:4: selinux:httpd_bob_t:s0: ",
    ]);
}

#[test]
fn unconfined_beside_a_context() {
    refused("alice landlock:alice unconfined\n").says(&["/bad.map:1:", "unconfined must stand alone"]);
}

#[test]
fn an_address_with_a_zone() {
    refused("fe80::1%eth0 landlock:alice\n").says(&["/bad.map:1:1: ", "has a zone", "did you mean fe80::1?"]);
}

#[test]
fn one_line_of_a_hundred_thousand() {
    let line = |n| if n == 77_777 { "alice\n".to_owned() } else { format!("user{n} landlock:alice\n") };
    refused((1..=100_000).map(line).collect::<String>()).says(&["/bad.map:77777:6: ", "no context given"]);
}
