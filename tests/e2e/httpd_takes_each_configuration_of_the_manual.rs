//! Each block of configuration that a page of the manual shows is one that httpd takes: no directive is misspelt, none
//! stands where it may not, and no value is one that the module does not know.
//!
//! A page shows a part of a configuration, on a machine that is not this one. So a context whose LSM this kernel lacks,
//! a file that the reader has, and a ruleset that another block defines are no faults of the page.

use std::{fs, path::Path};

use confine_tests::{Cell, manual, matrix, platform};

/// What the pages use beside this module.
const MODULES: [&str; 16] = [
    "alias",
    "auth_basic",
    "authn_dbd",
    "authn_file",
    "authnz_ldap",
    "authz_host",
    "authz_user",
    "dbd",
    "env",
    "ldap",
    "log_config",
    "proxy",
    "proxy_http",
    "rewrite",
    "setenvif",
    "dir",
];

/// Faults that are about the reader's machine.
const OF_THE_MACHINE: [&str; 4] =
    ["not active in this kernel", "cannot be opened", "cannot be read", "there is no ruleset of this name"];

/// Pages of `docs`, guides excepted, which are followed as a whole.
fn pages() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut pages: Vec<_> =
        names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")).collect();
    pages.sort();
    pages
}

/// The block on this machine: below the test's folder, and with the module that is tested.
fn here(block: &str) -> String {
    let module = platform::module_under_test().display().to_string();
    let lines = block.lines().filter(|line| !line.starts_with("LoadModule confine_module "));
    let text: Vec<_> =
        lines.map(|line| line.replace(" modules/mod_confine.so", &format!(" {module}"))).collect();
    let text = text.join("\n");
    ["/srv", "/etc", "/home", "/var"].iter().fold(text, |text, folder| {
        [" ", "\"", "-"].iter().fold(text, |text, before| {
            text.replace(&format!("{before}{folder}/"), &format!("{before}@root@{folder}/"))
        })
    })
}

fn each_block(cell: Cell) {
    let (mut taken, mut looked_at) = (0, 0);
    for page in pages() {
        for block in manual::blocks(&page, "apache") {
            let (fine, said) =
                cell.server().modules(MODULES).config(here(&block)).folder("etc/apache2").checked();
            looked_at += 1;
            taken += usize::from(fine);
            let faults = said.lines().filter(|line| {
                let is_told = line.starts_with("confine: ") && !line.starts_with("confine: warning: ");
                is_told || line.contains("Syntax error") || line.starts_with("Invalid command")
            });
            for fault in faults {
                assert!(
                    OF_THE_MACHINE.iter().any(|text| fault.contains(text)),
                    "{page}: httpd does not take\n{block}\n\n{said}"
                );
            }
            assert!(fine || !said.is_empty(), "{page}: httpd does not take\n{block}");
        }
    }
    assert!(looked_at > 35 && taken > 15, "{taken} of {looked_at}");
}

matrix!(each_block once);
