//! HEAD, ranges and conditional requests come out of a worker as they come out of the stock server.

use confine_tests::{Cell, Request, Response, ServerBuilder, Wire, matrix, noise, tenants::*};

const SIZE: usize = 100_000;

fn with_a_file(builder: ServerBuilder) -> ServerBuilder {
    builder.file("data/alice/file.bin", noise(SIZE)).tls().config(DATA_URLS)
}

fn requests() -> Vec<Request> {
    let file = "/data/alice/file.bin";
    vec![
        Request::head(file),
        Request::head("/app/leaky.lua"),
        Request::get(file).range("0-99"),
        Request::get(file).range("99990-"),
        Request::get(file).range("-10"),
        Request::get(file).range("5000000-"),
        Request::get(file).header("If-Modified-Since", "Fri, 31 Dec 2100 23:59:59 GMT"),
        Request::get(file).header("If-None-Match", "*"),
    ]
}

fn as_the_stock_server_does(cell: Cell) {
    let stock = with_a_file(application(cell)).stock().start();
    let confined = with_a_file(leaky_app(cell)).config("ConfineContext landlock:alice").start();
    for &wire in Wire::all_of(cell.mpm) {
        for request in requests() {
            let (expected, got) =
                (stock.client_over(wire).send(&request), confined.client_over(wire).send(&request));
            assert_eq!(essence(&got), essence(&expected), "{wire:?} {request:?}");
        }
    }
    let exact =
        confined.client().send(&Request::get("/data/alice/file.bin").range("0-99")).expect_status(206);
    assert!(exact.body == noise(SIZE)[..100]);
    let parts =
        confined.client().send(&Request::get("/data/alice/file.bin").range("0-9,200-209")).expect_status(206);
    assert!(parts.header("content-type").is_some_and(|t| t.starts_with("multipart/byteranges")), "{parts:?}");
}

/// What has to be equal: everything but times and the context.
fn essence(response: &Response) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let differs = ["date", "last-modified", "etag", "x-context", "keep-alive", "server"];
    let mut headers = response.headers.clone();
    headers.retain(|(name, _)| !differs.contains(&name.as_str()));
    let body = if response.status >= 400 { Vec::new() } else { response.body.clone() };
    (response.status, headers, body)
}

matrix!(as_the_stock_server_does);
