//! The file of one ruleset, to which all children of the server append.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, DirBuilder, File, OpenOptions},
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{Deed, Learned};
use crate::lsm::landlock::{FileAccess, is_shared};

/// The end of the files' names.
pub const ENDING: &str = ".learned";

/// The largest size of a file, in bytes. An application that opens 10,000 files with names of 100 bytes needs about 2
/// MB.
const MOST_BYTES: u64 = 8 << 20;

/// How many files of one folder are written one by one. An application that does the same to more of them does it to
/// the folder.
const MOST_NAMES: u32 = 200;

/// The part of the file that is read at a time.
const PIECE: usize = 64 << 10;

/// Why nothing more is written. Each child says so once.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The file has its largest size.
    #[error("{} is full ({MOST_BYTES} bytes), so what else its requests do is not learned; make a ruleset of what is there, and empty the file", .0.display())]
    Full(PathBuf),
    /// The kernel reported an error.
    #[error("{} cannot be written ({}), so what its requests do is not learned until it can", .0.display(), .1)]
    Failed(PathBuf, io::Error),
}

/// The file of one ruleset.
#[derive(Debug)]
pub struct LearnFile {
    file: File,
    path: PathBuf,
    hasher: RandomState,
    state: Mutex<State>,
}

/// What this process knows about the file.
#[derive(Debug, Default)]
struct State {
    /// The hashes of what the file holds.
    known: HashSet<u64>,
    /// For the hash of an access and a folder, how many names of that folder the file holds.
    names: HashMap<u64, u32>,
    /// The position up to which the file was read.
    read_to: u64,
    /// Whether a line of this process was cut.
    is_cut: bool,
    /// Whether this process has said that it stopped.
    told: bool,
}

impl LearnFile {
    /// Opens the file of `ruleset` in `folder`, and makes it if it does not exist. Only this user may use the two.
    ///
    /// # Errors Somebody else may write into the folder, or there is something else of this name.
    pub fn open(folder: &Path, ruleset: &str) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let own = fs::metadata("/proc/self")?.uid();
        let found = fs::symlink_metadata(folder)?;
        if !found.is_dir() || found.uid() != own || found.mode() & 0o022 != 0 {
            let why = format!(
                "{} is not a folder that belongs to the user who starts the server and that nobody else may write into",
                folder.display()
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let path = folder.join(format!("{ruleset}{ENDING}"));
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true).mode(0o600);
        let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path)?;
        let found = file.metadata()?;
        if !found.is_file() || found.uid() != own || found.nlink() != 1 {
            let why = format!("{} is not a file of the user who starts the server", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        Ok(Self { file, path, hasher: RandomState::new(), state: Mutex::default() })
    }

    /// The same, writing to another file.
    #[cfg(test)]
    pub(super) fn onto(self, file: File) -> Self {
        Self { file, ..self }
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what was done, if the file does not hold it.
    ///
    /// # Errors Why it could not be written, if this process has not said so yet.
    pub fn note(&self, learned: &Learned) -> Result<(), Stopped> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = self.add(&mut state, learned);
        match outcome {
            Ok(()) => {
                state.told = false;
                Ok(())
            }
            Err(stopped) => {
                if std::mem::replace(&mut state.told, true) {
                    Ok(())
                } else {
                    Err(stopped)
                }
            }
        }
    }

    fn add(&self, state: &mut State, learned: &Learned) -> Result<(), Stopped> {
        let failed = |error| Stopped::Failed(self.path.clone(), error);
        self.catch_up(state).map_err(failed)?;
        if state.known.contains(&self.key(&learned.deed)) || self.is_one_of_many(state, &learned.deed) {
            return Ok(());
        }
        let line = learned.line();
        if state.read_to + line.len() as u64 > MOST_BYTES {
            let full = Learned { deed: Deed::Full, ..learned.clone() };
            if !state.known.contains(&self.key(&full.deed)) {
                self.write(state, &full.line()).map_err(failed)?;
            }
            return Err(Stopped::Full(self.path.clone()));
        }
        self.write(state, &line).map_err(failed)?;
        // Another process may have written in between. Its lines are read before the next line is written.
        Ok(())
    }

    /// Appends a line at once. If an earlier line was cut, this first ends it.
    fn write(&self, state: &mut State, line: &str) -> io::Result<()> {
        let line = if state.is_cut { format!("\n{line}") } else { line.to_owned() };
        let written = (&self.file).write(line.as_bytes())?;
        state.is_cut = written < line.len();
        if state.is_cut { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// Reads what any process has appended since. A file that was emptied is read from its start.
    fn catch_up(&self, state: &mut State) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length < state.read_to {
            *state = State::default();
        }
        while state.read_to < length {
            let rest = usize::try_from(length - state.read_to).unwrap_or(PIECE);
            let mut piece = vec![0; rest.min(PIECE)];
            self.file.read_exact_at(&mut piece, state.read_to)?;
            // A line that has no end yet is read again later, unless it fills the piece.
            let whole = match piece.iter().rposition(|b| *b == b'\n') {
                Some(end) => end + 1,
                None if piece.len() == PIECE => PIECE,
                None => break,
            };
            for line in piece[..whole].split(|b| *b == b'\n') {
                if let Some(learned) = Learned::read(line) {
                    self.know(state, &learned.deed);
                }
            }
            state.read_to += whole as u64;
        }
        Ok(())
    }

    fn know(&self, state: &mut State, deed: &Deed) {
        let is_new = state.known.insert(self.key(deed));
        if let Some(entries) = self.entries(deed).filter(|_| is_new) {
            *state.names.entry(entries).or_default() += 1;
        }
    }

    fn key(&self, deed: &Deed) -> u64 {
        self.hasher.hash_one(deed)
    }

    /// Whether the file holds enough entries of this kind in this folder.
    fn is_one_of_many(&self, state: &State, deed: &Deed) -> bool {
        let entries = self.entries(deed);
        entries.and_then(|entries| state.names.get(&entries)).is_some_and(|names| *names >= MOST_NAMES)
    }

    /// The hash of the access and the folder, if the files of that folder may be taken together.
    fn entries(&self, deed: &Deed) -> Option<u64> {
        let (access, path, _) = deed.as_file()?;
        let folder = path.parent().filter(|folder| access != FileAccess::Execute && !is_shared(folder))?;
        Some(self.hasher.hash_one((access, folder)))
    }
}
