//! mod_authnz_ldap and `ConfineEnv`: the entry whose password proves the user names the context, in an
//! attribute that `AuthLDAPURL` asks for.

use confine_tests::{
    Cell, Server, ServerBuilder,
    accounts::{self, *},
    matrix,
    services::*,
    tenants::*,
};

fn server(cell: Cell, directory: &Directory, caching: &str) -> ServerBuilder {
    let builder = login(cell, directory, "").config(caching);
    builder.config("ConfineEnv AUTHENTICATE_CONFINECONTEXT")
}

/// Everybody proves themselves by their entry; no rule is set.
fn login(cell: Cell, directory: &Directory, more: &str) -> ServerBuilder {
    let url = format!("ldap://127.0.0.1:{}/dc=example,dc=org?uid,confineContext", directory.port());
    let (manager, password) = MANAGER;
    let login = format!(
        "AuthType Basic\nAuthName \"tests\"\nAuthBasicProvider ldap\nAuthLDAPURL \"{url}\"\n\
         AuthLDAPBindDN \"{manager}\"\nAuthLDAPBindPassword {password}\nRequire valid-user\n{more}"
    );
    leaky_app(cell).modules(["ldap", "authnz_ldap"]).config("LDAPConnectionTimeout 5").location("/", &login)
}

/// Alice's entry says from now on what bob's does.
const SWAP: &str = "dn: uid=alice,dc=example,dc=org\nchangetype: modify\nreplace: confineContext\n\
                    confineContext: landlock:bob\n";

/// Nothing is kept of what the directory said.
const NO_CACHE: &str = "LDAPCacheEntries 0\nLDAPOpCacheEntries 0";

fn nobody_is_served(server: &Server, user: &str) {
    expect_nothing(ask(server, user, "alice"), 500);
    server.wait_for_log(&["authnz_ldap:", user, "Can't contact LDAP server"]);
}

fn asked_for_each_request(cell: Cell) {
    let mut directory = Directory::start(&accounts::entries());
    let server = server(cell, &directory, NO_CACHE).config("LogLevel authnz_ldap:info").start();
    is_confined(&server, "alice");
    is_confined(&server, "bob");
    no_context_is_refused(&server);
    is_refused(&server, "two", 500, "a value is one word");
    who_is_not_proven_is_asked_again(&server);
    directory.stop();
    nobody_is_served(&server, "alice");
    nobody_is_served(&server, "bob");
    directory.start_again();
    is_confined(&server, "alice");
    directory.modify(SWAP);
    ask(&server, "alice", "alice").expect_denied_by_kernel().expect_context("landlock:bob");
}

matrix!(asked_for_each_request);

/// With mod_ldap's cache, a change is seen late. While the directory is away, a user who was seen lately is served,
/// in the context of that time.
fn with_a_cache(cell: Cell) {
    let mut directory = Directory::start(&accounts::entries());
    let server = server(cell, &directory, "LDAPCacheTTL 600").config("LogLevel authnz_ldap:info").start();
    is_confined(&server, "alice");
    directory.modify(SWAP);
    is_confined(&server, "alice");
    directory.stop();
    is_confined(&server, "alice");
    nobody_is_served(&server, "bob");
    server.restart_gracefully();
    expect_nothing(ask_until(&server, "alice", "alice", 500), 500);
    directory.start_again();
    is_confined(&server, "bob");
}

matrix!(with_a_cache for gates);

fn a_cache_ends(cell: Cell) {
    let mut directory = Directory::start(&accounts::entries());
    let server = server(cell, &directory, "LDAPCacheTTL 1").start();
    is_confined(&server, "alice");
    directory.stop();
    expect_nothing(ask_until(&server, "alice", "alice", 500), 500);
    directory.start_again();
    directory.modify(SWAP);
    ask(&server, "alice", "alice").expect_denied_by_kernel().expect_context("landlock:bob");
}

matrix!(a_cache_ends for gates);

/// If mod_authnz_ldap replaces the typed name by another one, that one counts.
fn by_another_name(cell: Cell) {
    let directory = Directory::start(&accounts::entries());
    for (more, alice, bob) in [
        ("AuthLDAPRemoteUserIsDN on", "uid=alice,dc=example,dc=org", "uid=bob,dc=example,dc=org"),
        ("AuthLDAPRemoteUserAttribute confineContext", "landlock:alice", "bob"),
    ] {
        let map =
            format!("alice landlock:bob\nuser:\"{alice}\" landlock:alice\nuser:\"{bob}\" landlock:bob\n");
        let server =
            login(cell, &directory, more).file("names.map", map).config("ConfineMap names.map").start();
        is_confined(&server, "alice");
        is_confined(&server, "bob");
        who_is_not_proven_is_asked_again(&server);
    }
}

matrix!(by_another_name for gates);

/// A file proves the user, and the directory says what the user may: AUTHORIZE_ instead of AUTHENTICATE_.
fn what_authorizes_chooses_too(cell: Cell) {
    let directory = Directory::start(&accounts::entries());
    let url = format!("ldap://127.0.0.1:{}/dc=example,dc=org?uid,confineContext", directory.port());
    let (manager, password) = MANAGER;
    let login = format!(
        "AuthType Basic\nAuthName \"tests\"\nAuthBasicProvider file\nAuthUserFile \"@root@/passwords\"\n\
         AuthLDAPURL \"{url}\"\nAuthLDAPBindDN \"{manager}\"\nAuthLDAPBindPassword {password}\n\
         <RequireAny>\nRequire @who@\nRequire user bob\n</RequireAny>\nErrorDocument 404 /open/leaky.lua"
    );
    for (who, of_bob) in [("ldap-user alice bob", 200), ("ldap-user alice", 403), ("few", 403)] {
        let server = leaky_app(cell)
            .modules(["ldap", "authnz_ldap"])
            .config("<AuthzProviderAlias ldap-user few \"alice\">\n</AuthzProviderAlias>")
            .location("/app", &login.replace("@who@", who))
            .config("ConfineEnv AUTHORIZE_CONFINECONTEXT")
            .location("/open", "ConfineEnv AUTHORIZE_CONFINECONTEXT\nRequire all granted")
            .start();
        let client = server.client();
        let answer = client.get_as("alice", &note_of(&server, "alice"));
        answer.expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
        // An entry that granted nothing says nothing.
        client.get_as("bob", &note_of(&server, "bob")).expect_status(of_bob);
        client.get_as("alice", "/app/nothing").expect_status(404).expect_context("-");
    }
}

matrix!(what_authorizes_chooses_too for gates);
