//! The checks of `make lint` that rustfmt and clippy do not have: the rule of the layers, and that each file which a
//! text names exists.
//!
//! `cargo modules dependencies --acyclic` finds circles between modules, but it does not know the layers. It accepts
//! an upward import that closes no circle, and it reports each module with tests beside it as a circle.

mod imports;
mod layers;
mod named;

use std::{fs, path::Path, process::ExitCode};

use layers::Source;

/// Prints the faults, one line each. It succeeds if there are none.
pub fn run() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut faults = layers::module(&sources(&root, "src"));
    faults.extend(layers::library(&sources(&root, "confine/src")));
    let all_sources = named::files(&root, "", ".rs");
    for file in named::files(&root, "", ".md").iter().chain(&all_sources) {
        // The tests of this check name files that do not exist.
        if file != "xtask/src/house/named.rs" {
            let text = fs::read_to_string(root.join(file)).unwrap_or_default();
            faults.extend(named::missing(&root, file, &text, &all_sources));
        }
    }
    faults.iter().for_each(|fault| println!("{fault}"));
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The sources of one crate.
fn sources(root: &Path, folder: &str) -> Vec<Source> {
    let read = |path: String| {
        let text = fs::read_to_string(root.join(&path)).unwrap_or_default();
        Source { path: path[folder.len() + 1..].to_owned(), text }
    };
    named::files(root, folder, ".rs").into_iter().map(read).collect()
}
