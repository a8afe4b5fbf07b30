//! The pages lead to each other, and to all of them something leads.

use std::{fs, path::PathBuf};

use confine_manual::{links, site, workspace};

fn pages() -> Vec<PathBuf> {
    site::pages().unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn every_link_leads_somewhere() {
    let broken = links::broken(workspace(), &pages()).unwrap_or_else(|e| panic!("{e}"));
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_page_stands_in_the_summary() {
    let pages = pages();
    let mut found = 0;
    for folder in ["docs", "docs/guides"] {
        let entries = fs::read_dir(workspace().join(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
        for entry in entries.flatten() {
            let page = PathBuf::from(folder).join(entry.file_name());
            if page.extension().is_some_and(|e| e == "md") && !page.ends_with("SUMMARY.md") {
                assert!(pages.contains(&page), "{} lacks {}", site::SUMMARY, page.display());
                found += 1;
            }
        }
    }
    assert!(found > 15, "{found}");
}
