//! Where a rule or a definition was written, so that every message can say it.

use std::{fmt, path::Path, sync::Arc};

/// A file and a line (counted from 1). Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file as the administrator named it.
    pub file: Arc<Path>,
    /// Line in that file, from 1.
    pub line: u32,
}

impl Origin {
    /// An origin at `line` of `file`.
    pub fn new(file: impl AsRef<Path>, line: u32) -> Self {
        Self { file: Arc::from(file.as_ref()), line }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}
