//! mod_php keeps compiled scripts, database links and paths for later requests. A confined request gets nothing that
//! another context, or an unconfined request, left there, and it leaves nothing, whatever its application tries.
//! `ConfinePHPCache shared` says that contexts trust each other.

use std::path::Path;

use confine_tests::{Cell, Gate, Request, Response, Server, ServerBuilder, matrix, services::PostgreSql};

/// What only bob's context may read.
const CONFIG: &str = "<?php $secret = 'the secret of bob'; return 'loaded';";

/// Bob's page, which uses it.
const PAGE: &str = "<?php include '@root@/www/bob/config.php'; echo \"bob's page\";";

/// Tries all that it knows, after the pages in `after` were included by the server's means.
const PROBE: &str = r#"<?php
$of = '@root@/www/bob/config.php';
foreach (array_filter(explode(',', $_GET['after'] ?? '')) as $page) @virtual($page);
foreach (['opcache.enable', 'opcache.restrict_api', 'enable_dl', 'realpath_cache_size'] as $name) {
    @ini_set($name, $name == 'opcache.restrict_api' ? '' : '1');
    @ini_restore($name);
}
$bytes = @file_get_contents($of);
$compiled = @opcache_compile_file($of);
$included = @include $of;
$status = @opcache_get_status(true);
$cached = @opcache_is_script_cached($of);
$changed = @opcache_invalidate($of, true) || @opcache_reset();
echo 'read=', json_encode($bytes !== false), ' secret=', $secret ?? '-', ' scripts=', count($status['scripts'] ?? []),
    ' cached=', json_encode($cached), ' changed=', json_encode($changed), ' enabled=', ini_get('opcache.enable'), ' dl=', ini_get('enable_dl');
"#;

/// What the probe says that got nothing.
const NOTHING: &str = "read=false secret=- scripts=0 cached=false changed=false enabled=0 dl=0";

/// A server with one child, so that all requests meet the same memory; OPcache takes new files at once.
fn tenants(cell: Cell, more: &str) -> ServerBuilder {
    let tenant = |name: &str| format!("DocumentRoot \"@root@/www/{name}\"\nConfineContext landlock:{name}");
    cell.server()
        .modules(["lua", "php", "rewrite", "include"])
        .workers(1)
        .file("php/php.ini", "enable_dl=1\nopcache.enable=1\nopcache.file_update_protection=0\n")
        .file("www/bob/config.php", CONFIG)
        .file("www/bob/index.php", PAGE)
        .file("www/alice/probe.php", PROBE)
        .file("www/alice/plain.txt", "plain")
        .config(
            "PHPINIDir \"@root@/php\"\nAddHandler application/x-httpd-php .php\n\
             <Directory \"@root@/www/alice\">\nAllowOverride All\nOptions +Includes\nAddOutputFilter INCLUDES .shtml\n\
             </Directory>",
        )
        .ruleset("alice", "LandlockRead \"@root@/www/alice\" \"@root@/www/shared\"")
        .ruleset("bob", "LandlockRead \"@root@/www/bob\"")
        .folder("www/shared")
        .host("alice", &tenant("alice"))
        .host("bob", &tenant("bob"))
        .host("exempt", "DocumentRoot \"@root@/www/alice\"\nConfineContext unconfined")
        .host("exempt-bob", "DocumentRoot \"@root@/www/bob\"\nConfineContext unconfined")
        .host("stock", "DocumentRoot \"@root@/www/alice\"")
        .config(more)
}

#[track_caller]
fn ask(server: &Server, host: &str, target: &str) -> Response {
    server.client().send(&Request::get(target).header("Host", host))
}

#[track_caller]
fn says(server: &Server, host: &str, target: &str, text: &str) {
    let response = ask(server, host, target).expect_status(200);
    assert_eq!(response.text(), text, "{host} {target}");
}

/// Fills OPcache with bob's files, by a request that has it.
fn warm(server: &Server) {
    for _ in 0..3 {
        says(server, "exempt-bob", "/index.php", "bob's page");
        says(server, "bob", "/index.php", "bob's page");
    }
}

fn compiled_scripts(cell: Cell) {
    let server = tenants(cell, "").start();
    warm(&server);
    for _ in 0..4 {
        says(&server, "alice", "/probe.php", NOTHING);
    }
    // The same where nothing is confined: it is all there to be had.
    let open = ask(&server, "stock", "/probe.php").text();
    assert!(open.starts_with("read=true secret=the secret of bob scripts="), "{open}");
    assert!(open.contains(" cached=true changed=true ") && open.contains(" enabled=1 "), "{open}");
    let notice = server.wait_for_log(&["confine: PHP in confined requests"]);
    assert!(notice.contains("OPcache") && notice.contains("ConfinePHPCache shared"), "{notice}");
}

matrix!(compiled_scripts for prefork);

/// A confined request also left nothing behind.
fn nothing_is_left_in_it(cell: Cell) {
    let server = tenants(cell, "").start();
    says(&server, "bob", "/index.php", "bob's page");
    let open = ask(&server, "stock", "/probe.php?count").text();
    assert!(open.contains(" cached=true "), "its own include is there now: {open}");
    // The script itself and what it included.
    assert!(open.contains(" scripts=2 "), "{open}");
}

matrix!(nothing_is_left_in_it for prefork);

fn whatever_htaccess_says(cell: Cell) {
    let settings = "php_flag opcache.enable on\nphp_value opcache.restrict_api none\nphp_flag enable_dl on\n\
                    php_value realpath_cache_size 4M\n";
    let server = tenants(cell, "").file("www/alice/.htaccess", settings).start();
    warm(&server);
    says(&server, "alice", "/probe.php", NOTHING);
    says(&server, "alice", "/probe.php?after=/plain.txt,/none.php", &format!("plain{NOTHING}"));
}

matrix!(whatever_htaccess_says for prefork);

fn whatever_the_servers_own_settings_say(cell: Cell) {
    let settings = "<Directory \"@root@/www/alice\">\nphp_admin_flag opcache.enable on\n\
                    php_admin_value opcache.restrict_api none\nphp_admin_flag enable_dl on\n</Directory>";
    let server = tenants(cell, settings).start();
    warm(&server);
    says(&server, "alice", "/probe.php", NOTHING);
}

matrix!(whatever_the_servers_own_settings_say for prefork);

/// mod_php puts settings back to php.ini's when its handler is done with a subrequest that it does not serve.
fn after_subrequests(cell: Cell) {
    let server = tenants(cell, "").file("www/alice/inner.php", "<?php virtual('/plain.txt');").start();
    warm(&server);
    for (pages, printed) in [
        ("/plain.txt", "plain"),
        ("/none.php", ""),
        ("/inner.php", "plain"),
        ("/inner.php,/plain.txt,/none.php", "plainplain"),
    ] {
        let target = format!("/probe.php?after={pages}");
        says(&server, "alice", &target, &format!("{printed}{NOTHING}"));
    }
}

matrix!(after_subrequests for prefork);

/// However a request reaches PHP.
fn by_every_way(cell: Cell) {
    let server = tenants(
        cell,
        "<Directory \"@root@/www/alice\">\nErrorDocument 404 /probe.php\nRewriteEngine on\n\
         RewriteRule ^rewritten$ /probe.php [L]\nRewriteRule ^mapped$ %{DOCUMENT_ROOT}/probe.php [H=application/x-httpd-php]\n\
         </Directory>\n<Files turned.lua>\nSetHandler lua-script\n</Files>",
    )
    .file("www/alice/page.shtml", "<!--#include virtual=\"/probe.php\" -->")
    .file(
        "www/alice/turned.lua",
        "function handle(r)\nr.handler = 'application/x-httpd-php'\nr.filename = '@root@/www/alice/probe.php'\n\
         return apache2.DECLINED\nend",
    )
    .start();
    warm(&server);
    for target in ["/page.shtml", "/rewritten", "/turned.lua"] {
        says(&server, "alice", target, NOTHING);
    }
    let document = ask(&server, "alice", "/missing").expect_status(404);
    assert_eq!(document.text(), NOTHING);
}

matrix!(by_every_way for prefork);

/// Names of files.
fn the_cache_of_paths(cell: Cell) {
    let list = "<?php virtual('/plain.txt'); echo json_encode(array_keys(realpath_cache_get()));";
    let server = tenants(cell, "").file("www/alice/list.php", list).start();
    says(&server, "bob", "/index.php", "bob's page");
    says(&server, "alice", "/list.php", "plain[]");
    says(&server, "alice", "/list.php", "plain[]");
    ask(&server, "stock", "/list.php");
    let used = ask(&server, "stock", "/list.php").text();
    assert!(used.contains("list.php"), "without a context it is in use: {used}");
}

matrix!(the_cache_of_paths for prefork);

/// Files that OPcache writes are neither read nor written by confined requests.
fn the_cache_in_files(cell: Cell) {
    let ini = "opcache.enable=1\nopcache.file_update_protection=0\nopcache.file_cache=@root@/cache\n";
    let server = tenants(cell, "")
        .writable_folder("cache")
        .ruleset("everything", "LandlockRead \"@root@\"\nLandlockWrite \"@root@/cache\"")
        .file("php/php.ini", ini)
        .host("writer", "DocumentRoot \"@root@/www/bob\"\nConfineContext landlock:everything")
        .start();
    let files = || count(&server.path("cache"));
    says(&server, "writer", "/index.php", "bob's page");
    assert_eq!(files(), 0, "a confined request wrote to the cache");
    says(&server, "exempt-bob", "/index.php", "bob's page");
    assert!(files() > 0, "the cache is in use");
}

matrix!(the_cache_in_files for prefork);

/// How many files are in a folder and below it.
fn count(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let entries = entries.map(|entry| entry.unwrap_or_else(|e| panic!("{}: {e}", folder.display())).path());
    entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
}

fn shared_in_plain_words(cell: Cell) {
    let server = tenants(cell, "ConfinePHPCache shared").start();
    warm(&server);
    let probe = ask(&server, "alice", "/probe.php").text();
    assert!(probe.starts_with("read=false secret=the secret of bob "), "{probe}");
}

matrix!(shared_in_plain_words for prefork);

/// Who is led to a place that shares does not share with it.
fn a_redirect_does_not_lead_to_it(cell: Cell) {
    let server = tenants(
        cell,
        "<Directory \"@root@/www/alice\">\nRewriteEngine on\nRewriteRule ^led$ /shared/probe.php [L]\n\
         </Directory>\n<Location /shared>\nConfinePHPCache shared\n</Location>",
    )
    .file("www/shared/probe.php", PROBE)
    .config("Alias /shared \"@root@/www/shared\"")
    .start();
    warm(&server);
    says(&server, "alice", "/led", NOTHING);
    let probe = ask(&server, "alice", "/shared/probe.php").text();
    assert!(probe.contains(" secret=the secret of bob "), "{probe}");
}

matrix!(a_redirect_does_not_lead_to_it for prefork);

/// One interpreter serves a page and what it includes: a script in a context must leave nothing in one that is not.
fn a_page_outside_includes_no_script_of_a_context(cell: Cell) {
    let server = tenants(cell, "")
        .file("www/alice/outer.php", "<?php virtual('/inner/script.php'); virtual('/inner/plain.txt'); echo ' outer';")
        .file(
            "www/alice/inner/script.php",
            "<?php register_shutdown_function(function () { echo @file_get_contents('@root@/www/bob/config.php'); });",
        )
        .file("www/alice/inner/plain.txt", "plain")
        .config("<Location /inner>\nConfineContext landlock:alice\n</Location>")
        .start();
    let response = ask(&server, "exempt", "/outer.php").expect_status(200);
    assert!(!response.text().contains("secret"), "{response:?}");
    assert!(response.text().ends_with("plain outer"), "{response:?}");
    server.wait_for_log(&["confine: refused GET /inner/script.php ", "one interpreter serves both"]);
    // In the context it may.
    let response = ask(&server, "alice", "/outer.php").expect_status(200);
    assert_eq!(response.text(), "plain outer");
}

matrix!(a_page_outside_includes_no_script_of_a_context for prefork);

/// Opens a persistent link, after what is named was included, and says which session of the server it is.
const LINK: &str = r#"<?php
foreach (array_filter(explode(',', $_GET['after'] ?? '')) as $page) @virtual($page);
@ini_set('pgsql.allow_persistent', '1');
$link = pg_pconnect($_GET['to']);
echo pg_fetch_result(pg_query($link, 'SELECT pg_backend_pid()'), 0, 0);
"#;

fn persistent_links(cell: Cell) {
    let database = PostgreSql::start("");
    let port = database.port();
    let ruleset = format!("LandlockConnect {port}");
    let server = tenants(cell, "")
        .file("www/alice/link.php", LINK)
        .ruleset("client", &format!("LandlockRead \"@root@/www/alice\" /etc\n{ruleset}"))
        .host("client", "DocumentRoot \"@root@/www/alice\"\nConfineContext landlock:client")
        .start();
    let to = database.connection().replace(' ', "%20").replace('=', "%3D");
    let link = |host: &str, after: &str| {
        ask(&server, host, &format!("/link.php?after={after}&to={to}")).expect_status(200).text()
    };
    let kept = link("exempt", "");
    assert_eq!(link("exempt", ""), kept, "an exempt request keeps its link");
    let others: Vec<_> =
        ["", "", "/plain.txt", "/none.php"].map(|after| link("client", after).replace("plain", "")).into();
    for (i, other) in others.iter().enumerate() {
        assert!(other.parse::<u32>().is_ok(), "no session: {other}");
        assert_ne!(*other, kept, "a confined request got the link of another");
        assert!(!others[..i].contains(other), "a confined request left a link: {others:?}");
    }
    assert_eq!(link("exempt", ""), kept);
}

matrix!(persistent_links for prefork);

fn the_word_file_is_refused(cell: Cell) {
    let cell = Cell { gate: Gate::Process, ..cell };
    tenants(cell, "ConfinePHPCache file").refused().says(&["ConfinePHPCache", "native code"]);
    tenants(cell, "ConfinePHPCache perhaps").refused().says(&["ConfinePHPCache", "off or shared"]);
}

matrix!(the_word_file_is_refused for prefork);

/// What no setting closes is named where there is more than one context.
fn the_rest_is_named(cell: Cell) {
    let named = "note: mod_php is loaded, and more than one context may use it: ";
    let several = tenants(cell, "").confinectl("check", &[]);
    let line = several.out.lines().find(|line| line.starts_with(named));
    let line = line.unwrap_or_else(|| panic!("no such note:\n{several}"));
    for part in ["pfsockopen", "PDO", "APCu", "System V", "disable_functions"] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    let shared = tenants(cell, "ConfinePHPCache shared").confinectl("check", &[]);
    let trusting =
        ": note: ConfinePHPCache shared: PHP shows each context what the others left in its caches and links";
    assert!(shared.out.contains(trusting), "{shared}");
    let one = cell
        .server()
        .modules(["php"])
        .ruleset("alice", "LandlockRead /srv")
        .config("ConfineContext landlock:alice\n<Location /x>\nConfineContext unconfined\n</Location>");
    let run = one.confinectl("check", &[]);
    assert!(!run.out.contains("mod_php"), "{run}");
}

matrix!(the_rest_is_named once on prefork);
