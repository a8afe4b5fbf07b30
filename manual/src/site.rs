//! The site: every page that docs/SUMMARY.md names, made by mdBook, and every link of what came out followed.
//!
//! The pages keep their places in the repository, so their links stay as they are. What they link to that is no page (a
//! source, an example, a folder) becomes one.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{html, links, target_folder, workspace};

/// The pages, in their order, with links as a reader of the repository follows them.
pub const SUMMARY: &str = "docs/SUMMARY.md";

/// Makes the site below `target/site`; says how large it is, or which links lead nowhere.
pub fn make() -> Result<String, String> {
    let source = target_folder().join("site-source");
    let site = target_folder().join("site");
    for folder in [&source, &site] {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        }
    }
    let pages = pages()?;
    let broken = links::broken(workspace(), &pages)?;
    if !broken.is_empty() {
        return Err(broken.join("\n"));
    }
    write_source(&source, &pages)?;
    run_mdbook(&source)?;
    let checked = html::check(&site)?;
    Ok(format!(
        "site: {} pages, {} links followed: {}",
        checked.pages,
        checked.links,
        site.join("index.html").display()
    ))
}

/// The pages that the summary names, from the repository's top.
pub fn pages() -> Result<Vec<PathBuf>, String> {
    let summary = Path::new(SUMMARY);
    Ok(links::links(&read(summary)?).iter().map(|link| links::target(summary, link).0).collect())
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(workspace().join(file)).map_err(|e| format!("{}: {e}", file.display()))
}

fn write(file: &Path, text: impl AsRef<[u8]>) -> Result<(), String> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(file, text))
        .map_err(|e| format!("{}: {e}", file.display()))
}

fn write_source(source: &Path, pages: &[PathBuf]) -> Result<(), String> {
    let to = source.join("pages");
    for file in ["book.toml", "site.css"] {
        write(&source.join(file), read(&Path::new("manual").join(file))?)?;
    }
    let mut files = BTreeSet::new();
    for page in pages {
        let text = with_links_to_pages(page, &read(page)?, pages, &to, &mut files)?;
        write(&to.join(in_site(page)), text)?;
    }
    let mut summary =
        with_links_to_pages(Path::new(SUMMARY), &read(Path::new(SUMMARY))?, pages, &to, &mut files)?;
    summary = summary.replace("](../", "](/").replace("](", "](docs/").replace("](docs//", "](");
    let files = with_what_folders_hold(files)?;
    summary.push_str("- [Files that pages name](files/index.md)\n");
    write(&to.join("files/index.md"), "# Files that pages name\n\n".to_owned() + &list(&files))?;
    for file in files {
        summary.push_str(&format!("  - [{}]({})\n", file.display(), as_page(&file)));
        write(&to.join(as_page(&file)), page_of(&file)?)?;
    }
    write(&to.join("SUMMARY.md"), summary)
}

/// The text of a page, its links to what is no page turned to the page that is made of that, which is noted in `files`.
/// Pictures are copied.
fn with_links_to_pages(
    page: &Path,
    text: &str,
    pages: &[PathBuf],
    to: &Path,
    files: &mut BTreeSet<PathBuf>,
) -> Result<String, String> {
    let up = "../".repeat(page.components().count() - 1);
    let mut text = text.to_owned();
    for link in links::links(&text) {
        let (file, _) = links::target(page, &link);
        if links::is_outside(&link) {
            continue;
        }
        if pages.contains(&file) {
            // mdBook would make the page, and leave the link to its old name.
            text =
                text.replace(&format!("]({link})"), &format!("]({})", link.replace("README.md", "index.md")));
        } else if file.extension().is_some_and(|e| e == "svg" || e == "png") {
            let picture =
                fs::read(workspace().join(&file)).map_err(|e| format!("{}: {e}", file.display()))?;
            write(&to.join(&file), picture)?;
        } else {
            text = text.replace(&format!("]({link})"), &format!("]({up}{})", as_page(&file)));
            files.insert(file);
        }
    }
    Ok(text)
}

/// Where a page of the repository lies in the site: a folder's first page is its index.
fn in_site(page: &Path) -> PathBuf {
    if page.ends_with("README.md") { page.with_file_name("index.md") } else { page.to_owned() }
}

/// The files, and for each folder what it holds, which its page links to.
fn with_what_folders_hold(files: BTreeSet<PathBuf>) -> Result<BTreeSet<PathBuf>, String> {
    let mut all = files.clone();
    let mut folders: Vec<PathBuf> =
        files.into_iter().filter(|file| workspace().join(file).is_dir()).collect();
    while let Some(folder) = folders.pop() {
        for entry in entries(&folder)? {
            if workspace().join(&entry).is_dir() {
                folders.push(entry.clone());
            }
            all.insert(entry);
        }
    }
    Ok(all)
}

fn entries(folder: &Path) -> Result<BTreeSet<PathBuf>, String> {
    let entries = fs::read_dir(workspace().join(folder)).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(entries.flatten().map(|entry| folder.join(entry.file_name())).collect())
}

/// The page that a file or a folder becomes.
fn as_page(file: &Path) -> String {
    format!("files/{}.md", file.display().to_string().trim_end_matches('/').replace('/', "-"))
}

/// Links to the pages that these became, for a page beside them.
fn list(files: &BTreeSet<PathBuf>) -> String {
    let line = |file: &PathBuf| {
        let page = as_page(file);
        format!("- [{}]({})\n", file.display(), page.trim_start_matches("files/"))
    };
    files.iter().map(line).collect()
}

fn page_of(file: &Path) -> Result<String, String> {
    let title = format!("# {}\n\n", file.display());
    if workspace().join(file).is_dir() {
        return Ok(title + &list(&entries(file)?));
    }
    let language = match file.extension().and_then(|e| e.to_str()) {
        Some("rs") => "rust,ignore",
        Some("c") => "c",
        Some("cil") => "lisp",
        Some("example") => "apache",
        _ => "text",
    };
    Ok(format!("{title}````{language}\n{}\n````\n", read(file)?.trim_end()))
}

fn run_mdbook(source: &Path) -> Result<(), String> {
    let own = target_folder().join("tools/bin/mdbook");
    let program =
        env::var_os("MDBOOK").map(PathBuf::from).unwrap_or(if own.exists() { own } else { "mdbook".into() });
    let output = Command::new(&program).arg("build").arg(source).output();
    let output = output.map_err(|e| format!("{}: {e}; scripts/setup site installs it", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    // What it warns of (a tag that is not closed, a chapter that is empty) is a fault of a page.
    let trouble = said.lines().any(|line| line.contains("WARN") || line.contains("ERROR"));
    if output.status.success() && !trouble { Ok(()) } else { Err(said.into_owned()) }
}
