//! The status page tells each pool of processes, in all of its forms.

use confine_tests::{Cell, manual, matrix, pools::*};
use serde_json::Value;

/// The program may be executed, and its loader finds no library.
const WITHOUT_LIBRARIES: &str = "LandlockExecute /usr/bin/php-cgi -/usr/lib64/ld-linux-x86-64.so.2 \
                                 -/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 -/usr/lib/ld-linux-aarch64.so.1 \
                                 -/usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1";

fn in_every_form(cell: Cell) {
    if !can_have_pools() {
        return;
    }
    let server = two_pools(cell, "Processes 2")
        .config(format!("<ConfineLandlock shut>\n{WITHOUT_LIBRARIES}\n</ConfineLandlock>"))
        .file("www/alice/hello.php", php("echo 'hello';"))
        .file("www/shut/hello.php", "source")
        .file("www/free/hello.php", "source")
        .location("/shut", "ConfineContext landlock:shut")
        .location("/status", "SetHandler confine-status")
        .start();
    let client = server.client();
    let ask = |form: &str| client.get(&format!("/status?{form}")).expect_status(200).text();
    let pools = || -> Vec<Value> {
        let value: Value = serde_json::from_str(&ask("format=json")).unwrap_or_else(|e| panic!("{e}"));
        value["pools"].as_array().cloned().unwrap_or_default()
    };
    let of = |context: &str| pools().into_iter().find(|pool| pool["context"] == context).expect(context);
    // No request has asked for a pool yet.
    assert_eq!(pools().len(), 0);
    assert!(!ask("format=html").contains("Pools of processes"));

    assert_eq!(client.get("/alice/hello.php").expect_status(200).text(), "hello");
    assert_eq!(client.get("/alice/hello.php").expect_status(200).text(), "hello");
    client.get("/shut/hello.php").expect_status(503);
    client.get("/shut/hello.php").expect_status(503);
    client.get("/free/hello.php").expect_status(500);
    let counts = ask("auto");
    for line in ["ConfineRefusedPool: 1\n", "ConfineRefusedPoolBusy: 1\n", "ConfineRefusedContext: 0\n"] {
        assert!(counts.contains(line), "{line}: {counts}");
    }
    let alice = of("landlock:alice");
    assert_eq!((&alice["program"], &alice["state"]), (&"php".into(), &"running".into()), "{alice}");
    // PHP has one process that makes the others.
    for (key, number) in [("processes", 3), ("in_flight", 0), ("starts", 1), ("deaths", 0), ("full", 0)] {
        assert_eq!(alice[key], number, "{key}: {alice}");
    }
    let shut = of("landlock:shut");
    assert_eq!((&shut["state"], &shut["processes"]), (&"failing".into(), &0.into()), "{shut}");
    assert_eq!((&shut["starts"], &shut["deaths"]), (&1.into(), &1.into()), "{shut}");

    for form in ["format=prometheus", "format=openmetrics"] {
        let text = ask(form);
        let names = "{program=\"php\",context=\"landlock:alice\"}";
        assert!(text.contains(&format!("confine_pool_processes{names} 3\n")), "{text}");
        assert!(text.contains(&format!("confine_pool_starts_total{names} 1\n")), "{text}");
        assert!(
            text.contains("confine_pool_deaths_total{program=\"php\",context=\"landlock:shut\"} 1\n"),
            "{text}"
        );
    }
    let dashboard = manual::page("conf/monitoring/grafana-dashboard.json");
    let words = dashboard.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: Vec<_> = words.filter(|word| word.starts_with("confine_pool_")).collect();
    assert!(names.len() >= 5, "{names:?}");
    let text = ask("format=prometheus");
    names.iter().for_each(|name| assert!(text.contains(&format!("{name}{{")), "{name}: {text}"));
    let lines = ask("auto");
    assert!(lines.contains("ConfinePool[0]Context: landlock:alice\n"), "{lines}");
    assert!(lines.contains("ConfinePool[0]State: running\n"), "{lines}");
    let page = ask("format=html");
    assert!(page.contains("Pools of processes") && page.contains("<code>landlock:shut</code>"), "{page}");

    // A new reading of the configuration has new pools.
    server.restart_gracefully();
    assert_eq!(pools().len(), 0);
    assert_eq!(client.get("/alice/hello.php").expect_status(200).text(), "hello");
    assert_eq!(of("landlock:alice")["starts"], 1);
}

matrix!(in_every_form for gates);
