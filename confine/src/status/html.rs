//! The status as a page to look at: no script, nothing from elsewhere, light or dark as the reader likes it.

use std::fmt::{self, Write as _};

use super::{Counts, LastRefusal, Status, time::utc};
use crate::{
    field::one_line,
    tally::{BOUNDS, Counter, Group},
};

/// So many rows are shown; programs get all.
const SHOWN_ROWS: usize = 200;

const STYLE: &str = include_str!("style.css");

/// Values in a page, as text or in quotes.
struct Text<'t>(&'t str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in one_line(self.0).chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A point of time, in seconds since 1970.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = utc(self.0);
        write!(f, "<time datetime=\"{time}\">{}</time>", time.replace('T', " ").replace('Z', " UTC"))
    }
}

/// A number with its thousands apart.
struct Number(u64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at) % 3 == 0 {
                f.write_str(",")?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

/// A cell with a number; a zero steps back.
struct Cell(u64);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = if self.0 == 0 { "n zero" } else { "n" };
        write!(f, "<td class=\"{class}\">{}</td>", Number(self.0))
    }
}

/// A time of a move, in nanoseconds.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1_000 => write!(f, "{} ns", self.0),
            1_000..1_000_000 => write!(f, "{} \u{b5}s", tenths(self.0, 1_000)),
            _ => write!(f, "{} ms", tenths(self.0, 1_000_000)),
        }
    }
}

fn tenths(number: u64, unit: u64) -> String {
    let tenths = number * 10 / unit;
    if tenths >= 100 || tenths % 10 == 0 {
        (tenths / 10).to_string()
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

/// The table of a section: its name for those who hear the page, and its headings.
struct Table<'t> {
    id: &'t str,
    title: &'t str,
    caption: &'t str,
    /// Each with the class of its column.
    headings: &'t [(&'t str, &'t str)],
}

impl Table<'_> {
    fn write(&self, out: &mut String, body: impl FnOnce(&mut String)) {
        let Self { id, title, caption, headings } = self;
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            out,
            "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n<div class=\"wide\" role=\"region\" \
             aria-labelledby=\"{id}\" tabindex=\"0\">\n<table>\n<caption>{caption}</caption>\n<thead><tr>"
        );
        for (heading, class) in *headings {
            let _ = write!(out, "<th scope=\"col\" class=\"{class}\">{heading}</th>");
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        body(out);
        out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
    }
}

impl Status {
    /// The page.
    pub fn html(&self) -> String {
        let mut out = String::with_capacity(32 * 1024);
        let _ = write!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
             <title>mod_confine: {} refused</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
            Number(self.total_of(Group::Refused))
        );
        self.header(&mut out);
        out.push_str("<main>\n");
        self.cards(&mut out);
        self.alerts(&mut out);
        self.rows_table(&mut out);
        self.outcomes_table(&mut out);
        self.refusals_table(&mut out);
        self.maps_table(&mut out);
        self.databases_table(&mut out);
        self.moves_table(&mut out);
        self.children_table(&mut out);
        // What serves requests in processes of its own has its section here, a table like the others.
        out.push_str("</main>\n</body>\n</html>\n");
        out
    }

    fn header(&self, out: &mut String) {
        let _ = write!(
            out,
            "<header>\n<h1>mod_confine</h1>\n<p>Version {} in {}, MPM {}. Asked at {}.</p>\n\
             <p>Counted since {}. This configuration is in force since {}.</p>\n\
             <nav aria-label=\"Other forms of this page\"><a href=\"?format=json\">JSON</a>\
             <a href=\"?format=openmetrics\">OpenMetrics</a><a href=\"?format=prometheus\">Prometheus</a>\
             <a href=\"?auto\">Lines</a></nav>\n</header>\n",
            Text(&self.version),
            Text(&self.server),
            Text(&self.mpm),
            Time(self.now),
            Time(self.counted_since),
            Time(self.configured_since)
        );
    }

    fn cards(&self, out: &mut String) {
        let refused = self.total_of(Group::Refused);
        let unconfined = self.total_of(Group::Unconfined);
        let or_idle = |number, class| if number == 0 { "idle" } else { class };
        let cards = [
            (self.total_of(Group::Confined), "good", "confined"),
            (unconfined, or_idle(unconfined, "watch"), "served outside of a context"),
            (self.total_of(Group::Reported), "idle", "only reported on"),
            (refused, or_idle(refused, "bad"), "refused"),
            (self.in_flight(), "idle", "workers in flight"),
            (self.resting(), "idle", "kept workers resting"),
        ];
        out.push_str("<ul class=\"cards\" aria-label=\"In short\">\n");
        for (number, class, what) in cards {
            let _ = writeln!(
                out,
                "<li class=\"{class}\"><span class=\"number\">{}</span> <span class=\"what\">{what}</span></li>",
                Number(number)
            );
        }
        out.push_str("</ul>\n");
    }

    /// What somebody should look at.
    fn alerts(&self, out: &mut String) {
        let mut alerts = Vec::new();
        for map in &self.maps {
            if let Some((since, error)) = &map.error {
                alerts.push(format!(
                    "The map <code class=\"long\">{}</code> changed at {} and could not be taken over; the rules from \
                     before stay: <span class=\"long\">{}</span>",
                    Text(&map.file),
                    Time(since / 1000),
                    Text(error)
                ));
            }
        }
        for (counter, what) in [
            (Counter::Panic, "a fault of mod_confine itself: see the log, and please report it"),
            (
                Counter::NoThread,
                "no thread could be made: raise TasksMax or ulimit -u, or lower ThreadStackSize",
            ),
        ] {
            let number = self.total(counter);
            if number > 0 {
                alerts.push(format!("{} times {what}.", Number(number)));
            }
        }
        if self.rows.iter().any(|row| row.is_other && row.all() > 0) {
            alerts.push(format!(
                "All {} rows for pairs of a virtual host and a context are taken: further pairs are counted together as \
                 <em>other</em>. ConfineStatusRows allows more.",
                Number(self.row_limit)
            ));
        }
        if !alerts.is_empty() {
            let _ = write!(
                out,
                "<div class=\"alert\" role=\"note\" aria-label=\"To look at\">\n<ul>\n<li>{}</li>\n</ul>\n</div>\n",
                alerts.join("</li>\n<li>")
            );
        }
    }

    fn rows_table(&self, out: &mut String) {
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

    fn outcomes_table(&self, out: &mut String) {
        let headings = [("Counter", ""), ("Requests", "n"), ("What it says", "")];
        let caption = "All virtual hosts together.";
        Table { id: "outcomes", title: "Outcomes, and refusals by reason", caption, headings: &headings }
            .write(out, |out| {
                let groups = [
                    (Group::Confined, "Confined", "good-text"),
                    (Group::Unconfined, "Served outside of a context", "watch-text"),
                    (Group::Reported, "Report mode", "idle-text"),
                    (Group::Refused, "Refused", "bad-text"),
                ];
                for (group, title, class) in groups {
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

    fn refusals_table(&self, out: &mut String) {
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

    fn maps_table(&self, out: &mut String) {
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

    fn databases_table(&self, out: &mut String) {
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

    fn moves_table(&self, out: &mut String) {
        let (buckets, time) = self.moves();
        let moves: u64 = buckets.iter().sum();
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
                    let part = (count * 1000).checked_div(moves).unwrap_or_default();
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

    fn children_table(&self, out: &mut String) {
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
