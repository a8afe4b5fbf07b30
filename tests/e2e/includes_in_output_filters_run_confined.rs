//! Server-side includes run in an output filter, some of it only at the end of the response: in the
//! worker, in its context.

use confine_tests::{Cell, ServerBuilder, matrix, tenants::*};

const PAGE: &str = r#"context=<!--#echo var="CONFINE_CONTEXT" -->
alice=<!--#include virtual="/data/alice/note" -->
bob=<!--#include virtual="/data/bob/note" -->
leak=<!--#include virtual="/app/leaky.lua?read=@root@/data/bob/note" -->
command=<!--#exec cmd="cat @root@/data/bob/note 2>&1; cat @root@/data/alice/note" -->
cgi=<!--#exec cgi="/cgi-bin/cat.cgi" -->
end
"#;

const CAT_BOTH: &str = "#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
printf '(%s)' \"$CONFINE_CONTEXT\"
cat @root@/data/alice/note @root@/data/bob/note 2>&1
";

fn with_includes(cell: Cell) -> ServerBuilder {
    leaky_app_with_programs(cell)
        .modules(["include", "cgi"])
        .config("ConfineContext landlock:alice")
        .config(DATA_URLS)
        .config(
            "<Directory \"@root@/www\">\nOptions +Includes\nAddOutputFilter INCLUDES .shtml\n</Directory>",
        )
        .program("cgi-bin/cat.cgi", CAT_BOTH)
        .file("www/page.shtml", PAGE)
        .file("www/app/page.shtml", PAGE)
}

fn a_page_of_includes(cell: Cell) {
    let server = with_includes(cell).start();
    let client = server.client();
    let alice = client.get("/page.shtml").expect_status(200).text();
    for expected in
        ["context=landlock:alice\n", "alice=alice wrote", "cgi=(landlock:alice)alice wrote", "\nend\n"]
    {
        assert!(alice.contains(expected), "nothing of {expected:?} in\n{alice}");
    }
    assert!(alice.contains("leak=failed: "), "{alice}");
    assert_eq!(alice.matches("Permission denied").count(), 3, "leak, command and CGI: {alice}");
    assert!(!alice.contains(NOTE_OF_BOB.trim()), "{alice}");
    // Without confinement, the same page has bob's note four times.
    let open = client.get("/open/page.shtml").expect_status(200).text();
    assert_eq!(open.matches(NOTE_OF_BOB.trim()).count(), 4, "{open}");
}

matrix!(a_page_of_includes);

/// A short response of a script is held back until the end of the request, and its includes with it.
fn includes_that_only_run_at_the_end(cell: Cell) {
    let server = with_includes(cell)
        .file(
            "data/alice/fragment",
            "<!--#include virtual=\"/data/bob/note\" --> and <!--#echo var=\"CONFINE_CONTEXT\" -->",
        )
        .config("<Location \"/app/leaky.lua\">\nOptions +Includes\nSetOutputFilter INCLUDES\n</Location>")
        .config("<Location \"/open/leaky.lua\">\nOptions +Includes\nSetOutputFilter INCLUDES\n</Location>")
        .start();
    let fragment = server.path("data/alice/fragment").display().to_string();
    let text = server.client().get(&leaky("read", &fragment)).expect_status(200).text();
    assert!(text.contains(" and landlock:alice") && !text.contains(NOTE_OF_BOB.trim()), "{text}");
    let open = server.client().get(&leaky_at("/open/leaky.lua", "read", &fragment)).text();
    assert!(open.contains(NOTE_OF_BOB.trim()) && open.contains(" and (none)"), "{open}");
}

matrix!(includes_that_only_run_at_the_end);
