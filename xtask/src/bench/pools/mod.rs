//! `bench --pools`: PHP in processes of its own, beside what users would pick instead.

mod content;
mod fpm;
mod servers;
mod single;

use confine_tests::platform;

use self::servers::{KINDS, Started};
use super::{
    Options,
    client::{Round, ask_both},
    table::{table, write},
    workloads::{Client, Content, Workload},
};

/// How many processes of PHP each server has where it has a number of them.
const PROCESSES: u32 = 8;

const fn page(name: &'static str, content: Content) -> Workload {
    Workload { name, mpm: confine_tests::Mpm::Event, content, client: Client::KeepAlive(16) }
}

const WORKLOADS: [Workload; 3] = [
    page("PHP for tenants: hello, 16 connections", Content::PhpHello),
    page("PHP for tenants: a page of 30 includes and SQLite, 16 connections", Content::PhpCms),
    page("PHP for tenants: a page of 2 ms, 16 connections", Content::PhpWork),
];

/// Measures and prints. With `write`, it also puts the tables into docs/performance.md.
pub fn run(options: &Options) -> Result<(), String> {
    if !platform::is_root() {
        return Err(
            "pools of processes, suexec and mpm-itk need a server that root starts; run this as root"
                .to_owned(),
        );
    }
    let mut tables = String::new();
    for workload in WORKLOADS.iter().filter(|workload| workload.name.contains(&options.only)) {
        let table = table(workload, "mod_php", &rates(workload, options)?);
        println!("{table}");
        tables.push_str(&table);
        tables.push('\n');
    }
    if "apart from rates".contains(&options.only) {
        let table = single::run(options.rounds)?;
        println!("{table}");
        tables.push_str(&table);
    }
    if options.write {
        write("pools", &tables).map_err(|error| format!("docs/performance.md: {error}"))?;
    }
    Ok(())
}

/// The rounds of each kind of server.
fn rates(workload: &Workload, options: &Options) -> Result<Vec<(&'static str, Vec<Round>)>, String> {
    let mut servers: Vec<Started> = Vec::new();
    let mut rows = Vec::new();
    let wanted = |name: &str| {
        options.servers.is_empty() || options.servers.iter().any(|part| name.contains(part.as_str()))
    };
    for (at, kind) in KINDS.iter().enumerate().filter(|(at, kind)| *at == 0 || wanted(kind.name)) {
        // One process a request is slow, so it is asked for the smallest page alone.
        if kind.hello_alone && workload.content != Content::PhpHello {
            continue;
        }
        match kind.missing() {
            Some(missing) if at > 0 => println!("{}: left out, {missing}\n", kind.name),
            Some(missing) => return Err(missing),
            None => {
                servers.push((kind.start)(workload)?);
                rows.push((kind.name, Vec::new()));
            }
        }
    }
    for round in 0..=options.rounds {
        for turn in 0..servers.len() {
            let which = (turn + round) % servers.len();
            let started = &servers[which];
            let result = ask_both(&started.server, &started.beside(), workload, options.seconds);
            if round > 0 {
                rows[which].1.push(result);
            }
        }
    }
    Ok(rows)
}
