//! From a path that was used to the folder that is worth a line.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::ground::Ground;

/// The longest path that is written. The server reads lines of 8,190 bytes.
const LONGEST: usize = 3500;

/// The path, or the nearest folder above it that can be written in a configuration and that is there.
pub fn standing(path: &Path) -> PathBuf {
    let stands = |above: &&Path| is_writable_text(above) && above.exists();
    path.ancestors().find(stands).unwrap_or(Path::new("/")).to_owned()
}

/// Whether a configuration can hold the path. Control characters and other bytes than UTF-8 it cannot; `%{` begins an
/// expression there, and `${` a variable.
pub fn is_writable_text(path: &Path) -> bool {
    path.to_str().is_some_and(|text| {
        let special = text.contains("%{") || text.contains("${") || text.chars().any(char::is_control);
        text.len() <= LONGEST && !special
    })
}

/// The folder without names at its end that will be others tomorrow: dates, and inside a virtual host's own folder numbers
/// and random letters, too. Elsewhere a number may be a tenant's.
pub fn lasting(folder: &Path, ground: &Ground) -> PathBuf {
    let mut lasting = without_date(folder);
    for above in lasting.ancestors() {
        let Some(name) = above.file_name() else { break };
        let Some(parent) = above.parent() else { break };
        let fits = ground.is_own(parent)
            && !ground.own.iter().any(|own| own == parent)
            && !ground.is_too_wide(parent);
        if !is_random(name.as_bytes()) || !fits || ground.roots.iter().any(|root| root == above) {
            break;
        }
        lasting = parent;
    }
    lasting.to_owned()
}

/// Without a year, or a year and a month, or a whole date at the end.
fn without_date(folder: &Path) -> &Path {
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    for (depth, above) in folder.ancestors().take(3).enumerate() {
        let is_year = number(above).is_some_and(|year| (1990..2100).contains(&year));
        let rest = folder.ancestors().take(depth);
        let is_date =
            rest.into_iter().all(|part| number(part).is_some_and(|number| (1..=31).contains(&number)));
        if let Some(parent) = above.parent().filter(|_| is_year && is_date) {
            return parent;
        }
    }
    folder
}

/// Whether a name looks as if a program had made it up: a number, or hexadecimal digits with numbers among them.
fn is_random(name: &[u8]) -> bool {
    let digits = name.iter().filter(|b| b.is_ascii_digit()).count();
    let hexadecimal = name.iter().all(u8::is_ascii_hexdigit);
    digits == name.len() || (hexadecimal && (name.len() == 2 || (name.len() >= 8 && digits > 0)))
}

/// Where more than `few` folders lie in one, that one is granted.
pub fn lift_siblings(folders: &mut BTreeSet<PathBuf>, ground: &Ground, few: usize) {
    loop {
        let mut by_parent: BTreeMap<&Path, usize> = BTreeMap::new();
        for parent in folders.iter().filter_map(|folder| folder.parent()) {
            *by_parent.entry(parent).or_default() += 1;
        }
        let fits =
            |parent: &Path| ground.is_own(parent) && !ground.is_too_wide(parent) && !folders.contains(parent);
        let found = by_parent.into_iter().find(|(parent, number)| *number > few && fits(parent));
        let Some(parent) = found.map(|(parent, _)| parent.to_owned()) else { return };
        folders.retain(|folder| folder.parent() != Some(&parent));
        folders.insert(parent);
    }
}

/// Without what lies in another of them.
pub fn prune(folders: &mut BTreeSet<PathBuf>) {
    let all = folders.clone();
    folders.retain(|path| !path.ancestors().skip(1).any(|above| all.contains(above)));
}
