//! `ConfineEarly`: the worker moves before the first phase, so hooks, .htaccess and authentication run confined, too.
//! The later move can only tighten this.

use confine_tests::{Cell, Gate, Mpm, Request, ServerBuilder, matrix, tenants::*};

/// Tells in an environment variable whether the fix-ups could read bob's note.
const HOOK: &str = "require 'apache2'
function fixups(r)
    local file = io.open('@root@/data/bob/note')
    r.headers_out['X-Fixups'] = file and 'read' or 'refused'
    if file then file:close() end
    return apache2.DECLINED
end
";

fn with_hook(cell: Cell) -> ServerBuilder {
    leaky_app(cell)
        .file("hook.lua", HOOK)
        .config("LuaHookFixups \"@root@/hook.lua\" fixups")
        .ruleset("early", "LandlockRead \"@root@/www\" \"@root@/hook.lua\" \"@root@/data/alice\" /proc")
}

fn hooks_run_confined(cell: Cell) {
    let late = with_hook(cell).config("ConfineContext landlock:alice").start();
    let response = late.client().get(&note_of(&late, "alice"));
    assert_eq!(
        response.header("x-fixups"),
        Some("read"),
        "without it, the hook is not confined: {response:?}"
    );

    let server = with_hook(cell).config("ConfineEarly landlock:early\nConfineContext landlock:alice").start();
    let client = server.client();
    for _ in 0..3 {
        let response = client.get(&note_of(&server, "alice"));
        assert_eq!(response.header("x-fixups"), Some("refused"), "{response:?}");
        response.expect_content(NOTE_OF_ALICE).expect_context("landlock:early landlock:alice");
        client.get(&note_of(&server, "bob")).expect_denied_by_kernel();
    }
    server.wait_for_log(&[
        "confine: confined early GET /app/leaky.lua ",
        "httpd.conf:",
        "context=landlock:early",
    ]);
}

matrix!(hooks_run_confined for process_gate);

fn the_later_move_tightens(cell: Cell) {
    let server = with_hook(cell)
        .config("ConfineEarly landlock:early\nConfineContext landlock:pages")
        .ruleset("pages", "LandlockRead \"@root@/www\" \"@root@/data/bob\"")
        .start();
    let client = server.client();
    // Neither what only the first grants nor what only the second does.
    client.get(&note_of(&server, "alice")).expect_denied_by_kernel();
    client.get(&note_of(&server, "bob")).expect_denied_by_kernel();
    client.get("/app/page.txt").expect_content("a page for everybody\n");
    // An exemption from the rules does not exempt from the early move.
    client
        .get(&open_note_of(&server, "alice"))
        .expect_content(NOTE_OF_ALICE)
        .expect_context("landlock:early");
    client.get(&open_note_of(&server, "bob")).expect_denied_by_kernel();
}

matrix!(the_later_move_tightens for process_gate);

fn an_expression_of_the_headers(cell: Cell) {
    let server =
        leaky_app(cell).config("ConfineEarly \"expr=%{HTTP:X-Tenant}\"\nConfineUnmatched allow").start();
    let client = server.client();
    let ask = |tenant: &str| client.send(&Request::get(note_of(&server, "alice")).header("X-Tenant", tenant));
    ask("alice").expect_content(NOTE_OF_ALICE);
    ask("bob").expect_denied_by_kernel();
    ask("nobody").expect_status(500);
    server.wait_for_log(&["confine: refused GET /app/leaky.lua ", "there is no ruleset of this name"]);
    // Nobody is logged in yet, whatever the request says.
    ask("alice").expect_content(NOTE_OF_ALICE);
}

matrix!(an_expression_of_the_headers for process_gate);

fn an_error_document_moves_early_too(cell: Cell) {
    let server = with_hook(cell)
        .config("ErrorDocument 404 \"/app/leaky.lua?read=@root@/data/bob/note\"")
        .config("ConfineEarly landlock:early\nConfineContext landlock:bob")
        .start();
    let response = server.client().get("/missing").expect_status(404);
    assert!(response.text().contains("Permission denied"), "{response:?}");
}

matrix!(an_error_document_moves_early_too for process_gate);

#[test]
fn not_with_the_handler_gate() {
    let cell = Cell { mpm: Mpm::Event, gate: Gate::Handler };
    let line = "ConfineEarly landlock:alice";
    leaky_app(cell).config(line).refused().points_at(line).says(&["ConfineEarly", "ConfineGate process"]);
}
