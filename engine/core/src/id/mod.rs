//! The names of things: presentities, views, categories, watchers, groups, shards, tickets, and the two kinds of time.
//!
//! All of them are small plain values. Ids of things that live in a slab carry a generation, so that an id kept too
//! long names nothing instead of naming the thing's successor (C5).

mod category;
mod shard;

use core::fmt;

use bytemuck::{Pod, Zeroable};
pub use category::{CATEGORIES, Categories, Category};
pub use shard::{SHARDS_MAX, ShardIndex, ShardSet};
use siphasher::sip::SipHasher24;

/// Partitions of the id space: fixed, so that nothing durable depends on the number of shards.
pub const PARTITIONS: usize = 1024;

/// Who is watched (RFC 2778): 64 bits given by the embedder.
///
/// Any value is a good one, runs of small numbers too: ids are mixed before they choose a partition or a bucket.
#[derive(Pod, Zeroable, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct PresentityId(u64);

impl PresentityId {
    /// The presentity with this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The presentity of this name: a hash of its bytes under a secret (SipHash-2-4), for embedders that have no numbers.
    ///
    /// The secret stays the same for the life of a deployment, and stays secret: with it, names of the same number could be
    /// made. Without it two of ten million names have the same number with a chance of 3 in a million; who claims each
    /// name first ([`crate::Shard::claim_name`]) is told when that happens. Names are compared byte for byte: bring them
    /// into their normal form before.
    #[must_use]
    pub fn of(secret: &[u8; 16], name: &str) -> Self {
        Self(SipHasher24::new_with_key(secret).hash(name.as_bytes()))
    }

    /// The number that was given.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Which of the [`PARTITIONS`] the presentity belongs to; it never changes.
    #[must_use]
    pub const fn partition(self) -> Partition {
        // Bits from the middle: a hash table takes its tag from the top and its bucket from the bottom, and entries
        // of one partition must not agree in either.
        Partition(((mix(self.0) >> 40) & (PARTITIONS as u64 - 1)) as u16)
    }
}

impl fmt::Debug for PresentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "presentity:{}", self.0)
    }
}

/// The finaliser of splitmix64: every input bit reaches every output bit, in five instructions.
pub(crate) const fn mix(mut x: u64) -> u64 {
    x ^= x >> 30;
    x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 27;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// One of the fixed parts of the id space; each is dealt to one shard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Partition(u16);

impl Partition {
    /// Its number, below [`PARTITIONS`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The shard that owns the partition when so many of them share the space: the first `shards` of the mesh.
    ///
    /// # Panics
    /// If there are no shards.
    #[must_use]
    pub const fn home(self, shards: usize) -> ShardIndex {
        ShardIndex((self.0 as usize % shards) as u8)
    }
}

/// One rendering of a presentity's state, for one class of watchers. Policy decides who gets which.
#[derive(Pod, Zeroable, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct View(pub u16);

impl View {
    /// The only view of an engine that has no policy.
    pub const PLAIN: Self = Self(0);
    /// What a watcher gets whom the owner has still to decide on: nothing, ever. RFC 3856 calls such a subscription
    /// pending.
    pub const PENDING: Self = Self(u16::MAX);
    /// What a watcher gets who is refused: nothing, ever. A frontend ends the subscription with the reason `rejected`,
    /// or keeps it, and hears when the owner thinks better of it.
    pub const BLOCKED: Self = Self(u16::MAX - 1);

    /// Whether the view never shows anything.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        self.0 >= Self::BLOCKED.0
    }
}

macro_rules! generational {
    ($(#[$doc:meta])* $name:ident, $word:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            pub(crate) index: u32,
            pub(crate) generation: u32,
        }

        impl $name {
            /// The id as one number, to be kept where only a number fits. It is never 0.
            #[must_use]
            pub const fn to_bits(self) -> u64 {
                (self.generation as u64) << 32 | self.index as u64
            }

            /// The id that [`Self::to_bits`] gave. Any number is safe: one that was never given names nothing.
            #[must_use]
            pub const fn from_bits(bits: u64) -> Self {
                Self { index: bits as u32, generation: (bits >> 32) as u32 }
            }

            /// Its place, dense from 0 and used again: for a side table of the embedder's.
            #[must_use]
            pub const fn index(self) -> usize {
                self.index as usize
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($word, ":{}.{}"), self.index, self.generation)
            }
        }
    };
}

generational!(
    /// One session that watches, on the shard that holds its connection.
    WatcherId,
    "watcher"
);
generational!(
    /// Subscriptions of one watcher that share filter and identity: a SIP dialog, a resource list, an XMPP session.
    GroupId,
    "group"
);

/// The place of a subscription on its shard: dense from 0, fixed while the subscription lives, used again afterwards.
///
/// It comes with every note, so that an embedder can keep a plain array beside the engine's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SlotIndex(pub(crate) u32);

impl SlotIndex {
    /// Its number.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The place of a topic, a watched view of a presentity, on its shard: dense from 0, fixed while anybody there watches,
/// used again afterwards. It comes with every note, for a side table of what all its watchers share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicIndex(pub(crate) u32);

impl TopicIndex {
    /// Its number.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A named list of presentities, as the embedder numbers them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct ListId(pub u64);

/// One device of a presentity, named by the embedder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct EndpointId(pub u64);

impl EndpointId {
    /// No device: what is published under it has no expiry and stands wherever no device says otherwise. It is the
    /// hard state of RFC 4827.
    pub const HARD: Self = Self(u64::MAX);
}

/// Which publication of an endpoint is meant (RFC 3903): every change and every refresh gives it a new one.
///
/// Rising, so the newest of a presentity's publications has the highest tag; and never used twice for one presentity,
/// over restarts too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct EntityTag(pub(crate) u64);

impl EntityTag {
    /// The tag in 64 bits, for a wire.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The tag that [`Self::to_bits`] gave. One that was never given matches nothing.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// The running number of a presentity's policies: 0 while none was ever set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct PolicyEpoch(pub(crate) u32);

impl PolicyEpoch {
    /// Its number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number after it, if there is one.
    pub(crate) fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

/// A request that will be answered, exactly once, by an outcome.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(pub(crate) u64);

impl Ticket {
    /// Its number: rising on each shard.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A moment, in microseconds since the embedder's own zero. The core never asks what time it is; it is told.
#[derive(Pod, Zeroable, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct Tick(u64);

impl Tick {
    /// The embedder's zero.
    pub const ZERO: Self = Self(0);
    /// Later than any moment that is told.
    pub const NEVER: Self = Self(u64::MAX);

    /// So many microseconds after zero.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since zero.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This moment, so many microseconds later; [`Tick::NEVER`] at most.
    #[must_use]
    pub const fn after_micros(self, micros: u64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

/// The version that a watcher is shown: rising for a presentity as a whole, over all its views and over restarts.
///
/// The upper 16 bits are the engine's restart epoch, the lower 48 count the presentity's changes.
#[derive(Pod, Zeroable, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(transparent)]
pub struct Stamp(u64);

impl Stamp {
    const COUNTER_BITS: u32 = 48;

    pub(crate) const fn first_of(epoch: u16) -> Self {
        Self((epoch as u64) << Self::COUNTER_BITS)
    }

    /// The stamp in 64 bits, for a wire.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The stamp that [`Self::to_bits`] gave.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The restart epoch that was given to the builder.
    #[must_use]
    pub const fn epoch(self) -> u16 {
        (self.0 >> Self::COUNTER_BITS) as u16
    }

    /// The count of changes within the epoch.
    #[must_use]
    pub const fn counter(self) -> u64 {
        self.0 & ((1 << Self::COUNTER_BITS) - 1)
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_spread_small_numbers_evenly() {
        let mut counts = [0u32; PARTITIONS];
        for number in 0..PARTITIONS as u64 * 100 {
            counts[PresentityId::new(number).partition().index()] += 1;
        }
        assert!(counts.iter().all(|&n| (50..170).contains(&n)), "{counts:?}");
    }

    #[test]
    fn ids_survive_the_way_through_a_number() {
        let id = WatcherId { index: 7, generation: 9 };
        assert_eq!(WatcherId::from_bits(id.to_bits()), id);
    }
}
