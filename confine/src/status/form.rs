//! In which form the status is requested.

/// The forms of the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A page for people.
    Html,
    /// JSON.
    Json,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The older text form of Prometheus.
    Prometheus,
    /// Lines as mod_status writes them for `?auto`.
    Auto,
}

/// The forms in the order of preference, for a client that likes several equally well.
const OFFERED: [(&str, &str, Form); 4] = [
    ("application", "openmetrics-text", Form::OpenMetrics),
    ("application", "json", Form::Json),
    ("text", "html", Form::Html),
    ("text", "plain", Form::Prometheus),
];

/// The form for a client that accepts anything.
const DEFAULT: Form = Form::Prometheus;

impl Form {
    /// The form for a query (`format=json`) and an `Accept` header. The query has priority. A client that accepts
    /// anything, or nothing that is offered, gets Prometheus' text form.
    pub fn asked_for(query: Option<&str>, accept: Option<&str>) -> Self {
        let mut words = query.unwrap_or_default().split('&');
        words.find_map(Self::named).unwrap_or_else(|| Self::accepted(accept.unwrap_or_default()))
    }

    fn named(word: &str) -> Option<Self> {
        match word {
            "format=html" => Some(Self::Html),
            "format=json" => Some(Self::Json),
            "format=openmetrics" => Some(Self::OpenMetrics),
            "format=prometheus" => Some(Self::Prometheus),
            "auto" | "format=auto" => Some(Self::Auto),
            _ => None,
        }
    }

    /// RFC 9110, 12.5.1: for a type, the most specific range decides, and of the types the one with the highest
    /// quality is chosen.
    fn accepted(accept: &str) -> Self {
        let best = OFFERED.iter().enumerate().filter_map(|(place, (kind, of_kind, form))| {
            let quality = quality(accept, kind, of_kind).filter(|(quality, _)| *quality > 0)?;
            Some((quality, std::cmp::Reverse(place), *form))
        });
        let best = best.max_by_key(|(quality, place, _)| (*quality, *place));
        match best {
            // The client only wrote `*/*` or `text/*`, which is no preference.
            Some(((_, true), _, form)) => form,
            _ => DEFAULT,
        }
    }

    /// The content type of the response.
    pub fn content_type(self) -> &'static std::ffi::CStr {
        match self {
            Self::Html => c"text/html; charset=utf-8",
            Self::Json => c"application/json",
            Self::OpenMetrics => c"application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => c"text/plain; version=0.0.4; charset=utf-8",
            Self::Auto => c"text/plain; charset=utf-8",
        }
    }
}

/// The quality in thousandths that a header gives to a type, and whether it names this very type.
fn quality(accept: &str, kind: &str, of_kind: &str) -> Option<(u32, bool)> {
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let (range_kind, range_of) = parts.next()?.split_once('/')?;
        let exact = range_kind.eq_ignore_ascii_case(kind) && range_of.eq_ignore_ascii_case(of_kind);
        let specific = match (range_kind, range_of) {
            _ if exact => 2,
            (range, "*") if range.eq_ignore_ascii_case(kind) => 1,
            ("*", "*") => 0,
            _ => return None,
        };
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let quality = quality.map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0).clamp(0.0, 1.0));
        Some((specific, (quality * 1000.0) as u32))
    });
    ranges.max_by_key(|(specific, quality)| (*specific, *quality)).map(|(specific, q)| (q, specific == 2))
}
