//! Whatever is in the name of a file, of a virtual host, in a map or in what httpd says: it is shown, and a terminal
//! obeys none of it, in lines, in JSON and in complaints.

use std::{fs, path::Path, process::Command};

use confine::{
    Origin,
    dump::{Dump, Kind, Rule, Server, Setting},
};

/// Clears a screen, writes over a line, hides text, turns its direction, ends a line.
const EVIL: &str = "a\u{1b}[2J\r\u{9b}8m\u{202e}b\u{200b}\u{7f}";

fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_confinectl"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("confinectl runs");
    let all = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(all).expect("UTF-8"))
}

#[track_caller]
fn is_harmless(text: &str) {
    assert!(!text.is_empty());
    let obeyed = |c: char| c != '\n' && (c.is_control() || ('\u{200b}'..='\u{206f}').contains(&c));
    assert!(!text.contains(obeyed), "{text:?}");
}

#[test]
fn names_of_files_and_lines_of_maps() {
    let d = tempfile::tempdir().expect("a directory");
    let name = format!("{EVIL}\nm: 0 findings");
    let bad = format!("alice  landlock:a\nalice landlock:b\n\"{}\" landlock:a\n", "x\u{202e}y");
    fs::write(d.path().join(&name), bad).expect("a map");
    for arguments in [
        &["check", &name][..],
        &["check", "--json", &name],
        &["explain", &name, "--user", EVIL, "--host", EVIL, "--path", &format!("/{EVIL}"), "--all"],
        &["map", "diff", &name, &name],
        &["map", "fmt", "--check", &name],
        &["map", "compile", &name],
        &["check", &format!("{name}?")],
        &["map", "fmt", &format!("{name}?")],
        &["check", "--httpd", &name],
        &["selinux-domain", EVIL],
        &["selinux-domain", "app", "--read", &name],
        &["doctor", "--httpd", EVIL],
        &["check", EVIL, EVIL],
        &["explain", &name, "--ip", EVIL],
        &[EVIL],
    ] {
        let (_, text) = run(d.path(), arguments);
        is_harmless(&text);
        assert!(!text.lines().any(|line| line.starts_with("m: 0 findings")), "{text}");
    }
    fs::write(d.path().join("m"), format!("alice {EVIL}\n{EVIL} x\n\u{1b}[1m\n")).expect("a map");
    for arguments in [&["check", "m"][..], &["check", "--json", "m"], &["map", "fmt", "m"], &["explain", "m"]]
    {
        is_harmless(&run(d.path(), arguments).1);
    }
    // The control: what is usual is left as it is, and the content of a file is its own.
    fs::write(d.path().join("m"), "\u{e4}rger  landlock:a # \u{1b}[1m\n").expect("a map");
    assert!(run(d.path(), &["explain", "m", "--all"]).1.contains("m:1: \u{e4}rger -> landlock:a"));
    assert_eq!(run(d.path(), &["map", "fmt", "--stdout", "m"]).1, "\u{e4}rger landlock:a  # \u{1b}[1m\n");
}

#[test]
fn what_the_server_says() {
    let d = tempfile::tempdir().expect("a directory");
    let stand_in = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-in-httpd");
    let origin = Origin::new(EVIL, 3);
    let server = Server {
        name: EVIL.to_owned(),
        aliases: vec![EVIL.to_owned()],
        addresses: vec![EVIL.to_owned()],
        origin: Some(origin.clone()),
        gate: EVIL.to_owned(),
        workers: EVIL.to_owned(),
        backend: "landlock".to_owned(),
        has_rules: true,
        early: None,
        document_root: None,
    };
    let written = Setting {
        directive: "ConfineMap".to_owned(),
        words: vec![EVIL.to_owned()],
        origin,
        server: 0,
        list: 0,
        sections: Vec::new(),
    };
    let rule = Rule {
        written,
        kind: Kind::Map,
        file: Some(EVIL.to_owned()),
        backend: "landlock".to_owned(),
        contexts: Some(EVIL.to_owned()),
        early: false,
    };
    let dump = Dump {
        servers: vec![server],
        rules: vec![rule],
        warnings: vec![EVIL.to_owned()],
        faults: vec![format!("{EVIL}:1: {EVIL}")],
        ..Dump::default()
    };
    let printed = dump.lines().expect("JSON");
    fs::write(d.path().join("x.conf"), "").expect("a file");
    for (printed, status) in [(printed.as_str(), "0"), ("", "1")] {
        for (name, content) in [("printed", printed), ("said", EVIL), ("status", status)] {
            fs::write(d.path().join(name), content).expect("a file");
        }
        for arguments in
            [&["check", "--list"][..], &["check", "--json"], &["explain"], &["explain", "--json"]]
        {
            let (_, text) = run(d.path(), &[arguments, &["--httpd", stand_in, "-f", "x.conf"]].concat());
            is_harmless(&text);
        }
    }
}
