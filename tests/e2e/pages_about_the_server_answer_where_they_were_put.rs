//! Pages about the server (its state, its configuration) belong to the server. A tenant's .htaccess can name their
//! handlers. Under a rule they only answer where the server's own configuration put them.

use confine_tests::{Cell, ServerBuilder, hostile::*, matrix};

const PAGES: [(&str, &str); 3] = [
    ("confine-status", "confine_requests_total"),
    ("server-status", "Server Version"),
    ("server-info", "Module Name"),
];

fn with_pages(cell: Cell) -> ServerBuilder {
    let mut builder = two_tenants(cell)
        .modules([
            "status",
            "info",
            "rewrite",
            "proxy",
            "proxy_balancer",
            "lbmethod_byrequests",
            "slotmem_shm",
        ])
        .directory("www/alice", "AllowOverride FileInfo\nConfineContext landlock:alice")
        .file("www/alice/typed/.htaccess", "ForceType application/x-httpd-status\n")
        .file("www/alice/typed/x", "x")
        .file("www/alice/named/.htaccess", "AddHandler server-info .x\n")
        .file("www/alice/named/i.x", "x")
        .file("www/alice/ruled/.htaccess", "RewriteEngine On\nRewriteRule ^ - [H=server-status]\n")
        .file("www/alice/ruled/x", "x")
        .file("www/alice/if/.htaccess", "<If \"true\">\nSetHandler server-info\n</If>\n")
        .file("www/alice/if/x", "x")
        .file("www/alice/expr/.htaccess", "SetHandler \"expr=server-%{reqenv:NONE}info\"\n")
        .file("www/alice/expr/x", "x")
        .file("www/alice/balancer/.htaccess", "SetHandler balancer-manager\n")
        .file("www/alice/balancer/x", "x")
        .file(
            "www/alice/lua.lua",
            "function handle(r) r.handler = 'server-info' return apache2.DECLINED end",
        );
    for (page, _) in PAGES {
        builder = builder
            .file(&format!("www/alice/{page}/.htaccess"), format!("SetHandler {page}\n"))
            .file(&format!("www/alice/{page}/x"), "x")
            .location(&format!("/exempt/{page}"), &format!("SetHandler {page}\nConfineContext unconfined"))
            .location(
                &format!("/ruled/{page}"),
                &format!("SetHandler {page}\nConfineContext landlock:alice"),
            );
    }
    builder
}

fn not_where_a_tenant_names_them(cell: Cell) {
    let server = with_pages(cell).start();
    let client = server.client();
    let places = PAGES.map(|(page, _)| format!("/alice/{page}/x"));
    let others = ["typed/x", "named/i.x", "ruled/x", "if/x", "expr/x", "balancer/x", "lua.lua"];
    for place in places.into_iter().chain(others.map(|place| format!("/alice/{place}"))) {
        let response = client.get(&place);
        let text = response.text();
        assert!(PAGES.iter().all(|(_, mark)| !text.contains(mark)), "{place}: {response:?}");
        assert!(!text.contains("Load Balancer Manager"), "{place}: {response:?}");
    }
    server.wait_for_log(&["confine: refused GET /alice/server-info/x ", "is a page about the server"]);
}

matrix!(not_where_a_tenant_names_them for gates);

fn but_where_the_configuration_put_them(cell: Cell) {
    let server = with_pages(cell).start();
    for (page, mark) in PAGES {
        for place in ["exempt", "ruled"] {
            let text = server.client().get(&format!("/{place}/{page}")).expect_status(200).text();
            assert!(text.contains(mark), "{place}/{page}: {text}");
        }
    }
}

matrix!(but_where_the_configuration_put_them for gates);
