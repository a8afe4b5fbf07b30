//! The texts that administrators follow. A test uses a block of a page as it is written, so the test and the page
//! always agree.

use std::{fs, path::Path};

/// A file of this workspace.
pub fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The blocks on the page that are in this language. A block inside a list is indented as its list is.
pub fn blocks(name: &str, language: &str) -> Vec<String> {
    let page = page(name);
    let fence = format!("```{language}");
    let mut lines = page.lines();
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim_start() == fence {
            let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim_start() != "```").collect();
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

/// The first block on the page that is in this language and contains `text`.
pub fn block(name: &str, language: &str, text: &str) -> String {
    let found = blocks(name, language).into_iter().find(|block| block.contains(text));
    found.unwrap_or_else(|| panic!("{name}: no block of {language} with {text:?}"))
}
