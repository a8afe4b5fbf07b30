//! From the lines of a map to its tables.

use std::{io, net::IpAddr, path::Path, sync::Arc};

use bytemuck::{Pod, Zeroable};

use super::{
    Hit,
    block::{Array, Block, BlockBuilder, DEFAULTED, Header, IGNORES_CASE},
    names::{HashKeys, NameRules, Slot},
    networks::{Net, Nets, fill_fences},
    source::{Source, Span, Text},
    texts::Texts,
    tree::{Edge, Tree},
};
use crate::{
    ContextList,
    context::BackendName,
    map::syntax::{
        MAX_FILE,
        error::{LineError, MapError},
        options::Options,
        parse::{self, LineFault, Word},
        progress::Progress,
        subject::MapSubject,
    },
};

/// A list of contexts that one or more rules give, as it stands in a block.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(in crate::map) struct ListRow {
    /// Where the contexts stand in the map's text. [`list_text`] writes them.
    pub start: u32,
    pub len: u32,
    /// The first line that gives this list.
    pub first_line: u32,
}

/// The separator between the contexts of a list. No context can hold it.
pub(in crate::map) const BETWEEN: char = '\0';

/// A map while its lines are read.
pub(in crate::map) struct Builder<'t> {
    default: BackendName,
    source: Source<'t>,
    keys: HashKeys,
    users: NameRules,
    hosts: NameRules,
    v4: Vec<Net<u32>>,
    v6: Vec<Net<u128>>,
    /// The patterns of paths. The tree is made of them when all lines are known to be good, so that a bad line is
    /// reported sooner.
    paths: Vec<(Span, Hit)>,
    any: Hit,
    anonymous: Hit,
    /// The contexts of lines as they are written, with the number of the list that they mean. Most lines of a large map
    /// repeat the contexts of another line, which need not be read again.
    written: Texts,
    written_lists: Vec<u32>,
    lists: Texts,
    first_lines: Vec<u32>,
    /// Whether a context names no backend.
    defaulted: bool,
    rules: u32,
    options: Options,
    progress: Arc<Progress>,
}

impl<'t> Builder<'t> {
    /// A builder for the map with this text.
    pub fn new(bytes: &'t [u8], default: BackendName) -> Self {
        Self::with_keys(bytes, default, HashKeys::random())
    }

    /// For tests: a builder whose tables are the same each time.
    pub(in crate::map) fn with_keys(bytes: &'t [u8], default: BackendName, keys: HashKeys) -> Self {
        Self {
            default,
            source: Source::new(bytes),
            keys,
            users: NameRules::default(),
            hosts: NameRules::default(),
            v4: Vec::new(),
            v6: Vec::new(),
            paths: Vec::new(),
            any: Hit::NONE,
            anonymous: Hit::NONE,
            written: Texts::new(keys),
            written_lists: Vec::new(),
            lists: Texts::new(keys),
            first_lines: Vec::new(),
            defaulted: false,
            rules: 0,
            options: Options::default(),
            progress: Arc::default(),
        }
    }

    /// As it reads lines, it tells `progress`.
    pub fn watched_by(self, progress: &Arc<Progress>) -> Self {
        Self { progress: Arc::clone(progress), ..self }
    }

    /// Reads all lines. Each error goes to `report`, which can end the reading with an error of its own. If it does not,
    /// the tables hold the good lines. There are no tables if no line is good.
    pub fn build<E>(
        mut self,
        path: &Arc<Path>,
        mut report: impl FnMut(MapError) -> Result<(), E>,
    ) -> Result<Option<Block>, E> {
        let bytes = self.source.file;
        let too_large = u64::try_from(bytes.len()).map_or(true, |n| n > MAX_FILE);
        if too_large {
            report(MapError::TooLarge { path: Arc::clone(path) })?;
        }
        let bytes = if too_large { &[] } else { bytes };
        let mut words = Vec::new();
        let mut faults = too_large;
        let progress = Arc::clone(&self.progress);
        for (line, raw) in parse::watched_lines(bytes, &progress) {
            if let Err(LineFault { at, problem }) = self.line(line, raw, &mut words) {
                faults = true;
                report(MapError::Line { path: Arc::clone(path), line, column: at + 1, problem })?;
            }
        }
        if self.rules == 0 && !faults {
            report(MapError::Empty { path: Arc::clone(path) })?;
        }
        if self.rules == 0 {
            return Ok(None);
        }
        match self.finish() {
            Ok(block) => Ok(Some(block)),
            Err(source) => report(MapError::Memory { path: Arc::clone(path), source }).map(|()| None),
        }
    }

    /// Reads one line. `words` is passed so that its memory is used again.
    fn line<'l>(&mut self, line: u32, raw: &'l [u8], words: &mut Vec<Word<'l>>) -> Result<(), LineFault> {
        let text = parse::split(raw, words)?;
        if self.options.take(words)? {
            return Ok(());
        }
        let Some((subject, contexts)) = words.split_first() else { return Ok(()) };
        let parsed = MapSubject::parse(&subject.text).map_err(|e| LineFault::new(subject.start, e))?;
        let parsed = self.options.subject(parsed);
        let hit = Hit { line, list: self.list(line, text, subject.end, contexts)? };
        self.rules += 1;
        self.insert(parsed, hit);
        Ok(())
    }

    /// Adds a rule. If a subject has several rules, the first counts.
    fn insert(&mut self, subject: MapSubject<'_>, hit: Hit) {
        fn only(slot: &mut Hit, hit: Hit) {
            if *slot == Hit::NONE {
                *slot = hit;
            }
        }
        match subject {
            MapSubject::UserInAnyCase(name) if name.iter().any(u8::is_ascii_uppercase) => {
                self.users.push(self.source.span(&name.to_ascii_lowercase()), hit);
            }
            MapSubject::User(name) | MapSubject::UserInAnyCase(name) => {
                self.users.push(self.source.span(name), hit);
            }
            MapSubject::Host(name) if name.iter().any(u8::is_ascii_uppercase) => {
                self.hosts.push(self.source.span(&name.to_ascii_lowercase()), hit);
            }
            MapSubject::Host(name) => self.hosts.push(self.source.span(name), hit),
            MapSubject::Net(net) => match net.addr() {
                IpAddr::V4(a) => self.v4.push(Net { first: a.into(), prefix: net.prefix_len(), hit }),
                IpAddr::V6(a) => self.v6.push(Net { first: a.into(), prefix: net.prefix_len(), hit }),
            },
            MapSubject::Path(pattern) => self.paths.push((self.source.span(pattern.as_bytes()), hit)),
            MapSubject::Anonymous => only(&mut self.anonymous, hit),
            MapSubject::Any => only(&mut self.any, hit),
        }
    }

    /// The number of the list that these words mean. `end` is the offset where the subject ends.
    fn list(&mut self, line: u32, text: &str, end: usize, words: &[Word<'_>]) -> Result<u32, LineFault> {
        let span = words.first().zip(words.last()).and_then(|(f, l)| text.get(f.start..l.end));
        let span = span.unwrap_or_default().as_bytes();
        let (written, new) = self.written.number(&mut self.source, span);
        if !new {
            // If the same words were wrong before, they have no number, and the fault is reported again.
            if let Some(list) = self.written_lists.get(written as usize).filter(|&&list| list != u32::MAX) {
                return Ok(*list);
            }
        } else {
            self.written_lists.push(u32::MAX);
        }
        let parsed = ContextList::parse_indexed(words.iter().map(|w| &*w.text), self.default);
        let contexts = parsed.map_err(|(i, error)| {
            LineFault::new(words.get(i).map_or(end, |w| w.start), LineError::Context(error))
        })?;
        self.defaulted |= words.iter().any(|w| names_no_backend(&w.text));
        let (number, new) = self.lists.number(&mut self.source, list_text(&contexts).as_bytes());
        if new {
            self.first_lines.push(line);
        }
        self.written_lists[written as usize] = number;
        Ok(number)
    }

    /// The header of the block, but for what follows from the arrays.
    fn header(&self) -> Header {
        let mut header = Header::zeroed();
        header.keys = self.keys;
        (header.any, header.anonymous) = (self.any, self.anonymous);
        header.rules = self.rules;
        header.flags = if self.defaulted { DEFAULTED } else { 0 };
        header.flags |= if self.options.ignore_case { IGNORES_CASE } else { 0 };
        header
    }

    /// Writes all tables into one block. What is no longer needed is dropped first, because the whole file is in memory
    /// until the end.
    fn finish(mut self) -> io::Result<Block> {
        (self.written, self.written_lists) = (Texts::new(self.keys), Vec::new());
        let header = self.header();
        let paths = Tree::of(self.paths, &self.source, self.keys);
        let (v4, v6) = (Nets::of(self.v4), Nets::of(self.v6));
        let lists: usize = self.lists.spans.iter().map(|span| span.len as usize).sum();
        let text = self.users.text() + self.hosts.text() + paths.text() + lists;
        if self.source.is_full || u32::try_from(text).is_err() {
            return Err(io::Error::other("its names and contexts are more than 4 GiB"));
        }
        let mut arrays = vec![
            (Array::Users, self.users.slots() * size_of::<Slot>()),
            (Array::Hosts, self.hosts.slots() * size_of::<Slot>()),
            (Array::V4Starts, v4.ranges() * size_of::<u32>()),
            (Array::V4Hits, v4.ranges() * size_of::<Hit>()),
            (Array::V4Fences, v4.fences() * size_of::<u32>()),
            (Array::V6Starts, v6.ranges() * size_of::<u128>()),
            (Array::V6Hits, v6.ranges() * size_of::<Hit>()),
            (Array::V6Fences, v6.fences() * size_of::<u128>()),
        ];
        if !paths.is_empty {
            arrays.extend([
                (Array::Edges, paths.table() * size_of::<Edge>()),
                (Array::Nodes, size_of_val(&paths.nodes[..])),
                (Array::Branches, size_of_val(&paths.branches[..])),
                (Array::Patterns, size_of_val(&paths.patterns[..])),
            ]);
        }
        arrays.push((Array::Lists, self.first_lines.len() * size_of::<ListRow>()));
        arrays.push((Array::Text, text));
        let mut block = BlockBuilder::new(header, &arrays)?;
        let (starts, hits) = block.both(Array::V4Starts, Array::V4Hits);
        v4.fill(starts, hits);
        let (starts, hits) = block.both(Array::V6Starts, Array::V6Hits);
        v6.fill(starts, hits);
        let (starts, fences) = block.both::<u32, _>(Array::V4Starts, Array::V4Fences);
        fill_fences(starts, fences);
        let (starts, fences) = block.both::<u128, _>(Array::V6Starts, Array::V6Fences);
        fill_fences(starts, fences);
        let mut written = 0;
        for (names, part) in [(self.users, Array::Users), (self.hosts, Array::Hosts)] {
            let (slots, bytes) = block.both(part, Array::Text);
            let mut text = Text { bytes, len: written };
            names.fill(&self.source, self.keys, slots, &mut text);
            written = text.len;
        }
        written = paths.fill(&self.source, &mut block, written);
        let (rows, bytes) = block.both(Array::Lists, Array::Text);
        let mut text = Text { bytes, len: written };
        for (row, (&span, &first_line)) in rows.iter_mut().zip(self.lists.spans.iter().zip(&self.first_lines))
        {
            *row = ListRow { start: text.push(self.source.get(span)), len: span.len, first_line };
        }
        block.finish()
    }
}

/// Whether the default backend gives the word its meaning.
fn names_no_backend(word: &str) -> bool {
    word != ContextList::Unconfined.to_string()
        && word.split_once(':').is_none_or(|(prefix, _)| BackendName::parse(prefix).is_none())
}

/// The text of a list in the block.
fn list_text(contexts: &ContextList) -> String {
    match contexts {
        ContextList::Unconfined => contexts.to_string(),
        ContextList::Contexts(list) => {
            let words: Vec<_> = list.iter().map(ToString::to_string).collect();
            words.join(&BETWEEN.to_string())
        }
    }
}
