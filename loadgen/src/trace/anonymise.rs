//! Users renumbered under a key: a permutation of all numbers of a trace's users, which nobody undoes without the key.
//!
//! A Feistel network of eight rounds whose round function is SipHash under the key, over the smallest even number of
//! bits that has room for all users; what falls outside is sent through again until it falls inside. So every user has
//! a number of its own again, no table is needed, and the same key and the same number of users give the same numbers.
//!
//! What is not hidden: when something happened, how often and how regularly the same user did something, and how large
//! documents were. Whoever knows one of these of somebody can find that user in the trace.

use std::fs::File;
use std::hash::Hasher;
use std::io::Read;
use std::path::{Path, PathBuf};

use siphasher::sip::SipHasher24;
use thiserror::Error;

use super::files::Output;
use super::record::Event;
use super::{Header, Reader, TraceError, files};

const ROUNDS: u8 = 8;

/// Bytes of a key.
const KEY_BYTES: usize = 16;

/// What a key file may be long, at the most: enough to say what is wrong with it.
const KEY_FILE_BYTES_MAX: u64 = 256;

/// A key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; KEY_BYTES]);

/// Why there is no key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file.
    #[error("--key-file {}: it cannot be read: {cause}", file.display())]
    Io {
        /// Its path.
        file: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// What is in it.
    #[error(
        "--key-file {}: {found}, but 32 hexadecimal digits were expected; `openssl rand -hex 16` makes them",
        file.display()
    )]
    Digits {
        /// Its path.
        file: PathBuf,
        /// What there is instead.
        found: String,
    },
}

impl Key {
    /// The key in a file: 32 hexadecimal digits, and space around them if need be.
    ///
    /// # Errors
    /// A file that cannot be read, or that holds something else.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let failed = |cause| KeyError::Io { file: path.to_owned(), cause };
        let mut text = Vec::new();
        File::open(path).map_err(failed)?.take(KEY_FILE_BYTES_MAX).read_to_end(&mut text).map_err(failed)?;
        Self::parse(text.trim_ascii()).map_err(|found| KeyError::Digits { file: path.to_owned(), found })
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        if let Some(at) = text.iter().position(|digit| !digit.is_ascii_hexdigit()) {
            return Err(format!("`{}` at character {}", text[at].escape_ascii(), at + 1));
        }
        if text.len() != 2 * KEY_BYTES {
            return Err(format!("{} digits", text.len()));
        }
        let digit = |at: usize| (text[at] as char).to_digit(16).unwrap_or(0) as u8;
        Ok(Self(std::array::from_fn(|byte| digit(2 * byte) << 4 | digit(2 * byte + 1))))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Key(..)")
    }
}

/// A permutation of the numbers below some number.
#[derive(Clone, Copy, Debug)]
pub struct Permutation {
    key: Key,
    users: u32,
    half_bits: u32,
}

impl Permutation {
    /// The key's permutation of so many users.
    #[must_use]
    pub fn new(key: Key, users: u32) -> Self {
        let bits = 32 - users.saturating_sub(1).leading_zeros();
        Self { key, users, half_bits: bits.div_ceil(2).max(1) }
    }

    /// The new number of a user. Takes eight hashes, and four times as many at the very most in the mean.
    ///
    /// # Panics
    /// If there is no such user.
    #[must_use]
    pub fn of(&self, user: u32) -> u32 {
        assert!(user < self.users, "user {user} of {}", self.users);
        let mut number = self.once(user);
        // A permutation of all numbers comes back to where it began, so it comes inside before.
        while number >= u64::from(self.users) {
            number = self.once(number as u32);
        }
        number as u32
    }

    fn once(&self, number: u32) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (u64::from(number) >> self.half_bits, u64::from(number) & mask);
        for round in 0..ROUNDS {
            let mut hasher = SipHasher24::new_with_key(&self.key.0);
            hasher.write_u8(round);
            hasher.write(&right.to_le_bytes());
            (left, right) = (right, left ^ hasher.finish() & mask);
        }
        left << self.half_bits | right
    }
}

/// Writes a trace again, with other numbers for its users, and without the seed that the old numbers belong to.
///
/// # Errors
/// What is wrong with the trace, and what cannot be written.
pub fn anonymise(input: &Path, output: &Path, key: Key) -> Result<Header, TraceError> {
    let reader = files::read(input)?;
    let output = Output::open(output)?;
    let header = write(reader, input, &output, key)?;
    output.keep()?;
    Ok(header)
}

/// The same for a trace that is open already, which is not kept yet. `input` is what it is called if something is wrong with
/// it.
pub(super) fn write(reader: Reader<impl Read>, input: &Path, output: &Output, key: Key) -> Result<Header, TraceError> {
    let header = *reader.header();
    let permutation = Permutation::new(key, header.users);
    let mut writer = output.trace(Header { anonymised: true, seed: None, ..header })?;
    for event in reader {
        let event = event.map_err(|fault| TraceError::new(input, fault))?;
        let event = Event { user: permutation.of(event.user), ..event };
        writer.push(&event).map_err(|fault| output.fault(fault))?;
    }
    writer.finish().map_err(|fault| output.fault(fault))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_user_has_a_number_of_its_own(users in 1..3_000u32, key in any::<[u8; 16]>()) {
            let permutation = Permutation::new(Key(key), users);
            let mut found: Vec<u32> = (0..users).map(|user| permutation.of(user)).collect();
            found.sort_unstable();
            prop_assert!(found.into_iter().eq(0..users));
        }
    }

    #[test]
    fn another_key_gives_other_numbers_and_so_does_no_key() {
        let of = |key| Permutation::new(Key([key; 16]), 80_000);
        let (one, other) = (of(1), of(2));
        let same = (0..80_000).filter(|&user| one.of(user) == other.of(user) || one.of(user) == user).count();
        assert!(same < 20, "{same} of 80,000 by chance");
        assert_eq!(Permutation::new(Key([1; 16]), 100_000_000).of(99_999_999) / 100_000_000, 0);
    }

    #[test]
    fn a_key_is_32_digits() {
        let read = |text: &str| Key::parse(text.as_bytes());
        assert_eq!(read("000102030405060708090a0b0c0d0e0F"), Ok(Key(std::array::from_fn(|at| at as u8))));
        assert_eq!(read(&"0".repeat(31)), Err("31 digits".to_owned()));
        assert_eq!(read("00 1"), Err("` ` at character 3".to_owned()));
        assert!(!format!("{:?}", Key([7; 16])).contains('7'), "a key is not for logs");
    }
}
