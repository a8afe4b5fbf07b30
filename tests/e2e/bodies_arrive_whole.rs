//! The worker carries every body unharmed, in both directions, over every protocol: sized, chunked
//! and 64 MiB large, compared byte for byte.

use confine_tests::{Cell, Request, ServerBuilder, Wire, matrix, noise, tenants::*};

const LARGE: usize = 64 << 20;

fn confined_folder(cell: Cell) -> ServerBuilder {
    dav_folder(cell.server().tls()).config(
        r#"
        ConfineContext landlock:uploads
        <ConfineLandlock uploads>
            LandlockRead "@root@/www" "@root@/locks"
            LandlockWrite "@root@/www/dav" "@root@/locks"
        </ConfineLandlock>
        "#,
    )
}

fn up_and_down_over(cell: Cell, wire: Wire) {
    let body = noise(LARGE);
    let server = confined_folder(cell).start();
    let client = server.client_over(wire);
    let put = Request::upload("PUT", "/dav/large.bin", body.clone());
    client.send(&put.clone()).expect_status(201);
    let stored = std::fs::read(server.path("www/dav/large.bin")).unwrap_or_default();
    assert!(stored == body, "{wire:?}, sized upload: {} bytes of {LARGE}, or others", stored.len());
    client.send(&put.chunked()).expect_status(204);
    let back = client.get("/dav/large.bin").expect_status(200);
    assert!(back.body == body, "{wire:?}: {} bytes of {LARGE}, or others", back.body.len());
    assert_eq!(server.log_lines("context=landlock:uploads").len(), 3);
}

fn large_over_http11(cell: Cell) {
    up_and_down_over(cell, Wire::Http11);
}

matrix!(large_over_http11);

fn large_over_tls(cell: Cell) {
    up_and_down_over(cell, Wire::Tls);
}

matrix!(large_over_tls);

fn large_over_http2(cell: Cell) {
    up_and_down_over(cell, Wire::H2);
}

matrix!(large_over_http2 for threaded);

/// The handler sends while it receives: mod_reflector returns every piece of the body as it comes.
fn at_the_same_time(cell: Cell) {
    let body = noise(LARGE);
    let server = leaky_app(cell)
        .modules(["reflector"])
        .config("ConfineContext landlock:alice")
        .location("/echo", "SetHandler reflector")
        .start();
    let post = Request::upload("POST", "/echo", body.clone());
    for request in [post.clone(), post.chunked()] {
        let echo = server.client().send(&request).expect_status(200);
        assert!(echo.body == body, "{} bytes of {LARGE}, or others", echo.body.len());
    }
}

matrix!(at_the_same_time);

/// A script that writes 8 MiB without announcing their length.
fn a_chunked_response(cell: Cell) {
    let body = noise(8 << 20);
    let server =
        leaky_app(cell).file("data/alice/large", &body).config("ConfineContext landlock:alice").start();
    let response = server.client().get(&leaky("read", server.path("data/alice/large").display().to_string()));
    assert_eq!(response.header("transfer-encoding"), Some("chunked"));
    assert!(response.body == body, "{} bytes of {}, or others", response.body.len(), body.len());
}

matrix!(a_chunked_response);

fn small_bodies_of_every_size_around_the_buffers(cell: Cell) {
    let server = confined_folder(cell).config("LimitRequestBody 0").start();
    for &wire in Wire::all_of(cell.mpm) {
        let client = server.client_over(wire);
        for size in [0, 1, 8191, 8192, 8193, 65_536, 65_537] {
            let body = noise(size);
            let status = client.send(&Request::upload("PUT", "/dav/small.bin", body.clone())).status;
            assert!(matches!(status, 201 | 204), "{wire:?}, {size} bytes: {status}");
            assert!(client.get("/dav/small.bin").expect_status(200).body == body, "{wire:?}, {size} bytes");
        }
    }
}

matrix!(small_bodies_of_every_size_around_the_buffers);
