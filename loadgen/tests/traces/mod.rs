//! Traces to try things on.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod folder;

use std::io::Cursor;
use std::path::PathBuf;

use fanfare_loadgen::trace::{BLOCK_RECORDS, Event, Fault, HEADER_BYTES, Header, Kind, Reader, Writer};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// What the traces say of themselves.
pub(crate) const HEADER: Header = Header { records: 0, users: 1_000, composed: true, anonymised: false, seed: Some(7) };

/// Bytes of a full block.
pub(crate) const BLOCK_BYTES: usize = (BLOCK_RECORDS + 1) * 16;

/// The file of these events.
pub(crate) fn write(header: Header, events: &[Event]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut writer = Writer::begin(&mut file, header).unwrap();
    events.iter().for_each(|event| writer.push(event).unwrap());
    assert_eq!(writer.finish().unwrap().records, events.len() as u64);
    file.into_inner()
}

/// What is in a file.
pub(crate) fn read(file: &[u8]) -> Result<(Header, Vec<Event>), Fault> {
    let reader = Reader::begin(file)?;
    let header = *reader.header();
    Ok((header, reader.collect::<Result<_, _>>()?))
}

/// So many events, each of some kind.
pub(crate) fn drawn(count: usize, seed: u64) -> Vec<Event> {
    let mut noise = SplitMix64::seed_from_u64(seed);
    let mut at_us = 0;
    let events = (0..count).map(|_| {
        let bits = noise.next_u64();
        at_us += bits & 0xff;
        let kind = match bits >> 8 & 0xf {
            0 => Kind::PublishIdle,
            1 => Kind::EditPolicy,
            category => Kind::Publish { category: category as u8 % 8, bytes: (bits >> 12) as u32 & 0xf_ffff },
        };
        Event { at_us, user: (bits >> 40) as u32 % HEADER.users, kind }
    });
    events.collect()
}

/// Makes all checksums right.
pub(crate) fn repair(file: &mut [u8]) {
    if let Some(header) = file.get_mut(..HEADER_BYTES) {
        let checksum = crc32fast::hash(&header[..HEADER_BYTES - 4]);
        header[HEADER_BYTES - 4..].copy_from_slice(&checksum.to_le_bytes());
        for block in file[HEADER_BYTES..].chunks_mut(BLOCK_BYTES).filter(|block| block.len() >= 4) {
            let checksum = crc32fast::hash(&block[4..]);
            block[..4].copy_from_slice(&checksum.to_le_bytes());
        }
    }
}

/// A path for one test alone.
pub(crate) fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}
