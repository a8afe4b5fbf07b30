//! What a person at a terminal sees, and a program that reads a pipe does not: progress and colours.

use std::{fmt::Write, fs, process::Command};

use tempfile::TempDir;

/// Enough lines for some seconds of `check` on a fast machine. A debug build takes ten times as long.
const LINES: usize = if cfg!(debug_assertions) { 200_000 } else { 4_000_000 };

/// `map diff` looks every subject up in both maps, so it needs fewer lines for as much work.
const LINES_OF_A_DIFF: usize = LINES / 4;

fn with_map(lines: usize) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = String::new();
    for i in 0..lines {
        // Writing to a string does not fail.
        let _ = writeln!(text, "user{i} landlock:tenant{}", i % 50);
    }
    fs::write(folder.path().join("m"), text).expect("a map");
    folder
}

/// What a run at a terminal (util-linux's script) shows, and its exit status.
fn at_a_terminal(folder: &TempDir, arguments: &str, variables: &[(&str, &str)]) -> (String, Option<i32>) {
    let command = format!("'{}' {arguments}", env!("CARGO_BIN_EXE_confinectl"));
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).current_dir(folder.path());
    script
        .env_remove("NO_COLOR")
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .envs(variables.iter().copied());
    let output = script.output().expect("script runs");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

/// The percentages behind `what` and a bar, as they came.
fn shown(screen: &str, what: &str) -> Vec<u32> {
    let bars = screen.split(what).skip(1).filter_map(|behind| behind.strip_prefix(" ["));
    let percent = |bar: &str| bar.split_once("] ")?.1.split_once('%')?.0.parse().ok();
    bars.filter_map(percent).collect()
}

#[test]
fn a_bar_grows_at_a_terminal_and_is_gone_at_the_end() {
    for (lines, arguments, what) in
        [(LINES, "check m", "checking the map"), (LINES_OF_A_DIFF, "map diff m m", "comparing the maps")]
    {
        let folder = with_map(lines);
        let (screen, status) = at_a_terminal(&folder, arguments, &[]);
        assert_eq!(status, Some(0), "{screen}");
        let percentages = shown(&screen, what);
        assert!(percentages.len() > 1, "{arguments}: {screen}");
        assert!(percentages.is_sorted() && percentages.iter().all(|p| *p <= 100), "{percentages:?}");
        assert!(percentages.last() > percentages.first(), "{arguments}: {percentages:?}");
        // The line is cleared before the answer comes.
        let (bars, end) = screen.rsplit_once(what).expect("a bar");
        assert!(end.contains("\r\x1b[2K") && !end.ends_with('%'), "{end:?}");
        assert!(!bars.contains("\x1b[3"), "it has no colours");
    }
}

#[test]
fn a_pipe_gets_the_answer_alone() {
    let folder = with_map(LINES_OF_A_DIFF);
    let mut command = Command::new(env!("CARGO_BIN_EXE_confinectl"));
    let output = command.args(["map", "fmt", "--check", "m"]).current_dir(folder.path()).output();
    let output = output.expect("confinectl runs");
    assert_eq!(output.stderr, b"");
    assert_eq!(output.stdout, b"m: the layout is another; run confinectl map fmt m\n");
}

#[test]
fn short_work_shows_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("m"), "alice landlock:a\n").expect("a map");
    let (screen, status) = at_a_terminal(&folder, "map fmt m", &[]);
    assert_eq!((screen.as_str(), status), ("", Some(0)));
}

#[test]
fn colours_are_for_terminals_of_people_who_want_them() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("m"), "alice landlok:kernel\n").expect("a map");
    fs::write(folder.path().join("new"), "alice landlock:kernel\n").expect("a map");
    fs::write(folder.path().join("newer"), "alice landlock:kernel2\n").expect("a map");
    let colourful = |variables: &[(&str, &str)]| {
        let by = ["doctor", "check m", "map diff new newer"].map(|arguments| {
            let (screen, _) = at_a_terminal(&folder, arguments, variables);
            assert!(screen.contains("kernel"), "{screen}");
            screen.contains("\x1b[")
        });
        assert!(by.iter().all(|has| *has == by[0]), "each command has them where doctor has: {by:?}");
        by[0]
    };
    assert!(colourful(&[]));
    assert!(colourful(&[("NO_COLOR", "")]), "an empty value asks for nothing");
    assert!(!colourful(&[("NO_COLOR", "1")]));
    assert!(!colourful(&[("TERM", "dumb")]));
    let piped =
        Command::new(env!("CARGO_BIN_EXE_confinectl")).arg("doctor").output().expect("confinectl runs");
    assert!(!piped.stdout.contains(&0x1b));
}
