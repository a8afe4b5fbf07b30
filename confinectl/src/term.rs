//! What only people see: colours, and the progress of long work.

use std::{
    env,
    ffi::OsStr,
    io::IsTerminal,
    path::Path,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use confine::map::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Work that takes less time shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the display is updated.
const TICK: Duration = Duration::from_millis(100);

/// Does `work` on this many bytes. If it takes more than a second, a bar on standard error shows its progress. If the
/// number of bytes is not known (0), a moving sign shows that it goes on. If standard error is no terminal, nothing
/// is shown.
pub fn during<T>(what: &'static str, bytes: u64, work: impl FnOnce(&Arc<Progress>) -> T) -> T {
    let progress = Arc::new(Progress::of(bytes));
    if !std::io::stderr().is_terminal() {
        return work(&progress);
    }
    thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        let seen = Arc::clone(&progress);
        let watch = move || {
            if is_done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let line = bar(what, &seen);
                // The loop ends when `done` is dropped. A panic drops it, too.
                while is_done.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    line.set_position(seen.done());
                    line.tick();
                }
                line.finish_and_clear();
            }
        };
        // If there is no thread, nothing is shown, but the work is done.
        let _watcher = thread::Builder::new().spawn_scoped(scope, watch);
        let result = work(&progress);
        drop(done);
        result
    })
}

/// The bar has no colours, so NO_COLOR needs no attention here.
fn bar(what: &'static str, progress: &Progress) -> ProgressBar {
    let bar = match progress.total() {
        // If the template were wrong, the crate's default would be used.
        Some(total) => ProgressBar::new(total).with_style(
            ProgressStyle::with_template("{msg} [{bar:32}] {percent}%")
                .map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("=> ")),
        ),
        None => ProgressBar::new_spinner(),
    };
    bar.with_message(what)
}

/// The size of a file. It is 0 if it is not known.
pub fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

/// Whether standard output takes colours: it is a terminal with colours, and NO_COLOR is not set (no-color.org).
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
