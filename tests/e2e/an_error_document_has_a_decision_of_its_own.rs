//! The server itself starts an error document, outside of the failed request's worker. It gets a worker of its own,
//! and the rules of its own place decide.

use confine_tests::{Cell, Server, ServerBuilder, matrix, tenants::*};

const ERRORS: &str = r#"
ErrorDocument 404 "/errors/leaky.lua?read=@root@/data/bob/note"
ErrorDocument 403 "/errors/leaky.lua?read=@root@/data/alice/note"
Alias "/errors" "@root@/www/app"
Alias "/forbidden" "@root@/data/bob"
<Location "/errors">
    ConfineContext landlock:bob
</Location>
<Location "/forbidden">
    Require all granted
    ConfineContext landlock:alice
</Location>
<Location "/app">
    ConfineContext landlock:alice
</Location>
"#;

fn with_errors(cell: Cell) -> ServerBuilder {
    leaky_app(cell).config(ERRORS)
}

fn for_what_is_not_found(cell: Cell) {
    let server = with_errors(cell).start();
    let client = server.client();
    for missing in ["/app/missing", "/missing"] {
        let response = client.get(missing).expect_status(404);
        assert_eq!(response.text(), NOTE_OF_BOB);
        response.expect_context("landlock:bob");
    }
    // The connection goes on, and so does the other rule.
    client.get(&note_of(&server, "bob")).expect_denied_by_kernel().expect_context("landlock:alice");
}

matrix!(for_what_is_not_found);

fn for_what_the_kernel_forbids(cell: Cell) {
    let server = with_errors(cell).start();
    let response = server.client().get("/forbidden/note").expect_status(403);
    assert!(response.text().starts_with("failed: "), "bob's rule reads alice's note: {response:?}");
    response.expect_context("landlock:bob");
}

matrix!(for_what_the_kernel_forbids);

fn for_what_the_module_refuses(cell: Cell) {
    let server =
        with_errors(cell).location("/nobodys", "ConfineEnv UNSET").alias("/nobodys", "www/app").start();
    let response = server.client().get("/nobodys/page.txt").expect_status(403);
    response.expect_context("landlock:bob");
    assert!(response.text().contains("Permission denied"), "{response:?}");
    server.wait_for_log(&["confine: refused GET /nobodys/page.txt ", "no rule matched"]);
    server.wait_for_log(&["confine: confined GET /errors/leaky.lua ", "context=landlock:bob"]);
}

matrix!(for_what_the_module_refuses);

/// A request without a Host field fails while it is read, before any hook of a module sees it.
fn for_what_could_not_be_read(cell: Cell) {
    let document = "ErrorDocument 400 \"/errors/leaky.lua?read=@root@/data/alice/note\"";
    let ask = |server: &Server| {
        let mut connection = server.connect();
        connection.send("GET / HTTP/1.1\r\n\r\n");
        connection.response().expect_status(400)
    };
    let stock = application(cell).stock().alias("/errors", "www/app").config(document).start();
    assert_eq!(ask(&stock).text(), NOTE_OF_ALICE);
    let server = with_errors(cell).config(document).start();
    let response = ask(&server);
    assert!(response.text().contains("Permission denied"), "{response:?}");
    response.expect_context("landlock:bob");
}

matrix!(for_what_could_not_be_read);

/// An error document that is refused itself does not run; the client gets the first error.
fn one_that_is_refused_itself(cell: Cell) {
    let server = leaky_app(cell)
        .config("ErrorDocument 404 \"/app/leaky.lua?read=@root@/data/bob/note\"")
        .location("/app", "ConfineEnv UNSET")
        .alias("/fine", "www/app")
        .location("/fine", "ConfineContext alice")
        .start();
    let response = server.client().get("/fine/missing").expect_status(404);
    assert!(!response.text().contains(NOTE_OF_BOB.trim()), "{response:?}");
    server.wait_for_log(&["confine: refused GET /app/leaky.lua ", "no rule matched"]);
    server
        .client()
        .get(&leaky_at("/fine/leaky.lua", "read", note_path(&server, "alice")))
        .expect_content(NOTE_OF_ALICE);
}

matrix!(one_that_is_refused_itself);
