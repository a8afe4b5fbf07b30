//! What requests of a ruleset did in learn mode, kept in a file until somebody makes a ruleset of it.
//!
//! Each ruleset that is learned has a file of its own ([`LearnFile`]). The server opens it before it gives up its
//! privileges, and all its children append to it: a line of JSON for each thing that was done, once ([`Learned`]). The
//! length of the file is limited, because what a request does is the tenant's to choose.
//!
//! ```
//! use confine::learn::{Deed, LearnFile, Learned, Reading};
//! use confine::lsm::landlock::FileAccess;
//!
//! let folder = std::env::temp_dir().join(format!("confine-learn-{}", std::process::id()));
//! let file = LearnFile::open(&folder, "blog")?;
//! let read = Deed::file(FileAccess::Read, "/srv/blog/config.php", false);
//! let learned = Learned { deed: read.clone(), host: "blog.example".into(), request: "GET /".into() };
//! file.note(&learned).unwrap();
//! file.note(&learned).unwrap();
//!
//! let text = std::fs::read(file.path())?;
//! assert_eq!(Reading::of(&text).learned.iter().map(|l| &l.deed).collect::<Vec<_>>(), [&read]);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod deed;
mod file;
#[cfg(test)]
mod tests;

pub use deed::{Deed, Learned, Reading};
pub use file::{ENDING, LearnFile, Stopped};
