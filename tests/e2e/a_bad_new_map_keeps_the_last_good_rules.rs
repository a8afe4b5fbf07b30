//! If a new map cannot be used, the log says so once, and the last good rules stay. They also stay when the file
//! vanishes.

use std::{fs, thread, time::Duration};

use confine_tests::{Cell, Server, matrix, tenants::*};

/// Longer than all children need to notice.
const A_WHILE: Duration = Duration::from_millis(1500);

#[track_caller]
fn rules_stay(server: &Server) {
    for _ in 0..8 {
        let response = server.client().get_as("alice", &note_of(server, "alice"));
        response.expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    }
}

#[track_caller]
fn told_once(server: &Server, text: &str) {
    server.wait_for_log(&[text, "; the rules from before stay"]);
    thread::sleep(A_WHILE);
    let lines = server.log_lines(text);
    assert_eq!(lines.len(), 1, "{lines:#?}");
}

fn bad_maps_change_nothing(cell: Cell) {
    let server = two_people(cell)
        .modules(["status"])
        .location("/counts", "SetHandler confine-status\nConfineContext unconfined\nRequire all granted")
        .location(
            "/server-status",
            "SetHandler server-status\nConfineContext unconfined\nRequire all granted",
        )
        .start();
    let write = |text: &str| fs::write(server.path("tenants.map"), text).expect("a map");
    write("alice landlock:bob\nbob\n");
    told_once(&server, "tenants.map:2:4: no context given");
    rules_stay(&server);
    let page = server.client().get("/counts").expect_status(200).text();
    let map = server.path("tenants.map").display().to_string();
    for line in [
        format!("confine_map_loads_total{{map=\"{map}\"}} 1\n"),
        format!("confine_map_rules{{map=\"{map}\"}} 2\n"),
        format!("confine_map_stale{{map=\"{map}\"}} 1\n"),
    ] {
        assert!(page.contains(&line), "{line} in:\n{page}");
    }
    let page = server.client().get("/server-status?auto").expect_status(200).text();
    for line in [
        format!("ConfineMap[0]File: {map}\n"),
        "ConfineMap[0]Generation: 1\n".to_owned(),
        "ConfineMap[0]Rules: 2\n".to_owned(),
        format!("ConfineMap[0]Error: {map}:2:4: no context given"),
    ] {
        assert!(page.contains(&line), "{line} in:\n{page}");
    }

    write("alice landlock:bob\nbob landlock:nobody\n");
    told_once(&server, "tenants.map:2: landlock:nobody: there is no ruleset of this name");
    rules_stay(&server);

    fs::remove_file(server.path("tenants.map")).expect("removed");
    told_once(&server, "tenants.map: cannot be looked at: No such file or directory");
    rules_stay(&server);

    write("# better\nalice landlock:bob\n");
    server.wait_for_log(&["tenants.map: changed, 1 rules are in force (generation 2)"]);
    thread::sleep(A_WHILE);
    server.client().get_as("alice", &note_of(&server, "bob")).expect_content(NOTE_OF_BOB);
    let page = server.client().get("/counts").expect_status(200).text();
    assert!(page.contains(&format!("confine_map_loads_total{{map=\"{map}\"}} 2\n")), "{page}");
    assert!(page.contains(&format!("confine_map_stale{{map=\"{map}\"}} 0\n")), "{page}");
}

matrix!(bad_maps_change_nothing for process_gate);
