//! Links between pages: where they lead, and whether it is there.

use std::{
    collections::HashMap,
    fs,
    path::{Component, Path, PathBuf},
};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The anchors of a page's headings, as GitHub and mdBook name them: letters, digits, `_` and `-` in lower case, blanks
/// as `-`; a name that was there before gets a number.
pub fn anchors(page: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut heading: Option<String> = None;
    for event in parser(page) {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
            (Event::Text(text) | Event::Code(text), Some(heading)) => heading.push_str(&text),
            (Event::End(TagEnd::Heading(_)), _) => {
                let name = anchor(&heading.take().unwrap_or_default());
                let before = seen.entry(name.clone()).or_default();
                anchors.push(if *before == 0 { name } else { format!("{name}-{before}") });
                *before += 1;
            }
            _ => {}
        }
    }
    anchors
}

fn anchor(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The links of a page, with its images.
pub fn links(page: &str) -> Vec<String> {
    let link = |event: Event<'_>| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.to_string()),
        _ => None,
    };
    parser(page).filter_map(link).collect()
}

fn parser(page: &str) -> Parser<'_> {
    Parser::new_ext(page, Options::ENABLE_TABLES)
}

/// Whether a link leads out of this repository: nothing is asked of the network.
pub fn is_outside(link: &str) -> bool {
    link.contains("://") || link.starts_with("mailto:")
}

/// What a link of `page` means: a file below the repository, and an anchor of it.
pub fn target(page: &Path, link: &str) -> (PathBuf, Option<String>) {
    let (file, anchor) = match link.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor.to_owned())),
        None => (link, None),
    };
    let joined = match file {
        "" => page.to_owned(),
        file => page.parent().unwrap_or(Path::new("")).join(file),
    };
    let mut path = PathBuf::new();
    for component in joined.components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            other => path.push(other),
        }
    }
    (path, anchor)
}

/// The links of these pages that lead nowhere, a line each. Pages are named from `root`.
pub fn broken(root: &Path, pages: &[PathBuf]) -> Result<Vec<String>, String> {
    let mut faults = Vec::new();
    for page in pages {
        for link in links(&read(root, page)?) {
            if is_outside(&link) {
                continue;
            }
            let (file, anchor) = target(page, &link);
            let there = root.join(&file);
            let fault = if !there.exists() {
                Some("no such file")
            } else if let Some(anchor) = anchor {
                let is_page = file.extension().is_some_and(|e| e == "md");
                let found = is_page && anchors(&read(root, &file)?).contains(&anchor);
                (!found).then_some("the page has no such heading")
            } else {
                None
            };
            faults.extend(fault.map(|why| format!("{}: {link}: {why}", page.display())));
        }
    }
    Ok(faults)
}

fn read(root: &Path, page: &Path) -> Result<String, String> {
    fs::read_to_string(root.join(page)).map_err(|e| format!("{}: {e}", page.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_have_the_names_that_links_use() {
        let page = "# A `code`, and more\n## \\<ConfineLandlock\\>\n## mod_selinux's directives\n## A code and more\n";
        let names = ["a-code-and-more", "confinelandlock", "mod_selinuxs-directives", "a-code-and-more-1"];
        assert_eq!(anchors(page), names);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let root = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap_or(root.path())).unwrap_or_else(|e| panic!("{e}"));
            fs::write(path, text).unwrap_or_else(|e| panic!("{e}"));
        };
        write("README.md", "# Top\n[a](docs/a.md#one) [b](docs/b.md) [c](#top) [d](https://example.org/x)\n");
        write("docs/a.md", "# One\n[up](../README.md#top) [here](#two) [image](x.svg) `[code](y.md)`\n");
        let pages = ["README.md", "docs/a.md"].map(PathBuf::from);
        let faults = broken(root.path(), &pages).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            faults,
            [
                "README.md: docs/b.md: no such file",
                "docs/a.md: #two: the page has no such heading",
                "docs/a.md: x.svg: no such file",
            ]
        );
    }
}
