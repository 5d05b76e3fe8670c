//! Where a publisher's arrivals come from: drawn from the seed, or taken from a trace.

use crate::schedule::{Arrival, Schedule};
use crate::trace::replay::Reel;

/// An endless sequence of arrivals; what never comes is due at [`crate::trace::replay::NEVER_US`].
#[derive(Debug)]
pub enum Arrivals {
    /// Drawn.
    Drawn(Schedule),
    /// From a trace.
    Replayed(Reel),
}

impl Arrivals {
    /// The next arrival. Only where each is due when the one before it was sent it matters what time it is.
    pub fn next_arrival(&mut self, now_us: u64) -> Arrival {
        match self {
            Self::Drawn(schedule) => schedule.next_arrival(),
            Self::Replayed(reel) => reel.next_arrival(now_us),
        }
    }

    /// Bytes that the document of the arrival taken last has, if it is not the user's own size.
    #[must_use]
    pub fn document_bytes(&self) -> Option<u32> {
        match self {
            Self::Drawn(_) => None,
            Self::Replayed(reel) => Some(reel.document_bytes()),
        }
    }

    /// The number of the arrival taken last among those of all shards, where it has one.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Drawn(_) => None,
            Self::Replayed(reel) => Some(reel.number()),
        }
    }

    /// Whether each is due when the one before it was sent.
    #[must_use]
    pub fn is_at_once(&self) -> bool {
        matches!(self, Self::Replayed(reel) if reel.is_at_once())
    }
}
