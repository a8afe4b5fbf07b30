//! What the module adds to the work of httpd for a request: how often a password is checked, how many files are
//! opened, and how many threads are made. Without a rule it adds nothing. Under a rule, no password is checked again.
//! (`--nocapture` shows the table.)

use std::fmt;

use confine_tests::{Cell, Request, Server, ServerBuilder, matrix, tenants::*};

const SITE: &str = r#"
DavLockDB "@root@/locks/db"
<Directory "@root@/www">
    Options +Includes
    AddOutputFilter INCLUDES .shtml
    DirectoryIndex index.shtml
    FallbackResource /index.shtml
    AuthType Basic
    AuthName "tests"
    AuthBasicProvider file
    AuthUserFile "@root@/passwords"
    Require valid-user
</Directory>
<Location "/by-location">
    AuthType Basic
    AuthName "tests"
    AuthBasicProvider file
    AuthUserFile "@root@/passwords"
    Require valid-user
</Location>
<Directory "@root@/www/dav">
    Dav on
    FallbackResource disabled
</Directory>
"#;

const RULE: &str = r#"
ConfineBackend landlock
<ConfineLandlock site>
    LandlockRead "@root@/www" "@root@/locks" /usr /lib /etc/ld.so.cache
    LandlockWrite "@root@/www/dav" "@root@/locks"
</ConfineLandlock>
ConfineContext site
"#;

fn site(cell: Cell) -> ServerBuilder {
    let including = |folder: &str| -> String {
        (0..10).map(|i| format!("<!--#include virtual=\"{folder}/part{i}.txt\" -->")).collect()
    };
    let builder = cell
        .server()
        .traced()
        .modules(["auth_basic", "authn_file", "authz_user", "dir", "include", "dav", "dav_fs"])
        .file("passwords", format!("alice:{}\n", password_hash("alice")))
        .file("www/index.shtml", "front")
        .file("www/folder/index.shtml", "index")
        .file("www/page.shtml", including("/parts"))
        .file("www/by-location/page.shtml", including("/by-location"))
        .writable_folder("www/dav")
        .writable_folder("www/dav/sub")
        .writable_folder("locks")
        .config(SITE);
    let names = |folder: &str| (0..10).map(|i| format!("www/{folder}/part{i}.txt")).collect::<Vec<_>>();
    let files = [names("parts"), names("by-location")].concat();
    let builder = files.iter().fold(builder, |builder, name| builder.file(name, "part "));
    (0..100).fold(builder, |builder, i| builder.file(&format!("www/dav/sub/{i}.txt"), "x"))
}

fn requests(port: u16) -> Vec<(&'static str, Request)> {
    let dav = |method: &str, target: &str| Request::upload(method, target, Vec::new()).user("alice");
    let to = format!("http://127.0.0.1:{port}/dav/sub/moved.txt");
    vec![
        ("a file", Request::get("/parts/part0.txt").user("alice")),
        ("a page of ten includes", Request::get("/page.shtml").user("alice")),
        ("the same, login by <Location>", Request::get("/by-location/page.shtml").user("alice")),
        ("an index", Request::get("/folder/").user("alice")),
        ("a front controller", Request::get("/no/such").user("alice")),
        ("PUT", Request::upload("PUT", "/dav/file.txt", b"x".to_vec()).user("alice")),
        ("MOVE", dav("MOVE", "/dav/file.txt").header("Destination", &to)),
        ("PROPFIND of 100 files", dav("PROPFIND", "/dav/sub/").header("Depth", "1")),
        ("a wrong password", Request::get("/page.shtml").password("alice", "wrong")),
    ]
}

/// What one request came to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Cost {
    status: u16,
    parts: usize,
    passwords: usize,
    files: usize,
    threads: usize,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{} {:>3} {:>4} {:>3}", self.status, self.passwords, self.files, self.threads);
        f.pad(&text)
    }
}

fn costs(server: &Server) -> Vec<(&'static str, Cost)> {
    let root = server.path("").display().to_string();
    let client = server.client();
    // What a child does for its first request alone.
    client.get_as("alice", "/page.shtml").expect_status(200);
    let mut seen = server.trace().len();
    let mut cost = |(name, request): (&'static str, Request)| {
        let response = client.send(&request);
        let trace = server.trace();
        let count = |what: &str, more: &str| {
            trace[seen..].iter().filter(|line| line.contains(what) && line.contains(more)).count()
        };
        let cost = Cost {
            status: response.status,
            parts: response.text().matches("part ").count(),
            passwords: count("open", "/passwords\""),
            files: count("open", &root),
            threads: count("clone", "CLONE_THREAD"),
        };
        seen = trace.len();
        (name, cost)
    };
    requests(server.port()).into_iter().map(&mut cost).collect()
}

fn a_table_of_them(cell: Cell) {
    let stock = costs(&site(cell).stock().start());
    let loaded = costs(&site(cell).start());
    let confined = costs(&site(cell).config(RULE).start());
    println!("{cell}: status, passwords checked, files opened, threads made");
    println!("{:32}{:18}{:18}{:18}", "", "stock", "without a rule", "under a rule");
    for (((name, stock), (_, loaded)), (_, confined)) in stock.iter().zip(&loaded).zip(&confined) {
        println!("{name:32}{stock:<18}{loaded:<18}{confined:<18}");
    }
    assert_eq!(stock.iter().map(|(_, cost)| cost.passwords).collect::<Vec<_>>(), [1; 9], "stock httpd");
    for (((name, stock), (_, loaded)), (_, confined)) in stock.iter().zip(&loaded).zip(&confined) {
        assert!(stock == loaded, "{name}: stock {stock}, without a rule {loaded}");
        let what = |cost: &Cost| (cost.status, cost.parts, cost.passwords);
        assert_eq!(what(stock), what(confined), "{name}: under a rule");
    }
}

matrix!(a_table_of_them);
