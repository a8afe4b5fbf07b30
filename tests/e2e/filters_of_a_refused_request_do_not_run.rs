//! The filters of a resource may be a tenant's code. The server itself reads the body of a refused request to its
//! end, and ends the stream of a refused subrequest. Neither passes these filters, whoever refused the request.

use confine_tests::{Cell, Request, Server, ServerBuilder, hostile::*, matrix, tenants::Expectations};

const FILTERS: &str = r#"
function input(r)
    note(r, 'input')
    coroutine.yield()
    while bucket do coroutine.yield(bucket) end
end
function output(r)
    note(r, 'output')
    coroutine.yield('')
    while bucket do coroutine.yield(bucket) end
end
"#;

const READS: &str = "function handle(r) r:puts('read ' .. #(r:requestbody() or '')) return apache2.OK end";

fn with_filters(cell: Cell) -> ServerBuilder {
    two_tenants(cell)
        .modules(["include", "rewrite"])
        .file("www/alice/filters.lua", format!("{PEEK}{FILTERS}"))
        .file("www/alice/reads.lua", READS)
        .file("www/alice/page.txt", "the page")
        .file(
            "www/alice/closed/.htaccess",
            "RewriteEngine On\nRewriteRule ^ - [F]\nAddInputFilter own .lua\nAddOutputFilter own-out .lua\n",
        )
        .file("www/alice/closed/reads.lua", READS)
        .file("www/portal.shtml", "[<!--#include virtual=\"/alice/page.txt\" -->]")
        .file("nobody.map", "somebody landlock:bob\n")
        .directory("www", "Options +Includes\nAddOutputFilter INCLUDES .shtml")
        .config("LuaInputFilter own @root@/www/alice/filters.lua input")
        .config("LuaOutputFilter own-out @root@/www/alice/filters.lua output")
        .directory("www/alice", "AllowOverride FileInfo\nSetInputFilter own\nSetOutputFilter own-out")
        .alias("/mine", "www/alice")
        .location("/mine", "ConfineContext landlock:alice")
        .location("/alice", "ConfineMap \"@root@/nobody.map\"")
}

fn post(target: &str) -> Request {
    Request::upload("POST", target, vec![b'x'; 10_000])
}

/// Where the request is served, both run, in the context: the control.
fn expect_filters_of_the_context(server: &Server) {
    assert_eq!(server.client().send(&post("/mine/reads.lua")).expect_status(200).text(), "read 10000");
    let notes = server.notes();
    assert!(notes.len() == 2 && notes.iter().all(Note::is_confined), "{notes:#?}");
}

fn of_a_request_without_a_rule_that_matches(cell: Cell) {
    let server = with_filters(cell).start();
    expect_filters_of_the_context(&server);
    server.client().send(&post("/alice/reads.lua")).expect_status(403);
    server.wait_for_log(&["confine: refused POST /alice/reads.lua "]);
    assert_eq!(server.notes().len(), 2, "{:#?}", server.notes());
}

matrix!(of_a_request_without_a_rule_that_matches);

fn of_a_subrequest(cell: Cell) {
    let server = with_filters(cell).start();
    let text = server.client().get("/portal.shtml").expect_status(200).text();
    assert!(!text.contains("the page"), "{text}");
    server.wait_for_log(&["confine: refused GET /alice/page.txt "]);
    assert!(server.notes().is_empty(), "{:#?}", server.notes());
}

matrix!(of_a_subrequest);

/// Refused by mod_rewrite, after the filters were put there and before any rule was asked.
fn of_a_request_that_another_module_refuses(cell: Cell) {
    let server = with_filters(cell).start();
    expect_filters_of_the_context(&server);
    server.client().send(&post("/mine/closed/reads.lua")).expect_status(403);
    assert!(
        server.notes().iter().all(Note::is_confined) && server.notes().len() == 2,
        "{:#?}",
        server.notes()
    );
}

matrix!(of_a_request_that_another_module_refuses);

/// mod_filter, told by a `.htaccess` file, runs a filter of the resource among those of the protocol or of the
/// connection, through which the server sends errors.
fn that_htaccess_lifts_out_of_the_resource(cell: Cell) {
    for place in ["PROTOCOL", "CONNECTION", "NETWORK"] {
        let lifted = |filter: &str| {
            format!(
                "SetEnv filter-errordocs 1\nFilterDeclare lifted {place}\nFilterProvider lifted {filter} true\n\
                 FilterChain lifted\nErrorDocument 404 'not <!--#exec cmd=\"cat @root@/data/bob/note\" --> here'\n\
                 ErrorDocument 403 'not <!--#exec cmd=\"cat @root@/data/bob/note\" --> here'"
            )
        };
        let server = with_filters(cell)
            .modules(["filter", "env"])
            .config("LuaOutputFilter lifted @root@/www/alice/filters.lua output")
            .directory("www/alice", "AllowOverride All")
            .file("www/alice/lua/page.txt", "the page")
            .file("www/alice/lua/.htaccess", lifted("lifted"))
            .file("www/alice/ssi/page.txt", "the <!--#echo var=\"nothing\" --> page")
            .file("www/alice/ssi/.htaccess", format!("Options +Includes\n{}", lifted("INCLUDES")))
            .start();
        let client = server.client();
        // The control: in the context it runs.
        client.get("/mine/lua/page.txt").expect_content("the page");
        client.get("/mine/ssi/page.txt").expect_content("the (none) page");
        for (target, status) in [("/mine/lua/none", 404), ("/alice/lua/page.txt", 403)] {
            client.get(target).expect_status(status);
        }
        for (target, status) in [("/mine/ssi/none", 404), ("/alice/ssi/page.txt", 403)] {
            let text = client.get(target).expect_status(status).text();
            assert!(text.contains("<!--#exec"), "{place}: {text}");
        }
        let notes = server.notes_of("output");
        assert!(!notes.is_empty() && notes.iter().all(Note::is_confined), "{place}: {notes:#?}");
    }
}

matrix!(that_htaccess_lifts_out_of_the_resource);

/// The early contexts end with the worker, so its filters do not run after it either.
fn of_a_request_that_is_refused_in_an_early_context(cell: Cell) {
    let server = with_filters(cell).config("ConfineEarly landlock:alice").start();
    server.client().send(&post("/alice/reads.lua")).expect_status(403);
    server.client().send(&post("/mine/closed/reads.lua")).expect_status(403);
    assert!(server.notes().iter().all(Note::is_confined), "{:#?}", server.notes());
}

matrix!(of_a_request_that_is_refused_in_an_early_context for process_gate);

/// Where no rule applies, and where one exempts, filters run as in stock httpd.
fn where_no_rule_applies_they_run(cell: Cell) {
    let server = with_filters(cell)
        .alias("/exempt", "www/alice")
        .location("/exempt", "ConfineContext unconfined")
        .alias("/plain", "www/alice")
        .start();
    for place in ["/exempt/reads.lua", "/plain/reads.lua"] {
        assert_eq!(server.client().send(&post(place)).expect_status(200).text(), "read 10000");
    }
    let notes = server.notes();
    assert!(notes.len() == 4 && notes.iter().all(|note| note.other == SECRET), "{notes:#?}");
}

matrix!(where_no_rule_applies_they_run for gates);
