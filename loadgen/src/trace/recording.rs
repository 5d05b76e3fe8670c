//! What the publishers of a run did, on its way into a trace.
//!
//! A [`Tape`] lives on a shard's core, in its publisher: noting an event is one push into a ring of 6 MB that was taken
//! before the run, and no call of the system. A thread of its own empties the rings every few
//! milliseconds into files without names beside the trace, one a shard; at the end they are merged into it. The
//! invariant: what a tape took is in the trace, in the order of the plans, or, where a trace is replayed, in the order
//! of that trace; and nothing grows with the length of a run but those files, which end with the process, whatever ends
//! it. A publisher that finds its ring full waits, which shows as lag; how often is told.
//!
//! Cost: 24 bytes an event written once while it is measured, by a thread that has no core of its own, and 16 more at the
//! end. Ten million events replayed at the highest speed took 0.4 s longer with it, 40 ns an event, the thread's
//! competition for two busy cores included; at 20,000 a second that is a thousandth of a core.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytemuck::{Pod, Zeroable};
use itertools::kmerge_by;
use rtrb::{Consumer, Producer, PushError, RingBuffer};

use super::fault::Fault;
use super::files::Output;
use super::record::{Event, Record};
use super::{Header, TraceError};

/// Events under way from one publisher to the thread: 50 ms of them at 5 million a second, 13 s at 20,000.
const RING: usize = 1 << 18;

/// How often the thread looks when there was nothing.
const LOOK_UP: Duration = Duration::from_millis(2);

/// How long a publisher waits for room before it looks again.
const WAIT: Duration = Duration::from_micros(50);

/// Bytes of a file's part in memory, written and read at once.
const BUFFER_BYTES: usize = 1 << 18;

/// An event on its way, and its place among all.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct Entry {
    place: u64,
    record: [u8; 16],
}

/// The end of a recording that a publisher has.
#[derive(Debug)]
pub struct Tape {
    ring: Producer<Entry>,
    waits: Arc<AtomicU64>,
}

impl Tape {
    /// Notes an event down. `place` is its place among those of all shards.
    pub fn note(&mut self, place: u64, event: &Event) {
        let mut entry = Entry { place, record: bytemuck::cast(Record::pack(event)) };
        while let Err(PushError::Full(back)) = self.ring.push(entry) {
            // A recording that has failed is no reason to stop the run: it is told at the end.
            if self.ring.is_abandoned() {
                return;
            }
            self.waits.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(WAIT);
            entry = back;
        }
    }
}

/// The end of a recording that the main thread has.
#[derive(Debug)]
pub struct Recording {
    thread: Option<JoinHandle<Result<Vec<File>, io::Error>>>,
    is_over: Arc<AtomicBool>,
    waits: Arc<AtomicU64>,
}

/// What was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Events.
    pub events: u64,
    /// Bytes of the trace.
    pub bytes: u64,
    /// How often a publisher waited.
    pub waits: u64,
}

impl Recording {
    /// Begins to record so many shards, with files in this folder.
    ///
    /// # Errors
    /// Files and threads that the system does not give.
    pub fn start(folder: &Path, shards: usize) -> io::Result<(Self, Vec<Tape>)> {
        let (is_over, waits) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (mut tapes, mut tracks) = (Vec::new(), Vec::new());
        for _ in 0..shards {
            let (ring, entries) = RingBuffer::new(RING);
            tapes.push(Tape { ring, waits: Arc::clone(&waits) });
            let file = BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile_in(folder)?);
            tracks.push(Track { entries, file });
        }
        let over = Arc::clone(&is_over);
        let thread = std::thread::Builder::new().name("recording".to_owned()).spawn(move || collect(tracks, &over))?;
        Ok((Self { thread: Some(thread), is_over, waits }, tapes))
    }

    /// Ends it, when no publisher has anything left to note, and makes the trace of it.
    ///
    /// # Errors
    /// What could not be written, then or since the begin; that there was nothing to note.
    pub fn finish(mut self, output: &Output, header: Header) -> Result<Recorded, TraceError> {
        let files = self.collected().map_err(|cause| output.written(cause))?;
        // What an earlier run left there is worth more than nothing.
        if files
            .iter()
            .try_fold(0, |bytes, file| Ok(bytes + file.metadata()?.len()))
            .map_err(|cause| output.written(cause))?
            == 0
        {
            return Err(output.fault(Fault::Nothing));
        }
        let mut writer = output.trace(header)?;
        let mut last_us = 0;
        // Whoever comes first in the trace may have been sent later, where shards go on at their own pace.
        for entry in merged(files).map_err(|cause| output.written(cause))? {
            let entry = entry.map_err(|cause| output.written(cause))?;
            let event = bytemuck::cast::<_, Record>(entry.record).unpack();
            let event = event.map_err(|wrong| Fault::Record { record: writer.records(), wrong });
            let mut event = event.map_err(|fault| output.fault(fault))?;
            last_us = event.at_us.max(last_us);
            event.at_us = last_us;
            writer.push(&event).map_err(|fault| output.fault(fault))?;
        }
        let events = writer.finish().map_err(|fault| output.fault(fault))?.records;
        output.keep()?;
        Ok(Recorded { events, bytes: super::file_bytes(events), waits: self.waits.load(Ordering::Relaxed) })
    }

    fn collected(&mut self) -> io::Result<Vec<File>> {
        self.is_over.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return Ok(Vec::new()) };
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the recording's thread panicked")))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // A run that broke off: the files have no names, and go with the thread.
        let _ = self.collected();
    }
}

/// What the thread has of one shard.
struct Track {
    entries: Consumer<Entry>,
    file: BufWriter<File>,
}

/// Writes down what comes until it is over. An error ends it at once, and the publishers find their rings abandoned.
fn collect(mut tracks: Vec<Track>, is_over: &AtomicBool) -> io::Result<Vec<File>> {
    loop {
        // Asked before the rings are: what was pushed before the end is found after it.
        let was_over = is_over.load(Ordering::Acquire);
        let mut any = false;
        for track in &mut tracks {
            let slots = track.entries.slots();
            let Ok(chunk) = track.entries.read_chunk(slots) else { continue };
            let (first, second) = chunk.as_slices();
            track.file.write_all(bytemuck::cast_slice(first))?;
            track.file.write_all(bytemuck::cast_slice(second))?;
            any |= slots != 0;
            chunk.commit_all();
        }
        if !any && was_over {
            break;
        }
        if !any {
            std::thread::sleep(LOOK_UP);
        }
    }
    tracks.into_iter().map(|track| track.file.into_inner().map_err(io::IntoInnerError::into_error)).collect()
}

/// All entries in the order of their places; within one place, in the order of the shards.
fn merged(files: Vec<File>) -> io::Result<impl Iterator<Item = io::Result<Entry>>> {
    let mut sources = Vec::new();
    for (shard, mut file) in files.into_iter().enumerate() {
        let left = file.seek(SeekFrom::End(0))? / size_of::<Entry>() as u64;
        file.rewind()?;
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        sources.push((0..left).map(move |_| read_entry(&mut file).map(|entry| (shard, entry))));
    }
    // Errors first: they end it.
    let place = |found: &io::Result<(usize, Entry)>| found.as_ref().ok().map(|(shard, entry)| (entry.place, *shard));
    Ok(kmerge_by(sources, move |one: &io::Result<_>, other: &io::Result<_>| place(one) < place(other))
        .map(|found| found.map(|(_, entry)| entry)))
}

fn read_entry(file: &mut impl Read) -> io::Result<Entry> {
    let mut entry = Entry::zeroed();
    file.read_exact(bytemuck::bytes_of_mut(&mut entry))?;
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::super::{Kind, Reader};
    use super::*;

    const KIND: Kind = Kind::Publish { category: 0, bytes: 24 };

    #[test]
    fn what_shards_noted_is_one_trace_in_the_order_of_places() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::open(&folder.path().join("recorded.trace")).unwrap();
        let (recording, tapes) = Recording::start(folder.path(), 3).unwrap();
        // More than a ring holds, and no shard's clock is like the other's.
        let each = RING as u64 + 1_000;
        let at_us = |place: u64| place / 3 + 5 * (place % 3);
        let threads = tapes.into_iter().zip(0..).map(|(mut tape, shard)| {
            std::thread::spawn(move || {
                for number in 0..each {
                    let place = 3 * number + u64::from(shard);
                    tape.note(place, &Event { at_us: at_us(place), user: shard, kind: KIND });
                }
            })
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
        let header = Header { users: 3, ..Header::default() };
        let recorded = recording.finish(&output, header).unwrap();
        assert_eq!((recorded.events, recorded.bytes), (3 * each, super::super::file_bytes(3 * each)));
        drop(output);
        let file = File::open(folder.path().join("recorded.trace")).unwrap();
        assert_eq!(file.metadata().unwrap().len(), recorded.bytes);
        let mut last_us = 0;
        for (event, place) in Reader::begin(file).unwrap().zip(0..) {
            let event = event.unwrap();
            assert_eq!(u64::from(event.user), place % 3);
            last_us = last_us.max(at_us(place));
            assert_eq!(event.at_us, last_us, "no time goes back");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_disk_that_fills_ends_the_recording_and_holds_nobody_up() {
        let (ring, entries) = RingBuffer::new(8);
        let mut tape = Tape { ring, waits: Arc::default() };
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let track = Track { entries, file: BufWriter::with_capacity(64, full) };
        let thread = std::thread::spawn(move || collect(vec![track], &AtomicBool::new(false)));
        // Far more than the ring holds: it comes to an end only because nobody waits for what is gone.
        (0..1_000).for_each(|place| tape.note(place, &Event { at_us: place, user: 0, kind: KIND }));
        let error = thread.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
