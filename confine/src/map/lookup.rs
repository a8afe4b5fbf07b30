//! The rules of a map, and the one that counts for a request.

use std::{convert::Infallible, fmt, net::IpAddr, path::Path, sync::Arc};

use super::{
    syntax::{MAX_ERRORS, error::MapError, progress::Progress, subject::MAX_HOST, text::MapText},
    table::{
        Hit,
        block::{Array, Block, IGNORES_CASE},
        builder::{BETWEEN, Builder, ListRow},
        names::{self, Table},
        networks, paths,
        tree::Edges,
    },
};
use crate::{ContextList, Origin, Subject, context::BackendName};

/// The rules of one map file, ready for look-ups. They never change.
pub struct Map {
    pub(super) path: Arc<Path>,
    pub(super) block: Block,
    /// The backend of contexts that name none.
    pub(super) default: BackendName,
}

/// The contexts that one or more rules of a map give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapList {
    /// The contexts, or the exemption.
    pub contexts: ContextList,
    /// The first line that gives them, from 1.
    pub first_line: u32,
}

impl Map {
    /// Whether it was read from a compiled map.
    pub fn is_compiled(&self) -> bool {
        // Only the form in a file has the path of its source.
        !self.block.array::<u8>(Array::Source).is_empty()
    }

    /// Reads a map from the bytes of a file. `path` only stands in messages.
    ///
    /// # Errors
    /// As [`Map::load`], apart from errors of the file.
    pub fn parse(path: &Path, bytes: &[u8], default: BackendName) -> Result<Self, MapError> {
        Self::parse_watched(path, bytes, default, &Arc::default())
    }

    pub(super) fn parse_watched(
        path: &Path,
        bytes: &[u8],
        default: BackendName,
        progress: &Arc<Progress>,
    ) -> Result<Self, MapError> {
        let path: Arc<Path> = Arc::from(path);
        let block = Builder::new(bytes, default).watched_by(progress).build(&path, Err)?;
        // The tables are only missing if an error ended the reading.
        let block = block.ok_or_else(|| MapError::Empty { path: Arc::clone(&path) })?;
        Ok(Self { path, block, default })
    }

    /// The file as the administrator named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many rules there are. There is at least one.
    #[expect(clippy::len_without_is_empty, reason = "an empty map is refused")]
    pub fn len(&self) -> usize {
        self.block.header().rules as usize
    }

    /// How much memory its tables take, in bytes.
    pub fn size(&self) -> usize {
        self.block.bytes().len()
    }

    /// The rule with the lowest line that matches. It allocates nothing, except for paths of more than 30 components,
    /// and for users of more than 255 bytes in a map that ignores their case.
    pub fn lookup(&self, subject: &Subject<'_>) -> Option<Hit> {
        let header = self.block.header();
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

    /// All lists of contexts, each of them once, in the order in which they first occur. Each is made from the tables
    /// when it is asked for.
    pub fn lists(&self) -> impl Iterator<Item = MapList> {
        (0..self.list_count()).filter_map(|number| self.list(number))
    }

    /// How many different lists there are.
    pub fn list_count(&self) -> u32 {
        // A line has at most one list, and a `u32` can count lines.
        self.block.array::<ListRow>(Array::Lists).len() as u32
    }

    /// The list with this number.
    pub fn list(&self, number: u32) -> Option<MapList> {
        let row = self.list_row(number)?;
        let words = self.list_text(number)?.split(BETWEEN);
        let contexts = ContextList::parse(words, self.default).ok()?;
        Some(MapList { contexts, first_line: row.first_line })
    }

    /// A text for a list. It is the same for the same contexts, in every map.
    pub fn list_text(&self, number: u32) -> Option<&str> {
        let row = self.list_row(number)?;
        let text = self.block.array::<u8>(Array::Text).get(row.start as usize..)?.get(..row.len as usize)?;
        std::str::from_utf8(text).ok()
    }

    fn list_row(&self, number: u32) -> Option<ListRow> {
        self.block.array(Array::Lists).get(number as usize).copied()
    }

    /// The line of a rule. It is cheap, because the path is shared.
    pub fn origin(&self, hit: Hit) -> Origin {
        Origin { file: Arc::clone(&self.path), line: hit.line }
    }

    fn table(&self, slots: Array) -> Table<'_> {
        let (slots, text) = (self.block.array(slots), self.block.array(Array::Text));
        Table { slots, text, keys: self.block.header().keys }
    }

    /// Whether the map has rules for users.
    pub fn has_users(&self) -> bool {
        !self.block.array::<names::Slot>(Array::Users).is_empty()
    }

    /// Whether the case of ASCII letters in the names of users is ignored.
    pub fn ignores_case(&self) -> bool {
        self.block.header().flags & IGNORES_CASE != 0
    }

    fn user(&self, name: &[u8]) -> Option<Hit> {
        let table = self.table(Array::Users);
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

    /// The rule for a virtual host. The case of letters and a dot at the end are ignored.
    fn host(&self, name: &[u8]) -> Option<Hit> {
        let table = self.table(Array::Hosts);
        if table.slots.is_empty() {
            return None;
        }
        let name = name.strip_suffix(b".").unwrap_or(name);
        let mut buffer = [0; MAX_HOST];
        // No map has a longer name.
        let lower = buffer.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        table.get(lower)
    }

    fn v4(&self) -> networks::View<'_, u32> {
        networks::View {
            starts: self.block.array(Array::V4Starts),
            hits: self.block.array(Array::V4Hits),
            fences: self.block.array(Array::V4Fences),
        }
    }

    fn v6(&self) -> networks::View<'_, u128> {
        networks::View {
            starts: self.block.array(Array::V6Starts),
            hits: self.block.array(Array::V6Hits),
            fences: self.block.array(Array::V6Fences),
        }
    }

    pub(super) fn paths(&self) -> paths::View<'_> {
        paths::View {
            nodes: self.block.array(Array::Nodes),
            branches: self.block.array(Array::Branches),
            patterns: self.block.array(Array::Patterns),
            edges: Edges {
                table: self.block.array(Array::Edges),
                text: self.block.array(Array::Text),
                keys: self.block.header().keys,
            },
        }
    }
}

/// The rule with the lower line.
fn lower(a: Option<Hit>, b: Option<Hit>) -> Option<Hit> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.line < a.line { b } else { a }),
        (a, b) => a.or(b),
    }
}

impl fmt::Debug for Map {
    /// Shows only a summary, because a map can have a million lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("path", &self.path).field("rules", &self.len()).finish_non_exhaustive()
    }
}

impl MapText {
    /// The tables of this map.
    ///
    /// # Errors
    /// There is no rule, or a line is not a rule (the first such line is reported).
    pub fn map(&self) -> Result<Map, MapError> {
        Map::parse(&self.path, &self.bytes, self.default)
    }

    /// As [`MapText::map`], but it goes on after a bad line, so that somebody can mend all of them at once. It reports
    /// at most 100.
    ///
    /// # Errors
    /// As [`MapText::map`]. There is at least one.
    pub fn all_errors(&self) -> Result<Map, Vec<MapError>> {
        match self.readable() {
            Readable { map: Some(map), errors, .. } if errors.is_empty() => Ok(map),
            Readable { errors, .. } => Err(errors),
        }
    }

    /// The lines that can be read, and what is wrong with the others. For tools: no request may be decided by a part of
    /// a map, because the line that is missing may be the one that counts.
    pub fn readable(&self) -> Readable {
        let (mut errors, mut more) = (Vec::new(), 0);
        let builder = Builder::new(&self.bytes, self.default).watched_by(&self.progress);
        let built = builder.build(&self.path, |error| {
            if errors.len() < MAX_ERRORS {
                errors.push(error)
            } else {
                more += 1
            }
            Ok::<_, Infallible>(())
        });
        let Ok(block) = built;
        let map = block.map(|block| Map { path: Arc::clone(&self.path), block, default: self.default });
        Readable { map, errors, more }
    }
}

/// What can be read of a map's text.
pub struct Readable {
    /// The good lines; `None` where there is not one.
    pub map: Option<Map>,
    /// What is wrong, at most 100.
    pub errors: Vec<MapError>,
    /// How many more lines are at fault.
    pub more: usize,
}
