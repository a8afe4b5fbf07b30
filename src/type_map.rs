//! Type maps (mod_negotiation): like mod_rewrite's per-directory result, a map's handler redirects
//! inside the server, and the variant that it chooses decides.
//!
//! It differs in that it reads a file, and that the file may hold variants itself (`Body:`). Such a
//! map is content: it is decided where it lies. One without is read before any move, and nothing that
//! its handler might still send leaves: an output filter before all others refuses it.

use std::{
    ffi::CStr,
    fs::File,
    io::{BufRead, BufReader, Read},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use crate::httpd::{hooks, request::Request};

/// The filter's name.
pub const GUARD: &CStr = c"CONFINE_NO_CONTENT";

/// Maps larger than this are decided where they lie, unread.
const LARGEST: u64 = 1 << 20;

/// Whether this request is for a type map that only leads to others; if so, its own content is barred.
pub fn leads_on(r: &mut Request<'_>) -> bool {
    let is_map = r.handler().is_some_and(|h| h == c"type-map" || h == c"application/x-type-map")
        && hooks::module_loaded(c"mod_negotiation.c");
    let leads = is_map && r.filename().is_some_and(|name| !holds_content(name));
    if leads {
        r.add_output_filter(GUARD);
    }
    leads
}

/// Whether the map holds a variant itself, or cannot be told not to.
fn holds_content(name: &CStr) -> bool {
    let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let Ok(file) = File::open(path) else { return true };
    if !file.metadata().is_ok_and(|m| m.is_file() && m.len() <= LARGEST) {
        return true;
    }
    // mod_negotiation takes every header that begins so for one.
    let begins =
        |line: &[u8]| line.trim_ascii_start().get(..4).is_some_and(|w| w.eq_ignore_ascii_case(b"body"));
    BufReader::new(file.take(LARGEST)).split(b'\n').any(|line| line.is_ok_and(|l| begins(&l)))
}
