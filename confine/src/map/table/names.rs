//! Tables of names: users and virtual hosts.
//!
//! A table is an array of [`Slot`]s of 32 bytes with open addressing, two to a line of cache; a search begins
//! at a line's first. Names of up to 20 bytes stand in the slot itself, so that most look-ups read one line,
//! whatever the table's size.
//!
//! # Why a table of our own
//! - All processes of a server share it. It is read in place, from a block that a fork or a file gives. The tables
//!   of std and hashbrown hold pointers, and cannot be read so.
//! - Its hash has a key, for the reason below.
//! - An automaton (fst) can be read in place as well. It needs its names sorted, and takes longer to build.
//!
//! # Which hash, and why
//! SipHash-1-3 under a key that is made at random for every map. A client chooses the names that are looked
//! up but not those in the table, so it can only meet the longest chain that the table happens to have;
//! where people register names themselves and a script writes them into the map, though, a hash that they
//! can compute would let them make that chain long. Without the key they cannot. A hash alone is never taken
//! for the name: the key stands in a compiled map, and who knows it could make two names of one hash.

use std::hash::{BuildHasher, Hasher, RandomState};

use bytemuck::{Pod, Zeroable};
use siphasher::sip::SipHasher13;

use super::{
    Hit,
    source::{Source, Span, Text},
};

/// The longest name that stands in the slot itself, in bytes.
const INLINE: usize = 20;

/// Slots of a line of cache.
const LINE: usize = 2;

/// The keys of a map's hash.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(in crate::map) struct HashKeys {
    first: u64,
    second: u64,
}

impl HashKeys {
    /// Keys that nobody can guess: std seeds its maps from the system's random numbers.
    pub fn random() -> Self {
        let number = || RandomState::new().build_hasher().finish();
        Self { first: number(), second: number() }
    }

    /// The hash of a text of this owner. Each owner has a key of its own.
    pub fn hash(self, owner: u32, text: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.first ^ u64::from(owner), self.second).hash(text)
    }
}

/// Where a search begins among `count` slots, `line` of which share a line of cache: the hash, scaled down.
pub(in crate::map) fn home(hash: u64, count: usize, line: usize) -> usize {
    ((u128::from(hash) * (count / line) as u128) >> 64) as usize * line
}

/// A place of a table; vacant where the line is 0.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(in crate::map) struct Slot {
    hit: Hit,
    /// The name's length in bytes.
    len: u32,
    /// The name, with zeros behind it. A longer one stands in the map's text, and here where it begins
    /// there (4 bytes) and its hash (8 bytes).
    key: [u8; INLINE],
}

impl Slot {
    /// The slot of a name, without a rule; of a longer one, without its place in the text.
    fn of(name: &[u8], hash: u64) -> Self {
        let mut key = [0; INLINE];
        match key.get_mut(..name.len()) {
            Some(place) => place.copy_from_slice(name),
            None => key[4..12].copy_from_slice(&hash.to_le_bytes()),
        }
        Self { hit: Hit::NONE, len: name.len() as u32, key }
    }

    /// Whether this slot is that of `name`, for which `sought` was made.
    fn is(&self, sought: &Self, name: &[u8], text: &[u8]) -> bool {
        if self.len != sought.len {
            return false;
        }
        if name.len() <= INLINE {
            return self.key == sought.key;
        }
        let [a, b, c, d, ..] = self.key;
        let start = u32::from_le_bytes([a, b, c, d]) as usize;
        self.key[4..] == sought.key[4..] && text.get(start..).is_some_and(|text| text.starts_with(name))
    }
}

/// A table, ready to be looked up.
#[derive(Clone, Copy)]
pub(in crate::map) struct Table<'m> {
    pub slots: &'m [Slot],
    /// Where long names stand.
    pub text: &'m [u8],
    pub keys: HashKeys,
}

impl Table<'_> {
    /// What stands under this name.
    pub fn get(&self, name: &[u8]) -> Option<Hit> {
        if self.slots.is_empty() {
            return None;
        }
        let hash = self.keys.hash(0, name);
        let sought = Slot::of(name, hash);
        let mut at = home(hash, self.slots.len(), LINE);
        // A damaged table may be full.
        for _ in 0..self.slots.len() {
            let slot = self.slots.get(at)?;
            if slot.hit.line == 0 {
                return None;
            }
            if slot.is(&sought, name, self.text) {
                return Some(slot.hit);
            }
            at = if at + 1 == self.slots.len() { 0 } else { at + 1 };
        }
        None
    }
}

/// Names and their rules while a map is read, as its lines come.
#[derive(Default)]
pub(in crate::map) struct NameRules {
    rules: Vec<(Span, Hit)>,
    /// How many bytes of names do not stand in slots.
    text: usize,
}

impl NameRules {
    /// Adds a rule.
    pub fn push(&mut self, name: Span, hit: Hit) {
        self.rules.push((name, hit));
        if name.len as usize > INLINE {
            self.text += name.len as usize;
        }
    }

    /// How many slots they take: six of ten are taken, and 53 bytes a name.
    pub fn slots(&self) -> usize {
        (self.rules.len() * 10 / 6).next_multiple_of(LINE)
    }

    /// How much text they take, at most.
    pub fn text(&self) -> usize {
        self.text
    }

    /// Fills a table of [`NameRules::slots`] vacant slots. Of several rules for one name the first counts.
    pub fn fill(self, source: &Source<'_>, keys: HashKeys, slots: &mut [Slot], text: &mut Text<'_>) {
        for (span, hit) in self.rules {
            let name = source.get(span);
            let hash = keys.hash(0, name);
            let mut new = Slot { hit, ..Slot::of(name, hash) };
            let mut at = home(hash, slots.len(), LINE);
            while slots[at].hit.line != 0 && !slots[at].is(&new, name, text.bytes) {
                at = if at + 1 == slots.len() { 0 } else { at + 1 };
            }
            if slots[at].hit.line == 0 {
                if name.len() > INLINE {
                    new.key[..4].copy_from_slice(&text.push(name).to_le_bytes());
                }
                slots[at] = new;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_half_a_line_of_cache() {
        assert_eq!(size_of::<Slot>() * LINE, 64);
    }

    #[test]
    fn every_name_is_found_and_no_other() {
        for count in [1, 2, 3, 5000] {
            let keys = HashKeys::random();
            let name = |i: u32| format!("{i}{}", "x".repeat(i as usize % 40)).into_bytes();
            let hit = |i: u32| Hit { line: i + 1, list: i * 2 };
            let mut source = Source::new(b"");
            let mut rules = NameRules::default();
            // All of them once more: the first counts.
            for i in 0..count * 2 {
                rules.push(source.span(&name(i % count)), hit(i));
            }
            let mut slots = vec![Slot::zeroed(); rules.slots()];
            let mut bytes = vec![0; rules.text()];
            rules.fill(&source, keys, &mut slots, &mut Text { bytes: &mut bytes, len: 0 });
            let table = Table { slots: &slots, text: &bytes, keys };
            for i in 0..count {
                let whole = name(i);
                assert_eq!(table.get(&whole), Some(hit(i)));
                assert_eq!(table.get(&[&whole[..], b"\0"].concat()), None);
                assert_eq!(table.get(&[&whole[..whole.len() - 1], b"y"].concat()), None);
            }
            assert_eq!(table.get(b""), None);
        }
    }

    #[test]
    fn a_full_table_ends_a_search() {
        // No builder makes one; a damaged file could hold it.
        let full = [Slot { hit: Hit { line: 1, list: 0 }, len: 1, key: [b'a'; INLINE] }; 3];
        let table = Table { slots: &full, text: b"", keys: HashKeys::random() };
        assert_eq!(table.get(b"b"), None);
        assert_eq!(table.get(&[b'b'; 30]), None);
        let one = Table { slots: &full[..1], ..table };
        assert_eq!(one.get(b"b"), None);
    }
}
