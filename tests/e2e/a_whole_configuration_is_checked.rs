//! `confinectl check` looks at a whole configuration as httpd reads it: what keeps the server from starting, what
//! never takes effect, who may change a map, and what is good to know.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
};

use confine_tests::{Cell, ServerBuilder, matrix, platform, tenants::*};

/// Two rulesets and Landlock, and nothing to complain about.
fn tenants(cell: Cell) -> ServerBuilder {
    cell.server()
        .modules(["setenvif"])
        .file("tenants.map", MAP)
        .config("ConfineBackend landlock")
        .ruleset("alice", "LandlockRead \"@root@/www\"")
        .ruleset("bob", "LandlockRead \"@root@/www\"")
}

/// Where this line stands in the server's configuration, as the command names it.
#[track_caller]
fn place(builder: &ServerBuilder, text: &str) -> String {
    let path = builder.path("httpd.conf");
    let conf = fs::read_to_string(&path).unwrap_or_else(|e| panic!("httpd.conf: {e}"));
    let line = conf.lines().position(|line| line.trim() == text);
    format!("{}:{}", path.display(), line.unwrap_or_else(|| panic!("no line {text:?} in:\n{conf}")) + 1)
}

fn a_good_one(cell: Cell) {
    let builder = tenants(cell)
        .host("dog", "ConfineMap tenants.map")
        .host(
            "cat",
            "<Directory \"@root@/www\">\n<Files x>\nConfineContext \"alice\" bob\n</Files>\n</Directory>",
        )
        .host("early", "ConfineEarly alice\nConfineContext bob\nConfineContext alice\nServerAlias e");
    // The last one above is a finding; the first two are none.
    let run = builder.confinectl("check", &["--list"]).expect_status(1);
    let root = builder.path("");
    let root = root.display().to_string();
    let root = root.trim_end_matches('/');
    let config = builder.path("httpd.conf");
    let at = |text| place(&builder, text);
    run.says(&[
        &format!("  {}: ConfineMap tenants.map (2 rules, 2 contexts)", at("ConfineMap tenants.map")),
        &format!("  <Directory \"{root}/www\"> <Files x>"),
        &format!("    {}: ConfineContext alice bob (landlock:alice landlock:bob)", at("ConfineContext \"alice\" bob")),
        &format!("  {}: ConfineEarly alice (landlock:alice)", at("ConfineEarly alice")),
        &format!(
            "{}: ConfineContext alice is never asked: ConfineContext bob at {} stands before it and matches every \
             request; move this line above it, or remove it",
            at("ConfineContext alice"),
            at("ConfineContext bob")
        ),
        &format!("{}: 3 virtual hosts, 5 rules, 1 map, 2 Landlock rulesets, 1 finding, 0 notes", config.display()),
    ]);
    let json = builder.confinectl("check", &["--json"]).expect_status(1).out;
    for part in
        ["\"valid\": true", "\"kind\": \"map\"", "\"name\": \"cat\"", "\"sections\": [", "is never asked"]
    {
        assert!(json.contains(part), "no {part} in:\n{json}");
    }
    let good = tenants(cell).config("ConfineMap tenants.map");
    let run = good.confinectl("check", &[]).expect_status(0);
    let shown = good.path("httpd.conf");
    let whole = format!(
        "{}: 0 virtual hosts, 1 rule, 1 map, 2 Landlock rulesets, 0 findings, 0 notes\n",
        shown.display()
    );
    assert_eq!((run.out.as_str(), run.err.as_str()), (whole.as_str(), ""));
}

matrix!(a_good_one once);

/// What keeps the server from starting, all at once, each with its place.
fn faults(cell: Cell) {
    let builder = tenants(cell)
        .file("bad.map", "alice\nbob landlock:bob\n10.0.0.1/8 landlock:bob\n")
        .file("unknown.map", "alice landlock:alice\ncarol landlock:carol\n")
        .host("dog", "ConfineContext landlock:nobody")
        .host("cat", "ConfineMap bad.map\nConfineMap missing.map\nConfineMap unknown.map")
        .location("/early", "ConfineContext alice");
    let run = builder.confinectl("check", &[]).expect_status(1);
    let at = |text| place(&builder, text);
    let bad = format!("(ConfineMap at {})", at("ConfineMap bad.map"));
    let path = |name| builder.path(name).display().to_string();
    for begin in [
        format!("{}: ConfineContext: landlock:nobody: ", at("ConfineContext landlock:nobody")),
        format!("{}:1:6: no context given; ", path("bad.map")),
        format!("{}:3:1: 10.0.0.1/8 has bits set behind its prefix", path("bad.map")),
        format!("{}: ConfineMap: {}: cannot be opened: ", at("ConfineMap missing.map"), path("missing.map")),
        format!("{}:2: landlock:carol: ", path("unknown.map")),
    ] {
        let found = run.out.lines().filter(|line| line.starts_with(&begin)).count();
        assert_eq!(found, 1, "{found} lines begin with {begin:?} in:\n{run}");
    }
    assert_eq!(run.out.lines().filter(|line| line.ends_with(&bad)).count(), 2, "{run}");
    assert!(run.out.ends_with(", 5 findings, 0 notes\n"), "{run}");
    let json = builder.confinectl("check", &["--json"]).expect_status(1).out;
    assert!(json.contains("\"valid\": false") && json.contains("\"column\": 6"), "{json}");
    // No request is asked about by a server that does not start.
    let run = builder.confinectl("explain", &["--uri", "/"]).expect_status(1);
    assert!(run.out.contains("landlock:nobody") && run.out.contains("no answer"), "{run}");
}

matrix!(faults once);

/// What httpd itself refuses, and a configuration without the module.
fn before_the_module(cell: Cell) {
    let builder = tenants(cell).config("ConfineMap tenants.map\nKonfine on");
    for command in ["check", "explain"] {
        let run = builder.confinectl(command, &[]).expect_status(1);
        assert!(run.out.contains("Invalid command 'Konfine'"), "{run}");
        assert!(run.out.contains(&builder.path("httpd.conf").display().to_string()), "{run}");
    }
    let run = builder.confinectl("check", &[]);
    run.says(&[
        &format!(
            "{}: Invalid command 'Konfine', perhaps misspelled or defined by a module not included in the server \
             configuration",
            place(&builder, "Konfine on")
        ),
        &format!("{}: 1 finding, and nothing else was looked at", builder.path("httpd.conf").display()),
    ]);
    let wrong = tenants(cell).config("ConfineUnmatched perhaps");
    let run = wrong.confinectl("check", &[]).expect_status(1);
    assert!(run.out.starts_with(&format!("{}: ", place(&wrong, "ConfineUnmatched perhaps"))), "{run}");
    let stock = cell.server().stock();
    for command in ["check", "explain"] {
        let run = stock.confinectl(command, &[]).expect_status(1);
        assert!(
            run.out.contains("mod_confine is not loaded, so no request is confined; add LoadModule"),
            "{run}"
        );
    }
    let gone = stock.confinectl("check", &["--httpd", "/nonexistent"]);
    assert!(gone.err.contains("--httpd"), "{gone}");
}

matrix!(before_the_module once);

fn useless_lines_of_maps(cell: Cell) {
    let builder = tenants(cell)
        .file("all.map", "10.0.0.0/8 landlock:alice\n10.1.0.0/16 landlock:bob\n* landlock:alice\n")
        .config("ConfineMap all.map")
        .config("ConfineMap tenants.map")
        .location("/x", "ConfineContext bob");
    let run = builder.confinectl("check", &[]).expect_status(1);
    let at = |text| place(&builder, text);
    run.says(&[
        &format!(
            "{}:2: 10.1.0.0/16 never matches: line 1 (10.0.0.0/8) holds all of it and comes first; move this line \
             above it (ConfineMap at {})",
            builder.path("all.map").display(),
            at("ConfineMap all.map")
        ),
        &format!(
            "{}: ConfineMap tenants.map is never asked: ConfineMap all.map at {} stands before it and matches every \
             request; move this line above it, or remove it",
            at("ConfineMap tenants.map"),
            at("ConfineMap all.map")
        ),
    ]);
    assert!(run.out.ends_with(" 2 findings, 0 notes\n"), "{run}");
}

matrix!(useless_lines_of_maps once);

fn notes(cell: Cell) {
    let builder = tenants(cell)
        .modules(["cgid"])
        .ruleset("carol", "LandlockRead /srv")
        .host("first", "ServerAlias nothing")
        .host("dog", "ConfineMap tenants.map\nConfineUnmatched allow\nConfineOutOfProcess Allow")
        .host("cat", "<Location /try>\nConfineMode report\nConfineContext unconfined\n</Location>");
    let run = builder.confinectl("check", &[]).expect_status(0);
    let at = |text| place(&builder, text);
    run.says(&[
        &format!(
            "{}: note: ConfineUnmatched allow: a request that no rule matches runs with the server's privileges",
            at("ConfineUnmatched allow")
        ),
        &format!(
            "{}: note: ConfineOutOfProcess Allow: content that another process makes is not confined",
            at("ConfineOutOfProcess Allow")
        ),
        &format!(
            "{}: note: ConfineMode report in <Location /try>: nothing is confined here, only logged",
            at("ConfineMode report")
        ),
        &format!("{}: note: nothing names the ruleset carol", at("<ConfineLandlock carol>")),
        "note: mod_cgid is loaded, and starts CGI programs from another process: under a rule they are refused, and not \
         confined where ConfineOutOfProcess lets them through; load mod_cgi instead, or see ConfineOutOfProcess",
    ]);
    let bare = ": note: the virtual host first has no rule: its requests run with the server's privileges";
    assert!(run.out.contains(bare), "{run}");
    assert!(run.out.ends_with(", 0 findings, 6 notes\n"), "{run}");
    // What a request says may name any ruleset.
    let by_request = tenants(cell).config("ConfineEnv TENANT").confinectl("check", &[]).expect_status(0);
    assert!(by_request.out.contains("nothing names the ruleset alice, unless a variable"), "{by_request}");
    let none = tenants(cell).confinectl("check", &[]).expect_status(0);
    assert!(none.out.contains("note: there is no rule, so no request is confined"), "{none}");
}

matrix!(notes once);

fn maps_that_others_may_write(cell: Cell) {
    let builder = tenants(cell).config("ConfineMap tenants.map");
    let map = builder.path("tenants.map");
    let mode = |mode| {
        fs::set_permissions(&map, fs::Permissions::from_mode(mode)).unwrap_or_else(|e| panic!("chmod: {e}"));
    };
    let shown = map.display();
    mode(0o646);
    let run = builder.confinectl("check", &[]).expect_status(1);
    run.says(&[&format!(
        "{}: ConfineMap tenants.map: everybody may write {shown} and so choose contexts; forbid it (chmod o-w {shown})",
        place(&builder, "ConfineMap tenants.map")
    )]);
    mode(0o644);
    builder.confinectl("check", &[]).expect_status(0);
    if platform::is_root() {
        let (name, uid) = platform::child_user();
        chown(&map, Some(uid), None).unwrap_or_else(|e| panic!("chown: {e}"));
        let run = builder.confinectl("check", &[]).expect_status(1);
        assert!(
            run.out.contains(&format!("{shown} belongs to the server's User {name}, which may write it")),
            "{run}"
        );
    }
}

matrix!(maps_that_others_may_write once);

/// What makes the module describe a configuration changes nothing about a server that runs, nor about a test of
/// a bad configuration.
fn a_running_server_ignores_the_define(cell: Cell) {
    let server =
        tenants(cell).config("Define CONFINE_DUMP\nDefine CONFINE_EXPLAIN\nConfineContext alice").start();
    server.client().get("/").expect_status(404);
    server.wait_for_log(&["confine: confined GET / ", "context=landlock:alice"]);
    let printed =
        fs::read_to_string(server.path("logs/output.log")).unwrap_or_else(|e| panic!("output.log: {e}"));
    assert!(!printed.contains("confine."), "{printed}");
    tenants(cell).config("Define CONFINE_DUMP\nConfineContext nobody").refused().says(&["landlock:nobody"]);
}

matrix!(a_running_server_ignores_the_define once);
