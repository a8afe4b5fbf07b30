//! `ConfineExplain on`: the kernel refuses, and the log says what and which directive is missing.

use confine_tests::{Cell, matrix, need_lua, tenants::*};

fn what_the_kernel_refused(cell: Cell) {
    let server = leaky_app(cell)
        .config("ConfineExplain on\nAlias /plain \"@root@/www/app\"")
        .location("/app", "ConfineContext landlock:alice")
        .location("/plain", "ConfineContext landlock:alice\nConfineExplain off")
        .start();
    let client = server.client();
    client.get(&note_of(&server, "bob")).expect_denied_by_kernel().expect_context("landlock:alice");
    let line = server.wait_for_log(&["confine: denied read ", "/data/bob/note user=- "]);
    assert!(line.contains(" context=landlock:alice: add LandlockRead \"/"), "{line}");
    assert!(line.ends_with("/data/bob\" (GET /app/leaky.lua)"), "{line}");
    client.get(&note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
    // The control: the same refusal where nobody asked for an explanation.
    let path = note_path(&server, "bob");
    client.get(&leaky_at("/plain/leaky.lua", "read", &path)).expect_denied_by_kernel();
    server.wait_for_log(&["confine: confined GET /plain/leaky.lua "]);
    assert_eq!(
        server.log_lines("confine: denied read ").iter().filter(|line| line.contains("/plain/")).count(),
        0
    );
    assert_eq!(server.log_lines("would deny").len(), 0);
    assert_eq!(server.log_lines("/data/alice/note user").len(), 0, "what is granted is not told");
}

matrix!(what_the_kernel_refused);

fn an_early_move_too(cell: Cell) {
    need_lua();
    let server = leaky_app(cell)
        .config("ConfineExplain on\nConfineEarly landlock:alice")
        .location("/app", "ConfineContext landlock:bob")
        .start();
    let client = server.client();
    for (owner, refused_by) in [("alice", "bob"), ("bob", "alice")] {
        client.get(&note_of(&server, owner)).expect_denied_by_kernel();
        let object = format!("/data/{owner}/note user=- ");
        server.wait_for_log(&[
            "confine: denied read ",
            &object,
            &format!(" context=landlock:{refused_by}: add "),
        ]);
    }
    assert_eq!(server.log_lines("confine: denied read ").len(), 2, "{:#?}", server.log_lines("denied"));
}

matrix!(an_early_move_too for process_gate);

fn a_failed_answer_says_where_to_look(cell: Cell) {
    let server = leaky_app(cell)
        .alias("/data", "data")
        .alias("/nobody", "data")
        .location("/app", "ConfineContext landlock:alice")
        .location("/data", "ConfineContext landlock:alice\nRequire all granted")
        .location("/nobody", "ConfineEnv NOBODY_SETS_IT\nRequire all granted")
        .start();
    let client = server.client();
    client.get("/data/bob/note").expect_status(403);
    let line = server.wait_for_log(&["confine: failed GET /data/bob/note user=- "]);
    let told = ": answered 403 in its contexts; if the kernel refused it something, this shows what: `ConfineExplain on` \
                for this virtual host";
    assert!(line.contains(&format!(" context=landlock:alice{told}")), "{line}");
    // What was served, what is not there, and what never moved has no such line.
    client.get("/data/alice/note").expect_content(NOTE_OF_ALICE);
    client.get("/data/alice/absent").expect_status(404);
    client.get("/nobody/alice/note").expect_status(403);
    server.wait_for_log(&["confine: refused GET /nobody/alice/note "]);
    assert_eq!(server.log_lines("confine: failed ").len(), 1, "{:#?}", server.log_lines("confine: failed "));
}

matrix!(a_failed_answer_says_where_to_look);
