//! Gives equal texts the same number, while a map is read.

use hashbrown::HashTable;

use super::{
    names::HashKeys,
    source::{Source, Span},
};

/// Numbers from 0, in the order in which they were first asked for. What a number stands for is kept elsewhere.
#[derive(Default)]
pub(in crate::map) struct Numbers(HashTable<Entry>);

/// A number, and half of the hash of what it stands for. With this half most other entries need not be compared, and a
/// table that grows need not compute a hash again.
struct Entry {
    half: u32,
    number: u32,
}

impl Entry {
    fn hash(&self) -> u64 {
        spread(self.half)
    }
}

/// The table wants a hash of 64 bits. It uses the lowest and the highest of them. The factor is that of Fibonacci
/// hashing: 2 to the power of 64, divided by the golden ratio.
fn spread(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Numbers {
    /// No numbers, with room for `count` of them.
    pub fn with_capacity(count: usize) -> Self {
        Self(HashTable::with_capacity(count))
    }

    /// The number with this hash for which `is_it` is true, or a new number. The second value says whether it is new.
    pub fn number(&mut self, hash: u64, is_it: impl Fn(u32) -> bool) -> (u32, bool) {
        let half = hash as u32;
        let same = |entry: &Entry| entry.half == half && is_it(entry.number);
        if let Some(entry) = self.0.find(spread(half), same) {
            return (entry.number, false);
        }
        // A map has fewer lines than a `u32` can count, and each line gives only a few texts.
        let number = self.0.len() as u32;
        self.0.insert_unique(spread(half), Entry { half, number }, Entry::hash);
        (number, true)
    }
}

/// Texts, each of them once.
pub(in crate::map) struct Texts {
    keys: HashKeys,
    numbers: Numbers,
    pub spans: Vec<Span>,
}

impl Texts {
    /// No texts.
    pub fn new(keys: HashKeys) -> Self {
        Self { keys, numbers: Numbers::default(), spans: Vec::new() }
    }

    /// The number of this text. The second value says whether it is new.
    pub fn number(&mut self, source: &mut Source<'_>, text: &[u8]) -> (u32, bool) {
        let hash = self.keys.hash(0, text);
        let same =
            |number: u32| self.spans.get(number as usize).is_some_and(|&span| source.get(span) == text);
        let (number, new) = self.numbers.number(hash, same);
        if new {
            self.spans.push(source.span(text));
        }
        (number, new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_one_number() {
        let mut source = Source::new(b"");
        let mut texts = Texts::new(HashKeys::random());
        let text = |i: u32| format!("{i}{}", "x".repeat(i as usize % 40)).into_bytes();
        for new in [true, false] {
            for i in 0..5000 {
                assert_eq!(texts.number(&mut source, &text(i)), (i, new));
                assert_eq!(source.get(texts.spans[i as usize]), text(i));
            }
        }
    }
}
