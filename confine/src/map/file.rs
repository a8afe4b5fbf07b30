//! Map files: how they are opened, looked at, read, and mapped into memory.

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

/// The largest compiled map that is read, in bytes. The compiled form of a text has 0.5 to 2 times its size.
const MAX_COMPILED: u64 = 4 << 30;

/// The state of a file, without its content. A change of the file changes this, but not if it comes within the
/// granularity of the file system's clock (milliseconds) after another change. So look twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// The time of the last change of the inode. A rename that puts another file in this place changes it, even if the
    /// modification time stays.
    changed: (i64, i64),
}

impl FileStamp {
    /// The state of the file `path`. The file is not opened.
    ///
    /// # Errors
    /// The file does not exist, or a directory above it may not be searched.
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

/// Opens a regular file. This does not wait for the writer of a FIFO. A device is not even opened, because opening
/// alone has an effect on some devices (a watchdog, a tape).
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
    // The file that was opened counts. The name may already lead to another file.
    let metadata = regular(file.metadata().map_err(|source| MapError::Read { path: shared(), source })?)?;
    Ok((file, metadata))
}

/// The kind of a file that is not a regular file.
fn kind(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        "a directory"
    } else if file_type.is_fifo() {
        "a FIFO"
    } else {
        "a device or a socket"
    }
}

/// Loads a map, text or compiled, with the state of its file. The copy of a compiled map is shared through `shelf`.
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

/// Reads the text of a map, and the metadata of the very file that was read.
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

/// Reads the text of a file of `len` bytes. It never reads more, even if the file grows meanwhile. Reading ends at
/// bytes that are not text, such as the NUL bytes of a hole in a sparse file. They are among the bytes that are given,
/// and the parser reports them.
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
        // A line can have a few bytes that the parser does not count: a byte order mark, a carriage return.
        longest <= MAX_LINE + 8 && !piece.contains(&0)
    });
    match done {
        Ok(()) => Ok(bytes),
        Err(missed) => Err(missed.of(path)),
    }
}

/// Reads a compiled map of `len` bytes into memory that cannot change. Its size, its header and its checksum are
/// checked before memory is taken for it.
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

/// Why a compiled map was not read into memory.
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
    /// The error for the map in the file `path`.
    fn of(self, path: &Path) -> MapError {
        let path = Arc::from(path);
        match self {
            // Both states end soon, and whoever watches the file looks again.
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

/// The map in the bytes of a compiled map.
pub(super) fn of_block(path: &Path, bytes: Mmap, default: BackendName) -> Result<Map, MapError> {
    let error = |problem| MapError::Compiled { path: Arc::from(path), problem };
    let block = Block::check(bytes).map_err(|damage| compiled_error(path, damage))?;
    let made_for = String::from_utf8_lossy(block.array(Array::Default)).into_owned();
    if block.header().flags & DEFAULTED != 0 && made_for != default.as_str() {
        return Err(error(CompiledError::Default { made_for, here: default }));
    }
    let source = Path::new(std::ffi::OsStr::from_bytes(block.array(Array::Source)));
    // If the source is not on this machine, the compiled map is used alone.
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

    /// As [`Map::load`], with the state of the file. On `shelf` are copies of compiled maps that other processes have,
    /// too.
    ///
    /// # Errors
    /// As [`Map::load`]. Also if the file changed while it was read, or if another process is making the copy.
    pub fn load_stamped(
        path: &Path,
        default: BackendName,
        shelf: Option<&Shelf>,
    ) -> Result<(Self, FileStamp), MapError> {
        load(path, default, shelf)
    }

    /// The compiled form of the map in the file `path`. [`Map::load`] can use it without parsing it.
    ///
    /// # Errors
    /// As [`Map::load`]. Also if the file is compiled already.
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

    /// As [`MapText::load`], with the metadata of the very file that was read.
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
    /// The content for the file.
    pub fn bytes(&self) -> &[u8] {
        self.block.bytes()
    }

    /// The metadata of the file that it was made from.
    pub fn source(&self) -> &Metadata {
        &self.source
    }
}
