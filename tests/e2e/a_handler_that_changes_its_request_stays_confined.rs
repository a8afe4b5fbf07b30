//! An application can name another handler, another file or another server for its request, and decline. The module
//! looks again at what runs then. Content of another process is refused, whoever asked for it and when.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    thread,
};

use confine_tests::{Cell, Server, ServerBuilder, hostile::*, matrix};

// It leaves its mark before it answers, so a client that has the answer can look for the mark.
const PROGRAM: &str =
    "#!/bin/sh\necho >> \"@root@/out/ran\"\necho 'Content-Type: text/plain'; echo; echo PROGRAM-RAN\n";

/// Each changes its request in one way and declines.
const CHANGES: &str = r#"
function cgi(r) r.handler = 'cgi-script' r.filename = '@root@/www/alice/program' return apache2.DECLINED end
function magic(r) r.handler = 'application/x-httpd-cgi' r.filename = '@root@/www/alice/program' return apache2.DECLINED end
function proxyreq(r)
    r.proxyreq = apache2.PROXYREQ_REVERSE
    r.filename = 'proxy:http://127.0.0.1:@backend@/x'
    return apache2.DECLINED
end
function proxied(r) r.handler = 'proxy:http://127.0.0.1:@backend@/x' return apache2.DECLINED end
"#;

const WAYS: [&str; 4] = ["cgi", "magic", "proxyreq", "proxied"];

/// A backend that answers everything; its port.
fn backend() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("a port for the backend: {e}"));
    let port = listener.local_addr().unwrap_or_else(|e| panic!("the backend's port: {e}")).port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            // A server that does not want the answer is for the test to notice.
            let _ = stream.read(&mut request);
            let _ =
                stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nBACKEND-ANSWERED\n");
        }
    });
    port
}

fn with_changes(cell: Cell, policy: &str) -> ServerBuilder {
    let port = backend();
    let changes = CHANGES.replace("@backend@", &port.to_string());
    let mut builder =
        two_tenants_with(cell, &format!("\nLandlockConnect {port}\nLandlockWrite \"@root@/run\""))
            // mod_lua's handlers come before those of modules that are loaded later.
            .modules(["cgid", "proxy", "proxy_http", "include"])
            .writable_folder("run")
            .writable_folder("out")
            .program("www/alice/program", PROGRAM)
            .file("www/alice/changes.lua", changes)
            .file(
                "www/alice/page.shtml",
                "<!--#include virtual=\"/alice/cgi\" --> <!--#include virtual=\"/alice/proxyreq\" -->",
            )
            .config(format!("ScriptSock \"@root@/run/cgid\"\n{policy}"))
            .directory("www", "Options +ExecCGI +Includes\nAddOutputFilter INCLUDES .shtml")
            .location("/alice", "ConfineContext landlock:alice");
    for way in WAYS {
        builder = builder
            .file(&format!("www/alice/{way}"), "a file")
            .config(format!("LuaMapHandler ^/alice/{way}$ @root@/www/alice/changes.lua {way}"))
            .config(format!("LuaMapHandler ^/open/{way}$ @root@/www/alice/changes.lua {way}"))
            .alias(&format!("/open/{way}"), &format!("www/alice/{way}"));
    }
    builder
}

fn ran(server: &Server) -> usize {
    fs::read_to_string(server.path("out/ran")).map_or(0, |text| text.lines().count())
}

fn is_refused_by_default(cell: Cell) {
    let server = with_changes(cell, "").start();
    server.wait_for_cgid("/open/cgi");
    let client = server.client();
    for way in WAYS {
        // The control: where no rule is, the way works.
        let open = client.get(&format!("/open/{way}")).expect_status(200).text();
        assert!(open.contains("PROGRAM-RAN") || open.contains("BACKEND-ANSWERED"), "{way}: {open}");
        let before = ran(&server);
        let closed = client.get(&format!("/alice/{way}")).expect_status(403).text();
        assert!(
            !closed.contains("RAN") && !closed.contains("ANSWERED") && ran(&server) == before,
            "{way}: {closed}"
        );
        server.wait_for_log(&[&format!("confine: refused GET /alice/{way} "), "in another process"]);
    }
    let page = client.get("/alice/page.shtml").expect_status(200).text();
    assert!(!page.contains("RAN") && !page.contains("ANSWERED"), "{page}");
}

matrix!(is_refused_by_default);

/// Where such content is allowed, nothing calls it confined: neither the count nor the log line.
fn is_not_called_confined_where_it_is_allowed(cell: Cell) {
    let server = with_changes(cell, "ConfineOutOfProcess allow")
        .modules(["status"])
        .location("/counts", "SetHandler confine-status\nConfineContext unconfined")
        .start();
    server.wait_for_cgid("/open/cgi");
    let client = server.client();
    for way in WAYS {
        let text = client.get(&format!("/alice/{way}")).expect_status(200).text();
        assert!(text.contains("PROGRAM-RAN") || text.contains("BACKEND-ANSWERED"), "{way}: {text}");
        server.wait_for_log(&[&format!("confine: out-of-process GET /alice/{way} "), "in no context"]);
        // The access log's last field is CONFINE_CONTEXT.
        let line = server.wait_for_access_log(&[&format!("/alice/{way} 200")]);
        assert!(line.ends_with(" -"), "{line}");
    }
    let counts = client.get("/counts").expect_status(200).text();
    assert!(counts.contains("confine_requests_total{outcome=\"OutOfProcess\"} 4"), "{counts}");
    assert!(counts.contains("confine_requests_total{outcome=\"Confined\"} 0"), "{counts}");
}

matrix!(is_not_called_confined_where_it_is_allowed);
