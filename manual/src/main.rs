//! What the Makefile asks of the manual.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use confine_manual::{guide, script, site};

#[derive(Parser)]
#[command(about = "The manual: its site, and its guides as scripts")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Make the site in target/site, and follow each of its links.
    Site,
    /// Print the script of a guide.
    Script {
        /// The page.
        page: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Site => site::make(),
        Task::Script { page } => print_script(&page),
    };
    match done {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn print_script(page: &PathBuf) -> Result<String, String> {
    let name = page.display().to_string();
    let text = fs::read_to_string(page).map_err(|e| format!("{name}: {e}"))?;
    let steps = guide::steps(&text).map_err(|e| format!("{name}: {e}"))?;
    Ok(script::of(&name, &steps))
}
