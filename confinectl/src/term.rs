//! What is for people alone: colours, and a sign of life.

use std::{
    env,
    ffi::OsStr,
    io::IsTerminal,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use indicatif::ProgressBar;

/// Work that takes less shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Does `work`; where it takes more than a second, a moving line on standard error says that it goes on.
/// Nothing where that is no terminal.
pub fn during<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        let watch = move || {
            if is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let line = ProgressBar::new_spinner().with_message(what);
                line.enable_steady_tick(Duration::from_millis(100));
                // Ends when `done` is dropped, also by a panic.
                let _ = is_done.recv();
                line.finish_and_clear();
            }
        };
        // Without a thread there is no sign of life, and the work is done all the same.
        let _watcher = thread::Builder::new().spawn_scoped(scope, watch);
        let result = work();
        drop(done);
        result
    })
}

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
