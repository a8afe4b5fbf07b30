//! Some modules let any script leave code that they run outside of the worker. Rules together with such a module are
//! an error at the start, unless the configuration says that the scripts are trusted.

use confine_tests::{Cell, Gate, Mpm, ServerBuilder, matrix, need_lua, tenants::*};

/// Reading the configuration does not depend on the MPM or the gate.
const ANY: Cell = Cell { mpm: Mpm::Event, gate: Gate::Process };

fn with(module: &str) -> ServerBuilder {
    leaky_app(ANY).modules([module])
}

#[test]
fn mod_perl() {
    with("perl").config("ConfineContext alice").refused().says(&[
        "mod_perl is loaded, and rules stand in this configuration",
        "PerlCleanupHandler",
        "ConfineTrustScripts mod_perl",
    ]);
}

#[test]
fn mod_wsgi_with_embedded_interpreters() {
    with("wsgi").config("ConfineContext alice").refused().says(&[
        "mod_wsgi is loaded",
        "atexit",
        "WSGIRestrictEmbedded On",
    ]);
    with("wsgi").config("ConfineContext alice\nWSGIRestrictEmbedded On").start();
    with("wsgi").config("ConfineContext alice\nConfineTrustScripts mod_wsgi.c").start();
}

/// It reads what a tenant can make a link, before the move.
#[test]
fn mod_cern_meta() {
    with("cern_meta").config("ConfineContext alice").refused().says(&[
        "mod_cern_meta is loaded, and rules stand in this configuration",
        "another tenant's",
        "mod_headers",
    ]);
    application(ANY).modules(["cern_meta"]).start();
}

fn an_unknown_module(_: Cell) {
    let line = "ConfineTrustScripts mod_php";
    let refusal = with("lua").config(line).refused();
    refusal.points_at(line);
    refusal.says(&["\"mod_php\" is not known here", "mod_perl"]);
    let inside = "ConfineTrustScripts mod_lua";
    with("lua").host("guarded", inside).refused().says(&["stands inside <VirtualHost>"]);
}

matrix!(an_unknown_module once);

fn without_rules_nobody_minds(cell: Cell) {
    let server = application(cell).modules(["perl"]).start();
    server.client().get("/app/page.txt").expect_content("a page for everybody\n");
}

matrix!(without_rules_nobody_minds for gates);

/// Trusted scripts run as mod_perl has them, and every start says so.
fn trusted_in_plain_words(cell: Cell) {
    let builder = leaky_app(cell)
        .modules(["perl"])
        .file(
            "www/app/page.pl",
            "print \"Content-Type: text/plain\\n\\n\", $ENV{CONFINE_CONTEXT}, ' ', \
             open(my $f, '<', '@root@/data/bob/note') ? 'read' : 'refused';",
        )
        .config("ConfineTrustScripts mod_perl\nAddHandler perl-script .pl")
        .location("/app", "ConfineContext alice\nPerlResponseHandler ModPerl::PerlRun\nOptions +ExecCGI");
    let said = builder.confinectl("check", &[]).expect_status(0).out;
    assert!(
        said.contains("note: ConfineTrustScripts mod_perl: ") && said.contains("PerlLogHandler"),
        "{said}"
    );
    let server = builder.start();
    server.wait_for_log(&["confine: ConfineTrustScripts mod_perl: ", "trusted as the server itself"]);
}

matrix!(trusted_in_plain_words for gates);

/// What `.htaccess` files may say is looked at, as the server would let them.
fn places_where_htaccess_may_name_code(_: Cell) {
    // The code would be Lua's.
    need_lua();
    let check = |lines: &str| {
        let builder = leaky_app(ANY).directory("www/app", lines).location("/app", "ConfineContext alice");
        builder.confinectl("check", &[]).expect_status(0).out
    };
    for open in ["AllowOverride Indexes", "AllowOverride All", "AllowOverrideList LuaHookLog"] {
        let said = check(open);
        assert!(
            said.contains("lets .htaccess files name code") && said.contains("/www/app"),
            "{open}: {said}"
        );
    }
    for shut in ["AllowOverride None", "AllowOverrideList Redirect", "Options None"] {
        let said = check(shut);
        assert!(!said.contains("name code"), "{shut}: {said}");
    }
    let early = leaky_app(ANY).directory("www/app", "AllowOverride All").config("ConfineEarly alice");
    assert!(!early.confinectl("check", &[]).out.contains("name code"));
}

matrix!(places_where_htaccess_may_name_code once);
