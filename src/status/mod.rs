//! The status page: a page of its own (`SetHandler confine-status`) and a part of mod_status's page.
//! [`confine::status`] writes what is found in the form that was requested.

mod found;

use confine::{status::Form, tally::Counter};

use crate::httpd::request::Request;

/// What a browser may do with the page: it shows the page with the style in it, and nothing else.
const POLICY: &std::ffi::CStr =
    c"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers with the status in the requested form.
pub fn page(r: &mut Request<'_>) {
    let text = |value: Option<&std::ffi::CStr>| value.map(|value| value.to_string_lossy().into_owned());
    let (query, accept) = (text(r.query()), text(r.header(c"Accept")));
    let form = Form::asked_for(query.as_deref(), accept.as_deref());
    r.set_content_type(form.content_type());
    for (name, value) in [
        (c"Cache-Control", c"no-store"),
        (c"Vary", c"Accept"),
        (c"X-Content-Type-Options", c"nosniff"),
        (c"Content-Security-Policy", POLICY),
    ] {
        r.set_response_header(name, value);
    }
    let status = found::status(r);
    r.write(&match form {
        Form::Html => status.html(),
        Form::Json => status.json(),
        Form::OpenMetrics => status.open_metrics(),
        Form::Prometheus => status.prometheus(),
        Form::Auto => status.auto(),
    });
}

/// Adds the counts to mod_status's page, or to its `?auto` form.
pub fn server_status(r: &mut Request<'_>, short: bool) {
    let status = found::status(r);
    let text = if short {
        status.auto()
    } else {
        let lines =
            Counter::all().map(|counter| format!("<dt>{}: {}</dt>\n", counter.name(), status.total(counter)));
        format!("<hr />\n<h1>mod_confine</h1>\n<dl>\n{}</dl>\n", lines.collect::<String>())
    };
    r.write(&text);
}
