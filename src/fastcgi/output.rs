//! What programs write to their standard error: lines of the server's log, and never more of them than a log can take.

use std::{
    fs::File,
    io::Read,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

/// How many lines one pool may write in [`SPAN`].
pub const LINES: u32 = 50;
/// See [`LINES`].
pub const SPAN: Duration = Duration::from_secs(10);
/// How much of a line is kept.
const LENGTH: usize = 500;

/// The end of the pipe where one pool's output arrives.
pub struct Output {
    pipe: File,
    line: Vec<u8>,
    since: Instant,
    lines: u32,
    lost: u32,
}

impl Output {
    /// That of a new pool.
    pub fn new(pipe: OwnedFd) -> Self {
        Self { pipe: pipe.into(), line: Vec::new(), since: Instant::now(), lines: 0, lost: 0 }
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
        if line.trim().is_empty() {
            return;
        }
        if self.since.elapsed() > SPAN {
            if self.lost > 0 {
                say(&format!("({} more lines were not kept)", self.lost));
            }
            (self.since, self.lines, self.lost) = (Instant::now(), 0, 0);
        }
        if self.lines < LINES {
            self.lines += 1;
            say(&line);
        } else {
            self.lost += 1;
        }
    }
}
