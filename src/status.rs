//! The counts, for people and for programs: a page of its own (`SetHandler confine-status`) and
//! lines in mod_status.

use std::fmt::Write as _;

use confine::{
    field::{Field, one_line},
    policy::{answer_cache::Counts, decide::Source, live_map::MapState},
};

use crate::{
    config::{Policy, ServerConfig, WatchedMap},
    httpd::request::Request,
    report::counters::{self, ALL},
    thread::one_time,
    worker::pool,
};

/// Writes the counts in Prometheus' text form.
pub fn page(r: &mut Request<'_>) {
    r.set_content_type(c"text/plain; version=0.0.4");
    let mut out = String::from(
        "# HELP confine_requests_total Requests by what mod_confine did with them.\n\
         # TYPE confine_requests_total counter\n",
    );
    for (counter, name) in ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "confine_requests_total{{outcome=\"{name}\"}} {}", counters::get(counter));
    }
    let _ = writeln!(
        out,
        "# HELP confine_workers_in_flight Workers of the child that answers this.\n\
         # TYPE confine_workers_in_flight gauge\nconfine_workers_in_flight {}\n\
         # HELP confine_workers_resting Rejected workers without a request in the child that answers this.\n\
         # TYPE confine_workers_resting gauge\nconfine_workers_resting {}",
        one_time::in_flight(),
        pool::resting_count()
    );
    if let Some(policy) = policy(r) {
        let _ = writeln!(
            out,
            "# HELP confine_map_swaps_total Changed maps that the child which answers this took over.\n\
             # TYPE confine_map_swaps_total counter\nconfine_map_swaps_total {}",
            policy.map_swaps()
        );
    }
    map_metrics(&mut out, &maps(r));
    database_metrics(&mut out, &databases(r));
    r.write(&out);
}

fn policy<'r>(r: &Request<'r>) -> Option<&'r Policy> {
    ServerConfig::of(&r.server()).and_then(|config| config.policy())
}

/// The maps of the configuration that this request met, as the child that answers it has them.
fn maps(r: &Request<'_>) -> Vec<(String, MapState)> {
    let maps = policy(r).into_iter().flat_map(|policy| &policy.maps);
    maps.map(|WatchedMap { map, .. }| (map.path().display().to_string(), map.state())).collect()
}

/// How long ago a map's rules were taken over, in seconds.
fn age(state: &MapState) -> u64 {
    state.since.elapsed().map_or(0, |age| age.as_secs())
}

fn map_metrics(out: &mut String, maps: &[(String, MapState)]) {
    type Value = fn(&MapState) -> u64;
    let metrics: [(&str, &str, Value); 4] = [
        ("generation", "How often a map's rules were taken over, the start included.", |s| s.generation),
        ("rules", "Rules of a map.", |s| s.rules as u64),
        ("age_seconds", "Time since a map's rules were taken over.", age),
        ("stale", "1 where a map's file changed and could not be taken over.", |s| s.error.is_some().into()),
    ];
    for (name, help, value) in metrics.iter().filter(|_| !maps.is_empty()) {
        let _ = writeln!(out, "# HELP confine_map_{name} {help}\n# TYPE confine_map_{name} gauge");
        for (file, state) in maps {
            let _ = writeln!(out, "confine_map_{name}{{map=\"{}\"}} {}", label(file), value(state));
        }
    }
    for (file, state) in maps {
        if let Some(error) = &state.error {
            let _ = writeln!(out, "# {}: {}", label(file), label(error));
        }
    }
}

/// The rules of the configuration that ask a database, label and place, as the child that answers has them.
fn databases(r: &Request<'_>) -> Vec<(String, String, Counts)> {
    let rules = policy(r).into_iter().flat_map(|policy| &policy.rules);
    let database = rules.filter_map(|rule| match &rule.source {
        Source::Database(database) => {
            let label = format!("dbd:{}", database.label().to_string_lossy());
            Some((label, rule.origin.to_string(), database.counts()))
        }
        _ => None,
    });
    database.collect()
}

fn database_metrics(out: &mut String, databases: &[(String, String, Counts)]) {
    type Value = fn(&Counts) -> u64;
    let metrics: [(&str, &str, &str, Value); 4] = [
        ("entries", "gauge", "Answers of a database that are kept.", |c| c.entries as u64),
        ("hits_total", "counter", "Requests that a kept answer of a database was for.", |c| c.hits),
        ("misses_total", "counter", "Questions to a database.", |c| c.misses),
        ("errors_total", "counter", "Questions to a database that failed.", |c| c.errors),
    ];
    for (name, kind, help, value) in metrics.iter().filter(|_| !databases.is_empty()) {
        let _ = writeln!(out, "# HELP confine_database_{name} {help}\n# TYPE confine_database_{name} {kind}");
        for (map, rule, counts) in databases {
            let (map, rule) = (label(map), label(rule));
            let _ =
                writeln!(out, "confine_database_{name}{{map=\"{map}\",rule=\"{rule}\"}} {}", value(counts));
        }
    }
}

/// One line about a rule that asks a database.
fn database_line(rule: &str, counts: &Counts) -> String {
    let Counts { entries, hits, misses, errors } = counts;
    format!("rule={rule} entries={entries} hits={hits} misses={misses} errors={errors}")
}

/// A text as Prometheus' label values are written.
fn label(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('"', "\\\"")
}

/// A text as HTML.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// One line about a map.
fn map_line(state: &MapState) -> String {
    let MapState { generation, rules, error, .. } = state;
    let error = error.as_deref().map_or("-".to_owned(), one_line);
    format!("generation={generation} rules={rules} age={} error={error}", age(state))
}

/// Adds the counts to mod_status's page, or to its `?auto` form.
pub fn server_status(r: &mut Request<'_>, short: bool) {
    let mut out = String::new();
    if short {
        for (counter, name) in ALL {
            let _ = writeln!(out, "Confine{name}: {}", counters::get(counter));
        }
        for (file, state) in maps(r) {
            let _ = writeln!(out, "ConfineMap: file={} {}", Field(Some(file.as_bytes())), map_line(&state));
        }
        for (map, rule, counts) in databases(r) {
            let _ = writeln!(out, "ConfineDatabase: map={map} {}", database_line(&rule, &counts));
        }
    } else {
        out.push_str("<hr />\n<h1>mod_confine</h1>\n<dl>\n");
        for (counter, name) in ALL {
            let _ = writeln!(out, "<dt>{name}: {}</dt>", counters::get(counter));
        }
        for (file, state) in maps(r) {
            let _ = writeln!(out, "<dt>map {}: {}</dt>", html(&file), html(&map_line(&state)));
        }
        for (map, rule, counts) in databases(r) {
            let line = database_line(&rule, &counts);
            let _ = writeln!(out, "<dt>map {}: {}</dt>", html(&map), html(&line));
        }
        out.push_str("</dl>\n");
    }
    r.write(&out);
}
