//! The counts, for people and for programs: a page of its own (`SetHandler confine-status`) and
//! lines in mod_status.

use std::fmt::Write as _;

use crate::{
    counters::{self, ALL},
    httpd::{request::Request, thread},
};

/// The handler's name.
pub const HANDLER: &std::ffi::CStr = c"confine-status";

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
         # TYPE confine_workers_in_flight gauge\nconfine_workers_in_flight {}",
        thread::in_flight()
    );
    r.write(&out);
}

/// Adds the counts to mod_status's page, or to its `?auto` form.
pub fn server_status(r: &mut Request<'_>, short: bool) {
    let mut out = String::new();
    if short {
        for (counter, name) in ALL {
            let _ = writeln!(out, "Confine{name}: {}", counters::get(counter));
        }
    } else {
        out.push_str("<hr />\n<h1>mod_confine</h1>\n<dl>\n");
        for (counter, name) in ALL {
            let _ = writeln!(out, "<dt>{name}: {}</dt>", counters::get(counter));
        }
        out.push_str("</dl>\n");
    }
    r.write(&out);
}
