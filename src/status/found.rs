//! Collects what the status page tells: the shared counts, with the names of the current configuration.

use confine::{
    policy::decide::Source,
    status::{ChildStatus, Counts, DatabaseStatus, LastRefusal, MapStatus, Status, tell_apart},
    tally::{ChildState, Counter, Tally},
};

use crate::{
    config::{Policy, ServerConfig},
    fastcgi,
    httpd::{hooks, request::Request},
    report::counters,
};

/// Everything, as it is now.
pub fn status(r: &Request<'_>) -> Status {
    let mut status = Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        server: hooks::server_version(),
        mpm: hooks::mpm_name(),
        now: counters::now() / 1000,
        ..Status::default()
    };
    let Some(tally) = counters::tally() else { return status };
    let children = tally.children.states();
    counted(&mut status, tally);
    if let Some(policy) = ServerConfig::of(&r.server()).and_then(|config| config.policy()) {
        let here = Here { policy, tally, children: &children };
        status.maps = here.maps();
        status.databases = here.databases();
    }
    let child = |child: &ChildState| ChildStatus {
        process: child.process,
        is_leaving: child.configuration != tally.configuration(),
        in_flight: child.in_flight,
        resting: child.resting,
    };
    status.pools = fastcgi::pools(|label| tally.labels.text(label));
    status.children = children.iter().map(child).collect();
    status
}

/// The parts that do not depend on the configuration.
fn counted(status: &mut Status, tally: &Tally<'_>) {
    let name = |label| tally.labels.text(label);
    status.counted_since = tally.counted_since();
    status.configured_since = tally.configured_since();
    let row = |row: confine::tally::RowState| Counts::of(&row, name(row.host), name(row.context));
    status.rows = tally.rows.states().map(row).collect();
    status.row_limit = tally.rows.limit();
    status.rows_used = tally.rows.used();
    status.refusals_number = tally.refusals.number();
    let refusal = |it: confine::tally::PastRefusal| LastRefusal {
        time: it.time,
        outcome: Counter::from_number(it.outcome.into()).map_or("?", Counter::name),
        reported_only: it.reported_only,
        status: it.status,
        host: name(it.host),
        context: name(it.context),
        line: it.line,
        reason: it.reason,
    };
    status.refusals = tally.refusals.last().into_iter().map(refusal).collect();
}

/// The configuration of the child that answers, and what all children tell.
struct Here<'h> {
    policy: &'h Policy,
    tally: &'h Tally<'h>,
    children: &'h [ChildState],
}

impl Here<'_> {
    /// The children that serve by the current configuration.
    fn of_now(&self) -> impl Iterator<Item = &ChildState> {
        self.children.iter().filter(|child| child.configuration == self.tally.configuration())
    }

    fn maps(&self) -> Vec<MapStatus> {
        let mut names: Vec<_> =
            self.policy.maps.iter().map(|watched| watched.map.path().display().to_string()).collect();
        tell_apart(&mut names);
        let map = |(number, file): (usize, String)| {
            let news = self.tally.sources.map_news(number)?;
            // A child that is just beginning has a place and tells its maps in a moment. It is not counted before.
            let told = self.of_now().all(|child| child.maps.get(number).is_some());
            let children = self.of_now().filter(|child| child.maps.get(number) == Some(&news.sight)).count();
            Some(MapStatus {
                file,
                generation: news.generation,
                rules: news.rules,
                since: news.since,
                error: news.error,
                children: told.then_some(children as u64),
            })
        };
        names.into_iter().enumerate().filter_map(map).collect()
    }

    fn databases(&self) -> Vec<DatabaseStatus> {
        let databases = self.policy.rules.iter().filter_map(|rule| match &rule.source {
            Source::Database(database) => Some((rule, database)),
            _ => None,
        });
        let databases: Vec<_> = databases.collect();
        let mut places: Vec<_> = databases.iter().map(|(rule, _)| rule.origin.to_string()).collect();
        tell_apart(&mut places);
        let told = databases.into_iter().zip(places).enumerate().map(|(number, ((_, database), rule))| {
            let counts = database.counts();
            DatabaseStatus {
                map: format!("dbd:{}", database.label().to_string_lossy()),
                rule,
                entries: self
                    .of_now()
                    .try_fold(0_u64, |all, child| Some(all.saturating_add(*child.entries.get(number)?))),
                hits: counts.hits,
                misses: counts.misses,
                errors: counts.errors,
            }
        });
        told.collect()
    }
}
