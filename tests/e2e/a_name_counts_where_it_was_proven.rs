//! A name is proven for one place. If the server carries it to a place that needs no password, or to another realm,
//! the request there is as anonymous as one that went there directly.

use confine_tests::{
    Cell, Request, Response, Server, ServerBuilder,
    accounts::{self, connection},
    matrix,
    services::Sqlite,
    tenants::*,
};

/// Alice has a password file of her own with a user bob in it, and leads her visitors to the site's application.
const SITE: &str = r#"
<ConfineLandlock guest>
    LandlockRead "@root@/www"
</ConfineLandlock>
<Directory "@root@/www/alice">
    AuthType Basic
    AuthName "alice"
    AuthBasicProvider file
    AuthUserFile "@root@/alices-passwords"
    Require valid-user
    Options +MultiViews +Includes
    DirectoryIndex /app/leaky.lua
    RewriteEngine on
    RewriteRule "^rewritten$" "/app/leaky.lua" [L]
    ErrorDocument 404 "/app/leaky.lua?read=@root@/data/bob/note"
    ConfineContext landlock:alice
</Directory>
<Location "/alice/front">
    FallbackResource /app/leaky.lua
</Location>
<Directory "@root@/www/app">
    ConfineMap "@root@/site.map"
</Directory>
<Location "/app/members">
    AuthType Basic
    AuthName "site"
    AuthBasicProvider file
    AuthUserFile "@root@/passwords"
    Require valid-user
</Location>
"#;

fn site(cell: Cell, map: &str) -> ServerBuilder {
    leaky_app(cell)
        .modules(["dir", "rewrite", "negotiation", "include"])
        .folder("www/alice/front")
        .folder("www/app/members")
        .file("www/alice/page.txt", "alice's page\n")
        // Somebody else's password: `bob-pw` is the one that the site knows of.
        .file("alices-passwords", "bob:{SHA}g2YDYHBhl9R/ddqtGep+ipAO4aU=\n")
        .file("site.map", map)
        .alias("/app/members", "www/app")
        .config(SITE)
}

fn as_alices_bob(server: &Server, target: &str) -> Response {
    server.client().send(&Request::get(target).password("bob", "alice-pw"))
}

fn is_not_bob(response: &Response) {
    assert_ne!(response.header("x-context"), Some("landlock:bob"), "{response:?}");
    assert!(!response.text().contains(NOTE_OF_BOB.trim()), "{response:?}");
}

fn every_way_there(cell: Cell) {
    let server = site(cell, "bob landlock:bob\n__anonymous__ landlock:guest\n").start();
    let of_bob = format!("read={}", note_path(&server, "bob"));
    // Her own bob gets her page. The site knows the real bob.
    as_alices_bob(&server, "/alice/page.txt").expect_content("alice's page\n");
    let members = leaky_at("/app/members/leaky.lua", "read", note_path(&server, "bob"));
    server.client().get_as("bob", &members).expect_content(NOTE_OF_BOB).expect_context("landlock:bob");
    as_alices_bob(&server, &members).expect_status(401);
    for way in ["/alice/", "/alice/front/any", "/alice/rewritten"] {
        let response = as_alices_bob(&server, &format!("{way}?{of_bob}"));
        is_not_bob(&response);
        response.expect_denied_by_kernel().expect_context("landlock:guest");
    }
    is_not_bob(as_alices_bob(&server, "/alice/missing").expect_status(404).expect_context("landlock:guest"));
    // An expression and a ruleset's path see the same as a map.
    server.wait_for_log(&["confine: confined GET /app/leaky.lua user=- ", "context=landlock:guest"]);
}

matrix!(every_way_there);

fn into_another_realm(cell: Cell) {
    let server = site(cell, "bob landlock:bob\n__anonymous__ landlock:guest\n")
        .location("/alice/front", "FallbackResource /app/members/leaky.lua")
        .start();
    let of_bob = format!("/alice/front/any?read={}", note_path(&server, "bob"));
    is_not_bob(&as_alices_bob(&server, &of_bob));
    // If both realms know the password, the other realm decides.
    server.client().get_as("bob", "/alice/front/any").expect_status(401);
}

matrix!(into_another_realm for gates);

const BY_EXPRESSION: &str = r#"
<ConfineLandlock own>
    LandlockRead "@root@/www" "@root@/data/%{REMOTE_USER}"
</ConfineLandlock>
<Directory "@root@/www/app">
    ConfineExpr "%{REMOTE_USER}"
    ConfineContext landlock:own
</Directory>
"#;

fn in_an_expression_and_in_a_path(cell: Cell) {
    let server = site(cell, "nobody landlock:bob\n").config(BY_EXPRESSION).start();
    let of_bob = format!("read={}", note_path(&server, "bob"));
    for way in ["/alice/", "/alice/front/any", "/alice/rewritten"] {
        is_not_bob(&as_alices_bob(&server, &format!("{way}?{of_bob}")).expect_status(403));
    }
    let members = leaky_at("/app/members/leaky.lua", "read", note_path(&server, "bob"));
    server.client().get_as("bob", &members).expect_content(NOTE_OF_BOB).expect_context("landlock:bob");
}

matrix!(in_an_expression_and_in_a_path for gates);

/// A row of one realm's database chooses nothing in a place that another realm guards, or that nobody guards.
const ROWS: &str = r#"
<Directory "@root@/www/alice">
    AuthType Basic
    AuthName "alice"
    AuthBasicProvider dbd
    AuthDBDUserPWQuery "SELECT password, context FROM account WHERE name = %s"
    Require valid-user
    DirectoryIndex /app/leaky.lua
    ErrorDocument 404 "/app/leaky.lua?read=@root@/data/bob/note"
    ConfineContext landlock:alice
</Directory>
<ConfineLandlock guest>
    LandlockRead "@root@/www"
</ConfineLandlock>
<Directory "@root@/www/app">
    @rule@
    ConfineContext landlock:guest
</Directory>
"#;

fn the_row_of_another_realm(cell: Cell) {
    let rules = [
        "ConfineEnv AUTHENTICATE_CONTEXT",
        "ConfineEnv authenticate_context",
        "ConfineEnv REDIRECT_AUTHENTICATE_CONTEXT",
        "ConfineExpr %{ENV:AUTHENTICATE_CONTEXT}",
        "ConfineExpr \"%{reqenv:AUTHENTICATE_CONTEXT}%{reqenv:REDIRECT_AUTHENTICATE_CONTEXT}\"",
    ];
    for rule in rules {
        let database = Sqlite::new(&accounts::table());
        let server = leaky_app(cell)
            .modules(["dir", "dbd", "authn_dbd"])
            .folder("www/alice")
            .config(connection("sqlite3", &database.file().display().to_string()))
            .config(ROWS.replace("@rule@", rule))
            .start();
        let of_bob = format!("/alice/?read={}", note_path(&server, "bob"));
        let direct =
            server.client().get("/app/leaky.lua").expect_status(200).header("x-context").map(str::to_owned);
        assert_eq!(direct.as_deref(), Some("landlock:guest"), "{rule}");
        for target in [of_bob.as_str(), "/alice/missing"] {
            let response = server.client().get_as("bob", target);
            is_not_bob(response.expect_context("landlock:guest"));
        }
    }
}

matrix!(the_row_of_another_realm for gates);

/// A server with the hook `name`, which says that it is bob whatever was proven.
fn with_a_hook(cell: Cell) -> ServerBuilder {
    leaky_app(cell)
        .modules(["lua"])
        .file("www/hook.lua", "function name(r) r.user = 'bob' return apache2.DECLINED end\n")
        .file("site.map", "bob landlock:bob\nalice landlock:alice\n__anonymous__ landlock:guest\n")
}

/// The application sees the name that the hook set. But its context is that of a request without a proven user.
fn is_a_guest_called_bob(response: &Response) {
    response.expect_denied_by_kernel().expect_context("landlock:guest");
    assert_eq!(response.header("x-user"), Some("bob"), "{response:?}");
}

/// The hook sets a name and lets others decide. Without an `AuthType`, the server accepts any name.
const NO_QUESTION: &str = r#"
<Location "/app">
    LuaHookCheckUserID @root@/www/hook.lua name
    Require valid-user
    ConfineMap "@root@/site.map"
</Location>
<ConfineLandlock guest>
    LandlockRead "@root@/www"
</ConfineLandlock>
"#;

fn a_name_that_nobody_was_asked_for(cell: Cell) {
    let server = with_a_hook(cell).config(NO_QUESTION).start();
    is_a_guest_called_bob(&server.client().get(&note_of(&server, "bob")));
}

matrix!(a_name_that_nobody_was_asked_for for gates);

/// Hooks after the one that proved alice.
const RENAMES: &str = r#"
<Location "/app">
    LuaHookAuthChecker @root@/www/hook.lua name early
    LuaHookFixups @root@/www/hook.lua name
    ConfineMap "@root@/site.map"
</Location>
<ConfineLandlock guest>
    LandlockRead "@root@/www"
</ConfineLandlock>
"#;

fn a_name_that_hooks_put_in_its_place(cell: Cell) {
    let server = with_a_hook(cell).config(LOGIN).config(RENAMES).start();
    is_a_guest_called_bob(&server.client().get_as("alice", &note_of(&server, "bob")));
}

matrix!(a_name_that_hooks_put_in_its_place for gates);
