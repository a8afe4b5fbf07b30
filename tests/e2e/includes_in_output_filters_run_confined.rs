//! Server-side includes run in an output filter, and some of them only at the end of the response. They run in the
//! worker, in its context.

use confine_tests::{Cell, Server, ServerBuilder, matrix, tenants::*};

const PAGE: &str = r#"context=<!--#echo var="CONFINE_CONTEXT" -->
alice=<!--#include virtual="/data/alice/note" -->
bob=<!--#include virtual="/data/bob/note" -->
leak=<!--#include virtual="/app/leaky.lua?read=@root@/data/bob/note" -->
command=<!--#exec cmd="cat @root@/data/bob/note 2>&1; cat @root@/data/alice/note" -->
cgi=<!--#exec cgi="/cgi-bin/cat.cgi" -->
end
"#;

/// It includes from a place that has a rule of its own, by which bob's note may be read.
const FRAGMENT: &str = "<!--#include virtual=\"/bobs/note\" --> and <!--#echo var=\"CONFINE_CONTEXT\" -->";

const CAT_BOTH: &str = "#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
printf '(%s)' \"$CONFINE_CONTEXT\"
cat @root@/data/alice/note @root@/data/bob/note 2>&1
";

fn with_includes(builder: ServerBuilder) -> ServerBuilder {
    builder
        .modules(["include", "cgi"])
        .config(DATA_URLS)
        .alias("/bobs", "data/bob")
        .config(CGI_BIN)
        .directory("www", "Options +Includes\nAddOutputFilter INCLUDES .shtml")
        .location("/app/leaky.lua", "Options +Includes\nSetOutputFilter INCLUDES")
        .program("cgi-bin/cat.cgi", CAT_BOTH)
        .file("www/page.shtml", PAGE)
        .file("data/alice/fragment", FRAGMENT)
}

fn confined(cell: Cell) -> ServerBuilder {
    with_includes(leaky_app_with(cell, RUN_PROGRAMS))
        .config("ConfineContext landlock:alice")
        .location("/bobs", "ConfineContext landlock:bob")
}

fn stock(cell: Cell) -> ServerBuilder {
    with_includes(application(cell).stock())
}

fn a_page_of_includes(cell: Cell) {
    let server = confined(cell).start();
    let alice = server.client().get("/page.shtml").expect_status(200).text();
    for expected in
        ["context=landlock:alice\n", "alice=alice wrote", "cgi=(landlock:alice)alice wrote", "\nend\n"]
    {
        assert!(alice.contains(expected), "nothing of {expected:?} in\n{alice}");
    }
    assert!(alice.contains("leak=failed: "), "{alice}");
    assert_eq!(alice.matches("Permission denied").count(), 3, "leak, command and CGI: {alice}");
    assert!(!alice.contains(NOTE_OF_BOB.trim()), "{alice}");
}

matrix!(a_page_of_includes);

/// A short response of a script is held back until the end of the request, and its includes with it.
fn includes_that_only_run_at_the_end(cell: Cell) {
    let server = confined(cell).start();
    let text = server.client().get(&fragment(&server)).expect_status(200).text();
    assert!(text.contains(" and landlock:alice") && !text.contains(NOTE_OF_BOB.trim()), "{text}");
    server.client().get("/bobs/note").expect_content(NOTE_OF_BOB);
}

matrix!(includes_that_only_run_at_the_end);

fn the_stock_server_includes_everything(cell: Cell) {
    let server = stock(cell).start();
    let page = server.client().get("/page.shtml").expect_status(200).text();
    assert_eq!(page.matches(NOTE_OF_BOB.trim()).count(), 4, "{page}");
    let text = server.client().get(&fragment(&server)).text();
    assert!(text.contains(NOTE_OF_BOB.trim()) && text.contains(" and (none)"), "{text}");
}

matrix!(the_stock_server_includes_everything once);

/// An exempt page is not confined, and the rules decide about what it includes.
fn an_exempt_page_takes_nothing_along(cell: Cell) {
    let server = confined(cell).location("/page.shtml", "ConfineContext unconfined").start();
    let text = server.client().get("/page.shtml").expect_status(200).text();
    assert!(text.contains("context=(none)") && text.contains("command=bob wrote"), "{text}");
    assert!(text.contains("alice=alice wrote") && text.contains("cgi=(landlock:alice)alice wrote"), "{text}");
    assert!(text.contains("leak=failed: ") && text.contains("bob=[an error occurred"), "{text}");
}

matrix!(an_exempt_page_takes_nothing_along);

/// Has the application write what the output filter then works on.
fn fragment(server: &Server) -> String {
    leaky("read", server.path("data/alice/fragment").display().to_string())
}
