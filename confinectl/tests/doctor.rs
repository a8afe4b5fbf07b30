//! `confinectl doctor` with a server's program that the test writes.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

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
    let (status, out) = doctor(&["--httpd", &program, "--config", "/x/httpd.conf"]);
    assert_eq!(status, Some(1), "{out}");
    assert!(out.contains(&format!("ok       httpd: {program}: Apache/2.4.99 (Test)\n")), "{out}");
    assert!(out.contains("error    httpd: confine_module is not loaded: no request is confined\n"), "{out}");
    assert!(out.contains("warning  httpd: cgid_module is loaded: "), "{out}");
    assert!(out.contains("ok       httpd: MPM event\n"), "{out}");
    assert!(!out.contains('\x1b'), "no colours where nobody looks");
    let arguments = fs::read_to_string(d.path().join("arguments")).expect("arguments");
    assert!(
        arguments.contains("-t -D DUMP_MODULES") && arguments.ends_with("-f /x/httpd.conf\n"),
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
    assert!(
        out.contains(&format!("not seen httpd: the configuration: {complaint}\n         to see it: ")),
        "{out}"
    );
    let (_, out) = doctor(&["--httpd", "/nonexistent/httpd"]);
    assert!(out.contains("not seen httpd: the server: /nonexistent/httpd: there is no such file\n"), "{out}");
}
