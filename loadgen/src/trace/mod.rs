//! Traces: what users did, in a file, to be looked at, changed and done again.
//!
//! A trace is of *input* events: publications, publications of endpoints that are not shown, edits of policies, what sessions do
//! beside. What
//! watchers were told is not in it, and neither is any document, only how large it was.
//!
//! | Module | What it owns |
//! |---|---|
//! | [`record`] | one event, and the sixteen bytes that it is in a file |
//! | [`header`] | the first bytes of a file: version, count, facts that are needed to replay it |
//! | [`fault`] | what can be wrong with a file, and where |
//! | [`files`] | opening, and locks: nobody writes what is being read |
//! | [`writer`], [`reader`] | streams of events, block by block, each with its checksum |
//! | [`summary`] | what is in a trace, counted while it is validated |
//! | [`map`] | a validated file as memory, for replays |
//! | [`replay`] | arrivals from a trace, at any speed |
//! | [`recording`] | what the publishers of a run did, on its way into a file |
//! | [`reels`] | what the generators of a run have of both |
//! | [`anonymise`] | users renumbered under a key |
//! | [`import`], [`export`], `bounded` | CSV, and how much of it is read at once |
//!
//! What the command line says of traces stands above: of a run in [`crate::settings::traces`], and the verbs of `loadgen
//! trace` in [`crate::trace_verbs`]. Nothing here knows of either.
//!
//! # The format, version 2
//!
//! Everything is little-endian, and everything is made of units of sixteen bytes, so that a map of the file is an array
//! of them. A header of four units, then blocks of 64 KiB, the last one as short as it has to be; nothing after it.
//!
//! | Header, bytes | |
//! |--:|---|
//! | 0 to 8 | `FANTRACE` |
//! | 8 to 10 | version of the format, 2: a kind more or less is another version |
//! | 10 to 12 | bytes of a record, 16 |
//! | 12 to 16 | flags: 1 composed presence, 2 anonymised, 4 there is a seed |
//! | 16 to 24 | records; all ones while the file is being written, so that one that was never finished is told |
//! | 24 to 32 | the seed that the population was drawn from, or 0 |
//! | 32 to 36 | users: all numbers of users are below |
//! | 36 to 40 | bytes of a block, 65,536 |
//! | 40 to 60 | zero |
//! | 60 to 64 | CRC-32 of bytes 0 to 60 |
//!
//! | Block, bytes | |
//! |--:|---|
//! | 0 to 4 | CRC-32 of the block's other bytes |
//! | 4 to 8 | records in this block: 4,095 in all but the last |
//! | 8 to 16 | the number of its first record, counted from 0 in the trace |
//! | 16 and on | records |
//!
//! | Record, bytes | |
//! |--:|---|
//! | 0 to 6 | microseconds since the trace's begin, never less than in the record before |
//! | 6 | kind |
//! | 7 | category of a publication, counted from 0; 0 for other kinds |
//! | 8 to 12 | number of the user |
//! | 12 to 16 | bytes of a publication's document; 0 for other kinds |
//!
//! | Kind | |
//! |--:|---|
//! | 1 | publication of a category |
//! | 2 | publication of an endpoint that is not shown |
//! | 3 | edit of a policy: one of the user's contacts shows him another view |
//! | 4 | poll of several presentities, drawn by whoever replays |
//! | 5 | short subscription: a watcher of all the user's contacts, closed after a while |
//! | 6 | expansion of a distribution group |
//! | 7, 8 | refresh of an endpoint's subscriptions, registration of an endpoint |
//! | 16, 17 | sign-in and sign-out: kept free, not written and not read by version 2 |
//! | 18, 19 | subscribe and unsubscribe, bytes 12 to 16 the contact's number: kept free as well |
//!
//! Facts that depend on how a run was divided, such as its shards, are not in a trace: it can be replayed on any number.

pub mod anonymise;
mod bounded;
pub mod export;
pub mod fault;
pub mod files;
pub mod header;
pub mod import;
#[allow(unsafe_code, reason = "mapping a file is; see there")]
pub mod map;
pub mod reader;
pub mod record;
pub mod recording;
pub mod reels;
pub mod replay;
pub mod summary;
pub mod writer;

pub use fault::{Fault, TraceError};
pub use header::Header;
pub use reader::Reader;
pub use record::{Event, Kind};
pub use summary::Summary;
pub use writer::Writer;

/// Bytes of a unit: of a record, of a block's head, and of a quarter of the header.
pub const UNIT_BYTES: usize = 16;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 4 * UNIT_BYTES;

/// Records of a full block, which is 64 KiB with its head: some ten microseconds of checksum, and little to read again
/// for whoever looks for what is corrupt.
pub const BLOCK_RECORDS: usize = 4_095;

/// Units of a full block.
pub(crate) const BLOCK_UNITS: usize = BLOCK_RECORDS + 1;

/// Records of a trace, at the most: 16 TiB of them. More is no trace that anybody made, but a header that lies.
pub const RECORDS_MAX: u64 = 1 << 40;

/// Users of a trace, at the most: as many as a run can have.
pub const USERS_MAX: u32 = 100_000_000;

/// Bytes of a document, at the most: as many as a run can publish.
pub const DOCUMENT_BYTES_MAX: u32 = 1 << 20;

/// Microseconds since the begin, at the most: 48 bits, 8.9 years.
pub const TIME_MAX_US: u64 = (1 << 48) - 1;

/// The unit that a record is, in the whole file.
#[must_use]
pub(crate) fn unit_of(record: u64) -> u64 {
    (HEADER_BYTES / UNIT_BYTES) as u64 + 1 + record + record / BLOCK_RECORDS as u64
}

/// Bytes of a file of so many records.
#[must_use]
pub fn file_bytes(records: u64) -> u64 {
    HEADER_BYTES as u64 + (records + records.div_ceil(BLOCK_RECORDS as u64)) * UNIT_BYTES as u64
}
