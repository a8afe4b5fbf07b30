//! One thing that a request did, as a line of a file.

use std::{collections::HashSet, ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use serde::{Deserialize, Serialize};

use crate::{bytes::Bytes, lsm::landlock::FileAccess, watch::Act};

/// What was done, in the terms of rulesets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Something done to a file or a folder.
    File {
        /// The word of the access, as logs have it.
        access: String,
        /// The path of the object, without symbolic links on the way.
        path: Bytes,
        /// Whether the object is a folder.
        folder: bool,
    },
    /// A TCP connection to a port.
    Connect(u16),
    /// A TCP socket bound to a port.
    Bind(u16),
    /// A connection to a UNIX socket with an abstract name, which lies in no folder.
    Abstract(Bytes),
    /// A signal to a process that the request did not start.
    Signal,
    /// Nothing more was written, because the file has its largest size.
    Full,
}

impl Deed {
    /// Something done to a file or a folder.
    pub fn file(access: FileAccess, path: impl AsRef<Path>, folder: bool) -> Self {
        let path = path.as_ref().as_os_str().as_bytes().into();
        Self::File { access: access.word().to_owned(), path, folder }
    }

    /// The deeds of an act. There are several if something gets from one folder to another.
    pub fn of(act: &Act) -> Vec<Self> {
        match act {
            Act::File { place, access } => vec![Self::file(*access, place.path(), place.is_folder())],
            Act::Refer { from, to, .. } => {
                [from, to].map(|folder| Self::file(FileAccess::Refer, folder.path(), true)).into()
            }
            Act::Connect(port) => vec![Self::Connect(*port)],
            Act::Bind(port) => vec![Self::Bind(*port)],
            Act::Abstract(name) => vec![Self::Abstract(name.as_slice().into())],
            Act::Signal(_) => vec![Self::Signal],
        }
    }

    /// The access and the path of something done to a file or a folder.
    pub fn as_file(&self) -> Option<(FileAccess, &Path, bool)> {
        let Self::File { access, path, folder } = self else { return None };
        let access = FileAccess::ALL.into_iter().find(|known| known.word() == access)?;
        let path = Path::new(OsStr::from_bytes(path));
        path.is_absolute().then_some((access, path, *folder))
    }

    /// Whether this version knows the words in it.
    fn is_known(&self) -> bool {
        !matches!(self, Self::File { .. }) || self.as_file().is_some()
    }
}

/// A deed, and the first request that did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// The deed.
    pub deed: Deed,
    /// The ServerName of the virtual host.
    pub host: String,
    /// The method and the path.
    pub request: String,
}

impl Learned {
    /// The line, with its end.
    pub(super) fn line(&self) -> String {
        // JSON can hold strings, numbers and bytes, so this cannot fail.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// Reads a line without its end.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok().filter(|learned: &Self| learned.deed.is_known())
    }
}

/// The content of a file.
#[derive(Debug, Default)]
pub struct Reading {
    /// What was done, each thing once, in the order in which it was first done.
    pub learned: Vec<Learned>,
    /// The number of lines that cannot be read. The disk was full, or the machine stopped within a line.
    pub damaged: usize,
    /// Whether the file has its largest size, so that something may be missing.
    pub is_full: bool,
}

impl Reading {
    /// Reads the text of a file.
    pub fn of(text: &[u8]) -> Self {
        let mut reading = Self::default();
        let mut known = HashSet::new();
        for line in text.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            match Learned::read(line) {
                None => reading.damaged += 1,
                Some(Learned { deed: Deed::Full, .. }) => reading.is_full = true,
                Some(learned) => {
                    if known.insert(learned.deed.clone()) {
                        reading.learned.push(learned);
                    }
                }
            }
        }
        reading
    }
}
