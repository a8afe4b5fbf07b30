//! What the kernel would decide. libsepol computes it from the compiled policy, with constraints and bounds
//! (`checkpolicy --debug`).

use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Kind, compile::Compiled, modules, small, whole};

/// May `source` do `permission` to `target`?
struct Question {
    source: &'static str,
    target: &'static str,
    class: &'static str,
    permission: &'static str,
    allowed: bool,
}

const fn yes(
    source: &'static str,
    target: &'static str,
    class: &'static str,
    permission: &'static str,
) -> Question {
    Question { source, target, class, permission, allowed: true }
}

const fn no(
    source: &'static str,
    target: &'static str,
    class: &'static str,
    permission: &'static str,
) -> Question {
    Question { source, target, class, permission, allowed: false }
}

/// Sends lines to checkpolicy's menu and returns what it printed.
fn menu(binary: &Path, lines: &str) -> String {
    let mut child = Command::new("checkpolicy")
        .args(["--binary", "--debug", "--mls"])
        .arg(binary)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("checkpolicy runs: `scripts/setup test` installs it");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
    String::from_utf8_lossy(&child.wait_with_output().expect("it ends").stdout).into_owned()
}

/// Completes a context: a domain and a range, or the type and range of a file after `:`.
fn context(short: &str) -> String {
    match short.strip_prefix(':') {
        Some(object) => format!("system_u:object_r:{object}"),
        None => format!("system_u:system_r:{short}"),
    }
}

/// The permissions that each source has for each target, from one run of the menu.
fn answers(binary: &Path, questions: &[Question]) -> Vec<BTreeSet<String>> {
    let mut lines = String::new();
    for question in questions {
        lines += &format!("2\n{}\n2\n{}\n", context(question.source), context(question.target));
    }
    // Numbers are assigned in order, so a second run assigns the same ones.
    let output = menu(binary, &format!("{lines}q\n"));
    let sids: Vec<&str> =
        output.lines().filter_map(|line| line.trim().strip_prefix("sid ")).map(str::trim).collect();
    assert_eq!(sids.len(), 2 * questions.len(), "a context is not valid: {output}");
    for (question, pair) in questions.iter().zip(sids.chunks(2)) {
        lines += &format!("0\n{}\n{}\n{}\n", pair[0], pair[1], question.class);
    }
    let output = menu(binary, &format!("{lines}q\n"));
    let sets: Vec<BTreeSet<String>> = output
        .lines()
        .filter_map(|line| line.trim().strip_prefix("allowed {"))
        .map(|rest| rest.trim_end_matches(['}', ' ']).split_whitespace().map(str::to_owned).collect())
        .collect();
    assert_eq!(sets.len(), questions.len(), "{output}");
    sets
}

/// Asks all questions, and fails with all wrong answers.
fn ask(name: &str, compiled: &Compiled, questions: &[Question]) {
    let wrong: Vec<String> = questions
        .iter()
        .zip(answers(&compiled.binary(), questions))
        .filter(|(question, answer)| answer.contains(question.permission) != question.allowed)
        .map(|(question, answer)| {
            let Question { source, target, class, permission, allowed } = question;
            format!("{name}: {source} {target} {class} {permission}: allowed is not {allowed}; {answer:?}")
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn compile(files: Vec<PathBuf>) -> Compiled {
    Compiled::of(&files).unwrap_or_else(|log| panic!("secilc refuses: {log}"))
}

/// Asks the small policies and the whole ones.
fn ask_all(with_mcs: bool, questions: impl Fn(Kind) -> Vec<Question>) {
    for kind in Kind::ALL {
        ask(
            &format!("small, {kind:?}"),
            &compile([small(kind), modules(with_mcs)].concat()),
            &questions(kind),
        );
    }
    for policy in whole::policies() {
        ask(&policy.name, policy.compiled(with_mcs), &questions(policy.kind));
    }
}

#[test]
fn an_application_reaches_sessions_and_databases_by_either_name() {
    ask_all(false, |kind| {
        let (sessions, postgresql, mysql, server) = match kind {
            Kind::Reference => (
                ":httpd_var_lib_t:s0",
                ":postgresql_runtime_t:s0",
                ":mysqld_runtime_t:s0",
                ":httpd_runtime_t:s0",
            ),
            Kind::Fedora => (
                ":httpd_var_run_t:s0",
                ":postgresql_var_run_t:s0",
                ":mysqld_var_run_t:s0",
                ":httpd_var_lib_t:s0",
            ),
        };
        vec![
            yes("alice.process:s0", ":var_lib_t:s0", "dir", "search"),
            yes("alice.process:s0", ":httpd_var_lib_t:s0", "dir", "search"),
            yes("alice.process:s0", sessions, "dir", "add_name"),
            yes("alice.process:s0", sessions, "dir", "remove_name"),
            no("alice.process:s0", sessions, "dir", "read"),
            no("carol.process:s0", sessions, "dir", "add_name"),
            // The other name is the server's own folder, or a folder of other applications.
            no("alice.process:s0", server, "dir", "add_name"),
            yes("alice.process:s0", postgresql, "dir", "search"),
            yes("alice.process:s0", postgresql, "sock_file", "write"),
            yes("alice.process:s0", "postgresql_t:s0", "unix_stream_socket", "connectto"),
            yes("alice.process:s0", mysql, "dir", "search"),
            yes("alice.process:s0", mysql, "sock_file", "write"),
            yes("alice.process:s0", "mysqld_t:s0", "unix_stream_socket", "connectto"),
            yes("alice.process:s0", ":net_conf_t:s0", "lnk_file", "read"),
            no("bob.process:s0", "mysqld_t:s0", "unix_stream_socket", "connectto"),
            if kind == Kind::Fedora {
                yes("alice.process:s0", ":mysqld_db_t:s0", "dir", "search")
            } else {
                no("alice.process:s0", ":mysqld_db_t:s0", "dir", "search")
            },
        ]
    });
}

#[test]
fn what_a_policy_gives_to_every_domain_is_taken_away() {
    ask_all(false, |kind| {
        let mut questions = vec![
            no("alice.process:s0", ":etc_t:s0", "file", "read"),
            no("alice.process:s0", ":etc_t:s0", "file", "open"),
            yes("alice.process:s0", ":etc_t:s0", "file", "getattr"),
            no("alice.program:s0", ":etc_t:s0", "file", "read"),
            no("carol.process:s0", ":etc_t:s0", "file", "read"),
            yes("bob.process:s0", ":etc_t:s0", "file", "read"),
            no("alice.process:s0", ":httpd_tmp_t:s0", "file", "read"),
            no("alice.process:s0", ":httpd_tmp_t:s0", "file", "append"),
            yes("alice.process:s0", ":httpd_tmp_t:s0", "file", "lock"),
            no("alice.program:s0", ":httpd_tmp_t:s0", "file", "read"),
            yes("alice.process:s0", "alice.program:s0", "process", "transition"),
            no("alice.process:s0", "alice.process:s0", "file", "read"),
            yes("httpd_t:s0", ":etc_t:s0", "file", "read"),
        ];
        if kind == Kind::Fedora {
            questions.extend([
                no("alice.process:s0", "abrt_helper_t:s0", "process", "transition"),
                no("alice.program:s0", "abrt_helper_t:s0", "process", "transition"),
                // Other domains keep what the policy gives them.
                yes("httpd_t:s0", "abrt_helper_t:s0", "process", "transition"),
                yes("postgresql_t:s0", ":etc_t:s0", "file", "read"),
            ]);
        }
        questions
    });
}

#[test]
fn a_program_outside_may_be_named() {
    let folder = tempfile::tempdir().expect("a directory");
    let mailer = folder.path().join("mailer.cil");
    let rules =
        "(allow httpd_t mailer_t (process (transition)))(allow bob.process mailer_t (process (transition)))";
    for (named, allowed) in [("", false), ("(typeattributeset mod_confine.outside_program (mailer_t))", true)]
    {
        std::fs::write(&mailer, format!("{rules}{named}\n")).expect("a file");
        for kind in Kind::ALL {
            let compiled = compile([small(kind), modules(false), vec![mailer.clone()]].concat());
            let question = Question {
                source: "bob.process:s0",
                target: "mailer_t:s0",
                class: "process",
                permission: "transition",
                allowed,
            };
            ask(&format!("{kind:?} {named}"), &compiled, &[question]);
        }
    }
}

/// The small policies have no constraints on categories but those of our modules, and Fedora's policy has few.
#[test]
fn categories_keep_tenants_apart_whatever_the_policys_own_constraints() {
    ask_all(false, |_| {
        let mut questions = Vec::new();
        for (class, permission) in [
            ("shm", "read"),
            ("shm", "unix_read"),
            ("sem", "read"),
            ("tcp_socket", "read"),
            ("tcp_socket", "write"),
            ("unix_stream_socket", "read"),
            ("fifo_file", "read"),
            ("process", "signal"),
            ("process", "getsched"),
        ] {
            questions.push(no("tenants.process:s0:c1", "tenants.process:s0:c2", class, permission));
            if !["shm", "sem"].contains(&class) {
                questions.push(yes("tenants.process:s0:c1", "tenants.process:s0:c1", class, permission));
            }
        }
        for (class, permission) in
            [("file", "read"), ("file", "write"), ("dir", "search"), ("dir", "rmdir"), ("lnk_file", "read")]
        {
            questions.push(no("tenants.process:s0:c1", ":tenants.writable:s0:c2", class, permission));
            questions.push(no("tenants.program:s0:c1", ":tenants.writable:s0:c2", class, permission));
            questions.push(yes("tenants.process:s0:c1", ":tenants.writable:s0:c1", class, permission));
            questions.push(yes("tenants.process:s0:c1", ":tenants.writable:s0", class, permission));
        }
        // Without mod_confine.by_category, categories do not restrict an application. They never restrict the server.
        questions.push(yes("alice.process:s0:c1", ":alice.writable:s0:c2", "file", "read"));
        questions.push(yes("httpd_t:s0", ":tenants.writable:s0:c2", "file", "read"));
        questions
    });
}

#[test]
fn categories_keep_tenants_of_the_servers_own_type_apart() {
    ask_all(true, |_| {
        let mut questions = vec![
            no("httpd_t:s0:c1", ":mod_confine_mcs.readable:s0:c2", "file", "read"),
            yes("httpd_t:s0:c1", ":mod_confine_mcs.readable:s0:c1", "file", "read"),
            yes("httpd_t:s0-s0:c0.c1023", ":mod_confine_mcs.readable:s0:c2", "file", "read"),
            no("httpd_t:s0:c1", ":alice.readable:s0", "file", "read"),
        ];
        for (class, permission) in [
            ("shm", "read"),
            ("tcp_socket", "read"),
            ("unix_stream_socket", "read"),
            ("fifo_file", "read"),
            ("fifo_file", "write"),
        ] {
            questions.push(no("httpd_t:s0:c1", "httpd_t:s0:c2", class, permission));
            questions.push(yes("httpd_t:s0-s0:c0.c1023", "httpd_t:s0:c2", class, permission));
        }
        questions
    });
}
