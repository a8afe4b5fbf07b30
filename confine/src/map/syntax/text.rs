//! A map as text, read line by line from the top. Tools use it, and the tables are made from it.

use std::{ops::ControlFlow, path::Path, sync::Arc};

use super::{
    error::{LineError, MapError},
    options::Options,
    parse::{self, LineFault},
    progress::Progress,
    subject::MapSubject,
};
use crate::{ContextList, context::BackendName};

/// The text of a map file.
pub struct MapText {
    pub(in crate::map) path: Arc<Path>,
    pub(in crate::map) bytes: Vec<u8>,
    pub(in crate::map) default: BackendName,
    pub(in crate::map) progress: Arc<Progress>,
}

/// One rule of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapLine<'l> {
    /// The line, from 1.
    pub line: u32,
    /// Whom the rule is for.
    pub subject: MapSubject<'l>,
    /// What the rule gives.
    pub contexts: ContextList,
}

/// Reads a text that has the form of what stands behind the subject of a line. `default` is the backend of contexts
/// that name none.
///
/// # Errors
/// The text does not have the form of a line, or its words are not a list of contexts.
pub fn contexts(text: &str, default: BackendName) -> Result<ContextList, LineError> {
    let mut words = Vec::new();
    parse::split(text.as_bytes(), &mut words).map_err(|fault| fault.problem)?;
    ContextList::parse(words.iter().map(|w| &*w.text), default).map_err(LineError::Context)
}

impl MapText {
    /// Whether the case of ASCII letters in the names of users is ignored.
    pub fn ignores_case(&self) -> bool {
        let (mut options, mut words) = (Options::default(), Vec::new());
        for (_, raw) in parse::lines(&self.bytes) {
            // Another scan reports a line that cannot be read.
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

    /// The same text. Each time it is read, `progress` advances by its size.
    #[must_use]
    pub fn watched_by(self, progress: &Arc<Progress>) -> Self {
        Self { progress: Arc::clone(progress), ..self }
    }

    /// The file as the administrator named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Calls `visit` with each rule and each bad line, from the top, until it says to break.
    pub fn scan(&self, mut visit: impl FnMut(Result<MapLine<'_>, MapError>) -> ControlFlow<()>) {
        let mut words = Vec::new();
        let mut options = Options::default();
        for (line, raw) in parse::watched_lines(&self.bytes, &self.progress) {
            let mut read = || -> Result<Option<(usize, ContextList)>, LineFault> {
                parse::split(raw, &mut words)?;
                if options.take(&words)? {
                    return Ok(None);
                }
                let Some((subject, contexts)) = words.split_first() else { return Ok(None) };
                let list = ContextList::parse_indexed(contexts.iter().map(|w| &*w.text), self.default);
                let list = list.map_err(|(i, error)| {
                    let at = contexts.get(i).map_or(subject.end, |w| w.start);
                    LineFault::new(at, LineError::Context(error))
                })?;
                Ok(Some((subject.start, list)))
            };
            let result = match read() {
                Ok(None) => continue,
                Ok(Some((start, contexts))) => {
                    words.first().map_or(Err(LineFault::new(0, LineError::NoSubject)), |w| {
                        let subject = MapSubject::parse(&w.text).map_err(|e| LineFault::new(start, e))?;
                        Ok(MapLine { line, subject: options.subject(subject), contexts })
                    })
                }
                Err(fault) => Err(fault),
            };
            let result = result.map_err(|LineFault { at, problem }| MapError::Line {
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
}
