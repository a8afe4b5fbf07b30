//! Tests the metrics with Prometheus itself: its own linter, a server that reads a real response, the alerts with
//! their tests, and each query of the dashboard.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use confine_tests::{Cell, Request, Server, manual, matrix, ports, tenants::*};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

/// A server with something of each kind to tell.
fn server(cell: Cell) -> Server {
    let server = leaky_app(cell)
        .modules(["headers"])
        .file("te<n>\\ants.map", "host:shop.example.com landlock:alice\n")
        .host(
            "status.example.com",
            "ConfineContext unconfined\n<Location /status>\nSetHandler confine-status\n</Location>",
        )
        .host("shop.example.com", "ConfineMap \"@root@/te<n>\\ants.map\"")
        .host("nobody.example.com", "ConfineMap \"@root@/te<n>\\ants.map\"")
        .start();
    for (host, status) in [("shop.example.com", 200), ("nobody.example.com", 403), ("shop.example.com", 200)]
    {
        server.client().send(&Request::get("/app/page.txt").header("Host", host)).expect_status(status);
    }
    server
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs promtool with this input, and returns what it says.
#[track_caller]
fn promtool(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(workspace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("promtool (Debian: apt-get install prometheus): {e}"));
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said.into_owned()
}

fn its_linter_finds_nothing(cell: Cell) {
    let server = server(cell);
    let ask = |query: &str| {
        let request = Request::get(format!("/status{query}")).header("Host", "status.example.com");
        server.client().send(&request).expect_status(200).text()
    };
    let metrics = ask("?format=prometheus");
    assert!(metrics.contains("confine_context_requests_total{vhost=\"shop.example.com\""), "{metrics}");
    assert_eq!(promtool(&["check", "metrics"], &metrics), "");
    // The linter only knows the older form. Without the additions of OpenMetrics, both forms are the same.
    let open = ask("?format=openmetrics");
    assert!(open.ends_with("\n# EOF\n"), "{open}");
    let both = |text: &str| -> Vec<String> {
        let samples = text.lines().filter(|line| !line.starts_with('#') && !line.contains("_created"));
        samples.map(|line| line.rsplit_once(' ').expect("a value").0.to_owned()).collect()
    };
    assert_eq!(both(&open), both(&metrics));
}

matrix!(its_linter_finds_nothing once);

fn its_alerts_fire_when_they_should(cell: Cell) {
    let _ = cell;
    promtool(&["check", "rules", "conf/monitoring/confine.rules.yml"], "");
    promtool(&["test", "rules", "tests/monitoring/alerts.yml"], "");
}

matrix!(its_alerts_fire_when_they_should once);

/// Prometheus. To drop this ends it.
struct Prometheus {
    process: Child,
    port: u16,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Prometheus {
    /// Starts a Prometheus that reads the status of `server` each second, through a host name to which the page
    /// answers.
    fn start(server: &Server) -> Self {
        let port = ports::free();
        let folder = server.path("prometheus");
        fs::create_dir_all(&folder).expect("a folder");
        let rules = workspace().join("conf/monitoring/confine.rules.yml");
        let config = format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: [\"{}\"]\nscrape_configs:\n\
             - job_name: httpd\n  metrics_path: /status\n  proxy_url: \"http://127.0.0.1:{}\"\n  static_configs:\n\
             \x20 - targets: [\"status.example.com:80\"]\n",
            rules.canonicalize().expect("the rules").display(),
            server.port()
        );
        fs::write(folder.join("prometheus.yml"), config).expect("a configuration");
        let log = fs::File::create(folder.join("log")).expect("a file");
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("prometheus (Debian: apt-get install prometheus): {e}"));
        Self { process, port }
    }

    /// Its answer for a path. `None` while it does not run.
    fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// The answer to a query, which must be valid.
    #[track_caller]
    fn query(&self, question: &str) -> Vec<Value> {
        let encoded: String = question.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.get(&format!("/api/v1/query?query={encoded}")).unwrap_or_default();
        assert_eq!(answer["status"], "success", "{question}: {answer}");
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }
}

fn it_reads_a_real_answer(cell: Cell) {
    let server = server(cell);
    let prometheus = Prometheus::start(&server);
    let deadline = Instant::now() + LIMIT;
    let target = loop {
        let targets = prometheus.get("/api/v1/targets").unwrap_or_default();
        let target = targets["data"]["activeTargets"][0].clone();
        if target["health"] == "up" {
            break target;
        }
        let log = fs::read_to_string(server.path("prometheus/log")).unwrap_or_default();
        assert!(target["health"] != "down", "it does not understand the answer: {target:#}\n{log}");
        assert!(Instant::now() < deadline, "no answer was read: {targets:#}\n{log}");
        thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(target["lastError"], "", "{target:#}");
    let value = |question: &str| -> Option<String> {
        let found = prometheus.query(question);
        found.first().and_then(|it| it["value"][1].as_str()).map(str::to_owned)
    };
    for (question, expected) in [
        ("sum(confine_requests_total{outcome=\"Confined\"})", "2"),
        (
            "confine_context_requests_total{vhost=\"nobody.example.com\",context=\"-\",outcome=\"RefusedUnmatched\"}",
            "1",
        ),
        ("confine_move_duration_seconds_count", "2"),
        ("confine_map_rules{map=~\".*/te<n>.+ants.map\"}", "1"),
        ("confine_map_stale", "0"),
        ("count(confine_build_info)", "1"),
        // Only OpenMetrics says when a counter began.
        ("count(confine_map_loads_created)", "1"),
    ] {
        assert_eq!(value(question).as_deref(), Some(expected), "{question}");
    }
    each_question_of_the_dashboard_is_one(&prometheus);
    let rules = prometheus.get("/api/v1/rules").unwrap_or_default();
    let rules = rules["data"]["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
    assert!(rules.len() >= 11, "{rules:#?}");
    assert!(rules.iter().all(|rule| rule["lastError"].as_str().unwrap_or_default().is_empty()), "{rules:#?}");
}

matrix!(it_reads_a_real_answer once);

/// Prometheus accepts each query and knows each name in it, except those of databases and of pools, because this server
/// has none.
fn each_question_of_the_dashboard_is_one(prometheus: &Prometheus) {
    let dashboard: Value =
        serde_json::from_str(&manual::page("conf/monitoring/grafana-dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let questions: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("questions"))
        .map(|target| target["expr"].as_str().expect("a question"))
        .collect();
    assert!(questions.len() > 20, "{}", questions.len());
    let mut names = std::collections::BTreeSet::new();
    for question in questions {
        let filled =
            question.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*");
        assert!(!filled.contains('$'), "{filled}");
        prometheus.query(&filled);
        let words = question.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        names.extend(words.filter(|word| word.starts_with("confine_")));
    }
    let is_here = |name: &&str| !["confine_database_", "confine_pool_"].iter().any(|of| name.starts_with(of));
    for name in names.into_iter().filter(is_here) {
        assert!(!prometheus.query(name).is_empty(), "the status has no {name}");
    }
}
