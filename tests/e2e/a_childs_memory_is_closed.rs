//! Nobody can open the files under /proc that show the memory or the environment of a child, whatever a ruleset
//! grants and `CoreDumpDirectory` says. `ConfineCoreDumps on` allows it again.

use confine_tests::{Cell, Server, ServerBuilder, matrix, tenants::*};

const FILES: [&str; 3] = ["/proc/self/mem", "/proc/thread-self/mem", "/proc/self/environ"];

const OPEN: &str = "
function handle(r)
    local file, why = io.open(r.args, 'rb')
    r:puts(file and 'opened' or 'refused: ' .. why)
    if file then file:close() end
    return apache2.OK
end
";

fn with_proc(cell: Cell) -> ServerBuilder {
    application(cell)
        .writable_folder("cores")
        .file("www/app/open.lua", OPEN)
        .config("CoreDumpDirectory \"@root@/cores\"")
}

fn answers(server: &Server) -> Vec<String> {
    FILES.iter().map(|file| server.client().get(&format!("/app/open.lua?{file}")).text()).collect()
}

const RULE: &str =
    "<ConfineLandlock proc>\nLandlockRead / \n</ConfineLandlock>\nConfineContext landlock:proc";

fn nothing_is_opened(cell: Cell) {
    let server = with_proc(cell).config(RULE).start();
    for (file, answer) in FILES.iter().zip(answers(&server)) {
        assert!(answer.starts_with("refused: ") && answer.contains("Permission denied"), "{file}: {answer}");
    }
    assert_eq!(server.client().get("/app/open.lua?/proc/self/status").text(), "opened");
    server.wait_for_log(&["confine: children leave no core dumps", "ConfineCoreDumps on keeps them"]);
}

matrix!(nothing_is_opened);

fn core_dumps_on(cell: Cell) {
    let server = with_proc(cell).config(RULE).config("ConfineCoreDumps on").start();
    assert_eq!(answers(&server), ["opened", "opened", "opened"]);
    server.wait_for_log(&["confine: ConfineCoreDumps on: ", "/proc/thread-self/mem"]);
}

matrix!(core_dumps_on for gates);

fn without_rules_the_server_is_as_ever(cell: Cell) {
    let server = with_proc(cell).start();
    assert_eq!(answers(&server), ["opened", "opened", "opened"]);
}

matrix!(without_rules_the_server_is_as_ever for gates);
