//! Tables of names: users and virtual hosts.
//!
//! A table is an array of [`Slot`]s with open addressing. A slot has 32 bytes, so a cache line has two, and a search
//! begins at the first slot of a cache line. A name of up to 20 bytes stands in the slot itself. So most look-ups read
//! one cache line, whatever the size of the table.
//!
//! # Why this is not a table of a library
//! - All processes of a server share it. They read it in place, in a block that they got by fork or from a file. The
//!   tables of std and hashbrown hold pointers and cannot be read so.
//! - Its hash needs a key, for the reason below.
//! - An automaton (the crate fst) can be read in place, too. It needs its names sorted, and takes longer to build.
//!
//! # Which hash, and why
//! The hash is SipHash-1-3, with a key that is made at random for each map. A client chooses the names that are looked
//! up, but not the names in the table, so it can only meet the longest chain that the table happens to have. But people
//! may register their names themselves, and a script may write these names into the map. If people could compute the
//! hash, they could make that chain long. They do not know the key, so they cannot. Two names with the same hash are
//! still told apart, because the names are compared, too: a compiled map contains its key, and who knows the key could
//! find two such names.

use std::hash::{BuildHasher, Hasher, RandomState};

use bytemuck::{Pod, Zeroable};
use siphasher::sip::SipHasher13;

use super::{
    Hit,
    source::{Source, Span, Text},
};

/// The longest name that stands in the slot itself, in bytes.
const INLINE: usize = 20;

/// How many slots a cache line has.
const LINE: usize = 2;

/// The keys of the hash of a map.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(in crate::map) struct HashKeys {
    first: u64,
    second: u64,
}

impl HashKeys {
    /// Keys that nobody can guess. std seeds its maps with random numbers of the system.
    pub fn random() -> Self {
        let number = || RandomState::new().build_hasher().finish();
        Self { first: number(), second: number() }
    }

    /// The hash of a text that belongs to `owner`. Each owner has a key of its own.
    pub fn hash(self, owner: u32, text: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.first ^ u64::from(owner), self.second).hash(text)
    }
}

/// The slot at which a search begins. It is the hash, scaled down to `count` slots, and the first slot of a cache line
/// with `line` slots.
pub(in crate::map) fn home(hash: u64, count: usize, line: usize) -> usize {
    ((u128::from(hash) * (count / line) as u128) >> 64) as usize * line
}

/// One slot of a table. It is vacant if the line of its rule is 0.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(in crate::map) struct Slot {
    hit: Hit,
    /// The name's length in bytes.
    len: u32,
    /// The name, and zeros behind it. A longer name stands in the map's text. The slot then has the place in the text
    /// (4 bytes) and the hash of the name (8 bytes).
    key: [u8; INLINE],
}

impl Slot {
    /// A slot with a name, but without a rule. For a longer name the place in the text is missing.
    fn of(name: &[u8], hash: u64) -> Self {
        let mut key = [0; INLINE];
        match key.get_mut(..name.len()) {
            Some(place) => place.copy_from_slice(name),
            None => key[4..12].copy_from_slice(&hash.to_le_bytes()),
        }
        Self { hit: Hit::NONE, len: name.len() as u32, key }
    }

    /// Whether this slot has `name`, for which the slot `sought` was made.
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
    /// The text with the longer names.
    pub text: &'m [u8],
    pub keys: HashKeys,
}

impl Table<'_> {
    /// The rule of this name.
    pub fn get(&self, name: &[u8]) -> Option<Hit> {
        if self.slots.is_empty() {
            return None;
        }
        let hash = self.keys.hash(0, name);
        let sought = Slot::of(name, hash);
        let mut at = home(hash, self.slots.len(), LINE);
        // A damaged table may have no vacant slot.
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

/// Names and their rules, in the order of the lines, while a map is read.
#[derive(Default)]
pub(in crate::map) struct NameRules {
    rules: Vec<(Span, Hit)>,
    /// The number of bytes of names that do not fit into their slots.
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

    /// How many slots the table gets. Six of ten are taken, so a name takes 53 bytes.
    pub fn slots(&self) -> usize {
        (self.rules.len() * 10 / 6).next_multiple_of(LINE)
    }

    /// How many bytes of text the names take at most.
    pub fn text(&self) -> usize {
        self.text
    }

    /// Fills a table of [`NameRules::slots`] vacant slots. If a name has several rules, the first counts.
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
