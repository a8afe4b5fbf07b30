//! The shipped configuration and map start together on a machine that has nothing of what they name. The README's
//! example starts with what its text says the reader has.

use confine_tests::{Cell, Request, ServerBuilder, manual, matrix, tenants::*};

/// The modules that both distributions load and the examples use.
const USUAL: [&str; 4] = ["auth_basic", "authn_file", "authz_user", "authz_host"];

const EXAMPLE: &str = "conf/confine.conf.example";

fn passwords(builder: ServerBuilder, file: &str) -> ServerBuilder {
    let line = |name: &str| format!("{name}:{}\n", password_hash(name));
    builder.file(file, line("alice") + &line("bob"))
}

/// The pair, installed as its head says: the one read by the server, the other in ServerRoot.
fn shipped(cell: Cell, config: &str) -> ServerBuilder {
    let builder = cell.server().modules(USUAL).file("confine.map", manual::page("conf/confine.map.example"));
    builder.config(config)
}

fn exactly_the_shipped_pair(cell: Cell) {
    let server = shipped(cell, &manual::page(EXAMPLE)).file("www/page.txt", "page").start();
    let client = server.client();
    let counters = client.get("/confine-status").expect_status(200).text();
    assert!(counters.contains("confine_requests_total{outcome=\"WouldRefuse\"} 0"), "{counters}");
    client.get("/page.txt").expect_content("page");
    // The folder is not there, so nor is what its section allows.
    client.get("/tenants/alice/x").expect_status(403);
    let log = server.stop();
    let bad = log.lines().find(|line| line.contains("confine:warn") || line.contains("confine:error"));
    assert_eq!(bad, None, "{log}");
}

matrix!(exactly_the_shipped_pair);

/// The same on a machine that has everything: it reports, and without this line it confines.
fn on_a_machine_that_has_what_it_names(cell: Cell) {
    let text = manual::page(EXAMPLE).replace("/srv", "@root@/srv");
    let enforced = text.replace("\nConfineMode report\n", "\n");
    assert_ne!(text, enforced);
    for (config, event) in [(text, "would confine"), (enforced, "confined")] {
        let server = passwords(shipped(cell, &config), "confine.passwords")
            .file("srv/tenants/alice/x", "alice's")
            .file("srv/tenants/bob/x", "bob's")
            .file("srv/www/page.html", "for guests")
            .alias("/site", "srv/www")
            .directory("srv/www", "Require all granted")
            .start();
        let client = server.client();
        let ask = |path: &str| client.send(&Request::get(path).password("alice", "alice-pw"));
        ask("/tenants/alice/x").expect_content("alice's");
        ask("/tenants/bob/x").expect_status(if event == "confined" { 403 } else { 200 });
        client.get("/site/page.html").expect_content("for guests");
        server.wait_for_log(&[
            &format!("confine: {event} GET /tenants/alice/x user=alice "),
            "context=landlock:tenant",
        ]);
        server.wait_for_log(&[
            &format!("confine: {event} GET /site/page.html user=- "),
            "/confine.map:",
            "context=landlock:guest",
        ]);
    }
}

matrix!(on_a_machine_that_has_what_it_names for gates);

/// Every ruleset accepts Debian 12's kernel (Landlock's ABI 2), and asks for nothing that it lacks.
#[test]
fn nothing_in_them_asks_for_a_newer_kernel() {
    let pages = [manual::page(EXAMPLE), manual::block("README.md", "apache", "<ConfineLandlock site>")];
    for page in pages {
        let sections: Vec<&str> = page.split("<ConfineLandlock ").skip(1).collect();
        assert!(!sections.is_empty());
        for section in sections {
            let lines: Vec<&str> =
                section.lines().map(str::trim).take_while(|line| !line.starts_with("</")).collect();
            let abi = lines.iter().filter_map(|line| line.strip_prefix("LandlockABI")).map(str::trim);
            assert_eq!(abi.collect::<Vec<_>>(), ["2"], "{section}");
            for newer in ["LandlockConnect", "LandlockBind", "LandlockScope"] {
                assert!(!lines.iter().any(|line| line.starts_with(newer)), "{newer}: {section}");
            }
        }
    }
}

/// The ten lines of the README, word by word.
fn the_readmes_example(cell: Cell) {
    let block = manual::block("README.md", "apache", "<ConfineLandlock site>");
    assert_eq!(block.lines().count(), 10, "{block}");
    let config = block.replace("\"/srv", "\"@root@/srv").replace("*:80", "127.0.0.1:@port@");
    assert!(config.contains("127.0.0.1:@port@") && config.contains("@root@/srv/sites/alice"), "{config}");
    let server = cell
        .server()
        .modules(USUAL)
        .directory("srv/sites", "Require all granted")
        // A hole in the site: it leads into a neighbour's folder.
        .config("Alias \"/hole\" \"@root@/srv/sites/bob\"")
        .file("srv/sites/alice/page.html", "alice's")
        .file("srv/sites/bob/page.html", "bob's")
        .config(&config)
        .start();
    let client = server.client();
    client.get("/page.html").expect_content("alice's");
    client.get("/hole/page.html").expect_status(403);
    server.wait_for_log(&[
        "confine: confined GET /hole/page.html user=- ",
        "vhost=alice.example.org ",
        "context=landlock:site@alice.example.org",
    ]);
}

matrix!(the_readmes_example);
