//! A validated trace as memory, so that a hundred million events are replayed without being read into it.
//!
//! Shared by the publishers of all shards, each of which walks through all of it in order and takes its own users'
//! events. What they look at are pages of the system's cache: 1.6 GB of trace take nothing of the process's own memory,
//! and what was looked at can be taken away again when the engine needs the room.
//!
//! This is the one module of the load generator with an unsafe block: the map itself. It is unsafe because a map is
//! the file, and others can change a file. What was thought of that:
//!
//! * A lock keeps other commands of this program away from the file while it is mapped ([`super::files`]). It is
//!   advisory; everybody else can write all the same.
//! * Whoever *writes* into the file changes records that were validated. So each record is copied out, whatever it
//!   says is checked again ([`Mapped::event`]), and every pattern of bits is a record: what comes of it is a wrong event
//!   or a fault that ends the run, and no access outside.
//! * Whoever *truncates* the file has the system end this process with SIGBUS at the next event. The measurement is
//!   lost, nothing else is. A handler of the signal could not give the event back either.
//! * A copy is no alternative: in memory it is 1.6 GB of what the engine under measurement is weighed and run in, and
//!   reading piece by piece instead is a system call, and a wait for the disk, on the core that is measured. A copy in
//!   a file without a name could not be truncated, but takes the disk once more and the time to write it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use memmap2::{Advice, Mmap};

use super::fault::{Fault, Wrong};
use super::record::{Bounds, Event, Record};
use super::{Header, Reader, Summary, TraceError, files};

/// A mapped trace.
#[derive(Debug)]
pub struct Mapped {
    path: PathBuf,
    map: Mmap,
    header: Header,
    summary: Summary,
    /// Open as long as there is the map: its lock goes with it.
    _file: File,
}

impl Mapped {
    /// Validates a trace from begin to end, and maps it. The pass costs what a checksum over all of it costs, and leaves
    /// it in the system's cache if there is room.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        Self::try_open(path, files::open(path)?).map_err(|fault| TraceError::new(path, fault))
    }

    fn try_open(path: &Path, file: File) -> Result<Self, Fault> {
        let mut reader = Reader::begin(&file)?;
        let header = *reader.header();
        let summary = Summary::of(&mut reader)?;
        let mapped = |cause| Fault::Io { doing: "mapped", cause };
        // SAFETY: the map is read only, and nothing that was read from it is relied upon later: see the module's header
        // for what a change of the file by others comes to.
        let map = unsafe { Mmap::map(&file) }.map_err(mapped)?;
        if map.len() as u64 != super::file_bytes(header.records) {
            return Err(mapped(io::Error::other("its length was changed while it was validated")));
        }
        // Read ahead, and let go of what is behind. A hint: without it, it is slower.
        let _ = map.advise(Advice::Sequential);
        Ok(Self { path: path.to_owned(), map, header, summary, _file: file })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What is in it.
    #[must_use]
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The event with this number; nothing after the last.
    ///
    /// # Errors
    /// A record that is no longer what it was.
    #[inline]
    pub fn event(&self, number: u64) -> Result<Option<Event>, Wrong> {
        if number >= self.header.records {
            return Ok(None);
        }
        let units: &[Record] = bytemuck::try_cast_slice(&self.map[..]).unwrap_or_default();
        let Some(record) = units.get(super::unit_of(number) as usize) else { return Ok(None) };
        let event = record.unpack()?;
        Bounds::new(self.header.users, self.header.composed).check(&event)?;
        Ok(Some(event))
    }
}
