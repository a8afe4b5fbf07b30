//! Fuzzing with libFuzzer: one target, or one after the other. Each ends with one closing line.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use clap::Args;

/// The longest input, in bytes.
const LONGEST: usize = 4096;

/// An input that takes more seconds than this is a finding. It is long because the machine may be busy.
const TIMEOUT: u32 = 60;

#[derive(Args)]
pub struct Options {
    /// The target: a file name in fuzz/fuzz_targets. Without it all targets run, one after the other.
    target: Option<String>,
    /// How long, in seconds.
    #[arg(default_value_t = 60)]
    seconds: u32,
    /// Keep the inputs that reach new places. They are put into the archive in fuzz/corpus, as few as possible.
    #[arg(long)]
    keep: bool,
}

/// The result of a run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    runs: u64,
    /// Edges of the program that were taken.
    coverage: u64,
    findings: Vec<PathBuf>,
    /// Whether it ran to its end or to a finding.
    ended: bool,
}

impl Outcome {
    /// Reads a line of libFuzzer.
    fn read(&mut self, line: &str) {
        if let Some(runs) = line.strip_prefix("stat::number_of_executed_units:") {
            self.runs = runs.trim().parse().unwrap_or(0);
        }
        if let Some((_, behind)) = line.split_once(" cov: ") {
            self.coverage = behind.split(' ').next().and_then(|c| c.parse().ok()).unwrap_or(self.coverage);
        }
        if let Some((_, file)) = line.split_once("Test unit written to ") {
            self.findings.push(file.into());
        }
    }
}

/// Fuzzes. The exit status is 0 only if all targets ran and nothing was found.
pub fn run(options: &Options) -> ExitCode {
    let toolchain = match ready() {
        Ok(toolchain) => toolchain,
        Err(what) => {
            eprintln!("fuzz: {what}");
            return ExitCode::FAILURE;
        }
    };
    let targets = targets();
    let chosen: Vec<_> = match &options.target {
        Some(one) => targets.iter().filter(|t| *t == one).collect(),
        None => targets.iter().collect(),
    };
    if chosen.is_empty() {
        eprintln!("fuzz: there is no such target; the targets are {}", targets.join(", "));
        return ExitCode::FAILURE;
    }
    let mut lines = Vec::new();
    let mut good = true;
    for target in chosen {
        let outcome = fuzz(&toolchain, target, options.seconds);
        good &= outcome.ended && outcome.findings.is_empty();
        let (runs, coverage, findings) = (outcome.runs, outcome.coverage, outcome.findings.len());
        lines.push(format!("{target}: {runs} runs, coverage {coverage}, {findings} findings"));
        for file in &outcome.findings {
            lines.push(format!("  {}: keep it below fuzz/findings/{target}, and mend", file.display()));
        }
        if !outcome.ended && outcome.findings.is_empty() {
            lines.push("  it did not run to its end: see above".to_owned());
        } else if options.keep && outcome.findings.is_empty() && !keep(&toolchain, target) {
            lines.push("  its inputs could not be minimised: see above".to_owned());
            good = false;
        }
    }
    lines.iter().for_each(|line| println!("{line}"));
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The name of a nightly toolchain. This installs cargo-fuzz if it is missing.
fn ready() -> Result<String, String> {
    let list = Command::new("rustup").args(["toolchain", "list"]).output();
    let list = list.map_err(|e| {
        format!("libFuzzer needs a nightly compiler, and rustup, which brings one, cannot be run: {e}; see https://rustup.rs")
    })?;
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let nightly = list.split_whitespace().find(|name| name.starts_with("nightly"));
    let nightly = nightly.ok_or(
        "libFuzzer needs a nightly compiler; install one: rustup toolchain install nightly --profile minimal",
    )?;
    let known = Command::new("cargo").args(["fuzz", "--version"]).output();
    if !known.is_ok_and(|o| o.status.success()) {
        println!("fuzz: installing cargo-fuzz");
        let installed = Command::new("cargo").args(["install", "--quiet", "--locked", "cargo-fuzz"]).status();
        if !installed.is_ok_and(|s| s.success()) {
            return Err("cargo-fuzz could not be installed: see above".to_owned());
        }
    }
    Ok(nightly.to_owned())
}

fn folder() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).join("fuzz")
}

fn targets() -> Vec<String> {
    let entries = fs::read_dir(folder().join("fuzz_targets")).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.filter_map(|e| Some(e.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

/// `cargo fuzz run TARGET FOLDERS -- OPTIONS`, under the lowest priority.
fn libfuzzer(toolchain: &str, target: &str, folders: &[PathBuf], options: &[String]) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "19", "rustup", "run", toolchain, "cargo", "fuzz", "run", target]);
    command.args(folders).arg("--").args(options).current_dir(folder().parent().unwrap_or(Path::new(".")));
    // These name the compiler that built this program.
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(name);
    }
    command
}

fn fuzz(toolchain: &str, target: &str, seconds: u32) -> Outcome {
    let work = folder().join("work").join(target);
    let _ = fs::create_dir_all(&work);
    let Some(corpus) = unpack(target) else { return Outcome::default() };
    let mut options = vec![
        format!("-max_total_time={seconds}"),
        format!("-max_len={LONGEST}"),
        format!("-timeout={TIMEOUT}"),
        "-print_final_stats=1".to_owned(),
    ];
    let words = folder().join("dict").join(format!("{target}.dict"));
    if words.exists() {
        options.push(format!("-dict={}", words.display()));
    }
    // Without -report_slow_units, a busy machine would leave inputs that were only slow because they had to wait.
    options.push(format!("-report_slow_units={TIMEOUT}"));
    let mut outcome = Outcome::default();
    let started = libfuzzer(toolchain, target, &[work, corpus], &options).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = started else { return outcome };
    if let Some(output) = child.stderr.take() {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            outcome.read(&line);
            // A line for each input that is kept would be too much.
            if !line.contains(" NEW ") && !line.contains(" REDUCE ") {
                println!("{line}");
            }
        }
    }
    let _ = std::io::stdout().flush();
    outcome.ended = child.wait().is_ok_and(|s| s.success());
    outcome
}

/// The archive of a target's corpus. It is one file, because thousands of small files would disturb everybody.
fn archive(target: &str) -> PathBuf {
    folder().join("corpus").join(format!("{target}.tar.gz"))
}

/// A folder with the inputs of a target's archive. It is empty if the target has no archive.
fn unpack(target: &str) -> Option<PathBuf> {
    let corpus = folder().join("work").join(format!("{target}.corpus"));
    let _ = fs::remove_dir_all(&corpus);
    fs::create_dir_all(&corpus).ok()?;
    let archive = archive(target);
    let unpacked = || {
        Command::new("tar")
            .arg("-xzf")
            .arg(&archive)
            .arg("-C")
            .arg(&corpus)
            .status()
            .is_ok_and(|s| s.success())
    };
    (!archive.exists() || unpacked()).then_some(corpus)
}

/// Packs a folder of inputs. The same inputs always give the same bytes.
fn pack(inputs: &Path, target: &str) -> bool {
    let new = folder().join("work").join(format!("{target}.tar.gz"));
    let packed = Command::new("tar")
        .args([
            "--sort=name",
            "--mtime=@0",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
            "--mode=u=rwX,go=rX",
        ])
        .arg("-czf")
        .arg(&new)
        .arg("-C")
        .arg(inputs)
        .arg(".")
        .status();
    packed.is_ok_and(|s| s.success()) && fs::rename(&new, archive(target)).is_ok()
}

/// Reduces the corpus to as few and as short inputs as cover the same edges.
fn keep(toolchain: &str, target: &str) -> bool {
    let work = folder().join("work").join(target);
    let Some(corpus) = unpack(target) else { return false };
    let few = folder().join("work").join(format!("{target}.few"));
    let _ = fs::remove_dir_all(&few);
    if fs::create_dir_all(&few).is_err() {
        return false;
    }
    let options = ["-merge=1", "-use_counters=0", "-rss_limit_mb=4096"].map(str::to_owned);
    let folders = [few.clone(), work, corpus];
    let merged = libfuzzer(toolchain, target, &folders, &options).stderr(Stdio::null()).status();
    let any = fs::read_dir(&few).is_ok_and(|mut entries| entries.next().is_some());
    merged.is_ok_and(|s| s.success()) && any && pack(&few, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libfuzzers_lines_are_counted() {
        let mut outcome = Outcome::default();
        for line in [
            "#253\tINITED cov: 300 ft: 9208 corp: 142/41Kb lim: 831 exec/s: 9 rss: 64Mb",
            "#2531\tDONE   cov: 3088 ft: 9208 corp: 142/41Kb lim: 831 exec/s: 9 rss: 64Mb",
            "artifact_prefix='fuzz/artifacts/map/'; Test unit written to fuzz/artifacts/map/crash-1",
            "stat::number_of_executed_units: 253100",
        ] {
            outcome.read(line);
        }
        let findings = vec!["fuzz/artifacts/map/crash-1".into()];
        assert_eq!(outcome, Outcome { runs: 253_100, coverage: 3088, findings, ended: false });
    }

    #[test]
    fn the_archive_of_a_corpus_is_unpacked() {
        let corpus = unpack("tomoyo_pattern").expect("a folder");
        assert!(fs::read_dir(corpus).expect("its entries").count() > 100);
        let none = unpack("a_new_target").expect("a folder");
        assert_eq!(fs::read_dir(&none).expect("its entries").count(), 0);
        fs::remove_dir(none).expect("gone again");
    }

    #[test]
    fn every_target_is_found() {
        assert!(targets().iter().any(|t| t == "compiled_map"), "{:?}", targets());
    }
}
