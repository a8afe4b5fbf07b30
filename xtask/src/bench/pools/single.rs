//! What pools cost apart from rates: the first request of a context, many contexts, memory, and a neighbour that hangs.

use std::{
    fmt::Write as _,
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use confine_tests::{Gate, Mpm, Request, Server};

use super::{
    fpm::Fpm,
    servers::{LEAN_RULES, lean_pool_lines, pool_lines},
};
use crate::bench::{
    client::ask,
    table::median,
    workloads::{AT_RANDOM, Client, Content, Workload},
};

/// The number of contexts that are asked at random.
const CONTEXTS: u32 = 1000;
/// How many of them are asked for the first time, one after the other.
const COLD: u32 = 20;
/// How many idle pools share the program and its libraries where their memory is measured.
const NEIGHBOURS: u32 = 10;
/// Connections of the tenant that hangs.
const HANGING: usize = 200;
/// Its bound: the default of `Processes` and of `Queue`.
const BOUND: usize = 8 + 64;

const HELLO: Workload =
    Workload { name: "hello", mpm: Mpm::Event, content: Content::PhpHello, client: Client::KeepAlive(8) };

/// Settings for many tenants: OPcache's tables have room for two thousand scripts, not ten thousand (docs/fastcgi.md).
const SMALL_TABLES: &str =
    "Arguments -d opcache.max_accelerated_files=2000 -d opcache.interned_strings_buffer=4";

/// The table.
pub fn run(rounds: usize) -> Result<String, String> {
    let mut out = String::from("### PHP for tenants: apart from rates\n\n| what | figure |\n|---|---|\n");
    let mut row = |what: &str, figure: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {what} | {figure} |");
    };
    let (server, median_ms, worst_ms) = first_requests()?;
    row("first request of a context, median and worst of 20", format!("{median_ms:.0} ms, {worst_ms:.0} ms"));
    let fpm = first_requests_of_fpm()?;
    row("the same, php-fpm ondemand", format!("{fpm:.0} ms"));
    let (rate, worst, bad) = at_random(&server)?;
    row(
        "1,000 contexts asked at random, Total 100, Processes 1, 16 connections",
        format!("{rate:.0} requests/s, the longest {worst:.2} s, {bad} errors"),
    );
    drop(server);
    for (processes, settings, what) in [(1, SMALL_TABLES, ", small tables"), (1, "", ""), (8, "", "")] {
        let (idle, stopped) = memory(processes, settings)?;
        row(
            &format!(
                "memory of an idle pool, one of {NEIGHBOURS} that served a request each, Processes {processes}{what}"
            ),
            format!("{idle:.1} MB, {stopped} when it is stopped"),
        );
    }
    let (alone, beside, refused) = beside_one_that_hangs(rounds)?;
    row(
        "a tenant's p99 alone, and beside one that hangs all its processes over 200 connections",
        format!(
            "{alone:.0} us, {beside:.0} us ({:+.0} %); {refused} of the 200 were refused (503)",
            (beside / alone - 1.0) * 100.0
        ),
    );
    Ok(out)
}

/// A server with a ruleset for each tenant, whom a header names.
fn many_contexts(contexts: u32, section: &str) -> Result<Server, String> {
    let workload = Workload { client: Client::AtRandom(16, contexts), ..HELLO };
    let mut rulesets = String::new();
    for number in 0..contexts {
        // Writing to a String cannot fail.
        let _ = writeln!(rulesets, "<ConfineLandlock t{number}>\n{LEAN_RULES}\n</ConfineLandlock>");
    }
    let builder = lean_pool_lines(workload.without_modules(Gate::Kept), section)?;
    Ok(builder.config(format!("{rulesets}ConfineExpr \"t%{{HTTP:X-Tenant}}\"")).start())
}

/// The first page for a tenant.
fn hello(tenant: u32) -> Request {
    Request::get("/hello.php").header("X-Tenant", &tenant.to_string())
}

fn timed(server: &Server, request: &Request) -> f64 {
    let start = Instant::now();
    let answer = server.client().send(request);
    assert_eq!(answer.status, 200, "{answer:?}\n{}", server.log());
    start.elapsed().as_secs_f64() * 1e3
}

/// The server, and milliseconds: the median and the worst.
fn first_requests() -> Result<(Server, f64, f64), String> {
    let server = many_contexts(CONTEXTS, "Processes 1\nTotal 100")?;
    // This keeps out what only the server's first request needs.
    timed(&server, &hello(0));
    let times: Vec<f64> = (1..=COLD).map(|tenant| timed(&server, &hello(tenant))).collect();
    let worst = times.iter().copied().fold(0.0, f64::max);
    Ok((server, median(times.into_iter()), worst))
}

fn first_requests_of_fpm() -> Result<f64, String> {
    let builder = HELLO.without_modules(Gate::Process).stock().modules(["proxy", "proxy_fcgi"]).config(
        "<FilesMatch \"\\.php$\">\nSetHandler \"proxy:unix:@root@/run/fpm.sock|fcgi://fpm/\"\n</FilesMatch>",
    );
    let pool = "pm = ondemand\npm.max_children = 8\npm.process_idle_timeout = 1s";
    let _fpm = Fpm::start(&builder.path("run"), pool)?;
    let server = builder.start();
    timed(&server, &Request::get("/hello.php"));
    let times = (0..5).map(|_| {
        // Its processes have ended by then.
        thread::sleep(Duration::from_millis(2500));
        timed(&server, &Request::get("/hello.php"))
    });
    Ok(median(times))
}

/// Requests a second, the longest time in seconds, and the number of errors.
fn at_random(server: &Server) -> Result<(f64, f64, u32), String> {
    let script = server.path(AT_RANDOM);
    let mut text = fs::read_to_string(&script).map_err(|error| format!("{}: {error}", script.display()))?;
    text.push_str(
        "done = function(summary, latency)\n  io.write(string.format('FIGURES %f %f %d\\n', summary.requests * 1e6 / \
         summary.duration, latency.max / 1e6, summary.errors.status + summary.errors.timeout + summary.errors.read + \
         summary.errors.connect + summary.errors.write))\nend\n",
    );
    let script = server.path("at-random-summary.lua");
    fs::write(&script, text).map_err(|error| format!("{}: {error}", script.display()))?;
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "-c16", "-d20s", "--timeout", "30s", "-H", "Host: localhost", "-s"]).arg(&script);
    let said = wrk.arg(format!("http://127.0.0.1:{}/hello.php", server.port())).output();
    let said = said.map_err(|error| format!("wrk: {error}"))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let figures = || -> Option<(f64, f64, u32)> {
        let line = said.lines().find_map(|line| line.strip_prefix("FIGURES "))?;
        let mut words = line.split(' ');
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    figures().ok_or_else(|| format!("wrk said no figures: {said}"))
}

/// MB of one of several idle pools, which share the files of the program and its libraries; and how many processes there
/// are once they are stopped.
fn memory(processes: u32, settings: &str) -> Result<(f64, usize), String> {
    let server = &many_contexts(NEIGHBOURS, &format!("Processes {processes}\nIdle 4\n{settings}"))?;
    (0..NEIGHBOURS).for_each(|tenant| {
        timed(server, &hello(tenant));
    });
    thread::sleep(Duration::from_secs(1));
    let all = server.processes_of("php-cgi");
    // A single process has no main process beside it.
    let of_one = if processes == 1 { 1 } else { processes + 1 };
    let (found, wanted) = (all.len(), (NEIGHBOURS * of_one) as usize);
    if found != wanted {
        return Err(format!("{found} processes of idle pools, not {wanted}: {}", server.log()));
    }
    let held: f64 = all.iter().map(|(pid, _)| proportional(*pid)).sum();
    let start = Instant::now();
    while !server.processes_of("php-cgi").is_empty() && start.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(200));
    }
    Ok((held / 1e3 / f64::from(NEIGHBOURS), server.processes_of("php-cgi").len()))
}

/// KB of a process, with its share of what it has in common with others.
fn proportional(pid: i32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or_default()
}

/// p99 in microseconds of a tenant alone and beside one that hangs, and how many requests of that one were refused. Two
/// servers are asked in turn: what else the machine does meanwhile changes from minute to minute.
fn beside_one_that_hangs(rounds: usize) -> Result<(f64, f64, usize), String> {
    let servers = [two_tenants(), two_tenants()];
    let (connections, refused) = hang(&servers[1])?;
    let mut p99 = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for turn in [round, round + 1] {
            let figures = ask(&servers[turn % 2], &HELLO, 1);
            if round > 0 {
                p99[turn % 2].push(figures.p99);
            }
        }
    }
    drop(connections);
    let [alone, beside] = p99.map(|p99| median(p99.into_iter()));
    Ok((alone, beside, refused))
}

/// A server with two tenants, of whom one has a page that never ends.
fn two_tenants() -> Server {
    let tenant = |name: &str| {
        format!(
            "<ConfineLandlock {name}>\nLandlockInclude php-cgi\nLandlockRead \"@root@/www\"\n</ConfineLandlock>\n\
             <Location \"/{name}\">\nConfineContext landlock:{name}\n</Location>\nAlias \"/{name}\" \"@root@/www\""
        )
    };
    let builder = pool_lines(HELLO.without_modules(Gate::Kept), "Processes 8").workers(160);
    let rule = format!("{}\n{}\nConfineContext landlock:quiet", tenant("quiet"), tenant("hanging"));
    let server = builder.file("www/hang.php", "<?php sleep(1000);\n").config(rule).start();
    timed(&server, &Request::get("/hello.php"));
    server
}

/// Connections that wait for a page that never ends; and how many were refused at once.
fn hang(server: &Server) -> Result<(Vec<TcpStream>, usize), String> {
    let told = |error: std::io::Error| format!("a connection: {error}");
    let mut connections = Vec::new();
    for _ in 0..HANGING {
        let mut connection = TcpStream::connect(("127.0.0.1", server.port())).map_err(told)?;
        let request = "GET /hanging/hang.php HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        connection.write_all(request.as_bytes()).map_err(told)?;
        connection.set_nonblocking(true).map_err(told)?;
        connections.push(connection);
        thread::sleep(Duration::from_millis(2));
    }
    thread::sleep(Duration::from_secs(2));
    let mut refused = 0;
    for connection in &mut connections {
        let mut room = [0; 64];
        if let Ok(length) = connection.read(&mut room) {
            refused += usize::from(room[..length].starts_with(b"HTTP/1.1 503"));
        }
    }
    if refused + BOUND != HANGING {
        return Err(format!("{refused} of {HANGING} were refused, not all but {BOUND}: {}", server.log()));
    }
    Ok((connections, refused))
}
