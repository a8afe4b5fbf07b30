//! What every body expects of a text that goes into a log.

/// The text of an error goes into a log: one line, of bounded length.
pub(crate) fn fit_for_a_log(text: &str) {
    one_line(text);
    assert!(text.len() < 1500, "{} bytes: {text}", text.len());
}

/// As [`fit_for_a_log`], of a text that shows what was written whole.
pub(crate) fn one_line(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
}
