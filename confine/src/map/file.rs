//! Map files: opened with care, looked at, read or mapped.

use std::{
    fs::{File, FileType, Metadata, OpenOptions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::Path,
    sync::Arc,
};

use memmap2::Mmap;

use super::{
    lookup::Map,
    shelf::{self, Missed, Shelf},
    syntax::{
        MAX_FILE, MAX_LINE,
        error::{CompiledError, MapError},
        progress::Progress,
        text::MapText,
    },
    table::block::{Array, Block, DEFAULTED, Damage, MAGIC, Pieces, SourceStamp, VERSION},
};
use crate::context::BackendName;

/// The largest compiled map that is read, in bytes. A text of the largest size takes 0.5 to 2 times its size.
const MAX_COMPILED: u64 = 4 << 30;

/// What a file looks like from outside. Whoever changes it changes this, but within the granularity of the
/// file system's clock (milliseconds): look twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Also changed by a rename in the file's place that keeps the modification time.
    changed: (i64, i64),
}

impl FileStamp {
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

/// Opens a regular file. A FIFO without a writer does not make it wait, and a device is not opened at all: for
/// some (a watchdog, a tape) that alone does something.
pub(crate) fn open(path: &Path) -> Result<(File, Metadata), MapError> {
    let shared = || Arc::from(path);
    let regular = |metadata: Metadata| match metadata.is_file() {
        true => Ok(metadata),
        false => Err(MapError::NotAFile { path: shared(), kind: kind(metadata.file_type()) }),
    };
    let unopened = |source| MapError::Open { path: shared(), source };
    regular(std::fs::metadata(path).map_err(unopened)?)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(unopened)?;
    // What was opened counts; the name may lead elsewhere by now.
    let metadata = regular(file.metadata().map_err(|source| MapError::Read { path: shared(), source })?)?;
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

/// Loads a map, text or compiled, and says what the file looked like. The copy of a compiled one is shared by
/// way of `shelf`.
pub(super) fn load(
    path: &Path,
    default: BackendName,
    shelf: Option<&Shelf>,
) -> Result<(Map, FileStamp), MapError> {
    let (file, metadata) = open(path)?;
    let look = FileStamp::of(&metadata);
    let unreadable = |source| MapError::Read { path: Arc::from(path), source };
    let map = if is_compiled(&file).map_err(unreadable)? {
        let bytes = read_compiled(path, &file, metadata.len(), shelf)?;
        of_block(path, bytes, default)?
    } else {
        let bytes = read(path, &file, metadata.len())?;
        Map::parse(path, &bytes, default)?
    };
    if FileStamp::of(&file.metadata().map_err(unreadable)?) != look {
        return Err(MapError::Changed { path: Arc::from(path) });
    }
    Ok((map, look))
}

/// Reads a map's text, and says what its file is like: the very one that was read.
pub(super) fn read_text(path: &Path) -> Result<(Vec<u8>, Metadata), MapError> {
    let unreadable = |source| MapError::Read { path: Arc::from(path), source };
    let (file, metadata) = open(path)?;
    if is_compiled(&file).map_err(unreadable)? {
        return Err(MapError::Compiled { path: Arc::from(path), problem: CompiledError::NotText });
    }
    let bytes = read(path, &file, metadata.len())?;
    if FileStamp::of(&file.metadata().map_err(unreadable)?) != FileStamp::of(&metadata) {
        return Err(MapError::Changed { path: Arc::from(path) });
    }
    Ok((bytes, metadata))
}

/// Whether the file begins as compiled maps do.
fn is_compiled(file: &File) -> io::Result<bool> {
    let mut head = [0; MAGIC.len()];
    match file.read_exact_at(&mut head, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        other => other.map(|()| head == MAGIC),
    }
}

/// Reads the text of a file of `len` bytes: never more, though it may grow meanwhile. What is no text ends the
/// reading (a hole in a sparse file reads as NUL bytes): it is among the bytes given, and the parser tells of it.
fn read(path: &Path, file: &File, len: u64) -> Result<Vec<u8>, MapError> {
    if len > MAX_FILE {
        return Err(MapError::TooLarge { path: Arc::from(path) });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    let mut line = 0;
    let done = shelf::in_pieces(file, len, |piece| {
        bytes.extend_from_slice(piece);
        let mut ends = piece.split(|b| *b == b'\n');
        let longest = ends.next().map_or(0, |first| line + first.len());
        line = longest;
        let longest = ends.fold(longest, |longest, next| {
            line = next.len();
            longest.max(line)
        });
        // Some bytes more than the parser takes: a byte order mark, a carriage return.
        longest <= MAX_LINE + 8 && !piece.contains(&0)
    });
    match done {
        Ok(()) => Ok(bytes),
        Err(missed) => Err(missed.of(path)),
    }
}

/// A compiled map of `len` bytes, in memory that stays as it is. Its size, its head and its checksum are looked
/// at before there is memory for it.
fn read_compiled(path: &Path, file: &File, len: u64, shelf: Option<&Shelf>) -> Result<Mmap, MapError> {
    if len > MAX_COMPILED {
        return Err(compiled_error(path, Damage::Length));
    }
    let check = || {
        let (mut pieces, mut damage) = (Pieces::of(len), None);
        shelf::in_pieces(file, len, |piece| {
            damage = pieces.add(piece).err();
            damage.is_none()
        })?;
        damage.map_or_else(|| pieces.finish(), Err).map_err(Unfit::Damaged)
    };
    let copy = match shelf {
        Some(shelf) => shelf.copy(file, len, check),
        None => check().and_then(|()| Ok(shelf::copy(file, len)?.0)),
    };
    copy.map_err(|unfit| match unfit {
        Unfit::Damaged(damage) => compiled_error(path, damage),
        Unfit::Missed(missed) => missed.of(path),
    })
}

/// Why a compiled map is not taken into memory.
enum Unfit {
    Damaged(Damage),
    Missed(Missed),
}

impl From<Missed> for Unfit {
    fn from(missed: Missed) -> Self {
        Self::Missed(missed)
    }
}

impl Missed {
    /// As an error of the map in this file.
    fn of(self, path: &Path) -> MapError {
        let path = Arc::from(path);
        match self {
            // Both are over soon, and whoever watches the file looks again.
            Self::Cut | Self::Busy => MapError::Changed { path },
            Self::Io(source) => MapError::Read { path, source },
        }
    }
}

fn compiled_error(path: &Path, damage: Damage) -> MapError {
    let problem = match damage {
        Damage::Version(found) => CompiledError::Version { found, known: VERSION },
        Damage::ByteOrder => CompiledError::ByteOrder,
        Damage::Length => CompiledError::Length,
        Damage::Checksum => CompiledError::Checksum,
    };
    MapError::Compiled { path: Arc::from(path), problem }
}

/// The map that a compiled map's bytes are.
pub(super) fn of_block(path: &Path, bytes: Mmap, default: BackendName) -> Result<Map, MapError> {
    let error = |problem| MapError::Compiled { path: Arc::from(path), problem };
    let block = Block::check(bytes).map_err(|damage| compiled_error(path, damage))?;
    let made_for = String::from_utf8_lossy(block.array(Array::Default)).into_owned();
    if block.header().flags & DEFAULTED != 0 && made_for != default.as_str() {
        return Err(error(CompiledError::Default { made_for, here: default }));
    }
    let source = Path::new(std::ffi::OsStr::from_bytes(block.array(Array::Source)));
    // Where the source is not on this machine, the compiled map is all there is.
    if let Ok(metadata) = std::fs::metadata(source) {
        if stamp(&metadata) != block.header().source {
            return Err(error(CompiledError::Stale { source_path: source.to_owned() }));
        }
    }
    Ok(Map { path: Arc::from(path), block, default })
}

fn stamp(metadata: &Metadata) -> SourceStamp {
    SourceStamp { size: metadata.size(), seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() }
}

impl Map {
    /// Reads a map file, text or compiled. `default` is the backend of contexts that name none.
    ///
    /// # Errors
    /// The file is missing, unreadable, not a regular file, larger than 1 GiB, without any rule, or has
    /// a line that is not a rule (the first such line is reported). A compiled map is damaged, of another
    /// version, made for another default backend, or older than its source.
    pub fn load(path: &Path, default: BackendName) -> Result<Self, MapError> {
        load(path, default, None).map(|(map, _)| map)
    }

    /// As [`Map::load`], and says what the file looked like. On `shelf` lie copies of compiled maps that other
    /// processes have, too.
    ///
    /// # Errors
    /// As [`Map::load`]; and the file changed while it was read, or another process is just making the copy.
    pub fn load_stamped(
        path: &Path,
        default: BackendName,
        shelf: Option<&Shelf>,
    ) -> Result<(Self, FileStamp), MapError> {
        load(path, default, shelf)
    }

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
        let (bytes, metadata) = read_text(path)?;
        let map = Self::parse_watched(path, &bytes, default, progress)?;
        let full = std::fs::canonicalize(path).map_err(unreadable)?;
        let named = default.as_str().as_bytes();
        let block = map.block.to_file(stamp(&metadata), named, full.as_os_str().as_bytes());
        let block = block.map_err(|source| MapError::Memory { path: Arc::from(path), source })?;
        Ok(CompiledMap { block, source: metadata })
    }
}

impl MapText {
    /// Reads a file. `default` is the backend of contexts that name none.
    ///
    /// # Errors
    /// The file is missing, unreadable, not a regular file, larger than 1 GiB, or a compiled map.
    pub fn load(path: &Path, default: BackendName) -> Result<Self, MapError> {
        Self::load_with_metadata(path, default).map(|(text, _)| text)
    }

    /// As [`MapText::load`], and says what the file is like: the very one that was read.
    ///
    /// # Errors
    /// As [`MapText::load`].
    pub fn load_with_metadata(path: &Path, default: BackendName) -> Result<(Self, Metadata), MapError> {
        let (bytes, metadata) = read_text(path)?;
        Ok((Self::of(path, bytes, default), metadata))
    }
}

/// A compiled map, to be written to a file.
pub struct CompiledMap {
    block: Block,
    source: Metadata,
}

impl CompiledMap {
    /// What the file is to hold.
    pub fn bytes(&self) -> &[u8] {
        self.block.bytes()
    }

    /// What the file was like that it was made from.
    pub fn source(&self) -> &Metadata {
        &self.source
    }
}
