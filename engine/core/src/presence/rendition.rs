//! Renditions: what the state category's documents look like when the engine has composed them.
//!
//! A frontend gets one status for the whole and, where the view shows them, the endpoints with their own documents; it
//! writes them in its protocol's words. Everything is little endian, and positions are fixed:
//!
//! | Bytes | What |
//! |---|---|
//! | 1 | the layout's number, 1 |
//! | 1 | how many endpoints |
//! | 6 | nothing, 0 |
//! | 16 | the status of the whole ([`Status::to_bytes`]) |
//! | for each endpoint: 8 | its id |
//! | 16 | its status |
//! | 4 | how many bytes follow |
//! | that many | its document, as it was published |

use alloc::vec::Vec;

use thiserror::Error;

use crate::id::EndpointId;
use crate::status::{Status, StatusError};

const LAYOUT: u8 = 1;
const HEAD_BYTES: usize = 8;

/// One endpoint, as shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// Which device.
    pub endpoint: EndpointId,
    /// How available the presentity is there.
    pub status: Status,
    /// What it published, or nothing.
    pub document: &'a [u8],
}

/// A composed state, read from its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rendition<'a> {
    /// What the presentity is as a whole.
    pub status: Status,
    /// The endpoints that are shown, best first.
    pub entries: Vec<Entry<'a>>,
}

/// Why bytes are no rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RenditionError {
    /// They end too early, or go on behind the end.
    #[error("a rendition that should end at byte {expected} has {bytes} bytes")]
    Length {
        /// Where it should end.
        expected: usize,
        /// How many there are.
        bytes: usize,
    },
    /// They begin with another number than the layout's, or have something where nothing should be.
    #[error("byte {at} of a rendition is {value}")]
    Layout {
        /// Which byte.
        at: usize,
        /// What it is.
        value: u8,
    },
    /// A status in it is none.
    #[error(transparent)]
    Status(#[from] StatusError),
}

impl<'a> Rendition<'a> {
    /// Reads a composed state. Takes time and memory by the number of endpoints; documents are not copied.
    ///
    /// # Errors
    /// Where the bytes are not what [`Self::to_bytes`] writes.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, RenditionError> {
        let mut reader = Reader { bytes, at: 0 };
        let head = reader.take(HEAD_BYTES)?;
        let wrong = head.iter().zip([LAYOUT, head[1], 0, 0, 0, 0, 0, 0]).position(|(&is, should)| is != should);
        if let Some(at) = wrong {
            return Err(RenditionError::Layout { at, value: head[at] });
        }
        let count = head[1];
        let status = Status::from_bytes(reader.take(Status::BYTES)?)?;
        let mut entries = Vec::with_capacity(count.into());
        for _ in 0..count {
            let endpoint = EndpointId(u64::from_le_bytes(reader.array()?));
            let status = Status::from_bytes(reader.take(Status::BYTES)?)?;
            let len = u32::from_le_bytes(reader.array()?) as usize;
            entries.push(Entry { endpoint, status, document: reader.take(len)? });
        }
        if reader.at != bytes.len() {
            return Err(RenditionError::Length { expected: reader.at, bytes: bytes.len() });
        }
        Ok(Self { status, entries })
    }

    /// Writes a composed state.
    ///
    /// # Panics
    /// With more than 255 endpoints, or a document of 4 GiB: limits are far below.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let documents: usize = self.entries.iter().map(|entry| entry.document.len()).sum();
        let mut bytes = Vec::with_capacity(HEAD_BYTES + Status::BYTES + self.entries.len() * 28 + documents);
        let count = u8::try_from(self.entries.len()).expect("endpoints are few");
        bytes.extend([LAYOUT, count, 0, 0, 0, 0, 0, 0]);
        bytes.extend(self.status.to_bytes());
        for Entry { endpoint, status, document } in &self.entries {
            bytes.extend(endpoint.0.to_le_bytes());
            bytes.extend(status.to_bytes());
            bytes.extend(u32::try_from(document.len()).expect("documents are bounded").to_le_bytes());
            bytes.extend(*document);
        }
        bytes
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], RenditionError> {
        let end = self.at.saturating_add(len);
        let taken = self.bytes.get(self.at..end);
        self.at = end;
        taken.ok_or(RenditionError::Length { expected: end, bytes: self.bytes.len() })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RenditionError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Availability;

    #[test]
    fn what_is_written_is_read_and_every_shorter_piece_is_refused() {
        let rendition = Rendition {
            status: Status::new(Availability::BUSY),
            entries: alloc::vec![
                Entry { endpoint: EndpointId(7), status: Status::new(Availability::AWAY), document: b"desk" },
                Entry { endpoint: EndpointId::HARD, status: Status::OFFLINE, document: b"" },
            ],
        };
        let bytes = rendition.to_bytes();
        assert_eq!(Rendition::from_bytes(&bytes), Ok(rendition));
        for end in 0..bytes.len() {
            assert!(matches!(Rendition::from_bytes(&bytes[..end]), Err(RenditionError::Length { .. })), "{end}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(matches!(Rendition::from_bytes(&longer), Err(RenditionError::Length { .. })));
        let mut other = bytes;
        other[0] = 2;
        assert_eq!(Rendition::from_bytes(&other), Err(RenditionError::Layout { at: 0, value: 2 }));
    }
}
