//! The tasks that need more than one line of make.

mod bench;
mod bench_children;
mod bench_maps;
mod demo;
mod fuzz;
mod house;
mod suite;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "What is more than one line of make")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Start a real httpd, two people and one leaky application, and show what the kernel refuses.
    Demo(demo::Options),
    /// Measure requests per second beside stock httpd.
    Bench(bench::Options),
    /// Measure maps: look-ups, loading, memory.
    BenchMaps(bench_maps::Options),
    /// Fuzz one target, or each in turn.
    Fuzz(fuzz::Options),
    /// Check the layers of the sources, and that each file exists that a text names.
    House,
    /// Run every test and print one closing line.
    Test(suite::Options),
}

fn main() -> ExitCode {
    match Arguments::parse().task {
        Task::Demo(options) => demo::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::BenchMaps(options) => bench_maps::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::House => house::run(),
        Task::Test(options) => suite::run(&options),
    }
}
