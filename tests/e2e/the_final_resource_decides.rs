//! An index, a fallback, a rewriting in a directory or negotiation can lead to another resource before the content is
//! made. The rules of that resource decide, not those of the place that led there.

use confine_tests::{Cell, Server, ServerBuilder, matrix, platform, tenants::*};

/// `/site` is bob's, the application is alice's.
const TWO_PLACES: &str = r#"
<Directory "@root@/www/site">
    AllowOverride All
    ConfineContext landlock:bob
</Directory>
<Directory "@root@/www/app">
    ConfineContext landlock:alice
</Directory>
"#;

fn two_places(cell: Cell) -> ServerBuilder {
    leaky_app(cell).modules(["dir", "rewrite", "negotiation"]).folder("www/site").config(TWO_PLACES)
}

/// `target` leads to the application, which then reads as alice; `/site` itself still is bob's.
#[track_caller]
fn expect_alice(server: &Server, target: &str) {
    let path = |owner| note_path(server, owner);
    let read = |owner| server.client().get(&format!("{target}?read={}", path(owner)));
    read("alice").expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    read("bob").expect_denied_by_kernel();
    server.client().get("/site/own.lua").expect_context("landlock:bob");
    let confined = server.log_lines("confine: confined");
    assert!(
        confined.iter().all(|line| line.contains(" /app/leaky.lua ") || line.contains("/site/own.lua ")),
        "{confined:#?}"
    );
}

const WHO_AM_I: &str = "function handle(r)
    r.headers_out['X-Context'] = r.subprocess_env['CONFINE_CONTEXT'] or '-'
    return apache2.OK
end
";

fn with_a_directory_index(cell: Cell) {
    let server = two_places(cell)
        .file("www/site/own.lua", WHO_AM_I)
        .directory("www/site", "DirectoryIndex /app/leaky.lua")
        .start();
    expect_alice(&server, "/site/");
}

matrix!(with_a_directory_index);

fn with_an_index_of_another_rule_in_the_same_directory(cell: Cell) {
    let server = two_places(cell)
        .file("www/site/index.lua", WHO_AM_I)
        .config("DirectoryIndex index.lua\n<Files \"index.lua\">\nConfineContext landlock:alice\n</Files>")
        .start();
    server.client().get("/site/").expect_status(200).expect_context("landlock:alice");
}

matrix!(with_an_index_of_another_rule_in_the_same_directory for gates);

fn with_a_fallback_resource(cell: Cell) {
    let server = two_places(cell)
        .file("www/site/own.lua", WHO_AM_I)
        .directory("www/site", "FallbackResource /app/leaky.lua")
        .start();
    expect_alice(&server, "/site/no/such/page");
}

matrix!(with_a_fallback_resource);

fn with_rewriting_in_htaccess(cell: Cell) {
    let server = two_places(cell)
        .file("www/site/own.lua", WHO_AM_I)
        .file("www/site/.htaccess", "RewriteEngine On\nRewriteRule ^item$ /app/leaky.lua [L]\n")
        .start();
    expect_alice(&server, "/site/item");
}

matrix!(with_rewriting_in_htaccess);

fn with_rewriting_in_the_server(cell: Cell) {
    let server = two_places(cell)
        .file("www/site/own.lua", WHO_AM_I)
        .config("RewriteEngine On\nRewriteRule ^/site/item$ /app/leaky.lua [PT]")
        .start();
    expect_alice(&server, "/site/item");
}

matrix!(with_rewriting_in_the_server for gates);

fn with_negotiation(cell: Cell) {
    let server = two_places(cell)
        .file("www/site/.htaccess", "Options +MultiViews\nAddLanguage en .en\nAddType text/plain .lua\n")
        .file("www/site/page.en.lua", WHO_AM_I)
        .config("<Files \"*.en.lua\">\nConfineContext landlock:alice\n</Files>")
        .start();
    server.client().get("/site/page").expect_status(200).expect_context("landlock:alice");
}

matrix!(with_negotiation);

const BODY_MAP: &str =
    "URI: page\n\nContent-Type: text/plain\nBody:----end----\nfrom the map itself\n----end----\n";

fn with_type_maps(cell: Cell) -> ServerBuilder {
    two_places(cell)
        .file("www/site/.htaccess", "AddHandler type-map .var\n")
        .file("www/site/variant.lua", WHO_AM_I)
        .file("www/site/item.var", "URI: item\n\nURI: variant.lua\nContent-Type: text/plain\n")
        .file("www/site/body.var", BODY_MAP)
        .config("<Files \"variant.lua\">\nConfineContext landlock:alice\n</Files>")
}

/// A map only leads on if nobody but root can have made it. For any other map, the rules at the map itself decide.
fn with_a_type_map(cell: Cell) {
    let server = with_type_maps(cell).start();
    let (context, decided_at) =
        if platform::is_root() { ("landlock:alice", "variant.lua") } else { ("landlock:bob", "item.var") };
    server.client().get("/site/item.var").expect_status(200).expect_context(context);
    server.wait_for_log(&[&format!("confine: confined GET /site/{decided_at} ")]);
}

matrix!(with_a_type_map);

/// A map that holds its variants is content, so the rules at the map itself decide.
fn with_a_type_map_of_its_own_content(cell: Cell) {
    let nobody = "<Files \"closed.var\">\nConfineMap \"@root@/tenants.map\"\n</Files>\n";
    let server = with_type_maps(cell).file("www/site/closed.var", BODY_MAP).config(nobody).start();
    let client = server.client();
    client.get("/site/body.var").expect_status(200).expect_content("from the map itself\n");
    server.wait_for_log(&["confine: confined GET /site/body.var ", "context=landlock:bob"]);
    // The map of tenants names nobody for an anonymous request, and the outer rule is next.
    client.get("/site/closed.var").expect_status(200);
    server.wait_for_log(&["confine: confined GET /site/closed.var ", "context=landlock:bob"]);
}

matrix!(with_a_type_map_of_its_own_content for gates);

/// Whoever can change the folder can exchange the map, so it does not lead on.
fn with_a_type_map_of_others(cell: Cell) {
    let server = with_type_maps(cell).writable_folder("www/site").start();
    server.client().get("/site/item.var").expect_status(200).expect_context("landlock:bob");
}

matrix!(with_a_type_map_of_others);
