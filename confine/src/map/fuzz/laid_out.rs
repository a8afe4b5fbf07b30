//! Checks that the layout of a map changes nothing but blanks.

use std::path::Path;

use super::asker::{DEFAULT, Scanned};
use crate::map::{MapText, Progress};

fn layout(text: &str) -> String {
    crate::map::layout(text, &Progress::default())
}

/// The input is a map.
pub(crate) fn map_fmt(data: &[u8]) {
    let map = |text: &[u8]| MapText::of(Path::new("m"), text.to_vec(), DEFAULT);
    let (Ok(text), Ok(_)) = (std::str::from_utf8(data), map(data).map()) else { return };
    let laid_out = layout(text);
    let rules = |text: &[u8]| {
        let scanned = Scanned::of(&map(text));
        assert_eq!(scanned.errors, 0);
        scanned.rules.into_iter().map(|(_, subject, contexts)| (subject, contexts)).collect::<Vec<_>>()
    };
    assert_eq!(rules(data), rules(laid_out.as_bytes()));
    assert_eq!(visible(text), visible(&laid_out), "words and comments stay");
    assert_eq!(layout(&laid_out), laid_out, "a second time changes nothing");
}

/// The part of a text that a layout must not change.
fn visible(text: &str) -> String {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).collect()
}
