//! Checks that each file exists that a text or a comment names.

use std::{fs, path::Path};

/// The folders of this repository whose files a text may name by their paths.
const FOLDERS: &[&str] = &[
    "src",
    "apache-sys",
    "confine",
    "confinectl",
    "conf",
    "docs",
    "fuzz/src",
    "fuzz/fuzz_targets",
    "lab",
    "manual",
    "scripts",
    "tests",
    "xtask",
];

/// The files that `text` names and that do not exist, one line each. `text` is the content of `file` in the
/// repository at `root`.
///
/// In a Markdown file, these are the words in backquotes that begin with a folder of this repository, and the links
/// to files. In a source file, these are the words in backquotes of a comment that end in `.rs`.
pub fn missing(root: &Path, file: &str, text: &str, sources: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    let here = root.join(file).parent().map(Path::to_owned).unwrap_or_default();
    let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    let is_there = |word: &str| {
        let is_made_here = ignored.lines().any(|line| line.trim_matches('/') == word);
        root.join(word).exists() || here.join(word).exists() || is_made_here
    };
    let is_text = file.ends_with(".md");
    for (number, line) in text.lines().enumerate() {
        let is_comment = line.trim_start().starts_with("//");
        if !is_text && !is_comment {
            continue;
        }
        let fault = |name: &str| format!("{file}:{}: {name} does not exist", number + 1);
        for word in line.split('`').skip(1).step_by(2) {
            let is_source = word.ends_with(".rs") && word.bytes().all(is_plain);
            let is_missing = match is_source {
                true => !sources.iter().any(|s| s == word || s.ends_with(&format!("/{word}"))),
                false => is_text && names_a_file(word) && !is_there(word),
            };
            if is_missing {
                faults.push(fault(word));
            }
        }
        if is_text {
            let links = line.match_indices("](").filter_map(|(at, _)| line[at + 2..].split(')').next());
            let targets = links.filter(|l| !l.contains("://")).filter_map(|l| l.split('#').next());
            faults.extend(targets.filter(|t| !t.is_empty() && !here.join(t).exists()).map(fault));
        }
    }
    faults
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-./".contains(&byte)
}

/// Whether a word is the path of a file or folder of this repository. Capitals are placeholders
/// (`fuzz/findings/TARGET`).
fn names_a_file(word: &str) -> bool {
    let below = |folder: &&str| word.strip_prefix(*folder).is_some_and(|rest| rest.starts_with('/'));
    FOLDERS.iter().any(below) && word.bytes().all(is_plain)
}

/// Every file below `folder` whose name ends with `ending`, as a path from `root`. Files that are built or downloaded
/// are left out.
pub fn files(root: &Path, folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return found };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            if !name.starts_with('.') && !["target", "corpus", "artifacts"].contains(&&*name) {
                found.extend(files(root, &path, ending));
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(file: &str, text: &str) -> Vec<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        missing(&root, file, text, &["xtask/src/main.rs".into(), "src/worker/mod.rs".into()])
    }

    #[test]
    fn a_file_that_is_named_must_exist() {
        let text = "See `src/gone.rs`.\nAnd `docs/gone.md`, [this](gone.md#part) and `gone/gone.rs`.";
        assert_eq!(
            faults("docs/maps.md", text),
            [
                "docs/maps.md:1: src/gone.rs does not exist",
                "docs/maps.md:2: docs/gone.md does not exist",
                "docs/maps.md:2: gone/gone.rs does not exist",
                "docs/maps.md:2: gone.md does not exist",
            ]
        );
    }

    #[test]
    fn what_exists_or_is_no_file_of_ours_may_be_named() {
        let text = "`src/worker/mod.rs`, `main.rs`, `xtask/`, `docs/maps.md`, [maps](maps.md#x), [x](https://x/y.md), \
                    `fuzz/findings/TARGET`, `lab/lab selinux`, [here](#part), `server/request.c`";
        assert_eq!(faults("docs/contexts.md", text), [""; 0]);
    }

    #[test]
    fn comments_name_sources_that_exist() {
        assert_eq!(faults("src/a.rs", "//! Told in `gate.rs`.\nlet x = \"`gone.rs`\";").len(), 1);
    }
}
