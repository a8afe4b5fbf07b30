//! Names with small numbers, which are the same in every process. A name is never removed.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::text;

/// The number of a name. It is the same in all processes that share the memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(u32);

impl Label {
    /// The label of no name, for a request without contexts.
    pub const NONE: Self = Self(0);
    /// The label of a name for which there was no room. It is counted under `other`.
    pub const NO_ROOM: Self = Self(u32::MAX);

    /// The number itself.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The label of a number that [`Label::number`] gave.
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }
}

/// The label of a name that never changes. Each process looks it up once.
#[derive(Debug, Default)]
pub struct LabelOnce(AtomicU32);

impl LabelOnce {
    /// The label of the name that `name` returns.
    #[inline]
    pub fn get<'n>(&self, labels: &Labels<'_>, name: impl FnOnce() -> &'n [u8]) -> Label {
        match self.0.load(Ordering::Relaxed) {
            0 => {
                let label = labels.intern(name()).unwrap_or(Label::NO_ROOM);
                self.0.store(label.0, Ordering::Relaxed);
                label
            }
            known => Label(known),
        }
    }
}

impl Clone for LabelOnce {
    fn clone(&self) -> Self {
        Self(AtomicU32::new(self.0.load(Ordering::Relaxed)))
    }
}

/// The number of places in the table. It is a power of two, and twice the largest number of names.
const CELLS: usize = 1 << 15;
/// Room for texts: a megabyte.
const ARENA: usize = 1 << 17;
/// A longer name is cut.
const LONGEST: usize = 512;
/// The number of places in which a name is looked for.
const PROBES: usize = 64;

/// The table of names. A place holds a part of the text's hash, and the position of the text.
#[derive(Clone, Copy)]
pub struct Labels<'m> {
    /// The number of words in use.
    next: &'m AtomicU64,
    cells: &'m [AtomicU64],
    arena: &'m [AtomicU64],
}

impl<'m> Labels<'m> {
    pub(super) const WORDS: usize = 1 + CELLS + ARENA;

    pub(super) fn over(memory: &'m [AtomicU64]) -> Self {
        let (cells, arena) = memory[1..].split_at(CELLS);
        Self { next: &memory[0], cells, arena }
    }

    /// The number of a name. A new name gets a number. `None` if there is no room.
    pub fn intern(&self, name: &[u8]) -> Option<Label> {
        let name = &name[..name.len().min(LONGEST)];
        let hash = text::hash(name);
        let mut mine = None;
        for step in 0..PROBES {
            let cell = &self.cells[(hash as usize + step) % CELLS];
            let mut seen = cell.load(Ordering::Acquire);
            if seen == 0 {
                let new = match mine {
                    Some(new) => new,
                    None => *mine.insert(self.write(name)?),
                };
                let packed = (hash & HASH) | u64::from(new);
                match cell.compare_exchange(0, packed, Ordering::Release, Ordering::Acquire) {
                    Ok(_) => return Some(Label(new)),
                    // Another process was first, perhaps with the same name.
                    Err(other) => seen = other,
                }
            }
            let label = Label(seen as u32);
            if seen & HASH == hash & HASH && self.is(label, name) {
                return Some(label);
            }
        }
        None
    }

    /// Writes a name into the memory. It cannot be found yet.
    fn write(&self, name: &[u8]) -> Option<u32> {
        let words = 1 + text::words(name.len()) as u64;
        let room = |used: u64| used.checked_add(words).filter(|end| *end <= ARENA as u64);
        let at = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        let place = self.arena.get(at as usize..(at + words) as usize)?;
        place[0].store(name.len() as u64, Ordering::Relaxed);
        text::write(&place[1..], name);
        // Number 0 is no name.
        Some(at as u32 + 1)
    }

    fn place(&self, label: Label) -> Option<(&'m [AtomicU64], usize)> {
        let place = self.arena.get((label.0 as usize).checked_sub(1)?..)?;
        let (length, text) = place.split_first()?;
        Some((text, length.load(Ordering::Relaxed) as usize))
    }

    fn is(&self, label: Label, name: &[u8]) -> bool {
        self.place(label).is_some_and(|(place, length)| length == name.len() && text::is(place, name))
    }

    /// The name. It is `-` for no name, as in the log.
    pub fn text(&self, label: Label) -> String {
        match self.place(label) {
            Some((place, length)) => {
                String::from_utf8_lossy(&text::read(place, length.min(LONGEST))).into_owned()
            }
            None => "-".to_owned(),
        }
    }
}

/// The part of a cell that holds the hash.
const HASH: u64 = 0xffff_ffff_0000_0000;
