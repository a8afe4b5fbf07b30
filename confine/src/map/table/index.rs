//! Numbers by what they stand for, while a map is read.

use super::{
    names::HashKeys,
    source::{Source, Span},
};

/// A number and 1, and above that the low half of its hash: most of what stands there need not be looked at.
type Entry = u64;

/// Numbers from 0 in the order in which they are given out.
pub(in crate::map) struct Index {
    /// Open addressing, by the hash's low bits; its size is a power of two. 0 is vacant.
    table: Vec<Entry>,
    len: u32,
}

impl Index {
    /// No numbers, and room for so many.
    pub fn for_numbers(count: usize) -> Self {
        Self { table: vec![0; (count * 4 / 3 + 16).next_power_of_two()], len: 0 }
    }

    /// The number with this hash that `is_it`, or a new one where the second is true.
    pub fn number(&mut self, hash: u64, is_it: impl Fn(u32) -> bool) -> (u32, bool) {
        let mask = self.table.len() - 1;
        let mut at = hash as usize & mask;
        while self.table[at] != 0 {
            let number = self.table[at] as u32 - 1;
            if self.table[at] >> 32 == hash & u64::from(u32::MAX) && is_it(number) {
                return (number, false);
            }
            at = (at + 1) & mask;
        }
        self.table[at] = (hash << 32) | u64::from(self.len + 1);
        self.len += 1;
        if self.len as usize * 4 > self.table.len() * 3 {
            self.grow();
        }
        (self.len - 1, true)
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
}

/// Distinct texts.
pub(in crate::map) struct Texts {
    keys: HashKeys,
    index: Index,
    pub spans: Vec<Span>,
}

impl Texts {
    /// No texts.
    pub fn new(keys: HashKeys) -> Self {
        Self { keys, index: Index::for_numbers(0), spans: Vec::new() }
    }

    /// The number of this text; it is new where the second is true.
    pub fn number(&mut self, source: &mut Source<'_>, text: &[u8]) -> (u32, bool) {
        let hash = self.keys.hash(0, text);
        let same =
            |number: u32| self.spans.get(number as usize).is_some_and(|&span| source.get(span) == text);
        let (number, new) = self.index.number(hash, same);
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
