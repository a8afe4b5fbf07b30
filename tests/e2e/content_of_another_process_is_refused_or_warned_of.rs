//! Content that another process makes does not inherit the context. It is refused, and the log has the remedy, unless
//! the administrator allows it. It is never called confined.

use std::{
    io::{BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use confine_tests::{Cell, Request, ServerBuilder, matrix, need_lua, tenants::*};

const SCRIPT: &str =
    "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nprintf 'ran as %s' \"$CONFINE_CONTEXT\"\n";

fn with_cgid(cell: Cell) -> ServerBuilder {
    leaky_app_with(cell, &format!("{RUN_PROGRAMS}\nLandlockWrite \"@root@/run\""))
        .modules(["cgid", "include"])
        .writable_folder("run")
        .config(CGI_BIN)
        .config("ScriptSock \"@root@/run/cgid\"\nConfineContext landlock:alice")
        .directory("www", "Options +Includes\nAddOutputFilter INCLUDES .shtml")
        .program("cgi-bin/say.cgi", SCRIPT)
        .file(
            "www/page.shtml",
            "command=<!--#exec cmd=\"echo it ran\" --> script=<!--#exec cgi=\"/cgi-bin/say.cgi\" -->",
        )
}

fn a_script_under_mod_cgid(cell: Cell) {
    // An application that is a program would come from mod_cgid, too.
    need_lua();
    let server = with_cgid(cell).start();
    let client = server.client();
    let refused = client.get("/cgi-bin/say.cgi").expect_status(403);
    assert!(!refused.text().contains("ran as"), "{refused:?}");
    let line = server.wait_for_log(&["confine: refused GET /cgi-bin/say.cgi ", "context=landlock:alice: "]);
    assert!(
        line.contains("mod_cgid makes the content in another process") && line.contains("use mod_cgi"),
        "{line}"
    );
    client.get(&note_of(&server, "alice")).expect_content(NOTE_OF_ALICE);
}

matrix!(a_script_under_mod_cgid);

fn commands_of_a_page_under_mod_cgid(cell: Cell) {
    let server = with_cgid(cell).start();
    let text = server.client().get("/page.shtml").expect_status(200).text();
    assert!(!text.contains("it ran") && !text.contains("ran as"), "{text}");
    assert_eq!(text.matches("an error occurred").count(), 2, "{text}");
}

matrix!(commands_of_a_page_under_mod_cgid);

fn mod_cgid_allowed_or_warned_of(cell: Cell) {
    for (policy, warnings) in [("allow", 0), ("warn", 1)] {
        let server = with_cgid(cell).workers(1).config(format!("ConfineOutOfProcess {policy}")).start();
        server.wait_for_cgid("/cgi-bin/say.cgi");
        let client = server.client();
        for _ in 0..2 {
            client.get("/cgi-bin/say.cgi").expect_content("ran as ");
        }
        let text = client.get("/page.shtml").expect_status(200).text();
        assert!(text.contains("command=it ran") && text.contains("script=ran as"), "{policy}: {text}");
        assert_eq!(
            server.log_lines("confine: warned GET /cgi-bin/say.cgi").len(),
            warnings,
            "{policy}\n{}",
            server.log()
        );
    }
}

matrix!(mod_cgid_allowed_or_warned_of);

fn where_no_rule_applies_mod_cgid_is_untouched(cell: Cell) {
    let server = with_cgid(cell)
        .config("ScriptAlias /open-cgi \"@root@/cgi-bin\"")
        .location("/open-cgi", "ConfineContext unconfined")
        .start();
    server.wait_for_cgid("/open-cgi/say.cgi");
    server.client().get("/open-cgi/say.cgi").expect_content("ran as ");
}

matrix!(where_no_rule_applies_mod_cgid_is_untouched for gates);

/// A backend that speaks FastCGI, and returns the parameters that it is given; its port.
fn fastcgi_backend() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("a port for the backend: {e}"));
    let port = listener.local_addr().unwrap_or_else(|e| panic!("the backend's port: {e}")).port();
    thread::spawn(move || listener.incoming().flatten().for_each(answer_fastcgi));
    port
}

fn with_a_backend(cell: Cell, port: u16) -> ServerBuilder {
    let pass = format!("ProxyPass /fastcgi \"fcgi://127.0.0.1:{port}/\"");
    leaky_app_with(cell, &format!("LandlockConnect {port}"))
        .modules(["proxy", "proxy_fcgi", "status"])
        .workers(1)
        .config(format!("{pass}\nConfineContext landlock:alice"))
        .directory(
            "www",
            &format!("<Files \"*.fcgi\">\nSetHandler \"proxy:fcgi://127.0.0.1:{port}\"\n</Files>"),
        )
        .file("www/page.fcgi", "")
        .file("www/page.added", "")
        .config(format!("AddHandler \"proxy:fcgi://127.0.0.1:{port}\" .added"))
        .location("/counts", "SetHandler confine-status\nConfineContext unconfined")
        .host("localhost", "")
        .host("second", &pass)
}

/// The ways to the backend: by the URL, and by a handler that the file has, or its name.
const BACKENDS: [&str; 3] = ["/fastcgi/x", "/page.fcgi", "/page.added"];

fn a_backend_behind_the_proxy_is_refused(cell: Cell) {
    let server = with_a_backend(cell, fastcgi_backend()).start();
    for place in BACKENDS {
        let refused = server.client().get(place).expect_status(403);
        assert!(!refused.text().contains("GATEWAY_INTERFACE"), "{refused:?}");
        let line =
            server.wait_for_log(&[&format!("confine: refused GET {place} "), "context=landlock:alice: "]);
        assert!(
            line.contains("a backend behind mod_proxy makes the content in another process")
                && line.contains("ConfineOutOfProcess allow"),
            "{line}"
        );
        let run = server.confinectl("explain", &["--host", "localhost", "--uri", place, "--ip", "127.0.0.1"]);
        assert!(run.out.contains("refused GET") && run.out.contains("in another process"), "{run}");
    }
}

matrix!(a_backend_behind_the_proxy_is_refused);

fn a_backend_is_warned_of_once_for_each_host(cell: Cell) {
    let server = with_a_backend(cell, fastcgi_backend()).config("ConfineOutOfProcess warn").start();
    let client = server.client();
    for host in ["localhost", "second", "localhost", "second"] {
        let request = Request::get("/fastcgi/x").header("Host", host);
        let parameters = client.send(&request).expect_status(200).text();
        assert!(parameters.contains("GATEWAY_INTERFACE"), "the backend answers: {parameters}");
        // The backend is not confined, so it must not be told a context.
        assert!(!parameters.contains("CONFINE_CONTEXT"), "{parameters}");
    }
    for host in ["localhost", "second"] {
        let lines = server.log_lines("a backend behind mod_proxy makes the content in another process");
        let of_host: Vec<_> = lines.iter().filter(|line| line.contains(&format!("vhost={host} "))).collect();
        let warned = of_host.iter().filter(|line| line.contains("confine: warned GET /fastcgi/x ")).count();
        let told = of_host.iter().filter(|line| line.contains("confine: out-of-process GET ")).count();
        assert_eq!((warned, told), (1, 2), "{lines:#?}");
    }
    assert!(server.log_lines("confine: confined").is_empty(), "{:#?}", server.log_lines("confine: confined"));
    let counts = client.get("/counts").expect_status(200).text();
    assert!(counts.contains("confine_requests_total{outcome=\"OutOfProcess\"} 4"), "{counts}");
    assert!(counts.contains("confine_requests_total{outcome=\"Confined\"} 0"), "{counts}");
    client.get(&note_of(&server, "bob")).expect_denied_by_kernel();
}

matrix!(a_backend_is_warned_of_once_for_each_host);

fn explain_does_not_call_a_backend_confined(cell: Cell) {
    for (mode, event) in [("enforce", "out-of-process GET"), ("report", "would be out-of-process GET")] {
        let server = with_a_backend(cell, fastcgi_backend())
            .config(format!("ConfineOutOfProcess allow\nConfineMode {mode}"))
            .start();
        for place in BACKENDS {
            let run =
                server.confinectl("explain", &["--host", "localhost", "--uri", place, "--ip", "127.0.0.1"]);
            assert!(run.out.contains(event), "{run}");
            server.client().get(place).expect_status(200);
            server.wait_for_log(&[&format!("confine: {event} {place} ")]);
        }
    }
}

matrix!(explain_does_not_call_a_backend_confined for gates);

/// A daemon of mod_wsgi is another process. The request itself can decide whether a daemon serves it.
fn a_daemon_of_mod_wsgi_is_refused(cell: Cell) {
    let application = "import os\ndef application(environ, start_response):\n    \
                       start_response('200 OK', [('Content-Type', 'text/plain')])\n    \
                       return [b'ran in %d' % os.getpid()]\n";
    let with_wsgi = |daemon: &str| {
        leaky_app_with(cell, "LandlockRead /usr /etc /lib /proc/self /dev/urandom")
            .modules(["wsgi"])
            .workers(1)
            .file("www/app.wsgi", application)
            .config("WSGIScriptAlias /aliased \"@root@/www/app.wsgi\"")
            .config("AddHandler wsgi-script .wsgi\nConfineContext landlock:alice\nWSGIRestrictStdout Off")
            .directory("www", "Options +ExecCGI")
            .config(daemon)
    };
    let daemon =
        "WSGIDaemonProcess d processes=1 threads=1\nWSGIProcessGroup d\nWSGISocketPrefix \"@root@/run/wsgi\"";
    let server = with_wsgi(daemon).start();
    server.client().get("/app.wsgi").expect_status(403);
    server.wait_for_log(&["confine: refused GET /app.wsgi ", "WSGIDaemonProcess"]);
    server.client().get("/aliased").expect_status(403);
    for place in ["/app.wsgi", "/aliased"] {
        let run = server.confinectl("explain", &["--uri", place, "--ip", "127.0.0.1"]);
        assert!(run.out.contains("refused GET") && run.out.contains("WSGIDaemonProcess"), "{run}");
    }
    drop(server);
    let server = with_wsgi(&format!("{daemon}\nConfineOutOfProcess allow")).start();
    assert!(server.client().get("/app.wsgi").expect_status(200).text().starts_with("ran in "));
    server.wait_for_log(&["confine: out-of-process GET /app.wsgi "]);
}

matrix!(a_daemon_of_mod_wsgi_is_refused for gates);

const FCGI_END_REQUEST: u8 = 3;
const FCGI_PARAMS: u8 = 4;
const FCGI_STDIN: u8 = 5;
const FCGI_STDOUT: u8 = 6;

/// A responder (FastCGI specification, chapter 3) that returns the parameters it was given.
fn answer_fastcgi(stream: TcpStream) {
    let mut input = BufReader::new(stream);
    let mut answer = b"Content-Type: text/plain\r\n\r\n".to_vec();
    while let Ok((kind, content)) = read_record(&mut input) {
        match kind {
            FCGI_PARAMS => answer.extend(content.into_iter().filter(|b| (b' '..=b'~').contains(b))),
            FCGI_STDIN if content.is_empty() => break,
            _ => {}
        }
    }
    let mut output = record(FCGI_STDOUT, &answer);
    output.extend(record(FCGI_STDOUT, &[]));
    output.extend(record(FCGI_END_REQUEST, &[0; 8]));
    // A server that does not want the answer is for the test to notice.
    let _ = input.get_mut().write_all(&output);
}

fn read_record(input: &mut impl Read) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 8];
    input.read_exact(&mut head)?;
    let [_, kind, _, _, high, low, padding, _] = head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let mut content = vec![0; length + usize::from(padding)];
    input.read_exact(&mut content)?;
    content.truncate(length);
    Ok((kind, content))
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length =
        u16::try_from(content.len()).unwrap_or_else(|e| panic!("a record of {} bytes: {e}", content.len()));
    let [high, low] = length.to_be_bytes();
    let mut bytes = vec![1, kind, 0, 1, high, low, 0, 0];
    bytes.extend_from_slice(content);
    bytes
}
