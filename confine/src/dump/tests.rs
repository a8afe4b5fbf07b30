use std::net::IpAddr;

use super::*;
use crate::Origin;

fn setting(directive: &str, line: u32) -> Setting {
    Setting {
        directive: directive.to_owned(),
        words: vec!["a b".to_owned(), "tab\there".to_owned(), String::new()],
        origin: Origin::new("/etc/a=b.conf", line),
        server: 1,
        list: 3,
        sections: vec![
            Section { title: "<Directory \"/srv\">".to_owned(), origin: Origin::new("/etc/x", 1) },
            Section { title: "<Files x>".to_owned(), origin: Origin::new("/etc/x", 2) },
        ],
    }
}

fn server(name: &str, early: Option<usize>) -> Server {
    Server {
        name: name.to_owned(),
        aliases: vec!["www.*".to_owned()],
        addresses: vec!["*:80".to_owned(), "[::1]:80".to_owned()],
        origin: early.map(|_| Origin::new("/etc/hosts.conf", 7)),
        gate: "process".to_owned(),
        workers: "one-time".to_owned(),
        backend: "selinux".to_owned(),
        has_rules: early.is_some(),
        early,
    }
}

fn rule(line: u32) -> Rule {
    Rule {
        written: setting("ConfineMap", line),
        kind: Kind::Map,
        file: Some("/etc/m".to_owned()),
        backend: "landlock".to_owned(),
        contexts: None,
        early: false,
    }
}

fn whole() -> Dump {
    let verdict = |rule, found| Verdict { rule, found, at: None, text: "why\nnot".to_owned() };
    Dump {
        servers: vec![server("main", None), server("dog", Some(1))],
        rules: vec![
            rule(3),
            Rule { early: true, kind: Kind::Constant, contexts: Some("x:y".into()), ..rule(4) },
        ],
        settings: vec![
            setting("ConfineMode", 9),
            Setting { sections: Vec::new(), ..setting("ConfineGate", 8) },
        ],
        rulesets: vec![Ruleset { name: "tenant".to_owned(), origin: Origin::new("/etc/x", 12) }],
        modules: vec!["mod_cgid.c".to_owned()],
        unknown_handlers: vec!["mod_strange.c".to_owned()],
        providers: vec!["ldap".to_owned()],
        notes: vec!["by the way".to_owned()],
        warnings: vec!["beware".to_owned()],
        faults: vec!["/etc/x:1: \\ bad".to_owned()],
        user: Some(User { name: "www-data".to_owned(), id: 33 }),
        answer: Some(Answer {
            server: 1,
            to: "0.0.0.0:80".to_owned(),
            uri: b"/\xff".to_vec(),
            path: Some(b"/srv/\n".to_vec()),
            rest: Some(b"/x".to_vec()),
            not_asked: vec!["mod_rewrite.c".to_owned()],
            status: Some(403),
            mode: "enforce".to_owned(),
            unmatched: "deny".to_owned(),
            out_of_process: Some("warn".to_owned()),
            early: Some(verdict(1, Found::Contexts)),
            verdicts: vec![verdict(0, Found::Silent), verdict(1, Found::Failed)],
            outcome: Some(Outcome {
                event: "refused".to_owned(),
                at: Some(Origin::new("/etc/m", 2)),
                contexts: Some("landlock:a".to_owned()),
                status: Some(500),
                reason: Some("no".to_owned()),
            }),
            kernel: vec![Kernel { contexts: "landlock:a".to_owned(), refused: None }],
        }),
    }
}

fn printed(dump: &Dump) -> String {
    dump.records().iter().map(|record| format!("{record}\n")).collect()
}

#[test]
fn what_is_written_is_read() {
    let whole = whole();
    assert_eq!(Dump::parse(&printed(&whole)), Ok(whole));
    assert_eq!(Dump::parse("confine.end\n"), Ok(Dump::default()));
}

#[test]
fn other_modules_may_print_in_between() {
    let text = printed(&whole()).replace('\n', "\nSomething else: confine.rule\n\n");
    assert_eq!(Dump::parse(&text), Ok(whole()));
}

#[test]
fn a_description_that_is_cut_short_is_none() {
    let text = printed(&whole());
    for cut in [text.len() - "confine.end\n".len(), 200] {
        assert_eq!(Dump::parse(&text[..cut]), Err(RecordError::CutShort));
    }
    assert_eq!(Dump::parse("Syntax OK\n"), Err(RecordError::Missing));
}

#[test]
fn numbers_of_what_is_not_there_are_refused() {
    let mut dump = whole();
    dump.rules.pop();
    assert_eq!(Dump::parse(&printed(&dump)), Err(RecordError::CutShort));
    let mut dump = whole();
    dump.servers.pop();
    assert_eq!(Dump::parse(&printed(&dump)), Err(RecordError::CutShort));
}

#[test]
fn a_field_that_is_no_such_value_is_named() {
    let text = printed(&whole()).replace("kind=map", "kind=later");
    let error = Dump::parse(&text).expect_err("an unknown kind");
    assert_eq!(
        error.to_string(),
        "the record \"rule\" has no usable \"kind\"; the module and confinectl are of different versions, install \
         both from one build"
    );
}

#[test]
fn a_question_passes_through_an_environment_variable() {
    let question = Question {
        user: Some(b"al\tice=\xfe".to_vec()),
        addr: Some(IpAddr::from([10, 0, 0, 1])),
        host: Some("dog".to_owned()),
        to: Some("[::1]:8080".parse().expect("an address")),
        path: Some(b"/srv/\\x00".to_vec()),
        uri: Some(b"/x?y=%00".to_vec()),
        method: Some("POST".to_owned()),
        headers: vec![b"X: 1".to_vec(), b"Y:2".to_vec()],
        env: vec![b"K=V=W".to_vec(), b"EMPTY=".to_vec()],
        kernel: true,
    };
    for question in [question, Question::default()] {
        let text = question.record().to_string();
        assert!(!text.contains(['\n', '\0']), "{text:?}");
        let record = Record::parse(&text).expect("a record");
        assert_eq!(Question::read(&record), Ok(question));
    }
}

#[test]
fn every_byte_survives() {
    let all: Vec<u8> = (0..=255).collect();
    let record = Record::new("x").with("all", &all).with("text", "日本\u{85}\u{1b}");
    let text = record.to_string();
    assert!(!text.contains(|c: char| c.is_control() && c != '\t'), "{text:?}");
    assert_eq!(Record::parse(&text), Some(record));
    for bad in
        ["confine.", "confine.x\tnothing", "confine.x\ta=\\", "confine.x\ta=\\x4", "confine.x\ta=\\xgg", "x"]
    {
        assert_eq!(Record::parse(bad), None, "{bad:?}");
    }
}

#[test]
fn a_directive_is_shown_as_it_could_be_written() {
    let mut setting = setting("ConfineContext", 1);
    assert_eq!(setting.to_string(), "ConfineContext \"a b\" \"tab\there\" \"\"");
    setting.words = vec!["plain:x".to_owned(), "say \"hi\"".to_owned()];
    assert_eq!(setting.to_string(), "ConfineContext plain:x \"say \\\"hi\\\"\"");
}
