//! The request object of Lua code in a confined request shows nothing of the server's, shares nothing with other
//! contexts, and has no function that a script can have read or write memory. Nor can such code end its process.

use confine_tests::{Cell, ServerBuilder, hostile::*, matrix, tenants::Expectations};

/// What is asked for, and what it shows where it is there.
const NAMES: [(&str, &str); 10] = [
    ("r.config", "function"),
    ("r['config\\0x']", "function"),
    ("r.activeconfig", "function"),
    ("r.add_output_filter", "function"),
    ("r.add_input_filter", "function"),
    ("r.dbacquire", "function"),
    ("r.ivm_get or r.ivm_set", "function"),
    ("r.scoreboard_worker or r.scoreboard_process", "function"),
    ("getmetatable(r).__index(r, 'config')", "function"),
    ("os.exit or os.setlocale", "function"),
];

fn with_scripts(cell: Cell) -> ServerBuilder {
    let asks: String = NAMES.iter().map(|(name, _)| format!("tell({name})\n")).collect();
    let code = format!(
        "local function ask(r)
             local found = {{}}
             local function tell(value) found[#found + 1] = type(value) end
             {asks} return table.concat(found, ' ')
         end
         function handle(r) r:puts(ask(r)) return apache2.OK end
         function output(r)
             local text = ask(r)
             coroutine.yield('')
             while bucket do coroutine.yield(text) end
         end
         function again(r)
             handle(r)
             r:puts(' ', r.filename and 'a name' or '', ' ', r:escape_html('<'), ' ', tostring(r.no_such_field))
             return apache2.OK
         end"
    );
    two_tenants(cell)
        .modules(["include"])
        .file("www/alice/asks.lua", &code)
        .file("www/alice/page.txt", "x")
        .file("www/alice/page.shtml", "<!--#include virtual=\"asks.lua\" -->")
        .config("LuaOutputFilter asking @root@/www/alice/asks.lua output")
        .config("LuaMapHandler \"^/[a-z]+/again$\" @root@/www/alice/asks.lua again")
        .directory(
            "www/alice",
            "Options +Includes\nAddOutputFilter INCLUDES .shtml\nAddOutputFilter asking .txt",
        )
        .alias("/open", "www/alice")
        .location("/alice", "ConfineContext landlock:alice")
}

/// In a handler, in a filter, in a page that is included.
const PLACES: [&str; 3] = ["asks.lua", "page.txt", "page.shtml"];

fn nothing_is_there(cell: Cell) {
    let server = with_scripts(cell).start();
    let all = NAMES.map(|(_, kind)| kind).join(" ");
    let none = NAMES.map(|_| "nil").join(" ");
    for place in PLACES {
        server.client().get(&format!("/open/{place}")).expect_content(&all);
        server.client().get(&format!("/alice/{place}")).expect_content(&none);
    }
    // All else is.
    server.client().get("/alice/again").expect_content(&format!("{none} a name &lt; nil"));
    server.client().get("/open/again").expect_content(&format!("{all} a name &lt; nil"));
}

matrix!(nothing_is_there);

/// `ConfineTrustScripts` gives it back.
fn trusted_scripts(cell: Cell) {
    let server = with_scripts(cell).config("ConfineTrustScripts mod_lua").start();
    let all = NAMES.map(|(_, kind)| kind).join(" ");
    server.client().get("/alice/asks.lua").expect_content(&all);
}

matrix!(trusted_scripts for gates);
