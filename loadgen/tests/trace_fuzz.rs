//! Mutated traces and mutated CSV: refused with a reason, or read as they are. For half a second each, or for as long as
//! `FANFARE_FUZZ_SECONDS` says; alone in its program, so that the memory it takes is its own.

mod traces;

use std::io::Cursor;
use std::path::Path;
use std::time::{Duration, Instant};

use fanfare_loadgen::trace::export::export;
use fanfare_loadgen::trace::import::{How, ImportError, Rows};
use fanfare_loadgen::trace::map::Mapped;
use fanfare_loadgen::trace::{BLOCK_RECORDS, Reader, Writer};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use traces::{HEADER, drawn, read, repair, scratch, write};

/// How long each kind of file is tried.
fn how_long() -> Duration {
    let seconds = std::env::var("FANFARE_FUZZ_SECONDS").ok().and_then(|text| text.parse::<f64>().ok()).unwrap_or(1.0);
    Duration::from_secs_f64(seconds / 2.0)
}

/// Addresses that this process has had at most, in KiB: memory that was asked for and not used counts, too.
fn peak_kib() -> u64 {
    procfs::process::Process::myself().unwrap().status().unwrap().vmpeak.unwrap()
}

#[test]
fn mutated_files_are_refused_or_read_as_they_are() {
    mutated_traces();
    mutated_csv();
}

/// Mutates whole traces, half of them with checksums made right again. Whatever is read to its end, written again, must
/// give the same bytes: so what is wrong is refused, and what is right is read as it is. Nothing may panic, and no file
/// may have the reader take memory that it says.
fn mutated_traces() {
    let wholes: Vec<_> =
        [0, 1, 40, BLOCK_RECORDS, BLOCK_RECORDS + 7].map(|count| write(HEADER, &drawn(count, count as u64))).into();
    let path = scratch("fuzz.trace");
    let (begin, peak_before) = (Instant::now(), peak_kib());
    let (mut tried, mut read_to_the_end) = (0u64, 0u64);
    while begin.elapsed() < how_long() {
        tried += 1;
        let mut noise = SplitMix64::seed_from_u64(tried);
        let mut file = wholes[noise.next_u64() as usize % wholes.len()].clone();
        for _ in 0..=noise.next_u64() % 3 {
            mutate(&mut file, &wholes, &mut noise);
        }
        if noise.next_u64().is_multiple_of(2) {
            repair(&mut file);
        }
        let found = read(&file);
        if tried.is_multiple_of(16) {
            std::fs::write(&path, &file).unwrap();
            assert_eq!(Mapped::open(&path).is_ok(), found.is_ok(), "mutation {tried}");
        }
        if let Ok((header, events)) = found {
            read_to_the_end += 1;
            assert!(write(header, &events) == file, "mutation {tried} is read as something else than it is");
        }
    }
    // Some files and their events; what a header says can be sixteen TiB.
    let more_kib = peak_kib() - peak_before;
    assert!(more_kib < 64 * 1024, "{more_kib} KiB more than before");
    assert!(read_to_the_end != 0, "of {tried} none was right, so nothing but refusals was tried");
    println!("{tried} mutated traces, {read_to_the_end} of them right");
    let _ = std::fs::remove_file(path);
}

/// Mutates CSV. A trace that comes of it is a right one, and its CSV gives the same again.
fn mutated_csv() {
    let mut whole = Vec::new();
    let trace = write(HEADER, &drawn(60, 1));
    export(Reader::begin(&trace[..]).unwrap(), &mut whole).unwrap();
    let (begin, peak_before) = (Instant::now(), peak_kib());
    let (mut tried, mut imported) = (0u64, 0u64);
    while begin.elapsed() < how_long() {
        tried += 1;
        let mut noise = SplitMix64::seed_from_u64(tried);
        let mut text = whole.clone();
        mutate(&mut text, std::slice::from_ref(&whole), &mut noise);
        let how = How { numbers: tried.is_multiple_of(2), from_first: tried.is_multiple_of(3), key: None };
        match made_of(&text, how) {
            Err(error) => assert!(error.to_string().contains("fuzz.csv"), "{error}"),
            Ok(made) => {
                imported += 1;
                let mut again = Vec::new();
                export(Reader::begin(&made[..]).unwrap(), &mut again).unwrap();
                let remade = made_of(&again, How { numbers: true, ..How::default() }).unwrap();
                assert!(remade == made, "mutation {tried}: the same CSV gives another trace");
            }
        }
    }
    let more_kib = peak_kib() - peak_before;
    assert!(more_kib < 64 * 1024, "{more_kib} KiB more than before");
    assert!(imported != 0, "of {tried} none was right, so nothing but refusals was tried");
    println!("{tried} mutated CSV files, {imported} of them right");
}

/// The trace of this CSV.
fn made_of(text: &[u8], how: How) -> Result<Vec<u8>, ImportError> {
    let mut made = Cursor::new(Vec::new());
    let mut writer = Writer::begin_unknown(&mut made).unwrap();
    for event in Rows::begin(text, Path::new("fuzz.csv"), how)? {
        writer.push(&event?).expect("what was read can be written");
    }
    writer.finish().unwrap();
    Ok(made.into_inner())
}

fn mutate(file: &mut Vec<u8>, wholes: &[Vec<u8>], noise: &mut SplitMix64) {
    let mut below = |bound: usize| noise.next_u64() as usize % bound.max(1);
    // Half of all mutations are where most is said: in the header, and in the head of a block and its first records.
    let near = if below(2) == 0 { file.len().min(160) } else { file.len() };
    let at = below(near);
    match below(6) {
        0 if at < file.len() => file[at] ^= 1 << below(8),
        1 if at < file.len() => file[at] = [0, 1, 0x7f, 0x80, 0xff][below(5)],
        2 => file.truncate(at),
        3 => {
            let inserted = vec![below(256) as u8; below(40)];
            file.splice(at..at, inserted);
        }
        4 => {
            let end = at + below(file.len() - at + 1).min(64);
            file.drain(at..end);
        }
        _ => {
            let other = &wholes[below(wholes.len())];
            let from = below(other.len());
            let length = below(200).min(other.len() - from).min(file.len() - at.min(file.len()));
            let end = at + length;
            file.splice(at..end, other[from..from + length].to_vec());
        }
    }
}
