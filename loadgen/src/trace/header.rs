//! The first 64 bytes of a trace: that it is one, of which version, how long, and what is needed to replay it.
//!
//! The invariant: magic and version stand where they stand in every version, and are looked at before anything else.

use super::fault::Fault;
use super::{BLOCK_UNITS, HEADER_BYTES, RECORDS_MAX, UNIT_BYTES, USERS_MAX};

/// What every trace begins with.
pub(super) const MAGIC: [u8; 8] = *b"FANTRACE";

/// The version that is written and read here.
pub(super) const VERSION: u16 = 2;

/// The count of a file that is being written.
const OPEN: u64 = u64::MAX;

const COMPOSED: u32 = 1;
const ANONYMISED: u32 = 2;
const SEEDED: u32 = 4;

/// Where the checksum stands.
const CHECKED: usize = HEADER_BYTES - 4;

/// What a trace says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Events in it.
    pub records: u64,
    /// All numbers of users are below.
    pub users: u32,
    /// Whether it has what only composed presence knows: endpoints that are not shown, policies.
    pub composed: bool,
    /// Whether its users were renumbered under a key.
    pub anonymised: bool,
    /// What the population was drawn from, if it was drawn and its numbers are still in the trace.
    pub seed: Option<u64>,
}

impl Header {
    /// Its bytes, for a file that is finished.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        self.with_count(self.records)
    }

    /// Its bytes, for a file that is being written.
    #[must_use]
    pub fn to_open_bytes(&self) -> [u8; HEADER_BYTES] {
        self.with_count(OPEN)
    }

    fn with_count(&self, count: u64) -> [u8; HEADER_BYTES] {
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        let flags =
            flag(self.composed, COMPOSED) | flag(self.anonymised, ANONYMISED) | flag(self.seed.is_some(), SEEDED);
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[10..12].copy_from_slice(&(UNIT_BYTES as u16).to_le_bytes());
        bytes[12..16].copy_from_slice(&flags.to_le_bytes());
        bytes[16..24].copy_from_slice(&count.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.seed.unwrap_or(0).to_le_bytes());
        bytes[32..36].copy_from_slice(&self.users.to_le_bytes());
        bytes[36..40].copy_from_slice(&((BLOCK_UNITS * UNIT_BYTES) as u32).to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..CHECKED]);
        bytes[CHECKED..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header of these bytes.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Fault> {
        if !bytes.starts_with(&MAGIC) {
            return Err(Fault::Magic(std::array::from_fn(|at| bytes[at])));
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if version != VERSION {
            return Err(Fault::Version { found: version });
        }
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        let long = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        let (found, expected) = (word(CHECKED), crc32fast::hash(&bytes[..CHECKED]));
        if found != expected {
            return Err(Fault::HeaderChecksum { found, expected });
        }
        let wrong = |field, found, expected: String| Err(Fault::Header { field, found, expected });
        let record_bytes = u16::from_le_bytes([bytes[10], bytes[11]]);
        if usize::from(record_bytes) != UNIT_BYTES {
            return wrong("bytes of a record", record_bytes.into(), UNIT_BYTES.to_string());
        }
        let block_bytes = word(36) as usize;
        if block_bytes != BLOCK_UNITS * UNIT_BYTES {
            return wrong("bytes of a block", block_bytes as u64, (BLOCK_UNITS * UNIT_BYTES).to_string());
        }
        let flags = word(12);
        if flags > COMPOSED | ANONYMISED | SEEDED {
            return wrong("flags", flags.into(), format!("at most {}", COMPOSED | ANONYMISED | SEEDED));
        }
        if let Some(at) = (40..CHECKED).find(|&at| bytes[at] != 0) {
            return wrong("a byte kept free", bytes[at].into(), "0".to_owned());
        }
        let users = word(32);
        if users > USERS_MAX {
            return wrong("users", users.into(), format!("at most {USERS_MAX}"));
        }
        let (records, seed) = (long(16), long(24));
        if records == OPEN {
            return Err(Fault::Unfinished);
        }
        if records > RECORDS_MAX {
            return wrong("records", records, format!("at most {RECORDS_MAX}"));
        }
        if flags & SEEDED == 0 && seed != 0 {
            return wrong("the seed", seed, "0, for the flags say that there is none".to_owned());
        }
        Ok(Self {
            records,
            users,
            composed: flags & COMPOSED != 0,
            anonymised: flags & ANONYMISED != 0,
            seed: (flags & SEEDED != 0).then_some(seed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { records: 9, users: 80_000, composed: true, anonymised: false, seed: Some(3) };

    /// The header with these bytes in it, and a checksum that is right for them.
    fn changed(at: usize, with: &[u8]) -> Fault {
        let mut bytes = HEADER.to_bytes();
        bytes[at..at + with.len()].copy_from_slice(with);
        let checksum = crc32fast::hash(&bytes[..CHECKED]);
        bytes[CHECKED..].copy_from_slice(&checksum.to_le_bytes());
        Header::from_bytes(&bytes).unwrap_err()
    }

    #[test]
    fn a_header_is_read_back() {
        for header in [HEADER, Header::default(), Header { anonymised: true, seed: None, ..HEADER }] {
            assert_eq!(Header::from_bytes(&header.to_bytes()).unwrap(), header);
            assert!(matches!(Header::from_bytes(&header.to_open_bytes()), Err(Fault::Unfinished)));
        }
    }

    #[test]
    fn every_byte_is_checked() {
        for at in 0..HEADER_BYTES {
            let mut bytes = HEADER.to_bytes();
            bytes[at] ^= 0x10;
            let fault = Header::from_bytes(&bytes).unwrap_err();
            let right = match at {
                0..8 => matches!(fault, Fault::Magic(_)),
                8..10 => matches!(fault, Fault::Version { .. }),
                _ => matches!(fault, Fault::HeaderChecksum { .. }),
            };
            assert!(right, "byte {at}: {fault}");
        }
    }

    #[test]
    fn what_cannot_be_is_said_with_what_was_expected() {
        let said = |at, with: &[u8]| changed(at, with).to_string();
        assert!(said(8, &[3, 0]).contains("version 3, newer than version 2"));
        assert!(said(8, &[1, 0]).contains("version 1, older than version 2"));
        assert!(said(10, &[24, 0]).contains("bytes of a record is 24, but 16 was expected"));
        assert!(said(36, &[0, 1, 0, 0]).contains("bytes of a block is 256, but 65536 was expected"));
        assert!(said(12, &[8]).contains("flags is 8, but at most 7"));
        assert!(said(12, &[1]).contains("the seed is 3, but 0"));
        assert!(said(50, &[1]).contains("a byte kept free is 1, but 0"));
        assert!(said(32, &[0xff; 4]).contains("users is 4294967295"));
        assert!(said(16, &(RECORDS_MAX + 1).to_le_bytes()).contains("records is 1099511627777"));
    }
}
