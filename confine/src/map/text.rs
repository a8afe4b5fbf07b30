//! A map as text: read line by line, from the top. For tools, and to make the tables from.

use std::{fs::Metadata, ops::ControlFlow, path::Path, sync::Arc};

use super::{
    MAX_ERRORS, Map, MapError, MapSubject,
    build::Builder,
    error::LineError,
    file,
    option::Options,
    parse::{self, Fault},
    progress::Progress,
};
use crate::{ContextList, lsm::BackendName};

/// The text of a map file.
pub struct MapText {
    path: Arc<Path>,
    bytes: Vec<u8>,
    default: BackendName,
    progress: Arc<Progress>,
}

/// One rule as a map has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapLine<'l> {
    /// The line, from 1.
    pub line: u32,
    /// Whom the rule is for.
    pub subject: MapSubject<'l>,
    /// What it gives.
    pub contexts: ContextList,
}

/// Reads what may stand behind a map line's subject, where it stands alone. `default` is the backend of
/// contexts that name none.
///
/// # Errors
/// It is not of a line's form, or its words are no list of contexts.
pub fn contexts(text: &str, default: BackendName) -> Result<ContextList, LineError> {
    let mut words = Vec::new();
    parse::split(text.as_bytes(), &mut words).map_err(|fault| fault.problem)?;
    ContextList::parse(words.iter().map(|w| &*w.text), default).map_err(LineError::Context)
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
        let (bytes, metadata) = file::read_text(path)?;
        Ok((Self::of(path, bytes, default), metadata))
    }

    /// Whether its users match in any case of ASCII letters.
    pub fn ignores_case(&self) -> bool {
        let (mut options, mut words) = (Options::default(), Vec::new());
        for (_, raw) in parse::lines(&self.bytes) {
            // A line that is none is told of elsewhere.
            if parse::split(raw, &mut words).is_ok()
                && !words.is_empty()
                && !matches!(options.take(&words), Ok(true))
            {
                break;
            }
        }
        options.ignore_case
    }

    /// The text, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The text `bytes`; `path` is only named in messages.
    pub fn of(path: &Path, bytes: Vec<u8>, default: BackendName) -> Self {
        Self { path: Arc::from(path), bytes, default, progress: Arc::default() }
    }

    /// The same text; each time that it is read, `progress` advances by its size.
    #[must_use]
    pub fn watched_by(self, progress: &Arc<Progress>) -> Self {
        Self { progress: Arc::clone(progress), ..self }
    }

    /// The file as the administrator named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Calls `visit` with every rule and every bad line, from the top, until it breaks.
    pub fn scan(&self, mut visit: impl FnMut(Result<MapLine<'_>, MapError>) -> ControlFlow<()>) {
        let mut words = Vec::new();
        let mut options = Options::default();
        for (line, raw) in parse::watched_lines(&self.bytes, &self.progress) {
            let mut read = || -> Result<Option<(usize, ContextList)>, Fault> {
                parse::split(raw, &mut words)?;
                if options.take(&words)? {
                    return Ok(None);
                }
                let Some((subject, contexts)) = words.split_first() else { return Ok(None) };
                let list = ContextList::parse_indexed(contexts.iter().map(|w| &*w.text), self.default);
                let list = list.map_err(|(i, error)| {
                    let at = contexts.get(i).map_or(subject.end, |w| w.start);
                    Fault::new(at, LineError::Context(error))
                })?;
                Ok(Some((subject.start, list)))
            };
            let result = match read() {
                Ok(None) => continue,
                Ok(Some((start, contexts))) => {
                    words.first().map_or(Err(Fault::new(0, LineError::NoSubject)), |w| {
                        let subject = MapSubject::parse(&w.text).map_err(|e| Fault::new(start, e))?;
                        Ok(MapLine { line, subject: options.subject(subject), contexts })
                    })
                }
                Err(fault) => Err(fault),
            };
            let result = result.map_err(|Fault { at, problem }| MapError::Line {
                path: Arc::clone(&self.path),
                line,
                column: at + 1,
                problem,
            });
            if visit(result).is_break() {
                return;
            }
        }
    }

    /// The tables of this map.
    ///
    /// # Errors
    /// There is no rule, or a line is none (the first such line is reported).
    pub fn map(&self) -> Result<Map, MapError> {
        Map::parse(&self.path, &self.bytes, self.default)
    }

    /// As [`MapText::map`], and goes on after a bad line, so that all of them can be mended at once. At
    /// most 100 are reported.
    ///
    /// # Errors
    /// As [`MapText::map`]; at least one.
    pub fn all_errors(&self) -> Result<Map, Vec<MapError>> {
        let mut errors = Vec::new();
        let builder = Builder::new(&self.bytes, self.default).watched_by(&self.progress);
        let map = builder.build(&self.path, |error| {
            errors.push(error);
            if errors.len() < MAX_ERRORS { Ok(()) } else { Err(()) }
        });
        match map {
            Ok(Some(map)) if errors.is_empty() => Ok(map),
            _ => Err(errors),
        }
    }
}
