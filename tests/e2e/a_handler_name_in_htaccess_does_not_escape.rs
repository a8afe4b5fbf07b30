//! A tenant's .htaccess may name any handler; none of them takes a request past the move. The one
//! that the module lets pass, mod_rewrite's `redirect-handler`, is no way around either.

use confine_tests::{Cell, ServerBuilder, matrix, tenants::*};

const TENANT: &str = r#"
<Directory "@root@/www/tenant">
    AllowOverride All
    Options +FollowSymLinks
    ConfineContext landlock:alice
</Directory>
"#;

fn with_htaccess(cell: Cell, htaccess: &str) -> ServerBuilder {
    let builder = leaky_app(cell)
        .modules(["rewrite", "negotiation", "include", "actions", "asis"])
        .file("www/tenant/.htaccess", htaccess)
        .file("www/tenant/page.txt", "a tenant's page\n")
        .config(TENANT);
    let link = builder.path("www/tenant/link");
    let target = builder.path("data/bob/note");
    std::os::unix::fs::symlink(target, &link).unwrap_or_else(|e| panic!("{}: {e}", link.display()));
    builder
}

fn redirect_handler(cell: Cell) {
    let server = with_htaccess(cell, "SetHandler redirect-handler\n")
        .alias("/open-tenant", "www/tenant")
        .location("/open-tenant", "ConfineContext unconfined")
        .start();
    let client = server.client();
    client.get("/open-tenant/link").expect_content(NOTE_OF_BOB);
    let refused = client.get("/tenant/link");
    assert!(refused.status >= 400 && !refused.text().contains(NOTE_OF_BOB.trim()), "{refused:?}");
    client.get("/tenant/page.txt").expect_content("a tenant's page\n");
    server.wait_for_log(&["confine: confined GET /tenant/page.txt ", "context=landlock:alice"]);
}

matrix!(redirect_handler);

fn redirect_handler_without_mod_rewrite(cell: Cell) {
    let server = leaky_app(cell)
        .file("www/tenant/.htaccess", "AddHandler redirect-handler .txt\n")
        .file("www/tenant/page.txt", "a tenant's page\n")
        .config(TENANT)
        .start();
    server.client().get("/tenant/page.txt").expect_content("a tenant's page\n");
    server.wait_for_log(&["confine: confined GET /tenant/page.txt ", "context=landlock:alice"]);
}

matrix!(redirect_handler_without_mod_rewrite for gates);

fn any_other_handler(cell: Cell) {
    for handler in [
        "type-map",
        "send-as-is",
        "server-parsed",
        "default-handler",
        "confine-status",
        "proxy-server",
        "none",
    ] {
        let server = with_htaccess(cell, &format!("SetHandler {handler}\n")).start();
        let response = server.client().get("/tenant/link");
        assert!(!response.text().contains(NOTE_OF_BOB.trim()), "{handler}: {response:?}");
        let decided = server.log_lines("confine: confined GET /tenant/link ").len();
        let refused = server.log_lines("confine: refused GET /tenant/link ").len();
        assert_eq!(decided + refused, 1, "{handler}: exactly one decision\n{}", server.log());
    }
}

matrix!(any_other_handler for gates);

/// The same by a flag of a rewriting rule.
fn a_rewrite_to_a_handler(cell: Cell) {
    let rules = "RewriteEngine On\nRewriteRule ^(link|page.txt)$ - [H=redirect-handler]\n";
    let server = with_htaccess(cell, rules).start();
    let refused = server.client().get("/tenant/link");
    assert!(refused.status >= 400 && !refused.text().contains(NOTE_OF_BOB.trim()), "{refused:?}");
    server.client().get("/tenant/page.txt").expect_content("a tenant's page\n");
}

matrix!(a_rewrite_to_a_handler);
