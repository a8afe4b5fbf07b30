//! The notes of a request say in the access log what happened to it. Whatever the client sends, the manual's JSON
//! format gives lines of JSON. Whatever an application does, the notes are true.

use std::{fs, thread, time::Duration};

use confine_tests::{
    Cell, Gate, Request, Server, ServerBuilder, Wire, accounts, manual, matrix, services::*, tenants::*,
};
use serde_json::Value;

/// Who asks, as the form of a name that tries to be something else.
const USERS: [&str; 6] = ["eve\"},{\"", "EXAMPLE\\alice", "back\\", "-", "a\u{1b}[1m\u{7f}\u{e4}", "alice"];

/// What is asked for below each place.
const PATHS: [&str; 5] =
    ["/x%22,%22event%22:%22exempt", "/x%5c%22", "/x%0a%0d%09%0b", "/x%1b[1m%c2%85%e2%80%ae%ff%7f", "/plain"];

const VALUE: &str = "a\" user=root \\\",\"event\":\"exempt\" landlock:root\\";

/// Every kind of decision by the place that makes it: the event, whether a rule decided, contexts, a part of the reason.
const KINDS: [(&str, &str, bool, &str, &str); 12] = [
    ("/confined", "confined", true, "landlock:a", "-"),
    ("/chain", "confined", true, "landlock:a landlock:b", "-"),
    ("/exempt", "exempt", true, "-", "-"),
    ("/value", "refused", true, "-", "the environment variable gave"),
    ("/unmatched", "refused", false, "-", "no rule matched"),
    ("/report", "would confine", true, "landlock:a", "-"),
    ("/would-refuse", "would refuse", true, "-", "the environment variable gave"),
    ("/denied", "refused", true, "landlock:a", "mod_proxy makes the content in another process"),
    ("/elsewhere", "out-of-process", true, "landlock:a", "mod_proxy makes the content in another process"),
    ("/would-leave", "would be out-of-process", true, "landlock:a", "-"),
    ("/let-through", "unmatched", false, "-", "-"),
    ("/free", "-", false, "-", "-"),
];

fn server(cell: Cell, passwords: &Sqlite) -> ServerBuilder {
    let format = manual::block("docs/log.md", "apache", "LogFormat");
    application(cell)
        .config(accounts::connection("sqlite3", &passwords.file().display().to_string()))
        .modules(["dbd", "authn_dbd", "setenvif", "proxy", "proxy_http"])
        .config(format.replace("/var/log/apache2", "@root@/logs"))
        .file("some.map", "nobody landlock:a\n")
        .ruleset("a", "LandlockRead \"@root@/www\"")
        .ruleset("b", "LandlockRead \"@root@/www\"")
        .config("ConfineBackend landlock\nSetEnvIf X-Context \"(.*)\" TENANT=$1")
        .location(
            "/",
            "AuthType Basic\nAuthName all\nAuthBasicProvider dbd\n\
             AuthDBDUserPWQuery \"SELECT password FROM account WHERE %s <> ''\"\nRequire valid-user",
        )
        .location("/confined", "ConfineContext landlock:a")
        .location("/chain", "ConfineContext landlock:a landlock:b")
        .location("/exempt", "ConfineContext unconfined")
        .location("/value", "ConfineEnv TENANT")
        .location("/unmatched", "ConfineMap \"@root@/some.map\"")
        .location("/report", "ConfineMode report\nConfineContext landlock:a")
        .location("/would-refuse", "ConfineMode report\nConfineEnv TENANT")
        .location("/denied", "SetHandler \"proxy:http://127.0.0.1:1\"\nConfineContext landlock:a")
        .location(
            "/elsewhere",
            "SetHandler \"proxy:http://127.0.0.1:1\"\nConfineOutOfProcess allow\nConfineContext landlock:a",
        )
        .location(
            "/would-leave",
            "SetHandler \"proxy:http://127.0.0.1:1\"\nConfineMode report\n\
             ConfineOutOfProcess allow\nConfineContext landlock:a",
        )
        .location("/let-through", "ConfineUnmatched allow\nConfineMap \"@root@/some.map\"")
}

/// The lines so far, each read as JSON.
#[track_caller]
fn lines(server: &Server) -> Vec<Value> {
    let log = fs::read_to_string(server.path("logs/access.json")).unwrap_or_default();
    let whole = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("no JSON: {e}: {line}"))).collect()
}

/// Sends a request, and returns its line.
#[track_caller]
fn line_of(server: &Server, send: impl FnOnce()) -> Value {
    let before = lines(server).len();
    send();
    for _ in 0..2000 {
        if let Some(line) = lines(server).get(before) {
            return line.clone();
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("no line in the access log:\n{}", server.log());
}

#[track_caller]
fn expect(line: &Value, name: &str, value: &str) {
    assert_eq!(line[name], value, "{name} in {line}");
}

fn each_line_is_json_and_true(cell: Cell) {
    let hash = password_hash("alice");
    let passwords = Sqlite::new(&format!(
        "CREATE TABLE account (password text);\nINSERT INTO account VALUES ('{hash}');"
    ));
    let server = server(cell, &passwords).start();
    for (place, event, by_rule, context, reason) in KINDS {
        for (user, path) in USERS.into_iter().zip(PATHS.into_iter().cycle()) {
            let request = Request::get(format!("{place}{path}")).password(user, "alice-pw");
            let request = request.header("X-Context", VALUE).header("Referer", "x\"\\\u{e4}");
            let line = line_of(&server, || drop(server.client().send(&request)));
            expect(&line, "event", event);
            expect(&line, "context", context);
            expect(&line, "host", "localhost");
            let words = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            assert!(words("request").starts_with(&format!("GET%20{place}/")), "{line}");
            assert_eq!(words("rule") != "-", by_rule, "{line}");
            assert!(words("reason").contains(reason), "{line}");
            assert!(!words("reason").contains("user=root"), "{line}");
            let unknown = event == "-";
            assert_eq!(words("user") == "-", unknown, "{line}");
            if user == "alice" {
                // What the notes say is what the log line says.
                if !unknown {
                    let quoted =
                        if context.contains(' ') { format!("\"{context}\"") } else { context.to_owned() };
                    let mut said = format!(
                        "confine: {event} GET {place}{} user=alice addr=127.0.0.1 vhost=localhost rule={} context={quoted}",
                        "/x%22,%22event%22:%22exempt",
                        words("rule")
                    );
                    if reason != "-" {
                        said += &format!(": {}", words("reason"));
                    }
                    server.wait_for_log(&[&said]);
                }
                expect(&line, "user", if unknown { "-" } else { "alice" });
            }
        }
    }
    before_any_decision_there_is_none(&server);
}

/// Requests that end before any decision: without a password, with an empty name, or with no valid HTTP.
fn before_any_decision_there_is_none(server: &Server) {
    let open = "GET /confined/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    for bytes in [
        format!("{open}\r\n"),
        format!("{open}Authorization: Basic Ong=\r\n\r\n"),
        "GET /confined/\u{1}\"\\ HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "G\"ET /confined/\\\" HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /confined/\u{e4}\\\"\u{85} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
    ] {
        let line = line_of(server, || {
            let mut raw = server.connect();
            raw.send(&bytes);
            raw.rest();
        });
        for name in ["event", "user", "rule", "context", "reason"] {
            expect(&line, name, "-");
        }
    }
}

matrix!(each_line_is_json_and_true for gates);

/// A format of the notes alone, of the last request and of the first, and then what was asked for.
const NOTES: &str = "LogFormat \"event=%{confine-event}n first=%<{confine-event}n context=%{confine-context}n \
                     rule=%{confine-rule}n reason=%{confine-reason}n END %>s %<U\" notes\n\
                     CustomLog \"@root@/logs/notes.log\" notes";

#[track_caller]
fn notes_of(server: &Server, target: &str) -> String {
    notes_of_request(server, || drop(server.client().get(target)))
}

#[track_caller]
fn notes_of_request(server: &Server, send: impl FnOnce()) -> String {
    let log = || fs::read_to_string(server.path("logs/notes.log")).unwrap_or_default();
    let before = log().lines().count();
    send();
    for _ in 0..2000 {
        let log = log();
        if let Some(line) = log.strip_suffix('\n').and_then(|log| log.split('\n').nth(before)) {
            return line.to_owned();
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("no line in the access log:\n{}", server.log());
}

#[track_caller]
fn says(line: &str, texts: &[&str]) {
    assert!(texts.iter().all(|text| line.contains(text)), "{texts:?} in {line}");
}

/// Writes untrue notes, under names in upper and lower case, and more than once.
const LIAR: &str = "require 'apache2'
function handle(r)
    for _, name in ipairs{'confine-event', 'Confine-Event', 'confine-rule', 'confine-context', 'confine-reason', 'confine-user'} do
        r.notes[name] = 'a lie'
    end
    r:puts('lied')
    return apache2.OK
end
";

fn an_application_cannot_lie(cell: Cell) {
    let server = cell
        .server()
        .modules(["lua"])
        .config("ConfineBackend landlock\nAddHandler lua-script .lua")
        .config(NOTES)
        .config("CustomLog \"@root@/logs/liars.log\" \"%{confine-event}n %<{confine-reason}n\"")
        .ruleset("a", "LandlockRead \"@root@/www\"")
        .file("www/liar.lua", LIAR)
        .file("www/confined/liar.lua", LIAR)
        .file("www/exempt/liar.lua", LIAR)
        .location("/confined", "ConfineContext landlock:a")
        .location("/exempt", "ConfineContext unconfined");
    let server = server.start();
    let confined = notes_of(&server, "/confined/liar.lua");
    says(
        &confined,
        &["event=confined first=confined context=landlock:a rule=", "httpd.conf:", " reason=- END 200"],
    );
    says(&notes_of(&server, "/exempt/liar.lua"), &["event=exempt ", "context=- ", "reason=- END 200"]);
    // This also holds where no rule applies.
    says(&notes_of(&server, "/liar.lua"), &["event=- first=- context=- rule=- reason=- END 200"]);
    assert!(!fs::read_to_string(server.path("logs/liars.log")).unwrap_or_default().contains("lie"));
}

matrix!(an_application_cannot_lie);

/// The control: without the module, the log has what the application says.
fn the_stock_server_believes_it(cell: Cell) {
    let server = cell.server().stock().modules(["lua"]).config("AddHandler lua-script .lua").config(NOTES);
    let server = server.file("www/liar.lua", LIAR).start();
    says(&notes_of(&server, "/liar.lua"), &["event=a lie ", "reason=a lie END 200"]);
}

matrix!(the_stock_server_believes_it once);

fn redirects_and_error_documents(cell: Cell) {
    let server = cell
        .server()
        .modules(["rewrite", "dir"])
        .config("ConfineBackend landlock\nRewriteEngine on\nDirectoryIndex index.html")
        .config(NOTES)
        .ruleset("a", "LandlockRead \"@root@/www\"")
        .ruleset("b", "LandlockRead \"@root@/www\"")
        .file("www/a/page.html", "a")
        .file("www/a/index.html", "a")
        .file("www/errors/403.html", "no")
        .file("www/from/x", "x")
        .config("ErrorDocument 403 /errors/403.html\nErrorDocument 404 /errors/403.html")
        .directory("www/from", "RewriteEngine on\nRewriteRule ^to$ /a/page.html\nRewriteRule ^out$ /denied/x")
        .location("/a", "ConfineContext landlock:a")
        .location("/errors", "ConfineContext landlock:b")
        .location("/denied", "ConfineEnv UNSET")
        .location("/closed", "Require all denied\nConfineContext landlock:a")
        .start();
    // Only the target of the redirect has a decision.
    says(&notes_of(&server, "/from/to"), &["event=confined first=confined context=landlock:a "]);
    says(&notes_of(&server, "/a/"), &["event=confined first=confined context=landlock:a ", " END 200"]);
    let refused = "event=refused first=refused context=- rule=- reason=no rule matched; ";
    // The error document does not hide the refusal that caused it.
    says(&notes_of(&server, "/denied/x"), &[refused, " END 403 /denied/x"]);
    says(&notes_of(&server, "/from/out"), &[refused, " END 403"]);
    says(
        &notes_of(&server, "/a/missing"),
        &["event=confined first=confined context=landlock:a ", " END 404"],
    );
    // The server itself refused the request, so only the error document has a decision.
    says(&notes_of(&server, "/closed/x"), &["event=confined first=confined context=landlock:b ", " END 403"]);
}

matrix!(redirects_and_error_documents for gates);

fn refused_before_the_handler(cell: Cell) {
    let server = cell
        .server()
        .modules(["lua"])
        .config("ConfineBackend landlock\n")
        .config(NOTES)
        .ruleset("a", "LandlockRead \"@root@/www\"")
        .file("www/coded/.htaccess", "LuaHookFixups \"@root@/www/hook.lua\" early")
        .file("www/coded/page.txt", "page")
        .directory("www/coded", "AllowOverride All")
        .modules(["dir", "include"])
        .config("DirectoryIndex index.html\nAddOutputFilter INCLUDES .shtml")
        .directory("www", "Options +Includes")
        .file("www/page.shtml", "<!--#include virtual=\"/unset/x\" --> <!--#include virtual=\"/a/x\" -->")
        .file("www/a/x", "x")
        .location("/unset", "ConfineEnv UNSET")
        .location("/a", "ConfineContext landlock:a")
        .file(
            "www/index/.htaccess",
            "<Files index.html>\nLuaHookFixups \"@root@/www/hook.lua\" early\n</Files>",
        )
        .file("www/index/index.html", "index")
        .directory("www/index", "AllowOverride All")
        .location("/index", "ConfineContext landlock:a")
        .location("/coded", "ConfineContext landlock:a")
        .start();
    says(
        &notes_of(&server, "/coded/page.txt"),
        &["event=refused ", "names code that would run before", " END 403"],
    );
    // The look-up of a file for the folder was refused.
    says(&notes_of(&server, "/index/"), &["event=refused ", "names code that would run before", " END 403"]);
    // What happens to a part of a page is not noted for the page.
    says(&notes_of(&server, "/page.shtml"), &["event=- first=- context=- rule=- reason=- END 200"]);
    assert_eq!(server.log_lines("confine: refused GET /unset/x ").len(), 1);
    assert_eq!(server.log_lines("confine: confined GET /a/x ").len(), 1);
    if cell.gate == Gate::Process {
        let server = cell
            .server()
            .config(NOTES)
            .config("ConfineBackend landlock\nConfineEarly expr=%{HTTP:X-Unset}nobody")
            .ruleset("a", "LandlockRead \"@root@/www\"")
            .file("www/page.txt", "page")
            .start();
        let line = notes_of(&server, "/page.txt");
        says(&line, &["event=refused ", "there is no", " END 500"]);
    }
}

matrix!(refused_before_the_handler for gates);

fn an_early_move(cell: Cell) {
    let server = cell
        .server()
        .config(NOTES)
        .config("ConfineBackend landlock\nConfineEarly landlock:a")
        .ruleset("a", "LandlockRead \"@root@/www\" /etc")
        .ruleset("b", "LandlockRead \"@root@/www\" /etc")
        .file("www/page.txt", "page")
        .file("www/b/page.txt", "page")
        .location("/b", "ConfineContext landlock:b")
        .start();
    says(
        &notes_of(&server, "/page.txt"),
        &["event=confined early first=confined early context=landlock:a ", " 200"],
    );
    says(&notes_of(&server, "/b/page.txt"), &["event=confined first=confined context=landlock:b ", " 200"]);
}

matrix!(an_early_move for process_gate);

/// The manual's format of the error log: every line can be split as the manual says.
fn the_error_log_comes_apart(cell: Cell) {
    let format = manual::block("docs/log.md", "apache", "ErrorLogFormat");
    let json = manual::block("docs/log.md", "apache", "confine_json");
    let server = leaky_app(cell)
        .modules(["setenvif"])
        .config(format)
        .config(json.replace("/var/log/apache2", "@root@/logs"))
        .location("/app", "ConfineContext landlock:alice")
        .location("/nobody", "ConfineEnv UNSET")
        .start();
    for path in PATHS {
        let request = Request::get(format!("/nobody{path}")).header("Referer", "x user=root\"\\\u{e4}");
        let line = line_of(&server, || drop(server.client().send(&request)));
        let id = line["log_id"].as_str().unwrap_or_default();
        // Both logs use the same id for a request.
        let told = server.wait_for_log(
            &[&format!(" {id} 127.0.0.1:"), " confine: refused GET /nobody/x"]
                [..if path == "/plain" { 1 } else { 2 }],
        );
        assert!(!told.contains("user=root"), "{told}");
    }
    for line in server.log().lines() {
        let words: Vec<&str> = line.splitn(7, ' ').collect();
        let [date, time, module, process, id, client, message] = words[..] else { panic!("{line}") };
        assert!(date.len() == 10 && time.len() == 15, "{line}");
        let (_, level) = module.split_once(':').unwrap_or_else(|| panic!("{line}"));
        assert!(["notice", "info", "error", "warn"].contains(&level), "{line}");
        assert!(process.split(':').all(|number| number.parse::<u64>().is_ok()), "{line}");
        assert_eq!(id == "-", client == "-", "{line}");
        assert!(!message.is_empty(), "{line}");
    }
}

matrix!(the_error_log_comes_apart once);

fn over_every_protocol(cell: Cell) {
    let server = cell
        .server()
        .tls()
        .config("ConfineBackend landlock")
        .config(NOTES)
        .ruleset("a", "LandlockRead \"@root@/www\"")
        .file("www/a/page.txt", "page")
        .location("/a", "ConfineContext landlock:a")
        .location("/refused", "ConfineEnv UNSET")
        .start();
    for wire in Wire::all_of(cell.mpm) {
        let client = server.client_over(*wire);
        let ask = |target| notes_of_request(&server, || drop(client.get(target)));
        says(
            &ask("/a/page.txt"),
            &["event=confined first=confined context=landlock:a ", " END 200 /a/page.txt"],
        );
        says(&ask("/refused/x"), &["event=refused ", "reason=no rule matched; ", " END 403 /refused/x"]);
    }
}

matrix!(over_every_protocol for process_gate);
