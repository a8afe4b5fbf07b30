//! `bench --contexts`: compares kept workers with one-time workers, with many more contexts than workers that may be
//! kept.

use std::fmt::Write as _;

use confine_tests::{Gate, Mpm, Server};

use super::{
    Options,
    client::{Round, ask},
    table::{table, write},
    workloads::{Client, Content, Workload},
};

/// The number of contexts. Each has a ruleset of its own.
const CONTEXTS: u32 = 1000;

const WORKLOAD: Workload = Workload {
    name: "1 kB file, a thousand contexts at random",
    mpm: Mpm::Event,
    content: Content::Small,
    client: Client::AtRandom(48, CONTEXTS),
};

/// The others are compared with the first one.
const SERVERS: [(&str, Gate, &str); 5] = [
    ("one-time workers", Gate::Handler, ""),
    ("kept, max=64", Gate::Kept, "ConfineWorkers per-context"),
    ("kept, max=64 idle=1", Gate::Kept, "ConfineWorkers per-context idle=1"),
    ("kept, max=500", Gate::Kept, "ConfineWorkers per-context max=500"),
    ("kept, max=2000", Gate::Kept, "ConfineWorkers per-context max=2000"),
];

fn start(gate: Gate, lines: &str) -> Server {
    let mut rulesets = String::new();
    for number in 0..CONTEXTS {
        // Writing to a String cannot fail.
        let _ = writeln!(
            rulesets,
            "<ConfineLandlock t{number}>\nLandlockRead / \"@root@/www\"\n</ConfineLandlock>"
        );
    }
    let rule = "ConfineBackend landlock\nConfineExpr \"t%{HTTP:X-Tenant}\"";
    WORKLOAD.server(gate).config(format!("{lines}\n{rule}\n{rulesets}")).start()
}

/// Measures and prints. With `write`, it also puts the table into docs/performance.md.
pub fn run(options: &Options) -> Result<(), String> {
    let servers: Vec<_> = SERVERS.iter().map(|(_, gate, lines)| start(*gate, lines)).collect();
    let mut rows: Vec<(&str, Vec<Round>)> = SERVERS.iter().map(|(name, ..)| (*name, Vec::new())).collect();
    for round in 0..=options.rounds {
        for turn in 0..servers.len() {
            let which = (turn + round) % servers.len();
            let result = ask(&servers[which], &WORKLOAD, options.seconds);
            if round > 0 {
                rows[which].1.push(result);
            }
        }
    }
    let table = table(&WORKLOAD, "one-time", &rows);
    println!("{table}");
    if options.write {
        write("contexts", &(table + "\n")).map_err(|error| format!("docs/performance.md: {error}"))?;
    }
    Ok(())
}
