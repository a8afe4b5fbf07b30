//! The tables of TOMOYO's own Apache module: from the file that a request maps to, to a domain.
//!
//! A line is a pattern and a domain: `/var/www/cgi-bin/\* <kernel> //apache /www.example.com`. The first line from
//! the top whose pattern matches is used. In addition to what that module accepted, a line may be empty or begin with
//! `#`, and a domain may be a chain below the server's own domain (`//dog //app`).
//!
//! ```
//! use std::path::Path;
//!
//! use confine::policy::transition_map::TransitionMap;
//!
//! let table = TransitionMap::parse(Path::new("t"), b"/srv/cgi/\\* //cgi\n")?;
//! assert!(table.lookup(b"/srv/cgi/a").is_some());
//! assert!(table.lookup(b"/srv/other").is_none());
//! # Ok::<(), confine::policy::transition_map::TransitionMapError>(())
//! ```

use std::{
    io::{self, Read},
    path::Path,
    sync::Arc,
};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;

use crate::{
    backends::{Backends, CheckError, Prepared, SameContext},
    context::{BackendName, Context, ContextError, ContextList, excerpt},
    lsm::{
        Backend, escaped,
        tomoyo::{Pattern, PatternError},
    },
    map::{self, MapError},
};

/// The largest file that is read, so that a wrong file does not fill the memory.
const MAX_FILE: u64 = 64 << 20;

/// A table whose domains are ready to be entered.
pub struct TransitionMap {
    path: Arc<Path>,
    lines: Vec<Line>,
}

/// One line.
struct Line {
    number: u32,
    pattern: Pattern,
    contexts: ContextList,
    prepared: Option<Prepared>,
}

/// Why a table cannot be used. The text names the file, and the line if one has a fault.
#[derive(Debug, thiserror::Error)]
pub enum TransitionMapError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}; {}", .path.display(), crate::map::open_remedy(source))]
    Read {
        /// The file.
        path: Arc<Path>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// It is not UTF-8.
    #[error("{}:{line}: is not UTF-8; write bytes outside of printable ASCII as \\ooo", .path.display())]
    NotText {
        /// The file.
        path: Arc<Path>,
        /// The line, from 1.
        line: u32,
    },
    /// It has no line at all.
    #[error("{}: holds no line; every request would be refused, write at least one: PATTERN DOMAIN", .path.display())]
    Empty {
        /// The file.
        path: Arc<Path>,
    },
    /// It is no regular file.
    #[error("{0}")]
    File(#[source] Box<MapError>),
    /// It is larger than any table should be.
    #[error("{}: is larger than {} MiB; use fewer patterns", .path.display(), MAX_FILE >> 20)]
    TooLarge {
        /// The file.
        path: Arc<Path>,
    },
    /// A pattern without a domain.
    #[error("{}:{line}: has no domain behind its pattern; write one, as in <kernel> /usr/sbin/apache2 //name", .path.display())]
    NoDomain {
        /// The file.
        path: Arc<Path>,
        /// The line, from 1.
        line: u32,
    },
    /// A pattern that cannot be read.
    #[error("{}:{line}: {pattern}: {problem}", .path.display())]
    Pattern {
        /// The file.
        path: Arc<Path>,
        /// The line, from 1.
        line: u32,
        /// What was written, fit for a log line.
        pattern: String,
        /// What is wrong with it.
        #[source]
        problem: PatternError,
    },
    /// A domain that cannot be read.
    #[error("{}:{line}: {problem}", .path.display())]
    Domain {
        /// The file.
        path: Arc<Path>,
        /// The line, from 1.
        line: u32,
        /// What is wrong with it.
        #[source]
        problem: ContextError,
    },
    /// A domain that cannot be prepared, or that the kernel would refuse.
    #[error("{}:{line}: {problem}", .path.display())]
    Refused {
        /// The file.
        path: Arc<Path>,
        /// The line, from 1.
        line: u32,
        /// What is wrong with it.
        #[source]
        problem: CheckError,
    },
}

impl TransitionMap {
    /// Reads a table.
    ///
    /// # Errors
    /// The file cannot be read, or a line is not a pattern and a domain.
    pub fn load(path: &Path) -> Result<Self, TransitionMapError> {
        let path: Arc<Path> = path.into();
        let unreadable = |source| TransitionMapError::Read { path: Arc::clone(&path), source };
        let (file, metadata) = map::open(&path).map_err(|error| match error {
            MapError::Open { source, .. } => unreadable(source),
            other => TransitionMapError::File(Box::new(other)),
        })?;
        if metadata.len() > MAX_FILE {
            return Err(TransitionMapError::TooLarge { path });
        }
        let mut bytes = Vec::new();
        file.take(metadata.len()).read_to_end(&mut bytes).map_err(unreadable)?;
        Self::parse(&path, &bytes)
    }

    /// Reads a table from the bytes of a file. `path` is only used in messages.
    ///
    /// # Errors
    /// As [`TransitionMap::load`], without those of the file.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, TransitionMapError> {
        let path: Arc<Path> = path.into();
        let mut lines = Vec::new();
        for (text, number) in bytes.split(|b| *b == b'\n').zip(1..) {
            lines.extend(line(&path, number, text)?);
        }
        if lines.is_empty() {
            return Err(TransitionMapError::Empty { path });
        }
        Ok(Self { path, lines })
    }

    /// Asks the kernel about each domain, and prepares the moves. `early` is as in [`Backends::check`].
    ///
    /// # Errors
    /// All lines whose domain is not accepted.
    pub fn prepare(
        mut self,
        backends: &Backends,
        early: Option<&[Box<dyn Backend>]>,
    ) -> Result<Self, Vec<TransitionMapError>> {
        let mut errors = Vec::new();
        // Many lines may name one domain. It is checked once.
        let mut known: Vec<(ContextList, Prepared)> = Vec::new();
        for line in &mut self.lines {
            if let Some((_, prepared)) = known.iter().find(|(contexts, _)| *contexts == line.contexts) {
                line.prepared = Some(prepared.clone());
                continue;
            }
            let checked = backends.check(&line.contexts, SameContext::Refused, early);
            let prepared = checked.and_then(|()| {
                backends.prepare(&line.contexts, SameContext::Refused).map_err(CheckError::from)
            });
            match prepared {
                Ok(prepared) => {
                    known.push((line.contexts.clone(), prepared.clone()));
                    line.prepared = Some(prepared);
                }
                Err(problem) => errors.push(TransitionMapError::Refused {
                    path: Arc::clone(&self.path),
                    line: line.number,
                    problem,
                }),
            }
        }
        if errors.is_empty() { Ok(self) } else { Err(errors) }
    }

    /// The file as the administrator named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first line whose pattern matches the file `path`: its number, and its domain if the table was prepared.
    pub fn lookup(&self, path: &[u8]) -> Option<(u32, Option<&Prepared>)> {
        let line = self.lines.iter().find(|line| line.pattern.matches(path))?;
        Some((line.number, line.prepared.as_ref()))
    }
}

/// Reads a line. A comment or an empty line gives `None`.
fn line(path: &Arc<Path>, number: u32, bytes: &[u8]) -> Result<Option<Line>, TransitionMapError> {
    let path = || Arc::clone(path);
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(TransitionMapError::NotText { path: path(), line: number });
    };
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let Some((pattern, domain)) = text.split_once([' ', '\t']) else {
        return Err(TransitionMapError::NoDomain { path: path(), line: number });
    };
    // The words are joined with one space, because the file may have tabs between them.
    let domain = domain.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let compiled = Pattern::parse(pattern).map_err(|problem| TransitionMapError::Pattern {
        path: path(),
        line: number,
        pattern: escaped(&excerpt(pattern)),
        problem,
    })?;
    let context = Context::of(BackendName::TOMOYO, &domain)
        .map_err(|problem| TransitionMapError::Domain { path: path(), line: number, problem })?;
    let contexts = ContextList::Contexts([context].into());
    Ok(Some(Line { number, pattern: compiled, contexts, prepared: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the original module's description.
    const HORDE: &str = r"/var/www/cgi-bin/\*        <kernel> //apache /www.example.com /cgi-programs
/usr/share/horde/\{\*\}/\* <kernel> //apache /www.example.com /horde
/var/www/html/\{\*\}/\*    <kernel> //apache /www.example.com /static-files
";

    fn parse(text: &str) -> TransitionMap {
        TransitionMap::parse(Path::new("t.conf"), text.as_bytes()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn error(text: &str) -> String {
        match TransitionMap::parse(Path::new("t.conf"), text.as_bytes()) {
            Ok(_) => panic!("{text:?} was read"),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn the_first_line_that_matches_counts() {
        let map = parse(HORDE);
        for (path, line) in [
            ("/var/www/cgi-bin/x.cgi", Some(1)),
            ("/var/www/cgi-bin/a/x.cgi", None),
            ("/usr/share/horde/imp/x.php", Some(2)),
            ("/usr/share/horde/x.php", None),
            ("/var/www/html/a/b/c", Some(3)),
            ("/etc/passwd", None),
            ("", None),
        ] {
            assert_eq!(map.lookup(path.as_bytes()).map(|(line, _)| line), line, "{path}");
        }
        let map = parse("/a/\\* //one\n/a/b //two\n");
        assert_eq!(map.lookup(b"/a/b").unwrap().0, 1);
        assert_eq!(map.lines[0].contexts.to_string(), "tomoyo://one");
        assert_eq!(map.path(), Path::new("t.conf"));
    }

    #[test]
    fn comments_and_white_space_are_free() {
        let map = parse("\n# x\n\t/a \t <kernel>  //b\t/c \r\n\n/d //e");
        assert_eq!(map.lookup(b"/a").unwrap().0, 3);
        assert_eq!(map.lines[0].contexts.to_string(), "tomoyo:<kernel> //b /c");
        assert_eq!(map.lookup(b"/d").unwrap().0, 5);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert_eq!(
            error("\n/a\n"),
            "t.conf:2: has no domain behind its pattern; write one, as in <kernel> /usr/sbin/apache2 //name"
        );
        assert_eq!(error("a //b\n"), "t.conf:1: a: a pattern begins with /; write the whole path");
        assert_eq!(
            error("# x\n"),
            "t.conf: holds no line; every request would be refused, write at least one: PATTERN DOMAIN"
        );
        assert!(error("/a //b\u{1}\n").starts_with("t.conf:1: "));
        let backends = Backends::new(Vec::new()).unwrap_or_else(|e| panic!("{e:?}"));
        let errors = parse("/a unconfined\n/b //c\n").prepare(&backends, None).err().unwrap();
        // If TOMOYO runs, the first is no domain and the second is not in the policy.
        assert_eq!(errors.len(), 2);
        assert!(errors[0].to_string().starts_with("t.conf:1: "));
        let bytes = [b"/a //b\n/", &[0xff][..], b" //c\n"].concat();
        let error = TransitionMap::parse(Path::new("t.conf"), &bytes).err().unwrap();
        assert_eq!(
            error.to_string(),
            "t.conf:2: is not UTF-8; write bytes outside of printable ASCII as \\ooo"
        );
        // A device is refused before it is read, and the size of a file is checked before it is read.
        let device = TransitionMap::load(Path::new("/dev/zero")).err().unwrap().to_string();
        assert_eq!(
            device,
            "/dev/zero: is a device or a socket, not a regular file; name the file that holds the rules"
        );
        let huge = tempfile::NamedTempFile::new().unwrap();
        huge.as_file().set_len(40 << 30).unwrap();
        let error = TransitionMap::load(huge.path()).err().unwrap().to_string();
        assert!(error.ends_with("is larger than 64 MiB; use fewer patterns"), "{error}");
        let missing = TransitionMap::load(Path::new("/nonexistent/t")).err().unwrap().to_string();
        assert_eq!(
            missing,
            "/nonexistent/t: cannot be read: No such file or directory (os error 2); create it, or \
             correct the name"
        );
    }
}
