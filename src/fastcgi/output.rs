//! What programs write to their standard error, line by line.

use std::{
    fs::File,
    io::Read,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// How much of a line is kept.
const LENGTH: usize = 500;

/// The end of the pipe where the output of one process arrives, and of those that it makes.
pub struct Output {
    pipe: File,
    line: Vec<u8>,
}

impl Output {
    /// That of a new process.
    pub fn new(pipe: OwnedFd) -> Self {
        Self { pipe: pipe.into(), line: Vec::new() }
    }

    /// What is to be waited for.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Takes what arrived, and gives the lines of it to `say`. `false`: nobody holds the other end any more.
    pub fn take(&mut self, mut say: impl FnMut(&str)) -> bool {
        let mut room = [0; 16 * 1024];
        // Bounded, so that a flood of one pool does not keep the manager from the others.
        for _ in 0..4 {
            match self.pipe.read(&mut room) {
                Ok(0) => {
                    self.end_of_line(&mut say);
                    return false;
                }
                Ok(length) => room[..length].iter().for_each(|byte| match byte {
                    b'\n' => self.end_of_line(&mut say),
                    byte if self.line.len() < LENGTH => self.line.push(*byte),
                    _ => {}
                }),
                Err(_) => return true,
            }
        }
        true
    }

    fn end_of_line(&mut self, say: &mut impl FnMut(&str)) {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        if !line.trim().is_empty() {
            say(&line);
        }
    }
}
