//! Type maps (mod_negotiation): like mod_rewrite's per-directory result, a map's handler redirects
//! inside the server, and the variant that it chooses decides.
//!
//! It differs in that it reads a file, which happens before any move, and that the file may hold
//! variants itself (`Body:`). So it leads on only where nobody but root can have a hand in it: a
//! tenant's .htaccess may name this handler for a link to somebody else's file. And a map with content
//! is content. Both are decided where they lie. Should such a map send anything all the same, the
//! guard of the resource's filters refuses it.

use std::{
    ffi::{CStr, OsStr},
    fs::File,
    io::{BufRead, BufReader, Read},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

use crate::httpd::{hooks, request::Request};

/// Maps larger than this are decided where they lie, unread.
const LARGEST: u64 = 1 << 20;

/// Whether this request is for a type map that only leads to others.
pub fn leads_on(r: &Request<'_>) -> bool {
    let is_map = r.handler().is_some_and(|h| h == c"type-map" || h == c"application/x-type-map")
        && hooks::module_loaded(c"mod_negotiation.c");
    is_map
        && r.filename().is_some_and(|name| {
            let path = path_of(name);
            only_roots(path) && !holds_content(path)
        })
}

fn path_of(name: &CStr) -> &Path {
    Path::new(OsStr::from_bytes(name.to_bytes()))
}

/// Whether only root can have made, or can replace, this file: no link leads to it, and it and every
/// directory above it are root's, not to be written by others (or, as /tmp, sticky).
fn only_roots(path: &Path) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    path.is_absolute()
        && path.ancestors().all(|p| {
            p.symlink_metadata().is_ok_and(|m| {
                let closed = m.mode() & OTHERS_WRITE == 0 || (m.is_dir() && m.mode() & STICKY != 0);
                m.uid() == 0 && closed && !m.is_symlink()
            })
        })
}

/// Whether the map holds a variant itself, or cannot be told not to.
fn holds_content(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return true };
    if !file.metadata().is_ok_and(|m| m.is_file() && m.len() <= LARGEST) {
        return true;
    }
    // mod_negotiation takes every header that begins so for one.
    let begins =
        |line: &[u8]| line.trim_ascii_start().get(..4).is_some_and(|w| w.eq_ignore_ascii_case(b"body"));
    BufReader::new(file.take(LARGEST)).split(b'\n').any(|line| line.is_ok_and(|l| begins(&l)))
}
