//! If a handler redirects inside the server after the move, the target runs in the same context. The context never
//! becomes wider, whatever rule the target has.

use confine_tests::{Cell, ServerBuilder, matrix, tenants::*};

const LOCAL_REDIRECT: &str = "#!/bin/sh\nprintf 'Location: /bobs/leaky.lua?%s\\n\\n' \"$QUERY_STRING\"\n";

fn with_redirects(cell: Cell) -> ServerBuilder {
    leaky_app_with(cell, RUN_PROGRAMS)
        .modules(["cgi", "actions", "rewrite"])
        .config(CGI_BIN)
        .program("cgi-bin/redirect.cgi", LOCAL_REDIRECT)
        .file("www/item.wrapped", "for the action\n")
        .alias("/bobs", "www/app")
        .config("Action wrapped /bobs/leaky.lua virtual\nAddHandler wrapped .wrapped")
        .config("ConfineContext landlock:alice")
        .location("/bobs", "ConfineContext landlock:bob")
}

fn alice_stays_alice(cell: Cell) {
    let server = with_redirects(cell).start();
    let client = server.client();
    for target in ["/cgi-bin/redirect.cgi", "/item.wrapped"] {
        let read = |owner| client.get(&format!("{target}?read={}", note_path(&server, owner)));
        read("alice").expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
        read("bob").expect_denied_by_kernel().expect_context("landlock:alice");
        assert_eq!(
            server.log_lines(&format!("confine: confined GET {target} ")).len(),
            2,
            "{}",
            server.log()
        );
    }
    assert_eq!(server.log_lines("confine: confined GET /bobs").len(), 0, "no second decision");
    client.get(&leaky_at("/bobs/leaky.lua", "read", note_path(&server, "bob"))).expect_content(NOTE_OF_BOB);
}

matrix!(alice_stays_alice);

/// Report mode at the beginning of a redirect does not apply to its target.
fn one_that_was_only_reported_is_decided_where_it_leads(cell: Cell) {
    let server = with_redirects(cell).location("/item.wrapped", "ConfineMode report").start();
    let read = |owner| server.client().get(&format!("/item.wrapped?read={}", note_path(&server, owner)));
    read("bob").expect_content(NOTE_OF_BOB).expect_context("landlock:bob");
    read("alice").expect_denied_by_kernel().expect_context("landlock:bob");
    server.wait_for_log(&["confine: would confine GET /item.wrapped ", "context=landlock:alice"]);
}

matrix!(one_that_was_only_reported_is_decided_where_it_leads);
