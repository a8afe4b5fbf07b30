//! What confinement costs apart from requests: the memory of a worker at work, start-up, and restart.

use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use confine_tests::{Cell, Gate, Mpm, Server, ServerBuilder};

use super::{
    client::children,
    table::{median, write},
};

/// Requests that are under way at the same time.
const AT_WORK: usize = 200;

/// How long each of them sleeps, in microseconds for mod_lua.
const SLEEP: &str = "4000000";

/// The large configuration: this many virtual hosts, each with so many rules, of so many rulesets.
const HOSTS: usize = 1000;
const RULES: usize = 10;
const RULESETS: usize = 100;

const ROUNDS: usize = 5;

/// Measures and prints. With `to_docs`, it also puts the tables into docs/performance.md.
pub fn run(to_docs: bool) -> Result<(), String> {
    let tables = memory() + "\n" + &starts();
    println!("{tables}");
    if to_docs {
        write("costs", &(tables + "\n")).map_err(|error| format!("docs/performance.md: {error}"))?;
    }
    Ok(())
}

fn memory() -> String {
    let mut out = format!(
        "| {AT_WORK} requests at work in one child, event | MB before | MB meanwhile | kB a request |\n\
         |---|---|---|---|\n"
    );
    let servers: [(&str, Gate, bool); 3] = [
        ("stock httpd", Gate::Process, false),
        ("Landlock", Gate::Process, true),
        ("Landlock, kept workers", Gate::Kept, true),
    ];
    for (name, gate, confined) in servers {
        let (before, meanwhile) = memory_of(&sleepy(gate, confined).start());
        let each = (meanwhile - before) / AT_WORK as f64;
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {name} | {:.1} | {:.1} | {each:.0} |", before / 1e3, meanwhile / 1e3);
    }
    out
}

/// A server whose requests take long and do nothing.
fn sleepy(gate: Gate, confined: bool) -> ServerBuilder {
    let script =
        format!("function handle(r)\n r.usleep({SLEEP})\n r:puts('hello')\n return apache2.OK\nend\n");
    let builder = Cell { mpm: Mpm::Event, gate }.server().workers(AT_WORK + 8).log_level("warn");
    let builder = builder
        .file("www/sleep.lua", script)
        .file("www/note.txt", "")
        .modules(["lua"])
        .config("AddHandler lua-script .lua");
    if !confined {
        return builder.stock();
    }
    let builder = builder.ruleset("all", "LandlockRead /").config("ConfineContext landlock:all");
    match gate {
        // As many may be kept as are at work at the same time.
        Gate::Kept => builder.config("ConfineWorkers per-context max=256"),
        Gate::Process | Gate::Handler => builder,
    }
}

/// The memory of the server's children in kB, before the requests and while they are at work.
fn memory_of(server: &Server) -> (f64, f64) {
    let held = || children(server.pid()).iter().map(|pid| proportional(pid)).sum();
    // This keeps out what only the first request needs.
    server.client().get("/note.txt");
    let before = held();
    let connections: Vec<_> = (0..AT_WORK)
        .map(|_| {
            let mut connection = TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
            let request = "GET /sleep.lua HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            connection.write_all(request.as_bytes()).expect("a request");
            connection
        })
        .collect();
    // By then all requests have begun, and none has ended.
    thread::sleep(Duration::from_millis(2500));
    let meanwhile = held();
    for mut connection in connections {
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}\n{}", server.log());
    }
    (before, meanwhile)
}

/// The memory of a process in kB, with its share of what several processes have in common.
fn proportional(pid: &str) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(f64::NAN)
}

fn starts() -> String {
    let mut times: [[Vec<f64>; 2]; 2] = Default::default();
    for round in 0..ROUNDS {
        for turn in 0..2 {
            let confined = (round + turn) % 2 == 1;
            let begin = Instant::now();
            let server = large(confined).start();
            let started = begin.elapsed();
            let begin = Instant::now();
            server.restart_gracefully();
            let restarted = begin.elapsed();
            for (time, list) in [started, restarted].into_iter().zip(&mut times[usize::from(confined)]) {
                list.push(time.as_secs_f64() * 1e3);
            }
        }
    }
    let mut out = format!(
        "| {HOSTS} virtual hosts, {} rules, {RULESETS} rulesets | start, ms | graceful restart, ms |\n|---|---|---|\n",
        HOSTS * RULES
    );
    for (name, [start, restart]) in ["stock httpd, the same sections", "mod_confine"].into_iter().zip(times) {
        let _ = writeln!(
            out,
            "| {name} | {:.0} | {:.0} |",
            median(start.into_iter()),
            median(restart.into_iter())
        );
    }
    out
}

/// A configuration of many virtual hosts with many sections. With `confined`, each section has a rule.
fn large(confined: bool) -> ServerBuilder {
    let mut builder = Cell { mpm: Mpm::Event, gate: Gate::Process }.server().log_level("warn");
    if confined {
        for n in 0..RULESETS {
            builder = builder
                .ruleset(&format!("tenant{n}"), "LandlockRead /usr \"@root@/www\"\nLandlockWrite /tmp");
        }
    } else {
        builder = builder.stock();
    }
    for host in 0..HOSTS {
        let mut lines = String::new();
        for rule in 0..RULES {
            let line = match confined {
                true => format!("ConfineContext landlock:tenant{}", (host * RULES + rule) % RULESETS),
                false => "Require all granted".to_owned(),
            };
            let _ = writeln!(lines, "<Location /part{rule}>\n{line}\n</Location>");
        }
        builder = builder.host(&format!("host{host}.example"), &lines);
    }
    builder
}
