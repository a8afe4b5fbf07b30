use super::*;

const HOSTILE: &str = "<script>alert(1)</script>\"'&\\\n\u{202e}x";

fn row(host: &str, context: &str, outcomes: &[(Counter, u64)]) -> Counts {
    let mut row = Counts {
        host: host.to_owned(),
        context: context.to_owned(),
        is_other: host == "other",
        outcomes: vec![0; crate::tally::OUTCOMES],
        time: 6000,
        buckets: [0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    };
    outcomes.iter().for_each(|(counter, number)| row.outcomes[*counter as usize] = *number);
    row
}

fn status() -> Status {
    let refusal = LastRefusal {
        time: 1_769_860_800_042,
        outcome: Counter::RefusedContext.name(),
        reported_only: false,
        status: 500,
        host: HOSTILE.to_owned(),
        context: "-".to_owned(),
        line: format!("confine: refused GET /{HOSTILE} user=-"),
        reason: "the value \"a; b\" is none; write another; or none".to_owned(),
    };
    let error = (1_769_860_700_000, format!("m.map:3: {HOSTILE}"));
    Status {
        version: "1.0".to_owned(),
        server: "Apache/2.4".to_owned(),
        mpm: "event".to_owned(),
        now: 1_769_860_800,
        counted_since: 1_769_000_000,
        configured_since: 1_769_100_000,
        rows: vec![
            row("other", "other", &[]),
            row(
                "www.example.com",
                "landlock:alice",
                &[(Counter::Confined, 1234), (Counter::RefusedContext, 2)],
            ),
            row(HOSTILE, HOSTILE, &[(Counter::Confined, 1), (Counter::WouldRefuse, 4)]),
        ],
        row_limit: 1000,
        rows_used: 2,
        refusals_number: 6,
        refusals: vec![refusal],
        maps: vec![MapStatus {
            file: format!("/etc/{HOSTILE}"),
            generation: 3,
            rules: 2,
            since: 1_769_860_000_500,
            error: Some(error),
            children: Some(1),
        }],
        databases: vec![DatabaseStatus {
            map: "dbd:x".to_owned(),
            rule: HOSTILE.to_owned(),
            hits: 9,
            ..Default::default()
        }],
        pools: vec![PoolStatus {
            program: "php".to_owned(),
            context: HOSTILE.to_owned(),
            state: "failing",
            deaths: 3,
            ..Default::default()
        }],
        children: vec![
            ChildStatus { process: 100, is_leaving: false, in_flight: 1, resting: 2 },
            ChildStatus { process: 90, is_leaving: true, in_flight: 2, resting: 0 },
        ],
    }
}

#[test]
fn no_name_ends_what_it_stands_in() {
    let status = status();
    let html = status.html();
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;alert(1)"), "{html}");
    assert!(!html.contains('\u{202e}') && !html.contains(HOSTILE));
    assert_eq!(html.matches("<tr").count(), html.matches("</tr>").count());
    let value: serde_json::Value = serde_json::from_str(&status.json()).expect("JSON");
    assert_eq!(value["rows"][2]["vhost"], HOSTILE);
    for metrics in [status.open_metrics(), status.prometheus()] {
        let line = metrics
            .lines()
            .find(|line| line.contains("script") && line.contains("WouldRefuse"))
            .expect("a line");
        let name = "<script>alert(1)</script>\\\"'&\\\\%0A%E2%80%AEx";
        assert_eq!(
            line,
            format!(
                "confine_context_requests_total{{vhost=\"{name}\",context=\"{name}\",outcome=\"WouldRefuse\"}} 4"
            )
        );
    }
    let auto = status.auto();
    assert!(auto.lines().all(|line| line.starts_with("Confine") && line.contains(": ")), "{auto}");
}

/// A hostile process can write any number into the counts.
#[test]
fn numbers_of_any_size_are_told() {
    let mut status = status();
    for row in &mut status.rows {
        row.outcomes.fill(u64::MAX);
        row.buckets.fill(u64::MAX - 7);
        row.time = u64::MAX;
    }
    let child = ChildStatus { process: u32::MAX, is_leaving: false, in_flight: u64::MAX, resting: u64::MAX };
    status.children = vec![child, child];
    status.refusals[0].time = u64::MAX;
    (status.now, status.counted_since, status.rows_used) = (u64::MAX, u64::MAX, u64::MAX);
    status.maps[0].since = u64::MAX;
    let forms = [status.html(), status.json(), status.open_metrics(), status.prometheus(), status.auto()];
    assert!(
        forms
            .iter()
            .all(|form| form.contains("18446744073709551615") || form.contains("18,446,744,073,709,551,615"))
    );
}

#[test]
fn sums_are_those_of_the_rows() {
    let status = status();
    assert_eq!((status.total(Counter::Confined), status.total_of(Group::Refused)), (1235, 2));
    assert_eq!((status.in_flight(), status.resting(), status.moves().1), (3, 2, 18_000));
    let text = status.prometheus();
    for line in [
        "confine_requests_total{outcome=\"Confined\"} 1235",
        "confine_requests_total{outcome=\"Panic\"} 0",
        "confine_context_requests_total{vhost=\"www.example.com\",context=\"landlock:alice\",outcome=\"Confined\"} 1234",
        "confine_move_duration_seconds_bucket{le=\"0.000001\"} 0",
        "confine_move_duration_seconds_bucket{le=\"0.000002\"} 6",
        "confine_move_duration_seconds_bucket{le=\"+Inf\"} 9",
        "confine_move_duration_seconds_sum 0.000018",
        "confine_map_loaded_timestamp_seconds{map=\"/etc/<script>alert(1)</script>\\\"'&\\\\%0A%E2%80%AEx\"} 1769860000.500",
        "# TYPE confine_requests_total counter",
    ] {
        assert!(text.lines().any(|l| l == line), "no {line} in:\n{text}");
    }
    let open = status.open_metrics();
    assert!(open.contains("# TYPE confine_requests counter\n") && open.ends_with("\n# EOF\n"));
    assert!(open.contains("confine_requests_created{outcome=\"Confined\"} 1769000000\n"));
    let auto = status.auto();
    assert!(
        auto.contains("ConfineConfined: 1235\n") && auto.contains("ConfineMap[0]Since: 1769860000\n"),
        "{auto}"
    );
    assert!(auto.contains("ConfineDatabase[0]Hits: 9\n") && auto.contains("ConfineDatabase[0]Entries: -\n"));
}

#[test]
fn a_reason_is_a_cause_and_a_remedy() {
    let of = |reason: &str| {
        let refusal = LastRefusal { reason: reason.to_owned(), ..status().refusals[0].clone() };
        let (why, remedy) = refusal.why_and_remedy();
        (why.to_owned(), remedy.map(str::to_owned))
    };
    assert_eq!(of("no rule matched; add one"), ("no rule matched".to_owned(), Some("add one".to_owned())));
    assert_eq!(of("just so"), ("just so".to_owned(), None));
    assert_eq!(of("a \"b; c\" is none; d; e"), ("a \"b; c\" is none".to_owned(), Some("d; e".to_owned())));
}

#[test]
fn the_query_counts_and_then_what_is_accepted() {
    let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
    let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for (query, accept, form) in [
        (None, None, Form::Prometheus),
        (None, Some("*/*"), Form::Prometheus),
        (None, Some("text/*"), Form::Prometheus),
        (None, Some("image/png"), Form::Prometheus),
        (None, Some(chrome), Form::Html),
        (None, Some(prometheus), Form::OpenMetrics),
        (None, Some("application/json"), Form::Json),
        (None, Some("*/*, application/json"), Form::Json),
        (None, Some("application/json;q=0.2, text/html;q=0.9"), Form::Html),
        (None, Some("application/json;q=0, text/html;q=0.1"), Form::Html),
        (None, Some("application/json;q=x"), Form::Prometheus),
        (None, Some("TEXT/HTML"), Form::Html),
        (Some("format=json"), Some(chrome), Form::Json),
        (Some("x=1&format=openmetrics"), None, Form::OpenMetrics),
        (Some("auto"), Some(chrome), Form::Auto),
        (Some("format=nonsense"), Some(chrome), Form::Html),
    ] {
        assert_eq!(Form::asked_for(query, accept), form, "{query:?} {accept:?}");
    }
}

#[test]
fn names_that_are_the_same_are_told_apart() {
    let mut names = ["a", "b", "a", "a"].map(str::to_owned);
    tell_apart(&mut names);
    assert_eq!(names, ["a", "b", "a#2", "a#3"]);
}
