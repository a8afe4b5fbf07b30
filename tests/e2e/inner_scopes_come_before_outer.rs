//! Rules of one scope keep their order. Inner scopes come before outer ones, and the outer ones are asked if the
//! inner ones do not match.

use confine_tests::{Cell, Request, matrix, tenants::*};

fn directories_locations_and_files(cell: Cell) {
    let server = leaky_app(cell)
        .modules(["setenvif"])
        .file("www/app/deeper/page.lua", WHO_AM_I)
        .file("www/app/page.lua", WHO_AM_I)
        .file("www/page.lua", WHO_AM_I)
        .file("www/special.lua", WHO_AM_I)
        .config(
            r#"
            SetEnvIf X-Tenant "(.+)" TENANT=$1
            ConfineEnv TENANT
            ConfineContext landlock:alice
            <Directory "@root@/www/app">
                ConfineContext landlock:bob
            </Directory>
            <Directory "@root@/www/app/deeper">
                ConfineEnv UNSET
            </Directory>
            <Files "special.lua">
                ConfineContext landlock:bob
            </Files>
            Alias /elsewhere "@root@/www/app"
            <Location "/elsewhere">
                ConfineContext landlock:alice
            </Location>
            "#,
        )
        .start();
    let context = |target: &str, tenant: &str| {
        let response =
            server.client().send(&Request::get(target).header("X-Tenant", tenant)).expect_status(200);
        response.header("x-context").unwrap_or("?").to_owned()
    };
    // The server's own, in their order.
    assert_eq!(context("/page.lua", ""), "landlock:alice");
    assert_eq!(context("/page.lua", "bob"), "landlock:bob");
    // A directory before the server, an inner one before an outer one, and on where it is silent.
    assert_eq!(context("/app/page.lua", "alice"), "landlock:bob");
    assert_eq!(context("/app/deeper/page.lua", "alice"), "landlock:bob");
    // A file before its directory, a location before both.
    assert_eq!(context("/special.lua", "alice"), "landlock:bob");
    assert_eq!(context("/elsewhere/page.lua", "bob"), "landlock:alice");
}

matrix!(directories_locations_and_files);

fn virtual_hosts(cell: Cell) {
    let host = |name: &str, rules: &str| {
        format!("<VirtualHost 127.0.0.1:@port@>\nServerName {name}\n{rules}\n</VirtualHost>\n")
    };
    let server = leaky_app(cell)
        .config("ConfineContext landlock:alice")
        .config(
            host("silent", "")
                + &host("own", "ConfineContext landlock:bob")
                + &host("unset", "ConfineEnv UNSET"),
        )
        .config(host("unmatched", "ConfineContext unconfined"))
        .start();
    let ask = |name: &str| {
        server.client().send(&Request::get("/app/leaky.lua").header("Host", name)).expect_status(200)
    };
    ask("silent").expect_context("landlock:alice");
    ask("own").expect_context("landlock:bob");
    ask("unset").expect_context("landlock:alice");
    ask("unmatched").expect_context("-");
    server.wait_for_log(&["confine: confined", " vhost=own ", "context=landlock:bob"]);
}

matrix!(virtual_hosts);

fn the_backend_of_bare_words(cell: Cell) {
    let server = leaky_app(cell)
        .file("bare.map", "127.0.0.1 alice\n127.0.0.2 landlock:bob\n")
        .config("ConfineMap bare.map")
        .location("/app/page.txt", "ConfineContext bob")
        .start();
    let from = |address: &str| server.client().from_address(address).get("/app/leaky.lua");
    from("127.0.0.1").expect_context("landlock:alice");
    from("127.0.0.2").expect_context("landlock:bob");
    server.client().get("/app/page.txt").expect_status(200);
    server.wait_for_log(&["confine: confined GET /app/page.txt ", "context=landlock:bob"]);
}

matrix!(the_backend_of_bare_words for gates);

const WHO_AM_I: &str = "function handle(r)
    r.headers_out['X-Context'] = r.subprocess_env['CONFINE_CONTEXT'] or '-'
    return apache2.OK
end
";
