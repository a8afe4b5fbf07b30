//! A subrequest after the move runs in the same worker and in the same context, whatever rule its target has.

use confine_tests::{Cell, ServerBuilder, matrix, tenants::*};

/// Alice's page includes what lies in bob's place.
const PAGE: &str = r#"<!--#include virtual="/bobs/leaky.lua?read=@root@/data/bob/note" -->
<!--#include virtual="/bobs/leaky.lua?read=@root@/data/alice/note" -->
<!--#include virtual="/bobs/context.shtml" -->"#;

fn alices_page(cell: Cell) -> ServerBuilder {
    leaky_app(cell)
        .modules(["include"])
        .file("www/page.shtml", PAGE)
        .file("www/app/context.shtml", "inner=<!--#echo var=\"CONFINE_CONTEXT\" -->")
        .alias("/bobs", "www/app")
        .directory("www", "Options +Includes\nAddOutputFilter INCLUDES .shtml")
        .config("ConfineContext landlock:alice")
        .location("/bobs", "ConfineContext landlock:bob")
}

fn an_include_of_another_rule(cell: Cell) {
    let server = alices_page(cell).start();
    let text = server.client().get("/page.shtml").expect_status(200).text();
    assert!(text.contains("failed: ") && text.contains("Permission denied"), "{text}");
    assert!(text.contains(NOTE_OF_ALICE) && text.contains("inner=landlock:alice"), "{text}");
    // A direct request for this place gets bob's context.
    server
        .client()
        .get(&leaky_at("/bobs/leaky.lua", "read", note_path(&server, "bob")))
        .expect_content(NOTE_OF_BOB);
    assert_eq!(server.log_lines("confine: confined GET /page.shtml ").len(), 1);
    assert_eq!(
        server.log_lines("confine: confined").len(),
        2,
        "subrequests are no decisions\n{}",
        server.log()
    );
}

matrix!(an_include_of_another_rule);

fn a_place_that_exempts(cell: Cell) {
    let page = "<!--#include virtual=\"/open/leaky.lua?read=@root@/data/bob/note\" -->";
    let server = alices_page(cell).file("www/page.shtml", page).start();
    let text = server.client().get("/page.shtml").expect_status(200).text();
    assert!(text.contains("Permission denied") && !text.contains(NOTE_OF_BOB.trim()), "{text}");
    server.client().get(&open_note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
}

matrix!(a_place_that_exempts);

fn a_listing_of_a_directory(cell: Cell) {
    let server = leaky_app(cell)
        .modules(["autoindex"])
        .config(DATA_URLS)
        .config("ConfineContext landlock:alice")
        .alias("/open-data", "data")
        .location("/open-data", "ConfineContext unconfined")
        .directory("data", "Options +Indexes")
        .start();
    let client = server.client();
    assert!(client.get("/open-data/bob/").expect_status(200).text().contains("note"));
    assert!(client.get("/data/alice/").expect_status(200).text().contains("note"));
    let refused = client.get("/data/bob/");
    assert!(refused.status == 403 && !refused.text().contains("note"), "{refused:?}");
}

matrix!(a_listing_of_a_directory);
