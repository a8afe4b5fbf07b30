//! Each block of configuration that a page of the manual shows is one that httpd takes: no directive is misspelt, none
//! stands where it may not, and no value is one that the module does not know.
//!
//! A page shows a part of a configuration, on a machine that is not this one. So a context whose LSM this kernel lacks,
//! a file that the reader has, and a ruleset that another block defines are no faults of the page.

use std::{fs, path::Path};

use confine_tests::{Cell, ServerBuilder, manual, matrix, platform};

/// What the pages use beside this module.
const MODULES: [&str; 15] = [
    "auth_basic",
    "authn_dbd",
    "authn_file",
    "authnz_ldap",
    "authz_host",
    "authz_user",
    "dbd",
    "env",
    "ldap",
    "proxy",
    "proxy_fcgi",
    "proxy_http",
    "rewrite",
    "setenvif",
    "dir",
];

/// Faults that are about the reader's machine.
const OF_THE_MACHINE: [&str; 7] = [
    "not active in this kernel",
    "cannot be opened",
    "cannot be read",
    "there is no ruleset of this name",
    "there is no group ",
    "there is no user ",
    "Invalid global certificate file path",
];

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
    let lines = block.lines().filter(|line| !line.starts_with("LoadModule "));
    let text: Vec<_> =
        lines.map(|line| line.replace(" modules/mod_confine.so", &format!(" {module}"))).collect();
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/landlock");
    let text = format!("LandlockIncludeDir \"{}\"\n{}", parts.display(), text.join("\n"));
    ["/srv", "/etc", "/home", "/var"].iter().fold(text, |text, folder| {
        [" ", "\"", "-"].iter().fold(text, |text, before| {
            text.replace(&format!("{before}{folder}/"), &format!("{before}@root@{folder}/"))
        })
    })
}

/// The folders that a configuration names below the test's, and those of the files that it names. A name ends where an
/// expression begins.
fn folders(config: &str) -> Vec<&str> {
    let words = config.split(|c: char| c.is_whitespace() || c == '"');
    let paths = words.filter_map(|word| word.split_once("@root@/")?.1.split('%').next());
    let folder = |path: &'_ str| -> usize {
        let path = path.trim_end_matches('/');
        let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
        if last.contains('.') { above.len() } else { path.len() }
    };
    paths.map(|path| &path[..folder(path)]).filter(|path| !path.is_empty()).collect()
}

/// What httpd or the module finds wrong. httpd names the place on a line of its own, before what is wrong there.
fn faults(said: &str) -> Vec<&str> {
    let mut faults = Vec::new();
    let mut lines = said.lines();
    while let Some(line) = lines.next() {
        if line.contains("Syntax error on line ") {
            faults.push(if line.ends_with(':') { lines.next().unwrap_or(line) } else { line });
        } else if line.starts_with("confine: ") && !line.starts_with("confine: warning: ") {
            faults.push(line);
        }
    }
    faults
}

fn each_block(cell: Cell) {
    let (mut taken, mut looked_at, mut not_taken) = (0, 0, Vec::new());
    for page in pages() {
        for block in manual::blocks(&page, "apache") {
            let config = here(&block);
            let server = cell.server().modules(MODULES).config(&config);
            let (fine, said) = folders(&config).into_iter().fold(server, ServerBuilder::folder).checked();
            looked_at += 1;
            taken += usize::from(fine);
            let faults = faults(&said);
            let is_of_the_machine = |fault: &&str| OF_THE_MACHINE.iter().any(|text| fault.contains(text));
            if !faults.iter().all(is_of_the_machine) || !fine && faults.is_empty() {
                not_taken.push(format!("{page}: httpd does not take\n{block}\n\n{said}"));
            }
        }
    }
    assert!(not_taken.is_empty(), "{}", not_taken.join("\n"));
    assert!(looked_at > 35 && taken > 12, "{taken} of {looked_at}");
}

matrix!(each_block once);

/// The page for those who come from TOMOYO's module shows a table, too. What is wrong on this machine is TOMOYO alone.
fn the_table_of_tomoyos_module(cell: Cell) {
    const PAGE: &str = "docs/mod_ccs.md";
    let table = manual::block(PAGE, "text", "<kernel> //apache /cat.example.com\n");
    let config = manual::block(PAGE, "apache", "TOMOYO_TransitionMap");
    let server = cell.server().config(here(&config)).folder("home/cat/html");
    let (_, said) = server.file("home/cat/apache2_transition_table.conf", table + "\n").checked();
    let faults = faults(&said);
    let is_of_tomoyo =
        |fault: &&str| fault.contains("apache2_transition_table.conf:") && fault.contains("tomoyo");
    assert!(!faults.is_empty() && faults.iter().all(is_of_tomoyo), "{said}");
}

matrix!(the_table_of_tomoyos_module once);
