//! Why a map is not accepted: always what is wrong, then what would be right.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{MAX_FILE, MAX_LINE, address::AddressError};
use crate::context::{BackendName, ContextError};

/// Why a map could not be loaded. `FILE: ...`, or `FILE:LINE:COLUMN: ...` where a line is at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The file could not be opened.
    #[error("{}: cannot be opened: {source}; {}", .path.display(), open_remedy(.source))]
    Open {
        /// The file.
        path: Arc<Path>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The name stands for something other than a file.
    #[error("{}: is {kind}, not a regular file; name the file that holds the rules", .path.display())]
    NotAFile {
        /// What was named.
        path: Arc<Path>,
        /// What it is, with its article: `a directory`.
        kind: &'static str,
    },
    /// The file could be opened but not read to its end.
    #[error("{}: cannot be read: {source}; look for an error of the disk or the network file system", .path.display())]
    Read {
        /// The file.
        path: Arc<Path>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The file is larger than any map should be.
    #[error("{}: is larger than {} MiB; split it, or give whole groups one rule", .path.display(), MAX_FILE >> 20)]
    TooLarge {
        /// The file.
        path: Arc<Path>,
    },
    /// The file holds comments and blank lines at most.
    #[error("{}: holds no rule; write at least one, such as: * landlock:NAME", .path.display())]
    Empty {
        /// The file.
        path: Arc<Path>,
    },
    /// Somebody wrote the file while it was read.
    #[error("{}: changed while it was read; write a new file beside it and rename that into its place", .path.display())]
    Changed {
        /// The file.
        path: Arc<Path>,
    },
    /// The kernel gives no memory for the tables.
    #[error("{}: no memory for its tables: {source}; free some, or raise the limit of this process", .path.display())]
    Memory {
        /// The file.
        path: Arc<Path>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A compiled map cannot be used.
    #[error("{}: {problem}", .path.display())]
    Compiled {
        /// The file.
        path: Arc<Path>,
        /// What is wrong, and what to do.
        #[source]
        problem: CompiledError,
    },
    /// A line is not a rule.
    #[error("{}:{line}:{column}: {problem}", .path.display())]
    Line {
        /// The file.
        path: Arc<Path>,
        /// The line, from 1.
        line: u32,
        /// Where in the line, in bytes from 1; a byte order mark is not counted.
        column: usize,
        /// What is wrong there, and what would be right.
        #[source]
        problem: LineError,
    },
}

/// Why a compiled map cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompiledError {
    /// Made by another version of this program.
    #[error(
        "is a compiled map of format {found}, and this version reads format {known}; compile it again with the confinectl of this version"
    )]
    Version {
        /// The file's format.
        found: u32,
        /// The format of this version.
        known: u32,
    },
    /// Made on a machine of another kind.
    #[error("is a compiled map for a machine of the other byte order; compile it on this one")]
    ByteOrder,
    /// Shorter or longer than it was made.
    #[error("is a compiled map that is cut short or goes on after its end; compile it again")]
    Length,
    /// Some bytes are not what they were.
    #[error("is a compiled map whose checksum does not hold; compile it again")]
    Checksum,
    /// The source was changed since.
    #[error("is a compiled map that is older than {}; compile that again", .source_path.display())]
    Stale {
        /// The file it was made from.
        source_path: PathBuf,
    },
    /// Contexts without a prefix would mean another LSM's.
    #[error(
        "is compiled for {made_for} as the backend of contexts that name none, and here that is {here}; \
         compile it with --default-backend {here}"
    )]
    Default {
        /// The backend that it was compiled for.
        made_for: String,
        /// The backend that counts where it is used.
        here: BackendName,
    },
    /// Where text is needed.
    #[error("is a compiled map; name the text that it was made from")]
    NotText,
}

/// What to do about a file that does not open.
pub(crate) fn open_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "create it, or correct the name",
        io::ErrorKind::PermissionDenied => {
            "let this user read it and search the directories above it (chmod, or the LSM's policy)"
        }
        _ => "name a file that can be read",
    }
}

/// What is wrong with one line, and what would be right.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// No line end in sight.
    #[error(
        "the line is longer than {} KiB; a rule is one subject and its contexts, is a line end missing?",
        MAX_LINE >> 10
    )]
    TooLong,
    /// Bytes of another encoding.
    #[error("the byte 0x{byte:02X} is not UTF-8 here; save the file in UTF-8")]
    NotUtf8 {
        /// The first byte of what is not UTF-8.
        byte: u8,
    },
    /// A NUL byte.
    #[error("there is a NUL byte; a map is plain text in UTF-8, save it as such")]
    Nul,
    /// A carriage return inside a line: it would hide what follows in a comment.
    #[error("there is a carriage return inside the line; end lines with LF or CRLF")]
    CarriageReturn,
    /// A control character in a word.
    #[error("there is the control character U+{:04X}; remove it", u32::from(*.character))]
    Control {
        /// The character.
        character: char,
    },
    /// A character that looks like a blank, or like nothing, and separates no words.
    #[error(
        "there is the invisible character U+{:04X}, which separates no words; \
         type a blank instead, or put a word that shall hold it in double quotes",
        u32::from(*.character)
    )]
    Invisible {
        /// The character.
        character: char,
    },
    /// A quote that is never closed.
    #[error("the double quote that opens here is not closed on this line; close it")]
    OpenQuote,
    /// A quote in the middle of a word.
    #[error(
        "there is a double quote inside a word; put the whole word in double quotes and write \\\" \
         for a quote that belongs to it"
    )]
    StrayQuote,
    /// Something sticks to a closing quote.
    #[error(
        "the word goes on after its closing double quote; put a blank there, or the rest inside the quotes"
    )]
    AfterQuote,
    /// A backslash in quotes before something that needs none.
    #[error("in double quotes a backslash stands before \\ or \" only; write \\\\ for a backslash")]
    Escape,
    /// `""` for a subject.
    #[error("the subject is empty; write a user, an address, host:NAME, __anonymous__ or *")]
    NoSubject,
    /// A kind with nothing behind it, such as `user:`.
    #[error("{kind}: has nothing behind it; write {example}, without a blank after the colon")]
    NoName {
        /// The kind.
        kind: &'static str,
        /// How it could look.
        example: &'static str,
    },
    /// A prefix that is no kind of subject, or a colon in a user's name.
    #[error(
        "{word:?} begins with {kind:?}, which is no kind of subject; the kinds are user:, ip:, host: and path:, \
         and a user whose name holds a colon is written user:{word}"
    )]
    UnknownKind {
        /// The subject as written.
        word: String,
        /// All up to the colon, and the colon.
        kind: String,
    },
    /// A word like `__this__`.
    #[error(
        "{word:?} is none of the words in double underscores, which are __anonymous__ and __names__, \
         and a user of that name is written user:{word}"
    )]
    ReservedWord {
        /// The subject as written.
        word: String,
    },
    /// A line `__names__` that says something else than it can.
    #[error(
        "__names__ is followed by ignore-case, and nothing else; leave the line out for names in exactly their case"
    )]
    Option,
    /// A line `__names__` behind rules that it would be for, too.
    #[error("__names__ stands behind a rule, and would change what that means; move it above the first rule")]
    LateOption,
    /// A name behind `host:` that no ServerName can be.
    #[error("host:{name} cannot be a ServerName: {wrong}; {right}")]
    Host {
        /// The name as written.
        name: String,
        /// What is wrong.
        wrong: &'static str,
        /// What would be right.
        right: &'static str,
    },
    /// A pattern behind `path:` that matches nothing, or something else than meant.
    #[error("path:{glob} is no pattern of paths: {wrong}; {right}")]
    Path {
        /// The pattern as written.
        glob: String,
        /// What is wrong.
        wrong: &'static str,
        /// What would be right.
        right: String,
    },
    /// Behind `ip:`.
    #[error("{0}")]
    Address(AddressError),
    /// A word without a prefix that was probably meant as an address.
    #[error("{error} (a user of that name is written user:{word})")]
    LooksLikeAddress {
        /// The subject as written.
        word: String,
        /// What keeps it from being an address.
        error: AddressError,
    },
    /// The contexts.
    #[error("{0}")]
    Context(ContextError),
}
