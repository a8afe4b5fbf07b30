//! A list that allocates nothing as long as it is short.

/// A list.
pub(in crate::map) struct Few<T, const N: usize> {
    short: [T; N],
    len: usize,
    /// What comes behind `short`.
    long: Vec<T>,
}

impl<T: Copy + Default, const N: usize> Few<T, N> {
    pub fn new() -> Self {
        Self { short: [T::default(); N], len: 0, long: Vec::new() }
    }

    pub fn push(&mut self, value: T) {
        match self.short.get_mut(self.len) {
            Some(place) => {
                *place = value;
                self.len += 1;
            }
            None => self.long.push(value),
        }
    }

    pub fn pop(&mut self) -> Option<T> {
        self.long.pop().or_else(|| {
            self.len = self.len.checked_sub(1)?;
            self.short.get(self.len).copied()
        })
    }

    pub fn len(&self) -> usize {
        self.len + self.long.len()
    }

    pub fn get(&self, at: usize) -> Option<T> {
        match at.checked_sub(self.len) {
            None => self.short.get(at).copied(),
            Some(beyond) => self.long.get(beyond).copied(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = T> {
        self.short[..self.len].iter().chain(&self.long).copied()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.short[..self.len].iter_mut().chain(&mut self.long)
    }
}
