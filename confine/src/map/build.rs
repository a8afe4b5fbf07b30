//! From the lines of a map to its tables.

use std::{net::IpAddr, path::Path, sync::Arc};

use bytemuck::{Pod, Zeroable};

use super::{
    Hit, MAX_FILE, Map, MapError,
    error::LineError,
    flat::{Flat, Header, Part},
    names::{HashKeys, Names},
    nets::{Net, Ranges},
    parse::{self, Fault, Word},
    paths::Paths,
    progress::Progress,
    subject::MapSubject,
};
use crate::{ContextList, lsm::BackendName};

/// What one or more rules give, as a map's block holds it.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct ListRow {
    /// Where the contexts stand in the map's text, as [`list_text`] writes them.
    pub start: u32,
    pub len: u32,
    /// The first line that gives them.
    pub first_line: u32,
}

/// What stands between the contexts of a list. No context holds it.
pub(super) const BETWEEN: char = '\0';

/// A map while its lines are read.
pub(super) struct Builder {
    default: BackendName,
    keys: HashKeys,
    users: Names,
    user_hits: Vec<Hit>,
    hosts: Names,
    host_hits: Vec<Hit>,
    v4: Vec<Net<u32>>,
    v6: Vec<Net<u128>>,
    paths: Paths,
    any: Hit,
    anonymous: Hit,
    /// The contexts of lines as they are written, and the number of the list that each means: most lines
    /// of a large map repeat those of another line, and need not be read again.
    written: Names,
    written_lists: Vec<u32>,
    lists: Names,
    first_lines: Vec<u32>,
    /// Whether a context named no backend.
    defaulted: bool,
    rules: u32,
    progress: Arc<Progress>,
}

impl Builder {
    pub fn new(default: BackendName) -> Self {
        Self::with_keys(default, HashKeys::random())
    }

    /// A builder whose tables are the same each time.
    pub(super) fn with_keys(default: BackendName, keys: HashKeys) -> Self {
        let names = || Names::new(keys);
        Self {
            default,
            keys,
            users: names(),
            user_hits: Vec::new(),
            hosts: names(),
            host_hits: Vec::new(),
            v4: Vec::new(),
            v6: Vec::new(),
            paths: Paths::new(keys),
            any: Hit::NONE,
            anonymous: Hit::NONE,
            written: names(),
            written_lists: Vec::new(),
            lists: names(),
            first_lines: Vec::new(),
            defaulted: false,
            rules: 0,
            progress: Arc::default(),
        }
    }

    /// Tells `progress` of the lines.
    pub fn watched_by(self, progress: &Arc<Progress>) -> Self {
        Self { progress: Arc::clone(progress), ..self }
    }

    /// Reads all lines. Each error goes to `report`, which ends the reading by returning an error.
    pub fn build<E>(
        mut self,
        path: &Arc<Path>,
        bytes: &[u8],
        mut report: impl FnMut(MapError) -> Result<(), E>,
    ) -> Result<Option<Map>, E> {
        let too_large = u64::try_from(bytes.len()).map_or(true, |n| n > MAX_FILE);
        if too_large {
            report(MapError::TooLarge { path: Arc::clone(path) })?;
        }
        let bytes = if too_large { &[] } else { bytes };
        let mut words = Vec::new();
        let mut faults = too_large;
        let progress = Arc::clone(&self.progress);
        for (line, raw) in parse::watched_lines(bytes, &progress) {
            if let Err(Fault { at, problem }) = self.line(line, raw, &mut words) {
                faults = true;
                report(MapError::Line { path: Arc::clone(path), line, column: at + 1, problem })?;
            }
        }
        if self.rules == 0 && !faults {
            report(MapError::Empty { path: Arc::clone(path) })?;
            faults = true;
        }
        if faults {
            return Ok(None);
        }
        match self.finish() {
            Ok(flat) => Ok(Some(Map { path: Arc::clone(path), flat, default: self.default })),
            Err(source) => report(MapError::Memory { path: Arc::clone(path), source }).map(|()| None),
        }
    }

    /// Reads one line. `words` is only there to be used again.
    fn line<'l>(&mut self, line: u32, raw: &'l [u8], words: &mut Vec<Word<'l>>) -> Result<(), Fault> {
        let text = parse::split(raw, words)?;
        let Some((subject, contexts)) = words.split_first() else { return Ok(()) };
        let parsed = MapSubject::parse(&subject.text).map_err(|e| Fault::new(subject.start, e))?;
        let hit = Hit { line, list: self.list(line, text, subject.end, contexts)? };
        self.rules += 1;
        self.insert(parsed, hit);
        Ok(())
    }

    /// Adds a rule. Of several for one subject the first stays.
    fn insert(&mut self, subject: MapSubject<'_>, hit: Hit) {
        fn named(names: &mut Names, hits: &mut Vec<Hit>, name: &[u8], hit: Hit) {
            if names.number(name, &[]).1 {
                hits.push(hit);
            }
        }
        fn only(slot: &mut Hit, hit: Hit) {
            if *slot == Hit::NONE {
                *slot = hit;
            }
        }
        match subject {
            MapSubject::User(name) => named(&mut self.users, &mut self.user_hits, name, hit),
            MapSubject::Host(name) => {
                named(&mut self.hosts, &mut self.host_hits, &name.to_ascii_lowercase(), hit);
            }
            MapSubject::Net(net) => match net.addr() {
                IpAddr::V4(a) => self.v4.push(Net { first: a.into(), prefix: net.prefix_len(), hit }),
                IpAddr::V6(a) => self.v6.push(Net { first: a.into(), prefix: net.prefix_len(), hit }),
            },
            MapSubject::Path(pattern) => self.paths.insert(pattern, hit),
            MapSubject::Anonymous => only(&mut self.anonymous, hit),
            MapSubject::Any => only(&mut self.any, hit),
        }
    }

    /// The number of the list that these words mean. `end` is where the subject ends.
    fn list(&mut self, line: u32, text: &str, end: usize, words: &[Word<'_>]) -> Result<u32, Fault> {
        let span = words.first().zip(words.last()).and_then(|(f, l)| text.get(f.start..l.end));
        let span = span.unwrap_or_default().as_bytes();
        let (written, new) = self.written.number(span, &[]);
        if !new {
            // A span whose words are no list has no number: a fault of the same words again.
            if let Some(list) = self.written_lists.get(written as usize).filter(|&&list| list != u32::MAX) {
                return Ok(*list);
            }
        } else {
            self.written_lists.push(u32::MAX);
        }
        let parsed = ContextList::parse_indexed(words.iter().map(|w| &*w.text), self.default);
        let contexts = parsed.map_err(|(i, error)| {
            Fault::new(words.get(i).map_or(end, |w| w.start), LineError::Context(error))
        })?;
        self.defaulted |= words.iter().any(|w| names_no_backend(&w.text));
        let (number, new) = self.lists.number(list_text(&contexts).as_bytes(), &[]);
        if new {
            self.first_lines.push(line);
        }
        self.written_lists[written as usize] = number;
        Ok(number)
    }

    /// Lays everything out in one block.
    fn finish(&mut self) -> std::io::Result<Flat> {
        let mut text = Vec::new();
        let users = self.users.table(&self.user_hits, &mut text);
        let hosts = self.hosts.table(&self.host_hits, &mut text);
        let slots = self.paths.table(&mut text);
        let lists = (0..).zip(&self.first_lines).map(|(number, &first_line)| {
            let bytes = self.lists.get(number);
            let start = text.len() as u32;
            text.extend_from_slice(bytes);
            ListRow { start, len: bytes.len() as u32, first_line }
        });
        let lists: Vec<_> = lists.collect();
        let (v4, v6) = (Ranges::of(std::mem::take(&mut self.v4)), Ranges::of(std::mem::take(&mut self.v6)));
        let mut header = Header::zeroed();
        header.keys = self.keys;
        (header.any, header.anonymous) = (self.any, self.anonymous);
        (header.rules, header.defaulted) = (self.rules, self.defaulted.into());
        let mut parts: Vec<(Part, &[u8])> = vec![
            (Part::Users, bytemuck::cast_slice(&users)),
            (Part::Hosts, bytemuck::cast_slice(&hosts)),
            (Part::V4Starts, bytemuck::cast_slice(&v4.starts)),
            (Part::V4Hits, bytemuck::cast_slice(&v4.hits)),
            (Part::V4Fences, bytemuck::cast_slice(&v4.fences)),
            (Part::V6Starts, bytemuck::cast_slice(&v6.starts)),
            (Part::V6Hits, bytemuck::cast_slice(&v6.hits)),
            (Part::V6Fences, bytemuck::cast_slice(&v6.fences)),
            (Part::Lists, bytemuck::cast_slice(&lists)),
            (Part::Text, &text),
        ];
        if !self.paths.is_empty {
            parts.extend([
                (Part::PathSlots, bytemuck::cast_slice(&slots)),
                (Part::Places, bytemuck::cast_slice(&self.paths.places)),
                (Part::Forks, bytemuck::cast_slice(&self.paths.forks)),
                (Part::Patterns, bytemuck::cast_slice(&self.paths.patterns)),
            ]);
        }
        Flat::build(header, &parts)
    }
}

/// Whether the default backend gives this word its meaning.
fn names_no_backend(word: &str) -> bool {
    word != ContextList::Unconfined.to_string()
        && word.split_once(':').is_none_or(|(prefix, _)| BackendName::parse(prefix).is_none())
}

/// A list as a map's block holds it.
fn list_text(contexts: &ContextList) -> String {
    match contexts {
        ContextList::Unconfined => contexts.to_string(),
        ContextList::Contexts(list) => {
            let words: Vec<_> = list.iter().map(ToString::to_string).collect();
            words.join(&BETWEEN.to_string())
        }
    }
}
