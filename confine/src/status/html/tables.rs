//! The sections of the page, one table each.

use std::fmt::Write as _;

use super::parts::{Cell, Number, Span, Table, Text, Time};
use crate::{
    status::{Counts, LastRefusal, Status, sum},
    tally::{BOUNDS, Counter, Group},
};

/// How many rows are shown. Programs get all rows.
const SHOWN_ROWS: usize = 200;

impl Status {
    pub(super) fn rows_table(&self, out: &mut String) {
        let mut rows: Vec<&Counts> = self.telling_rows().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.all()));
        let hidden = rows.len().saturating_sub(SHOWN_ROWS);
        let more = match hidden {
            0 => String::new(),
            hidden => format!(
                " {} rows with fewer requests are left out here; the other forms have all.",
                Number(hidden as u64)
            ),
        };
        let caption = format!(
            "Requests of each virtual host in each of its contexts, as all processes counted them. A dash: no context.{more}"
        );
        let headings = [
            ("Virtual host", ""),
            ("Context", ""),
            ("Confined", "n"),
            ("Unconfined", "n"),
            ("Reported", "n"),
            ("Refused", "n"),
            ("Mean time of the move", "n"),
        ];
        let table =
            Table { id: "rows", title: "Virtual hosts and contexts", caption: &caption, headings: &headings };
        table.write(out, |out| {
            for row in rows.iter().take(SHOWN_ROWS) {
                let mean = row.time.checked_div(row.moves()).map_or("-".to_owned(), |mean| Span(mean).to_string());
                let groups = [Group::Confined, Group::Unconfined, Group::Reported, Group::Refused];
                let counts = groups.map(|group| Cell(row.of_group(group)).to_string()).concat();
                let _ = writeln!(
                    out,
                    "<tr><th scope=\"row\" class=\"long\">{}</th><td class=\"long\"><code>{}</code></td>{counts}\
                     <td class=\"n\">{mean}</td></tr>",
                    Text(&row.host),
                    Text(&row.context)
                );
            }
            if rows.is_empty() {
                out.push_str("<tr><td colspan=\"7\">No request under a rule was counted yet.</td></tr>\n");
            }
        });
    }

    pub(super) fn outcomes_table(&self, out: &mut String) {
        let headings = [("Counter", ""), ("Requests", "n"), ("What it says", "")];
        let caption = "All virtual hosts together.";
        Table { id: "outcomes", title: "Outcomes, and refusals by reason", caption, headings: &headings }
            .write(out, |out| {
                let groups = [
                    (Group::Confined, "Confined", "good-text"),
                    (Group::Unconfined, "Served outside of a context", "watch-text"),
                    (Group::Reported, "Report and learn mode", "idle-text"),
                    (Group::Refused, "Refused", "bad-text"),
                ];
                for (number, (group, title, class)) in groups.into_iter().enumerate() {
                    // The heading of a group belongs to its own part of the table.
                    out.push_str(if number > 0 { "</tbody>\n<tbody>\n" } else { "" });
                    let _ = writeln!(
                        out,
                        "<tr><th scope=\"rowgroup\" colspan=\"3\" class=\"group {class}\">{title}</th></tr>"
                    );
                    for counter in Counter::all().filter(|counter| counter.group() == group) {
                        let _ = writeln!(
                            out,
                            "<tr><th scope=\"row\">{}</th>{}<td>{}</td></tr>",
                            counter.name(),
                            Cell(self.total(counter)),
                            counter.meaning()
                        );
                    }
                }
            });
    }

    pub(super) fn refusals_table(&self, out: &mut String) {
        let caption = format!(
            "The newest first: {} of {} since the counting began, with their log line, why, and what to do.",
            self.refusals.len(),
            Number(self.refusals_number)
        );
        let headings = [("When", ""), ("Answer", ""), ("Log line, reason and remedy", "")];
        Table { id: "refusals", title: "Last refusals", caption: &caption, headings: &headings }.write(
            out,
            |out| {
                self.refusals.iter().for_each(|refusal| refusal_row(out, refusal));
                if self.refusals.is_empty() {
                    out.push_str("<tr><td colspan=\"3\">Nothing was refused.</td></tr>\n");
                }
            },
        );
    }

    pub(super) fn maps_table(&self, out: &mut String) {
        if self.maps.is_empty() {
            return;
        }
        let headings = [
            ("File", ""),
            ("Rules", "n"),
            ("In force since", ""),
            ("Taken over", "n"),
            ("Processes with these rules", "n"),
            ("State", ""),
        ];
        let caption = "Maps of this configuration. A changed file is taken over within a second.";
        Table { id: "maps", title: "Maps", caption, headings: &headings }.write(out, |out| {
            let all = self.children.iter().filter(|child| !child.is_leaving).count();
            for map in &self.maps {
                let state = match &map.error {
                    None => "<span class=\"badge good-text\">in force</span>".to_owned(),
                    Some((since, error)) => format!(
                        "<span class=\"badge bad-text\">stale</span> since {}: <span class=\"long\">{}</span>",
                        Time(since / 1000),
                        Text(error)
                    ),
                };
                let children = map.children.map_or("-".to_owned(), |have| format!("{have} of {all}"));
                let _ = writeln!(
                    out,
                    "<tr><th scope=\"row\" class=\"long\"><code>{}</code></th>{}<td class=\"nowrap\">{}</td>{}\
                     <td class=\"n\">{children}</td><td>{state}</td></tr>",
                    Text(&map.file),
                    Cell(map.rules),
                    Time(map.since / 1000),
                    Cell(map.generation)
                );
            }
        });
    }

    pub(super) fn databases_table(&self, out: &mut String) {
        if self.databases.is_empty() {
            return;
        }
        let headings = [
            ("Statement", ""),
            ("Rule", ""),
            ("Kept answers", "n"),
            ("Hits", "n"),
            ("Questions", "n"),
            ("Failed", "n"),
        ];
        let caption = "Rules that ask a database, counted since the configuration was read.";
        Table { id: "databases", title: "Databases", caption, headings: &headings }.write(out, |out| {
            for it in &self.databases {
                let entries = it.entries.map_or("<td class=\"n\">-</td>".to_owned(), |number| Cell(number).to_string());
                let _ = writeln!(
                    out,
                    "<tr><th scope=\"row\" class=\"long\"><code>{}</code></th><td class=\"long\"><code>{}</code></td>\
                     {entries}{}{}{}</tr>",
                    Text(&it.map),
                    Text(&it.rule),
                    Cell(it.hits),
                    Cell(it.misses),
                    Cell(it.errors)
                );
            }
        });
    }

    pub(super) fn pools_table(&self, out: &mut String) {
        if self.pools.is_empty() {
            return;
        }
        let headings = [
            ("Context", ""),
            ("Program", ""),
            ("State", ""),
            ("Processes", "n"),
            ("Requests in it", "n"),
            ("Started", "n"),
            ("Died", "n"),
            ("Refused, full", "n"),
        ];
        let caption = "Processes that were started in their contexts (ConfineFastCGI), of this configuration. Counted \
                       since it was read.";
        Table { id: "pools", title: "Pools of processes", caption, headings: &headings }.write(out, |out| {
            for pool in &self.pools {
                let class = match pool.state {
                    "running" => "good-text",
                    "failing" => "bad-text",
                    _ => "idle-text",
                };
                let numbers = [pool.processes, pool.in_flight, pool.starts, pool.deaths, pool.full];
                let _ = writeln!(
                    out,
                    "<tr><th scope=\"row\" class=\"long\"><code>{}</code></th><td>{}</td>\
                     <td><span class=\"badge {class}\">{}</span></td>{}</tr>",
                    Text(&pool.context),
                    Text(&pool.program),
                    pool.state,
                    numbers.map(|number| Cell(number).to_string()).concat()
                );
            }
        });
    }

    pub(super) fn moves_table(&self, out: &mut String) {
        let (buckets, time) = self.moves();
        let moves = sum(buckets);
        let mean = time.checked_div(moves).map_or("none yet".to_owned(), |mean| Span(mean).to_string());
        let caption = format!(
            "How long it took to move a request into its contexts: {} moves, mean {mean}. Kept workers move once.",
            Number(moves)
        );
        let headings = [("Took", ""), ("Moves", "n"), ("Part of all", "bar")];
        Table { id: "moves", title: "Time of the move", caption: &caption, headings: &headings }.write(
            out,
            |out| {
                for (number, count) in buckets.iter().enumerate() {
                    let bound = match BOUNDS.get(number) {
                        Some(bound) => format!("up to {}", Span(*bound)),
                        None => format!("more than {}", Span(BOUNDS[BOUNDS.len() - 1])),
                    };
                    let part = count.saturating_mul(1000).checked_div(moves).unwrap_or_default();
                    let _ = writeln!(
                        out,
                        "<tr><th scope=\"row\" class=\"nowrap\">{bound}</th>{}<td class=\"bar\">\
                     <svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" role=\"img\" \
                     aria-label=\"{}.{} percent\"><rect width=\"{part}\" height=\"10\"/></svg></td></tr>",
                        Cell(*count),
                        part / 10,
                        part % 10
                    );
                }
            },
        );
    }

    pub(super) fn children_table(&self, out: &mut String) {
        let headings =
            [("Process", ""), ("Workers in flight", "n"), ("Kept workers resting", "n"), ("State", "")];
        let caption =
            "The server's processes. One that leaves ends its requests by the configuration from before.";
        Table { id: "processes", title: "Processes", caption, headings: &headings }.write(out, |out| {
            for child in &self.children {
                let state = if child.is_leaving { "leaving" } else { "serving" };
                let _ = writeln!(
                    out,
                    "<tr><th scope=\"row\">{}</th>{}{}<td>{state}</td></tr>",
                    child.process,
                    Cell(child.in_flight),
                    Cell(child.resting)
                );
            }
        });
    }
}

fn refusal_row(out: &mut String, refusal: &LastRefusal) {
    let (why, remedy) = refusal.why_and_remedy();
    let (would, class) = if refusal.reported_only { ("would be ", "watch-text") } else { ("", "bad-text") };
    let _ = write!(
        out,
        "<tr class=\"refusal\"><td class=\"nowrap\">{}</td><td class=\"nowrap\"><span class=\"badge {class}\">\
         {would}{}</span><br>{}</td><td><code class=\"long\">{}</code>\n<p class=\"long\">{}</p>",
        Time(refusal.time / 1000),
        refusal.status,
        Text(refusal.outcome),
        Text(&refusal.line),
        Text(why)
    );
    if let Some(remedy) = remedy {
        let _ = write!(out, "\n<p class=\"remedy long\"><strong>To do:</strong> {}</p>", Text(remedy));
    }
    out.push_str("</td></tr>\n");
}
