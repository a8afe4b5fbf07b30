//! How many lines a pool may write to the server's log.

use std::time::Duration;

/// How many lines one pool may write in [`SPAN`], all of its processes together.
pub const LINES: u32 = 50;

/// See [`LINES`].
pub const SPAN: Duration = Duration::from_secs(10);

/// What is written in place of the first line that is not kept.
const ENOUGH: &str = "(as many lines as it may write in 10 s; more are not kept)";

/// What one pool wrote lately.
///
/// ```
/// use std::time::Duration;
///
/// use confine::pool::lines::Lines;
///
/// let mut log = Vec::new();
/// let mut lines = Lines::default();
/// lines.line(Duration::from_secs(100), "a word", |line| log.push(line.to_owned()));
/// assert_eq!(log, ["a word"]);
/// ```
#[derive(Default)]
pub struct Lines {
    since: Duration,
    kept: u32,
    lost: u32,
}

impl Lines {
    /// A line came at this time, of a clock that never jumps. `write` gets what the log keeps.
    pub fn line(&mut self, now: Duration, line: &str, mut write: impl FnMut(&str)) {
        self.time_passed(now, &mut write);
        if self.kept < LINES {
            self.kept += 1;
            write(line);
            return;
        }
        if self.lost == 0 {
            write(ENOUGH);
        }
        self.lost = self.lost.saturating_add(1);
    }

    /// Whether lines were lost that nobody was told of.
    pub fn owes(&self) -> bool {
        self.lost > 0
    }

    /// Tells how many lines were lost, once that is known.
    pub fn time_passed(&mut self, now: Duration, mut write: impl FnMut(&str)) {
        if now.saturating_sub(self.since) <= SPAN {
            return;
        }
        if self.lost > 0 {
            write(&format!("(lines that were not kept: {})", self.lost));
        }
        *self = Self { since: now, kept: 0, lost: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1000);

    fn flood(lines: &mut Lines, now: Duration, count: usize) -> Vec<String> {
        let mut log = Vec::new();
        for _ in 0..count {
            lines.line(now, "flood", |line| log.push(line.to_owned()));
        }
        log
    }

    fn later(lines: &mut Lines, now: Duration) -> Vec<String> {
        let mut log = Vec::new();
        lines.time_passed(now, |line| log.push(line.to_owned()));
        log
    }

    #[test]
    fn a_flood_is_cut_and_told_of() {
        let mut lines = Lines::default();
        let log = flood(&mut lines, START, 1000);
        assert_eq!(log.len(), LINES as usize + 1);
        assert!(log[..LINES as usize].iter().all(|line| line == "flood"));
        assert_eq!(log[LINES as usize], ENOUGH);
        assert!(lines.owes());
        // Not before the span is over, and then although nothing more is written.
        assert_eq!(later(&mut lines, START + SPAN), [""; 0]);
        let after = START + SPAN + Duration::from_millis(1);
        assert_eq!(later(&mut lines, after), ["(lines that were not kept: 950)"]);
        assert!(!lines.owes());
        assert_eq!(later(&mut lines, after), [""; 0]);
        assert_eq!(flood(&mut lines, after, 2), ["flood", "flood"]);
    }

    #[test]
    fn who_says_little_loses_nothing() {
        let mut lines = Lines::default();
        for second in 0..1000 {
            let now = START + Duration::from_secs(second);
            assert_eq!(flood(&mut lines, now, 4), ["flood"; 4], "{second}");
        }
        // Exactly what may be written.
        let now = START + Duration::from_secs(2000);
        assert_eq!(flood(&mut lines, now, LINES as usize).len(), LINES as usize);
        assert!(!lines.owes());
        assert_eq!(later(&mut lines, now + SPAN * 2), [""; 0]);
        // The first line more is told of at once.
        let now = START + Duration::from_secs(3000);
        assert_eq!(flood(&mut lines, now, LINES as usize + 1).last().map(String::as_str), Some(ENOUGH));
        assert_eq!(later(&mut lines, now + SPAN * 2), ["(lines that were not kept: 1)"]);
    }
}
