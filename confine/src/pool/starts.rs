//! When a pool's program is started again that ended before it took the connection for which it was started.

use std::time::Duration;

/// A program that ends sooner than this after its start, while the connection for which it was started still waits,
/// ended at its start.
pub const START: Duration = Duration::from_secs(2);
/// How often in a row a program may end well at its start.
const EARLY_ENDS: u32 = 3;
/// The first pause is twice as long, and each further one twice as long as the one before.
const HALF_A_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a pool's program fared at its starts.
///
/// ```
/// use std::time::Duration;
///
/// use confine::pool::starts::{End, Starts};
///
/// let mut starts = Starts::default();
/// let died = End { at_start: true, well: false, last: true };
/// assert_eq!(starts.ended(died), Some(Duration::from_secs(1)));
/// assert_eq!(starts.ended(died), Some(Duration::from_secs(2)));
/// ```
#[derive(Default)]
pub struct Starts {
    /// How often in a row a process ended at its start.
    early_ends: u32,
    /// How often in a row that counted as a failure.
    failures: u32,
}

/// The end of a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// Whether it ended at its start.
    pub at_start: bool,
    /// Whether it ended by itself and without an error.
    pub well: bool,
    /// Whether the pool has no other process.
    pub last: bool,
}

impl Starts {
    /// A process ended. The answer is for how long no other one is started, where the program failed.
    pub fn ended(&mut self, end: End) -> Option<Duration> {
        if !end.at_start {
            *self = Self::default();
            return None;
        }
        self.early_ends = self.early_ends.saturating_add(1);
        let fails = !end.well || self.early_ends > EARLY_ENDS;
        (fails && end.last).then(|| self.failed())
    }

    /// The program failed, or could not even be started. The answer is for how long no other one is started.
    pub fn failed(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        (HALF_A_PAUSE * (1 << self.failures.min(6))).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIED: End = End { at_start: true, well: false, last: true };
    const WENT: End = End { well: true, ..DIED };

    #[test]
    fn pauses_grow_and_end_with_a_request() {
        let mut starts = Starts::default();
        let pauses: Vec<_> = (0..8).filter_map(|_| starts.ended(DIED)).map(|pause| pause.as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(starts.ended(End { at_start: false, ..DIED }), None, "it served");
        assert_eq!(starts.ended(DIED), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_program_that_only_goes_away_has_a_few_attempts() {
        let mut starts = Starts::default();
        assert_eq!([(); 3].map(|()| starts.ended(WENT)), [None; 3]);
        assert_eq!(starts.ended(WENT), Some(Duration::from_secs(1)));
        assert_eq!(starts.ended(WENT), Some(Duration::from_secs(2)));
        let mut starts = Starts::default();
        for _ in 0..100 {
            assert_eq!(starts.ended(WENT), None);
            assert_eq!(starts.ended(End { at_start: false, ..WENT }), None, "Requests 1 is no failure");
        }
    }

    #[test]
    fn while_others_serve_nothing_pauses() {
        let mut starts = Starts::default();
        assert_eq!([(); 10].map(|()| starts.ended(End { last: false, ..DIED })), [None; 10]);
        assert_eq!(starts.ended(DIED), Some(Duration::from_secs(1)));
    }
}
