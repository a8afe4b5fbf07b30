//! The parts of the page: texts, numbers, times and tables. Each writes itself as HTML.

use std::fmt::{self, Write as _};

use crate::{field::one_line, status::time::utc};

/// A value in the page, as text or between quotes.
pub struct Text<'t>(pub &'t str);

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

/// A time, in seconds since 1970.
pub struct Time(pub u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = utc(self.0);
        write!(f, "<time datetime=\"{time}\">{}</time>", time.replace('T', " ").replace('Z', " UTC"))
    }
}

/// A number with separated thousands.
pub struct Number(pub u64);

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

/// A cell with a number. A zero is less visible.
pub struct Cell(pub u64);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = if self.0 == 0 { "n zero" } else { "n" };
        write!(f, "<td class=\"{class}\">{}</td>", Number(self.0))
    }
}

/// The time of a move, in nanoseconds.
pub struct Span(pub u64);

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
    let tenths = number.saturating_mul(10) / unit;
    if tenths >= 100 || tenths % 10 == 0 {
        (tenths / 10).to_string()
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

/// The table of a section, with its name for screen readers and its headings.
pub struct Table<'t> {
    /// Its id in the page.
    pub id: &'t str,
    /// The section's heading.
    pub title: &'t str,
    /// What the table shows.
    pub caption: &'t str,
    /// The headings, each with the class of its column.
    pub headings: &'t [(&'t str, &'t str)],
}

impl Table<'_> {
    /// Writes the section. `body` writes the rows.
    pub fn write(&self, out: &mut String, body: impl FnOnce(&mut String)) {
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
