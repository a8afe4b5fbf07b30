//! What stands in the way of pools of processes stops the server at its start, with file and line and what to do, as far
//! as the configuration shows it.

use confine_tests::{Cell, Gate, Mpm, Refusal, ServerBuilder, matrix, pools::*};

/// Neither MPM nor gate has a part in reading the configuration.
const ANY: Cell = Cell { mpm: Mpm::Event, gate: Gate::Process };

/// The refusal of a server with pools and these `lines`, where the line that contains `culprit` has to be named.
#[track_caller]
fn refused(lines: &str, culprit: &str) -> Refusal {
    let refusal = two_pools(ANY, "").config(lines).refused();
    refusal.points_at(culprit);
    refusal
}

#[test]
fn a_handler_that_leads_to_no_section() {
    if !can_have_pools() {
        return;
    }
    for line in [
        "SetHandler confine-fastcgi:phq",
        "AddHandler confine-fastcgi:phq .phq",
        "RewriteRule \\.phq$ - [L,H=confine-fastcgi:phq]",
    ] {
        let lines = format!("<Location \"/alice\">\n{line}\n</Location>");
        refused(&lines, line).says(&["there is no section <ConfineFastCGI phq>; write one, or one of: php"]);
    }
    let line = "SetHandler confine-fastcgi";
    refused(&format!("<Location \"/x\">\n{line}\n</Location>"), line)
        .says(&["names no section; write confine-fastcgi:NAME"]);
    // Also where there is no section at all.
    let line = "SetHandler confine-fastcgi:php";
    let without = ANY.server().config(format!("<Location \"/x\">\n{line}\n</Location>")).refused();
    without.points_at(line).says(&["there is no section <ConfineFastCGI php>; write one"]);
    // What a tenant writes is the tenant's fault.
    let server = two_pools(ANY, "")
        .file("www/alice/.htaccess", "SetHandler confine-fastcgi:phq\n")
        .file("www/alice/page.txt", "source")
        .start();
    let answer = server.client().get("/alice/page.txt").expect_status(500);
    assert!(!answer.text().contains("source"), "{answer:?}");
    server.wait_for_log(&["refused GET /alice/page.txt", "there is no section <ConfineFastCGI phq>"]);
}

#[test]
fn a_section_that_is_not_whole() {
    if !can_have_pools() {
        return;
    }
    // The section is named, and not the last directive in it.
    let section = "<ConfineFastCGI more>\nProcesses 4\nIdle 5\n</ConfineFastCGI>";
    refused(section, "<ConfineFastCGI more>").says(&["<ConfineFastCGI>: names no program; write Program"]);
    let small = format!("<ConfineFastCGI more>\nProgram {PHP_CGI}\nTotal 4\n</ConfineFastCGI>");
    refused(&small, "<ConfineFastCGI more>")
        .says(&["<ConfineFastCGI>: Total 4 is less than one pool needs (9)"]);
    for (lines, says) in [
        ("Program /no/such/program", "/no/such/program: No such file"),
        ("Program php-cgi", "is no whole path"),
        ("Program /etc/passwd", "is no program"),
        ("Processes 0", "is no number from 1"),
        ("ConfineContext landlock:alice", "has no meaning here"),
    ] {
        let culprit = if lines.starts_with("Confine") { "<ConfineFastCGI more>" } else { lines };
        refused(&format!("<ConfineFastCGI more>\n{lines}\n</ConfineFastCGI>"), culprit).says(&[says]);
    }
}

#[test]
fn a_worker_that_would_take_the_place_of_a_pool() {
    if !can_have_pools() {
        return;
    }
    for (lines, culprit) in [
        (
            "<Proxy \"fcgi://confine-pool-1/\">\nProxySet retry=0\n</Proxy>",
            "<Proxy \"fcgi://confine-pool-1/\">",
        ),
        (
            "ProxyPassMatch \"^/x/(.*)$\" \"unix:/run/x.sock|fcgi://$1\"",
            "ProxyPassMatch \"^/x/(.*)$\" \"unix:/run/x.sock|fcgi://$1\"",
        ),
    ] {
        refused(lines, culprit)
            .says(&["mod_proxy would lead requests of <ConfineFastCGI> here and not to their pools"]);
    }
    two_pools(ANY, "").config("ProxyPass \"/x/\" \"fcgi://127.0.0.1:1/\"").start();
}

#[test]
fn what_does_not_go_together_with_pools() {
    if !can_have_pools() {
        return;
    }
    let section = "<ConfineFastCGI php>";
    refused("ConfineCoreDumps on", section).says(&["does not go together with ConfineCoreDumps on"]);
    let beside_php = two_pools(Cell { mpm: Mpm::Prefork, gate: Gate::Process }, "").modules(["php"]);
    beside_php.refused().points_at(section).says(&["does not go together with mod_php", "php://fd/N"]);
    for module in ["proxy", "proxy_fcgi"] {
        let needed = format!(
            "<ConfineFastCGI> needs mod_{module}, which is not loaded; add LoadModule {module}_module"
        );
        without(module).refused().says(&[&needed]);
    }
}

/// A server with a section, and without one of the modules that it needs.
fn without(module: &str) -> ServerBuilder {
    let others = ["proxy", "proxy_fcgi"].into_iter().filter(|it| *it != module && module != "proxy");
    ANY.server().modules(others).config(format!("<ConfineFastCGI php>\nProgram {PHP_CGI}\n</ConfineFastCGI>"))
}

/// The rule and the handler of one section are certain to meet.
#[test]
fn a_rule_under_which_its_program_cannot_run() {
    if !can_have_pools() {
        return;
    }
    let place = |lines: &str| {
        format!("<LocationMatch \"^/shut\">\nSetHandler confine-fastcgi:php\n{lines}\n</LocationMatch>")
    };
    let shut = "<ConfineLandlock shut>\nLandlockRead \"@root@/www\"\n</ConfineLandlock>\n";
    let refusal =
        two_pools(ANY, "").config(format!("{shut}{}", place("ConfineContext landlock:shut"))).refused();
    refusal.says(&[
        "SetHandler confine-fastcgi:php: ConfineContext at ",
        "landlock:shut: it does not let /usr/bin/php-cgi run; write LandlockInclude php-cgi, or add LandlockExecute",
    ]);
    // Another rule comes first, so nothing is certain.
    let first = place("ConfineEnv landlock:TENANT\nConfineContext landlock:shut");
    two_pools(ANY, "").config(format!("{shut}{first}")).start();
    for (lines, says) in [
        ("ConfineMode report", "under ConfineMode report or learn the program would run as the server's own"),
        ("ConfineMode learn", "under ConfineMode report or learn the program would run as the server's own"),
    ] {
        let users = "ConfineUsers min-uid=1 min-gid=1\n";
        let place = place(&format!("{lines}\nConfineContext uid:daemon landlock:alice"));
        two_pools(ANY, "").config(format!("{users}{place}")).refused().says(&[says]);
    }
    let early = Cell { mpm: Mpm::Event, gate: Gate::Process };
    let refusal = two_pools(early, "")
        .config("ConfineUsers min-uid=1 min-gid=1\nConfineEarly landlock:alice")
        .config(place("ConfineContext uid:daemon landlock:alice"))
        .refused();
    refusal.says(&["ConfineEarly comes before every rule of this host"]);
}

fn started_by_another_user_than_root(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let line = "ConfineContext uid:daemon landlock:alice";
    let refusal = two_pools(cell, "").config(line).unprivileged().refused();
    refusal.points_at("<ConfineFastCGI php>").says(&["needs a server that root starts"]);
    refusal
        .points_at(line)
        .says(&["the server may not change the user of its processes", "start it as root"]);
}

matrix!(started_by_another_user_than_root once);
