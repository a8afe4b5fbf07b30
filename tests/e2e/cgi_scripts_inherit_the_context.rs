//! mod_cgi starts its scripts from the worker: they run in its context, and know its name.

use confine_tests::{Cell, ServerBuilder, matrix, tenants::*};

const SCRIPT: &str = "#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
printf '%s\\n' \"$CONFINE_CONTEXT\"
cat \"$QUERY_STRING\" 2>&1
";

const NPH_SCRIPT: &str = "#!/bin/sh
printf 'HTTP/1.1 200 Fine\\r\\nContent-Type: text/plain\\r\\n'
printf 'X-Own-Head: yes\\r\\nConnection: close\\r\\n\\r\\n'
printf '%s\\n' \"$CONFINE_CONTEXT\"
cat \"$QUERY_STRING\" 2>&1
";

const EMPTY_SCRIPT: &str = "#!/bin/sh\nexit 1\n";

fn with_scripts(cell: Cell) -> ServerBuilder {
    leaky_app_with(cell, RUN_PROGRAMS)
        .modules(["cgi"])
        .config(CGI_BIN)
        .config("ConfineContext landlock:alice\nScriptAlias /open-cgi \"@root@/cgi-bin\"")
        .location("/open-cgi", "ConfineContext unconfined")
        .program("cgi-bin/read.cgi", SCRIPT)
        .program("cgi-bin/nph-read.cgi", NPH_SCRIPT)
        .program("cgi-bin/empty.cgi", EMPTY_SCRIPT)
}

fn a_script(cell: Cell) {
    let server = with_scripts(cell).start();
    let client = server.client();
    for script in ["read.cgi", "nph-read.cgi"] {
        let read = |place: &str, owner: &str| {
            client.get(&format!("/{place}/{script}?{}", note_path(&server, owner)))
        };
        let alice = read("cgi-bin", "alice").expect_status(200);
        assert_eq!(alice.text(), format!("landlock:alice\n{NOTE_OF_ALICE}"), "{script}");
        let bob = read("cgi-bin", "bob").expect_status(200).text();
        assert!(
            bob.starts_with("landlock:alice\ncat: ") && bob.ends_with("Permission denied\n"),
            "{script}: {bob}"
        );
        assert_eq!(read("open-cgi", "bob").text(), format!("\n{NOTE_OF_BOB}"), "{script}");
    }
}

matrix!(a_script);

fn a_script_that_sends_its_own_head(cell: Cell) {
    let server = with_scripts(cell).start();
    let mut connection = server.connect();
    connection.send_get(&format!("/cgi-bin/nph-read.cgi?{}", note_path(&server, "alice")), "");
    let text = String::from_utf8_lossy(&connection.rest()).into_owned();
    assert!(text.starts_with("HTTP/1.1 200 Fine\r\n") && text.contains("X-Own-Head: yes\r\n"), "{text}");
    assert!(
        text.ends_with(&format!("\r\n\r\nlandlock:alice\n{NOTE_OF_ALICE}")),
        "nothing before or behind it: {text}"
    );
}

matrix!(a_script_that_sends_its_own_head);

fn a_script_that_fails(cell: Cell) {
    let server = with_scripts(cell).start();
    let client = server.client();
    client.get("/cgi-bin/empty.cgi").expect_status(500);
    client.get("/cgi-bin/missing.cgi").expect_status(404);
    client.get(&note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
}

matrix!(a_script_that_fails);
