//! `check` and `explain` of a whole configuration, with a stand-in for the server: what the command asks for, and
//! what it makes of every kind of answer. A real httpd answers in the end-to-end tests.

mod run;

use std::{fs, path::Path};

use confine::{
    Origin,
    dump::{Answer, Dump, Found, Kind, Outcome, Question, Rule, Ruleset, Section, Server, Setting, Verdict},
    lsm::landlock::NOT_WHOLE,
};
use run::Run;
use tempfile::TempDir;

/// A folder for the stand-in, which prints `printed`, says `said` and ends with `status`.
fn server(printed: &str, said: &str, status: u8) -> TempDir {
    let d = tempfile::tempdir().expect("a directory");
    let status = status.to_string();
    for (name, content) in [("printed", printed), ("said", said), ("status", &status), ("x.conf", "")] {
        fs::write(d.path().join(name), content).expect("a file");
    }
    d
}

fn confinectl(d: &Path, args: &[&str]) -> Run {
    let httpd = ["--httpd", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-in-httpd")];
    Run::of(run::confinectl(d, args).args(httpd).env_remove("CONFINE_EXPLAIN"))
}

fn printed(dump: &Dump) -> String {
    dump.lines().expect("JSON")
}

fn setting(directive: &str, word: &str, line: u32) -> Setting {
    Setting {
        directive: directive.to_owned(),
        words: vec![word.to_owned()],
        origin: Origin::new("/etc/x.conf", line),
        server: 1,
        list: 0,
        sections: Vec::new(),
    }
}

fn rule(directive: &str, word: &str, line: u32, kind: Kind) -> Rule {
    Rule {
        written: setting(directive, word, line),
        kind,
        file: None,
        backend: "landlock".to_owned(),
        contexts: None,
        early: false,
    }
}

/// One virtual host, a variable's rule in a section, and a constant.
fn described() -> Dump {
    let server = |name: &str, line: Option<u32>| Server {
        name: name.to_owned(),
        aliases: Vec::new(),
        addresses: vec!["*:80".to_owned()],
        origin: line.map(|line| Origin::new("/etc/x.conf", line)),
        gate: "process".to_owned(),
        workers: "one-time".to_owned(),
        backend: "landlock".to_owned(),
        has_rules: line.is_some(),
        early: None,
        document_root: None,
    };
    let mut env = rule("ConfineEnv", "TENANT", 3, Kind::Env);
    env.written.list = 1;
    let title = "<Location \"/app\">".to_owned();
    env.written.sections.push(Section { title, origin: Origin::new("/etc/x.conf", 2) });
    let mut constant = rule("ConfineContext", "a", 5, Kind::Constant);
    constant.contexts = Some("landlock:a".to_owned());
    Dump {
        servers: vec![server("localhost", None), server("dog", Some(1))],
        rules: vec![env, constant],
        rulesets: vec![Ruleset::empty("a", Origin::new("/etc/x.conf", 9))],
        ..Dump::default()
    }
}

fn answered() -> Dump {
    let verdict = |rule, found, text: &str, at: Option<u32>| Verdict {
        rule,
        found,
        at: at.map(|line| Origin::new("/etc/x.conf", line)),
        text: text.to_owned(),
    };
    let answer = Answer {
        server: 1,
        to: "0.0.0.0:80".to_owned(),
        uri: b"/app/x"[..].into(),
        path: None,
        rest: None,
        not_asked: vec!["mod_rewrite.c".to_owned()],
        status: None,
        mode: "enforce".to_owned(),
        unmatched: "deny".to_owned(),
        out_of_process: None,
        early: None,
        verdicts: vec![
            verdict(0, Found::Silent, "TENANT is not set", None),
            verdict(1, Found::Contexts, "landlock:a", Some(5)),
        ],
        outcome: Some(Outcome {
            event: "confined".to_owned(),
            at: Some(Origin::new("/etc/x.conf", 5)),
            contexts: Some("landlock:a".to_owned()),
            status: None,
            reason: None,
            pool: None,
        }),
        kernel: Vec::new(),
        attempted: Vec::new(),
    };
    Dump { answer: Some(answer), ..described() }
}

#[test]
fn the_server_is_asked_as_its_administrator_runs_it() {
    let d = server(&printed(&described()), "Syntax OK\n", 0);
    let run = confinectl(d.path(), &["check", "-f", "x.conf", "-d", "root", "-D", "ONE", "-D", "TWO"]);
    assert_eq!(run.status, Some(0), "{run:?}");
    let arguments = fs::read_to_string(d.path().join("arguments")).expect("arguments");
    let path = d.path().display();
    let expected = format!("-t\n-D\nCONFINE_DUMP\n-D\nONE\n-D\nTWO\n-d\n{path}/root\n-f\n{path}/x.conf\n");
    assert_eq!(arguments, expected);
    // Without a file, the program's own default.
    assert_eq!(confinectl(d.path(), &["check"]).status, Some(0));
    assert_eq!(fs::read_to_string(d.path().join("arguments")).expect("arguments"), "-t\n-D\nCONFINE_DUMP\n");
}

#[test]
fn a_configuration_without_findings() {
    let d = server(&printed(&described()), "Syntax OK\n", 0);
    let run = confinectl(d.path(), &["check", "-f", "x.conf", "--list"]);
    let expected = "\
main server localhost: gate process, workers one-time, backend landlock, no rules
virtual host dog, /etc/x.conf:1: gate process, workers one-time, backend landlock
  /etc/x.conf:5: ConfineContext a (landlock:a)
  <Location \"/app\">
    /etc/x.conf:3: ConfineEnv TENANT
x.conf: 1 virtual host, 2 rules, 0 maps, 1 Landlock ruleset, 0 findings, 0 notes
";
    assert_eq!((run.out.as_str(), run.err.as_str()), (expected, ""));
}

#[test]
fn faults_are_findings_with_their_places() {
    let faults = vec!["/etc/x.conf:5: ConfineContext: bad".to_owned(), "lua: bad".to_owned()];
    let d = server(&printed(&Dump { faults, ..described() }), "[error] ...\n", 1);
    let run = confinectl(d.path(), &["check", "--json"]);
    assert_eq!(run.status, Some(1), "{run:?}");
    let value: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(value["valid"], false);
    assert_eq!(value["configuration"], serde_json::Value::Null);
    let finding = serde_json::json!({
        "file": "/etc/x.conf", "line": 5, "column": null, "text": "ConfineContext: bad",
    });
    assert_eq!(value["findings"][0], finding);
    assert_eq!(value["findings"][1]["text"], "lua: bad");
    assert_eq!(value["rules"][0]["sections"][0], "<Location \"/app\">");
    let run = confinectl(d.path(), &["explain"]);
    assert_eq!(run.status, Some(1), "{run:?}");
    assert!(run.out.starts_with("/etc/x.conf:5: ConfineContext: bad\nlua: bad\n"), "{}", run.out);
    let json = confinectl(d.path(), &["explain", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((&value["event"], &value["findings"][1]), (&serde_json::Value::Null, &"lua: bad".into()));
}

#[test]
fn what_is_no_answer_of_a_server_is_status_2() {
    let whole = printed(&described());
    let cut = &whole[..whole.len() - 12];
    for (out, said, status, why) in [
        (cut, "Syntax OK\n", 0, "the description is cut short"),
        ("", "", 0, "name the server's program with --httpd"),
        ("", "usage: other\n", 64, "usage: other"),
        ("", "httpd: Could not open configuration file /x: No\n", 1, "Could not open configuration file /x"),
        ("confine.rules [{}]\nconfine.end 1\n", "Syntax OK\n", 0, "of different versions"),
    ] {
        let d = server(out, said, status);
        for command in ["check", "explain"] {
            let run = confinectl(d.path(), &[command]);
            assert_eq!((run.status, run.out.as_str()), (Some(2), ""), "{run:?}");
            assert!(run.err.contains(why), "no {why:?} in {run:?}");
        }
    }
}

#[test]
fn a_server_that_does_not_load_the_module() {
    let d = server("", "AH00558: no name\nSyntax OK\n", 0);
    let run = confinectl(d.path(), &["check", "-f", "x.conf"]);
    let expected = "\
x.conf: mod_confine is not loaded, so no request is confined; add LoadModule confine_module and the path of \
mod_confine.so (Debian: a2enmod confine)
x.conf: 1 finding, and nothing else was looked at
";
    assert_eq!((run.status, run.out.as_str()), (Some(1), expected));
}

#[test]
fn a_request_is_asked_about_as_it_is_described() {
    let d = server(&printed(&answered()), "Syntax OK\n", 0);
    let args = "explain --user alice --ip 10.1.2.3 --host dog --to [::1]:80 --path /srv/x --uri /app/x --env K=V=W \
                --env L= --method POST --kernel --header";
    let mut args: Vec<_> = args.split_whitespace().collect();
    args.push("X-Y: z");
    assert_eq!(confinectl(d.path(), &args).status, Some(0));
    let text = fs::read_to_string(d.path().join("question")).expect("a question");
    let question = Question::from_json(&text).expect("a question");
    let expected = Question {
        user: Some(b"alice"[..].into()),
        addr: Some([10, 1, 2, 3].into()),
        host: Some("dog".to_owned()),
        to: Some("[::1]:80".parse().expect("an address")),
        path: Some(b"/srv/x"[..].into()),
        uri: Some(b"/app/x"[..].into()),
        method: Some("POST".to_owned()),
        headers: vec![b"X-Y: z"[..].into()],
        env: vec![b"K=V=W"[..].into(), b"L="[..].into()],
        kernel: true,
        attempts: Vec::new(),
    };
    assert_eq!(question, expected);
    assert!(
        fs::read_to_string(d.path().join("arguments")).expect("arguments").contains("-D\nCONFINE_EXPLAIN\n")
    );
}

#[test]
fn an_answer_is_shown_rule_by_rule() {
    let d = server(&printed(&answered()), "Syntax OK\n", 0);
    let run = confinectl(d.path(), &["explain", "--user", "al ice"]);
    let expected = "\
virtual host dog (/etc/x.conf:1), reached at 0.0.0.0:80
gate process, workers one-time, mode enforce, unmatched deny
URL /app/x (assumed; name another with --uri)
no file: <Directory> and <Files> are left out; name it with --path
note: not asked, and might lead to another file: mod_rewrite; name the file with --path
note: the client's address is not known; name it with --ip
1. /etc/x.conf:3: ConfineEnv TENANT in <Location \"/app\"> no match: TENANT is not set
2. /etc/x.conf:5: ConfineContext a -> landlock:a (applies: the first that matches)
confined GET /app/x user=al%20ice addr=- vhost=dog rule=/etc/x.conf:5 context=landlock:a
";
    assert_eq!((run.status, run.out.as_str(), run.err.as_str()), (Some(0), expected, ""));
    let json = confinectl(d.path(), &["explain", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((&value["rule"], &value["winner"]), (&"/etc/x.conf:5".into(), &1.into()));
    assert_eq!(value["rules"][0]["found"], "silent");
}

#[test]
fn a_host_that_no_virtual_host_has_and_a_file_that_is_not_there_are_said() {
    let mut dump = answered();
    dump.servers[1].aliases = vec!["*.Dog".to_owned()];
    let there = |path: &Path| Some(path.as_os_str().as_encoded_bytes().into());
    dump.answer.as_mut().expect("an answer").path = there(Path::new("/nonexistent/x"));
    let d = server(&printed(&dump), "Syntax OK\n", 0);
    let note = "note: no virtual host reached there is called cat; httpd takes the first one, dog\n";
    for (host, is_noted) in
        [("cat", true), ("cat:80", true), ("DOG", false), ("dog:80", false), ("a.dog", false)]
    {
        let run = confinectl(d.path(), &["explain", "--host", host]);
        assert_eq!(run.out.contains(note), is_noted, "{host}: {}", run.out);
        assert!(run.out.contains("file /nonexistent/x (from the URL, not there)\n"), "{}", run.out);
    }
    dump.answer.as_mut().expect("an answer").path = there(d.path());
    fs::write(d.path().join("printed"), printed(&dump)).expect("a file");
    let run = confinectl(d.path(), &["explain", "--path", "/srv/x"]);
    assert!(run.out.contains(&format!("file {} (given)\n", d.path().display())), "{}", run.out);
}

#[test]
fn an_unknown_directive_comes_with_what_was_meant() {
    let said = "AH00526: Syntax error on line 3 of /etc/x.conf:\nInvalid command 'ConfineContxt', perhaps \
                misspelled or defined by a module not included in the server configuration\n";
    let d = server("", said, 1);
    for command in ["check", "explain"] {
        let run = confinectl(d.path(), &[command]);
        let (line, _) = run.out.split_once('\n').expect("a line");
        assert!(line.starts_with("/etc/x.conf:3: Invalid command 'ConfineContxt', "), "{run:?}");
        assert!(line.ends_with("; write ConfineContext if that was meant"), "{run:?}");
        assert_eq!(run.status, Some(1));
    }
}

/// At a reload the running server goes on without it, and a server that starts does not.
#[test]
fn a_ruleset_that_is_not_whole_is_a_finding() {
    let warning = format!("/etc/x.conf:2: ruleset a: /srv/x cannot be opened (ENOENT); {NOT_WHOLE}");
    let warnings = vec![warning.clone(), "/etc/x.conf:9: something else".to_owned()];
    let d = server(&printed(&Dump { warnings, ..described() }), "Syntax OK\n", 0);
    let run = confinectl(d.path(), &["check"]);
    assert!(run.out.starts_with(&format!("{warning}\n/etc/x.conf:9: note: something else\n")), "{}", run.out);
    assert!(run.status == Some(1) && run.out.ends_with("1 finding, 1 note\n"), "{run:?}");
}

#[test]
fn modules_of_other_processes_are_not_called_refused_where_they_are_let_through() {
    let mut dump = described();
    dump.modules = vec!["mod_proxy_fcgi.c".to_owned()];
    for (word, but) in [("deny", false), ("allow", true), ("warn", true)] {
        dump.settings = vec![setting("ConfineOutOfProcess", word, 4)];
        let d = server(&printed(&dump), "Syntax OK\n", 0);
        let run = confinectl(d.path(), &["check"]);
        let text = "refused, and not confined where ConfineOutOfProcess lets them through; ";
        assert!(run.out.contains("note: mod_proxy_fcgi is loaded"), "{}", run.out);
        assert_eq!(run.out.contains(text), but, "{word}: {}", run.out);
        assert_eq!(
            run.out.contains("not confined: what other processes make, by mod_proxy_fcgi"),
            but,
            "{}",
            run.out
        );
    }
}

#[test]
fn maps_are_looked_at_whatever_their_form() {
    let d = server("", "Syntax OK\n", 0);
    let map = d.path().join("m");
    fs::write(&map, "alice a\nalice landlock:a\n* b\n").expect("a map");
    let compile =
        run::confinectl(d.path(), &["map", "compile", "--default-backend", "landlock", "m"]).status();
    assert!(compile.expect("confinectl runs").success());
    let mut dump = described();
    for (line, name) in [(6, "m"), (7, "m"), (8, "m.compiled"), (9, "gone")] {
        let mut rule = rule("ConfineMap", name, line, Kind::Map);
        rule.file = Some(d.path().join(name).display().to_string());
        rule.written.list = line as usize;
        dump.rules.push(rule);
    }
    // The same map, whose bare words belong to another LSM.
    dump.rules[3].backend = "apparmor".to_owned();
    fs::write(d.path().join("printed"), printed(&dump)).expect("a file");
    let run = confinectl(d.path(), &["check", "--list"]);
    let path = d.path().display();
    for line in [
        "  /etc/x.conf:6: ConfineMap m (3 rules, 2 contexts)",
        "  /etc/x.conf:7: ConfineMap m (3 rules, 3 contexts)",
        "  /etc/x.conf:8: ConfineMap m.compiled (3 rules, 2 contexts)",
        "  /etc/x.conf:9: ConfineMap gone (0 rules, 0 contexts)",
        &format!(
            "{path}/m:2: alice never matches: line 1 is the same rule; remove this line (ConfineMap at /etc/x.conf:6)"
        ),
        &format!(
            "{path}/m:2: alice never matches: line 1 has the same subject and other contexts, and comes first; keep \
             the one that is meant (ConfineMap at /etc/x.conf:7)"
        ),
    ] {
        assert!(run.out.lines().any(|l| l == line), "no {line:?} in:\n{}", run.out);
    }
    assert!(run.out.ends_with("6 rules, 4 maps, 1 Landlock ruleset, 2 findings, 3 notes\n"), "{}", run.out);
}

#[test]
fn what_cannot_be_asked_is_said() {
    let d = server("", "", 0);
    fs::write(d.path().join("m"), "* unconfined\n").expect("a map");
    for (args, why) in [
        (&["explain", "--uri", "app"][..], "--uri app: a URL's path begins with /"),
        (&["explain", "--path", "srv/x"], "--path srv/x: write the whole path from /"),
        (&["explain", "--env", "K"], "--env K: write NAME=VALUE"),
        (&["explain", "--env", "=V"], "--env =V: write NAME=VALUE"),
        (&["explain", "--header", "X"], "--header X: write `Name: value`"),
        (&["check", "m", "-f", "x.conf"], "a map is checked alone; leave the map out"),
        (&["explain", "m", "-f", "x.conf"], "a map is asked alone; leave the map out"),
        (&["explain", "m", "--uri", "/"], "cannot be used with"),
        (&["check", "--default-backend", "landlock"], "required"),
        (&["check", "-f", "/nonexistent"], "/nonexistent: cannot be opened"),
    ] {
        let run = confinectl(d.path(), args);
        assert_eq!((run.status, run.out.as_str()), (Some(2), ""), "{run:?}");
        assert!(run.err.contains(why), "no {why:?} in {run:?}");
    }
}
