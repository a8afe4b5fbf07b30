//! What mdBook made, looked at as a browser would: each link to a page of the site, and each anchor, is there.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use crate::links;

/// What was looked at.
pub struct Checked {
    /// Pages.
    pub pages: usize,
    /// Links within the site.
    pub links: usize,
}

/// Follows the links of every page below `site`.
pub fn check(site: &Path) -> Result<Checked, String> {
    let mut pages = HashMap::new();
    read_all(site, Path::new(""), &mut pages)?;
    let anchors: HashMap<&Path, HashSet<&str>> =
        pages.iter().map(|(path, text)| (path.as_path(), attributes(text, "id").collect())).collect();
    let mut checked = Checked { pages: pages.len(), links: 0 };
    let mut faults = Vec::new();
    for (page, text) in &pages {
        for link in attributes(text, "href").chain(attributes(text, "src")) {
            if links::is_outside(link) || link.starts_with("data:") || link.starts_with("javascript:") {
                continue;
            }
            checked.links += 1;
            let (file, anchor) = links::target(page, link);
            let fault = match (anchors.get(file.as_path()), anchor) {
                (None, _) if !site.join(&file).is_file() => Some("no such page"),
                (Some(anchors), Some(anchor)) if !anchors.contains(anchor.as_str()) => Some("no such place"),
                _ => None,
            };
            faults.extend(fault.map(|why| format!("{}: {link}: {why}", page.display())));
        }
    }
    faults.sort();
    if faults.is_empty() { Ok(checked) } else { Err(faults.join("\n")) }
}

fn read_all(site: &Path, below: &Path, pages: &mut HashMap<PathBuf, String>) -> Result<(), String> {
    let folder = site.join(below);
    let fault = |e| format!("{}: {e}", folder.display());
    for entry in fs::read_dir(&folder).map_err(fault)?.flatten() {
        let path = below.join(entry.file_name());
        if entry.path().is_dir() {
            read_all(site, &path, pages)?;
        } else if path.extension().is_some_and(|e| e == "html") {
            let text = fs::read_to_string(entry.path()).map_err(fault)?;
            pages.insert(path, text);
        }
    }
    Ok(())
}

/// The values of an attribute, as mdBook writes them: in double quotes.
fn attributes<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let start = format!(" {name}=\"");
    let mut rest = text;
    std::iter::from_fn(move || {
        let at = rest.find(&start)? + start.len();
        let end = at + rest[at..].find('"')?;
        let value = &rest[at..end];
        rest = &rest[end..];
        Some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let site = tempfile::tempdir().unwrap_or_else(|e| panic!("{e}"));
        let write = |name: &str, text: &str| {
            fs::write(site.path().join(name), text).unwrap_or_else(|e| panic!("{e}"));
        };
        write(
            "a.html",
            r#"<h1 id="top"></h1><a href="b.html#x">x</a> <a class="y" href="https://example.org/z">z</a>"#,
        );
        write("b.html", r#"<h1 id="x"></h1><a href="a.html#top">x</a><img src="c.svg">"#);
        write("c.svg", "");
        let checked = check(site.path()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((checked.pages, checked.links), (2, 3));
        write("b.html", r##"<h1 id="y"></h1><a href="a.html#top">x</a><a href="#z"></a><img src="d.svg">"##);
        let faults = check(site.path()).err().unwrap_or_default();
        assert_eq!(
            faults,
            "a.html: b.html#x: no such place\nb.html: #z: no such place\nb.html: d.svg: no such page"
        );
    }
}
