//! From rounds to a table.

use std::{fmt::Write as _, fs};

use super::{client::Round, workloads::Client, workloads::Workload};

/// A table in Markdown: medians, and the spread of the ratios of single rounds. The other rows are compared with the
/// first one, which is called `first`.
pub fn table(workload: &Workload, first: &str, rows: &[(&str, Vec<Round>)]) -> String {
    let mut out = format!("### {}\n\n", workload.name);
    let has_latency = !matches!(workload.client, Client::Http2(_));
    // Writing to a String cannot fail.
    let _ = write!(out, "| server | requests/s | to {first} | spread | CPU us/request |");
    out.push_str(if has_latency { " added p50 us | added p99 us |\n" } else { "\n" });
    out.push_str(if has_latency { "|---|---|---|---|---|---|---|\n" } else { "|---|---|---|---|---|\n" });
    let stock = rows.first().map_or(&[][..], |(_, rounds)| rounds);
    for (name, own) in rows {
        let paired = |of: fn(&Round, &Round) -> f64| median(own.iter().zip(stock).map(|(a, b)| of(a, b)));
        let ratios: Vec<f64> = own.iter().zip(stock).map(|(a, b)| a.rate / b.rate).collect();
        let (low, high) = ratios.iter().fold((f64::MAX, 0.0_f64), |(l, h), r| (l.min(*r), h.max(*r)));
        let noisy = if high - low > 0.1 { " (noisy)" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "| {name} | {:.0} | {:.3} | {low:.3} to {high:.3}{noisy} | {:.1} |",
            median(own.iter().map(|r| r.rate)),
            median(ratios.iter().copied()),
            median(own.iter().map(|r| r.cpu)),
        );
        if has_latency {
            let (p50, p99) = (paired(|a, b| a.p50 - b.p50), paired(|a, b| a.p99 - b.p99));
            let _ = write!(out, " {p50:.0} | {p99:.0} |");
        }
        out.push('\n');
    }
    out
}

/// The median. NaN if there is no value.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Replaces the text between the marks `<!-- NAME -->` and `<!-- /NAME -->` in docs/performance.md.
pub fn write(name: &str, tables: &str) -> std::io::Result<()> {
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");
    let text = fs::read_to_string(FILE)?;
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let missing = || std::io::Error::other(format!("the marks {} and {end} are not there", begin.trim()));
    let (head, rest) = text.split_once(&begin).ok_or_else(missing)?;
    let (_, tail) = rest.split_once(&end).ok_or_else(missing)?;
    fs::write(FILE, format!("{head}{begin}{tables}{end}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }
}
