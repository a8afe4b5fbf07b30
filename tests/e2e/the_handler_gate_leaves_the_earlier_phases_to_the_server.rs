//! `ConfineGate handler`: the phases before the content run in the server's thread, as in stock httpd. With the
//! process gate, the worker runs them.

use confine_tests::{Cell, Gate, Request, matrix, tenants::*};

/// Notes which thread runs the fix-ups, for the content handler to tell.
const HOOK: &str = "require 'apache2'
function fixups(r)
    local file = io.open('/proc/thread-self/stat')
    r.subprocess_env['FIXUPS'] = file:read('n')
    file:close()
    return apache2.DECLINED
end
";

const TELL: &str = "function handle(r)
    local file = io.open('/proc/thread-self/stat')
    r:puts(r.subprocess_env['FIXUPS'], ' ', file:read('n'))
    file:close()
    return apache2.OK
end
";

fn which_thread_runs_what(cell: Cell) {
    let server = leaky_app_with(cell, "LandlockRead /proc")
        .file("hook.lua", HOOK)
        .file("www/app/tell.lua", TELL)
        .config("LuaHookFixups \"@root@/hook.lua\" fixups\nConfineContext landlock:alice")
        .start();
    let text = server.client().get("/app/tell.lua").expect_status(200).text();
    let (fixups, content) = text.split_once(' ').unwrap_or_else(|| panic!("two thread ids in {text:?}"));
    assert_eq!(fixups == content, cell.gate == Gate::Process, "fix-ups in {fixups}, content in {content}");
    let open = server.client().send(&Request::get("/open/tell.lua")).expect_status(200).text();
    let (fixups, content) = open.split_once(' ').unwrap_or_else(|| panic!("two thread ids in {open:?}"));
    assert_eq!(fixups, content, "no rule, no thread of its own");
}

matrix!(which_thread_runs_what);

const QUICK: &str = "require 'apache2'
function quick(r)
    r:puts('from the quick handler')
    return apache2.OK
end
";

fn quick_handlers_are_passed_over(cell: Cell) {
    let with_quick_handler = |builder: confine_tests::ServerBuilder| {
        builder.file("quick.lua", QUICK).config("LuaQuickHandler \"@root@/quick.lua\" quick")
    };
    let stock = with_quick_handler(application(cell).stock()).start();
    stock.client().get("/app/page.txt").expect_content("from the quick handler");
    let server = with_quick_handler(leaky_app(cell)).config("ConfineContext landlock:alice").start();
    server.client().get("/app/page.txt").expect_content("a page for everybody\n");
    server.wait_for_log(&["confine: confined GET /app/page.txt "]);
}

matrix!(quick_handlers_are_passed_over);
