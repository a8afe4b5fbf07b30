//! A handler that wants to continue later would continue in a thread of the server, outside of the context. It is
//! refused, and the server is not harmed.

use confine_tests::{Cell, Request, matrix, noise, tenants::*};

fn mod_dialup(cell: Cell) {
    let server = leaky_app(cell)
        .modules(["dialup"])
        .file("data/alice/slow.bin", noise(20_000))
        .config(DATA_URLS)
        .config("ConfineContext landlock:alice")
        .alias("/slow", "data/alice")
        .location("/slow", "ModemStandard V.92")
        .start();
    let client = server.client();
    for _ in 0..3 {
        // It has sent the beginning already. The rest must not come from outside of the context.
        let answer = client.try_send(&Request::get("/slow/slow.bin"));
        assert!(answer.is_err() || answer.is_ok_and(|response| response.status == 500));
        client.get(&note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
    }
    server.wait_for_log(&["confine: refused GET /slow/slow.bin ", "suspended the request"]);
    // By this time the module would continue, if its request still existed.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    client.get(&note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
}

matrix!(mod_dialup for gates);
