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

/// With mod_ldap's cache, a change counts late, and who was seen lately is served while the directory is
/// away: in the context of then.
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

/// The name that counts is the one that mod_authnz_ldap gave in the place of the one that was typed.
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
