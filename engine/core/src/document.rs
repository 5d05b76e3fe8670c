//! The bytes of a presence state: made once at the home, counted once per shard, freed at the home.
//!
//! A [`Document`] is one machine word. Its count is touched by the home alone as long as the embedder keeps no copy:
//! the home lends one count to each interested shard and that shard hands it back over the reverse link, so that the
//! count's cache line does not travel and memory is freed by the core that took it.

use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use triomphe::ThinArc;

/// Bytes that a document takes beside its content: count, header and length.
const DOCUMENT_OVERHEAD: usize = 24;

/// Set in the count of a document that the home holds no more.
const RETIRED: u32 = 1 << 31;

struct Header {
    /// Counts lent to other shards and not handed back. Only the home touches it, so relaxed loads and stores do;
    /// it is atomic because the word lies in memory that other cores read.
    lent: AtomicU32,
    /// How many of the home's records hold the document: views that it is the state of, and a publication. As above.
    held: AtomicU32,
}

/// What became of a document that a record of the home's let go of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Released {
    /// Another record of the home's still holds it.
    Held,
    /// Nobody holds it.
    Freed,
    /// Only other shards still hold it.
    Lent,
}

/// A counted, immutable piece of bytes behind a pointer of one word.
#[derive(Clone)]
pub struct Document(ThinArc<Header, u8>);

impl Document {
    /// Copies the bytes into memory of the calling core.
    pub(crate) fn try_new(bytes: &[u8]) -> Option<Self> {
        ThinArc::try_from_header_and_slice(Header { lent: AtomicU32::new(0), held: AtomicU32::new(0) }, bytes)
            .ok()
            .map(Self)
    }

    /// The content.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0.slice
    }

    /// Where it lies; nothing of it is read.
    pub(crate) fn address(&self) -> *const c_void {
        self.0.as_ptr()
    }

    /// Bytes of content.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.slice.len()
    }

    /// Whether the content is empty: an empty document is a state too.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.slice.is_empty()
    }

    /// The content as [`Bytes`], without a copy: the document lives until the last of them is dropped.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        Bytes::from_owner(self.clone())
    }

    /// What the document weighs, with its header and the allocator's word and rounding.
    pub(crate) fn weight(&self) -> u64 {
        (DOCUMENT_OVERHEAD + self.len() + size_of::<usize>()).next_multiple_of(16) as u64
    }

    /// A count for another shard. Called by the home.
    pub(crate) fn lend(&self) -> Self {
        self.set_lent(self.lent() + 1);
        self.clone()
    }

    /// One more record of the home's holds the document; tells whether it is the first. Called by the home.
    pub(crate) fn hold(&self) -> bool {
        let held = self.0.header.header.held.load(Ordering::Relaxed);
        self.0.header.header.held.store(held + 1, Ordering::Relaxed);
        held == 0
    }

    /// A record of the home's lets go of the document. Called by the home.
    pub(crate) fn release(self) -> Released {
        let held = self.0.header.header.held.load(Ordering::Relaxed) - 1;
        self.0.header.header.held.store(held, Ordering::Relaxed);
        if held != 0 {
            return Released::Held;
        }
        let lent = self.lent();
        self.set_lent(lent | RETIRED);
        if lent == 0 { Released::Freed } else { Released::Lent }
    }

    /// Takes a lent count back; tells whether it was the last of a retired document. Called by the home.
    pub(crate) fn hand_back(self) -> bool {
        let lent = self.lent() - 1;
        self.set_lent(lent);
        lent == RETIRED
    }

    fn lent(&self) -> u32 {
        self.0.header.header.lent.load(Ordering::Relaxed)
    }

    fn set_lent(&self, lent: u32) {
        self.0.header.header.lent.store(lent, Ordering::Relaxed);
    }
}

impl AsRef<[u8]> for Document {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl core::fmt::Debug for Document {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Document({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_one_word_and_so_is_an_optional_one() {
        assert_eq!(size_of::<Document>(), size_of::<usize>());
        assert_eq!(size_of::<Option<Document>>(), size_of::<usize>());
    }

    #[test]
    fn only_the_last_count_of_a_retired_document_is_told() {
        let document = Document::try_new(b"open").unwrap();
        assert!(document.hold() && !document.hold());
        let (one, two, three) = (document.lend(), document.lend(), document.lend());
        assert!(!one.hand_back());
        assert_eq!(document.clone().release(), Released::Held);
        assert_eq!(document.release(), Released::Lent);
        assert!(!two.hand_back());
        assert!(three.hand_back());
    }
}
