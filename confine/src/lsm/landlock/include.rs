//! Shared parts of rulesets: files of path and port directives that `LandlockInclude NAME` puts into a ruleset.
//!
//! Each line is a directive as it could stand in the section itself. A file holds no sections and chooses no contexts.
//!
//! ```
//! use confine::lsm::landlock::include::{self, Grant};
//! use confine::lsm::landlock::PathAccess;
//!
//! let lines = include::parse("# time zones\nLandlockRead \"-/usr/share/zoneinfo\" -/etc/localtime\n")?;
//! assert_eq!(lines[0].grant, Grant::Path(PathAccess::Read));
//! assert_eq!((lines[0].line, &lines[0].words[..]), (2, &["-/usr/share/zoneinfo".into(), "-/etc/localtime".into()][..]));
//! # Ok::<(), include::LineError>(())
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{PathAccess, plain_name};
use crate::{lsm::escaped, spelling::nearest};

/// Where packages install the files, unless the build says otherwise.
pub const INSTALLED: &str = match option_env!("CONFINE_DATA_DIR") {
    Some(folder) => folder,
    None => "/usr/share/mod_confine",
};

/// The folder of the files below [`INSTALLED`].
const FOLDER: &str = "landlock";

/// What the names of files end in.
const SUFFIX: &str = "conf";

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncludeLine {
    /// What it grants.
    pub grant: Grant,
    /// Its arguments without quotes.
    pub words: Vec<String>,
    /// Counted from 1.
    pub line: u32,
}

/// What a line of a file may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// `LandlockRead`, `LandlockWrite` or `LandlockExecute`.
    Path(PathAccess),
    /// `LandlockConnect`.
    Connect,
    /// `LandlockBind`.
    Bind,
    /// `LandlockInclude`.
    Include,
}

/// The directives that a file may hold.
const DIRECTIVES: [(&str, Grant); 6] = [
    ("LandlockRead", Grant::Path(PathAccess::Read)),
    ("LandlockWrite", Grant::Path(PathAccess::Write)),
    ("LandlockExecute", Grant::Path(PathAccess::Execute)),
    ("LandlockConnect", Grant::Connect),
    ("LandlockBind", Grant::Bind),
    ("LandlockInclude", Grant::Include),
];

/// Why a line of a file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct LineError {
    /// Counted from 1.
    pub line: u32,
    /// What is wrong, and what to write.
    pub why: String,
}

/// Reads the text of a file.
///
/// # Errors
/// A line is not one of the directives that a file may hold, or its quotes do not close.
pub fn parse(text: &str) -> Result<Vec<IncludeLine>, LineError> {
    let mut lines = Vec::new();
    for (line, raw) in (1..).zip(text.lines()) {
        let refused = |why| LineError { line, why };
        let mut words = words(raw).map_err(refused)?.into_iter();
        let Some(name) = words.next().filter(|name| !name.starts_with('#')) else { continue };
        let known = DIRECTIVES.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
        let (_, grant) = known.ok_or_else(|| refused(unknown(&name)))?;
        let words: Vec<_> = words.collect();
        if words.is_empty() {
            return Err(refused(format!("{name}: takes at least one word")));
        }
        lines.push(IncludeLine { grant: *grant, words, line });
    }
    Ok(lines)
}

fn unknown(name: &str) -> String {
    let names = DIRECTIVES.map(|(name, _)| name);
    let meant = nearest(name, names).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    format!("{} cannot stand in a file for LandlockInclude, only {}{meant}", escaped(name), names.join(", "))
}

/// The words of a line as httpd takes them apart: between blanks or quotes, in which a backslash stands before a quote
/// and before a backslash (httpd: server/util.c, ap_getword_conf). A comment is one word.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    if rest.starts_with('#') {
        return Ok(vec![rest.to_owned()]);
    }
    while let Some(first) = rest.chars().next() {
        let quote = (first == '"' || first == '\'').then_some(first);
        let mut word = String::new();
        let mut chars = rest.char_indices().skip(usize::from(quote.is_some())).peekable();
        let end = loop {
            match (chars.next(), quote) {
                (None, None) => break rest.len(),
                (None, Some(quote)) => return Err(format!("the quote {quote} is not closed; close it")),
                (Some((at, c)), Some(quote)) if c == quote => break at + 1,
                (Some((_, '\\')), Some(quote))
                    if chars.peek().is_some_and(|(_, next)| *next == quote || *next == '\\') =>
                {
                    word.extend(chars.next().map(|(_, next)| next));
                }
                (Some((at, c)), None) if c.is_whitespace() => break at,
                (Some((_, c)), _) => word.push(c),
            }
        };
        words.push(word);
        rest = rest[end..].trim_start();
    }
    Ok(words)
}

/// The file called `name`: the first that is there, in `folders` and then among those that packages install. Its path
/// and its text.
///
/// # Errors
/// There is none, or it cannot be read. The text says what to do.
pub fn find(name: &str, folders: &[PathBuf]) -> Result<(PathBuf, String), String> {
    if !plain_name(name) || name.starts_with('.') {
        return Err(format!(
            "{name:?} is no name of a file for LandlockInclude: write it without folder and without .{SUFFIX}, as in \
             LandlockInclude base"
        ));
    }
    let installed = Path::new(INSTALLED).join(FOLDER);
    let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).chain([&*installed]).collect();
    for folder in &folders {
        let file = folder.join(format!("{name}.{SUFFIX}"));
        match fs::read_to_string(&file) {
            Ok(text) => return Ok((file, text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(format!(
                    "{} cannot be read: {error}; let the user that starts the server read it, as UTF-8",
                    file.display()
                ));
            }
        }
    }
    Err(missing(name, &folders))
}

/// There is no file called `name`.
fn missing(name: &str, folders: &[&Path]) -> String {
    let names = names(folders);
    let there = match names.is_empty() {
        true => "there are none; install those of mod_confine, or name their folder with LandlockIncludeDir"
            .to_owned(),
        false => format!("there are: {}", names.join(", ")),
    };
    let meant = nearest(name, names.iter().map(String::as_str));
    let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    format!("no file {name}.{SUFFIX} in {}; {there}{meant}", folders.join(" and "))
}

/// The names of the files in these folders, sorted.
pub fn names(folders: &[&Path]) -> Vec<String> {
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == SUFFIX))
        .filter_map(|path| path.file_stem()?.to_str().map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (u32, String) {
        let error = parse(text).expect_err("an error");
        (error.line, error.why)
    }

    #[test]
    fn lines_are_read_as_the_server_reads_them() {
        let words = |text: &str| parse(text).expect("lines").remove(0).words;
        assert_eq!(words("LandlockRead /a  \"/b c\" '/d e'\t-/f"), ["/a", "/b c", "/d e", "-/f"]);
        assert_eq!(words(r#"landlockread "/a\"b\\c\d""#), [r#"/a"b\c\d"#]);
        assert_eq!(words("LandlockRead /ä\"b"), ["/ä\"b"]);
        let lines = parse("\u{20}\n # c\nLandlockConnect 53\n\nLandlockInclude base php\n").expect("lines");
        assert_eq!(
            lines.iter().map(|l| (l.grant, l.line)).collect::<Vec<_>>(),
            [(Grant::Connect, 3), (Grant::Include, 5)]
        );
    }

    #[test]
    fn what_cannot_stand_in_a_file_is_refused() {
        let (line, why) = error("LandlockRead /a\nConfineContext unconfined\n");
        assert_eq!(line, 2);
        assert!(
            why.starts_with("ConfineContext cannot stand in a file for LandlockInclude, only LandlockRead"),
            "{why}"
        );
        assert!(error("LandlockRaed /a").1.ends_with("; did you mean LandlockRead?"));
        assert_eq!(error("LandlockRead"), (1, "LandlockRead: takes at least one word".to_owned()));
        assert_eq!(error("\nLandlockRead \"/a"), (2, "the quote \" is not closed; close it".to_owned()));
        assert!(error("<ConfineLandlock x>").1.contains("cannot stand"));
    }

    #[test]
    fn own_files_come_before_those_of_packages() {
        let (own, packages) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (folder, name, text) in
            [(&own, "php.conf", "own"), (&packages, "php.conf", "x"), (&packages, "base.conf", "y")]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let folders = [own.path().to_owned(), packages.path().to_owned()];
        let found = |name| find(name, &folders);
        assert_eq!(found("php"), Ok((own.path().join("php.conf"), "own".to_owned())));
        assert_eq!(found("base").map(|(_, text)| text), Ok("y".to_owned()));
        let error = found("bsae").expect_err("no such file");
        assert!(error.contains("there are: base, ") && error.ends_with("; did you mean base?"), "{error}");
        for name in ["../php", "php/x", "", ".php", "/etc/passwd"] {
            assert!(found(name).expect_err(name).contains("is no name of a file"), "{name}");
        }
        fs::create_dir(own.path().join("dir.conf")).unwrap();
        assert!(found("dir").expect_err("a folder").contains("cannot be read"));
    }

    /// Every path of a shipped file may be absent, so that one file suits all distributions, and no file grants what
    /// belongs to a person or a service.
    #[test]
    fn the_shipped_files_can_be_read_and_suit_every_system() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/landlock");
        let names = names(&[&folder]);
        assert_eq!(names, ["base", "cgi", "dav", "git", "perl", "php", "php-cgi", "python"]);
        for name in &names {
            let (file, text) = find(name, std::slice::from_ref(&folder)).expect("a file");
            let lines = parse(&text).unwrap_or_else(|e| panic!("{}:{}: {e}", file.display(), e.line));
            for IncludeLine { grant, words, line } in lines {
                for word in words {
                    let at = format!("{name}.conf:{line}: {word}");
                    match grant {
                        Grant::Path(_) => {
                            assert!(word.starts_with("-/") && !word.contains("%{"), "{at}");
                            let path = word[1..].trim_end_matches('/');
                            let forbidden = [
                                "",
                                "/etc",
                                "/home",
                                "/root",
                                "/srv",
                                "/var",
                                "/run",
                                "/tmp",
                                "/proc",
                                "/etc/shadow",
                                "/etc/passwd",
                                "/usr",
                                "/dev",
                            ];
                            assert!(!forbidden.contains(&path), "{at}");
                        }
                        Grant::Include => assert!(names.contains(&word), "{at}"),
                        Grant::Connect | Grant::Bind => {
                            panic!("{at}: needs ABI 4, and one file suits all kernels")
                        }
                    }
                }
            }
        }
    }
}
