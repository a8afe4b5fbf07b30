//! A confined application can write into its request's name, notes, environment and headers. None of this counts when
//! the server decides about an error document that it starts afterwards.

use confine_tests::{
    Cell, Request, Server,
    accounts::{self, request},
    matrix,
    services::Sqlite,
    tenants::*,
};

/// Alice's application tries to look like bob's.
fn forgery(writes: &str) -> String {
    format!("function handle(r)\n{writes}\nreturn 404\nend\n")
}

/// The error document is in the application's directory, so the server copies the name and does not authenticate
/// again.
const ERROR_DOCUMENT: &str = r#"ErrorDocument 404 "/app/leaky.lua?read=@root@/data/bob/note""#;

fn asks_for_an_error_document(server: &Server) {
    let forged = server.client().send(&request("alice", "/app/forge.lua")).expect_status(404);
    assert!(!forged.text().contains(NOTE_OF_BOB.trim()), "{forged:?}");
    server.wait_for_log(&["confine: confined GET /app/forge.lua user=alice ", "context=landlock:alice"]);
    assert_eq!(server.log_lines("context=landlock:bob"), [""; 0]);
    // Bob himself is served the error document in his own context.
    let honest = server.client().send(&request("bob", "/app/nothing")).expect_status(404);
    assert_eq!(honest.text(), NOTE_OF_BOB);
}

fn by_its_name(cell: Cell) {
    let login = LOGIN.replace("<Location \"/\">", "<Directory \"@root@/www\">").replace("</Location>", "");
    let server = leaky_app(cell)
        .file("www/app/forge.lua", forgery("r.user = 'bob' r.notes['confine-proven-user'] = 'bob'"))
        .config(format!("{login}{ERROR_DOCUMENT}\n</Directory>\nConfineMap \"@root@/tenants.map\""))
        .start();
    asks_for_an_error_document(&server);
}

matrix!(by_its_name);

fn by_a_variable(cell: Cell) {
    let database = Sqlite::new(&accounts::table());
    let login = format!("{}\n{ERROR_DOCUMENT}", accounts::LOGIN_BY_ROW);
    let server = leaky_app(cell)
        .modules(["dbd", "authn_dbd"])
        .config(accounts::connection("sqlite3", &database.file().display().to_string()))
        .file("www/app/forge.lua", forgery("r.subprocess_env['AUTHENTICATE_CONTEXT'] = 'landlock:bob'"))
        .directory("www", &login)
        .config("ConfineEnv AUTHENTICATE_CONTEXT")
        .start();
    asks_for_an_error_document(&server);
}

matrix!(by_a_variable);

/// For example, a proxy before the server authenticates and names the tenant.
fn by_a_header(cell: Cell) {
    let server = leaky_app(cell)
        .modules(["setenvif"])
        .file("www/app/forge.lua", forgery("r.headers_in['X-Tenant'] = 'bob' r.headers_in['X-New'] = 'bob'"))
        .directory("www", ERROR_DOCUMENT)
        .config("SetEnvIf X-Tenant ^(alice|bob)$ TENANT=landlock:$1\nSetEnvIf X-New .+ TENANT=landlock:bob")
        .config("ConfineEnv TENANT")
        .start();
    let ask = |tenant: &str, target: &str| {
        let request = Request::get(target).header("X-Tenant", tenant).header("X-Other", "1");
        server.client().send(&request.header("X-Other", "2")).expect_status(404)
    };
    let forged = ask("alice", "/app/forge.lua");
    assert!(forged.text().contains("Permission denied"), "{forged:?}");
    forged.expect_context("landlock:alice");
    assert_eq!(ask("bob", "/app/nothing").text(), NOTE_OF_BOB);
}

matrix!(by_a_header);

/// A hook of a tenant's that runs before anybody looked at who is behind the request.
fn by_a_hook_before_the_content(cell: Cell) {
    let hook = "function forge(r)\nr.user = 'bob' r.notes['confine-proven-user'] = 'bob'\nreturn apache2.DECLINED\nend\n";
    let server = leaky_app(cell)
        .file("www/forge.lua", hook)
        .directory("www", "LuaHookFixups \"@root@/www/forge.lua\" forge")
        .config("ConfineMap \"@root@/tenants.map\"")
        .start();
    let forged = server.client().get("/app/leaky.lua?read=@root@/data/bob/note");
    assert_eq!(forged.status, 403, "{forged:?}");
    server.wait_for_log(&["confine: refused GET /app/leaky.lua user=- "]);
}

matrix!(by_a_hook_before_the_content);
