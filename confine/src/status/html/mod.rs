//! The status as a page for people. It has no script and loads nothing. It is light or dark, as the reader prefers.

mod parts;
mod tables;

use std::fmt::Write as _;

use self::parts::{Number, Text, Time};
use super::Status;
use crate::tally::{Counter, Group};

const STYLE: &str = include_str!("style.css");

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
        self.pools_table(&mut out);
        self.moves_table(&mut out);
        self.children_table(&mut out);
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

    /// What a reader should look at.
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
}
