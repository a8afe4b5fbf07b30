//! Type maps (mod_negotiation). Like mod_rewrite's result in a directory, the handler of a map redirects inside the
//! server, and the rules of the chosen variant decide.
//!
//! There is a difference: the handler reads a file before any move, and this file can hold variants itself (`Body:`).
//! So a map only leads on if nobody but root can have written it, because a tenant's .htaccess may name this handler
//! for a link to somebody else's file. A map that holds a variant is content. In both cases the rules decide at the
//! map itself. If a map that leads on sends something nevertheless, the guard of the resource's filters refuses it.

use std::{
    ffi::{CStr, OsStr},
    fs::File,
    io::{BufRead, BufReader, Read},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

use crate::httpd::{hooks, request::Request};

/// The largest map that is read. For a larger map the rules decide at the map itself.
const LARGEST: u64 = 1 << 20;

/// Whether this request is for a type map that only leads to other resources.
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

/// Whether nobody but root can have made this file or can replace it. No link leads to it. The file and all
/// directories above it belong to root, and others cannot write there (or the directory is sticky, as /tmp is).
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

/// Whether the map itself holds a variant, or this cannot be found out.
fn holds_content(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return true };
    if !file.metadata().is_ok_and(|m| m.is_file() && m.len() <= LARGEST) {
        return true;
    }
    // mod_negotiation accepts every header that begins so.
    let begins =
        |line: &[u8]| line.trim_ascii_start().get(..4).is_some_and(|w| w.eq_ignore_ascii_case(b"body"));
    BufReader::new(file.take(LARGEST)).split(b'\n').any(|line| line.is_ok_and(|l| begins(&l)))
}
