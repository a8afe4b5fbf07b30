//! Lines for programs, as mod_status writes them for `?auto`: `Key: value`, one key a fact.

use std::fmt::Write as _;

use super::{Status, sum};
use crate::{field::one_line, tally::Counter};

impl Status {
    /// The lines.
    pub fn auto(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let mut put = |key: &str, value: &str| {
            let _ = writeln!(out, "Confine{key}: {}", one_line(value));
        };
        put("Version", &self.version);
        put("CountedSince", &self.counted_since.to_string());
        put("ConfiguredSince", &self.configured_since.to_string());
        for counter in Counter::all() {
            put(counter.name(), &self.total(counter).to_string());
        }
        let (buckets, time) = self.moves();
        put("Moves", &sum(buckets).to_string());
        put("MovesNanoseconds", &time.to_string());
        put("Children", &self.children.len().to_string());
        put("WorkersInFlight", &self.in_flight().to_string());
        put("WorkersResting", &self.resting().to_string());
        put("StatusRows", &self.rows_used.to_string());
        put("StatusRowsLimit", &self.row_limit.to_string());
        let known = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
        for (number, map) in self.maps.iter().enumerate() {
            let mut put = |key: &str, value: &str| put(&format!("Map[{number}]{key}"), value);
            put("File", &map.file);
            put("Generation", &map.generation.to_string());
            put("Rules", &map.rules.to_string());
            put("Since", &(map.since / 1000).to_string());
            put("Children", &known(map.children));
            put("ErrorSince", &known(map.error.as_ref().map(|(since, _)| since / 1000)));
            put("Error", map.error.as_ref().map_or("-", |(_, error)| error));
        }
        for (number, database) in self.databases.iter().enumerate() {
            let mut put = |key: &str, value: &str| put(&format!("Database[{number}]{key}"), value);
            put("Map", &database.map);
            put("Rule", &database.rule);
            put("Entries", &known(database.entries));
            put("Hits", &database.hits.to_string());
            put("Misses", &database.misses.to_string());
            put("Errors", &database.errors.to_string());
        }
        for (number, pool) in self.pools.iter().enumerate() {
            let mut put = |key: &str, value: &str| put(&format!("Pool[{number}]{key}"), value);
            put("Program", &pool.program);
            put("Context", &pool.context);
            put("State", pool.state);
            put("Processes", &pool.processes.to_string());
            put("InFlight", &pool.in_flight.to_string());
            put("Starts", &pool.starts.to_string());
            put("Deaths", &pool.deaths.to_string());
            put("Full", &pool.full.to_string());
        }
        out
    }
}
