//! A handler fails in the middle of a body. The client learns that nothing more comes: on HTTP/2 immediately, and on
//! HTTP/1.1, as with stock httpd, because the end of the response is missing.

use std::thread;

use confine_tests::{Cell, Gate, Request, Response, Server, ServerBuilder, Wire, matrix, tenants::*};

/// Half of a response, and AP_FILTER_ERROR, as a handler gives where the rest could not be sent.
const BREAKS: &str = "function handle(r)
    r:puts('the first half')
    r:flush()
    return -102
end
";

const TASKS: usize = 4;
const REQUESTS_EACH: usize = 25;

fn breaking(server: ServerBuilder) -> ServerBuilder {
    server
        .file("www/app/breaks.lua", BREAKS)
        .file("www/free/breaks.lua", BREAKS)
        .file("www/app/odd.lua", BREAKS.replace("-102", "20014"))
        .workers(8)
        .modules(["http2"])
}

fn with_rules(cell: Cell) -> ServerBuilder {
    breaking(leaky_app(cell).location("/app", "ConfineContext landlock:alice"))
        .location("/free", "ConfineContext unconfined")
}

/// If the client had to wait, libcurl would stop waiting after a minute, with another error.
fn ends_at_once(server: &Server, wire: Wire, path: &str) {
    thread::scope(|scope| {
        for _ in 0..TASKS {
            scope.spawn(|| {
                let client = server.client_over(wire);
                for number in 0..REQUESTS_EACH {
                    match client.try_send(&Request::get(path)) {
                        // The stream is reset, or the whole connection ends, which a client takes for a part.
                        Err(error) if error.is_http2_stream_error() || error.is_partial_file() => {}
                        other => panic!("request {number} over {wire:?} for {path}: {other:?}"),
                    }
                    client.get("/app/page.txt").expect_status(200);
                }
            });
        }
    });
}

fn on_streams_of_http2(cell: Cell) {
    let server = with_rules(cell).tls().start();
    for wire in [Wire::H2c, Wire::H2] {
        ends_at_once(&server, wire, "/app/breaks.lua");
        // Any other answer that is none of HTTP's is an error that the server tells of, and the stream ends.
        let odd = server.client_over(wire).get("/app/odd.lua").text();
        assert!(odd.starts_with("the first half") && odd.contains("Internal Server Error"), "{odd}");
        // Under the handler gate stock httpd itself serves what is exempt.
        if cell.gate == Gate::Process {
            ends_at_once(&server, wire, "/free/breaks.lua");
        }
    }
}

matrix!(on_streams_of_http2 for threaded);

/// All that comes on a connection with this request, without what differs from time to time.
fn bytes(server: &Server, path: &str) -> String {
    let mut connection = server.connect();
    connection.send_get(path, "Connection: close\r\n");
    let all = String::from_utf8_lossy(&connection.rest()).into_owned();
    all.lines().filter(|line| !line.starts_with("Date: ")).map(|line| format!("{line}\n")).collect()
}

fn on_http_1_as_without_the_module(cell: Cell) {
    let stock = breaking(application(cell)).stock().start();
    let server = with_rules(cell).start();
    let expected = bytes(&stock, "/app/breaks.lua");
    assert!(expected.contains("\nthe first half\n") && !expected.contains("\n0\n"), "{expected}");
    for path in ["/app/breaks.lua", "/free/breaks.lua"] {
        assert_eq!(bytes(&server, path), expected, "{path}");
    }
    let _: Response = server.client().get("/app/page.txt").expect_status(200);
}

matrix!(on_http_1_as_without_the_module);
