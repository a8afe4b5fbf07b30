//! Map files: opened with care, looked at, read or mapped.

use std::{
    fs::{File, FileType, Metadata, OpenOptions},
    io::{self, Read, Seek},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::Path,
    sync::Arc,
};

use memmap2::Mmap;

use super::{
    CompiledError, MAX_FILE, Map, MapError, Progress,
    flat::{Damage, Flat, MAGIC, Part, SourceStamp, VERSION},
};
use crate::lsm::BackendName;

/// What a file looks like from outside. Whoever changes it changes this, but within the granularity of the
/// file system's clock (milliseconds): look twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Also changed by a rename in the file's place that keeps the modification time.
    changed: (i64, i64),
}

impl Look {
    /// Looks at the file of this name, without opening it.
    ///
    /// # Errors
    /// There is none, or a directory above it may not be searched.
    pub fn at(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|m| Self::of(&m))
    }

    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Opens a regular file. A FIFO without a writer does not make it wait.
fn open(path: &Path) -> Result<(File, Metadata), MapError> {
    let shared = || Arc::from(path);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|source| MapError::Open { path: shared(), source })?;
    let metadata = file.metadata().map_err(|source| MapError::Read { path: shared(), source })?;
    if !metadata.is_file() {
        return Err(MapError::NotAFile { path: shared(), kind: kind(metadata.file_type()) });
    }
    Ok((file, metadata))
}

/// What something other than a regular file is.
fn kind(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        "a directory"
    } else if file_type.is_fifo() {
        "a FIFO"
    } else {
        "a device or a socket"
    }
}

/// Loads a map, text or compiled, and says what the file looked like.
pub(super) fn load(path: &Path, default: BackendName) -> Result<(Map, Look), MapError> {
    let (mut file, metadata) = open(path)?;
    let look = Look::of(&metadata);
    let unreadable = |source| MapError::Read { path: Arc::from(path), source };
    let map = if is_compiled(&mut file).map_err(unreadable)? {
        load_compiled(path, &file, default)?
    } else {
        let bytes = read(&file, metadata.len()).map_err(unreadable)?;
        Map::parse(path, &bytes, default)?
    };
    if Look::of(&file.metadata().map_err(unreadable)?) != look {
        return Err(MapError::Changed { path: Arc::from(path) });
    }
    Ok((map, look))
}

/// Reads a map's text.
pub(super) fn read_text(path: &Path) -> Result<Vec<u8>, MapError> {
    let (mut file, metadata) = open(path)?;
    let unreadable = |source| MapError::Read { path: Arc::from(path), source };
    if is_compiled(&mut file).map_err(unreadable)? {
        return Err(MapError::Compiled { path: Arc::from(path), problem: CompiledError::NotText });
    }
    read(&file, metadata.len()).map_err(unreadable)
}

/// Whether the file begins as compiled maps do. Leaves it at its start.
fn is_compiled(file: &mut File) -> io::Result<bool> {
    let mut head = Vec::with_capacity(MAGIC.len());
    file.take(MAGIC.len() as u64).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(head == MAGIC)
}

/// Reads at most one byte more than a map may have.
fn read(file: &File, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(len.min(MAX_FILE)).unwrap_or(0));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn load_compiled(path: &Path, file: &File, default: BackendName) -> Result<Map, MapError> {
    // SAFETY: a read-only mapping of a regular file. Whoever may write the file may give any rules, and is
    // told to rename a new one into place, as `Map::compile` does: written in place, it would change under
    // the readers, and cut short, raise SIGBUS. All reads are of plain data, with bounds checks.
    let bytes = unsafe { Mmap::map(file) };
    let bytes = bytes.map_err(|source| MapError::Read { path: Arc::from(path), source })?;
    of_block(path, bytes, default)
}

/// The map that a compiled map's bytes are.
pub(super) fn of_block(path: &Path, bytes: Mmap, default: BackendName) -> Result<Map, MapError> {
    let error = |problem| MapError::Compiled { path: Arc::from(path), problem };
    let flat = Flat::check(bytes).map_err(|damage| {
        error(match damage {
            Damage::Version(found) => CompiledError::Version { found, known: VERSION },
            Damage::ByteOrder => CompiledError::ByteOrder,
            Damage::Length => CompiledError::Length,
            Damage::Checksum => CompiledError::Checksum,
        })
    })?;
    let made_for = String::from_utf8_lossy(flat.array(Part::Default)).into_owned();
    if flat.header().defaulted != 0 && made_for != default.as_str() {
        return Err(error(CompiledError::Default { made_for, here: default }));
    }
    let source = Path::new(std::ffi::OsStr::from_bytes(flat.array(Part::Source)));
    // Where the source is not on this machine, the compiled map is all there is.
    if let Ok(metadata) = std::fs::metadata(source) {
        if stamp(&metadata) != flat.header().source {
            return Err(error(CompiledError::Stale { source_path: source.to_owned() }));
        }
    }
    Ok(Map { path: Arc::from(path), flat, default })
}

fn stamp(metadata: &Metadata) -> SourceStamp {
    SourceStamp { size: metadata.size(), seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() }
}

impl Map {
    /// The bytes of the compiled form of the map in the file `path`: what [`Map::load`] maps instead of
    /// reading it.
    ///
    /// # Errors
    /// As [`Map::load`]; and the file is compiled already.
    pub fn compile(path: &Path, default: BackendName) -> Result<CompiledMap, MapError> {
        Self::compile_watched(path, default, &Arc::default())
    }

    /// As [`Map::compile`]; `progress` advances by the size of the map.
    ///
    /// # Errors
    /// As [`Map::compile`].
    pub fn compile_watched(
        path: &Path,
        default: BackendName,
        progress: &Arc<Progress>,
    ) -> Result<CompiledMap, MapError> {
        let unreadable = |source| MapError::Read { path: Arc::from(path), source };
        let (mut file, metadata) = open(path)?;
        if is_compiled(&mut file).map_err(unreadable)? {
            return Err(MapError::Compiled { path: Arc::from(path), problem: CompiledError::NotText });
        }
        let bytes = read(&file, metadata.len()).map_err(unreadable)?;
        let map = Self::parse_watched(path, &bytes, default, progress)?;
        if Look::of(&file.metadata().map_err(unreadable)?) != Look::of(&metadata) {
            return Err(MapError::Changed { path: Arc::from(path) });
        }
        let full = std::fs::canonicalize(path).map_err(unreadable)?;
        let named = default.as_str().as_bytes();
        let flat = map.flat.to_file(stamp(&metadata), named, full.as_os_str().as_bytes());
        let flat = flat.map_err(|source| MapError::Memory { path: Arc::from(path), source })?;
        Ok(CompiledMap { flat })
    }
}

/// A compiled map, to be written to a file.
pub struct CompiledMap {
    flat: Flat,
}

impl CompiledMap {
    /// What the file is to hold.
    pub fn bytes(&self) -> &[u8] {
        self.flat.bytes()
    }
}
