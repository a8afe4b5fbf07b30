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
//! A map is read as text ([`MapText`]) and becomes tables ([`Map`]) that answer without scanning. The tables
//! are one read-only block of memory, shared by all processes that fork from the one that made it; a file
//! that holds such a block is a compiled map, which [`Map::load`] knows by its first bytes.
//!
//! A line `__names__ ignore-case` before the first rule says that users match in any case of ASCII letters.
//!
//! IPv4-mapped IPv6 addresses, in a map as of a client, are IPv4; so `::/0` matches IPv6 clients only.

mod address;
mod build;
mod cover;
mod error;
mod few;
mod file;
mod flat;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod glob;
mod index;
mod layout;
mod names;
mod nets;
mod option;
mod parse;
mod paths;
mod progress;
mod shelf;
mod source;
mod subject;
#[cfg(test)]
mod tests;
mod text;
mod tree;

use std::{fmt, net::IpAddr, path::Path, sync::Arc};

use bytemuck::{Pod, Zeroable};

pub use address::AddressError;
pub use cover::Cover;
pub(crate) use error::open_remedy;
pub use error::{CompiledError, LineError, MapError};
pub use file::Look;
pub(crate) use file::open;
pub use layout::layout;
pub use progress::Progress;
pub use shelf::Shelf;
pub use subject::MapSubject;
pub use text::{MapLine, MapText, contexts};

use self::{
    build::{BETWEEN, ListRow},
    flat::{Flat, IGNORES_CASE, Part},
    names::Table,
    subject::MAX_HOST,
    tree::Edges,
};
use crate::{ContextList, Origin, Subject, lsm::BackendName};

/// The largest file that is read, in bytes. Far below 4 Gi lines, so a `u32` counts them.
const MAX_FILE: u64 = 1 << 30;

/// The largest compiled map that is read, in bytes. A text of the largest size takes 0.5 to 2 times its size.
const MAX_COMPILED: u64 = 4 << 30;

/// The longest line, in bytes without its end.
const MAX_LINE: usize = 64 << 10;

/// How many bad lines [`MapText::all_errors`] reports before it gives up.
const MAX_ERRORS: usize = 100;

/// The rules of one map file, ready to be looked up. Immutable.
pub struct Map {
    path: Arc<Path>,
    flat: Flat,
    /// The backend of contexts that named none.
    default: BackendName,
}

/// The rule that a look-up found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Hit {
    /// The line of the map, from 1.
    pub line: u32,
    /// What the rule gives: an index for [`Map::list`].
    pub list: u32,
}

impl Hit {
    /// In tables: no rule.
    const NONE: Self = Self { line: 0, list: 0 };

    /// `None` for [`Hit::NONE`].
    fn found(self) -> Option<Self> {
        (self.line != 0).then_some(self)
    }
}

/// What one or more rules of a map give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapList {
    /// The contexts, or the exemption.
    pub contexts: ContextList,
    /// The first line that gives them, from 1.
    pub first_line: u32,
}

impl Map {
    /// Reads a map file, text or compiled. `default` is the backend of contexts that name none.
    ///
    /// # Errors
    /// The file is missing, unreadable, not a regular file, larger than 1 GiB, without any rule, or has
    /// a line that is not a rule (the first such line is reported). A compiled map is damaged, of another
    /// version, made for another default backend, or older than its source.
    pub fn load(path: &Path, default: BackendName) -> Result<Self, MapError> {
        file::load(path, default, None).map(|(map, _)| map)
    }

    /// As [`Map::load`], and says what the file looked like. On `shelf` lie copies of compiled maps that other
    /// processes have, too.
    ///
    /// # Errors
    /// As [`Map::load`]; and the file changed while it was read, or another process is just making the copy.
    pub fn load_looking(
        path: &Path,
        default: BackendName,
        shelf: Option<&Shelf>,
    ) -> Result<(Self, Look), MapError> {
        file::load(path, default, shelf)
    }

    /// Whether it was read from a compiled map.
    pub fn is_compiled(&self) -> bool {
        // Only the form in a file says what it was made from.
        !self.flat.array::<u8>(Part::Source).is_empty()
    }

    /// Reads a map from the bytes of a file. `path` is only named in messages.
    ///
    /// # Errors
    /// As [`Map::load`], but for the file.
    pub fn parse(path: &Path, bytes: &[u8], default: BackendName) -> Result<Self, MapError> {
        Self::parse_watched(path, bytes, default, &Arc::default())
    }

    fn parse_watched(
        path: &Path,
        bytes: &[u8],
        default: BackendName,
        progress: &Arc<Progress>,
    ) -> Result<Self, MapError> {
        let path = Arc::from(path);
        let map = build::Builder::new(bytes, default).watched_by(progress).build(&path, Err)?;
        // Without a map there was an error, which ended the reading.
        map.ok_or(MapError::Empty { path })
    }

    /// The file as the administrator named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many rules there are; never 0.
    #[expect(clippy::len_without_is_empty, reason = "an empty map is refused")]
    pub fn len(&self) -> usize {
        self.flat.header().rules as usize
    }

    /// How much memory its tables take, in bytes.
    pub fn size(&self) -> usize {
        self.flat.bytes().len()
    }

    /// The rule of the lowest line that matches, if one does. Allocates nothing but for paths of more than
    /// 30 components, and for users of more than 255 bytes where their case is ignored.
    pub fn lookup(&self, subject: &Subject<'_>) -> Option<Hit> {
        let header = self.flat.header();
        let mut best = header.any.found();
        match subject.user {
            Some(name) => best = lower(best, self.user(name)),
            None => best = lower(best, header.anonymous.found()),
        }
        if let Some(name) = subject.host {
            best = lower(best, self.host(name));
        }
        match subject.addr.map(|a| a.to_canonical()) {
            Some(IpAddr::V4(a)) => best = lower(best, self.v4().get(a.into())),
            Some(IpAddr::V6(a)) => best = lower(best, self.v6().get(a.into())),
            None => {}
        }
        match subject.path {
            Some(path) => self.paths().get(path, best),
            None => best,
        }
    }

    /// The distinct lists of contexts, in the order in which they first occur. Each is made anew from the
    /// tables.
    pub fn lists(&self) -> impl Iterator<Item = MapList> {
        (0..self.list_count()).filter_map(|number| self.list(number))
    }

    /// How many distinct lists there are.
    pub fn list_count(&self) -> u32 {
        // At most one list a line, and a u32 counts lines.
        self.flat.array::<ListRow>(Part::Lists).len() as u32
    }

    /// The list of this number.
    pub fn list(&self, number: u32) -> Option<MapList> {
        let row = self.list_row(number)?;
        let words = self.list_text(number)?.split(BETWEEN);
        let contexts = ContextList::parse(words, self.default).ok()?;
        Some(MapList { contexts, first_line: row.first_line })
    }

    /// The text that stands for a list: the same for the same contexts, in every map.
    pub fn list_text(&self, number: u32) -> Option<&str> {
        let row = self.list_row(number)?;
        let text = self.flat.array::<u8>(Part::Text).get(row.start as usize..)?.get(..row.len as usize)?;
        std::str::from_utf8(text).ok()
    }

    fn list_row(&self, number: u32) -> Option<ListRow> {
        self.flat.array(Part::Lists).get(number as usize).copied()
    }

    /// Where a rule is written. Cheap: the path is shared.
    pub fn origin(&self, hit: Hit) -> Origin {
        Origin { file: Arc::clone(&self.path), line: hit.line }
    }

    fn table(&self, slots: Part) -> Table<'_> {
        let (slots, text) = (self.flat.array(slots), self.flat.array(Part::Text));
        Table { slots, text, keys: self.flat.header().keys }
    }

    /// Whether a rule is for a user.
    pub fn has_users(&self) -> bool {
        !self.flat.array::<names::Slot>(Part::Users).is_empty()
    }

    /// Whether users match in any case of ASCII letters.
    pub fn ignores_case(&self) -> bool {
        self.flat.header().flags & IGNORES_CASE != 0
    }

    fn user(&self, name: &[u8]) -> Option<Hit> {
        let table = self.table(Part::Users);
        if !self.ignores_case() || table.slots.is_empty() {
            return table.get(name);
        }
        let mut buffer = [0; 255];
        match buffer.get_mut(..name.len()) {
            Some(lower) => {
                lower.copy_from_slice(name);
                lower.make_ascii_lowercase();
                table.get(lower)
            }
            None => table.get(&name.to_ascii_lowercase()),
        }
    }

    /// The rule for a virtual host, in any case, with or without the dot at its end.
    fn host(&self, name: &[u8]) -> Option<Hit> {
        let table = self.table(Part::Hosts);
        if table.slots.is_empty() {
            return None;
        }
        let name = name.strip_suffix(b".").unwrap_or(name);
        let mut buffer = [0; MAX_HOST];
        // A longer name is in no map.
        let lower = buffer.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        table.get(lower)
    }

    fn v4(&self) -> nets::View<'_, u32> {
        nets::View { leaves: self.flat.array(Part::V4Leaves), fences: self.flat.array(Part::V4Fences) }
    }

    fn v6(&self) -> nets::View<'_, u128> {
        nets::View { leaves: self.flat.array(Part::V6Leaves), fences: self.flat.array(Part::V6Fences) }
    }

    fn paths(&self) -> paths::View<'_> {
        paths::View {
            places: self.flat.array(Part::Places),
            forks: self.flat.array(Part::Forks),
            patterns: self.flat.array(Part::Patterns),
            edges: Edges {
                table: self.flat.array(Part::Edges),
                text: self.flat.array(Part::Text),
                keys: self.flat.header().keys,
            },
        }
    }
}

/// The one on the lower line.
fn lower(a: Option<Hit>, b: Option<Hit>) -> Option<Hit> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.line < a.line { b } else { a }),
        (a, b) => a.or(b),
    }
}

impl fmt::Debug for Map {
    /// In short: a map may have a million lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("path", &self.path).field("rules", &self.len()).finish_non_exhaustive()
    }
}
