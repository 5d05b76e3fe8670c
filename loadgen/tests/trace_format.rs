//! The format of traces: what is written is read, what is damaged is told, and nothing is a trace before it is whole.

mod traces;

use std::io::{self, Cursor, Seek, SeekFrom, Write};

use fanfare_loadgen::trace::map::Mapped;
use fanfare_loadgen::trace::{BLOCK_RECORDS, Event, Fault, HEADER_BYTES, Header, Kind, Writer, file_bytes};
use proptest::prelude::*;
use traces::{BLOCK_BYTES, HEADER, drawn, read, repair, scratch, write};

fn fault(file: &[u8]) -> String {
    read(file).unwrap_err().to_string()
}

#[test]
fn blocks_of_every_length_are_read_back() {
    for count in [0, 1, 2, BLOCK_RECORDS - 1, BLOCK_RECORDS, BLOCK_RECORDS + 1, 3 * BLOCK_RECORDS] {
        let events = drawn(count, 1);
        let file = write(HEADER, &events);
        assert_eq!(file.len() as u64, file_bytes(count as u64));
        assert_eq!(read(&file).unwrap(), (Header { records: count as u64, ..HEADER }, events));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_an_event_is_read_back(
        mut events in prop::collection::vec(any::<(u64, u32, u8, u32)>(), 0..50).prop_map(|drawn| {
            let event = |(time, user, kind, bytes): (u64, u32, u8, u32)| Event {
                at_us: time >> 16,
                user: user % HEADER.users,
                kind: match kind % 4 {
                    0 => Kind::PublishIdle,
                    1 => Kind::EditPolicy,
                    _ => Kind::Publish { category: kind >> 5, bytes: bytes % (1 << 20) },
                },
            };
            drawn.into_iter().map(event).collect::<Vec<_>>()
        })
    ) {
        events.sort_by_key(|event| event.at_us);
        let (header, found) = read(&write(HEADER, &events)).unwrap();
        prop_assert_eq!(header.records, events.len() as u64);
        prop_assert_eq!(found, events);
    }
}

#[test]
fn the_bytes_are_those_of_the_documented_format() {
    let event = Event { at_us: 3, user: 258, kind: Kind::Publish { category: 4, bytes: 24 } };
    let file = write(Header { users: 300, composed: false, seed: None, ..HEADER }, &[event]);
    assert_eq!(&file[..12], b"FANTRACE\x02\x00\x10\x00");
    assert_eq!(file[16..24], 1u64.to_le_bytes());
    assert_eq!(file[32..40], [44, 1, 0, 0, 0, 0, 1, 0]);
    assert_eq!(file[60..64], crc32fast::hash(&file[..60]).to_le_bytes());
    assert_eq!(file[64..68], crc32fast::hash(&file[68..]).to_le_bytes());
    assert_eq!(file[68..80], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(file[80..], [3, 0, 0, 0, 0, 0, 1, 4, 2, 1, 0, 0, 24, 0, 0, 0]);
}

#[test]
fn a_trace_that_is_not_whole_is_told_wherever_it_ends() {
    let file = write(HEADER, &drawn(BLOCK_RECORDS + 10, 2));
    for length in (0..HEADER_BYTES).chain((HEADER_BYTES..file.len()).step_by(997)).chain([file.len() - 1]) {
        let said = fault(&file[..length]);
        let block = length.saturating_sub(HEADER_BYTES) / BLOCK_BYTES;
        let expected = match length {
            0..HEADER_BYTES => format!("it ends after {length} bytes"),
            _ => format!("it is truncated: block {block}, from record {} on, ends after", block * BLOCK_RECORDS),
        };
        assert!(said.contains(&expected), "{length}: {said}");
    }
    let longer = [&file[..], &[0]].concat();
    assert!(fault(&longer).contains("goes on after its last record"), "{}", fault(&longer));
}

#[test]
fn a_trace_that_was_never_finished_is_told() {
    let mut file = Cursor::new(Vec::new());
    let mut writer = Writer::begin(&mut file, HEADER).unwrap();
    drawn(2 * BLOCK_RECORDS, 3).iter().for_each(|event| writer.push(event).unwrap());
    drop(writer);
    assert!(fault(file.get_ref()).contains("never finished"), "{}", fault(file.get_ref()));
}

#[test]
fn every_changed_byte_is_found_and_the_block_is_named() {
    let file = write(HEADER, &drawn(BLOCK_RECORDS + 10, 4));
    for at in (0..file.len()).step_by(311).chain(HEADER_BYTES..HEADER_BYTES + 16) {
        let mut damaged = file.clone();
        damaged[at] ^= 0x40;
        let said = fault(&damaged);
        if at >= HEADER_BYTES {
            let block = (at - HEADER_BYTES) / BLOCK_BYTES;
            assert!(said.starts_with(&format!("block {block} is corrupt, somewhere in records")), "byte {at}: {said}");
        }
    }
}

#[test]
fn what_no_checksum_finds_is_found_by_its_meaning() {
    let file = write(HEADER, &drawn(2 * BLOCK_RECORDS, 5));
    let changed = |at: usize, with: &[u8]| {
        let mut file = file.clone();
        file[at..at + with.len()].copy_from_slice(with);
        repair(&mut file);
        fault(&file)
    };
    let second = HEADER_BYTES + BLOCK_BYTES;
    let tenth = second + 16 + 9 * 16;
    let number = BLOCK_RECORDS + 9;
    let said = changed(tenth + 6, &[9]);
    assert!(said.contains(&format!("record {number}: kind 9, but 1")), "{said}");
    let said = changed(tenth + 6, &[17]);
    assert!(said.contains(&format!("record {number}: kind 17 (sign-out)")), "{said}");
    let said = changed(tenth, &[0; 6]);
    assert!(said.contains(&format!("record {number}: 0 us after the begin, but the record before is at")), "{said}");
    let said = changed(tenth + 8, &1_000u32.to_le_bytes());
    assert!(said.contains(&format!("record {number}: user 1000, but the trace has users below 1000")), "{said}");
    let said = changed(second + 8, &[0; 8]);
    assert!(said.contains("block 1 is out of place: its first record is 0, but 4095"), "{said}");
    let said = changed(second + 4, &[0; 4]);
    assert!(said.contains("its number of records is 0, but 4095"), "{said}");
    let said = changed(8, &[3, 0]);
    assert!(said.contains("format version 3, newer than version 2"), "{said}");
    let said = changed(12, &[4]);
    assert!(said.contains("but its header says that presence is not composed"), "{said}");
}

/// Takes so many bytes, and then is full.
struct Full {
    left: usize,
    at: Cursor<Vec<u8>>,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = self.at.write(&bytes[..bytes.len().min(self.left)])?;
        self.left -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Full {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at.seek(to)
    }
}

#[test]
fn a_full_disk_is_an_error_and_never_a_trace() {
    let events = drawn(2 * BLOCK_RECORDS + 5, 6);
    let whole = write(HEADER, &events).len() + HEADER_BYTES;
    for left in [0, 10, HEADER_BYTES, HEADER_BYTES + 100, HEADER_BYTES + BLOCK_BYTES, whole - HEADER_BYTES, whole - 1] {
        let mut disk = Full { left, at: Cursor::new(Vec::new()) };
        let mut attempt = || -> Result<Header, Fault> {
            let mut writer = Writer::begin(&mut disk, HEADER)?;
            events.iter().try_for_each(|event| writer.push(event))?;
            writer.finish()
        };
        let fault = attempt().unwrap_err();
        let Fault::Io { doing: "written", cause } = &fault else { panic!("{left}: {fault}") };
        assert_eq!(cause.kind(), io::ErrorKind::StorageFull);
        assert!(read(disk.at.get_ref()).is_err(), "{left}: what was left behind passes for a trace");
    }
    let device = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert!(matches!(Writer::begin(&device, HEADER), Err(Fault::Io { doing: "written", .. })));
}

#[test]
fn what_is_no_event_of_the_trace_is_not_written() {
    let mut writer = Writer::begin(Cursor::new(Vec::new()), Header { composed: false, ..HEADER }).unwrap();
    let publish = Kind::Publish { category: 0, bytes: 1 };
    writer.push(&Event { at_us: 9, user: 0, kind: publish }).unwrap();
    let mut refused = |at_us, user, kind| writer.push(&Event { at_us, user, kind }).unwrap_err().to_string();
    assert!(refused(8, 0, publish).contains("record 1: 8 us after the begin"));
    assert!(refused(9, 1_000, publish).contains("record 1: user 1000"));
    assert!(refused(9, 0, Kind::EditPolicy).contains("record 1: kind 3"));
    assert_eq!(writer.records(), 1);
}

#[test]
fn a_map_has_the_events_that_were_validated() {
    let path = scratch("map.trace");
    let events = drawn(2 * BLOCK_RECORDS + 5, 8);
    std::fs::write(&path, write(HEADER, &events)).unwrap();
    let mapped = Mapped::open(&path).unwrap();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(mapped.event(number as u64), Ok(Some(*event)), "{number}");
    }
    assert_eq!(mapped.event(events.len() as u64), Ok(None));
    assert_eq!(mapped.event(u64::MAX), Ok(None));
    assert_eq!(
        mapped.summary().shown().events + mapped.summary().idle.events + mapped.summary().policies.events,
        events.len() as u64
    );
    assert_eq!(mapped.summary().last_us, events.last().unwrap().at_us);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_map_of_a_file_that_somebody_writes_into_tells_it_and_reads_nothing_else() {
    let path = scratch("written.trace");
    std::fs::write(&path, write(HEADER, &drawn(BLOCK_RECORDS, 9))).unwrap();
    let mapped = Mapped::open(&path).unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start((HEADER_BYTES + 16) as u64)).unwrap();
    file.write_all(&[0xff; 160]).unwrap();
    for number in 0..10 {
        assert!(mapped.event(number).is_err(), "{number}");
    }
    assert!(mapped.event(10).is_ok());
    std::fs::remove_file(path).unwrap();
}
