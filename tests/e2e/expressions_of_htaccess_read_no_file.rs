//! An expression in `.htaccess` reads no file with the server's privileges, whatever module takes it.

use confine_tests::{Cell, ServerBuilder, matrix, tenants::*};

/// Each tries to get at the content of a file that is another tenant's, or at its size.
const TRIES: [&str; 8] = [
    "Header always set X-Note \"expr=%{file:@file@}\"",
    "Header always set X-Note \"expr=%{base64:%{file:@file@}}\"",
    "Header always set X-Note \"expr=%{FILESIZE:@file@}\"",
    "SetEnvIfExpr \"file('@file@') =~ /(.+)/\" NOTE=$1\nHeader always set X-Note %{NOTE}e",
    "RewriteEngine On\nRewriteCond expr \"file('@file@') =~ /(.+)/\"\nRewriteRule ^ - [E=NOTE:%1]\n\
     Header always set X-Note %{NOTE}e",
    "<If \"file('@file@') =~ /./\">\nHeader always set X-Note seen\n</If>",
    "Require expr \"file('@file@') =~ /./\"",
    "ErrorDocument 404 \"%{file:@file@}\"",
];

fn site(cell: Cell) -> ServerBuilder {
    leaky_app(cell).modules(["headers", "rewrite", "setenvif"]).config(
        "<Directory \"@root@/www/tenant\">\nAllowOverride All\nOptions +FollowSymLinks\n\
         ConfineContext landlock:alice\n</Directory>",
    )
}

fn of_another_tenant(cell: Cell) {
    let mut builder = site(cell);
    let secret = builder.path("data/bob/note").display().to_string();
    for (number, lines) in TRIES.iter().enumerate() {
        let lines = lines.replace("@file@", &secret);
        builder = builder
            .file(&format!("www/tenant/{number}/.htaccess"), format!("{lines}\n"))
            .file(&format!("www/tenant/{number}/page.txt"), "a tenant's page\n");
    }
    let server = builder.start();
    for (number, tried) in TRIES.iter().enumerate() {
        for page in ["page.txt", "nothing"] {
            let path = format!("/tenant/{number}/{page}");
            let answer = server.client().get(&path);
            assert_eq!(answer.status, 500, "{tried}: {answer:?}");
            assert_eq!(answer.header("x-note"), None, "{tried}: {answer:?}");
            assert!(!answer.text().contains(NOTE_OF_BOB.trim()), "{tried}: {answer:?}");
        }
        let file = format!("/tenant/{number}/.htaccess");
        server.wait_for_log(&[&file, "mod_confine: an expression in .htaccess may not read files"]);
    }
}

matrix!(of_another_tenant);

/// An expression of the configuration itself reads what it reads in any httpd.
fn the_configuration_may(cell: Cell) {
    let server = site(cell)
        .file("www/tenant/page.txt", "a tenant's page\n")
        .file("www/banner.txt", "a banner")
        .config("Header always set X-Banner \"expr=%{file:@root@/www/banner.txt}\"")
        .start();
    let answer = server.client().get("/tenant/page.txt").expect_status(200);
    assert_eq!(answer.header("x-banner"), Some("a banner"), "{answer:?}");
}

matrix!(the_configuration_may for gates);
