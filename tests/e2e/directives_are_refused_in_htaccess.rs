//! A tenant must not choose its own context. So none of the directives works in .htaccess, even where everything else
//! does.

use confine_tests::{Cell, ServerBuilder, matrix, tenants::*};

const DIRECTIVES: [&str; 24] = [
    "ConfineContext unconfined",
    "ConfineMap \"@root@/tenants.map\"",
    "ConfineEnv TENANT",
    "ConfineExpr \"unconfined\"",
    "ConfineUnmatched allow",
    "ConfineMode report",
    "ConfineOutOfProcess allow",
    "ConfineAllowCache on",
    "ConfineGate handler",
    "ConfineTrustScripts mod_lua",
    "ConfineCoreDumps on",
    "ConfineStatusRows 10",
    "ConfineBackend landlock",
    "ConfineServerContext landlock:alice",
    "<ConfineLandlock mine>\n</ConfineLandlock>",
    "LandlockRead /",
    "LandlockWrite /",
    "LandlockExecute /",
    "LandlockConnect any",
    "LandlockBind any",
    "LandlockScope none",
    "LandlockABI 1",
    "<IfModule confine_module>\nConfineContext unconfined\n</IfModule>",
    "<Files \"*\">\nConfineContext unconfined\n</Files>",
];

fn every_directive(cell: Cell) {
    let server = DIRECTIVES
        .iter()
        .enumerate()
        .fold(with_tenants(cell), |builder, (number, directive)| {
            builder
                .file(&format!("www/tenant/{number}/.htaccess"), directive)
                .file(&format!("www/tenant/{number}/page.txt"), "content")
        })
        .start();
    for (number, directive) in DIRECTIVES.iter().enumerate() {
        server.client().get(&format!("/tenant/{number}/page.txt")).expect_status(500);
        let mut words = directive.split([' ', '\n', '<', '>']);
        let name = words.rfind(|word| word.starts_with("Confine") || word.starts_with("Landlock"));
        server.wait_for_log(&[
            &format!("/tenant/{number}/.htaccess: "),
            name.unwrap_or(directive),
            " not allowed ",
        ]);
    }
    // Other directives do work there.
    server.client().get("/tenant/fine/page.txt").expect_content("content");
}

fn with_tenants(cell: Cell) -> ServerBuilder {
    leaky_app(cell)
        .directory("www/tenant", "AllowOverride All\nConfineContext landlock:alice")
        .file("www/tenant/fine/.htaccess", "Options +Indexes\n")
        .file("www/tenant/fine/page.txt", "content")
}

matrix!(every_directive for gates);
