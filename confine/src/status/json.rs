//! The status as JSON. Times are seconds since 1970.

use serde_json::{Map, Value, json};

use super::{Counts, Status, sum, time::seconds};
use crate::tally::{BOUNDS, BUCKETS, Counter};

impl Status {
    /// One object.
    pub fn json(&self) -> String {
        let (buckets, time) = self.moves();
        let value = json!({
            "version": self.version,
            "server": self.server,
            "mpm": self.mpm,
            "time": self.now,
            "counted_since": self.counted_since,
            "configured_since": self.configured_since,
            "requests": outcomes(|counter| Some(self.total(counter))),
            "move_time": moves(&buckets, time),
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "rows_used": self.rows_used,
            "rows_limit": self.row_limit,
            "refusals": self.refusals_number,
            "last_refusals": self.last_refusals(),
            "maps": self.maps.iter().map(|map| json!({
                "file": map.file,
                "generation": map.generation,
                "rules": map.rules,
                "since": point(map.since),
                "children": map.children,
                "error": map.error.as_ref().map(|(since, text)| json!({ "since": point(*since), "text": text })),
            })).collect::<Vec<_>>(),
            "databases": self.databases.iter().map(|database| json!({
                "map": database.map,
                "rule": database.rule,
                "entries": database.entries,
                "hits": database.hits,
                "misses": database.misses,
                "errors": database.errors,
            })).collect::<Vec<_>>(),
            "pools": self.pools.iter().map(|pool| json!({
                "program": pool.program,
                "context": pool.context,
                "state": pool.state,
                "processes": pool.processes,
                "in_flight": pool.in_flight,
                "starts": pool.starts,
                "deaths": pool.deaths,
                "full": pool.full,
            })).collect::<Vec<_>>(),
            "workers": { "in_flight": self.in_flight(), "resting": self.resting() },
            "children": self.children.iter().map(|child| json!({
                "process": child.process,
                "leaving": child.is_leaving,
                "in_flight": child.in_flight,
                "resting": child.resting,
            })).collect::<Vec<_>>(),
        });
        format!("{value:#}\n")
    }

    fn last_refusals(&self) -> Vec<Value> {
        let refusal = |refusal: &super::LastRefusal| {
            let (why, remedy) = refusal.why_and_remedy();
            json!({
                "time": point(refusal.time),
                "outcome": refusal.outcome,
                "reported_only": refusal.reported_only,
                "status": refusal.status,
                "vhost": refusal.host,
                "context": refusal.context,
                "line": format!("{}: {}", refusal.line, refusal.reason),
                "why": why,
                "remedy": remedy,
            })
        };
        self.refusals.iter().map(refusal).collect()
    }
}

/// Milliseconds as a number of seconds.
fn point(milliseconds: u64) -> Value {
    seconds(milliseconds).parse::<f64>().map_or(Value::Null, Value::from)
}

/// A field for each counter that has a value.
fn outcomes(count: impl Fn(Counter) -> Option<u64>) -> Value {
    let fields =
        Counter::all().filter_map(|counter| Some((counter.name().to_owned(), count(counter)?.into())));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn row(row: &Counts) -> Value {
    json!({
        "vhost": row.host,
        "context": row.context,
        "other": row.is_other,
        "requests": outcomes(|counter| Some(row.get(counter)).filter(|count| *count > 0)),
        "move_time": moves(&row.buckets, row.time),
    })
}

/// How many moves took how long. `le` is the upper bound in nanoseconds, or `null` if there is none.
fn moves(buckets: &[u64; BUCKETS], time: u64) -> Value {
    let bounds = BOUNDS.iter().map(|bound| Value::from(*bound)).chain([Value::Null]);
    let parts = bounds.zip(buckets).map(|(le, count)| json!({ "le": le, "count": count }));
    json!({
        "count": sum(*buckets),
        "nanoseconds": time,
        "buckets": parts.collect::<Vec<_>>(),
    })
}
