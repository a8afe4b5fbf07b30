//! When a Lua state ends, the application's finalizers run in the worker, in the request's context, wherever the
//! configuration or an application's .htaccess keeps the state.

use std::{fs, thread::sleep, time::Duration};

use confine_tests::{Cell, Request, Server, ServerBuilder, matrix, tenants::*};

/// Defines `leave`: a finalizer that notes in `out/WHO` whether bob's note can be read.
const LEAVE: &str = r#"
function leave(who)
    local log = io.open("@root@/out/" .. who, "a")
    local trap = setmetatable({}, { __gc = function()
        local note, why = io.open("@root@/data/bob/note")
        log:write(note and "read" or why, "\n")
        log:flush()
    end })
    kept = { kept, trap }
end
"#;

const HANDLE: &str = r#"
function handle(r)
    leave(r.args)
    r:puts("done")
    return apache2.OK
end
"#;

/// Filters that leave a finalizer of their own: one on what is sent, one on what is received.
const FILTERS: &str = r#"
function output(r)
    leave("output")
    coroutine.yield()
    while bucket do coroutine.yield(bucket) end
end
function input(r)
    leave("input")
    coroutine.yield()
    while bucket do coroutine.yield(bucket) end
end
"#;

fn application_with(cell: Cell, scope: &str) -> ServerBuilder {
    let rules = "<ConfineLandlock alice>\nLandlockRead \"@root@/www\" \"@root@/data/alice\"\n\
                 LandlockWrite \"@root@/out\"\n</ConfineLandlock>";
    application(cell)
        .writable_folder("out")
        .file("www/app/finalizer.lua", format!("{LEAVE}{HANDLE}"))
        .file("www/app/no_handle.lua", format!("{LEAVE}\nleave(\"no_handle\")"))
        .file("www/app/fails.lua", format!("{LEAVE}\nfunction handle(r) leave(\"fails\") return 404 end"))
        .file("www/filters.lua", format!("{LEAVE}{FILTERS}"))
        .file("www/plain.txt", "plain")
        .config("ConfineBackend landlock")
        .config(rules)
        .config(scope)
        .host("guarded", "ConfineContext landlock:alice")
        .host("exempt", "ConfineContext unconfined")
}

/// What the finalizers of `who` wrote. In a worker they run before the last byte of the response is sent, and
/// elsewhere soon after.
fn said(server: &Server, who: &str) -> String {
    let read = || fs::read_to_string(server.path("out").join(who)).ok().filter(|text| !text.is_empty());
    let wait = |_| {
        sleep(Duration::from_millis(10));
        read()
    };
    (0..500).find_map(wait).unwrap_or_else(|| panic!("no finalizer of {who} ran"))
}

fn expect_denied(server: &Server, who: &str) {
    let text = said(server, who);
    assert!(text.lines().all(|line| line.contains("Permission denied")), "{who} said {text:?}");
}

fn guarded(target: &str) -> Request {
    Request::get(target).header("Host", "guarded").header("Connection", "close")
}

fn with_the_default_scope(cell: Cell) {
    let server = application_with(cell, "").start();
    let client = server.client();
    client.send(&guarded("/app/finalizer.lua?guarded")).expect_status(200);
    expect_denied(&server, "guarded");
    client.send(&guarded("/app/no_handle.lua")).expect_status(500);
    expect_denied(&server, "no_handle");
    client.send(&guarded("/app/fails.lua")).expect_status(404);
    expect_denied(&server, "fails");
    let exempt = Request::get("/app/finalizer.lua?exempt").header("Host", "exempt");
    client.send(&exempt.header("Connection", "close")).expect_status(200);
    assert_eq!(said(&server, "exempt"), "read\n", "without a context nothing stands in its way");
}

matrix!(with_the_default_scope);

fn with_every_scope(cell: Cell) {
    for scope in ["once", "request", "conn", "thread", "server"] {
        let server = application_with(cell, &format!("LuaScope {scope}\nLuaInherit none")).start();
        server.client().send(&guarded("/app/finalizer.lua?guarded")).expect_status(200);
        expect_denied(&server, "guarded");
    }
}

matrix!(with_every_scope);

fn with_a_scope_of_the_applications_own(cell: Cell) {
    let server = application_with(cell, "")
        .directory("www/app", "AllowOverride FileInfo")
        .file("www/app/.htaccess", "LuaScope conn\n")
        .start();
    server.client().send(&guarded("/app/finalizer.lua?guarded")).expect_status(200);
    expect_denied(&server, "guarded");
}

matrix!(with_a_scope_of_the_applications_own);

fn of_filters(cell: Cell) {
    let filters = "LuaOutputFilter LUA_OUT \"@root@/www/filters.lua\" output
LuaInputFilter LUA_IN \"@root@/www/filters.lua\" input";
    let server = application_with(cell, "LuaInherit none")
        .config(filters)
        .location("/plain.txt", "SetOutputFilter LUA_OUT")
        .location("/app/finalizer.lua", "SetInputFilter LUA_IN")
        .location("/app/fails.lua", "SetInputFilter LUA_IN")
        .start();
    let client = server.client();
    client.send(&guarded("/plain.txt")).expect_status(200).expect_content("plain");
    expect_denied(&server, "output");
    for (script, status) in [("finalizer.lua?posted", 200), ("fails.lua", 404)] {
        let post = Request::upload("POST", format!("/app/{script}"), vec![b'x'; 100_000]);
        client.send(&post.header("Host", "guarded").header("Connection", "close")).expect_status(status);
    }
    // The first request's body is read by its worker; the second's by nobody but the server, unfiltered.
    expect_denied(&server, "input");
    expect_denied(&server, "fails");
    assert_eq!(said(&server, "input").lines().count(), 1, "the server's thread ran no filter of a script");
}

matrix!(of_filters);

/// An exempt page includes a confined one, which gets a worker and a decision of its own.
fn of_a_subrequest_with_a_worker_of_its_own(cell: Cell) {
    let server = application_with(cell, "LuaOutputFilter LUA_OUT \"@root@/www/filters.lua\" output")
        .modules(["include"])
        .directory("www", "Options +Includes\nAddOutputFilter INCLUDES .shtml")
        .location("/app/finalizer.lua", "ConfineContext landlock:alice\nSetOutputFilter LUA_OUT")
        .file("www/page.shtml", "<!--#include virtual=\"/app/finalizer.lua?included\" -->, and more")
        .start();
    let page = Request::get("/page.shtml").header("Host", "exempt").header("Connection", "close");
    server.client().send(&page).expect_status(200).expect_content("done, and more");
    expect_denied(&server, "included");
    expect_denied(&server, "output");
}

matrix!(of_a_subrequest_with_a_worker_of_its_own);

/// Two runs of one script in a worker share no more than they do without one.
fn of_a_page_that_includes_a_script_twice(cell: Cell) {
    let count = format!(
        "{LEAVE}\nfunction handle(r)\ncalls = (calls or 0) + 1\nleave(\"twice\")\nr:puts(calls)\nend"
    );
    let filter = "\nfunction output(r)\ncoroutine.yield()\nwhile bucket do\ncollectgarbage()\ncoroutine.yield(bucket .. \"!\")\n\
                  end\nend";
    let server = application_with(cell, "LuaOutputFilter LUA_OUT \"@root@/www/app/count.lua\" output")
        .modules(["include"])
        .directory("www", "Options +Includes\nAddOutputFilter INCLUDES .shtml")
        .location("/app/count.lua", "SetOutputFilter LUA_OUT")
        .file("www/app/count.lua", count + filter)
        .file("www/page.shtml", "<!--#include virtual=\"/app/count.lua\" --> ".repeat(2))
        .start();
    server.client().send(&guarded("/page.shtml")).expect_status(200).expect_content("1! 1! ");
    expect_denied(&server, "twice");
    assert_eq!(said(&server, "twice").lines().count(), 2);
}

matrix!(of_a_page_that_includes_a_script_twice);

/// A finalizer may use its request. A subrequest ends before the worker, and its memory is another one's then.
fn a_subrequest_is_still_there_for_its_finalizers(cell: Cell) {
    const HEADER: &str = "
        function handle(r)
            local log = io.open('@root@/out/header', 'a')
            kept = setmetatable({}, { __gc = function()
                log:write(r.filename, '\\n')
                log:flush()
            end })
            r.content_type = 'text/html'
            r:puts('header')
            return apache2.OK
        end";
    let server = application_with(cell, "")
        .modules(["autoindex"])
        .file("www/list/header.lua", HEADER)
        .file("www/list/a.txt", "a")
        .file("www/list/b.txt", "b")
        .directory(
            "www/list",
            "Options +Indexes\nIndexOptions FancyIndexing\nHeaderName header.lua\nAddType text/html .lua",
        )
        .start();
    let text = server.client().send(&guarded("/list/")).expect_status(200).text();
    assert!(text.contains("header"), "{text}");
    let expected = format!("{}\n", server.path("www/list/header.lua").display());
    assert_eq!(said(&server, "header"), expected);
}

matrix!(a_subrequest_is_still_there_for_its_finalizers);
