//! `make bench`: requests per second beside stock httpd.
//!
//! All servers of a workload are up at once and wrk asks each in turn, in rounds, in an order that goes
//! round. A ratio is of two servers in the same round, so that what else the machine does touches both
//! alike; what counts are medians.

use std::{
    fmt::Write as _,
    fs,
    process::{Command, ExitCode},
};

use confine_tests::{Cell, Gate, Mpm, Server, ServerBuilder, platform};

/// The command line of `bench`.
#[derive(clap::Args)]
pub struct Options {
    /// Rounds of each workload; one more runs first and does not count.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Seconds for which a server is asked in a round.
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// Only workloads whose names hold this.
    #[arg(long, default_value = "")]
    only: String,
    /// Put the tables into docs/performance.md.
    #[arg(long)]
    write: bool,
}

/// What is asked for, and how.
struct Workload {
    name: &'static str,
    mpm: Mpm,
    path: &'static str,
    connections: u32,
    /// A connection for each request.
    close: bool,
}

const WORKLOADS: [Workload; 9] = [
    Workload {
        name: "1 kB file, 48 connections",
        mpm: Mpm::Event,
        path: "/small.txt",
        connections: 48,
        close: false,
    },
    Workload {
        name: "1 kB file, 8 connections",
        mpm: Mpm::Event,
        path: "/small.txt",
        connections: 8,
        close: false,
    },
    Workload {
        name: "1 kB file, 1 connection",
        mpm: Mpm::Event,
        path: "/small.txt",
        connections: 1,
        close: false,
    },
    Workload {
        name: "1 kB file, a connection a request",
        mpm: Mpm::Event,
        path: "/small.txt",
        connections: 48,
        close: true,
    },
    Workload { name: "100 kB file", mpm: Mpm::Event, path: "/large.bin", connections: 48, close: false },
    Workload { name: "mod_lua, hello", mpm: Mpm::Event, path: "/hello.lua", connections: 48, close: false },
    Workload {
        name: "1 kB file, prefork",
        mpm: Mpm::Prefork,
        path: "/small.txt",
        connections: 48,
        close: false,
    },
    Workload {
        name: "PHP, hello, prefork",
        mpm: Mpm::Prefork,
        path: "/hello.php",
        connections: 48,
        close: false,
    },
    Workload {
        name: "CGI, prefork",
        mpm: Mpm::Prefork,
        path: "/cgi-bin/hello",
        connections: 8,
        close: false,
    },
];

/// A kind of server: what it is called, and what it says beyond the stock server's configuration.
struct Kind {
    name: &'static str,
    gate: Gate,
    lines: &'static str,
}

const RULESETS: &str = r#"
<ConfineLandlock fixed>
    LandlockRead / "@root@/www"
    LandlockExecute /usr "@root@/cgi-bin"
    LandlockWrite /dev/null
</ConfineLandlock>
<ConfineLandlock by-value>
    LandlockRead / "@root@/data/%{HTTP_HOST}"
    LandlockExecute /usr "@root@/cgi-bin"
    LandlockWrite /dev/null
</ConfineLandlock>
"#;

const KINDS: [Kind; 6] = [
    Kind { name: "a worker, no move", gate: Gate::Process, lines: "ConfineContext unconfined" },
    Kind { name: "Landlock", gate: Gate::Process, lines: "ConfineContext landlock:fixed" },
    Kind {
        name: "Landlock, a value in a path",
        gate: Gate::Process,
        lines: "ConfineContext landlock:by-value",
    },
    Kind { name: "Landlock, kept workers", gate: Gate::Kept, lines: "ConfineContext landlock:fixed" },
    Kind { name: "no rules here", gate: Gate::Process, lines: "" },
    Kind {
        name: "rules elsewhere, handler gate",
        gate: Gate::Handler,
        lines: "<Location /elsewhere>\nConfineContext landlock:fixed\n</Location>",
    },
];

/// What one server did in one round.
#[derive(Clone, Copy, Default)]
struct Round {
    /// Requests a second.
    rate: f64,
    /// Microseconds of processor time of the server for each request.
    cpu: f64,
    /// Latencies in microseconds: the middle one, and that of the slowest hundredth.
    p50: f64,
    p99: f64,
}

/// Runs every workload that is asked for and prints its table.
pub fn run(options: &Options) -> ExitCode {
    if let Err(error) = Command::new("wrk").arg("-v").output() {
        eprintln!("bench: wrk: {error}; install it (Debian: wrk, Fedora: wrk)");
        return ExitCode::FAILURE;
    }
    let mut tables = String::new();
    for workload in WORKLOADS.iter().filter(|w| w.name.contains(&options.only)) {
        if workload.path.ends_with(".php") && php().is_none() {
            println!("{}: left out, there is no mod_php here (Debian: libapache2-mod-php)\n", workload.name);
            continue;
        }
        let table = table(workload, &measure(workload, options));
        println!("{table}");
        tables.push_str(&table);
        tables.push('\n');
    }
    if options.write {
        if let Err(error) = write(&tables) {
            eprintln!("bench: docs/performance.md: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// mod_php of this machine, which has a version in its name.
fn php() -> Option<String> {
    let entries = fs::read_dir(platform::module_folder()).ok()?;
    let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
    names.filter(|n| n.starts_with("libphp") && n.ends_with(".so")).max()
}

fn builder(workload: &Workload, gate: Gate) -> ServerBuilder {
    let builder = Cell { mpm: workload.mpm, gate }.server().log_level("warn").workers(64);
    let builder = builder
        .file("www/small.txt", "x".repeat(1024))
        .file("www/large.bin", "x".repeat(100 << 10))
        .file("data/localhost/note", "")
        .file("www/hello.lua", "function handle(r)\n r:puts('hello')\n return apache2.OK\nend\n")
        .file("www/hello.php", "<?php echo 'hello';\n")
        .program("cgi-bin/hello", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello'\n");
    let cgi = "ScriptAlias /cgi-bin \"@root@/cgi-bin\"\n<Directory \"@root@/cgi-bin\">\nRequire all granted\n</Directory>";
    match (workload.path, php()) {
        ("/hello.lua", _) => builder.modules(["lua"]).config("AddHandler lua-script .lua"),
        ("/cgi-bin/hello", _) => builder.modules(["cgi"]).config(cgi),
        ("/hello.php", Some(file)) => builder.config(format!(
            "LoadModule php_module {}\nAddHandler application/x-httpd-php .php",
            platform::module_folder().join(file).display()
        )),
        _ => builder,
    }
}

/// The rounds of each server, the stock one first.
fn measure(workload: &Workload, options: &Options) -> Vec<Vec<Round>> {
    let mut servers = vec![builder(workload, Gate::Process).stock().start()];
    servers.extend(KINDS.iter().map(|kind| {
        builder(workload, kind.gate)
            .config("ConfineBackend landlock")
            .config(RULESETS)
            .config(kind.lines)
            .start()
    }));
    let mut rounds = vec![Vec::new(); servers.len()];
    for round in 0..=options.rounds {
        for turn in 0..servers.len() {
            let which = (turn + round) % servers.len();
            let result = ask(&servers[which], workload, options.seconds);
            if round > 0 {
                rounds[which].push(result);
            }
        }
    }
    rounds
}

fn ask(server: &Server, workload: &Workload, seconds: u32) -> Round {
    let before = ticks(server.pid());
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "--latency", &format!("-c{}", workload.connections), &format!("-d{seconds}s")]);
    wrk.args(["-H", "Host: localhost"]);
    if workload.close {
        wrk.args(["-H", "Connection: close"]);
    }
    let output = wrk.arg(format!("http://127.0.0.1:{}{}", server.port(), workload.path)).output();
    let output = output.unwrap_or_else(|e| panic!("wrk: {e}"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        !said.contains("Non-2xx"),
        "{}: not every answer was 200:\n{said}\n{}",
        workload.name,
        server.log()
    );
    let value = |label: &str| said.lines().find_map(|line| line.trim().strip_prefix(label)).map(str::trim);
    let rate = value("Requests/sec:").and_then(|v| v.parse().ok());
    let rate: f64 = rate.unwrap_or_else(|| panic!("{}: wrk said:\n{said}", workload.name));
    let requests = said.lines().find_map(|l| l.trim().split_once(" requests in")?.0.parse::<f64>().ok());
    // A tick is a hundredth of a second on every Linux that httpd runs on (USER_HZ, proc(5)).
    let cpu = (ticks(server.pid()) - before) as f64 * 10_000.0 / requests.unwrap_or(rate);
    let latency = |label| value(label).and_then(microseconds).unwrap_or_default();
    Round { rate, cpu, p50: latency("50%"), p99: latency("99%") }
}

/// Processor time of the server's children, theirs that have ended included.
fn ticks(parent: i32) -> u64 {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let of = |pid: &str| -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // proc(5): utime, stime, cutime and cstime are fields 14 to 17; the name in brackets is the second.
        let fields: Vec<u64> = stat.rsplit_once(") ")?.1.split(' ').map(|f| f.parse().unwrap_or(0)).collect();
        Some(fields.get(11..15)?.iter().sum())
    };
    children.split_whitespace().filter_map(of).sum()
}

/// wrk's way to write a time.
fn microseconds(text: &str) -> Option<f64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[number.len()..] {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

/// A table in Markdown: medians, and how far the ratios of single rounds lie apart.
fn table(workload: &Workload, rounds: &[Vec<Round>]) -> String {
    let mut out = format!("### {}\n\n", workload.name);
    out.push_str(
        "| server | requests/s | to stock | spread | CPU us/request | added p50 us | added p99 us |\n",
    );
    out.push_str("|---|---|---|---|---|---|---|\n");
    let stock = &rounds[0];
    let names = std::iter::once("stock httpd").chain(KINDS.iter().map(|k| k.name));
    for (name, own) in names.zip(rounds) {
        let paired = |of: fn(&Round, &Round) -> f64| median(own.iter().zip(stock).map(|(a, b)| of(a, b)));
        let ratios: Vec<f64> = own.iter().zip(stock).map(|(a, b)| a.rate / b.rate).collect();
        let (low, high) = ratios.iter().fold((f64::MAX, 0.0_f64), |(l, h), r| (l.min(*r), h.max(*r)));
        let noisy = if high - low > 0.1 { " (noisy)" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| {name} | {:.0} | {:.3} | {low:.3} to {high:.3}{noisy} | {:.1} | {:.0} | {:.0} |",
            median(own.iter().map(|r| r.rate)),
            median(ratios.iter().copied()),
            median(own.iter().map(|r| r.cpu)),
            paired(|a, b| a.p50 - b.p50),
            paired(|a, b| a.p99 - b.p99),
        );
    }
    out
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Replaces what stands between the two marks in docs/performance.md.
fn write(tables: &str) -> std::io::Result<()> {
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");
    let text = fs::read_to_string(FILE)?;
    let missing = || std::io::Error::other("the marks <!-- bench --> and <!-- /bench --> are not there");
    let (head, rest) = text.split_once("<!-- bench -->\n").ok_or_else(missing)?;
    let (_, tail) = rest.split_once("<!-- /bench -->").ok_or_else(missing)?;
    fs::write(FILE, format!("{head}<!-- bench -->\n{tables}<!-- /bench -->{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }

    #[test]
    fn times_of_wrk() {
        assert_eq!(microseconds("250.00us"), Some(250.0));
        assert_eq!(microseconds("1.50ms"), Some(1500.0));
        assert_eq!(microseconds("2.00s"), Some(2e6));
        assert_eq!(microseconds("2.00m"), None);
    }
}
