use std::net::IpAddr;

use super::*;
use crate::{Origin, bytes::Bytes};

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
        document_root: Some(b"/srv/\xff".to_vec().into()),
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
        learn_folder: Some(b"/run/x".to_vec().into()),
        include_folders: vec![b"/etc/\xfe".to_vec().into()],
        servers: vec![server("main", None), server("dog", Some(1))],
        rules: vec![
            rule(3),
            Rule { early: true, kind: Kind::Constant, contexts: Some("x:y".into()), ..rule(4) },
        ],
        settings: vec![
            setting("ConfineMode", 9),
            Setting { sections: Vec::new(), ..setting("ConfineGate", 8) },
        ],
        rulesets: vec![Ruleset::empty("tenant", Origin::new("/etc/x", 12))],
        programs: vec![Program {
            name: "php".to_owned(),
            origin: Origin::new("/etc/x", 20),
            file: "/usr/bin/php-cgi".to_owned(),
            handlers: vec![Origin::new("/etc/x", 24)],
        }],
        modules: vec!["mod_cgid.c".to_owned()],
        unknown_handlers: vec!["mod_strange.c".to_owned()],
        providers: vec!["ldap".to_owned()],
        notes: vec!["by the way".to_owned()],
        findings: vec!["/etc/x:2: look".to_owned()],
        warnings: vec!["beware".to_owned()],
        faults: vec!["/etc/x:1: \\ bad".to_owned()],
        user: Some(User { name: "www-data".to_owned(), id: 33 }),
        answer: Some(Answer {
            server: 1,
            to: "0.0.0.0:80".to_owned(),
            uri: b"/\xff"[..].into(),
            path: Some(b"/srv/\n"[..].into()),
            rest: Some(b"/x"[..].into()),
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
                pool: Some("processes".to_owned()),
            }),
            kernel: vec![Kernel { contexts: "landlock:a".to_owned(), refused: None }],
            attempted: Vec::new(),
        }),
    }
}

fn printed(dump: &Dump) -> String {
    dump.lines().expect("JSON")
}

/// `printed` with one part as another version would write it.
fn with_part(name: &str, change: impl Fn(&str) -> String) -> String {
    let text = printed(&whole());
    let mark = format!("confine.{name} ");
    let lines = text.lines().map(|line| match line.strip_prefix(&mark) {
        Some(part) => format!("{mark}{}\n", change(part)),
        None => format!("{line}\n"),
    });
    lines.collect()
}

#[track_caller]
fn is_cut_short(text: &str) {
    let read = Dump::parse(text);
    assert!(matches!(read, Err(DumpError::CutShort)), "{text:?}: {read:?}");
}

#[test]
fn what_is_written_is_read() {
    for dump in [whole(), Dump::default()] {
        assert_eq!(Dump::parse(&printed(&dump)).expect("a description"), dump);
    }
    assert_eq!(Dump::parse("confine.end 0\n").expect("a description"), Dump::default());
}

#[test]
fn other_modules_may_print_in_between() {
    let text = printed(&whole()).replace('\n', "\nSomething else: confine.rules []\n\n");
    assert_eq!(Dump::parse(&format!("confined\n{text}")).expect("a description"), whole());
}

#[test]
fn a_line_that_another_one_swallowed_is_missed() {
    let text = printed(&whole());
    for line in text.lines() {
        // The other module's line had no line end, so it and this line became one.
        is_cut_short(&text.replace(line, &format!("something else{line}")));
    }
}

#[test]
fn a_description_that_is_cut_short_is_none() {
    let text = printed(&whole());
    let behind_the_mark = "confine.".len();
    // Every place counts, except the one before the last line end, which means nothing.
    for cut in (behind_the_mark..text.len() - 1).filter(|cut| text.is_char_boundary(*cut)) {
        is_cut_short(&text[..cut]);
    }
    // Any line may be lost, and not only the last.
    let lines: Vec<_> = text.lines().collect();
    for lost in 0..lines.len() {
        let rest: Vec<_> = lines.iter().enumerate().filter(|(n, _)| *n != lost).map(|(_, l)| *l).collect();
        is_cut_short(&rest.join("\n"));
    }
    assert!(matches!(Dump::parse("Syntax OK\n"), Err(DumpError::Missing)));
}

#[test]
fn indices_of_what_is_not_there_are_refused() {
    let mut dump = whole();
    dump.rules.pop();
    is_cut_short(&printed(&dump));
    let mut dump = whole();
    dump.servers.pop();
    is_cut_short(&printed(&dump));
}

#[test]
fn what_another_version_writes_is_read_as_far_as_it_goes() {
    // A newer module tells of more: another part, and another field of a part.
    let text = with_part("user", |part| part.replace('{', "{\"shell\":[1],"));
    let text = text.replace("confine.end ", "confine.weather {}\nconfine.end 1");
    let count = printed(&whole()).lines().count();
    let text = text.replace(&format!("confine.end 1{}", count - 1), &format!("confine.end {count}"));
    assert_eq!(Dump::parse(&text).expect("a description"), whole());
    // An older one tells of less.
    let older = "confine.notes [\"by the way\"]\nconfine.end 1\n";
    assert_eq!(Dump::parse(older).expect("a description").notes, ["by the way"]);
}

#[test]
fn what_cannot_be_read_is_named() {
    for (text, why) in [
        (with_part("rules", |part| part.replace("\"map\"", "\"later\"")), "unknown variant `later`"),
        (with_part("user", |part| part.replace("\"id\"", "\"uid\"")), "missing field `id`"),
        (with_part("settings", |_| "{".to_owned()), "EOF while parsing"),
        (with_part("answer", |part| part.replace("\\\\xff", "\\\\xf")), "begins no escape"),
    ] {
        let error = Dump::parse(&text).expect_err("another version").to_string();
        assert!(error.contains(why), "no {why:?} in {error}");
        assert!(
            error.ends_with(
                "the module and confinectl are of different versions, install both from one build"
            ),
            "{error}"
        );
    }
}

#[test]
fn a_question_passes_through_an_environment_variable() {
    let bytes = |bytes: &[u8]| Bytes::from(bytes);
    let question = Question {
        user: Some(bytes(b"al\tice=\xfe\0")),
        addr: Some(IpAddr::from([10, 0, 0, 1])),
        host: Some("dog".to_owned()),
        to: Some("[::1]:8080".parse().expect("an address")),
        path: Some(bytes(b"/srv/\\x00")),
        uri: Some(bytes(b"/x?y=%00")),
        method: Some("POST".to_owned()),
        headers: vec![bytes(b"X: 1"), bytes(b"Y:2")],
        env: vec![bytes(b"K=V=W"), bytes(b"EMPTY=")],
        kernel: true,
        attempts: vec![
            Attempt { access: "read".to_owned(), object: Object::Path(bytes(b"/x\xff")) },
            Attempt { access: "connect".to_owned(), object: Object::Port(80) },
            Attempt { access: "connect".to_owned(), object: Object::AbstractSocket },
        ],
    };
    for question in [question, Question::default()] {
        let text = question.to_json().expect("JSON");
        assert!(!text.contains(|c: char| c.is_control()), "{text:?}");
        assert_eq!(Question::from_json(&text).expect("a question"), question);
    }
    let newer = Question::default().to_json().expect("JSON").replace('{', "{\"weather\":1,");
    let error = Question::from_json(&newer).expect_err("a field that is not known").to_string();
    assert!(error.contains("unknown field `weather`"), "{error}");
}

#[test]
fn bytes_that_are_no_text_survive() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    let mut dump = whole();
    let every: Vec<u8> = (0..=255).collect();
    dump.rulesets[0].origin = Origin::new(OsStr::from_bytes(&every), 1);
    if let Some(answer) = &mut dump.answer {
        answer.path = Some(every.into());
    }
    dump.notes = vec!["日本\u{85}\u{1b}\u{7f}\r".to_owned()];
    let text = printed(&dump);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    assert_eq!(Dump::parse(&text).expect("a description"), dump);
}

#[test]
fn a_directive_is_shown_as_it_could_be_written() {
    let mut setting = setting("ConfineContext", 1);
    assert_eq!(setting.to_string(), "ConfineContext \"a b\" \"tab\there\" \"\"");
    setting.words = vec!["plain:x".to_owned(), "say \"hi\"".to_owned()];
    assert_eq!(setting.to_string(), "ConfineContext plain:x \"say \\\"hi\\\"\"");
}
