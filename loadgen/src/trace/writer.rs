//! A trace written as a stream: one block in memory, its checksum when it is full, the count at the end.
//!
//! The invariant: until [`Writer::finish`] has written everything, the file's header says that it was never finished,
//! so what a full disk or a killed process leaves behind is told from a whole trace. Costs 64 KiB, one write for each
//! 4,095 records, and a checksum over every byte.

use std::io::{self, Seek, SeekFrom, Write};

use super::fault::Fault;
use super::record::{Bounds, Event, Record};
use super::{BLOCK_RECORDS, BLOCK_UNITS, Header, RECORDS_MAX, UNIT_BYTES, USERS_MAX};

/// Writes one trace.
#[derive(Debug)]
pub struct Writer<W> {
    sink: W,
    header: Header,
    bounds: Bounds,
    /// Whether the header is to say at the end what the events came to.
    is_open: bool,
    /// The block's head and its records.
    block: Vec<Record>,
}

impl<W: Write + Seek> Writer<W> {
    /// Begins a trace of which everything is known but the number of records.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn begin(sink: W, header: Header) -> Result<Self, Fault> {
        Self::new(sink, header, Bounds::new(header.users, header.composed), false)
    }

    /// Begins a trace of which nothing is known: its users, and whether presence is composed, will be what the events
    /// come to.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn begin_unknown(sink: W) -> Result<Self, Fault> {
        Self::new(sink, Header::default(), Bounds::new(USERS_MAX, true), true)
    }

    fn new(mut sink: W, header: Header, bounds: Bounds, is_open: bool) -> Result<Self, Fault> {
        sink.seek(SeekFrom::Start(0)).and_then(|_| sink.write_all(&header.to_open_bytes())).map_err(written)?;
        let mut block = Vec::with_capacity(BLOCK_UNITS);
        block.push(head());
        Ok(Self { sink, header: Header { records: 0, ..header }, bounds, is_open, block })
    }

    /// Writes one event.
    ///
    /// # Errors
    /// An event that cannot be in this trace, and what the operating system says.
    pub fn push(&mut self, event: &Event) -> Result<(), Fault> {
        let record = self.header.records;
        if record == RECORDS_MAX {
            return Err(Fault::TooMany);
        }
        self.bounds.check(event).map_err(|wrong| Fault::Record { record, wrong })?;
        self.block.push(Record::pack(event));
        self.header.records += 1;
        if self.is_open {
            self.header.users = self.header.users.max(event.user + 1);
            self.header.composed |= event.kind.is_composed();
        }
        if self.block.len() == BLOCK_UNITS { self.write_block() } else { Ok(()) }
    }

    /// Events so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.header.records
    }

    /// Writes what is left, and then that it is finished. Tells the header as it stands in the file.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn finish(mut self) -> Result<Header, Fault> {
        if self.block.len() > 1 {
            self.write_block()?;
        }
        // What was written before must not be lost after the header says that it is there.
        self.sink.flush().map_err(written)?;
        let end = self.sink.seek(SeekFrom::Start(0)).and_then(|_| self.sink.write_all(&self.header.to_bytes()));
        end.and_then(|()| self.sink.flush()).map_err(written)?;
        Ok(self.header)
    }

    fn write_block(&mut self) -> Result<(), Fault> {
        let records = self.block.len() - 1;
        let first = self.header.records - records as u64;
        debug_assert_eq!(first % BLOCK_RECORDS as u64, 0);
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut self.block);
        bytes[4..8].copy_from_slice(&(records as u32).to_le_bytes());
        bytes[8..UNIT_BYTES].copy_from_slice(&first.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[4..]);
        bytes[0..4].copy_from_slice(&checksum.to_le_bytes());
        self.sink.write_all(bytes).map_err(written)?;
        self.block.clear();
        self.block.push(head());
        Ok(())
    }
}

/// Room for a block's head.
fn head() -> Record {
    bytemuck::Zeroable::zeroed()
}

fn written(cause: io::Error) -> Fault {
    Fault::Io { doing: "written", cause }
}
