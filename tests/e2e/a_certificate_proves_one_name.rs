//! A client certificate proves the name in the configured variable, if mod_ssl verified the certificate. It proves
//! nothing else.

use confine_tests::{Cell, Request, Response, Server, ServerBuilder, Wire, matrix, need_lua, tenants::*};

const HOST: &str = r#"
SSLCACertificateFile "@root@/authority.pem"
SSLVerifyClient optional_no_ca
<ConfineLandlock guest>
    LandlockRead "@root@/www"
</ConfineLandlock>
ConfineMap "@root@/guests.map"
<Location "/name">
    SSLUserName SSL_CLIENT_S_DN_CN
</Location>
<Location "/mail">
    SSLUserName SSL_CLIENT_S_DN_Email
</Location>
<Location "/header">
    SSLUserName HTTP_USER_AGENT
</Location>
<Location "/fake">
    SSLOptions +FakeBasicAuth
    AuthType Basic
    AuthName "certificates"
    AuthBasicProvider file
    AuthUserFile "@root@/subjects"
    Require valid-user
</Location>
<Location "/let-in">
    SSLUserName SSL_CLIENT_S_DN_CN
    Require valid-user
</Location>
<Directory "@root@/www/index">
    SSLUserName SSL_CLIENT_S_DN_CN
    DirectoryIndex /app/leaky.lua
</Directory>
"#;

const GUESTS: &str = "alice landlock:alice\nuser:alice@example.org landlock:alice\nuser:/CN=alice/emailAddress=alice@example.org \
                      landlock:alice\nbob landlock:bob\n__anonymous__ landlock:guest\n";

fn with_certificates(cell: Cell) -> ServerBuilder {
    with_certificates_as(cell, HOST)
}

fn with_certificates_as(cell: Cell, host: &str) -> ServerBuilder {
    let places = ["/name", "/mail", "/header", "/fake", "/let-in"];
    let builder = leaky_app(cell)
        .modules(["dir"])
        .tls()
        .client_certificates()
        .folder("www/index")
        .file("guests.map", GUESTS)
        // The password of every subject, which everybody knows: `password`.
        .file("subjects", "/CN=alice/emailAddress=alice@example.org:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n");
    places.into_iter().fold(builder, |builder, place| builder.alias(place, "www/app")).config(host)
}

fn ask(server: &Server, wire: Wire, certificate: Option<&str>, place: &str) -> Response {
    let client = server.client_over(wire);
    let client = match certificate {
        Some(name) => client.with_certificate(server.path(&format!("{name}.pem"))),
        None => client,
    };
    let target = leaky_at(&format!("{place}/leaky.lua"), "read", note_path(server, "alice"));
    client.send(&Request::get(target).header("User-Agent", "bob"))
}

fn the_configured_variable(cell: Cell) {
    let server = with_certificates(cell).start();
    for wire in Wire::all_of(cell.mpm).iter().copied().filter(|wire| wire.is_tls()) {
        for place in ["/name", "/mail", "/fake"] {
            ask(&server, wire, Some("verified"), place)
                .expect_content(NOTE_OF_ALICE)
                .expect_context("landlock:alice");
        }
        // A self-signed certificate has the same name. httpd accepts it, because the configuration allows that.
        for place in ["/name", "/mail", "/fake"] {
            let response = ask(&server, wire, Some("unverified"), place);
            response.expect_denied_by_kernel().expect_context("landlock:guest");
        }
        for (certificate, place) in
            [(Some("verified"), "/app"), (Some("verified"), "/header"), (None, "/name"), (None, "/header")]
        {
            let response = ask(&server, wire, certificate, place);
            response.expect_denied_by_kernel().expect_context("landlock:guest");
        }
        ask(&server, wire, None, "/fake").expect_status(401);
    }
}

matrix!(the_configured_variable);

/// Up to TLS 1.2, mod_ssl treats every certificate of a resumed session as verified.
fn a_session_that_is_resumed(cell: Cell) {
    let server = with_certificates(cell).tls_sessions().start();
    let target = leaky_at("/name/leaky.lua", "read", note_path(&server, "alice"));
    let with =
        |name: &str| server.client_over(Wire::Tls).with_certificate(server.path(&format!("{name}.pem")));
    let client = with("unverified").resuming_tls12();
    for _ in 0..3 {
        client.get(&target).expect_denied_by_kernel().expect_context("landlock:guest");
    }
    let resumed = server.wait_for_access_log(&["/name/leaky.lua", "tls=Resumed,SUCCESS"]);
    assert!(resumed.contains("landlock:guest"), "{resumed}");
    let client = with("verified").resuming_tls12();
    client.get(&target).expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    // Nothing more is known about these.
    client.get(&target).expect_denied_by_kernel().expect_context("landlock:guest");
}

matrix!(a_session_that_is_resumed for gates);

/// If no unverified certificates are accepted, a resumed session proves what it proved when it began.
fn a_verified_session_that_is_resumed(cell: Cell) {
    let host = HOST.replace("optional_no_ca", "optional");
    let server = with_certificates_as(cell, &host).tls_sessions().start();
    let target = leaky_at("/name/leaky.lua", "read", note_path(&server, "alice"));
    let client = server.client_over(Wire::Tls).with_certificate(server.path("verified.pem")).resuming_tls12();
    for _ in 0..3 {
        client.get(&target).expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    }
    server.wait_for_access_log(&["/name/leaky.lua", "tls=Resumed,SUCCESS"]);
}

matrix!(a_verified_session_that_is_resumed for gates);

/// `Require valid-user` accepts any name that exists, and no `AuthType` asks for one.
fn a_name_that_nobody_asked_for(cell: Cell) {
    let server = with_certificates(cell).start();
    let verified = ask(&server, Wire::Tls, Some("verified"), "/let-in");
    verified.expect_content(NOTE_OF_ALICE).expect_context("landlock:alice");
    let unverified = ask(&server, Wire::Tls, Some("unverified"), "/let-in");
    assert!(!unverified.text().contains(NOTE_OF_ALICE.trim()), "{unverified:?}");
}

matrix!(a_name_that_nobody_asked_for for gates);

/// The index leads to a place where no variable is configured.
fn no_further_than_where_it_is_configured(cell: Cell) {
    let server = with_certificates(cell).start();
    let client = server.client_over(Wire::Tls).with_certificate(server.path("verified.pem"));
    let target = format!("/index/?read={}", note_path(&server, "alice"));
    client.get(&target).expect_denied_by_kernel().expect_context("landlock:guest");
}

matrix!(no_further_than_where_it_is_configured for gates);

fn a_name_that_a_hook_changed(cell: Cell) {
    need_lua();
    let server = with_certificates(cell)
        .file("hook.lua", "function hook(r) r.user = 'bob' return apache2.DECLINED end\n")
        .location("/name", "LuaHookFixups @root@/hook.lua hook")
        .start();
    let response = ask(&server, Wire::Tls, Some("verified"), "/name");
    response.expect_denied_by_kernel().expect_context("landlock:guest");
}

matrix!(a_name_that_a_hook_changed for gates);

fn the_directive_is_still_mod_ssls(cell: Cell) {
    // Without mod_ssl it is none, and in any place it may stand where mod_ssl allows it.
    let refusal = leaky_app(cell).config("SSLUserName SSL_CLIENT_S_DN_CN").refused();
    refusal
        .points_at("SSLUserName SSL_CLIENT_S_DN_CN")
        .says(&["Invalid command 'SSLUserName', perhaps misspelled"]);
}

matrix!(the_directive_is_still_mod_ssls once);
