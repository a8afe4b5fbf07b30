//! What is for people alone: colours.

use std::{env, ffi::OsStr, io::IsTerminal};

/// Whether standard output takes colours: a terminal that can, and nobody who wants none (NO_COLOR, as
/// on no-color.org).
pub fn colors() -> bool {
    wants_colors(
        std::io::stdout().is_terminal(),
        env::var_os("NO_COLOR").as_deref(),
        env::var_os("TERM").as_deref(),
    )
}

fn wants_colors(terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty) && term.is_none_or(|t| t != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_of_people_who_want_them() {
        let some = |text: &'static str| Some(OsStr::new(text));
        assert!(wants_colors(true, None, some("xterm")));
        assert!(wants_colors(true, some(""), None));
        assert!(!wants_colors(false, None, some("xterm")));
        assert!(!wants_colors(true, some("1"), some("xterm")));
        assert!(!wants_colors(true, None, some("dumb")));
    }
}
