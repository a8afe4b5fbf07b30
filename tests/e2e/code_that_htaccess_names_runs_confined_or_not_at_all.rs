//! A tenant who may write `.htaccess` files can name Lua functions there for every phase of the next request. Where
//! rules apply, none of them runs with the server's privileges. The request is refused, or, with `ConfineEarly`, they
//! run confined. Functions for the log do not run at all.

use std::{fs, os::unix::fs::chown, thread::sleep, time::Duration};

use confine_tests::{Cell, Gate, Request, Server, ServerBuilder, matrix, platform, tenants::*};

/// Writes into `out/WHO` whether bob's note can be read.
const HOOK: &str = "require 'apache2'
function tell(r, who)
    local note, why = io.open('@root@/data/bob/note')
    local log = io.open('@root@/out/' .. who, 'a')
    if log then log:write(note and 'read' or why, '\\n') log:close() end
    return apache2.DECLINED
end
function early(r) return tell(r, 'early') end
function log(r) return tell(r, 'log') end
";

/// The same, for a section.
const SECTION: &str = "<LuaHookFixups told>
function told(r)
    local note, why = io.open('@root@/data/bob/note')
    local log = io.open('@root@/out/early', 'a')
    if log then log:write(note and 'read' or why, '\\n') log:close() end
    return -1
end
</LuaHookFixups>
";

/// What a `.htaccess` file may say to have a function run before the content. (Lua's other hooks come before the
/// file is read, or do nothing.)
const EARLY: [&str; 8] = [
    "LuaHookFixups \"@root@/www/site/hook.lua\" early",
    "LuaHookAccessChecker \"@root@/www/site/hook.lua\" early",
    "LuaHookAccessChecker \"@root@/www/site/hook.lua\" early late",
    SECTION,
    "<If \"true\">\nLuaHookFixups \"@root@/www/site/hook.lua\" early\n</If>",
    "<Files \"page.*\">\nLuaHookFixups \"@root@/www/site/hook.lua\" early\n</Files>",
    "<IfModule lua_module>\nluahookfixups '@root@/www/site/hook.lua' early\n</IfModule>",
    "LuaInherit parent-last\nLuaScope server\nLuaHookFixups \"@root@/www/site/hook.lua\" early",
];

const LOG: &str = "LuaHookLog \"@root@/www/site/hook.lua\" log";

fn site(cell: Cell, override_line: &str, htaccess: &str) -> ServerBuilder {
    leaky_app(cell)
        .writable_folder("out")
        .file("www/site/hook.lua", HOOK)
        .file("www/site/page.txt", "content")
        .file("www/site/.htaccess", htaccess)
        .directory("www/site", override_line)
        .ruleset("writer", "LandlockRead \"@root@/www\" /proc\nLandlockWrite \"@root@/out\"")
}

/// What the hooks told so far.
fn told(server: &Server, who: &str) -> String {
    fs::read_to_string(server.path("out").join(who)).unwrap_or_default()
}

/// The hooks for the log run after the last byte was sent, at a time that the server chooses.
fn let_it_log() {
    sleep(Duration::from_millis(100));
}

fn without_a_rule_the_server_is_as_ever(cell: Cell) {
    for htaccess in EARLY {
        let server = site(cell, "AllowOverride All", htaccess).location("/app", "ConfineContext bob").start();
        server.client().get("/site/page.txt").expect_content("content");
        assert_eq!(told(&server, "early"), "read\n", "{htaccess}");
    }
}

matrix!(without_a_rule_the_server_is_as_ever once);

fn early_hooks_are_refused(cell: Cell) {
    for htaccess in EARLY {
        let server =
            site(cell, "AllowOverride Options", htaccess).location("/site", "ConfineContext writer").start();
        let client = server.client();
        client.get("/site/page.txt").expect_status(403);
        client.get("/site/not-there").expect_status(if htaccess.contains("<Files") { 404 } else { 403 });
        assert_eq!(told(&server, "early"), "", "{htaccess}");
        server.wait_for_log(&[
            "confine: refused GET /site/page.txt ",
            "/site/.htaccess:",
            "names code",
            "ConfineEarly",
        ]);
        // Elsewhere nothing has changed.
        client.get(&note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
    }
}

matrix!(early_hooks_are_refused);

fn explain_says_so(cell: Cell) {
    let builder = site(cell, "AllowOverride Options", EARLY[0]).location("/site", "ConfineContext writer");
    let said = builder.confinectl("explain", &["--uri", "/site/page.txt"]).out;
    assert!(said.contains("/site/.htaccess:1 names code"), "{said}");
    let exempt = builder.confinectl("explain", &["--uri", "/app/page.txt"]).out;
    assert!(!exempt.contains("names code"), "{exempt}");
}

matrix!(explain_says_so for gates);

fn by_a_list_of_directives(cell: Cell) {
    let server = site(cell, "AllowOverride None\nAllowOverrideList LuaHookFixups", EARLY[0])
        .location("/site", "ConfineContext writer")
        .start();
    server.client().get("/site/page.txt").expect_status(403);
    assert_eq!(told(&server, "early"), "");
}

matrix!(by_a_list_of_directives for gates);

fn an_exempt_place_is_as_ever(cell: Cell) {
    let htaccess = format!("{}\n{LOG}", EARLY[0]);
    let server =
        site(cell, "AllowOverride All", &htaccess).location("/site", "ConfineContext unconfined").start();
    server.client().get("/site/page.txt").expect_content("content");
    let_it_log();
    assert_eq!((told(&server, "early"), told(&server, "log")), ("read\n".into(), "read\n".into()));
}

matrix!(an_exempt_place_is_as_ever for gates);

fn under_an_early_move_they_run_confined(cell: Cell) {
    for htaccess in EARLY {
        let server = site(cell, "AllowOverride All", htaccess)
            .config("ConfineEarly landlock:writer")
            .location("/site", "ConfineContext writer")
            .start();
        server.client().get("/site/page.txt").expect_content("content");
        let told = told(&server, "early");
        assert!(told.contains("Permission denied") && !told.contains("read\n"), "{htaccess}: {told}");
    }
}

matrix!(under_an_early_move_they_run_confined for process_gate);

/// Requests that end in every way that a request under a rule can.
fn the_log_says_nothing(cell: Cell) {
    for early in [false, true] {
        let server = site(cell, "AllowOverride All", &format!("{LOG}\nErrorDocument 404 /site/page.txt"))
            .file(
                "www/site/filter/.htaccess",
                format!("{LOG}\nErrorDocument 403 /site/page.txt\nRequire all denied"),
            )
            .file("www/site/bad/.htaccess", format!("{LOG}\n{}", EARLY[0]))
            .file("www/site/bad/page.txt", "never")
            .location("/site", "ConfineContext writer")
            .config(if early && cell.gate == Gate::Process { "ConfineEarly landlock:writer" } else { "" })
            .start();
        let client = server.client();
        client.get("/site/page.txt").expect_content("content");
        client.get("/site/not-there").expect_status(404);
        client.get("/site/filter/page.txt").expect_status(403);
        client.get("/site/bad/page.txt");
        client.send(&Request::get("/site/page.txt").header("Host", "no such@host"));
        client.send(&Request::get("/site/page.txt").header("If-Match", "\"other\""));
        let_it_log();
        assert!(!told(&server, "log").contains("read"), "{}", told(&server, "log"));
    }
}

matrix!(the_log_says_nothing);

fn the_log_says_it_without_a_rule(cell: Cell) {
    let server = site(cell, "AllowOverride All", LOG).location("/app", "ConfineContext bob").start();
    server.client().get("/site/page.txt").expect_content("content");
    let_it_log();
    assert_eq!(told(&server, "log"), "read\n");
}

matrix!(the_log_says_it_without_a_rule for gates);

/// A page that includes one of a place whose `.htaccess` names code, and an error document there.
fn inner_requests(cell: Cell) {
    let server = site(cell, "AllowOverride All", EARLY[0])
        .modules(["include"])
        .file("www/outer/page.shtml", "<!--#include virtual=\"/site/page.txt\" -->")
        .directory(
            "www/outer",
            "Options +Includes\nAddOutputFilter INCLUDES .shtml\nErrorDocument 404 /site/page.txt",
        )
        .location("/site", "ConfineContext writer")
        .start();
    let client = server.client();
    client.get("/outer/page.shtml");
    client.get("/outer/not-there").expect_status(404);
    assert_eq!(told(&server, "early"), "");
}

matrix!(inner_requests);

/// `ConfineEarly` does not apply to error documents that the server's own thread looks for.
fn an_error_document_under_an_early_move(cell: Cell) {
    let server = site(cell, "AllowOverride All", EARLY[0])
        .config("ConfineEarly landlock:writer\nErrorDocument 404 /site/page.txt")
        .start();
    server.client().get("/not-there").expect_status(404);
    assert!(!told(&server, "early").contains("read"), "{}", told(&server, "early"));
}

matrix!(an_error_document_under_an_early_move for process_gate);

fn what_takes_effect_at_once_is_refused(cell: Cell) {
    for (number, line) in [
        "LuaRoot \"@root@/www/site\"",
        "SessionCryptoPassphrase \"exec:@root@/www/site/run\"",
        "ProxyExpressEnable on",
        "ProxyExpressDBMFile \"@root@/www/site/hosts\"",
        "CookieExpires 60",
    ]
    .into_iter()
    .enumerate()
    {
        let server = site(cell, "AllowOverride All", line)
            .modules(["session", "session_cookie", "session_crypto", "proxy", "proxy_express", "usertrack"])
            .program(
                "www/site/run",
                "#!/bin/sh\ncat '@root@/data/bob/note' > '@root@/out/early'\necho word\n",
            )
            .location("/site", "ConfineContext writer")
            .start();
        server.client().get("/site/page.txt").expect_status(500);
        assert_eq!(told(&server, "early"), "", "{number}");
        server.wait_for_log(&["/site/.htaccess: ", "has no place in .htaccess"]);
    }
}

matrix!(what_takes_effect_at_once_is_refused for gates);

/// The macros of a process are one table, so those of one tenant would count in another's files.
fn macros_are_the_configurations(cell: Cell) {
    let with = |htaccess: &str| {
        site(cell, "AllowOverride All", htaccess)
            .modules(["macro"])
            .config(
                "<Macro Guarded $place>\n<Location \"$place\">\nConfineContext writer\n</Location>\n</Macro>",
            )
            .config("<Macro Gone>\n</Macro>\nUndefMacro Gone\nUse Guarded \"/site\"")
    };
    let lines = ["<Macro Own>\nLuaScope once\n</Macro>\nUse Own", "Use Guarded \"/x\"", "UndefMacro Guarded"];
    for line in lines {
        let server = with(line).start();
        server.client().get("/site/page.txt").expect_status(500);
        server.wait_for_log(&["/site/.htaccess: ", "has no place in .htaccess"]);
    }
    let server = with("").start();
    server.client().get("/site/page.txt").expect_content("content");
    server.wait_for_log(&["confine: confined GET /site/page.txt ", "context=landlock:writer"]);
    // In a virtual host without rules they are as ever.
    let free = application(cell)
        .modules(["macro"])
        .file("www/site/page.txt", "content")
        .file("www/site/.htaccess", lines[0])
        .directory("www/site", "AllowOverride All")
        .ruleset("writer", "LandlockRead \"@root@/www\"")
        .host("free", "")
        .host("guarded", "ConfineContext landlock:writer")
        .start();
    let of = |host: &str| free.client().send(&Request::get("/site/page.txt").header("Host", host));
    of("free").expect_content("content");
    of("guarded").expect_status(500);
}

matrix!(macros_are_the_configurations for gates);

/// A directive that mod_lua uses internally would end the child if somebody wrote it.
fn a_directive_that_nobody_may_write(cell: Cell) {
    let server = site(cell, "AllowOverride All", "Lua_____ByteCodeHack x")
        .location("/app", "ConfineContext bob")
        .start();
    server.client().get("/site/page.txt").expect_status(500);
    server.wait_for_log(&["/site/.htaccess: ", "is none to be written"]);
}

matrix!(a_directive_that_nobody_may_write for gates);

/// If the configuration names code in a tenant's file, it is the tenant's code.
fn a_hook_of_the_configuration_in_a_tenants_file(cell: Cell) {
    let with_owner = |owner: Option<u32>| {
        let builder = site(cell, "AllowOverride None", "")
            .directory("www/site", &format!("{}\n{LOG}", EARLY[0]))
            .location("/site/guarded", "ConfineContext writer")
            .file("www/site/guarded/page.txt", "content");
        chown(builder.path("www/site/hook.lua"), owner, None).unwrap_or_else(|e| panic!("chown: {e}"));
        builder.start()
    };
    let ours = with_owner(None);
    ours.client().get("/site/guarded/page.txt").expect_content("content");
    assert_eq!(told(&ours, "early"), "read\n");
    if !platform::is_root() {
        return;
    }
    let theirs = with_owner(Some(platform::child_user().1));
    theirs.client().get("/site/guarded/page.txt").expect_status(403);
    theirs.wait_for_log(&["LuaHookFixups: others than root", "/site/hook.lua", "ConfineEarly"]);
    theirs.wait_for_log(&["confine: refused GET /site/guarded/page.txt ", "/httpd.conf:", "names code"]);
    let_it_log();
    assert_eq!((told(&theirs, "early"), told(&theirs, "log")), (String::new(), String::new()));
    // Without a rule the administrator is responsible for it.
    theirs.client().get("/site/page.txt").expect_content("content");
    assert_eq!(told(&theirs, "early"), "read\n");
}

matrix!(a_hook_of_the_configuration_in_a_tenants_file for gates);

/// A hook that runs before the rules of a request are known stops the server, except under `ConfineEarly`.
fn a_first_hook_of_the_configuration_in_a_tenants_file(cell: Cell) {
    if !platform::is_root() {
        return;
    }
    for directive in ["LuaHookTranslateName", "LuaQuickHandler", "LuaHookMapToStorage"] {
        let line = format!("{directive} \"@root@/www/site/hook.lua\" early");
        let with = |more: &str| {
            let builder = site(cell, "AllowOverride None", "").config(&line).config(more);
            chown(builder.path("www/site/hook.lua"), Some(platform::child_user().1), None)
                .unwrap_or_else(|e| panic!("chown: {e}"));
            builder
        };
        let rule = "<Location \"/site\">\nConfineContext writer\n</Location>";
        with(rule).refused().says(&["httpd.conf:", directive, "others than root", "ConfineEarly"]);
        let early = with(&format!("ConfineEarly landlock:writer\n{rule}")).start();
        early.client().get("/site/page.txt").expect_content("content");
        assert!(!told(&early, "early").contains("read"), "{directive}");
    }
}

matrix!(a_first_hook_of_the_configuration_in_a_tenants_file for process_gate);

/// What names no code stays allowed.
fn harmless_directives(cell: Cell) {
    let server = site(
        cell,
        "AllowOverride All",
        "LuaScope request\nLuaCodeCache never\nLuaPackagePath \"@root@/www/?.lua\"",
    )
    .location("/site", "ConfineContext writer")
    .start();
    server.client().get("/site/page.txt").expect_content("content");
}

matrix!(harmless_directives for gates);
