//! The kernel, or the path of a ruleset, refuses the move. The answer is 500, nothing has run, and the next request
//! is not affected.

use confine_tests::{Cell, Request, matrix, tenants::*};

/// The kernel's limit on rulesets over each other (security/landlock/limits.h).
const LANDLOCK_MAX_NUM_LAYERS: usize = 16;

/// A ruleset of the tenant that the client names.
const OWN: &str = r#"LandlockRead "@root@/www" "@root@/data/%{HTTP:X-Tenant}""#;

fn one_ruleset_too_many_for_the_kernel(cell: Cell) {
    let names: Vec<_> = (0..=LANDLOCK_MAX_NUM_LAYERS).map(|n| format!("layer{n}")).collect();
    let contexts = |number: usize| {
        let prefixed = names[..number].iter().map(|name| format!(" landlock:{name}"));
        format!("ConfineContext{}", prefixed.collect::<String>())
    };
    let builder = leaky_app(cell)
        .writable_folder("data/shared")
        .alias("/sixteen", "www/app")
        .location("/sixteen", &contexts(LANDLOCK_MAX_NUM_LAYERS))
        .alias("/seventeen", "www/app")
        .location("/seventeen", &contexts(LANDLOCK_MAX_NUM_LAYERS + 1));
    let grants = "LandlockRead \"@root@\"\nLandlockWrite \"@root@/data/shared\"";
    let server = names.iter().fold(builder, |builder, name| builder.ruleset(name, grants)).start();
    let client = server.client();
    let trace = server.path("data/shared/trace");
    let write = |place: &str| leaky_at(&format!("/{place}/leaky.lua"), "write", trace.display().to_string());
    for _ in 0..2 {
        client.get(&write("seventeen")).expect_status(500);
        assert!(!trace.exists(), "the application ran");
        client.get(&open_note_of(&server, "bob")).expect_content(NOTE_OF_BOB).expect_context("-");
    }
    let line = server.wait_for_log(&["confine: refused GET /seventeen/leaky.lua ", "(E2BIG)"]);
    assert!(
        line.contains("the kernel refused to put the thread under the ruleset")
            && line.contains("16 rulesets"),
        "{line}"
    );
    client.get(&write("sixteen")).expect_content("written");
}

matrix!(one_ruleset_too_many_for_the_kernel);

fn a_directory_that_is_not_there(cell: Cell) {
    let server = leaky_app(cell).ruleset("own", OWN).config("ConfineContext landlock:own").start();
    let client = server.client();
    let ask = |tenant: &str| client.send(&Request::get(note_of(&server, "alice")).header("X-Tenant", tenant));
    ask("carol").expect_status(500);
    let line = server.wait_for_log(&["confine: refused GET /app/leaky.lua ", "context=landlock:own: "]);
    assert!(line.contains("/data/carol") && line.contains("(ENOENT)"), "{line}");
    ask("alice").expect_content(NOTE_OF_ALICE);
    ask("bob").expect_denied_by_kernel();
}

matrix!(a_directory_that_is_not_there);

fn a_symbolic_link_in_the_place_of_a_directory(cell: Cell) {
    let builder = leaky_app(cell).ruleset("own", OWN).config("ConfineContext landlock:own");
    let link = builder.path("data/mallory");
    std::os::unix::fs::symlink("bob", &link).unwrap_or_else(|e| panic!("{}: {e}", link.display()));
    let server = builder.start();
    let request = Request::get(note_of(&server, "bob")).header("X-Tenant", "mallory");
    let refused = server.client().send(&request);
    assert!(!refused.text().contains(NOTE_OF_BOB.trim()), "{refused:?}");
    assert!(refused.status >= 400, "{refused:?}");
    server.wait_for_log(&["confine: refused GET /app/leaky.lua ", "/data/mallory"]);
}

matrix!(a_symbolic_link_in_the_place_of_a_directory for gates);
