//! `confinectl generate`: manual pages without a fault, completions that complete.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A folder as PREFIX/share is to be, written under a umask that would keep others out.
fn generated() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "umask 077 && exec \"$0\" generate \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_confinectl")]).arg(folder.path().join("new/share"));
    let output = command.output().expect("sh runs");
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    folder
}

fn share(folder: &TempDir) -> PathBuf {
    folder.path().join("new/share")
}

fn pages(folder: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(share(folder).join("man/man1")).expect("pages");
    let mut pages: Vec<_> = entries.map(|e| e.expect("an entry").path()).collect();
    pages.sort();
    pages
}

#[test]
fn there_is_a_page_for_each_command_and_everybody_may_read_it() {
    let folder = generated();
    let names: Vec<_> = pages(&folder).iter().filter_map(|p| Some(p.file_name()?.to_owned())).collect();
    for name in [
        "",
        "-check",
        "-doctor",
        "-explain",
        "-map",
        "-map-compile",
        "-map-diff",
        "-map-fmt",
        "-selinux-domain",
    ] {
        let name = format!("confinectl{name}.1");
        assert!(names.iter().any(|n| *n == *name), "{name}: {names:?}");
    }
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&share(&folder)), 0o755);
    assert_eq!(mode(&share(&folder).join("man/man1/confinectl.1")), 0o644);
    // A second time is no error.
    let again = Command::new(env!("CARGO_BIN_EXE_confinectl")).arg("generate").arg(share(&folder)).status();
    assert!(again.expect("confinectl runs").success());
}

#[test]
fn pages_have_no_fault() {
    let folder = generated();
    let lint = Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).args(pages(&folder)).output();
    let output = lint.expect("mandoc is installed (scripts/setup test)");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    // A page is the same whenever it is made.
    let faults: Vec<_> = text.lines().filter(|line| !line.contains("WARNING: missing date")).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let shown = Command::new("mandoc").args(["-T", "ascii"]).args(pages(&folder)).output().expect("mandoc");
    let shown = String::from_utf8(shown.stdout).expect("ASCII");
    assert!(shown.matches("SEE ALSO").count() == 0 && shown.contains("S\u{8}SE\u{8}EE\u{8}E"), "set in bold");
}

/// What bash offers for the last of these words.
fn completed(folder: &TempDir, words: &[&str]) -> Vec<String> {
    let script = "source \"$1\" && shift && COMP_WORDS=(\"$@\") && COMP_CWORD=$(($# - 1)) && \
                  _confinectl confinectl \"${@: -1}\" \"${@: -2:1}\" && printf '%s\\n' \"${COMPREPLY[@]}\"";
    let file = share(folder).join("bash-completion/completions/confinectl");
    let output = Command::new("bash").args(["-c", script, "bash"]).arg(file).args(words).output();
    let output = output.expect("bash runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let folder = generated();
    assert_eq!(completed(&folder, &["confinectl", "ch"]), ["check"]);
    assert_eq!(completed(&folder, &["confinectl", "map", "d"]), ["diff"]);
    assert_eq!(completed(&folder, &["confinectl", "map", "fmt", "--st"]), ["--stdout"]);
    assert_eq!(completed(&folder, &["confinectl", "check", "--default-backend", "l"]), ["landlock"]);
    let all = completed(&folder, &["confinectl", ""]);
    assert!(all.iter().any(|word| word == "doctor") && !all.iter().any(|word| word == "generate"), "{all:?}");
}

#[test]
fn other_shells_have_their_scripts() {
    let folder = generated();
    let zsh = fs::read_to_string(share(&folder).join("zsh/site-functions/_confinectl")).expect("a script");
    assert!(zsh.starts_with("#compdef confinectl\n"));
    let fish = fs::read_to_string(share(&folder).join("fish/vendor_completions.d/confinectl.fish"));
    assert!(fish.expect("a script").contains("complete -c confinectl"));
}
