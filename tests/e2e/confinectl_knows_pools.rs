//! `confinectl` tells of pools of processes before a request meets them.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown, symlink},
};

use confine_tests::{Cell, Gate, Mpm, Run, ServerBuilder, matrix, pools::*};

const ANY: Cell = Cell { mpm: Mpm::Event, gate: Gate::Process };

const OF_THE_SYSTEM: &str = "ConfineUsers min-uid=1 min-gid=1";

/// What the server logs for a request is what `explain` says of it, and it names the program and the user.
fn explain_says_which_pool_serves_a_request(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 1")
        .config(OF_THE_SYSTEM)
        .ruleset("home", "LandlockInclude php-cgi\nLandlockRead \"@root@/www\" \"@root@/data/%{req:Tenant}\"")
        .file("www/alice/hello.php", php("echo 'hello';"))
        .file("www/bob/hello.php", php("echo 'hello';"))
        .file("www/free/hello.php", "source")
        .file("www/alice/user.php", php("echo 'hello';"))
        .file("www/home/hello.php", php("echo 'hello';"))
        .file("www/lost/page.txt", "source")
        .file("www/lost/.htaccess", "SetHandler confine-fastcgi:phq\n")
        .directory("www/lost", "AllowOverride All")
        .location("/lost", "ConfineContext landlock:alice")
        .location("/bob", "ConfineMode report")
        .location("/alice/user.php", "ConfineContext uid:daemon landlock:alice")
        .location("/home", "ConfineContext landlock:home")
        .start();
    let explained = |uri: &str, more: &[&str]| {
        let run = server.confinectl("explain", &[&["--uri", uri, "--ip", "127.0.0.1"], more].concat());
        let said = run.decision().unwrap_or_else(|| panic!("no decision: {run}")).to_owned();
        (run, said)
    };
    for (uri, status, served, of) in [
        ("/alice/hello.php", 200, "in these contexts, as the server's User", 0),
        ("/alice/user.php", 200, "in these contexts, as the user daemon", 0),
        ("/bob/hello.php", 200, "in no context, with the privileges of the server's User", 0),
        ("/free/hello.php", 500, "", 1),
        ("/lost/page.txt", 500, "", 1),
        ("/home/hello.php", 403, "", 1),
    ] {
        server.client().get(uri).expect_status(status);
        let (run, said) = explained(uri, &[]);
        assert_eq!(run.status, of, "{run}");
        let (event, rest) = said.split_once(" GET ").expect("a line of the log");
        let line = server.wait_for_log(&[&format!("confine: {event} GET {rest}")]);
        assert!(line.ends_with(rest), "{line}\n{said}");
        let shown = format!("served by processes of {PHP_CGI} (<ConfineFastCGI php> at ");
        let told = run.out.lines().find(|line| line.starts_with(&shown));
        assert_eq!(told.map(|line| line.ends_with(served)), (!served.is_empty()).then_some(true), "{run}");
    }
    let (run, said) = explained("/home/hello.php", &["--header", "Tenant: alice"]);
    assert!(said.starts_with("confined GET /home/hello.php"), "{run}");
}

matrix!(explain_says_which_pool_serves_a_request for gates);

#[track_caller]
fn check(builder: &ServerBuilder, status: i32) -> Run {
    builder.confinectl("check", &[]).expect_status(status)
}

#[track_caller]
fn tells(run: &Run, texts: &[&str]) {
    texts.iter().for_each(|text| assert!(run.out.contains(text), "{text}:\n{run}"));
}

#[test]
fn check_is_content_with_what_is_good() {
    if !can_have_pools() {
        return;
    }
    let run = check(&two_pools(ANY, ""), 0);
    tells(
        &run,
        &["mod_proxy_fcgi is loaded, which <ConfineFastCGI> needs", ", 1 program of pools, 0 findings"],
    );
    for text in ["may be written", "cannot be", "leads there", "does not let"] {
        assert!(!run.out.contains(text), "{text}:\n{run}");
    }
}

#[test]
fn check_tells_who_else_can_change_a_program() {
    if !can_have_pools() {
        return;
    }
    let builder = pools_of(ANY, "Program \"@root@/bin/app\"", "cgi").program("bin/app", "#!/bin/sh\n");
    let app = builder.path("bin/app");
    let told = "whoever can change it runs code in every pool";
    assert!(!check(&builder, 0).out.contains(told));
    chown(&app, Some(1), None).expect("chown");
    tells(&check(&builder, 1), &["belongs to the user with id 1", told]);
    chown(&app, Some(0), None).expect("chown");
    let folder = builder.path("bin");
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("chmod");
    tells(&check(&builder, 1), &["is in a folder that may be written by others", told]);
    fs::rename(&app, builder.path("bin/other")).expect("a file");
    symlink(builder.path("bin/other"), &app).expect("a link");
    tells(&check(&builder, 1), &["a symbolic link", told]);
}

#[test]
fn check_tells_what_pools_would_meet() {
    if !can_have_pools() {
        return;
    }
    let shut = "<ConfineLandlock shut>\nLandlockRead \"@root@/www\"\n</ConfineLandlock>";
    let nearest = two_pools(ANY, "").config(shut).config("ConfineContext landlock:shut");
    tells(
        &check(&nearest, 0),
        &[
            "SetHandler confine-fastcgi:php: ConfineContext at ",
            "landlock:shut: it does not let /usr/bin/php-cgi run; write LandlockInclude php-cgi, or add LandlockExecute",
            "if another section gives these requests another rule or handler, this does not matter",
        ],
    );
    let unused =
        two_pools(ANY, "").config(format!("<ConfineFastCGI more>\nProgram {PHP_CGI}\n</ConfineFastCGI>"));
    tells(&check(&unused, 0), &["<ConfineFastCGI more>: no SetHandler confine-fastcgi:more leads there"]);
    let shared = two_pools(ANY, "Arguments -d session.save_path=/tmp -dmemory_limit=1G");
    let run = check(&shared, 1);
    tells(
        &run,
        &["Arguments set session.save_path, for which the module gives each pool a folder of its own"],
    );
    assert!(!run.out.contains("memory_limit"), "{run}");
    let section = format!("<ConfineFastCGI php>\nProgram {PHP_CGI}\n</ConfineFastCGI>");
    let without = ANY
        .server()
        .modules(["proxy", "proxy_fcgi"])
        .config(section)
        .location("/x", "SetHandler confine-fastcgi:php");
    tells(&check(&without, 1), &["there is no rule, so every request with it is refused"]);
}

#[test]
fn check_tells_whom_requests_may_name() {
    if !can_have_pools() {
        return;
    }
    let of = |group: &str| {
        two_pools(ANY, "").config(format!("ConfineUsers min-uid=1 min-gid=1 members-of={group}"))
    };
    tells(&check(&of("mail"), 0), &["ConfineUsers: the group mail lists no member"]);
    // Debian's package of PostgreSQL puts its user into this group.
    let groups = fs::read_to_string("/etc/group").expect("/etc/group");
    if groups.lines().any(|line| line.starts_with("ssl-cert:") && line.ends_with(":postgres")) {
        tells(&check(&of("ssl-cert"), 0), &["ConfineUsers: requests may name postgres"]);
        let strict = two_pools(ANY, "").config("ConfineUsers min-uid=60000 members-of=ssl-cert");
        tells(
            &check(&strict, 0),
            &["postgres, a member of ssl-cert, cannot be named: the user postgres has the id"],
        );
    }
    let rule = "ConfineContext uid:daemon landlock:alice";
    let host = |folder: &str| {
        let lines = format!("DocumentRoot \"@root@/{folder}\"\n{rule}");
        two_pools(ANY, "")
            .config(OF_THE_SYSTEM)
            .writable_folder("data/open")
            .host("users.example.com", &lines)
    };
    tells(
        &check(&host("data/open"), 1),
        &["uid:daemon: others may write it", "/data/open, the DocumentRoot"],
    );
    assert!(!check(&host("www"), 0).out.contains("DocumentRoot"));
}

#[test]
fn doctor_looks_at_the_program() {
    if !can_have_pools() {
        return;
    }
    let builder = two_pools(ANY, "Total 90");
    let said = builder.confinectl("doctor", &[]).out;
    assert!(said.contains("pools: php: /usr/bin/php-cgi"), "{said}");
    assert!(said.contains("at most 90 processes"), "{said}");
    assert!(!said.contains("proxy_fcgi_module is loaded: a backend"), "{said}");
}
