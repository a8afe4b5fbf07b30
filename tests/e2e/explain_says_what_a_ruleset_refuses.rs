//! `confinectl explain --access` answers as the kernel does. Each access is asked about, and an application under the
//! same ruleset tries it. The directive that the answer names is really the missing one.

use confine_tests::{Cell, Response, Server, ServerBuilder, matrix, need_lua, tenants::*};

const RULESETS: [(&str, &str); 4] = [
    ("none", ""),
    ("read", "LandlockRead \"@root@/data/tree\""),
    ("write", "LandlockWrite \"@root@/data/tree\""),
    (
        "run",
        "LandlockExecute \"@root@/data/tree\"\nLandlockRead \"/usr\" \"/etc/ld.so.cache\"\nLandlockExecute \"/usr\"",
    ),
];

fn with_rulesets(cell: Cell) -> ServerBuilder {
    let builder = leaky_app(cell)
        .writable_folder("data/tree")
        .writable_folder("data/other")
        .file("data/tree/note", "note")
        .file("data/other/note", "note")
        .program("data/tree/hello", "#!/bin/sh\necho hello\n")
        .program("data/other/hello", "#!/bin/sh\necho hello\n");
    RULESETS.iter().fold(builder, |builder, (name, lines)| {
        builder
            .alias(&format!("/{name}"), "www/app")
            .ruleset(name, &format!("LandlockRead \"@root@/www\"\n{lines}"))
            .location(&format!("/{name}"), &format!("ConfineContext landlock:{name}"))
    })
}

fn try_it(server: &Server, ruleset: &str, action: &str, path: &str) -> Response {
    server.client().get(&leaky_at(&format!("/{ruleset}/leaky.lua"), action, path)).expect_status(200)
}

/// What the command says: nothing where it is granted, else the directive.
fn asked(server: &Server, ruleset: &str, arguments: &[&str]) -> Option<String> {
    let uri = format!("/{ruleset}/leaky.lua");
    let run = server.confinectl("explain", &[&["--uri", &uri, "--ip", "127.0.0.1"], arguments].concat());
    let line = run.out.lines().find(|l| l.starts_with(&format!("landlock:{ruleset}: ")));
    let line = line.unwrap_or_else(|| panic!("no answer in:\n{run}"));
    let refused = line.split_once(": refused; ").map(|(_, remedy)| remedy.to_owned());
    assert_eq!(refused.is_none(), line.ends_with(": granted"), "{line}");
    assert_eq!(run.status, i32::from(refused.is_some()), "{run}");
    refused
}

fn the_kernel_agrees(cell: Cell) {
    need_lua();
    let server = with_rulesets(cell).start();
    let path = |name: &str| server.path(name).display().to_string();
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(path(to), path(name)).expect("a link");
    link("data/other/note", "data/tree/out");
    link("data/tree/note", "data/other/in");
    std::fs::hard_link(path("data/other/note"), path("data/tree/second")).expect("a second name");
    let mut refused = 0;
    let mut granted = 0;
    for (ruleset, _) in RULESETS {
        for (action, access, name) in [
            ("read", "read", "data/tree/note"),
            ("read", "read", "data/other/note"),
            ("read", "read", "data/tree/out"),
            ("read", "read", "data/other/in"),
            ("read", "read", "data/tree/second"),
            ("write", "write", "data/tree/new"),
            ("write", "write", "data/other/new"),
            ("remove", "remove", "data/tree/gone"),
            ("remove", "remove", "data/other/gone"),
        ] {
            let file = path(name);
            if action == "remove" {
                std::fs::write(&file, "").expect("a file");
            } else if action == "write" {
                let _ = std::fs::remove_file(&file);
            }
            let said = asked(&server, ruleset, &["--path", &file, "--access", access]);
            let answer = try_it(&server, ruleset, action, &file);
            let is_refused = answer.text().starts_with("failed: ");
            assert_eq!(said.is_some(), is_refused, "{ruleset} {action} {name}: {said:?}, {answer:?}");
            if is_refused { refused += 1 } else { granted += 1 }
        }
        for name in ["data/tree/hello", "data/other/hello"] {
            let program = path(name);
            let said = asked(&server, ruleset, &["--exec", &program]);
            // The shell that starts it needs rights of its own. Without them, only this much of the answer is
            // compared.
            let answer = try_it(&server, ruleset, "run", &program).text();
            assert_eq!(said.is_none(), answer.starts_with("hello"), "{ruleset} {name}: {said:?}, {answer}");
        }
    }
    assert!(refused > 10 && granted > 5, "{refused} refused, {granted} granted");
    let other = path("data/other/note");
    let said = asked(&server, "none", &["--path", &other, "--access", "read"]);
    assert_eq!(said, Some(format!("add LandlockRead \"{}\"", path("data/other"))));
    let said = asked(&server, "none", &["--connect", "5432"]);
    assert_eq!(said.as_deref(), Some("add LandlockConnect 5432"));
}

matrix!(the_kernel_agrees once);

/// A file that the ruleset does not grant is a refusal, though the kernel takes the ruleset.
fn accepted_is_the_whole_truth(cell: Cell) {
    let server = with_rulesets(cell)
        .ruleset("blind", "LandlockRead \"@root@/data/other\"")
        .location("/blind", "ConfineContext landlock:blind")
        .alias("/blind", "www/app")
        .start();
    let run = |uri: &str| server.confinectl("explain", &["--uri", uri, "--ip", "127.0.0.1", "--kernel"]);
    let blind = run("/blind/page.txt").expect_status(1);
    let line = format!(
        "landlock:blind: read {}: refused; add LandlockRead ",
        server.path("www/app/page.txt").display()
    );
    assert!(blind.out.contains(&line), "{blind}");
    server.client().get("/blind/page.txt").expect_status(403);
    let read = run("/read/page.txt").expect_status(0);
    assert!(read.out.contains(": granted\n"), "{read}");
}

matrix!(accepted_is_the_whole_truth once);
