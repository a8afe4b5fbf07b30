//! Checks of texts that go into a log. All bodies use them.

/// Checks that the text of an error is one line and not too long.
pub(crate) fn fit_for_a_log(text: &str) {
    one_line(text);
    assert!(text.len() < 1500, "{} bytes: {text}", text.len());
}

/// Checks that a text is one line. It may be long, because it shows all that was written.
pub(crate) fn one_line(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
}
