//! The text of a map while its tables are made. Names are not copied until they get their final place.

/// The place of a text in a [`Source`].
#[derive(Clone, Copy)]
pub(in crate::map) struct Span {
    pub start: u32,
    pub len: u32,
}

/// The bytes of a map's file, and behind them texts that are not in the file as they are: a name without its escapes, a
/// host in lower case.
pub(in crate::map) struct Source<'t> {
    pub file: &'t [u8],
    made: Vec<u8>,
    /// Whether there was more text than a [`Span`] can describe.
    pub is_full: bool,
}

impl<'t> Source<'t> {
    pub fn new(file: &'t [u8]) -> Self {
        Self { file, made: Vec::new(), is_full: false }
    }

    /// The place of this text. A part of the file is recognised by its address. Any other text is copied.
    pub fn span(&mut self, text: &[u8]) -> Span {
        let inside = (text.as_ptr() as usize).checked_sub(self.file.as_ptr() as usize);
        let inside = inside.filter(|at| at + text.len() <= self.file.len());
        let start = inside.unwrap_or(self.file.len() + self.made.len());
        let (Ok(start), Ok(len)) = (u32::try_from(start), u32::try_from(text.len())) else {
            self.is_full = true;
            return Span { start: 0, len: 0 };
        };
        if inside.is_none() {
            self.made.extend_from_slice(text);
        }
        Span { start, len }
    }

    /// The text at this place.
    pub fn get(&self, span: Span) -> &[u8] {
        let (start, len) = (span.start as usize, span.len as usize);
        let text = match start.checked_sub(self.file.len()) {
            None => self.file.get(start..),
            Some(start) => self.made.get(start..),
        };
        text.and_then(|text| text.get(..len)).unwrap_or_default()
    }
}

/// The text of a map's block while it is written.
pub(in crate::map) struct Text<'b> {
    pub bytes: &'b mut [u8],
    pub len: usize,
}

impl Text<'_> {
    /// Adds a text and gives its place. There is room for it, because all texts were counted before, and a `u32` can
    /// count their bytes.
    pub fn push(&mut self, piece: &[u8]) -> u32 {
        let start = self.len;
        self.bytes[start..start + piece.len()].copy_from_slice(piece);
        self.len += piece.len();
        start as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_file_are_not_copied() {
        let file = b"alice x".to_vec();
        let mut source = Source::new(&file);
        let (alice, other, end) = (source.span(&file[..5]), source.span(b"alice"), source.span(&file[7..]));
        assert_eq!((alice.start, other.start, end.len), (0, 7, 0));
        assert_eq!(source.made, b"alice");
        assert_eq!(
            (source.get(alice), source.get(other), source.get(end)),
            (&b"alice"[..], &b"alice"[..], &b""[..])
        );
    }
}
