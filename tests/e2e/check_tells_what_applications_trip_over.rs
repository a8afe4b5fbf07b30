//! `confinectl check` says what applications often fail at although the configuration has no fault, and it says
//! nothing where they would not fail.

use confine_tests::{Cell, ServerBuilder, matrix};

#[track_caller]
fn notes(builder: &ServerBuilder, texts: &[&str], told: bool) {
    let run = builder.confinectl("check", &[]).expect_status(0);
    for text in texts {
        assert_eq!(run.out.contains(text), told, "{text}:\n{run}");
    }
}

const OF_PHP: [&str; 3] = [
    "note: the ruleset blog grants no time zones: ",
    "note: ThreadStackSize 262144 is small for PHP: ",
    "/www/blog/up be written and not read, and PHP reads what it has written",
];

fn php(cell: Cell) {
    let server = |modules: &[&str], stack: &str, ruleset: &str| {
        cell.server()
            .modules(modules.iter().copied())
            .writable_folder("www/blog/up")
            .ruleset("blog", ruleset)
            .config(format!("ThreadStackSize {stack}\nConfineContext landlock:blog"))
    };
    let bad = "LandlockWrite \"@root@/www/blog/up\"";
    let good = "LandlockRead \"@root@/www/blog\" /usr/share/zoneinfo\nLandlockWrite \"@root@/www/blog/up\"";
    notes(&server(&["php"], "262144", bad), &OF_PHP, true);
    notes(&server(&["php"], "1048576", good), &OF_PHP, false);
    // Without PHP none of it matters.
    notes(&server(&[], "262144", bad), &OF_PHP, false);
}

matrix!(php once on prefork);

fn wsgi(cell: Cell) {
    let server = |workers: &str| {
        cell.server()
            .modules(["wsgi"])
            .ruleset("app", "LandlockRead \"@root@/www\"")
            .config(format!("{workers}\nConfineTrustScripts mod_wsgi\nConfineContext landlock:app"))
    };
    let leak = ["mod_wsgi keeps some 5 kB for each new thread"];
    notes(&server(""), &leak, true);
    notes(&server("ConfineGate handler\nConfineWorkers per-context"), &leak, false);
}

matrix!(wsgi once);

/// The command never ends as if all were well if a setting allows content that no context confines.
fn what_no_context_reaches(cell: Cell) {
    let server = |setting: &str| {
        cell.server()
            .modules(["proxy", "proxy_fcgi"])
            .ruleset("app", "LandlockRead \"@root@/www\"")
            .config(format!("{setting}\nConfineContext landlock:app"))
    };
    let said = [": not confined: what other processes make, by mod_proxy"];
    notes(&server("ConfineOutOfProcess allow"), &said, true);
    notes(&server("ConfineOutOfProcess warn"), &said, true);
    notes(&server("ConfineOutOfProcess deny"), &said, false);
    let json = server("ConfineOutOfProcess allow").confinectl("check", &["--json"]).expect_status(0).out;
    assert!(json.contains("\"not_confined\": [\n    \"mod_proxy"), "{json}");
}

matrix!(what_no_context_reaches once);
