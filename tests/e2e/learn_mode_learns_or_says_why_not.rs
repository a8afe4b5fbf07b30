//! What learn mode needs and does not get is said: a ruleset's name under another mode, a folder that others may write
//! into, a filter that the kernel does not take. Nothing is called learned that is not.

use std::{fs, os::unix::fs::PermissionsExt, thread::sleep, time::Duration};

use confine_tests::{Cell, ServerBuilder, matrix, need_lua, tenants::*};

fn learned(cell: Cell) -> ServerBuilder {
    leaky_app(cell).config("ConfineMode learn").location("/app", "ConfineContext landlock:alice")
}

/// A ruleset that is there: the answer is what differs from it.
fn an_existing_ruleset_is_extended(cell: Cell) {
    need_lua();
    let server = learned(cell).writable_folder("data/shared").start();
    let new = server.path("data/shared/new").display().to_string();
    server.client().get(&leaky("write", &new)).expect_content("written").expect_context("-");
    server.client().get(&note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
    server.wait_for_log(&["confine: learning GET /app/leaky.lua ", "context=landlock:alice"]);
    sleep(Duration::from_millis(300));
    let folder = |name: &str| {
        fs::canonicalize(server.path(name)).unwrap_or_else(|e| panic!("{e}")).display().to_string()
    };
    let run = server.confinectl("suggest", &["alice"]).expect_status(0);
    run.says(&[
        " <ConfineLandlock alice>",
        &format!("     LandlockRead \"{}\"", folder("www")),
        &format!("-    LandlockRead \"{}\"", folder("data/alice")),
        &format!("+    LandlockRead \"{}\"", folder("data/bob")),
        &format!("+    LandlockWrite \"{}\"", folder("data/shared")),
        " </ConfineLandlock>",
    ]);
    let json = server.confinectl("suggest", &["alice", "--json"]).expect_status(0).out;
    assert!(json.contains("\"takes\": [") && json.contains("\"damaged\": 0"), "{json}");
    server.confinectl("suggest", &["alcie"]).expect_status(2);
}

matrix!(an_existing_ruleset_is_extended for gates);

/// A name without a ruleset is allowed where it is learned, and nowhere else.
fn a_name_without_a_ruleset(cell: Cell) {
    let with = |mode: &str| {
        leaky_app(cell)
            .config(format!("ConfineMode {mode}"))
            .location("/app", "ConfineContext landlock:nobody")
    };
    for mode in ["enforce", "report"] {
        with(mode)
            .refused()
            .says(&["landlock:nobody: there is no ruleset", "define it with <ConfineLandlock nobody>"]);
    }
    let server = with("learn").start();
    server.client().get(&note_of(&server, "bob")).expect_content(NOTE_OF_BOB).expect_context("-");
    server.wait_for_log(&["confine: learning GET /app/leaky.lua ", "context=landlock:nobody"]);
    server.wait_for_log(&[
        "there is no ruleset nobody yet; ConfineMode learn takes it for one that grants nothing",
    ]);
    // Where its host learns, a place that enforces it grants nothing.
    let server = leaky_app(cell)
        .config("<Location /learned>\nConfineMode learn\n</Location>")
        .location("/app", "ConfineContext landlock:nobody")
        .start();
    server.client().get(&note_of(&server, "bob")).expect_status(500);
    server.wait_for_log(&["confine: confined GET /app/leaky.lua ", "context=landlock:nobody"]);
}

matrix!(a_name_without_a_ruleset once);

fn a_folder_of_others(cell: Cell) {
    let builder = learned(cell).config("ConfineLearnFolder learned").writable_folder("learned");
    let server = builder.start();
    server.client().get(&note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
    server.wait_for_log(&["nothing is learned for landlock:alice", "nobody else may write into"]);
    server.wait_for_log(&["confine: would confine GET /app/leaky.lua "]);
    assert!(!server.log().contains("confine: learning GET"), "{}", server.log());
    server.confinectl("suggest", &[]).expect_status(2);
}

matrix!(a_folder_of_others once);

/// A restart goes on with the file, a program that outlives its request is learned, and nobody but the one who starts the
/// server may read what was learned.
fn over_a_restart(cell: Cell) {
    need_lua();
    let server = learned(cell).writable_folder("data/shared").start();
    let bobs = note_path(&server, "bob");
    let late = format!("(sleep 1; cat {bobs} > /dev/null) > /dev/null 2>&1 &");
    server.client().get(&leaky("run", &late)).expect_status(200);
    sleep(Duration::from_secs(2));
    let file = server.path("run/confine-learned/alice.learned");
    let text = || fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    assert!(text().contains("/data/bob/note"), "{}", text());
    let before = text();
    server.restart_gracefully();
    server.client().get(&leaky("read", "/etc/hostname")).expect_status(200);
    sleep(Duration::from_millis(500));
    assert!(text().starts_with(&before) && text().contains("/etc/hostname"), "{}", text());
    assert_eq!(text().matches("/data/bob/note").count(), 1);
    for (path, mode) in [(file.clone(), 0o600), (server.path("run/confine-learned"), 0o700)] {
        let found = fs::metadata(&path).unwrap_or_else(|e| panic!("{e}")).permissions().mode();
        assert_eq!(found & 0o777, mode, "{}", path.display());
    }
}

matrix!(over_a_restart once);
