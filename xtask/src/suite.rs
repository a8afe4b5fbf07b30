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
    /// Only tests whose names contain this.
    filter: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The library, the command, and this program: no server.
    Unit,
    /// A real httpd.
    E2e,
    /// The guides of the manual, followed in a Debian of its own, with the packages that `make deb` made.
    Guides,
    /// A real httpd under kernels that enforce SELinux, TOMOYO and AppArmor.
    Lab,
}

/// The result of one part's tests.
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

    /// Reads the closing line of a test program: `test result: ok. 3 passed; ...`.
    fn of_line(line: &str) -> Option<Self> {
        let counts = line.strip_prefix("test result: ")?;
        let count = |what: &str| {
            let before = &counts[..counts.find(what)?];
            before.split_whitespace().last()?.parse().ok()
        };
        Some(Self { passed: count(" passed")?, failed: count(" failed")?, skipped: count(" ignored")? })
    }

    /// Reads a line of the lab about one test: `ok NAME`, `not ok NAME: why`, `skip NAME: why`.
    fn of_lab_line(line: &str) -> Option<Self> {
        let none = Self::default();
        match line.split_once(' ')? {
            ("ok", _) => Some(Self { passed: 1, ..none }),
            ("not", rest) if rest.starts_with("ok ") => Some(Self { failed: 1, ..none }),
            ("skip", _) => Some(Self { skipped: 1, ..none }),
            _ => None,
        }
    }
}

/// Runs the tests. The exit status is 0 only if some tests ran and none failed.
pub fn run(options: &Options) -> ExitCode {
    let mut total = Tally::default();
    let wanted = |part| options.only.is_none_or(|only| only == part);
    if wanted(Part::Unit) {
        total.add(cargo_test(&["-p", "confine", "-p", "confinectl", "-p", "xtask"], &options.filter, &[]));
        // These are all tests of the manual but its guides. The guides need packages and root.
        let manual = ["-p", "confine-manual", "--lib", "--test", "directives", "--test", "pages"];
        total.add(cargo_test(&manual, &options.filter, &[]));
    }
    if options.only == Some(Part::Guides) {
        total.add(cargo_test(&["-p", "confine-manual", "--test", "guides"], &options.filter, &[]));
    }
    if wanted(Part::E2e) || wanted(Part::Lab) {
        match modules() {
            Ok(environment) => {
                if wanted(Part::E2e) {
                    total.add(cargo_test(&["-p", "confine-tests"], &options.filter, &environment));
                }
                // The lab's tests are chosen by files, not by a filter.
                if wanted(Part::Lab) && options.filter.is_none() {
                    total.add(lab(&environment));
                }
            }
            Err(what) => {
                println!("building {what} failed");
                total.failed += 1;
            }
        }
    }
    println!("{} passed, {} failed, {} skipped", total.passed, total.failed, total.skipped);
    if total.failed == 0 && total.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Builds the module and the command as they are shipped, and the module once more with fault injection. The result
/// tells the tests where they are.
fn modules() -> Result<Vec<(&'static str, OsString)>, &'static str> {
    let target = target_folder();
    let shipped = target.join("release/libmod_confine.so");
    let faults = target.join("faults");
    let built = cargo().args(["build", "--release", "-p", "mod_confine", "-p", "confinectl"]).status();
    if !built.is_ok_and(|s| s.success()) {
        return Err("the module");
    }
    let mut with_faults = cargo();
    with_faults.args(["build", "-p", "mod_confine", "--features", "fault-injection", "--target-dir"]);
    if !with_faults.arg(&faults).status().is_ok_and(|s| s.success()) {
        return Err("the module with fault injection");
    }
    let faults = faults.join("debug/libmod_confine.so");
    Ok(vec![
        ("CONFINE_MODULE", shipped.into()),
        ("CONFINE_FAULT_MODULE", faults.into()),
        ("CONFINE_COMMAND", target.join("release/confinectl").into()),
    ])
}

/// Runs `cargo test` and counts by its closing lines.
fn cargo_test(packages: &[&str], filter: &Option<String>, environment: &[(&str, OsString)]) -> Tally {
    let mut command = cargo();
    command.arg("test").arg("--no-fail-fast").args(packages).args(filter);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    counted(command, Tally::of_line)
}

/// Runs the lab's suites (SELinux, TOMOYO and AppArmor) and counts their lines.
///
/// The lab's guests are made from Debian's packages. On other systems they are skipped, and say so. In CI that counts
/// as a failure.
fn lab(environment: &[(&str, OsString)]) -> Tally {
    if !Path::new("/usr/bin/apt-get").exists() {
        println!(
            "skipped: the lab's tests (SELinux, TOMOYO, AppArmor), whose guests are made with Debian's apt-get"
        );
        let in_ci = std::env::var_os("CI").is_some();
        let none = Tally::default();
        return if in_ci { Tally { failed: 1, ..none } } else { Tally { skipped: 1, ..none } };
    }
    let mut command = Command::new(workspace().join("lab/lab"));
    command.arg("all").current_dir(workspace());
    if let Some((_, module)) = environment.iter().find(|(name, _)| *name == "CONFINE_MODULE") {
        command.env("LAB_MODULE", module);
    }
    counted(command, Tally::of_lab_line)
}

/// Runs a command, shows its output as it comes, and adds up what `of_line` says about each line. A run that fails
/// without a failed test (it did not build, or it crashed) counts as one failure.
fn counted(mut command: Command, of_line: fn(&str) -> Option<Tally>) -> Tally {
    let mut tally = Tally::default();
    let Ok(mut child) = command.stdout(Stdio::piped()).spawn() else {
        println!("{} could not be started", command.get_program().to_string_lossy());
        return Tally { failed: 1, ..tally };
    };
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            tally.add(of_line(&line).unwrap_or_default());
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

    #[test]
    fn the_labs_lines_are_counted_by_their_first_words() {
        let tally = |line| Tally::of_lab_line(line).map(|t| (t.passed, t.failed, t.skipped));
        assert_eq!(tally("ok 10-static: her own page"), Some((1, 0, 0)));
        assert_eq!(tally("not ok 10-static: her own page: 403"), Some((0, 1, 0)));
        assert_eq!(tally("skip 12-php: no PHP"), Some((0, 0, 1)));
        assert_eq!(tally("# avc: denied"), None);
    }
}
