//! Whatever happens to a map's file while the server runs, the children live, and the last good rules stay, also in
//! new children. The file is truncated in place (compiled), or replaced by one that is larger than a map may be.
//! After a change all children share one copy of a compiled map.

use std::{
    fs::{self, File},
    path::Path,
    thread,
    time::Duration,
};

use confine::{context::BackendName, map::Map};
use confine_tests::{Cell, Gate, Mpm, Server, ServerBuilder, matrix, tenants::*};

/// Longer than all children need to notice.
const A_WHILE: Duration = Duration::from_millis(1500);

/// Many lines, so that a cut leaves whole pages behind the file's new end.
fn map_with(alice: &str) -> String {
    let others: String = (0..30_000).map(|n| format!("user{n} landlock:bob\n")).collect();
    format!("{others}alice landlock:{alice}\nbob landlock:bob\n")
}

fn compile(source: &Path) -> Vec<u8> {
    Map::compile(source, BackendName::LANDLOCK).unwrap_or_else(|e| panic!("{e}")).bytes().to_vec()
}

fn with_compiled(cell: Cell) -> ServerBuilder {
    let builder = leaky_app(cell).config(LOGIN).config("ConfineMap \"@root@/tenants.compiled\"");
    let builder = builder.file("tenants.map", map_with("alice"));
    let bytes = compile(&builder.path("tenants.map"));
    builder.file("tenants.compiled", bytes)
}

/// As many requests as reach every child, as it seems.
#[track_caller]
fn alice_reads_her_own(server: &Server) {
    for _ in 0..12 {
        let response = server.client().get_as("alice", &note_of(server, "alice"));
        response.expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    }
}

/// The processes that serve.
fn children(server: &Server) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid())).expect("children");
    list.split_whitespace().map(|pid| pid.parse().expect("a process")).collect()
}

fn a_cut_map_harms_no_child(cell: Cell) {
    let server = with_compiled(cell).start();
    alice_reads_her_own(&server);
    let map = server.path("tenants.compiled");
    File::options().write(true).open(&map).and_then(|f| f.set_len(5000)).expect("cut");
    alice_reads_her_own(&server);
    server.wait_for_log(&[
        "tenants.compiled: is a compiled map that is cut short",
        "the rules from before stay",
    ]);
    alice_reads_her_own(&server);
    assert!(!server.log().contains("exit signal"), "{}", server.log());
    // New children begin with the file as it is now.
    for child in children(&server) {
        let ended = std::process::Command::new("kill").args(["-KILL", &child.to_string()]).status();
        assert!(ended.is_ok_and(|status| status.success()));
    }
    thread::sleep(A_WHILE);
    alice_reads_her_own(&server);
    assert!(!server.log().contains("exit signal Bus error"), "{}", server.log());
    // A whole one counts again.
    fs::write(server.path("new"), compile(&server.path("tenants.map"))).expect("a file");
    fs::rename(server.path("new"), &map).expect("a rename");
    server.wait_for_log(&["tenants.compiled: changed, 30002 rules are in force"]);
}

matrix!(a_cut_map_harms_no_child for process_gate);

const ANY: Cell = Cell { mpm: Mpm::Event, gate: Gate::Process };

#[test]
fn a_cut_map_stops_the_start() {
    let builder = with_compiled(ANY);
    let bytes = fs::read(builder.path("tenants.compiled")).expect("a file");
    builder.file("tenants.compiled", &bytes[..5000]).refused().says(&[
        "/tenants.compiled: is a compiled map that is cut short or goes on after its end; compile it again",
    ]);
}

/// A line of `/proc/PID/status`, in kilobytes.
fn kilobytes(pid: i32, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let value = status.lines().find_map(|l| l.strip_prefix(line)).expect("the line");
    value.trim_start_matches(':').split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
}

#[test]
fn a_swollen_map_is_refused_before_it_is_read() {
    const SIZE: u64 = 40 << 30;
    let server = with_compiled(ANY).start();
    alice_reads_her_own(&server);
    let before = children(&server).into_iter().map(|c| kilobytes(c, "VmHWM")).max().unwrap_or(0);
    let compiled = server.path("tenants.compiled");
    let mut heads =
        vec![fs::read(&compiled).expect("a file")[..4096].to_vec(), b"alice landlock:bob\n".to_vec()];
    // A head that states the size that the file has.
    let mut stated = heads[0].clone();
    stated[32..40].copy_from_slice(&SIZE.to_ne_bytes());
    heads.push(stated);
    for head in heads {
        fs::write(server.path("new"), head).expect("a file");
        File::options()
            .write(true)
            .open(server.path("new"))
            .and_then(|f| f.set_len(SIZE))
            .expect("a sparse file");
        let told = server.log_lines("the rules from before stay").len();
        fs::rename(server.path("new"), &compiled).expect("a rename");
        thread::sleep(A_WHILE);
        assert_eq!(server.log_lines("the rules from before stay").len(), told + 1, "{}", server.log());
        alice_reads_her_own(&server);
    }
    // A sparse text of a size that a map may have: its hole is no text, and ends the reading.
    fs::write(server.path("new"), "alice landlock:bob\n").expect("a file");
    let hole = File::options().write(true).open(server.path("new")).and_then(|f| f.set_len(1 << 30));
    hole.expect("a sparse file");
    fs::rename(server.path("new"), &compiled).expect("a rename");
    server.wait_for_log(&[
        "tenants.compiled:2:65537: the line is longer than 64 KiB",
        "the rules from before stay",
    ]);
    for child in children(&server) {
        let peak = kilobytes(child, "VmHWM");
        assert!(peak < before + 16 * 1024, "a child took {peak} kB, {before} kB before");
    }
}

/// How much of a child's memory is of the map's copy, and its own.
fn private_kilobytes_of_the_map(pid: i32) -> Option<u64> {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps")).expect("a process");
    let (_, behind) = smaps.split_once("/memfd:confine-map")?;
    let part = behind.lines().take(24);
    let numbers = part
        .filter(|l| l.starts_with("Private_"))
        .filter_map(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok());
    Some(numbers.sum())
}

/// Which copies children have.
fn copies(pid: i32) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("a process");
    let lines = maps.lines().filter(|l| l.contains("/memfd:confine-map"));
    lines.filter_map(|l| l.split_whitespace().nth(4).map(str::to_owned)).collect()
}

#[test]
fn after_a_change_all_children_share_one_copy() {
    let server = with_compiled(Cell { mpm: Mpm::Prefork, ..ANY }).workers(4).start();
    alice_reads_her_own(&server);
    for generation in 2..4 {
        let source = server.path("tenants.map");
        fs::write(&source, format!("{}# {generation}\n", map_with("alice"))).expect("a map");
        fs::write(server.path("new"), compile(&source)).expect("a file");
        fs::rename(server.path("new"), server.path("tenants.compiled")).expect("a rename");
        server.wait_for_log(&[&format!("are in force (generation {generation})")]);
        thread::sleep(2 * A_WHILE);
    }
    alice_reads_her_own(&server);
    let all: Vec<_> = children(&server)
        .into_iter()
        .map(|child| (copies(child), private_kilobytes_of_the_map(child)))
        .collect();
    assert!(all.len() > 2, "{all:?}");
    assert!(
        all.iter().all(|(copies, private)| copies.len() == 1 && *copies == all[0].0 && *private == Some(0)),
        "{all:?}"
    );
}
