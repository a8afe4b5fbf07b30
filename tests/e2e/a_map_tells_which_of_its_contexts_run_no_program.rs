//! A line of a map whose contexts do not let the program of a pool run is told of at the server's start and when the
//! map changes. The server starts all the same: the line may be meant for requests that no pool serves.

use std::{fs, path::Path};

use confine_tests::{Cell, Gate, Mpm, ServerBuilder, matrix, pools::*, tenants::Expectations};

const HELLO: &str = "echo 'hello';";

const SHUT: &str = "<ConfineLandlock shut>\nLandlockRead \"@root@/www\"\n</ConfineLandlock>";

const WHY: &str = ": landlock:shut: it does not let /usr/bin/php-cgi run; write LandlockInclude php-cgi, or add LandlockExecute";

/// Pools in the contexts of a map at `/mapped`. Rule and handler stand in one section.
fn with_map(cell: Cell, map: &str) -> ServerBuilder {
    two_pools(cell, "Processes 1")
        .config(SHUT)
        .file("tenants.map", map)
        .file("www/mapped/hello.php", php(HELLO))
        .location("/mapped", "SetHandler confine-fastcgi:php\nConfineMap \"@root@/tenants.map\"")
}

/// The ruleset of alice reads nothing of `/mapped`, but the program runs in it.
const GOOD: &str = "ip:127.0.0.1 landlock:alice\n";

fn at_the_start_and_when_it_changes(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let map = format!("{GOOD}# a comment\nbob landlock:shut\ncarol landlock:alice landlock:shut\n");
    let server = with_map(cell, &map).start();
    let line = server.wait_for_log(&[&format!("/tenants.map:3{WHY}"), "(SetHandler confine-fastcgi:php at "]);
    assert!(line.contains(", ConfineMap at ") && !line.contains("if another section"), "{line}");
    server.wait_for_log(&[&format!("/tenants.map:4{WHY}")]);
    assert!(server.log_lines("tenants.map:1").is_empty(), "{}", server.log());
    // The program runs, and finds that it may not read its script.
    assert_ne!(server.client().get("/mapped/hello.php").status, 500);
    change(&server.path("tenants.map"), &format!("\n\n\n\n\n\n{}", GOOD.replace("alice", "shut")));
    let line = server.wait_for_log(&[&format!("/tenants.map:7{WHY}")]);
    assert!(line.contains(":warn]"), "{line}");
    let told = server.log_lines(&format!("/tenants.map:7{WHY}"));
    assert_eq!(told.len(), 1, "once, however many children there are: {told:#?}");
    server.client().get("/mapped/hello.php").expect_status(500);
    server.wait_for_log(&["refused GET /mapped/hello.php", "it does not let", "add LandlockExecute"]);
    change(&server.path("tenants.map"), GOOD);
    server.wait_for_log(&["tenants.map: changed, 1 rules are in force (generation 3)"]);
    assert_eq!(server.log_lines(WHY).len(), 3, "{}", server.log());
}

matrix!(at_the_start_and_when_it_changes once);

fn change(map: &Path, text: &str) {
    let new = map.with_extension("new");
    fs::write(&new, text).and_then(|()| fs::rename(&new, map)).expect("a new map");
}

const ANY: Cell = Cell { mpm: Mpm::Event, gate: Gate::Process };

/// Where handler and map stand apart, another section may decide.
#[test]
fn where_the_handler_is_the_servers_own() {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(ANY, "")
        .config(SHUT)
        .file("tenants.map", "bob landlock:shut\n")
        .config("ConfineMap \"@root@/tenants.map\"")
        .host("one.example.com", "DocumentRoot \"@root@/www\"")
        .host("two.example.com", "DocumentRoot \"@root@/www\"")
        .start();
    let line = server.wait_for_log(&[&format!("/tenants.map:1{WHY}")]);
    assert!(line.ends_with(
        "; if another section gives these requests another rule or handler, this does not matter"
    ));
    let told = server.log_lines(WHY);
    // The server reads its configuration twice, and writes the first time to the terminal.
    assert_eq!(told.len(), 1, "once, however many virtual hosts there are: {told:#?}");
}

/// A ruleset in which the script of `/mapped` is served.
const OPEN: &str =
    "<ConfineLandlock open>\nLandlockInclude php-cgi\nLandlockRead \"@root@/www\"\n</ConfineLandlock>";

/// Pools in the contexts of these rules at `/mapped`. The handler is that of all files of PHP.
fn with_rules(cell: Cell, rules: &str) -> ServerBuilder {
    two_pools(cell, "Processes 1")
        .config(format!("{SHUT}\n{OPEN}"))
        .file("www/mapped/hello.php", php(HELLO))
        .location("/mapped", rules)
}

const TWO_MAPS: &str =
    "ConfineMap \"@root@/first.map\"\nConfineMap \"@root@/second.map\"\nConfineContext landlock:open";

const ELSEWHERE: &str =
    "; if another section gives these requests another rule or handler, this does not matter";

/// A line that matches decides, though the rule behind its map would let the program run.
fn behind_another_map(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = with_rules(cell, TWO_MAPS)
        .file("first.map", "ip:192.0.2.1 landlock:shut\n")
        .file("second.map", "# a comment\nip:127.0.0.1 landlock:shut\n")
        .start();
    for place in ["first.map:1", "second.map:2"] {
        let line = server.wait_for_log(&[&format!("/{place}{WHY}"), "(SetHandler confine-fastcgi:php at "]);
        assert!(line.contains(":warn]") && line.ends_with(ELSEWHERE), "{line}");
    }
    server.client().get("/mapped/hello.php").expect_status(500);
    server.wait_for_log(&[
        "refused GET /mapped/hello.php",
        "/second.map:2",
        "it does not let",
        "add LandlockExecute",
    ]);
    change(&server.path("second.map"), "ip:127.0.0.1 landlock:open\n");
    server.wait_for_log(&["second.map: changed, 1 rules are in force"]);
    server.client().get("/mapped/hello.php").expect_content("hello");
    change(&server.path("second.map"), "\n\n\nip:127.0.0.1 landlock:shut\n");
    server.wait_for_log(&[&format!("/second.map:4{WHY}")]);
    server.client().get("/mapped/hello.php").expect_status(500);
    change(&server.path("second.map"), "ip:192.0.2.1 landlock:open\n");
    server.wait_for_log(&["second.map: changed, 1 rules are in force (generation 4)"]);
    server.client().get("/mapped/hello.php").expect_content("hello");
    assert_eq!(
        server.log_lines(WHY).iter().filter(|line| line.contains("map:")).count(),
        3,
        "{}",
        server.log()
    );
}

matrix!(behind_another_map once);

/// A fixed rule behind a map is told of, and what stands behind a fixed rule is not.
#[test]
fn what_stands_behind_a_map_and_behind_a_fixed_rule() {
    if !can_have_pools() {
        return;
    }
    let said = |rules: &str| {
        let rules = format!("SetHandler confine-fastcgi:php\n{rules}");
        let here = with_rules(ANY, &rules).file("tenants.map", "bob landlock:shut\n");
        here.confinectl("check", &[]).out
    };
    let map = "ConfineMap \"@root@/tenants.map\"";
    let behind = said(&format!("{map}\nConfineContext landlock:shut"));
    assert!(behind.contains(&format!("tenants.map:1: note{WHY}")), "{behind}");
    let fixed = behind.lines().find(|line| line.contains(": ConfineContext at ")).unwrap_or_default();
    assert!(fixed.contains(WHY), "{behind}");
    assert!(fixed.ends_with("; this counts for requests that no rule before it matches"), "{behind}");
    let before = said(&format!("ConfineContext landlock:open\n{map}"));
    assert!(!before.contains(WHY), "{before}");
}

/// The handler of all files of PHP leads into each folder; a folder with another pool's handler has that one.
#[test]
fn in_the_folders_that_a_handler_leads_into() {
    if !can_have_pools() {
        return;
    }
    let here = with_rules(ANY, "ConfineMap \"@root@/tenants.map\"\nConfineContext landlock:open")
        .file("tenants.map", "bob landlock:shut\n")
        .file("other.map", "bob landlock:shut\n")
        .location("/fixed", "ConfineContext landlock:shut")
        .directory("www/page", "<Files \"page.html\">\nConfineMap \"@root@/other.map\"\n</Files>");
    let said = here.confinectl("check", &[]).out;
    let of = |what: &str| said.lines().filter(|line| line.contains(what)).collect::<Vec<_>>();
    assert!(
        matches!(of("/tenants.map:1")[..], [line] if line.contains(WHY) && line.ends_with(ELSEWHERE)),
        "{said}"
    );
    assert!(
        matches!(of(": ConfineContext at ")[..], [line] if line.contains(WHY) && line.ends_with(ELSEWHERE)),
        "{said}"
    );
    assert!(of("/other.map:1").is_empty(), "{said}");
}

const USERS: &str = "bob uid:daemon landlock:alice\nalice landlock:alice\n";

/// A user's name does not go together with report mode and early moves, in a map as in a fixed rule.
#[test]
fn users_where_none_can_be() {
    if !can_have_pools() {
        return;
    }
    let users = "ConfineUsers min-uid=1 min-gid=1";
    let run = with_map(ANY, USERS).config(users).confinectl("check", &[]);
    assert!(!run.out.contains("tenants.map:1"), "{run}");
    let here = two_pools(ANY, "").config(users).file("tenants.map", USERS).location(
        "/mapped",
        "ConfineMode report\nSetHandler confine-fastcgi:php\nConfineMap \"@root@/tenants.map\"",
    );
    let said = here.confinectl("check", &[]).out;
    assert!(
        said.contains("tenants.map:1: note: it names a user, and under ConfineMode report or learn"),
        "{said}"
    );
    assert!(!said.contains("tenants.map:2"), "{said}");
}

/// A map of many contexts does not fill the log.
#[test]
fn many_lines() {
    if !can_have_pools() {
        return;
    }
    let map: String = (0..12).map(|n| format!("user{n} landlock:shut{n}\n")).collect();
    let ruleset = |n| format!("<ConfineLandlock shut{n}>\nLandlockRead \"@root@/www\"\n</ConfineLandlock>\n");
    let rulesets: String = (0..12).map(ruleset).collect();
    let run = with_map(ANY, &map).config(rulesets).confinectl("check", &[]);
    assert_eq!(run.out.matches(": it does not let /usr/bin/php-cgi run").count(), 5, "{run}");
    assert!(run.out.contains("tenants.map: 7 more lists of contexts are as those above"), "{run}");
}
