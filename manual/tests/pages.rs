//! The pages lead to each other, and to all of them something leads.

use std::{fs, path::PathBuf};

use confine_manual::{
    guide::{self, What},
    links, site, workspace,
};

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

/// Each of the pages that the lab's guests follow has nothing but steps, and shows what comes out.
#[test]
fn the_lab_follows_its_pages() {
    let payload = workspace().join("lab/lib/payload.sh");
    let payload = fs::read_to_string(&payload).unwrap_or_else(|e| panic!("{}: {e}", payload.display()));
    let list = payload.lines().find_map(|line| line.strip_prefix("readonly FOLLOWED=(")?.strip_suffix(')'));
    let pages: Vec<&str> = list.expect("lab/lib/payload.sh lists the pages").split(' ').collect();
    for page in ["mod_apparmor", "mod_ccs", "mod_selinux"] {
        assert!(pages.contains(&page), "{page} is followed nowhere");
    }
    for page in pages {
        let file = workspace().join(format!("docs/{page}.md"));
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let steps = guide::steps(&text).unwrap_or_else(|e| panic!("{page}: {e}"));
        assert!(steps.iter().any(|step| matches!(step.what, What::Type(_))), "{page} shows no answer");
    }
}
