//! The last refusals, in a ring. A new refusal takes the place of the oldest one.
//!
//! Two processes that write at the same time have two places. If one of them is so slow that the others come round to
//! its place, their texts could mix. A checksum shows this, and a refusal whose checksum is wrong is not shown.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Label, text};

/// How many are kept.
const PLACES: usize = 64;

/// The words of a place: its state, the time, the kind, the labels, the checksum, and the two texts.
const STATE: usize = 0;
const TIME: usize = 1;
const KIND: usize = 2;
const WHOSE: usize = 3;
const SUM: usize = 4;
const FIRST_WORD: usize = 8;
/// The longest line without its reason, and the longest reason, in words.
const LINE: usize = 176;
const REASON: usize = 136;
const PLACE: usize = FIRST_WORD + LINE + REASON;

/// What is kept of a refusal. `T` is a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalRecord<T> {
    /// Milliseconds since 1970.
    pub time: u64,
    /// The number of its outcome, by which it was counted.
    pub outcome: u8,
    /// Whether the request was only reported and not refused (report mode).
    pub reported_only: bool,
    /// The status of the response.
    pub status: u16,
    /// The virtual host.
    pub host: Label,
    /// The contexts.
    pub context: Label,
    /// The log line without its reason.
    pub line: T,
    /// The reason, and what to do.
    pub reason: T,
}

/// A refusal that is to be kept.
pub type NewRefusal<'a> = RefusalRecord<&'a str>;

/// One of the last refusals.
pub type PastRefusal = RefusalRecord<String>;

/// The ring.
#[derive(Clone, Copy)]
pub struct Refusals<'m> {
    /// The number of refusals so far.
    number: &'m AtomicU64,
    places: &'m [AtomicU64],
}

impl<'m> Refusals<'m> {
    pub(super) const WORDS: usize = 8 + PLACES * PLACE;

    pub(super) fn over(memory: &'m [AtomicU64]) -> Self {
        Self { number: &memory[0], places: &memory[8..] }
    }

    fn place(&self, number: u64) -> &'m [AtomicU64] {
        let at = number as usize % PLACES * PLACE;
        &self.places[at..at + PLACE]
    }

    /// Keeps a refusal. A text that is too long is cut.
    pub fn keep(&self, new: &NewRefusal<'_>) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let place = self.place(number);
        let line = text::cut(new.line, LINE * 8);
        let reason = text::cut(new.reason, REASON * 8);
        place[STATE].store(begun(number), Ordering::SeqCst);
        let kind = u64::from(new.outcome)
            | u64::from(new.reported_only) << 8
            | u64::from(new.status) << 16
            | (line.len() as u64) << 32
            | (reason.len() as u64) << 48;
        place[TIME].store(new.time, Ordering::Relaxed);
        place[KIND].store(kind, Ordering::Relaxed);
        let whose = u64::from(new.host.number()) << 32 | u64::from(new.context.number());
        place[WHOSE].store(whose, Ordering::Relaxed);
        text::write(&place[FIRST_WORD..FIRST_WORD + LINE], line.as_bytes());
        text::write(&place[FIRST_WORD + LINE..], reason.as_bytes());
        let sum = sum(kind, new.time, line.as_bytes(), reason.as_bytes());
        place[SUM].store(sum, Ordering::Relaxed);
        place[STATE].store(done(number), Ordering::SeqCst);
    }

    /// The number of refusals since counting began.
    pub fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    /// The refusals that are kept, the newest first.
    pub fn last(&self) -> Vec<PastRefusal> {
        let end = self.number();
        (end.saturating_sub(PLACES as u64)..end).rev().filter_map(|number| self.read(number)).collect()
    }

    fn read(&self, number: u64) -> Option<PastRefusal> {
        let place = self.place(number);
        let load = |at: usize| place[at].load(Ordering::Relaxed);
        if place[STATE].load(Ordering::SeqCst) != done(number) {
            return None;
        }
        let (time, kind, whose) = (load(TIME), load(KIND), load(WHOSE));
        let line = text::read(&place[FIRST_WORD..FIRST_WORD + LINE], (kind >> 32) as u16 as usize);
        let reason = text::read(&place[FIRST_WORD + LINE..], (kind >> 48) as usize);
        if load(SUM) != sum(kind, time, &line, &reason) {
            return None;
        }
        Some(PastRefusal {
            time,
            outcome: kind as u8,
            reported_only: kind >> 8 & 1 == 1,
            status: (kind >> 16) as u16,
            host: Label::from_number((whose >> 32) as u32),
            context: Label::from_number(whose as u32),
            line: String::from_utf8_lossy(&line).into_owned(),
            reason: String::from_utf8_lossy(&reason).into_owned(),
        })
    }
}

/// The state of a place while a refusal is being written. It is odd.
fn begun(number: u64) -> u64 {
    number.wrapping_mul(2).wrapping_add(1)
}

/// The state of a place that holds a whole refusal. It is even and not 0.
fn done(number: u64) -> u64 {
    begun(number).wrapping_add(1)
}

fn sum(kind: u64, time: u64, line: &[u8], reason: &[u8]) -> u64 {
    text::spread(kind ^ time.rotate_left(32)) ^ text::hash(line) ^ text::hash(reason).rotate_left(1)
}
