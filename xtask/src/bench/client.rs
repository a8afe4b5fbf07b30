//! The load generators, what they print, and what the kernel says about the server at the same time.

use std::{fs, process::Command};

use confine_tests::Server;

use super::workloads::{AT_RANDOM, Client, Workload};

/// What one server did in one round.
#[derive(Clone, Copy, Default)]
pub struct Round {
    /// Requests a second.
    pub rate: f64,
    /// Microseconds of processor time of the server for each request.
    pub cpu: f64,
    /// Latencies in microseconds: the median, and the 99th percentile. h2load does not give them.
    pub p50: f64,
    pub p99: f64,
}

/// The programs that must be installed, and their packages.
pub const PROGRAMS: [(&str, &str); 2] =
    [("wrk", "Debian: wrk, Fedora: wrk"), ("h2load", "Debian: nghttp2-client, Fedora: nghttp2")];

/// Sends requests to `server` for this many seconds.
pub fn ask(server: &Server, workload: &Workload, seconds: u32) -> Round {
    ask_both(server, &[], workload, seconds)
}

/// The same, where these processes work for the server beside its own.
pub fn ask_both(server: &Server, beside: &[i32], workload: &Workload, seconds: u32) -> Round {
    let work = || ticks(server.pid()) + beside.iter().map(|pid| tree_ticks(*pid)).sum::<u64>();
    let before = work();
    let url = format!("http://127.0.0.1:{}{}", server.port(), workload.path());
    let mut command = match workload.client {
        Client::KeepAlive(connections) => wrk(connections, seconds, &[]),
        Client::Close(connections) => wrk(connections, seconds, &["-H", "Connection: close"]),
        Client::AtRandom(connections, _) => {
            let script = server.path(AT_RANDOM);
            wrk(connections, seconds, &["-s", &script.display().to_string()])
        }
        Client::Http2(connections) => h2load(connections, seconds),
    };
    let output = command.arg(url).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let answer = match workload.client {
        Client::Http2(_) => said_by_h2load(&said),
        Client::KeepAlive(_) | Client::Close(_) | Client::AtRandom(..) => said_by_wrk(&said),
    };
    let Some((requests, mut round)) = answer else {
        panic!("{}: not every answer was 200, or none came:\n{said}\n{}", workload.name, server.log())
    };
    // A tick is a hundredth of a second on every Linux that httpd runs on (USER_HZ, proc(5)).
    round.cpu = (work() - before) as f64 * 10_000.0 / requests;
    round
}

fn wrk(connections: u32, seconds: u32, more: &[&str]) -> Command {
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "--latency", &format!("-c{connections}"), &format!("-d{seconds}s")]);
    wrk.args(["-H", "Host: localhost"]).args(more);
    wrk
}

fn h2load(connections: u32, seconds: u32) -> Command {
    let mut h2load = Command::new("h2load");
    h2load.args([
        &format!("-c{connections}"),
        "-m16",
        &format!("-D{seconds}"),
        "-H",
        ":authority: localhost",
    ]);
    h2load
}

/// The number of requests, and the figures of the round. `None` unless every request was answered with 200.
fn said_by_wrk(said: &str) -> Option<(f64, Round)> {
    let value = |label: &str| said.lines().find_map(|line| line.trim().strip_prefix(label)).map(str::trim);
    let requests = said.lines().find_map(|l| l.trim().split_once(" requests in")?.0.parse::<f64>().ok())?;
    let rate = value("Requests/sec:")?.parse().ok()?;
    let latency = |label| value(label).and_then(microseconds).unwrap_or_default();
    let fine = !said.contains("Non-2xx") && requests > 0.0;
    fine.then(|| (requests, Round { rate, cpu: 0.0, p50: latency("50%"), p99: latency("99%") }))
}

/// As [`said_by_wrk`].
fn said_by_h2load(said: &str) -> Option<(f64, Round)> {
    let line = |label: &str| said.lines().find_map(|line| line.strip_prefix(label));
    let number = |list: &str, label: &str| {
        let one =
            list.split(',').find_map(|part| part.trim().strip_suffix(label)?.trim().parse::<f64>().ok());
        one.unwrap_or(f64::NAN)
    };
    let rate = number(line("finished in ")?, "req/s");
    let requests = number(line("requests: ")?, "done");
    let good = number(line("status codes: ")?, "2xx");
    // Requests that have not ended when the time is over have a status.
    let fine = good >= requests && requests > 0.0 && number(line("requests: ")?, "failed") == 0.0;
    fine.then(|| (requests, Round { rate, ..Round::default() }))
}

/// Reads a time as wrk writes it.
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

/// The processes that serve requests: the children of httpd's parent process.
pub fn children(parent: i32) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    children.split_whitespace().map(str::to_owned).collect()
}

/// The processor time of the server's children and of all that they started, also where that has ended.
fn ticks(parent: i32) -> u64 {
    children(parent).iter().filter_map(|pid| pid.parse().ok()).map(tree_ticks).sum()
}

/// That of a process, with all that it started.
fn tree_ticks(process: i32) -> u64 {
    let own = || -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // proc(5): utime, stime, cutime and cstime are fields 14 to 17; the name in brackets is the second.
        let fields: Vec<u64> = stat.rsplit_once(") ")?.1.split(' ').map(|f| f.parse().unwrap_or(0)).collect();
        Some(fields.get(11..15)?.iter().sum())
    };
    own().unwrap_or_default() + ticks(process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_wrk() {
        assert_eq!(microseconds("250.00us"), Some(250.0));
        assert_eq!(microseconds("1.50ms"), Some(1500.0));
        assert_eq!(microseconds("2.00s"), Some(2e6));
        assert_eq!(microseconds("2.00m"), None);
    }

    #[test]
    fn what_wrk_says_is_read_and_errors_count() {
        let said = "  Latency Distribution\n     50%  210.00us\n     99%    1.20ms\n  900 requests in 1.00s, 1.0MB read\nRequests/sec:    899.50\n";
        let (requests, round) = said_by_wrk(said).expect("figures");
        assert_eq!((requests, round.rate, round.p50, round.p99), (900.0, 899.5, 210.0, 1200.0));
        assert!(said_by_wrk(&format!("{said}  Non-2xx or 3xx responses: 3\n")).is_none());
        assert!(said_by_wrk("unable to connect").is_none());
    }

    #[test]
    fn what_h2load_says_is_read_and_errors_count() {
        let said = |failed: u32, ok: u32| {
            format!(
                "finished in 1.00s, 4321.00 req/s, 5.00MB/s\nrequests: 4321 total, 4449 started, 4321 done, \
                 {ok} succeeded, {failed} failed, 0 errored, 0 timeout\nstatus codes: {ok} 2xx, 0 3xx, 0 4xx, 0 5xx\n"
            )
        };
        let (requests, round) = said_by_h2load(&said(0, 4321)).expect("figures");
        assert_eq!((requests, round.rate), (4321.0, 4321.0));
        assert!(said_by_h2load(&said(21, 4300)).is_none());
    }
}
