//! `make bench-maps`: what maps cost, by kind of subject and number of lines.

use std::{
    fmt::Write as _,
    fs,
    hint::black_box,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use crate::bench_children;
use confine::{Subject, context::BackendName, map::Map};
use memmap2::{Advice, MmapMut};

/// The command line of `bench-maps`.
#[derive(clap::Args)]
pub struct Options {
    /// Numbers of lines to measure.
    #[arg(long, value_delimiter = ',', default_value = "10,1000,100000,1000000")]
    lines: Vec<u32>,
    /// Measure one map in sixteen children of a server.
    #[arg(long)]
    children: bool,
    /// Measure one kind of subject. Each measurement runs in a process of its own, so that its memory can be told
    /// apart.
    #[arg(long, hide = true)]
    one: Option<String>,
}

/// Look-ups of each measurement.
const LOOKUPS: usize = 200_000;

/// How many look-ups are timed together. The cost of reading the clock then does not matter.
const BATCH: usize = 1000;

/// A kind of subject: its name, line `n` of its map, and the request that line `n` is for.
struct Kind {
    name: &'static str,
    line: fn(u32) -> String,
    asker: fn(u32) -> Asker,
}

/// The facts of a request.
#[derive(Clone, Default)]
struct Asker {
    user: Option<String>,
    addr: Option<IpAddr>,
    host: Option<String>,
    path: Option<String>,
}

const KINDS: [Kind; 6] = [
    Kind {
        name: "users",
        line: |n| format!("user{n:07}"),
        asker: |n| Asker { user: Some(format!("user{n:07}")), ..Asker::default() },
    },
    Kind { name: "IPv4", line: |n| v4(n).0, asker: |n| Asker { addr: Some(v4(n).1), ..Asker::default() } },
    Kind { name: "IPv6", line: |n| v6(n).0, asker: |n| Asker { addr: Some(v6(n).1), ..Asker::default() } },
    Kind {
        name: "hosts",
        line: |n| format!("host:www.tenant{n:07}.example"),
        asker: |n| Asker { host: Some(format!("www.tenant{n:07}.example")), ..Asker::default() },
    },
    Kind {
        name: "paths",
        line: |n| match n % 4 {
            0 => format!("path:/srv/www/tenant{n:07}/cgi-bin/*.pl"),
            1 => format!("path:/srv/www/*/app{n:07}/**"),
            _ => format!("path:/srv/www/tenant{n:07}/**"),
        },
        asker: |n| {
            let path = match n % 4 {
                0 => format!("/srv/www/tenant{n:07}/cgi-bin/search.pl"),
                1 => format!("/srv/www/someone/app{n:07}/index.php"),
                _ => format!("/srv/www/tenant{n:07}/blog/2026/index.php"),
            };
            Asker { path: Some(path), ..Asker::default() }
        },
    },
    Kind {
        name: "all",
        line: |n| (KINDS[n as usize % 5].line)(n),
        // A request has all of these facts, and one of them is in the map.
        asker: |n| {
            let stranger = Asker {
                user: Some("nobody".to_owned()),
                addr: Some(Ipv4Addr::LOCALHOST.into()),
                host: Some("www.example.org".to_owned()),
                path: Some("/var/www/html/index.html".to_owned()),
            };
            let known = (KINDS[n as usize % 5].asker)(n);
            Asker {
                user: known.user.or(stranger.user),
                addr: known.addr.or(stranger.addr),
                host: known.host.or(stranger.host),
                path: known.path.or(stranger.path),
            }
        },
    },
];

/// Maps each number to a different number in no visible order.
fn scatter(n: u32) -> u32 {
    n.wrapping_mul(0x9E37_79B1).rotate_left(11).wrapping_mul(0x85EB_CA6B)
}

/// Networks of /20 to /32, with an address in each. Some networks contain others.
fn v4(n: u32) -> (String, IpAddr) {
    let prefix = 20 + n % 13;
    let first = scatter(n) & (u32::MAX << (32 - prefix));
    (
        format!("{}/{prefix}", Ipv4Addr::from(first)),
        Ipv4Addr::from(first + (n & !(u32::MAX << (32 - prefix)))).into(),
    )
}

/// Networks of /48 to /64 below 2001::/16, with an address in each.
fn v6(n: u32) -> (String, IpAddr) {
    let prefix = 48 + n % 17;
    let bits = (0x2001_u128 << 112) | (u128::from(scatter(n)) << 80) | (u128::from(n) << 64);
    let first = bits & (u128::MAX << (128 - prefix));
    (format!("{}/{prefix}", Ipv6Addr::from(first)), Ipv6Addr::from(first + u128::from(n)).into())
}

/// Runs every measurement and prints a line for each.
pub fn run(options: &Options) -> ExitCode {
    if let Some(name) = &options.one {
        let kind = KINDS.iter().find(|k| k.name == *name);
        return match (kind, &options.lines[..]) {
            (Some(kind), [lines]) => {
                measure(kind, *lines);
                ExitCode::SUCCESS
            }
            _ => ExitCode::FAILURE,
        };
    }
    if options.children {
        let most = options.lines.iter().max().copied().unwrap_or(0);
        bench_children::run(most, write_users);
        return ExitCode::SUCCESS;
    }
    println!(
        "{:6} {:>8} {:>9} {:>9} {:>9} {:>6} {:>8} {:>6} {:>8} {:>8} {:>8} {:>8}",
        "",
        "lines",
        "file MB",
        "load ms",
        "memory MB",
        "x file",
        "peak MB",
        "x file",
        "mean ns",
        "p50 ns",
        "p99 ns",
        "miss ns"
    );
    let Ok(me) = std::env::current_exe() else { return ExitCode::FAILURE };
    for kind in &KINDS {
        for lines in &options.lines {
            let status = Command::new(&me)
                .args(["bench-maps", "--one", kind.name, "--lines", &lines.to_string()])
                .status();
            if !status.is_ok_and(|s| s.success()) {
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn measure(kind: &Kind, lines: u32) {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let path = directory.path().join("map");
    let file = write_map(kind, lines, &path);
    let before = resident();
    let start = cpu_time();
    let map = Map::load(&path, BackendName::SELINUX).unwrap_or_else(|e| panic!("{e}"));
    let load = cpu_time() - start;
    let memory = resident().saturating_sub(before);
    let peak = peak().saturating_sub(before);
    let askers: Vec<_> = (0..LOOKUPS as u32).map(|i| (kind.asker)(scatter(i) % lines)).collect();
    let subjects: Vec<_> = askers.iter().map(subject).collect();
    for (i, subject) in subjects.iter().enumerate() {
        assert!(map.lookup(subject).is_some(), "{}: nobody is {i}", kind.name);
    }
    let mean = mean(&map, &subjects);
    let mut singles = singles(&map, &subjects);
    singles.sort_unstable();
    let quantile = |q: usize| singles[singles.len() * q / 100].as_nanos();
    let mega = |bytes: u64| bytes as f64 / 1e6;
    println!(
        "{:6} {lines:>8} {:>9.2} {:>9.1} {:>9.2} {:>6.2} {:>8.1} {:>6.2} {mean:>8.0} {:>8} {:>8} {:>8.0}",
        kind.name,
        mega(file),
        load.as_secs_f64() * 1e3,
        mega(memory),
        memory as f64 / file as f64,
        mega(peak),
        peak as f64 / file as f64,
        quantile(50),
        quantile(99),
        access(map.size()),
    );
}

/// Writes a map of this many lines with about a hundred distinct contexts. The result is its size.
fn write_map(kind: &Kind, lines: u32, path: &Path) -> u64 {
    let mut text = String::new();
    for n in 0..lines {
        let _ = writeln!(text, "{} httpd_tenant_t:s0:c{},c{}", (kind.line)(n), n % 20, 100 + n % 30);
    }
    fs::write(path, &text).expect("a map");
    text.len() as u64
}

/// Writes a map of users who all get the same ruleset. The first user has the number `first`. The result is its size.
fn write_users(lines: u32, first: u32, path: &Path) -> u64 {
    let mut text = String::new();
    for n in first..first + lines {
        let _ = writeln!(text, "{} landlock:tenant", (KINDS[0].line)(n));
    }
    fs::write(path, &text).expect("a map");
    text.len() as u64
}

fn subject(asker: &Asker) -> Subject<'_> {
    Subject {
        user: asker.user.as_ref().map(String::as_bytes),
        addr: asker.addr,
        host: asker.host.as_ref().map(String::as_bytes),
        path: asker.path.as_ref().map(String::as_bytes),
    }
}

/// The mean time of a look-up in nanoseconds, over the faster half of the batches.
fn mean(map: &Map, subjects: &[Subject<'_>]) -> f64 {
    let mut batches: Vec<_> = subjects
        .chunks_exact(BATCH)
        .map(|batch| {
            let start = Instant::now();
            batch.iter().for_each(|s| {
                black_box(map.lookup(black_box(s)));
            });
            start.elapsed()
        })
        .collect();
    batches.sort_unstable();
    let half = &batches[..batches.len() / 2];
    half.iter().sum::<Duration>().as_nanos() as f64 / (half.len() * BATCH) as f64
}

/// The time of each look-up, without the time that it takes to read the clock.
fn singles(map: &Map, subjects: &[Subject<'_>]) -> Vec<Duration> {
    let time = |s: Option<&Subject<'_>>| {
        let start = Instant::now();
        if let Some(s) = s {
            black_box(map.lookup(black_box(s)));
        }
        start.elapsed()
    };
    let mut clock: Vec<_> = (0..10_001).map(|_| time(None)).collect();
    clock.sort_unstable();
    let clock = clock[clock.len() / 2];
    subjects.iter().map(|s| time(Some(s)).saturating_sub(clock)).collect()
}

/// The mean time of one random access to a block of this size that depends on the access before, in nanoseconds, over
/// the faster half of the batches. A look-up in such a block needs at least a few of these.
fn access(size: usize) -> f64 {
    const LINE: usize = 64;
    let lines = (size / LINE).max(2);
    // This is one cycle through all lines (Sattolo). Each line begins with the number of the next one.
    let mut order: Vec<_> = (0..lines as u32).collect();
    for i in (1..lines).rev() {
        order.swap(i, scatter(i as u32) as usize % i);
    }
    let mut block = MmapMut::map_anon(lines * LINE).expect("memory");
    // A map's own block has the same advice.
    let _ = block.advise(Advice::HugePage);
    for (line, next) in block.chunks_exact_mut(LINE).zip(&order) {
        line[..4].copy_from_slice(&next.to_ne_bytes());
    }
    let mut at = 0;
    let mut batches: Vec<_> = (0..100)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..BATCH {
                let next = &block[at * LINE..at * LINE + 4];
                at = u32::from_ne_bytes(next.try_into().expect("four bytes")) as usize;
            }
            start.elapsed()
        })
        .collect();
    black_box(at);
    batches.sort_unstable();
    let half = &batches[..batches.len() / 2];
    half.iter().sum::<Duration>().as_nanos() as f64 / (half.len() * BATCH) as f64
}

/// The processor time of this process. Other work of the machine changes it little.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a clock that every process has, and a place for its answer.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    status("VmRSS:")
}

/// The largest resident memory of this process so far, in bytes.
fn peak() -> u64 {
    status("VmHWM:")
}

fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}
