//! `confinectl doctor` with a server's program that the test writes.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

/// A program that answers as httpd does, and as `config` says when it is to read its configuration.
fn httpd(folder: &Path, config: &str) -> String {
    let path = folder.join("httpd");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n-v) echo 'Server version: Apache/2.4.99 (Test)' ;;\n*) echo \"$*\" \
         >>\"{}/arguments\"\n{config}\n;;\nesac\n",
        folder.display()
    );
    fs::write(&path, script).expect("a program");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("rights");
    path.display().to_string()
}

fn doctor(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_confinectl"))
        .arg("doctor")
        .args(arguments)
        .output()
        .expect("confinectl runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}

const LISTED: &str =
    "echo 'Loaded Modules:'; echo ' core_module (static)'; echo ' mpm_event_module (shared)'";

#[test]
fn a_server_without_the_module_is_an_error() {
    let d = tempfile::tempdir().expect("a directory");
    let program = httpd(d.path(), &format!("{LISTED}; echo ' cgid_module (shared)'"));
    let config = d.path().join("httpd.conf").display().to_string();
    fs::write(&config, "").expect("a configuration");
    let (status, out) = doctor(&["--httpd", &program, "--config", &config]);
    assert_eq!(status, Some(1), "{out}");
    assert!(out.contains(&format!("ok       httpd: {program}: Apache/2.4.99 (Test)\n")), "{out}");
    assert!(out.contains("error    httpd: confine_module is not loaded: no request is confined\n"), "{out}");
    assert!(out.contains("warning  httpd: cgid_module is loaded: "), "{out}");
    assert!(out.contains("ok       httpd: MPM event\n"), "{out}");
    assert!(!out.contains('\x1b'), "no colours where nobody looks");
    let arguments = fs::read_to_string(d.path().join("arguments")).expect("arguments");
    assert!(
        arguments.contains("-t -D DUMP_MODULES") && arguments.ends_with(&format!("-f {config}\n")),
        "{arguments}"
    );
}

#[test]
fn as_json() {
    let d = tempfile::tempdir().expect("a directory");
    let program = httpd(d.path(), &format!("{LISTED}; echo ' confine_module (shared)'"));
    let (status, out) = doctor(&["--json", "--httpd", &program]);
    let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let findings = value["findings"].as_array().expect("findings");
    let loaded = findings.iter().find(|f| f["text"] == "confine_module is loaded").expect("the finding");
    assert_eq!((loaded["level"].as_str(), loaded["area"].as_str()), (Some("ok"), Some("httpd")));
    assert_eq!(status, Some(if value["errors"] == 0 { 0 } else { 1 }));
}

#[test]
fn a_configuration_that_cannot_be_read_is_said_with_the_servers_own_words() {
    let d = tempfile::tempdir().expect("a directory");
    let complaint = "httpd: Syntax error on line 7 of x.conf: Invalid command";
    let program = httpd(d.path(), &format!("echo '{complaint}' >&2; exit 1"));
    let (_, out) = doctor(&["--httpd", &program]);
    let complaint = "x.conf:7: Invalid command";
    // What root cannot read is not there; others may lack the right to read a key.
    let is_root = fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0);
    let said = if is_root {
        format!(
            "error    httpd: the server does not start with its configuration: {complaint}\n         to do: "
        )
    } else {
        format!("not seen httpd: the configuration: {complaint}\n         to see it: ")
    };
    assert!(out.contains(&said), "{out}");
}

#[test]
fn what_was_named_has_to_be_there() {
    for (arguments, why) in [
        (["--httpd", "/nonexistent/httpd"], "/nonexistent/httpd: there is no such file; correct --httpd\n"),
        (["--config", "/nonexistent.conf"], "/nonexistent.conf: cannot be opened: "),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_confinectl")).arg("doctor").args(arguments).output();
        let output = output.expect("confinectl runs");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{err}");
        assert!(err.starts_with(&format!("confinectl: {why}")), "{err}");
    }
}
