//! No name, path or value of a request looks like a field of a log line, like its end, or like another line. This
//! holds in httpd's own log format and in the administrator's, and for every kind of line.

use confine_tests::{Cell, Request, Server, ServerBuilder, accounts, matrix, services::*, tenants::*};

/// Who asks, as the form of a name that tries to be a field.
const USERS: [&str; 5] = [
    "eve\" addr=6.6.6.6 vhost=evil rule=/none context=\"landlock",
    "EXAMPLE\\alice",
    "back\\",
    "-",
    "al ice user=root\\\"",
];

/// What is asked for below each place.
const PATHS: [&str; 5] = [
    "/x%22%20user=root%20addr=6.6.6.6/",
    "/x%5c%22%20user=root/",
    "/x%0a[confine:info]%20confine:%20confined%20GET%20/%20user=root%20addr=6.6.6.6",
    "/x%1b[1m%c2%85%e2%80%ae%ff",
    "/100%25",
];

/// A value that some rules take for a context.
const VALUE: &str = "a\" user=root addr=6.6.6.6 vhost=evil rule=/none:1 context=landlock:root\\";

/// Every kind of line about a request, by the place that makes it; and whether it ends with a reason.
const KINDS: [(&str, &str, bool); 9] = [
    ("/confined", "confined", false),
    ("/chain", "confined", false),
    ("/exempt", "exempt", false),
    ("/value", "refused", true),
    ("/unmatched", "refused", true),
    ("/report", "would confine", false),
    ("/would-refuse", "would refuse", true),
    ("/warned", "warned", true),
    ("/let-through", "unmatched", false),
];

const HOST: &str = "main.example.test";

/// Whoever knows the password is proven under any name.
fn passwords() -> Sqlite {
    let hash = password_hash("alice");
    Sqlite::new(&format!("CREATE TABLE account (password text);\nINSERT INTO account VALUES ('{hash}');"))
}

fn server(cell: Cell, passwords: &Sqlite) -> ServerBuilder {
    application(cell)
        .config(accounts::connection("sqlite3", &passwords.file().display().to_string()))
        .modules(["dbd", "authn_dbd", "setenvif", "proxy", "proxy_http"])
        .file("odd name\" user=root.map", "nobody landlock:a\n")
        .ruleset("a", "LandlockRead \"@root@/www\"")
        .ruleset("b", "LandlockRead \"@root@/www\"")
        .config("ConfineBackend landlock")
        .config("SetEnvIf X-Context \"(.*)\" TENANT=$1")
        .location(
            "/",
            "AuthType Basic\nAuthName all\nAuthBasicProvider dbd\n\
             AuthDBDUserPWQuery \"SELECT password FROM account WHERE %s <> ''\"\nRequire valid-user",
        )
        .location("/confined", "ConfineContext landlock:a")
        .location("/chain", "ConfineContext landlock:a landlock:b")
        .location("/exempt", "ConfineContext unconfined")
        .location("/value", "ConfineEnv TENANT")
        .location("/unmatched", "ConfineMap \"@root@/odd name\\\" user=root.map\"")
        .location("/report", "ConfineMode report\nConfineContext landlock:a")
        .location("/would-refuse", "ConfineMode report\nConfineEnv TENANT")
        .location(
            "/warned",
            "SetHandler \"proxy:http://127.0.0.1:1\"\nConfineOutOfProcess warn\nConfineContext landlock:a",
        )
        .location("/let-through", "ConfineUnmatched allow\nConfineMap \"@root@/odd name\\\" user=root.map\"")
        .config(format!("ServerName {HOST}"))
}

/// Splits the text after `confine: EVENT `, as a reader from the left does.
#[track_caller]
fn read<'l>(line: &'l str, event: &str) -> ([&'l str; 7], Option<&'l str>) {
    let (_, said) =
        line.split_once("confine: ").unwrap_or_else(|| panic!("no line of this module's: {line}"));
    let said = said.strip_prefix(event).unwrap_or_else(|| panic!("not {event}: {line}"));
    // httpd adds the header of this name, which a client may write as it likes.
    let said = said.split(", referer: ").next().unwrap_or_default();
    let mut words = said.trim_start().splitn(6, ' ');
    let mut next = |name: &str| {
        let word = words.next().and_then(|word| word.strip_prefix(name));
        word.unwrap_or_else(|| panic!("{name} is missing or out of its place: {line}"))
    };
    let fields = [next(""), next(""), next("user="), next("addr="), next("vhost="), ""];
    let rest = next("rule=");
    let (rule, rest) = rest.split_once(" context=").unwrap_or_else(|| panic!("no context: {line}"));
    let (context, reason) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').unwrap_or_else(|| panic!("an open quote: {line}")),
        None => rest.find(": ").map_or((rest, ""), |at| rest.split_at(at)),
    };
    let [method, path, user, addr, vhost, _] = fields;
    ([method, path, user, addr, vhost, rule, context], reason.strip_prefix(": "))
}

#[track_caller]
fn every_line_holds(server: &Server) {
    for (place, event, has_reason) in KINDS {
        for user in USERS {
            let paths = if has_reason { &PATHS[..1] } else { &PATHS[..] };
            for path in paths {
                let told = format!("confine: {event} GET {place}/");
                let before = server.log_lines(&told).len();
                let request = Request::get(format!("{place}{path}")).password(user, "alice-pw");
                let request =
                    request.header("X-Context", VALUE).header("Referer", "x\" user=root addr=6.6.6.6");
                server.client().send(&request);
                let lines = server.log_lines(&told);
                // What is warned of is told once in each child.
                let Some(line) = lines.get(before).or_else(|| lines.last().filter(|_| event == "warned"))
                else {
                    panic!("no {event} line for {place}{path}:\n{}", server.log());
                };
                let (fields, reason) = read(line, event);
                let [method, path, user, addr, vhost, rule, context] = fields;
                assert_eq!((method, addr, vhost), ("GET", "127.0.0.1", HOST), "{line}");
                for field in [path, user, rule] {
                    assert!(!field.contains(['"', ' ']), "{line}");
                }
                assert!(
                    ["landlock:a", "landlock:a landlock:b", "-"].contains(&context),
                    "{context} in {line}"
                );
                assert_eq!(reason.is_some(), has_reason, "{line}");
                let fields = line.split(", referer: ").next().unwrap_or_default();
                for forged in [
                    "user=root",
                    "addr=6.6.6.6",
                    "vhost=evil",
                    "context=landlock:root",
                    "confine: confined GET / ",
                ] {
                    assert!(!fields.contains(forged), "{forged} in {line}");
                }
            }
        }
    }
    // The control: names of the usual kind are easy to read and to find.
    server.client().send(&Request::get("/confined/a.html").password("alice", "alice-pw"));
    server.wait_for_log(&[
        "confine: confined GET /confined/a.html user=alice addr=127.0.0.1 vhost=main.example.test rule=",
    ]);
    server.wait_for_log(&[" user=EXAMPLE\\\\alice ", " vhost=main.example.test "]);
    server.wait_for_log(&["GET /confined/x%22%20user%3Droot%20addr%3D6.6.6.6/ "]);
    server.wait_for_log(&[" user=%2D "]);
    server.wait_for_log(&["context=\"landlock:a landlock:b\""]);
}

fn lines_hold(cell: Cell) {
    let passwords = passwords();
    every_line_holds(&server(cell, &passwords).start());
}

matrix!(lines_hold);

fn lines_hold_in_a_format_of_the_administrators(cell: Cell) {
    let passwords = passwords();
    let server = server(cell, &passwords).config("ErrorLogFormat \"%M\"").start();
    every_line_holds(&server);
}

matrix!(lines_hold_in_a_format_of_the_administrators for process_gate);

fn an_early_line_holds(cell: Cell) {
    let server = application(cell)
        .ruleset("a", "LandlockRead \"@root@/www\" \"/etc\"")
        .config("ConfineEarly landlock:a\nServerName main.example.test")
        .location("/", "ConfineContext landlock:a\nRequire all granted")
        .start();
    for path in PATHS {
        server.client().send(&Request::get(format!("/early{path}")));
    }
    let lines = server.log_lines("confine: confined early GET /early/");
    assert!(lines.len() >= PATHS.len(), "{lines:#?}");
    for line in lines {
        let ([_, path, user, addr, vhost, _, context], reason) = read(&line, "confined early");
        assert_eq!((user, addr, vhost, context), ("-", "127.0.0.1", HOST, "landlock:a"), "{line}");
        assert!(!path.contains(['"', ' ']) && reason.is_none(), "{line}");
    }
}

matrix!(an_early_line_holds for process_gate);

fn a_long_path_hides_no_field(cell: Cell) {
    // Of a resource without a file, whose name would be too long.
    let server = two_people(cell).modules(["info"]).location("/info", "SetHandler server-info").start();
    server.client().get_as("alice", &format!("/info/{}", "%22/".repeat(1800)));
    server.wait_for_log(&[
        "/%22/%... user=alice addr=127.0.0.1 vhost=",
        " rule=",
        "/tenants.map:1 context=landlock:alice",
    ]);
}

matrix!(a_long_path_hides_no_field for process_gate);
