//! `make bench`: requests per second, compared with stock httpd.
//!
//! All servers of a workload run at the same time. The client asks one after the other, in rounds, and each round
//! begins with another server. A ratio compares two servers of the same round, so other work of the machine affects
//! both alike. The tables show medians.

mod bare_thread;
mod client;
mod contexts;
mod costs;
mod pools;
mod table;
mod workloads;

use std::{
    path::Path,
    process::{Command, ExitCode},
};

use confine_tests::{Gate, Server};

use self::{
    client::{PROGRAMS, Round, ask},
    table::{table, write},
    workloads::{WORKLOADS, Workload},
};

/// The command line of `bench`.
#[derive(clap::Args)]
pub struct Options {
    /// Rounds of each workload. One more runs first and does not count.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Seconds for which a server is asked in each round.
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// Only workloads whose names contain this.
    #[arg(long, default_value = "")]
    only: String,
    /// Only servers whose names contain one of these. The stock server is always measured.
    #[arg(long, value_delimiter = ',')]
    servers: Vec<String>,
    /// Measure the memory of a worker, and start-up and restart of large configurations, and no requests.
    #[arg(long)]
    costs: bool,
    /// Compare kept workers with one-time workers, with a thousand contexts.
    #[arg(long, conflicts_with = "costs")]
    contexts: bool,
    /// Compare pools of processes with what else runs PHP for tenants.
    #[arg(long, conflicts_with_all = ["costs", "contexts"])]
    pools: bool,
    /// Put the tables into docs/performance.md.
    #[arg(long)]
    write: bool,
}

/// A kind of server: its name, and what it has in addition to the stock server's configuration.
struct Kind {
    name: &'static str,
    has: Has,
}

/// What a server has in addition to the stock server.
enum Has {
    Nothing,
    /// Lines of httpd's own.
    Lines(&'static str),
    /// The bare thread, with this word.
    BareThread(&'static str),
    /// The module, with these lines.
    Module(Gate, &'static str),
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

/// The same context as elsewhere, and a place that nobody asks for in learn mode: each child then has the threads that
/// watch, and no request is watched.
const LEARNS_ELSEWHERE: &str = r#"
ConfineContext landlock:fixed
ConfineLearnFolder "@root@/learned"
<Location /elsewhere>
    ConfineMode learn
</Location>
"#;

const KINDS: [Kind; 14] = [
    Kind { name: "stock httpd", has: Has::Nothing },
    Kind { name: "stock, EnableMMAP off", has: Has::Lines("EnableMMAP off") },
    Kind { name: "EnableMMAP off, a bare thread joined", has: Has::BareThread("on") },
    Kind { name: "EnableMMAP off, a bare thread in a ruleset", has: Has::BareThread("landlock") },
    Kind { name: "EnableMMAP off, a bare thread woken", has: Has::BareThread("kept") },
    Kind { name: "a worker, no move", has: Has::Module(Gate::Process, "ConfineContext unconfined") },
    Kind { name: "Landlock", has: Has::Module(Gate::Process, "ConfineContext landlock:fixed") },
    Kind { name: "Landlock, learn mode elsewhere", has: Has::Module(Gate::Process, LEARNS_ELSEWHERE) },
    Kind { name: "Landlock, handler gate", has: Has::Module(Gate::Handler, "ConfineContext landlock:fixed") },
    Kind {
        name: "Landlock, a value in a path",
        has: Has::Module(Gate::Process, "ConfineContext landlock:by-value"),
    },
    Kind { name: "Landlock, kept workers", has: Has::Module(Gate::Kept, "ConfineContext landlock:fixed") },
    Kind {
        name: "Landlock, kept workers, learn mode elsewhere",
        has: Has::Module(Gate::Kept, LEARNS_ELSEWHERE),
    },
    Kind { name: "no rules here", has: Has::Module(Gate::Process, "") },
    Kind {
        name: "rules elsewhere, handler gate",
        has: Has::Module(Gate::Handler, "<Location /elsewhere>\nConfineContext landlock:fixed\n</Location>"),
    },
];

impl Kind {
    fn start(&self, workload: &Workload, bare_thread: &Path) -> Server {
        match self.has {
            Has::Nothing => workload.server(Gate::Process).stock(),
            Has::Lines(lines) => workload.server(Gate::Process).stock().config(lines),
            Has::BareThread(word) => workload.server(Gate::Process).stock().config(format!(
                "EnableMMAP off\nLoadModule bare_thread_module \"{}\"\nBareThread {word}",
                bare_thread.display()
            )),
            Has::Module(gate, lines) => {
                workload.server(gate).config("ConfineBackend landlock").config(RULESETS).config(lines)
            }
        }
        .start()
    }
}

/// Runs every workload that is asked for and prints its table.
pub fn run(options: &Options) -> ExitCode {
    let done = match options {
        Options { costs: true, .. } => costs::run(options.write),
        Options { pools: true, .. } => programs().and_then(|()| pools::run(options)),
        Options { contexts: true, .. } => programs().and_then(|()| contexts::run(options)),
        _ => rates(options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Checks that the load generators are installed.
fn programs() -> Result<(), String> {
    PROGRAMS.iter().try_for_each(|(program, packages)| {
        let there = Command::new(program).arg("--version").output();
        there.map(drop).map_err(|error| format!("{program}: {error}; install it ({packages})"))
    })
}

fn rates(options: &Options) -> Result<(), String> {
    programs()?;
    let folder = tempfile::tempdir().map_err(|e| format!("a temporary folder: {e}"))?;
    let bare_thread = bare_thread::build(folder.path())?;
    let wanted = |kind: &&Kind| {
        let named = options.servers.iter().any(|part| kind.name.contains(part.as_str()));
        options.servers.is_empty() || matches!(kind.has, Has::Nothing) || named
    };
    let kinds: Vec<_> = KINDS.iter().filter(wanted).collect();
    let mut tables = String::new();
    for workload in WORKLOADS.iter().filter(|w| w.name.contains(&options.only)) {
        if let Some(missing) = workload.missing() {
            println!("{}: left out, {missing}\n", workload.name);
            continue;
        }
        let table = table(workload, "stock", &measure(workload, &kinds, &bare_thread, options));
        println!("{table}");
        tables.push_str(&table);
        tables.push('\n');
    }
    if options.write {
        write("bench", &tables).map_err(|error| format!("docs/performance.md: {error}"))?;
    }
    Ok(())
}

/// The rounds of each server. The stock server is the first.
fn measure<'k>(
    workload: &Workload,
    kinds: &[&'k Kind],
    bare_thread: &Path,
    options: &Options,
) -> Vec<(&'k str, Vec<Round>)> {
    let servers: Vec<_> = kinds.iter().map(|kind| kind.start(workload, bare_thread)).collect();
    let mut rows: Vec<_> = kinds.iter().map(|kind| (kind.name, Vec::new())).collect();
    for round in 0..=options.rounds {
        for turn in 0..servers.len() {
            let which = (turn + round) % servers.len();
            let result = ask(&servers[which], workload, options.seconds);
            if round > 0 {
                rows[which].1.push(result);
            }
        }
    }
    rows
}
