//! Why a map is not accepted. Each error says what is wrong, and then what would be right.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{MAX_FILE, MAX_LINE, address::AddressError};
use crate::context::{BackendName, ContextError};

/// Why a map could not be loaded. The text begins with `FILE:`, or with `FILE:LINE:COLUMN:` where a line has the fault.
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
    /// The name does not stand for a file.
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
    /// The file has no rule.
    #[error("{}: holds no rule; write at least one, such as: * landlock:NAME", .path.display())]
    Empty {
        /// The file.
        path: Arc<Path>,
    },
    /// Somebody changed the file while it was read.
    #[error("{}: changed while it was read; write a new file beside it and rename that into its place", .path.display())]
    Changed {
        /// The file.
        path: Arc<Path>,
    },
    /// There is no memory for the tables.
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
        /// The column, in bytes from 1. A byte order mark is not counted.
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
    /// Another version of this program made it.
    #[error(
        "is a compiled map of format {found}, and this version reads format {known}; compile it again with the confinectl of this version"
    )]
    Version {
        /// The file's format.
        found: u32,
        /// The format of this version.
        known: u32,
    },
    /// A machine with the other byte order made it.
    #[error("is a compiled map for a machine of the other byte order; compile it on this one")]
    ByteOrder,
    /// It is shorter or longer than when it was made.
    #[error("is a compiled map that is cut short or goes on after its end; compile it again")]
    Length,
    /// Its bytes are not those that it was made with.
    #[error("is a compiled map whose checksum does not hold; compile it again")]
    Checksum,
    /// The source has changed since it was compiled.
    #[error("is a compiled map that is older than {}; compile that again", .source_path.display())]
    Stale {
        /// The file it was made from.
        source_path: PathBuf,
    },
    /// Another backend is the default here, so contexts without a prefix would get another meaning.
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
    /// The tool needs the text of a map, and this map is compiled.
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
    /// The line is too long.
    #[error(
        "the line is longer than {} KiB; a rule is one subject and its contexts, is a line end missing?",
        MAX_LINE >> 10
    )]
    TooLong,
    /// The line has bytes that are not UTF-8.
    #[error("the byte 0x{byte:02X} is not UTF-8 here; save the file in UTF-8")]
    NotUtf8 {
        /// The first such byte.
        byte: u8,
    },
    /// The line has a NUL byte.
    #[error("there is a NUL byte; a map is plain text in UTF-8, save it as such")]
    Nul,
    /// A carriage return stands inside the line. Behind a `#` it could hide what follows.
    #[error("there is a carriage return inside the line; end lines with LF or CRLF")]
    CarriageReturn,
    /// A word has a control character.
    #[error("there is the control character U+{:04X}; remove it", u32::from(*.character))]
    Control {
        /// The character.
        character: char,
    },
    /// The line has a character that looks like a blank, or like nothing, and does not separate words.
    #[error(
        "there is the invisible character U+{:04X}, which separates no words; \
         type a blank instead, or put a word that shall hold it in double quotes",
        u32::from(*.character)
    )]
    Invisible {
        /// The character.
        character: char,
    },
    /// A quote is not closed.
    #[error("the double quote that opens here is not closed on this line; close it")]
    OpenQuote,
    /// A quote stands in the middle of a word.
    #[error(
        "there is a double quote inside a word; put the whole word in double quotes and write \\\" \
         for a quote that belongs to it"
    )]
    StrayQuote,
    /// Characters follow a closing quote without a blank.
    #[error(
        "the word goes on after its closing double quote; put a blank there, or the rest inside the quotes"
    )]
    AfterQuote,
    /// A backslash in quotes stands before a character that needs none.
    #[error("in double quotes a backslash stands before \\ or \" only; write \\\\ for a backslash")]
    Escape,
    /// The subject is empty (`""`).
    #[error("the subject is empty; write a user, an address, host:NAME, __anonymous__ or *")]
    NoSubject,
    /// The subject has a kind, and nothing behind it: `user:`.
    #[error("{kind}: has nothing behind it; write {example}, without a blank after the colon")]
    NoName {
        /// The kind.
        kind: &'static str,
        /// An example of how it could be written.
        example: &'static str,
    },
    /// The prefix is not a kind of subject, or the name of a user holds a colon.
    #[error(
        "{word:?} begins with {kind:?}, which is no kind of subject; the kinds are user:, ip:, host: and path:, \
         and a user whose name holds a colon is written user:{word}"
    )]
    UnknownKind {
        /// The subject as written.
        word: String,
        /// The text up to the colon, with the colon.
        kind: String,
    },
    /// The subject is a word in double underscores that has no meaning.
    #[error(
        "{word:?} is none of the words in double underscores, which are __anonymous__ and __names__, \
         and a user of that name is written user:{word}"
    )]
    ReservedWord {
        /// The subject as written.
        word: String,
    },
    /// The line `__names__` says something that it cannot say.
    #[error(
        "__names__ is followed by ignore-case, and nothing else; leave the line out for names in exactly their case"
    )]
    Option,
    /// The line `__names__` follows a rule, to which it would also apply.
    #[error("__names__ stands behind a rule, and would change what that means; move it above the first rule")]
    LateOption,
    /// The name behind `host:` cannot be a ServerName.
    #[error("host:{name} cannot be a ServerName: {wrong}; {right}")]
    Host {
        /// The name as written.
        name: String,
        /// What is wrong.
        wrong: &'static str,
        /// What would be right.
        right: &'static str,
    },
    /// The pattern behind `path:` matches nothing, or something else than was meant.
    #[error("path:{glob} is no pattern of paths: {wrong}; {right}")]
    Path {
        /// The pattern as written.
        glob: String,
        /// What is wrong.
        wrong: &'static str,
        /// What would be right.
        right: String,
    },
    /// The text behind `ip:` is not an address.
    #[error("{0}")]
    Address(AddressError),
    /// The subject has no prefix, and it was probably meant as an address.
    #[error("{error} (a user of that name is written user:{word})")]
    LooksLikeAddress {
        /// The subject as written.
        word: String,
        /// Why it is not an address.
        error: AddressError,
    },
    /// The contexts cannot be read.
    #[error("{0}")]
    Context(ContextError),
}
