//! What can be wrong with a trace, and where: said so that one knows what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use fanfare::CATEGORIES;
use thiserror::Error;

use super::header::{MAGIC, VERSION};
use super::{DOCUMENT_BYTES_MAX, HEADER_BYTES, RECORDS_MAX, TIME_MAX_US};

/// A trace that cannot be read or written.
#[derive(Debug, Error)]
#[error("{}: {fault}", file.display())]
pub struct TraceError {
    /// Its path.
    pub file: PathBuf,
    /// Why.
    pub fault: Fault,
}

impl TraceError {
    /// This fault, in this file.
    #[must_use]
    pub fn new(file: &Path, fault: Fault) -> Self {
        Self { file: file.to_owned(), fault }
    }
}

/// What is wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The operating system says no.
    #[error("it cannot be {doing}: {cause}")]
    Io {
        /// What was tried: `read`, `written`.
        doing: &'static str,
        /// What it says.
        cause: io::Error,
    },
    /// A pipe, a folder.
    #[error("it is no file")]
    NoFile,
    /// A lock is on it.
    #[error(
        "it is in use: it is being read or written by another command, or it is the input and the output of this one"
    )]
    InUse,
    /// Too short for a header.
    #[error("it ends after {0} bytes, but a trace begins with a header of {HEADER_BYTES}")]
    NoHeader(usize),
    /// Something else.
    #[error("it is no trace: it begins with {}, not with {}", .0.escape_ascii(), MAGIC.escape_ascii())]
    Magic([u8; 8]),
    /// Of another program's making.
    #[error(
        "it is of format version {found}, {} than version {VERSION}, the one that this program reads and writes",
        if *found < VERSION { "older" } else { "newer" }
    )]
    Version {
        /// Which.
        found: u16,
    },
    /// The header's checksum is wrong.
    #[error("its header is corrupt: checksum {found:08x}, but {expected:08x} was expected")]
    HeaderChecksum {
        /// As it stands there.
        found: u32,
        /// As it should be.
        expected: u32,
    },
    /// The header says what cannot be.
    #[error("its header is wrong: {field} is {found}, but {expected} was expected")]
    Header {
        /// Which field.
        field: &'static str,
        /// What it is.
        found: u64,
        /// What it could be.
        expected: String,
    },
    /// Its writer never came to the end.
    #[error("it was never finished: its writer was stopped, or the disk was full; it has to be written again")]
    Unfinished,
    /// It ends too early.
    #[error(
        "it is truncated: block {block}, from record {record} on, ends after {found} bytes, but {expected} were expected \
         (the whole trace has {records} records)"
    )]
    Truncated {
        /// Which block, counted from 0.
        block: u64,
        /// The number of its first record.
        record: u64,
        /// Bytes that are there.
        found: usize,
        /// Bytes that should be.
        expected: usize,
        /// Records according to the header.
        records: u64,
    },
    /// It goes on after its end.
    #[error("it goes on after its last record: its header says that there are {0}")]
    Trailing(u64),
    /// A block's checksum is wrong.
    #[error(
        "block {block} is corrupt, somewhere in records {record} to {last}: checksum {found:08x}, but {expected:08x} was \
         expected"
    )]
    BlockChecksum {
        /// Which block, counted from 0.
        block: u64,
        /// The number of its first record.
        record: u64,
        /// The number of its last record.
        last: u64,
        /// As it stands there.
        found: u32,
        /// As it should be.
        expected: u32,
    },
    /// A block that is whole, but out of place.
    #[error("block {block} is out of place: its {field} is {found}, but {expected} was expected")]
    Block {
        /// Which block, counted from 0.
        block: u64,
        /// Which field of its head.
        field: &'static str,
        /// What it is.
        found: u64,
        /// What it should be.
        expected: u64,
    },
    /// A record that says what cannot be.
    #[error("record {record}: {wrong}")]
    Record {
        /// Its number, counted from 0.
        record: u64,
        /// What is wrong.
        wrong: Wrong,
    },
    /// Somebody has changed it since it was validated.
    #[error("it was changed while it was replayed: record {record}: {wrong}")]
    Changed {
        /// Its number, counted from 0.
        record: u64,
        /// What is wrong.
        wrong: Wrong,
    },
    /// A recording without an event.
    #[error("nothing was published that could be recorded; it is left as it was")]
    Nothing,
    /// More events than a trace can have.
    #[error("it would have more than {RECORDS_MAX} records")]
    TooMany,
}

/// What is wrong with one event.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// A kind that nobody knows.
    #[error(
        "kind {0}, but 1 (publication), 2 (of an endpoint not shown), 3 (policy edit) or 4 to 8 (of sessions) was expected"
    )]
    Kind(u8),
    /// A kind that a later version may know.
    #[error("kind {kind} ({}), which this version neither writes nor reads", reserved(*kind))]
    Reserved {
        /// Its number.
        kind: u8,
    },
    /// A category out of range.
    #[error("category {0}, but one below {CATEGORIES} was expected")]
    Category(u8),
    /// Bytes or a category where there can be none.
    #[error("a document or a category, but only publications have them")]
    NoPublication,
    /// A document too large.
    #[error("a document of {0} bytes, but {DOCUMENT_BYTES_MAX} are the most")]
    Document(u32),
    /// A user out of range.
    #[error("user {user}, but the trace has users below {users} only")]
    User {
        /// Whose number it is.
        user: u32,
        /// All are below.
        users: u32,
    },
    /// Time runs backwards.
    #[error("{at_us} us after the begin, but the record before is at {before_us} us: time cannot go back")]
    Backwards {
        /// The event's.
        at_us: u64,
        /// The one's before it.
        before_us: u64,
    },
    /// A time that a record has no room for.
    #[error("{0} us after the begin, but {TIME_MAX_US} us are the most")]
    TooLate(u64),
    /// An event of composed presence in a trace that is said to have none.
    #[error("kind {0}, but its header says that presence is not composed")]
    NotComposed(u8),
}

fn reserved(kind: u8) -> &'static str {
    ["sign-in", "sign-out", "subscribe", "unsubscribe"].get(usize::from(kind).wrapping_sub(16)).copied().unwrap_or("?")
}
