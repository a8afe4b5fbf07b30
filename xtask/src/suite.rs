//! The tests, in order, with one closing line: `N passed, N failed, N skipped`.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use clap::{Args, ValueEnum};

#[derive(Args)]
pub struct Options {
    /// Only this part.
    #[arg(long)]
    only: Option<Part>,
    /// Only tests whose names hold this.
    filter: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The library, the command, and this program: no server.
    Unit,
    /// A real httpd.
    E2e,
}

/// What one part's tests came to.
#[derive(Clone, Copy, Default)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// What a test program's closing line says, if `line` is one: `test result: ok. 3 passed; ...`.
    fn of_line(line: &str) -> Option<Self> {
        let counts = line.strip_prefix("test result: ")?;
        let count = |what: &str| {
            let before = &counts[..counts.find(what)?];
            before.split_whitespace().last()?.parse().ok()
        };
        Some(Self { passed: count(" passed")?, failed: count(" failed")?, skipped: count(" ignored")? })
    }
}

/// Runs the tests; the exit status is 0 only if some ran and none failed.
pub fn run(options: &Options) -> ExitCode {
    let mut total = Tally::default();
    if options.only != Some(Part::E2e) {
        total.add(cargo_test(&["-p", "confine", "-p", "confinectl", "-p", "xtask"], &options.filter, &[]));
    }
    if options.only != Some(Part::Unit) {
        match modules() {
            Ok(environment) => total.add(cargo_test(&["-p", "confine-tests"], &options.filter, &environment)),
            Err(what) => {
                println!("building {what} failed");
                total.failed += 1;
            }
        }
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    if total.failed == 0 && total.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Builds the module as it ships, and once more with fault injection; tells the tests where both are.
fn modules() -> Result<Vec<(&'static str, OsString)>, &'static str> {
    let target = target_folder();
    let shipped = target.join("release/libmod_confine.so");
    let faults = target.join("faults");
    let built = cargo().args(["build", "--release", "-p", "mod_confine"]).status();
    if !built.is_ok_and(|s| s.success()) {
        return Err("the module");
    }
    let mut with_faults = cargo();
    with_faults.args(["build", "-p", "mod_confine", "--features", "fault-injection", "--target-dir"]);
    if !with_faults.arg(&faults).status().is_ok_and(|s| s.success()) {
        return Err("the module with fault injection");
    }
    let faults = faults.join("debug/libmod_confine.so");
    Ok(vec![("CONFINE_MODULE", shipped.into()), ("CONFINE_FAULT_MODULE", faults.into())])
}

/// Runs `cargo test`, shows its output as it comes, and counts. A run that fails without a failed test
/// (it did not build, it crashed) counts as one failure.
fn cargo_test(packages: &[&str], filter: &Option<String>, environment: &[(&str, OsString)]) -> Tally {
    let mut command = cargo();
    command.arg("test").arg("--no-fail-fast").args(packages).args(filter);
    command.envs(environment.iter().map(|(name, value)| (name, value))).stdout(Stdio::piped());
    let mut tally = Tally::default();
    let Ok(mut child) = command.spawn() else {
        println!("cargo could not be started");
        return Tally { failed: 1, ..tally };
    };
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            tally.add(Tally::of_line(&line).unwrap_or_default());
        }
    }
    // A closed terminal must not end the run early.
    let _ = std::io::stdout().flush();
    let fine = child.wait().is_ok_and(|s| s.success());
    if !fine && tally.failed == 0 {
        tally.failed = 1;
    }
    tally
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg("--locked").current_dir(workspace());
    command
}

fn workspace() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

fn target_folder() -> PathBuf {
    let folder =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    fs::canonicalize(&folder).unwrap_or(folder)
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn a_closing_line_is_counted_and_nothing_else() {
        let line = "test result: FAILED. 12 passed; 3 failed; 4 ignored; 0 measured; 1 filtered out";
        let tally = Tally::of_line(line).expect("a closing line");
        assert_eq!((tally.passed, tally.failed, tally.skipped), (12, 3, 4));
        assert!(Tally::of_line("test something ... ok").is_none());
    }
}
