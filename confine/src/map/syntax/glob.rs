//! Patterns of absolute paths, such as `path:/srv/www/*/cgi-bin/**`. They are read and matched component by component.
//!
//! A component `*` is one component of any name. A component `**` is any number of components, and can be none. Within
//! a component `*` stands for any bytes, `?` for one byte, and `[a-z]` and `[!a-z]` for one byte of a class. The crate
//! `fast-glob` matches these. Only a class can escape a character (`[*]`). Braces and backslashes are refused, because
//! programs do not agree about what they mean.
//!
//! No pattern and no path makes matching slow. Within a component the time is at most the product of both lengths,
//! because the crate only goes back to the last `*`. Components are matched position by position.

use super::error::LineError;
use crate::context::excerpt;

/// The longest component of a pattern, in bytes. The name of a file cannot be longer (Linux: NAME_MAX).
pub(in crate::map) const MAX_COMPONENT: usize = 255;

/// The most components of a pattern. It is less than 64, because the tree of patterns keeps lengths as bits of a `u64`.
pub(in crate::map) const MAX_COMPONENTS: usize = 60;

/// One component of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::map) enum Segment<'a> {
    /// A name without wildcards.
    Literal(&'a str),
    /// `*`: one component of any name.
    One,
    /// `**`: any number of components.
    Any,
    /// A name with wildcards in it.
    Pattern(&'a str),
}

/// The components of a pattern that [`check`] accepted. A `**` behind another `**` has no effect and is left out.
pub(in crate::map) fn segments(glob: &str) -> impl Iterator<Item = Segment<'_>> {
    let mut any_before = false;
    components_of(glob).map(segment).filter(move |segment| {
        let repeated = std::mem::replace(&mut any_before, *segment == Segment::Any) && any_before;
        !repeated
    })
}

/// The parts between slashes that are not empty. `str::split` takes several times as long.
fn components_of(glob: &str) -> impl Iterator<Item = &str> {
    let mut from = 0;
    let ends = glob.bytes().enumerate().filter(|(_, b)| *b == b'/').map(|(end, _)| end);
    let components =
        ends.chain([glob.len()]).map(move |end| &glob[std::mem::replace(&mut from, end + 1)..end]);
    components.filter(|c| !c.is_empty())
}

/// The kind of a component.
fn segment(component: &str) -> Segment<'_> {
    match component {
        "*" => Segment::One,
        "**" => Segment::Any,
        c if c.bytes().any(|b| matches!(b, b'*' | b'?' | b'[')) => Segment::Pattern(c),
        c => Segment::Literal(c),
    }
}

/// As [`segments`], but several literal components in a row are one piece, with the slashes between them.
pub(in crate::map) fn pieces(glob: &str) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = glob;
    let mut segments = segments(glob).peekable();
    std::iter::from_fn(move || {
        let first = segments.next()?;
        let Segment::Literal(name) = first else {
            return Some(first);
        };
        // Both are parts of the pattern, so the difference of their addresses is where this one begins.
        let at = name.as_ptr() as usize - rest.as_ptr() as usize;
        let mut len = name.len();
        while let Some(Segment::Literal(name)) =
            segments.next_if(|segment| matches!(segment, Segment::Literal(_)))
        {
            len += 1 + name.len();
        }
        let joined = &rest[at..at + len];
        rest = &rest[at + len..];
        Some(Segment::Literal(joined))
    })
}

/// The components of an absolute path. `None` if the path is not absolute, or has a component `.` or `..`: the text
/// does not tell which file such a path means.
pub(in crate::map) fn components(path: &[u8]) -> Option<impl Iterator<Item = &[u8]> + Clone> {
    let components = path.strip_prefix(b"/")?.split(|&b| b == b'/').filter(|c| !c.is_empty());
    let plain = components.clone().all(|c| c != b"." && c != b"..");
    plain.then_some(components)
}

/// Whether the component `name` of a path matches the component `pattern`.
pub(in crate::map) fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    // The crate takes a `!` at the start as a negation. In a map it is an ordinary character.
    while let Some(rest) = pattern.strip_prefix(b"!") {
        match name.strip_prefix(b"!") {
            Some(after) => (pattern, name) = (rest, after),
            None => return false,
        }
    }
    fast_glob::glob_match(pattern, name)
}

/// Whether `path` matches `glob`. The index gives the same answer for all rules of a map at once.
pub(in crate::map) fn matches(glob: &str, path: &[u8]) -> bool {
    let Some(names) = components(path).map(Iterator::collect::<Vec<_>>) else { return false };
    // Which numbers of components the segments so far can have matched.
    let mut taken = vec![false; names.len() + 1];
    taken[0] = true;
    for segment in segments(glob) {
        let one = |matches: &dyn Fn(&[u8]) -> bool| {
            let shifted = taken.iter().zip(&names).map(|(&before, name)| before && matches(name));
            std::iter::once(false).chain(shifted).collect()
        };
        taken = match segment {
            Segment::Literal(text) => one(&|name| name == text.as_bytes()),
            Segment::Pattern(pattern) => one(&|name| name_matches(pattern.as_bytes(), name)),
            Segment::One => one(&|_| true),
            Segment::Any => {
                let first = taken.iter().position(|&t| t).unwrap_or(taken.len());
                (0..taken.len()).map(|i| i >= first).collect()
            }
        };
    }
    taken.last().copied().unwrap_or(false)
}

/// Refuses a text that is not a pattern, or that could never match.
pub(in crate::map) fn check(glob: &str) -> Result<(), LineError> {
    let wrong =
        |wrong, right: &str| Err(LineError::Path { glob: excerpt(glob), wrong, right: right.to_owned() });
    if glob.is_empty() {
        return Err(LineError::NoName { kind: "path", example: "path:/srv/www/**" });
    }
    let Some(inner) = glob.strip_prefix('/') else {
        return wrong("it does not begin with a slash", "write the whole path, as the kernel names the file");
    };
    if inner.is_empty() {
        return Ok(());
    }
    if inner.ends_with('/') {
        let right = format!("write {}** for a folder and all below it", excerpt(glob));
        return wrong("it ends in a slash, which the path of a file never does", &right);
    }
    let holds = |bytes: &[u8]| glob.bytes().any(|b| bytes.contains(&b));
    if holds(b"\\") {
        return wrong(
            "it holds a backslash, which has no meaning here",
            "write [*] for an asterisk that is meant",
        );
    }
    if holds(b"{}") {
        return wrong("it holds braces, which have no meaning here", "write one line for each alternative");
    }
    let mut components = inner.as_bytes().split(|&b| b == b'/');
    if components.clone().count() > MAX_COMPONENTS {
        return wrong("it has more than 60 components", "end it earlier with **");
    }
    components.try_for_each(|component| match check_component(component) {
        Ok(()) => Ok(()),
        Err((what, right)) => wrong(what, right),
    })
}

/// What is wrong with a component, and what would be right.
fn check_component(component: &[u8]) -> Result<(), (&'static str, &'static str)> {
    match component {
        b"" => return Err(("it holds two slashes in a row", "write one")),
        b"." | b".." => return Err(("it holds . or .., which no path has", "write the path without them")),
        b"*" | b"**" => return Ok(()),
        _ => {}
    }
    if component.len() > MAX_COMPONENT {
        return Err(("a component is longer than 255 bytes, as no file's name is", "shorten it"));
    }
    if component.windows(2).any(|two| two == b"**") {
        return Err(("** stands beside other characters", "write ** alone between slashes, or a single *"));
    }
    check_classes(component)
}

/// Refuses a class that is not closed, is empty, has a range the wrong way round, or holds a character of several
/// bytes.
fn check_classes(component: &[u8]) -> Result<(), (&'static str, &'static str)> {
    let mut rest = component;
    while let Some(open) = rest.iter().position(|&b| b == b'[') {
        let inner = rest.get(open + 1..).unwrap_or_default();
        let inner = inner.strip_prefix(b"!").or_else(|| inner.strip_prefix(b"^")).unwrap_or(inner);
        // The first character of a class belongs to it, even if it is a bracket.
        let Some(close) = inner.iter().skip(1).position(|&b| b == b']').map(|n| n + 1) else {
            return Err((
                "the class that [ opens is not closed before the next slash",
                "close it, or write [[] for a bracket",
            ));
        };
        let (members, after) = inner.split_at(close);
        if !members.is_ascii() {
            return Err((
                "a class holds a character outside ASCII, which is several bytes",
                "write ? for each byte, or *",
            ));
        }
        if members.windows(3).any(|w| w[1] == b'-' && w[0] > w[2]) {
            return Err(("a class holds a range whose end comes before its start", "swap the two"));
        }
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(glob: &str) -> String {
        check(glob).expect_err("an error").to_string()
    }

    #[test]
    fn patterns_match_whole_paths() {
        for (glob, path, expected) in [
            ("/srv/a", "/srv/a", true),
            ("/srv/a", "/srv/a/", true),
            ("/srv/a", "//srv//a", true),
            ("/srv/a", "/srv/a/b", false),
            ("/srv/a", "/srv/A", false),
            ("/srv/*", "/srv/a", true),
            ("/srv/*", "/srv/.a", true),
            ("/srv/*", "/srv", false),
            ("/srv/*", "/srv/a/b", false),
            ("/srv/**", "/srv", true),
            ("/srv/**", "/srv/", true),
            ("/srv/**", "/srv/a/b", true),
            ("/srv/**", "/srva", false),
            ("/**", "/", true),
            ("/", "/", true),
            ("/", "/a", false),
            ("/srv/www/*/cgi-bin/**", "/srv/www/dog/cgi-bin/x.pl", true),
            ("/srv/www/*/cgi-bin/**", "/srv/www/dog/cat/cgi-bin/x.pl", false),
            ("/srv/**/cgi-bin/*", "/srv/a/b/cgi-bin/x", true),
            ("/srv/**/cgi-bin/*", "/srv/cgi-bin/x", true),
            ("/**/a/**/b", "/a/a/x/b", true),
            ("/**/a/**/b", "/x/b", false),
            ("/a/*.php", "/a/x.php", true),
            ("/a/*.php", "/a/.php", true),
            ("/a/*.php", "/a/x.php5", false),
            ("/a/u?", "/a/u1", true),
            ("/a/u?", "/a/u", false),
            ("/a/[!b-d]x", "/a/ax", true),
            ("/a/[!b-d]x", "/a/cx", false),
            ("/a/[^b-d]x", "/a/cx", false),
            ("/a/[*][]]", "/a/*]", true),
            ("/a/!b", "/a/!b", true),
            ("/a/!*", "/a/!b", true),
            ("/a/!*", "/a/b", false),
            ("/a/!!*", "/a/!b", false),
            ("/a/é?", "/a/éx", true),
        ] {
            assert_eq!(check(glob), Ok(()), "{glob}");
            assert_eq!(matches(glob, path.as_bytes()), expected, "{glob} {path}");
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_matched_as_bytes() {
        assert!(matches("/a/*.x", b"/a/\xff\xfe.x"));
        assert!(matches("/a/?", b"/a/\xff"));
        assert!(!matches("/a/?", "/a/é".as_bytes()));
        assert!(matches("/a/??", "/a/é".as_bytes()));
    }

    #[test]
    fn what_is_no_absolute_plain_path_matches_nothing() {
        for path in ["", "a", "srv/a", "proxy:http://x/", "redirect:/a", "/srv/../a", "/./a", "/a/.."] {
            assert!(!matches("/**", path.as_bytes()), "{path}");
        }
        assert!(matches("/**", b"/..."));
    }

    #[test]
    fn hostile_paths_take_bounded_time() {
        let start = std::time::Instant::now();
        let deep = "/a".repeat(500);
        assert!(!matches(&format!("{}/b", "/**/a".repeat(29)), deep.as_bytes()));
        let long = format!("/{}", "a".repeat(10_000));
        assert!(!matches(&format!("/{}b", "a*".repeat(120)), long.as_bytes()));
        assert!(start.elapsed() < std::time::Duration::from_secs(1), "{:?}", start.elapsed());
    }

    #[test]
    fn every_bad_pattern_has_its_answer() {
        for (glob, text) in [
            ("srv/**", "it does not begin with a slash; write the whole path, as the kernel names the file"),
            (
                "/srv/",
                "it ends in a slash, which the path of a file never does; write /srv/** for a folder and all below it",
            ),
            ("//srv", "it holds two slashes in a row; write one"),
            ("/a/../b", "it holds . or .., which no path has; write the path without them"),
            ("/a/b**", "** stands beside other characters; write ** alone between slashes, or a single *"),
            ("/a/***", "** stands beside other characters; write ** alone between slashes, or a single *"),
            (
                "/a/\\*",
                "it holds a backslash, which has no meaning here; write [*] for an asterisk that is meant",
            ),
            ("/a/{b,c}", "it holds braces, which have no meaning here; write one line for each alternative"),
            (
                "/a/[b/c]",
                "the class that [ opens is not closed before the next slash; close it, or write [[] for a bracket",
            ),
            (
                "/a/[]",
                "the class that [ opens is not closed before the next slash; close it, or write [[] for a bracket",
            ),
            ("/a/[z-a]", "a class holds a range whose end comes before its start; swap the two"),
            (
                "/a/[é]",
                "a class holds a character outside ASCII, which is several bytes; write ? for each byte, or *",
            ),
        ] {
            let error = error(glob);
            assert_eq!(error, format!("path:{glob} is no pattern of paths: {text}"));
        }
        assert!(error(&format!("/{}", "a".repeat(256))).contains("longer than 255 bytes"));
        assert!(error(&"/a".repeat(61)).contains("more than 60 components"));
        assert_eq!(
            error(""),
            "path: has nothing behind it; write path:/srv/www/**, without a blank after the colon"
        );
    }
}
