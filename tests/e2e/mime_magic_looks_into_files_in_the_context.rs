//! mod_mime_magic reads a file to tell its type, and has gzip unpack one that is packed. Under a rule both happen in the
//! context.

use std::os::unix::fs::symlink;

use confine_tests::{Cell, Request, ServerBuilder, matrix, tenants::*};

const MAGIC: &str =
    "0\tstring\tGIF8\timage/gif\n0\tstring\tSCRIPT\ttext/x-script\n0\tstring\tbob\ttext/x-bob\n";

/// The module looks at no file that is shorter than its longest test.
const PICTURE: &str = "GIF89a and so on\nGIF89a and so on\nGIF89a and so on\nGIF89a and so on\nGIF89a and so on\n\
                       GIF89a and so on\nGIF89a and so on\nGIF89a and so on\n";

/// The same, packed by gzip.
const PACKED: [u8; 40] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 115, 247, 116, 179, 176, 76, 84, 72, 204, 75, 81, 40, 206, 87, 200, 207,
    227, 114, 31, 24, 1, 0, 176, 243, 97, 227, 136, 0, 0, 0,
];

fn site(cell: Cell) -> ServerBuilder {
    cell.server()
        .modules(["mime_magic", "actions"])
        .config("ConfineBackend landlock")
        .file("magic", MAGIC)
        .config("MIMEMagicFile \"@root@/magic\"")
        .file("www/app/picture", PICTURE)
        .file("www/app/packed", PACKED)
        // It lets nothing be executed.
        .ruleset("reader", "LandlockRead \"@root@/www\"")
        .location("/app", "ConfineContext landlock:reader")
        .alias("/free", "www/app")
}

fn kind(cell: Cell) {
    let server = site(cell).start();
    let client = server.client();
    // Without a rule everything is as ever.
    let free = client.get("/free/packed").expect_status(200);
    assert_eq!(free.header("content-type"), Some("image/gif"), "{free:?}");
    assert_eq!(free.header("content-encoding"), Some("x-gzip"), "{free:?}");
    let picture = client.get("/app/picture").expect_status(200);
    assert_eq!(picture.header("content-type"), Some("image/gif"), "{picture:?}");
    assert_eq!(picture.text(), PICTURE);
    server.wait_for_log(&["confine: confined GET /app/picture ", "context=landlock:reader"]);
    let packed = client.get("/app/packed").expect_status(200);
    assert_ne!(
        packed.header("content-type"),
        Some("image/gif"),
        "gzip ran outside of the context: {packed:?}"
    );
    assert_eq!(packed.body, PACKED);
}

matrix!(kind);

/// A file that the context may not read has no type that a tenant could ask for.
fn of_a_file_of_others(cell: Cell) {
    let builder = site(cell).modules(["headers"]);
    let builder = builder.file("data/bob/long", NOTE_OF_BOB.repeat(8));
    let (note, link) = (builder.path("data/bob/long"), builder.path("www/app/link"));
    let builder = builder.config("Header always set X-Type \"expr=%{CONTENT_TYPE}\"");
    symlink(&note, &link).unwrap_or_else(|e| panic!("{}: {e}", link.display()));
    let server = builder.start();
    let free = server.client().send(&Request::get("/free/link")).expect_status(200);
    assert_eq!(free.header("content-type"), Some("text/x-bob"), "{free:?}");
    let refused = server.client().get("/app/link");
    assert!(refused.status >= 400, "{refused:?}");
    assert!(!format!("{refused:?}").contains("x-bob"), "{refused:?}");
}

matrix!(of_a_file_of_others for gates);

/// A type that names a handler leads to it, as in any httpd.
fn a_type_is_a_handler(cell: Cell) {
    let server = site(cell)
        .file("www/app/script", "SCRIPT source\n".repeat(20))
        .file("www/app/page.txt", "a page\n")
        .config("Action text/x-script /app/page.txt\nAcceptPathInfo On")
        .start();
    for place in ["app", "free"] {
        let answer = server.client().get(&format!("/{place}/script")).expect_status(200);
        assert_eq!(answer.text(), "a page\n", "{place}");
    }
}

matrix!(a_type_is_a_handler for gates);
