//! A map: a file of rules, one a line, the first that matches wins.
//!
//! ```text
//! # SUBJECT        CONTEXT [CONTEXT ...]
//! alice            selinux:httpd_dog_t:s0 landlock:tenant-a
//! user:10.0.0.1    landlock:odd-name
//! 192.0.2.0/24     "selinux:httpd_lan_t:s0"
//! host:a.example   landlock:tenant-a
//! path:/srv/cgi/** landlock:programs
//! __anonymous__    landlock:guest
//! *                unconfined
//! ```
//!
//! A line is UTF-8, at most 64 KiB, and ends in LF or CRLF. Blanks and tabs separate words. `#` begins
//! a comment at the start of a line or after a blank. A word in double quotes may hold blanks, and `\"`
//! and `\\` in it stand for `"` and `\`; the quote may also open behind a colon (`user:"John Smith"`).
//! Quotes change nothing about a word's meaning: `"*"` is everybody, `user:*` is a user called `*`.
//!
//! A map is read as text ([`MapText`]) and becomes tables ([`Map`]) that answer without scanning. The tables
//! are one read-only block of memory, shared by all processes that fork from the one that made it; a file
//! that holds such a block is a compiled map, which [`Map::load`] knows by its first bytes.
//!
//! A line `__names__ ignore-case` before the first rule says that users match in any case of ASCII letters.
//!
//! IPv4-mapped IPv6 addresses, in a map as of a client, are IPv4; so `::/0` matches IPv6 clients only.
//!
//! ```
//! use std::path::Path;
//!
//! use confine::{BackendName, Subject, map::Map};
//!
//! let text = b"alice landlock:tenant-a\n192.0.2.0/24 landlock:lan\n* unconfined\n";
//! let map = Map::parse(Path::new("users.map"), text, BackendName::LANDLOCK)?;
//! let alice = Subject { user: Some(b"alice"), ..Subject::default() };
//! let hit = map.lookup(&alice).expect("the first line is for alice");
//! assert_eq!(map.origin(hit).to_string(), "users.map:1");
//! assert_eq!(map.list_text(hit.list), Some("landlock:tenant-a"));
//! # Ok::<(), confine::map::MapError>(())
//! ```

mod cover;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod lookup;
mod shelf;
mod syntax;
mod table;
#[cfg(test)]
mod tests;

pub use cover::Cover;
pub(crate) use file::open;
pub use file::{CompiledMap, FileStamp};
pub use lookup::{Map, MapList, Readable};
pub use shelf::Shelf;
pub(crate) use syntax::error::open_remedy;
pub use syntax::{
    address::AddressError,
    error::{CompiledError, LineError, MapError},
    fmt::layout,
    progress::Progress,
    subject::MapSubject,
    text::{MapLine, MapText, contexts},
};
pub use table::Hit;
