//! Tables of names: users, virtual hosts, pieces of paths.
//!
//! A table is an array of [`Slot`]s of 32 bytes with open addressing. Names of up to 20 bytes stand in the
//! slot itself, so that most look-ups read one or two lines of cache, whatever the table's size.
//!
//! # Which hash, and why
//! SipHash-1-3 under a key that is made at random for every map. A client chooses the names that are looked
//! up but not those in the table, so it can only meet the longest chain that the table happens to have;
//! where people register names themselves and a script writes them into the map, though, a hash that they
//! can compute would let them make that chain long. Without the key they cannot.

use std::hash::{BuildHasher, Hasher, RandomState};

use bytemuck::{Pod, Zeroable};
use siphasher::sip::SipHasher13;

use super::Hit;

/// The longest name that stands in the slot itself, in bytes.
const INLINE: usize = 20;

/// The keys of a map's hash.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct HashKeys {
    first: u64,
    second: u64,
}

impl HashKeys {
    /// Keys that nobody can guess: std seeds its maps from the system's random numbers.
    pub fn random() -> Self {
        let number = || RandomState::new().build_hasher().finish();
        Self { first: number(), second: number() }
    }

    /// The hash of `head` and `tail`, one behind the other.
    fn hash(self, head: &[u8], tail: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.first, self.second);
        hasher.write(head);
        hasher.write(tail);
        hasher.finish()
    }
}

/// A place of a table; vacant where the line is 0.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Slot {
    hit: Hit,
    /// The name's length in bytes.
    len: u32,
    /// The name, with zeros behind it. A longer one stands in the map's text, and here where it begins
    /// there (4 bytes) and its hash (8 bytes).
    key: [u8; INLINE],
}

/// The bytes of a name of at most [`INLINE`] bytes as they stand in a slot.
fn inline(head: &[u8], tail: &[u8]) -> [u8; INLINE] {
    let mut key = [0; INLINE];
    key[..head.len()].copy_from_slice(head);
    key[head.len()..head.len() + tail.len()].copy_from_slice(tail);
    key
}

/// Where a chain begins in a table of `capacity` slots: the hash, scaled down.
fn home(hash: u64, capacity: usize) -> usize {
    ((u128::from(hash) * capacity as u128) >> 64) as usize
}

/// A table, ready to be looked up.
#[derive(Clone, Copy)]
pub(super) struct Table<'m> {
    pub slots: &'m [Slot],
    /// Where long names stand.
    pub text: &'m [u8],
    pub keys: HashKeys,
}

impl Table<'_> {
    /// What stands under the name that `head` and `tail` make together.
    pub fn get(&self, head: &[u8], tail: &[u8]) -> Option<Hit> {
        if self.slots.is_empty() {
            return None;
        }
        let hash = self.keys.hash(head, tail);
        let start = home(hash, self.slots.len());
        let len = head.len() + tail.len();
        if len > INLINE {
            return self.find(start, |slot| slot.len as usize == len && self.is_long(slot, hash, head, tail));
        }
        let key = inline(head, tail);
        self.find(start, |slot| slot.len as usize == len && slot.key == key)
    }

    /// The first slot of a chain that `is_it`.
    fn find(&self, start: usize, is_it: impl Fn(&Slot) -> bool) -> Option<Hit> {
        let (before, from) = self.slots.split_at(start);
        for slot in from.iter().chain(before) {
            if slot.hit.line == 0 {
                return None;
            }
            if is_it(slot) {
                return Some(slot.hit);
            }
        }
        None
    }

    fn is_long(&self, slot: &Slot, hash: u64, head: &[u8], tail: &[u8]) -> bool {
        let [a, b, c, d, rest @ ..] = slot.key;
        let start = u32::from_le_bytes([a, b, c, d]) as usize;
        rest.starts_with(&hash.to_le_bytes())
            && self
                .text
                .get(start..)
                .is_some_and(|text| text.strip_prefix(head).is_some_and(|text| text.starts_with(tail)))
    }
}

/// Distinct names while a map is read, numbered from 0 in the order in which they come.
pub(super) struct Names {
    keys: HashKeys,
    names: Vec<Name>,
    text: Vec<u8>,
    /// Open addressing, by the hash's low bits; its size is a power of two. 0 is vacant.
    table: Vec<Entry>,
}

/// A name's number and 1, and above that the low half of its hash: most names need not be looked at.
type Entry = u64;

struct Name {
    hash: u64,
    start: u32,
    len: u32,
}

impl Names {
    /// No names.
    pub fn new(keys: HashKeys) -> Self {
        Self { keys, names: Vec::new(), text: Vec::new(), table: vec![0; 16] }
    }

    #[cfg(test)]
    pub fn keys(&self) -> HashKeys {
        self.keys
    }

    /// The name of this number.
    pub fn get(&self, number: u32) -> &[u8] {
        let name = self.names.get(number as usize);
        name.and_then(|n| self.text.get(n.start as usize..(n.start + n.len) as usize)).unwrap_or_default()
    }

    /// The number of the name that `head` and `tail` make together; it is new where the second is true.
    /// All names together have fewer than 4 Gi bytes, as a map is smaller.
    pub fn number(&mut self, head: &[u8], tail: &[u8]) -> (u32, bool) {
        let hash = self.keys.hash(head, tail);
        let mask = self.table.len() - 1;
        let mut at = hash as usize & mask;
        while self.table[at] != 0 {
            let number = self.table[at] as u32 - 1;
            let same = self.table[at] >> 32 == hash & u64::from(u32::MAX);
            if same && self.get(number).strip_prefix(head) == Some(tail) {
                return (number, false);
            }
            at = (at + 1) & mask;
        }
        let number = self.names.len() as u32;
        self.table[at] = (hash << 32) | u64::from(number + 1);
        self.names.push(Name { hash, start: self.text.len() as u32, len: (head.len() + tail.len()) as u32 });
        self.text.extend_from_slice(head);
        self.text.extend_from_slice(tail);
        if self.names.len() * 4 > self.table.len() * 3 {
            self.grow();
        }
        (number, true)
    }

    fn grow(&mut self) {
        let mask = self.table.len() * 2 - 1;
        let old = std::mem::replace(&mut self.table, vec![0; mask + 1]);
        for entry in old.into_iter().filter(|entry| *entry != 0) {
            let mut at = (entry >> 32) as usize & mask;
            while self.table[at] != 0 {
                at = (at + 1) & mask;
            }
            self.table[at] = entry;
        }
    }

    /// The table of these names, each with its entry of `hits`. Long names go to `text`.
    ///
    /// Seven slots of ten are taken: chains of two or three, and 46 bytes a name.
    pub fn table(&self, hits: &[Hit], text: &mut Vec<u8>) -> Vec<Slot> {
        if self.names.is_empty() {
            return Vec::new();
        }
        let mut slots = vec![Slot::zeroed(); self.names.len() * 10 / 7 + 1];
        for ((number, name), hit) in (0..).zip(&self.names).zip(hits) {
            let mut at = home(name.hash, slots.len());
            while slots[at].hit.line != 0 {
                at = if at + 1 == slots.len() { 0 } else { at + 1 };
            }
            let bytes = self.get(number);
            let key = if bytes.len() <= INLINE {
                inline(bytes, &[])
            } else {
                let start = text.len() as u32;
                text.extend_from_slice(bytes);
                inline(&start.to_le_bytes(), &name.hash.to_le_bytes())
            };
            slots[at] = Slot { hit: *hit, len: name.len, key };
        }
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_half_a_line_of_cache() {
        assert_eq!(size_of::<Slot>(), 32);
    }

    #[test]
    fn every_name_is_found_and_no_other() {
        let keys = HashKeys::random();
        let mut names = Names::new(keys);
        let name = |i: u32| format!("{i}{}", "x".repeat(i as usize % 40)).into_bytes();
        let hit = |i: u32| Hit { line: i + 1, list: i * 2 };
        for i in 0..5000 {
            assert_eq!(names.number(&name(i), b""), (i, true));
        }
        for i in 0..5000 {
            let whole = name(i);
            let (head, tail) = whole.split_at(whole.len() / 2);
            assert_eq!(names.number(head, tail), (i, false));
            assert_eq!(names.get(i), whole);
        }
        let hits: Vec<_> = (0..5000).map(hit).collect();
        let mut text = Vec::new();
        let slots = names.table(&hits, &mut text);
        let table = Table { slots: &slots, text: &text, keys };
        for i in 0..5000 {
            let whole = name(i);
            let (head, tail) = whole.split_at(whole.len() / 3);
            assert_eq!(table.get(head, tail), Some(hit(i)));
            let mut longer = whole.clone();
            longer.push(0);
            assert_eq!(table.get(&longer, b""), None);
            assert_eq!(table.get(&whole[..whole.len() - 1], b"y"), None);
        }
        assert_eq!(table.get(b"", b""), None);
    }

    #[test]
    fn a_full_table_ends_a_search() {
        // No builder makes one; a damaged file could hold it.
        let full = [Slot { hit: Hit { line: 1, list: 0 }, len: 1, key: [b'a'; INLINE] }; 3];
        let table = Table { slots: &full, text: b"", keys: HashKeys::random() };
        assert_eq!(table.get(b"b", b""), None);
        assert_eq!(table.get(&[b'b'; 30], b""), None);
    }
}
