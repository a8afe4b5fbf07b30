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

/// What the names of the files end in.
pub const ENDING: &str = ".learned";

/// The longest file, in bytes. An application that opens 10,000 files by names of 100 bytes comes to about 2 MB.
const MOST_BYTES: u64 = 8 << 20;

/// Files of one folder that are told apart. Whoever does the same to more of them does it to the folder.
const MOST_NAMES: u32 = 200;

/// The part of the file that is read at a time.
const PIECE: usize = 64 << 10;

/// Why nothing more is written down. It is told once by each child.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The file is as long as it may be.
    #[error("{} is full ({MOST_BYTES} bytes), so what else its requests do is not learned; make a ruleset of what is there, and empty the file", .0.display())]
    Full(PathBuf),
    /// The kernel takes no more.
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

/// What this process knows of the file.
#[derive(Debug, Default)]
struct State {
    /// What the file holds, by hash.
    known: HashSet<u64>,
    /// How many names the file holds for an access to entries of a folder, by hash of both.
    names: HashMap<u64, u32>,
    /// Up to where the file was read.
    read_to: u64,
    /// Whether a line of this process's is cut.
    is_cut: bool,
    /// Whether this process told that it stopped.
    told: bool,
}

impl LearnFile {
    /// Opens the file of `ruleset` in `folder`, which is made if it is not there. Both are for this user alone.
    ///
    /// # Errors
    /// Somebody else may write into the folder, or what is there is not such a file.
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

    /// The same, with another file to write to.
    #[cfg(test)]
    pub(super) fn onto(self, file: File) -> Self {
        Self { file, ..self }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes down what was done, if the file does not hold it.
    ///
    /// # Errors
    /// Why it cannot be written down, where this process did not tell it yet.
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
        // Even if another process wrote in between: what it wrote is read before the next line.
        Ok(())
    }

    /// Appends a line at once. A line that was cut short ends before the next begins.
    fn write(&self, state: &mut State, line: &str) -> io::Result<()> {
        let line = if state.is_cut { format!("\n{line}") } else { line.to_owned() };
        let written = (&self.file).write(line.as_bytes())?;
        state.is_cut = written < line.len();
        if state.is_cut { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// Takes in what was appended since, by whomever. A file that was emptied begins anew.
    fn catch_up(&self, state: &mut State) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length < state.read_to {
            *state = State::default();
        }
        while state.read_to < length {
            let rest = usize::try_from(length - state.read_to).unwrap_or(PIECE);
            let mut piece = vec![0; rest.min(PIECE)];
            self.file.read_exact_at(&mut piece, state.read_to)?;
            // A line that does not end yet is read again, unless it fills the piece.
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
        self.hasher.hash_one(format!("{deed:?}"))
    }

    /// Whether the file holds enough of its kind in its folder.
    fn is_one_of_many(&self, state: &State, deed: &Deed) -> bool {
        let entries = self.entries(deed);
        entries.and_then(|entries| state.names.get(&entries)).is_some_and(|names| *names >= MOST_NAMES)
    }

    /// The access and the folder, where the files of that folder may be taken together.
    fn entries(&self, deed: &Deed) -> Option<u64> {
        let (access, path, _) = deed.as_file()?;
        let folder = path.parent().filter(|folder| access != FileAccess::Execute && !is_shared(folder))?;
        Some(self.hasher.hash_one((access, folder)))
    }
}
