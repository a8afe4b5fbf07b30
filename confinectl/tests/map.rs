//! `confinectl map fmt` and `map diff`: what they print, write and exit with.

mod run;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use run::Run;
use tempfile::TempDir;

fn with_maps(maps: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in maps {
        fs::write(directory.path().join(name), text).expect("a map");
    }
    directory
}

/// The exit status, standard output and standard error of `confinectl map ARGUMENTS`.
fn map(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Run { status, out, err } = Run::of(run::confinectl(directory, &["map"]).args(arguments));
    (status, out, err)
}

const UNTIDY: &str = "# who\n\n\nalice\tlandlock:a # x\n10.0.0.0/8   landlock:b";
const TIDY: &str = "# who\n\nalice      landlock:a  # x\n10.0.0.0/8 landlock:b\n";

#[test]
fn fmt_replaces_the_map_and_a_second_time_changes_nothing() {
    let d = with_maps(&[("m", UNTIDY)]);
    let file = d.path().join("m");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("rights");
    std::os::unix::fs::symlink("m", d.path().join("link")).expect("a link");
    assert_eq!(map(d.path(), &["fmt", "--check", "m"]).0, Some(1));
    assert_eq!(fs::read_to_string(&file).expect("the map"), UNTIDY);
    assert_eq!(map(d.path(), &["fmt", "--stdout", "m"]), (Some(0), TIDY.to_owned(), String::new()));
    assert_eq!(map(d.path(), &["fmt", "link"]), (Some(0), String::new(), String::new()));
    assert_eq!(fs::read_to_string(&file).expect("the map"), TIDY);
    assert_eq!(fs::metadata(&file).expect("the map").permissions().mode() & 0o777, 0o640);
    assert!(d.path().join("link").is_symlink());
    assert_eq!(map(d.path(), &["fmt", "--check", "m"]), (Some(0), String::new(), String::new()));
    assert_eq!(fs::read_dir(d.path()).expect("a folder").count(), 2, "nothing is left behind");
}

#[test]
fn fmt_leaves_a_map_with_an_error_alone() {
    let d = with_maps(&[("m", "alice   landlock:a\nbob\n")]);
    let (status, out, err) = map(d.path(), &["fmt", "m"]);
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert!(err.starts_with("confinectl: m:2:4: no context given"), "{err}");
    assert!(fs::read_to_string(d.path().join("m")).expect("the map").starts_with("alice   "));
}

#[test]
fn diff_says_whose_context_changes() {
    let d = with_maps(&[("old", "alice landlock:a\nbob landlock:b\n"), ("new", "bob landlock:c\n")]);
    let (status, out, _) = map(d.path(), &["diff", "old", "new"]);
    assert_eq!(
        out,
        "alice: landlock:a (old:1) -> no rule\nbob: landlock:b (old:2) -> landlock:c (new:1)\n\
         contexts change for 2 subjects\n"
    );
    assert_eq!(status, Some(1));
    let (status, out, _) = map(d.path(), &["diff", "--json", "old", "new"]);
    let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        value["changes"][0],
        serde_json::json!({"subject": "alice", "old": {"contexts": "landlock:a", "line": 1}, "new": null})
    );
    assert_eq!(status, Some(1));
    assert_eq!(map(d.path(), &["diff", "old", "old"]).0, Some(0));
    assert_eq!(map(d.path(), &["diff", "old", "none"]).0, Some(2));
}
