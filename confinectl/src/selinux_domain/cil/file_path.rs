//! A path, and its pattern in a file context.

use std::{fmt, path::Path};

use confine::lsm::landlock;

use super::PLACEHOLDERS;

/// A path that a file context can hold: absolute, printable ASCII, no `.`, `..` or doubled slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath(String);

/// Whether other programs depend on the label of this folder. `/usr/lib64` is the only such folder whose files belong
/// together.
fn is_of_the_system(path: &str) -> bool {
    path == "/usr/lib64" || landlock::is_shared(Path::new(path))
}

impl FilePath {
    /// The longest path that is accepted. libsemanage reads lines of PATH_MAX, and escapes can double the length.
    const LONGEST: usize = 1500;

    /// Checks a path and gives it its normal form.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err("not absolute; write it from the first / on".to_owned());
        }
        if let Some(bad) = text.chars().find(|c| !c.is_ascii_graphic() || *c == '"') {
            return Err(unfit(bad));
        }
        if text.len() > Self::LONGEST {
            return Err(format!("longer than {} bytes; name a folder above it", Self::LONGEST));
        }
        let parts: Vec<_> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return Err(
                "holds .. and a label goes by the text of the path; write the path without it".to_owned()
            );
        }
        let path = format!("/{}", parts.join("/"));
        if is_of_the_system(&path) {
            return Err(format!(
                "{path} is not the application's alone, and labelling it anew takes it from everything else; \
                 name folders below it"
            ));
        }
        if let "proc" | "sys" = parts[0] {
            return Err(format!("files in /{} do not get their labels from file contexts", parts[0]));
        }
        if let Some(word) = PLACEHOLDERS.iter().find(|word| path.contains(**word)) {
            return Err(format!(
                "{word} is a placeholder in file contexts, filled in for home directories, and the label would \
                 not be the one given; name a folder above it, or rename it"
            ));
        }
        // For libselinux before 3.8. label_file.h, get_stem_from_spec takes the first name as plain text unless it
        // contains one of .^$?*+|[({. So it would also compare the escape.
        if let Some(bad) = parts[0].chars().find(|c| "\\)]}".contains(*c)) {
            return Err(format!(
                "{bad} in the first name of a path is more than file contexts can match; rename it"
            ));
        }
        Ok(Self(path))
    }

    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The regular expression (PCRE) that matches this path, and with `tree` also everything below it.
    ///
    /// libselinux and libsepol know these escapes. They order entries by the part before the first wildcard
    /// (libselinux: label_file.h, regex_has_meta_chars).
    pub fn pattern(&self, tree: bool) -> String {
        let mut pattern = String::with_capacity(self.0.len() + 8);
        for c in self.0.chars() {
            if ".^$?*+|[](){}\\".contains(c) {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        if tree {
            pattern.push_str("(/.*)?");
        }
        pattern
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a character cannot be in a path.
fn unfit(c: char) -> String {
    let why = match c {
        '"' => "ends a string in CIL, which has no escape for it",
        c if c.is_whitespace() => "separates the fields of a file context",
        c if c.is_control() => "has no place in a line of file contexts",
        // libselinux: label_support.c, read_spec_entry.
        _ => "is not ASCII, and semodule fails on a file context with such a character",
    };
    format!("{c:?} {why}; name a folder above it, or rename it")
}
