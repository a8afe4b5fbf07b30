//! A map: a file of rules, one a line, the first that matches wins.
//!
//! ```text
//! # SUBJECT        CONTEXT [CONTEXT ...]
//! alice            selinux:httpd_dog_t:s0 landlock:tenant-a
//! user:10.0.0.1    landlock:odd-name
//! 192.0.2.0/24     "selinux:httpd_lan_t:s0"
//! host:a.example   landlock:tenant-a
//! path:/srv/cgi/** landlock:programs
//! __anonymous__    landlock:guest
//! *                unconfined
//! ```
//!
//! A line is UTF-8, at most 64 KiB, and ends in LF or CRLF. Blanks and tabs separate words. `#` begins
//! a comment at the start of a line or after a blank. A word in double quotes may hold blanks, and `\"`
//! and `\\` in it stand for `"` and `\`; the quote may also open behind a colon (`user:"John Smith"`).
//! Quotes change nothing about a word's meaning: `"*"` is everybody, `user:*` is a user called `*`.
//!
//! IPv4-mapped IPv6 addresses, in a map as of a client, are IPv4; so `::/0` matches IPv6 clients only.

mod address;
mod error;
mod glob;
mod index;
mod parse;
mod subject;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    fs::{FileType, OpenOptions},
    io::Read,
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
};

pub use address::AddressError;
pub use error::{LineError, MapError};
pub use subject::MapSubject;

use self::{
    index::Index,
    parse::{Fault, Word},
};
use crate::{ContextList, Origin, Subject, lsm::BackendName};

/// The largest file that is read, in bytes. Far below 4 Gi lines, so a `u32` counts them.
const MAX_FILE: u64 = 1 << 30;

/// The longest line, in bytes without its end.
const MAX_LINE: usize = 64 << 10;

/// How many bad lines [`Map::load_all_errors`] reports before it gives up.
const MAX_ERRORS: usize = 100;

/// The rules of one map file, ready to be looked up. Immutable.
pub struct Map {
    path: Arc<Path>,
    index: Index,
    lists: Box<[MapList]>,
    duplicates: Box<[Duplicate]>,
    rules: usize,
}

/// The rule that a look-up found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The line of the map, from 1.
    pub line: u32,
    /// What the rule gives: an index into [`Map::lists`].
    pub list: u32,
}

/// What one or more rules of a map give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapList {
    /// The contexts, or the exemption.
    pub contexts: ContextList,
    /// The first line that gives them, from 1.
    pub first_line: u32,
}

/// One rule of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapLine<'a> {
    /// The line, from 1.
    pub line: u32,
    /// Whom the rule is for; the name of a virtual host in lower case.
    pub subject: MapSubject<'a>,
    /// What it gives: an index into [`Map::lists`].
    pub list: u32,
}

/// A rule whose subject an earlier line has already.
struct Duplicate {
    rule: Hit,
    earlier: u32,
}

impl Map {
    /// Reads a map file. `default` is the backend of contexts that name none.
    ///
    /// # Errors
    /// The file is missing, unreadable, not a regular file, larger than 1 GiB, without any rule, or has
    /// a line that is not a rule (the first such line is reported).
    pub fn load(path: &Path, default: BackendName) -> Result<Self, MapError> {
        Self::parse(path, &read(path)?, default)
    }

    /// Reads a map from the bytes of a file. `path` is only named in messages.
    ///
    /// # Errors
    /// As [`Map::load`], but for the file.
    pub fn parse(path: &Path, bytes: &[u8], default: BackendName) -> Result<Self, MapError> {
        Builder::new(default).build(path, bytes, Err)
    }

    /// As [`Map::load`], and goes on after a bad line, so that all of them can be mended at once. At
    /// most 100 are reported.
    ///
    /// # Errors
    /// As [`Map::load`]; at least one.
    pub fn load_all_errors(path: &Path, default: BackendName) -> Result<Self, Vec<MapError>> {
        let bytes = read(path).map_err(|e| vec![e])?;
        let mut errors = Vec::new();
        let map = Builder::new(default).build(path, &bytes, |error| {
            errors.push(error);
            if errors.len() < MAX_ERRORS { Ok(()) } else { Err(()) }
        });
        match map {
            Ok(map) if errors.is_empty() => Ok(map),
            _ => Err(errors),
        }
    }

    /// The file as the administrator named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many rules there are; never 0.
    #[expect(clippy::len_without_is_empty, reason = "an empty map is refused")]
    pub fn len(&self) -> usize {
        self.rules
    }

    /// The rule of the lowest line that matches, if one does. Allocates nothing.
    pub fn lookup(&self, subject: &Subject<'_>) -> Option<Hit> {
        self.index.lookup(subject)
    }

    /// The distinct lists of contexts, in the order in which they first occur.
    pub fn lists(&self) -> &[MapList] {
        &self.lists
    }

    /// Where a rule is written. Cheap: the path is shared.
    pub fn origin(&self, hit: Hit) -> Origin {
        Origin { file: Arc::clone(&self.path), line: hit.line }
    }

    /// All rules in order. Made anew from the index, in time and memory proportional to the map: for
    /// tools, not for requests.
    pub fn lines(&self) -> impl Iterator<Item = MapLine<'_>> {
        let line = |subject, hit: Hit| MapLine { line: hit.line, subject, list: hit.list };
        let mut lines: Vec<_> = self.index.iter().map(|(subject, hit)| line(subject, hit)).collect();
        lines.sort_unstable_by_key(|l| l.line);
        let repeated: Vec<_> = self
            .duplicates
            .iter()
            .filter_map(|duplicate| {
                let i = lines.binary_search_by_key(&duplicate.earlier, |l| l.line).ok()?;
                Some(line(lines.get(i)?.subject, duplicate.rule))
            })
            .collect();
        lines.extend(repeated);
        lines.sort_unstable_by_key(|l| l.line);
        lines.into_iter()
    }

    /// The rules whose subject an earlier rule has already, as (line, line of the first such rule), in
    /// order. They never match.
    pub fn duplicates(&self) -> impl Iterator<Item = (u32, u32)> {
        self.duplicates.iter().map(|d| (d.rule.line, d.earlier))
    }

    /// The first of the earlier rules that alone match everything that `line` matches, if there is one:
    /// then `line` never matches. The same subject, `*`, or a network that holds the address.
    pub fn shadow(&self, line: &MapLine<'_>) -> Option<Hit> {
        self.index.covering(line.subject).filter(|hit| hit.line < line.line)
    }
}

impl fmt::Debug for Map {
    /// In short: a map may have a million lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("path", &self.path).field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// Reads a file of at most [`MAX_FILE`] bytes. A FIFO without a writer does not make it wait.
fn read(path: &Path) -> Result<Vec<u8>, MapError> {
    let shared = || Arc::from(path);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|source| MapError::Open { path: shared(), source })?;
    let unreadable = |source| MapError::Read { path: shared(), source };
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(MapError::NotAFile { path: shared(), kind: kind(metadata.file_type()) });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(MAX_FILE)).unwrap_or(0));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
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

/// A map while its lines are read.
struct Builder<'a> {
    default: BackendName,
    index: Index,
    /// Each list with its number and its first line.
    lists: HashMap<ContextList, Hit>,
    /// The number of the list for the contexts of a line as they are written: most lines of a large
    /// map repeat those of another line, and need not be read again.
    written: HashMap<&'a str, u32>,
    duplicates: Vec<Duplicate>,
    rules: usize,
}

impl<'a> Builder<'a> {
    fn new(default: BackendName) -> Self {
        Self {
            default,
            index: Index::default(),
            lists: HashMap::new(),
            written: HashMap::new(),
            duplicates: Vec::new(),
            rules: 0,
        }
    }

    /// Reads all lines. Each error goes to `report`, which ends the reading by returning an error.
    fn build<E>(
        mut self,
        path: &Path,
        bytes: &'a [u8],
        mut report: impl FnMut(MapError) -> Result<(), E>,
    ) -> Result<Map, E> {
        let path: Arc<Path> = Arc::from(path);
        let too_large = u64::try_from(bytes.len()).map_or(true, |n| n > MAX_FILE);
        if too_large {
            report(MapError::TooLarge { path: Arc::clone(&path) })?;
        }
        let bytes = if too_large { &[] } else { bytes };
        let mut words = Vec::new();
        let mut faults = too_large;
        for (line, raw) in parse::lines(bytes) {
            if let Err(Fault { at, problem }) = self.line(line, raw, &mut words) {
                faults = true;
                report(MapError::Line { path: Arc::clone(&path), line, column: at + 1, problem })?;
            }
        }
        if self.rules == 0 && !faults {
            report(MapError::Empty { path: Arc::clone(&path) })?;
        }
        Ok(self.finish(path))
    }

    /// Reads one line. `words` is only there to be used again.
    fn line(&mut self, line: u32, raw: &'a [u8], words: &mut Vec<Word<'a>>) -> Result<(), Fault> {
        let text = parse::split(raw, words)?;
        let Some((subject, contexts)) = words.split_first() else { return Ok(()) };
        let parsed = MapSubject::parse(&subject.text).map_err(|e| Fault::new(subject.start, e))?;
        let rule = Hit { line, list: self.list(line, text, subject.end, contexts)? };
        self.rules += 1;
        if let Some(earlier) = self.index.insert(parsed, rule) {
            self.duplicates.push(Duplicate { rule, earlier: earlier.line });
        }
        Ok(())
    }

    /// The number of the list that these words mean. `end` is where the subject ends.
    fn list(&mut self, line: u32, text: &'a str, end: usize, words: &[Word<'a>]) -> Result<u32, Fault> {
        let span = words.first().zip(words.last()).and_then(|(f, l)| text.get(f.start..l.end));
        if let Some(number) = span.and_then(|s| self.written.get(s)) {
            return Ok(*number);
        }
        let parsed = ContextList::parse_indexed(words.iter().map(|w| &*w.text), self.default);
        let contexts = parsed.map_err(|(i, error)| {
            Fault::new(words.get(i).map_or(end, |w| w.start), LineError::Context(error))
        })?;
        // At most one list a line, and lines fit.
        let next = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        let number = match self.lists.entry(contexts) {
            Entry::Occupied(known) => known.get().list,
            Entry::Vacant(vacant) => vacant.insert(Hit { line, list: next }).list,
        };
        if let Some(span) = span {
            self.written.insert(span, number);
        }
        Ok(number)
    }

    fn finish(self, path: Arc<Path>) -> Map {
        let mut lists: Vec<_> = self.lists.into_iter().collect();
        lists.sort_unstable_by_key(|(_, first)| first.list);
        let lists = lists.into_iter().map(|(contexts, first)| MapList { contexts, first_line: first.line });
        Map {
            path,
            index: self.index,
            lists: lists.collect(),
            duplicates: self.duplicates.into(),
            rules: self.rules,
        }
    }
}
