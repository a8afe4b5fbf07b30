//! Lua in a confined request maps no library, runs no bytecode, and cannot give C functions what they do not expect,
//! whatever the script tries, also before its own first function. Without a rule it can do all this.

use confine_tests::{Cell, ServerBuilder, matrix, tenants::*};

/// What is tried, each an expression that is true where it succeeds.
const ATTEMPTS: [(&str, &str); 16] = [
    ("loadlib", "package.loadlib('libc.so.6', '*')"),
    ("loadlib_kept", "loadlib_kept and loadlib_kept('libc.so.6', '*')"),
    ("searcher", "require_c(package.searchers[3], 'library')"),
    ("searcher_all_in_one", "require_c(package.searchers[4], 'library.part')"),
    ("searchers_copied", "#package.searchers > 2"),
    ("load", "load(string.dump(function() return true end))()"),
    ("load_asks_for_it", "load(string.dump(function() return true end), 'x', 'b')()"),
    ("load_in_pieces", "load_in_pieces()"),
    ("loadfile", "loadfile(bytecode)()"),
    ("dofile", "dofile(bytecode)"),
    ("require", "require('bytecode')"),
    ("coroutine", "coroutine.wrap(function() return load(string.dump(function() return true end))() end)()"),
    ("setmetatable", "debug.setmetatable(io.stdout, getmetatable(io.stdout))"),
    ("getregistry", "debug.getregistry()"),
    ("setupvalue", "(function() local x; return debug.setupvalue(function() return x end, 1, 1) end)()"),
    ("setlocal", "(function() local x; return debug.setlocal(1, 1, 1) or x end)()"),
];

const SCRIPT: &str = "
bytecode = '@root@/out/bytecode.lua'
package.path = '@root@/out/?.lua;' .. package.path
loadlib_kept = package.loadlib
function require_c(searcher, name)
    package.cpath = '@root@/out/?.so'
    -- It was mapped if only its function is missing.
    local said = searcher and tostring(select(2, pcall(searcher, name))) or ''
    return said:find('luaopen_library') or said:find('no module')
end
function load_in_pieces()
    local text, at = string.dump(function() return true end), 0
    return load(function() at = at + 1 return text:sub(at, at) end)()
end
attempts = { @attempts@ }
function handle(r)
    local fine, value = pcall(attempts[r.args])
    r:puts(fine and value and 'done' or 'refused: ' .. tostring(value))
    return apache2.OK
end
";

/// The script, and one that leaves `out/bytecode.lua` and a handler in bytecode.
fn with_attempts(cell: Cell) -> ServerBuilder {
    let attempts: String =
        ATTEMPTS.iter().map(|(name, code)| format!("{name} = function() return {code} end,\n")).collect();
    leaky_app(cell)
        .writable_folder("out")
        .file("www/app/attempts.lua", SCRIPT.replace("@attempts@", &attempts))
        .file("www/app/library.lua", LEAVE)
        .alias("/out", "out")
        .config("<Directory \"@root@/out\">\nRequire all granted\n</Directory>")
        .location("/app", "ConfineContext native")
        .location("/out", "ConfineContext native")
        .alias("/out-open", "out")
        .location("/out-open", "ConfineContext unconfined")
        .ruleset("native", "LandlockRead /usr /lib /etc \"@root@/www\" \"@root@/out\"")
}

/// Writes what an application with write access to a folder could put there.
const LEAVE: &str = "
function handle(r)
    local function put(name, text)
        local file = assert(io.open('@root@/out/' .. name, 'wb'))
        file:write(text)
        file:close()
    end
    put('bytecode.lua', string.dump(function() return true end))
    put('handler.lua', string.dump(load(\"function handle(r) r:puts('done') return apache2.OK end\")))
    put('text.lua', \"function handle(r) r:puts('done') return apache2.OK end\")
    put('plain.lua', \"return { word = 'module' }\")
    local from, to = assert(io.open(r.args, 'rb')), assert(io.open('@root@/out/library.so', 'wb'))
    to:write(from:read('a'))
    to:close()
    r:puts('left')
    return apache2.OK
end
";

/// Some library that is there wherever httpd is.
fn library() -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let found = maps.split_whitespace().find(|word| word.contains("/libc.so.6"));
    found.expect("the C library").to_owned()
}

fn nothing_succeeds(cell: Cell) {
    let server = with_attempts(cell).start();
    let client = server.client();
    client.get(&format!("/open/library.lua?{}", library())).expect_content("left");
    for (name, _) in ATTEMPTS {
        let open = client.get(&format!("/open/attempts.lua?{name}"));
        assert_eq!(open.text(), "done", "{name}");
        let confined = client.get(&format!("/app/attempts.lua?{name}"));
        assert!(confined.text().starts_with("refused"), "{name}: {confined:?}");
    }
    // A script that is bytecode itself.
    client.get("/out-open/handler.lua").expect_content("done");
    client.get("/out/text.lua").expect_content("done");
    client.get("/out/handler.lua").expect_status(500);
    // Again without: the server's own states are as they were.
    client.get("/open/attempts.lua?load").expect_content("done");
}

matrix!(nothing_succeeds);

fn plain_modules_and_text_still_load(cell: Cell) {
    let server = with_attempts(cell)
        .file("www/app/plain.lua", "return { word = 'module' }")
        .file(
            "www/app/fine.lua",
            "package.path = '@root@/www/app/?.lua'
             function handle(r)
                 local sum = load('return 1 + 1')() + loadfile('@root@/www/app/number.lua')()
                 r:puts(require('plain').word, ' ', sum, ' ', type(debug.traceback()), ' ', math.max(1, 2))
                 return apache2.OK
             end",
        )
        .file("www/app/number.lua", "return 40")
        .start();
    server.client().get("/app/fine.lua").expect_content("module 42 string 2");
}

matrix!(plain_modules_and_text_still_load for gates);

/// The server takes its modules down and loads them again.
fn after_a_restart(cell: Cell) {
    let server = with_attempts(cell).start();
    for _ in 0..2 {
        for name in ["loadlib", "load", "getregistry"] {
            server.client().get(&format!("/open/attempts.lua?{name}")).expect_content("done");
            let confined = server.client().get(&format!("/app/attempts.lua?{name}"));
            assert!(confined.text().starts_with("refused"), "{name}: {confined:?}");
        }
        server.restart_gracefully();
    }
}

matrix!(after_a_restart);

/// `ConfineTrustScripts` gives it all back, and the log says so at every start.
fn trusted_scripts(cell: Cell) {
    let server = with_attempts(cell).config("ConfineTrustScripts mod_lua").start();
    let client = server.client();
    client.get("/app/attempts.lua?load").expect_content("done");
    client.get("/app/attempts.lua?loadlib").expect_content("done");
    server.wait_for_log(&["confine: ConfineTrustScripts mod_lua: ", "bytecode"]);
}

matrix!(trusted_scripts for gates);
