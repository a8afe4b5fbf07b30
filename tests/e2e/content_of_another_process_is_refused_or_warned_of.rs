//! A program that another process starts does not inherit the context. mod_cgid's daemon is refused
//! with the remedy in the log, a FastCGI backend behind the proxy is warned of once; both as the
//! administrator says otherwise.

use std::{
    io::{BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use confine_tests::{Cell, ServerBuilder, matrix, tenants::*};

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
        let client = server.client();
        for _ in 0..2 {
            client.get("/cgi-bin/say.cgi").expect_content("ran as landlock:alice");
        }
        let text = client.get("/page.shtml").expect_status(200).text();
        assert!(text.contains("command=it ran") && text.contains("script=ran as"), "{policy}: {text}");
        assert_eq!(
            server.log_lines("mod_cgid makes the content").len(),
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
    server.client().get("/open-cgi/say.cgi").expect_content("ran as ");
}

matrix!(where_no_rule_applies_mod_cgid_is_untouched for gates);

fn a_fastcgi_backend_is_warned_of_once(cell: Cell) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|e| panic!("a port for the backend: {e}"));
    let port = listener.local_addr().unwrap_or_else(|e| panic!("the backend's port: {e}")).port();
    thread::spawn(move || listener.incoming().flatten().for_each(answer_fastcgi));
    let server = leaky_app_with(cell, &format!("LandlockConnect {port}"))
        .modules(["proxy", "proxy_fcgi"])
        .workers(1)
        .config(format!("ProxyPass /fastcgi \"fcgi://127.0.0.1:{port}/\"\nConfineContext landlock:alice"))
        .start();
    let client = server.client();
    for _ in 0..3 {
        let parameters = client.get("/fastcgi/x").expect_status(200).text();
        assert!(
            parameters.contains("CONFINE_CONTEXTlandlock:alice"),
            "the backend knows the context: {parameters}"
        );
    }
    let lines = server.log_lines("a backend behind mod_proxy makes the content in another process");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].contains("confine: warned GET /fastcgi/x ")
            && lines[0].contains("ConfineOutOfProcess allow"),
        "{lines:#?}"
    );
    client.get(&note_of(&server, "bob")).expect_denied_by_kernel();
}

matrix!(a_fastcgi_backend_is_warned_of_once);

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
