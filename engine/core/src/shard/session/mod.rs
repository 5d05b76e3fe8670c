//! Sessions: a watcher whose connection is lost is parked, and resumed here or on another shard (XEP-0198).
//!
//! Lives beside the outboxes, on the shard of the connection, and only for watchers that asked for it. What such a watcher
//! is told is counted, and of the newest notes that it has not acknowledged it is remembered which slots they were about: a
//! bounded ring. While it is parked marks gather as ever, and nothing is told. On resume the slots of the notes after the
//! acknowledged one are marked once more, or all of them if the ring was too short; what is told then is the newest, once.
//!
//! Invariant: the runs of a tracked watcher, and no others, are flagged for it; the ring holds no more notes than are
//! unacknowledged; a watcher is parked exactly while it has a moment until which it may be resumed. A tracked watcher
//! weighs 84 bytes, four more while it is parked, and four for each note in its ring.

mod acknowledge;
mod arrivals;
mod moved;
mod park;
mod verify;

use alloc::collections::VecDeque;
use core::fmt;

pub(super) use arrivals::Arrivals;
pub use moved::{Session, SessionRefused};

use super::expiry::{Expiries, Expiring};
use super::full;
use crate::error::{Bound, Error};
use crate::id::Tick;
use crate::store::{Arena, Heap, NONE, Record, Slab};

/// What a parked watcher is resumed by, once: 128 bits, of which the embedder has drawn 64.
///
/// It names no shard: a frontend that lets its clients come back to any core gives them the shard's number with it. Two
/// tokens are compared in one step, and whoever gives a wrong one is not told what was wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResumeToken {
    index: u32,
    generation: u32,
    secret: u64,
}

impl ResumeToken {
    /// The token as one number, for a protocol to give to its client.
    #[must_use]
    pub const fn to_bits(self) -> u128 {
        (self.secret as u128) << 64 | (self.generation as u128) << 32 | self.index as u128
    }

    /// The token that [`Self::to_bits`] gave. Any number is safe: one that was never given resumes nobody.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32, secret: (bits >> 64) as u64 }
    }
}

impl fmt::Debug for ResumeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever reads a log could resume the watcher otherwise.
        write!(f, "resume:{}.{}.…", self.index, self.generation)
    }
}

/// A parked watcher that nobody has resumed in time: it is closed, and its groups with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionEnded {
    /// What the embedder gave when it opened the watcher, or resumed it last.
    pub watcher_token: u64,
    /// Until when it could have been resumed.
    pub until: Tick,
}

/// What a watcher was told, as far as that is not acknowledged, and until when it may be resumed.
#[derive(Debug)]
pub(super) struct Tracked {
    watcher: u32,
    ring_slots: u32,
    /// The slots of the newest notes, oldest first.
    ring: VecDeque<u32>,
    /// Notes told, and of these acknowledged. The count of the protocol is the low 32 bits of either.
    told: u64,
    acknowledged: u64,
    /// While it is parked; never, else.
    until: Tick,
    secret: u64,
    place: u32,
}

const _: () = assert!(size_of::<Tracked>() == 80);

impl Default for Tracked {
    fn default() -> Self {
        Self {
            watcher: NONE,
            ring_slots: 0,
            ring: VecDeque::new(),
            told: 0,
            acknowledged: 0,
            until: Tick::NEVER,
            secret: 0,
            place: NONE,
        }
    }
}

impl Record for Tracked {
    fn chain(&mut self) -> &mut u32 {
        &mut self.watcher
    }
}

impl Expiring for Tracked {
    type At = Tick;

    fn expires(&self) -> Tick {
        self.until
    }

    fn place(&self) -> u32 {
        self.place
    }

    fn set_place(&mut self, place: u32) {
        self.place = place;
    }
}

/// The tracked watchers of a shard.
pub(crate) struct Sessions {
    tracked: Slab<Tracked, Heap>,
    /// By watcher, the number of its record and one, or 0; as long as the last watcher that was ever tracked needs.
    of_watchers: Arena<u32, Heap>,
    ends: Expiries,
    ring_bytes: u64,
}

impl Sessions {
    pub(super) fn new(limit: u32) -> Self {
        Self { tracked: Slab::on_heap(limit), of_watchers: Arena::on_heap(), ends: Expiries::default(), ring_bytes: 0 }
    }

    /// The record of a watcher, if it is tracked.
    pub(super) fn of(&self, watcher: u32) -> Option<u32> {
        if watcher < self.of_watchers.len() { self.of_watchers[watcher].checked_sub(1) } else { None }
    }

    /// Which parked watcher ends first, and when.
    pub(super) fn first(&self) -> Option<(Tick, u32)> {
        self.ends.first(&self.tracked)
    }

    /// Counts what a watcher is told from here on; what was counted before is forgotten.
    fn begin(&mut self, watcher: u32, ring_slots: u32, counted: u32) -> Result<(), Error> {
        let limit = self.tracked.limit();
        while self.of_watchers.len() <= watcher {
            self.of_watchers.push().map_err(|_| Error::OutOfMemory("sessions"))?;
        }
        self.end(watcher);
        let index = self.tracked.insert().map_err(|why| full(why, Bound::Watchers, limit, "sessions"))?;
        let counted = u64::from(counted);
        self.tracked[index] =
            Tracked { watcher, ring_slots, told: counted, acknowledged: counted, ..Tracked::default() };
        self.of_watchers[watcher] = index + 1;
        Ok(())
    }

    /// Forgets a watcher, if it is tracked.
    pub(super) fn end(&mut self, watcher: u32) {
        let Some(index) = self.of(watcher) else { return };
        self.set_until(index, Tick::NEVER);
        let record = core::mem::take(&mut self.tracked[index]);
        self.ring_bytes -= bytes_of(&record.ring);
        self.of_watchers[watcher] = 0;
        self.tracked.remove(index);
    }

    fn set_until(&mut self, index: u32, until: Tick) {
        self.tracked[index].until = until;
        self.ends.set(&mut self.tracked, index);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.tracked.bytes() + self.of_watchers.bytes() + self.ends.bytes() + self.ring_bytes
    }
}

fn bytes_of(ring: &VecDeque<u32>) -> u64 {
    (ring.capacity() * size_of::<u32>()) as u64
}
