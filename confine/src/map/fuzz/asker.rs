//! What the bodies share: maps as a scan reads them, and the facts of requests.

use std::{net::IpAddr, ops::ControlFlow, path::Path};

use crate::{
    Subject,
    context::BackendName,
    map::{Hit, MapError, MapLine, MapSubject, MapText},
};

pub(super) const DEFAULT: BackendName = BackendName::LANDLOCK;

/// The name of every map here.
pub(super) fn name() -> &'static Path {
    Path::new("m")
}

/// The facts of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Asker {
    pub(super) user: Option<Vec<u8>>,
    pub(super) addr: Option<IpAddr>,
    pub(super) host: Option<Vec<u8>>,
    pub(super) path: Option<Vec<u8>>,
}

impl Asker {
    /// The data before the last four NUL bytes, and the facts behind each of them: user, address, virtual host, path.
    /// An empty fact is unknown.
    pub(super) fn behind(data: &[u8]) -> (&[u8], Self) {
        let mut fields: Vec<_> = data.rsplitn(5, |b| *b == 0).collect();
        fields.reverse();
        let [text, user, addr, host, path] = fields[..] else { return (data, Self::default()) };
        let some = |field: &[u8]| Some(field.to_vec()).filter(|f| !f.is_empty());
        let addr = std::str::from_utf8(addr).ok().and_then(|a| a.parse().ok());
        (text, Self { user: some(user), addr, host: some(host), path: some(path) })
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            user: self.user.as_deref(),
            addr: self.addr,
            host: self.host.as_deref(),
            path: self.path.as_deref(),
        }
    }
}

/// A map as a scan from the top reads it.
#[derive(Default)]
pub(super) struct Scanned {
    /// The line, the subject as a map would hold it, and the contexts.
    pub(super) rules: Vec<(u32, String, String)>,
    /// The line of the first error.
    pub(super) first_error: Option<u32>,
    pub(super) errors: usize,
}

impl Scanned {
    pub(super) fn of(text: &MapText) -> Self {
        let mut scanned = Self::default();
        text.scan(|line| {
            match line {
                Ok(MapLine { line, subject, contexts }) => {
                    scanned.rules.push((line, subject.to_string(), contexts.to_string()));
                }
                Err(error) => {
                    scanned.errors += 1;
                    scanned.first_error.get_or_insert(line_of(&error));
                }
            }
            ControlFlow::Continue(())
        });
        scanned
    }
}

pub(super) fn line_of(error: &MapError) -> u32 {
    match error {
        MapError::Line { line, .. } => *line,
        other => panic!("no error of a line: {other}"),
    }
}

/// Checks the text of an error, which goes into a log: it is one line of limited length.
pub(super) fn assert_fit_for_a_log(error: &MapError) {
    crate::fuzz_log::fit_for_a_log(&error.to_string());
}

/// Calls `visit` with every rule of a map without errors.
pub(super) fn each_rule(text: &MapText, mut visit: impl FnMut(u32, MapSubject<'_>)) {
    text.scan(|line| {
        let MapLine { line, subject, .. } = line.expect("a map without errors");
        visit(line, subject);
        ControlFlow::Continue(())
    });
}

pub(super) fn hit_of(line: u32) -> Hit {
    Hit { line, list: 0 }
}
