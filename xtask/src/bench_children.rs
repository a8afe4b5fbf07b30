//! `make bench-maps ARGS=--children`: what one large map costs sixteen children of a real httpd, at the start and
//! after a change.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use confine::{context::BackendName, map::Map};
use confine_tests::{Cell, Gate, Mpm, Server};

const CHILDREN: usize = 16;

/// Memory of one process, in bytes.
#[derive(Clone, Copy, Default)]
struct Memory {
    resident: u64,
    /// Shared pages count in proportion to the processes that share them.
    proportional: u64,
    /// Pages that belong to this process alone.
    private: u64,
}

/// Prints a line for each way in which the children can get `lines` lines.
pub fn run(lines: u32, write_map: fn(u32, u32, &Path) -> u64) {
    println!(
        "{CHILDREN} children, a map of {lines} lines; memory of one child in MB (mean)\n{:28} {:>8} {:>8} {:>8} {:>10} {:>8}",
        "", "resident", "Pss", "private", "all: CPU s", "wall s"
    );
    for (name, map, lines) in [
        ("map of 10 lines", "users.map", 10),
        ("text", "users.map", lines),
        ("compiled", "users.compiled", lines),
    ] {
        measure(name, map, lines, write_map);
    }
}

fn measure(name: &str, map: &str, lines: u32, write_map: fn(u32, u32, &Path) -> u64) {
    let cell = Cell { mpm: Mpm::Prefork, gate: Gate::Process };
    let builder = cell
        .server()
        .workers(CHILDREN)
        .config("ConfineBackend landlock\n<ConfineLandlock tenant>\nLandlockABI 1\nLandlockRead /srv\n</ConfineLandlock>")
        .config(format!("ConfineMap \"@root@/{map}\""));
    let source = builder.path("users.map");
    write_map(lines, 0, &source);
    compile(&source, &builder.path("users.compiled"));
    let server = builder.start();
    settle(&server);
    print(name, &server, 0.0, Duration::ZERO);
    let before = processor_time(&server);
    let new = server.path("users.new");
    // These are the same rules in another order, so the file is as large, but another one.
    write_map(lines, 1, &new);
    if map == "users.compiled" {
        fs::rename(&new, &source).expect("a rename");
        compile(&source, &new);
        fs::rename(&new, server.path("users.compiled")).expect("a rename");
    } else {
        fs::rename(&new, &source).expect("a rename");
    }
    let renamed = Instant::now();
    let settled = settle(&server);
    let spent = processor_time(&server) - before;
    print(&format!("{name}, changed"), &server, spent, settled.saturating_duration_since(renamed));
}

fn compile(source: &Path, target: &Path) {
    let compiled = Map::compile(source, BackendName::LANDLOCK).unwrap_or_else(|e| panic!("{e}"));
    fs::write(target, compiled.bytes()).expect("a compiled map");
}

fn print(name: &str, server: &Server, spent: f64, time: Duration) {
    let children = children(server);
    let total = children.iter().map(|pid| memory(*pid)).fold(Memory::default(), |a, b| Memory {
        resident: a.resident + b.resident,
        proportional: a.proportional + b.proportional,
        private: a.private + b.private,
    });
    let mean = |bytes: u64| bytes as f64 / 1e6 / children.len().max(1) as f64;
    let wall = time.as_secs_f64();
    println!(
        "{name:28} {:>8.1} {:>8.1} {:>8.1} {spent:>10.2} {wall:>8.2}",
        mean(total.resident),
        mean(total.proportional),
        mean(total.private)
    );
}

/// Waits until the children have had nothing to do for some time. The result is the time at which they came to rest.
fn settle(server: &Server) -> Instant {
    let mut rests = (Instant::now(), processor_time(server));
    // This is longer than the time between two looks at the file. A look costs less than one step of the clock.
    while rests.0.elapsed() < Duration::from_millis(1500) {
        thread::sleep(Duration::from_millis(50));
        let now = processor_time(server);
        if now - rests.1 > 0.03 {
            rests = (Instant::now(), now);
        }
    }
    rests.0
}

fn children(server: &Server) -> Vec<i32> {
    let path = format!("/proc/{0}/task/{0}/children", server.pid());
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// How much processor time the children have used, in seconds.
fn processor_time(server: &Server) -> f64 {
    let of = |pid: &i32| -> f64 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name, which may hold blanks: utime and stime are fields 14 and 15 (proc(5)).
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        fields.skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum::<f64>() / 100.0
    };
    children(server).iter().map(of).sum()
}

fn memory(pid: i32) -> Memory {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let field = |name: &str| -> u64 {
        let line = text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1024
    };
    Memory {
        resident: field("Rss:"),
        proportional: field("Pss:"),
        private: field("Private_Clean:") + field("Private_Dirty:"),
    }
}
