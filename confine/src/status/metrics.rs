//! The status as metrics: OpenMetrics 1.0, and the older text form of Prometheus. They differ in the name of a
//! counter's family, in the time when a counter began, and in their end.

use std::fmt::Write as _;

use super::{DatabaseStatus, PoolStatus, Status, time::seconds};
use crate::{
    field::one_line,
    tally::{BOUNDS, Counter},
};

impl Status {
    /// OpenMetrics 1.0.
    pub fn open_metrics(&self) -> String {
        let mut out = self.metrics(true);
        out.push_str("# EOF\n");
        out
    }

    /// Prometheus' text form, version 0.0.4.
    pub fn prometheus(&self) -> String {
        self.metrics(false)
    }

    fn metrics(&self, open: bool) -> String {
        let mut out = Metrics { text: String::new(), open };
        out.gauge("build_info", "Which build answers.");
        let names = [("version", &*self.version), ("server", &self.server), ("mpm", &self.mpm)];
        out.sample("build_info", &names, 1);
        out.gauge("counted_since_timestamp_seconds", "When the counting began.");
        out.sample("counted_since_timestamp_seconds", &[], self.counted_since);
        out.gauge("configured_since_timestamp_seconds", "When the configuration was read.");
        out.sample("configured_since_timestamp_seconds", &[], self.configured_since);
        self.requests(&mut out);
        self.move_time(&mut out);
        out.gauge("children", "Processes of the server.");
        out.sample("children", &[], self.children.len() as u64);
        out.gauge("workers_in_flight", "Workers of all processes that serve a request.");
        out.sample("workers_in_flight", &[], self.in_flight());
        out.gauge("workers_resting", "Kept workers of all processes that have no request.");
        out.sample("workers_resting", &[], self.resting());
        self.maps(&mut out);
        self.databases(&mut out);
        self.pools(&mut out);
        out.text
    }

    fn requests(&self, out: &mut Metrics) {
        let since = self.counted_since;
        out.counter("requests", "Requests by what mod_confine did with them.");
        for counter in Counter::all() {
            out.count("requests", &[("outcome", counter.name())], self.total(counter), since);
        }
        out.counter(
            "context_requests",
            "The same for each virtual host with each of its contexts; what has no row of its own is other.",
        );
        for row in self.telling_rows() {
            let said =
                Counter::all().filter(|counter| *counter == Counter::Confined || row.get(*counter) > 0);
            for counter in said {
                let names = [("vhost", &*row.host), ("context", &row.context), ("outcome", counter.name())];
                out.count("context_requests", &names, row.get(counter), since);
            }
        }
        out.gauge("status_rows", "Pairs of a virtual host and a context that are counted apart.");
        out.sample("status_rows", &[], self.rows_used);
        out.gauge("status_rows_limit", "How many there may be.");
        out.sample("status_rows_limit", &[], self.row_limit);
    }

    fn move_time(&self, out: &mut Metrics) {
        const NAME: &str = "move_duration_seconds";
        let (buckets, time) = self.moves();
        out.head(NAME, "histogram", "How long it took to move a request into its contexts.");
        let bounds = BOUNDS.iter().map(|bound| fraction(*bound)).chain(["+Inf".to_owned()]);
        let mut sum = 0_u64;
        for (bound, count) in bounds.zip(buckets) {
            sum = sum.saturating_add(count);
            out.sample(&format!("{NAME}_bucket"), &[("le", &bound)], sum);
        }
        out.value(&format!("{NAME}_sum"), &[], &fraction(time));
        out.sample(&format!("{NAME}_count"), &[], sum);
        if out.open {
            out.sample(&format!("{NAME}_created"), &[], self.counted_since);
        }
    }

    fn maps(&self, out: &mut Metrics) {
        if self.maps.is_empty() {
            return;
        }
        out.counter("map_loads", "How often a map's rules were taken over since the configuration was read.");
        for map in &self.maps {
            out.count("map_loads", &[("map", &map.file)], map.generation, self.configured_since);
        }
        out.gauge("map_rules", "Rules of a map.");
        for map in &self.maps {
            out.sample("map_rules", &[("map", &map.file)], map.rules);
        }
        out.gauge("map_loaded_timestamp_seconds", "When a map's rules were taken over.");
        for map in &self.maps {
            out.value("map_loaded_timestamp_seconds", &[("map", &map.file)], &seconds(map.since));
        }
        out.gauge("map_stale", "1 where a map's file changed and could not be taken over.");
        for map in &self.maps {
            out.sample("map_stale", &[("map", &map.file)], map.error.is_some().into());
        }
        out.gauge("map_children", "Processes of the configuration that have a map's rules of now.");
        for map in &self.maps {
            if let Some(children) = map.children {
                out.sample("map_children", &[("map", &map.file)], children);
            }
        }
    }

    fn databases(&self, out: &mut Metrics) {
        if self.databases.is_empty() {
            return;
        }
        let since = self.configured_since;
        out.gauge("database_entries", "Answers of a database that are kept, in all processes.");
        for it in &self.databases {
            if let Some(entries) = it.entries {
                out.sample("database_entries", &[("map", &it.map), ("rule", &it.rule)], entries);
            }
        }
        let counters: [Counted<DatabaseStatus>; 3] = [
            ("database_hits", "Requests that a kept answer of a database was for.", |it| it.hits),
            ("database_misses", "Questions to a database.", |it| it.misses),
            ("database_errors", "Questions to a database that failed.", |it| it.errors),
        ];
        out.counters(&counters, &self.databases, |it| [("map", &it.map), ("rule", &it.rule)], since);
    }

    fn pools(&self, out: &mut Metrics) {
        if self.pools.is_empty() {
            return;
        }
        let gauges: [Counted<PoolStatus>; 2] = [
            ("pool_processes", "Processes of a pool.", |pool| pool.processes),
            ("pool_requests_in_flight", "Requests that are in a pool or wait for it.", |pool| pool.in_flight),
        ];
        for (name, help, value) in gauges {
            out.gauge(name, help);
            for pool in &self.pools {
                out.sample(name, &names_of(pool), value(pool));
            }
        }
        let counters: [Counted<PoolStatus>; 3] = [
            ("pool_starts", "Processes that were started.", |pool| pool.starts),
            ("pool_deaths", "Processes that ended by an error.", |pool| pool.deaths),
            ("pool_full", "Requests that were refused because too many waited.", |pool| pool.full),
        ];
        out.counters(&counters, &self.pools, names_of, self.configured_since);
    }
}

/// A number of each of several things: its name, what it says, and where it is.
type Counted<T> = (&'static str, &'static str, fn(&T) -> u64);
/// What tells such things apart.
type Names<T> = for<'t> fn(&'t T) -> [(&'static str, &'t str); 2];

fn names_of(pool: &PoolStatus) -> [(&'static str, &str); 2] {
    [("program", &pool.program), ("context", &pool.context)]
}

/// Nanoseconds as seconds, without an exponent.
fn fraction(nanoseconds: u64) -> String {
    let text = format!("{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

/// The text so far. All names begin with `confine_`.
struct Metrics {
    text: String,
    open: bool,
}

impl Metrics {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP confine_{name} {help}\n# TYPE confine_{name} {kind}");
    }

    fn gauge(&mut self, name: &str, help: &str) {
        self.head(name, "gauge", help);
    }

    /// In OpenMetrics, the name of the family does not have the ending of its samples.
    fn counter(&mut self, name: &str, help: &str) {
        let ending = if self.open { "" } else { "_total" };
        self.head(&format!("{name}{ending}"), "counter", help);
    }

    fn count(&mut self, name: &str, names: &[(&str, &str)], value: u64, since: u64) {
        self.sample(&format!("{name}_total"), names, value);
        if self.open {
            self.sample(&format!("{name}_created"), names, since);
        }
    }

    /// The counters of several things of a kind.
    fn counters<T>(&mut self, counters: &[Counted<T>], things: &[T], names: Names<T>, since: u64) {
        for (name, help, value) in counters {
            self.counter(name, help);
            for it in things {
                self.count(name, &names(it), value(it), since);
            }
        }
    }

    fn sample(&mut self, name: &str, names: &[(&str, &str)], value: u64) {
        self.value(name, names, &value.to_string());
    }

    fn value(&mut self, name: &str, names: &[(&str, &str)], value: &str) {
        let _ = write!(self.text, "confine_{name}");
        for (number, (name, value)) in names.iter().enumerate() {
            let sign = if number == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{sign}{name}=\"{}\"", label(value));
        }
        let end = if names.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }
}

/// A text in the form of a label's value.
fn label(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('"', "\\\"")
}
