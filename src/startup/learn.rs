//! Opens the files of rulesets that are learned, while the server still has the privileges that it starts with.

use std::{collections::BTreeMap, io, path::Path, sync::Arc};

use confine::learn::LearnFile;

use crate::{
    config::{Policy, Written, rulesets},
    httpd::{
        hooks,
        log::{self, Level},
        server::Server,
    },
};

/// post_config: opens them. The first reading serves no request, and opens none.
pub fn open_files(main: &Server<'_>, policy: &Policy, written: &Written) {
    if written.learning.is_empty() || hooks::first_reading() {
        return;
    }
    for spec in rulesets::undefined(main, written) {
        let text = format!(
            "confine: {}: there is no ruleset {} yet; ConfineMode learn takes it for one that grants nothing",
            spec.origin, spec.name
        );
        log::server(main, Level::Notice, &text);
    }
    let folder = rulesets::learn_folder(main, written);
    let mut files = BTreeMap::new();
    for name in rulesets::learned(main, written) {
        match LearnFile::open(&folder, &name) {
            Ok(file) => {
                files.insert(name, Arc::new(file));
            }
            Err(error) => log::server(main, Level::Error, &unopened(&folder, &name, &error)),
        }
    }
    let _ = policy.learned.set(files);
}

fn unopened(folder: &Path, name: &str, error: &io::Error) -> String {
    format!(
        "confine: nothing is learned for landlock:{name}: its file in {} cannot be opened ({error}); name another folder \
         with ConfineLearnFolder, or give this one to the user who starts the server, and to nobody else",
        folder.display()
    )
}
