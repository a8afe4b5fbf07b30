//! Texts in shared words.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of words that so many bytes take.
pub const fn words(bytes: usize) -> usize {
    bytes.div_ceil(8)
}

/// The eight bytes of each word, the last one filled up with zeros.
fn pieces(text: &[u8]) -> impl Iterator<Item = u64> {
    text.chunks(8).map(|chunk| match chunk.try_into() {
        Ok(bytes) => u64::from_le_bytes(bytes),
        Err(_) => chunk.iter().rev().fold(0, |piece, byte| piece << 8 | u64::from(*byte)),
    })
}

/// Writes what fits of a text. Gives its length as written.
pub fn write(place: &[AtomicU64], text: &[u8]) -> usize {
    let text = &text[..text.len().min(place.len() * 8)];
    for (word, piece) in place.iter().zip(pieces(text)) {
        word.store(piece, Ordering::Relaxed);
    }
    text.len()
}

/// The first `length` bytes of what is written there, as far as it goes.
pub fn read(place: &[AtomicU64], length: usize) -> Vec<u8> {
    let length = length.min(place.len() * 8);
    let bytes = place[..words(length)].iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes());
    let mut bytes: Vec<u8> = bytes.collect();
    bytes.truncate(length);
    bytes
}

/// Whether this very text is written there.
pub fn is(place: &[AtomicU64], text: &[u8]) -> bool {
    words(text.len()) <= place.len()
        && place.iter().zip(pieces(text)).all(|(word, piece)| word.load(Ordering::Relaxed) == piece)
}

/// A number that is spread well, for tables and against mixed-up texts; eight bytes and one multiplication a step, as
/// FxHash does it.
pub fn hash(text: &[u8]) -> u64 {
    const FACTOR: u64 = 0xf135_7aea_2e62_a9c5;
    let step = |hash: u64, piece: u64| (hash.rotate_left(26) ^ piece).wrapping_mul(FACTOR);
    spread(pieces(text).fold(text.len() as u64 + 1, step))
}

/// Spreads a number over all bits: the finalizer of MurmurHash3.
pub fn spread(number: u64) -> u64 {
    let number = (number ^ (number >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let number = (number ^ (number >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ (number >> 33)
}

/// A text cut to so many bytes, between two characters.
pub fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}
