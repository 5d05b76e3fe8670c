//! What a published document says: who, which version, when it was planned, and a body that can be checked (C2).
//!
//! The header's check word covers the header and the length, and it costs a few nanoseconds on every receipt. The body
//! is a window of one fixed page of noise, chosen by the check word: writing it is a copy, and checking it is a
//! comparison, so that a document that was cut, mixed up or overwritten shows.

use bytes::Bytes;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Bytes of the header, and so the least size of a document.
pub const HEADER_BYTES: usize = 24;

const PAGE_BYTES: usize = 64 * 1024;

/// The first 24 bytes of every document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whose presence it is.
    pub user: u32,
    /// Rising for the user, from 1.
    pub version: u32,
    /// When it was to be sent: latency counts from here.
    pub plan_us: u64,
    /// Its entry in the log of publications.
    pub index: u32,
}

impl Header {
    /// The header of a document, or nothing if the document is too short or its check word is wrong.
    #[must_use]
    #[inline]
    pub fn read(document: &[u8]) -> Option<Self> {
        let (head, _) = document.split_first_chunk::<HEADER_BYTES>()?;
        let header = Self {
            user: u32::from_le_bytes([head[0], head[1], head[2], head[3]]),
            version: u32::from_le_bytes([head[4], head[5], head[6], head[7]]),
            plan_us: u64::from_le_bytes([head[8], head[9], head[10], head[11], head[12], head[13], head[14], head[15]]),
            index: u32::from_le_bytes([head[16], head[17], head[18], head[19]]),
        };
        let check = u32::from_le_bytes([head[20], head[21], head[22], head[23]]);
        (header.check(document.len()) == check).then_some(header)
    }

    fn check(&self, length: usize) -> u32 {
        let who = u64::from(self.user) << 32 | u64::from(self.version);
        let which = u64::from(self.index) << 32 | length as u64;
        let mut word = who.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.plan_us;
        word = (word ^ word >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) ^ which;
        word = (word ^ word >> 32).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word >> 32) as u32
    }
}

/// Makes and checks documents. One for each core.
#[derive(Debug)]
pub struct Press {
    page: Box<[u8]>,
}

impl Press {
    /// A press; all presses make the same documents.
    #[must_use]
    pub fn new() -> Self {
        let mut noise = SplitMix64::seed_from_u64(0x00fa_17fa_4e00);
        let mut page = vec![0; PAGE_BYTES].into_boxed_slice();
        noise.fill_bytes(&mut page);
        Self { page }
    }

    /// The document of a header, so many bytes long: [`HEADER_BYTES`] at least.
    #[must_use]
    pub fn document(&self, header: &Header, length: usize) -> Bytes {
        let length = length.max(HEADER_BYTES);
        let check = header.check(length);
        let mut document = Vec::with_capacity(length);
        document.extend_from_slice(&header.user.to_le_bytes());
        document.extend_from_slice(&header.version.to_le_bytes());
        document.extend_from_slice(&header.plan_us.to_le_bytes());
        document.extend_from_slice(&header.index.to_le_bytes());
        document.extend_from_slice(&check.to_le_bytes());
        for window in self.windows(check, length) {
            document.extend_from_slice(window);
        }
        Bytes::from(document)
    }

    /// Whether the body is exactly what was published under this header.
    #[must_use]
    pub fn body_is_exact(&self, header: &Header, document: &[u8]) -> bool {
        let mut rest = &document[HEADER_BYTES..];
        for window in self.windows(header.check(document.len()), document.len()) {
            let Some(left) = rest.strip_prefix(window) else { return false };
            rest = left;
        }
        rest.is_empty()
    }

    /// The pieces of the page that make up a body.
    fn windows(&self, check: u32, length: usize) -> impl Iterator<Item = &[u8]> {
        let mut start = check as usize % PAGE_BYTES;
        let mut left = length - HEADER_BYTES;
        std::iter::from_fn(move || {
            let take = left.min(PAGE_BYTES - start);
            let window = &self.page[start..start + take];
            (start, left) = (0, left - take);
            (take > 0).then_some(window)
        })
    }
}

impl Default for Press {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { user: 7, version: 3, plan_us: 123_456_789, index: 99 };

    #[test]
    fn a_document_is_read_back() {
        for length in [24, 25, 4_096, 200_000] {
            let document = Press::new().document(&HEADER, length);
            assert_eq!(document.len(), length);
            assert_eq!(Header::read(&document), Some(HEADER));
            assert!(Press::new().body_is_exact(&HEADER, &document));
        }
    }

    #[test]
    fn any_change_is_seen() {
        let press = Press::new();
        let document = press.document(&HEADER, 100);
        for at in 0..document.len() {
            let mut bad = document.to_vec();
            bad[at] ^= 1;
            let found = Header::read(&bad);
            assert!(found.is_none_or(|header| !press.body_is_exact(&header, &bad)), "byte {at}");
        }
        assert_eq!(Header::read(&document[..99]), None);
        assert_eq!(Header::read(&document[..10]), None);
    }
}
