//! The status page answers in the requested form, and every form says the same. Names and values of clients stay
//! text.

use std::{thread, time::Duration};

use confine_tests::{Cell, Client, Request, Response, Server, ServerBuilder, matrix, tenants::*};
use serde_json::Value;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const PROMETHEUS: &str =
    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// What a client may put into a header, and an administrator into a file's name.
const HOSTILE: &str = "<script>alert('1')</script>&\"x";
const HOSTILE_MAP: &str = "<i>&'users.map";

fn page(cell: Cell) -> ServerBuilder {
    leaky_app(cell)
        .modules(["status"])
        .file(HOSTILE_MAP, "host:mapped.example.com landlock:alice\n* landlock:bob\n")
        .host("alice.example.com", "ConfineExpr \"%{HTTP:X-Tenant}\"")
        .host("mapped.example.com", &format!("ConfineMap \"@root@/{HOSTILE_MAP}\""))
        .host(
            "status.example.com",
            "ConfineContext unconfined\n<Location /status>\nSetHandler confine-status\n</Location>\n\
             <Location /server-status>\nSetHandler server-status\n</Location>",
        )
}

fn ask(client: &Client, host: &str, tenant: &str) -> Response {
    client.send(&Request::get("/app/page.txt?<q>").header("Host", host).header("X-Tenant", tenant))
}

fn status(server: &Server, query: &str, accept: &str) -> Response {
    let request = Request::get(format!("/status{query}")).header("Host", "status.example.com");
    server.client().send(&request.header("Accept", accept)).expect_status(200)
}

/// Two confined, one refused with a hostile value in its reason, one by a map.
fn traffic(server: &Server) {
    let client = server.client();
    ask(&client, "alice.example.com", "alice").expect_status(200);
    ask(&client, "alice.example.com", "bob").expect_status(200);
    ask(&client, "alice.example.com", HOSTILE).expect_status(500);
    ask(&client, "mapped.example.com", "").expect_status(200);
    wait_for_confined(server, 3);
}

/// The count comes after the last byte of the response.
fn wait_for_confined(server: &Server, number: u64) {
    let line = format!("ConfineConfined: {number}\n");
    for _ in 0..200 {
        if status(server, "?auto", BROWSER).text().contains(&line) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("{line} does not come about: {}", status(server, "?auto", BROWSER).text());
}

fn what_is_asked_for(cell: Cell) {
    let server = page(cell).start();
    traffic(&server);
    for (query, accept, kind, begins) in [
        ("", BROWSER, "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ("", "application/json", "application/json", "{"),
        (
            "",
            PROMETHEUS,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# HELP confine_build_info ",
        ),
        ("", "*/*", "text/plain; version=0.0.4; charset=utf-8", "# HELP confine_build_info "),
        ("?format=json", BROWSER, "application/json", "{"),
        (
            "?format=openmetrics",
            BROWSER,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "# HELP",
        ),
        ("?format=prometheus", BROWSER, "text/plain; version=0.0.4; charset=utf-8", "# HELP"),
        ("?format=html", "*/*", "text/html; charset=utf-8", "<!DOCTYPE html>"),
        ("?auto", BROWSER, "text/plain; charset=utf-8", "ConfineVersion: "),
    ] {
        let response = status(&server, query, accept);
        assert_eq!(response.header("content-type"), Some(kind), "{query} {accept}");
        assert!(response.text().starts_with(begins), "{query} {accept}: {response:?}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        assert!(
            response
                .header("content-security-policy")
                .is_some_and(|policy| policy.contains("default-src 'none'"))
        );
        assert!(response.header("vary").is_some_and(|vary| vary.contains("Accept")));
    }
    let auto = status(&server, "?auto", BROWSER).text();
    let request = Request::get("/server-status?auto").header("Host", "status.example.com");
    let of_mod_status = server.client().send(&request).expect_status(200).text();
    for line in ["ConfineConfined: 3", "ConfineRefusedContext: 1", "ConfineMap[0]Rules: 2"] {
        assert!(auto.lines().any(|l| l == line), "{line} in:\n{auto}");
        assert!(of_mod_status.lines().any(|l| l == line), "{line} in:\n{of_mod_status}");
    }
    let keys: Vec<_> = auto.lines().map(|line| line.split_once(": ").expect("a key and a value").0).collect();
    assert_eq!(
        keys.len(),
        keys.iter().collect::<std::collections::HashSet<_>>().len(),
        "a key twice:\n{auto}"
    );
    for metrics in [status(&server, "", PROMETHEUS).text(), status(&server, "", "*/*").text()] {
        for line in [
            "confine_requests_total{outcome=\"Confined\"} 3",
            "confine_context_requests_total{vhost=\"alice.example.com\",context=\"landlock:bob\",outcome=\"Confined\"} 1",
            "confine_context_requests_total{vhost=\"alice.example.com\",context=\"-\",outcome=\"RefusedContext\"} 1",
        ] {
            assert!(metrics.lines().any(|l| l == line), "{line} in:\n{metrics}");
        }
    }
}

matrix!(what_is_asked_for);

/// A field, and what must hold of it.
type Field = (&'static str, fn(&Value) -> bool);

/// Checks that a value has these fields and no others.
fn has(value: &Value, fields: &[Field]) {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
    let unknown: Vec<_> = object.keys().filter(|name| !names.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "not documented: {unknown:?}");
    for (name, is_right) in fields {
        assert!(object.get(*name).is_some_and(is_right), "{name} in {value:#}");
    }
}

fn json_has_each_field_that_is_documented(cell: Cell) {
    let server = page(cell).start();
    traffic(&server);
    let value: Value = serde_json::from_slice(&status(&server, "", "application/json").body).expect("JSON");
    has(
        &value,
        &[
            ("version", Value::is_string),
            ("server", |v| v.as_str().is_some_and(|name| name.starts_with("Apache/2.4"))),
            ("mpm", Value::is_string),
            ("time", Value::is_u64),
            ("counted_since", Value::is_u64),
            ("configured_since", Value::is_u64),
            ("requests", |v| v["Confined"] == 3 && v["Panic"] == 0),
            ("move_time", Value::is_object),
            ("rows", Value::is_array),
            ("rows_used", Value::is_u64),
            ("rows_limit", |v| *v == 1000),
            ("refusals", |v| *v == 1),
            ("last_refusals", |v| v.as_array().is_some_and(|all| all.len() == 1)),
            ("maps", |v| v.as_array().is_some_and(|all| all.len() == 1)),
            ("databases", |v| v.as_array().is_some_and(Vec::is_empty)),
            ("pools", |v| v.as_array().is_some_and(Vec::is_empty)),
            ("workers", Value::is_object),
            ("children", |v| v.as_array().is_some_and(|all| !all.is_empty())),
        ],
    );
    has(&value["workers"], &[("in_flight", Value::is_u64), ("resting", Value::is_u64)]);
    has(
        &value["children"][0],
        &[
            ("process", Value::is_u64),
            ("leaving", Value::is_boolean),
            ("in_flight", Value::is_u64),
            ("resting", Value::is_u64),
        ],
    );
    has(
        &value["move_time"],
        &[("count", Value::is_u64), ("nanoseconds", Value::is_u64), ("buckets", Value::is_array)],
    );
    // A kept worker moves only with its first request.
    assert!(value["move_time"]["count"].as_u64().is_some_and(|moves| (2..=3).contains(&moves)), "{value:#}");
    has(&value["move_time"]["buckets"][0], &[("le", Value::is_u64), ("count", Value::is_u64)]);
    assert_eq!(value["move_time"]["buckets"][12]["le"], Value::Null);
    let row = |vhost: &str, context: &str| {
        let rows = value["rows"].as_array().expect("rows");
        let found = rows.iter().find(|row| row["vhost"] == vhost && row["context"] == context);
        found.unwrap_or_else(|| panic!("no {vhost} {context} in {value:#}")).clone()
    };
    let alice = row("alice.example.com", "landlock:alice");
    has(
        &alice,
        &[
            ("vhost", Value::is_string),
            ("context", Value::is_string),
            ("other", |v| *v == false),
            ("requests", |v| *v == serde_json::json!({ "Confined": 1 })),
            ("move_time", |v| v["count"] == 1),
        ],
    );
    assert_eq!(row("mapped.example.com", "landlock:alice")["requests"]["Confined"], 1);
    assert_eq!(row("other", "other")["other"], true);
    has(
        &value["maps"][0],
        &[
            ("file", |v| v.as_str().is_some_and(|file| file.ends_with(HOSTILE_MAP))),
            ("generation", |v| *v == 1),
            ("rules", |v| *v == 2),
            ("since", Value::is_f64),
            ("children", Value::is_u64),
            ("error", Value::is_null),
        ],
    );
    has(
        &value["last_refusals"][0],
        &[
            ("time", Value::is_f64),
            ("outcome", |v| *v == "RefusedContext"),
            ("reported_only", |v| *v == false),
            ("status", |v| *v == 500),
            ("vhost", |v| *v == "alice.example.com"),
            ("context", |v| *v == "-"),
            ("line", |v| {
                v.as_str().is_some_and(|line| line.starts_with("confine: refused GET /app/page.txt user=- "))
            }),
            ("why", |v| v.as_str().is_some_and(|why| why.ends_with("there is no ruleset of this name"))),
            ("remedy", |v| v.as_str().is_some_and(|remedy| remedy.starts_with("a name is of"))),
        ],
    );
    let line = value["last_refusals"][0]["line"].as_str().expect("a line");
    server.wait_for_log(&[line]);
}

matrix!(json_has_each_field_that_is_documented);

fn no_name_becomes_markup(cell: Cell) {
    let server = page(cell).start();
    traffic(&server);
    let html = status(&server, "", BROWSER).text();
    assert!(html.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;"), "{html}");
    assert!(html.contains("&lt;i&gt;&amp;&#39;users.map"), "{html}");
    for mark in ["<script", "<i>", "alert('1')", " src=", "http://", "https://", "javascript:"] {
        assert!(!html.contains(mark), "{mark} in:\n{html}");
    }
    for metrics in [status(&server, "", PROMETHEUS).text(), status(&server, "", "*/*").text()] {
        assert!(metrics.contains("/<i>&'users.map\"} 2\n"), "{metrics}");
    }
}

matrix!(no_name_becomes_markup once);

fn what_an_early_move_alone_confines_is_counted(cell: Cell) {
    let server = leaky_app(cell)
        .host("early.example.com", "ConfineEarly landlock:alice")
        .host(
            "status.example.com",
            "ConfineContext unconfined\n<Location /status>\nSetHandler confine-status\n</Location>",
        )
        .start();
    let client = server.client();
    for _ in 0..3 {
        client.send(&Request::get("/app/page.txt").header("Host", "early.example.com")).expect_status(200);
    }
    wait_for_confined(&server, 3);
    let text = status(&server, "", "*/*").text();
    let line = "confine_context_requests_total{vhost=\"early.example.com\",context=\"landlock:alice\",outcome=\"Confined\"} 3";
    assert!(text.lines().any(|l| l == line), "{text}");
}

matrix!(what_an_early_move_alone_confines_is_counted for process_gate);
