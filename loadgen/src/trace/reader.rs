//! A trace read as a stream, and validated on the way: header, every block's checksum and place, every record, the end.
//!
//! The invariant: an event comes out only if it is right, its block's checksum is, and so is everything before it; the
//! end comes only if everything is. Takes 64 KiB whatever the file says, for no size in a file is believed before it is checked; costs ten
//! nanoseconds a record, the checksum over its bytes included, and what the disk takes.

use std::io::{self, Read};

use super::fault::Fault;
use super::record::{Bounds, Event, Record};
use super::{BLOCK_RECORDS, BLOCK_UNITS, HEADER_BYTES, Header, UNIT_BYTES};

/// Reads one trace. An iterator over its events, which ends with the first fault.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    header: Header,
    bounds: Bounds,
    /// The block's head and its records, of which the next is `at`.
    block: Vec<Record>,
    at: usize,
    /// The number of the next record.
    next: u64,
    is_over: bool,
}

impl<R: Read> Reader<R> {
    /// Begins with the header.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub fn begin(mut source: R) -> Result<Self, Fault> {
        let mut bytes = [0; HEADER_BYTES];
        let found = read_all(&mut source, &mut bytes)?;
        if found < HEADER_BYTES {
            return Err(Fault::NoHeader(found));
        }
        let header = Header::from_bytes(&bytes)?;
        Ok(Self {
            source,
            bounds: Bounds::new(header.users, header.composed),
            header,
            block: Vec::with_capacity(BLOCK_UNITS),
            at: 0,
            next: 0,
            is_over: false,
        })
    }

    /// What the trace says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    fn try_next(&mut self) -> Result<Option<Event>, Fault> {
        if self.at == self.block.len() {
            if self.next == self.header.records {
                return self.expect_the_end();
            }
            self.read_block()?;
        }
        let event = self.block[self.at].unpack().and_then(|event| self.bounds.check(&event).map(|()| event));
        let event = event.map_err(|wrong| Fault::Record { record: self.next, wrong })?;
        self.at += 1;
        self.next += 1;
        Ok(Some(event))
    }

    fn expect_the_end(&mut self) -> Result<Option<Event>, Fault> {
        match read_all(&mut self.source, &mut [0])? {
            0 => Ok(None),
            _ => Err(Fault::Trailing(self.header.records)),
        }
    }

    fn read_block(&mut self) -> Result<(), Fault> {
        let Header { records, .. } = self.header;
        let (record, block) = (self.next, self.next / BLOCK_RECORDS as u64);
        let in_block = (records - record).min(BLOCK_RECORDS as u64);
        self.block.resize(in_block as usize + 1, bytemuck::Zeroable::zeroed());
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.block);
        let found = read_all(&mut self.source, bytes)?;
        if found < bytes.len() {
            return Err(Fault::Truncated { block, record, found, expected: bytes.len(), records });
        }
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        let (found, expected) = (word(0), crc32fast::hash(&bytes[4..]));
        if found != expected {
            return Err(Fault::BlockChecksum { block, record, last: record + in_block - 1, found, expected });
        }
        let wrong = |field, found, expected| Err(Fault::Block { block, field, found, expected });
        if u64::from(word(4)) != in_block {
            return wrong("number of records", word(4).into(), in_block);
        }
        let first = u64::from_le_bytes(std::array::from_fn(|byte| bytes[UNIT_BYTES / 2 + byte]));
        if first != record {
            return wrong("first record", first, record);
        }
        self.at = 1;
        Ok(())
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Event, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.try_next().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// As much as there is, up to the buffer's length.
fn read_all(source: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Fault> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(Fault::Io { doing: "read", cause }),
        }
    }
    Ok(filled)
}
