//! Records that come and go: an arena whose freed records are chained through themselves.

use core::ops::{Index, IndexMut};

use super::NONE;
use super::arena::Arena;
use super::backing::{Backing, Heap, OutOfMemory, Records};

/// A record with a field that may hold the chain of free records while it is not in use.
pub(crate) trait Record {
    /// The field.
    fn chain(&mut self) -> &mut u32;
}

/// Why a slab took no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlabFull {
    Limit,
    Memory,
}

impl From<OutOfMemory> for SlabFull {
    fn from(_: OutOfMemory) -> Self {
        Self::Memory
    }
}

/// At most `limit` records, the last freed used first: its lines are warm.
pub(crate) struct Slab<T, B: Backing<T>> {
    arena: Arena<T, B>,
    free: u32,
    live: u32,
    limit: u32,
}

impl<T: Record, B: Backing<T>> Slab<T, B> {
    pub(crate) fn new(backing: &B, limit: u32) -> Result<Self, OutOfMemory> {
        Ok(Self { arena: Arena::new(backing, limit)?, free: NONE, live: 0, limit })
    }

    /// Records in use.
    pub(crate) fn live(&self) -> u32 {
        self.live
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Lets there be so many at the most; those beyond that stay. No more than the arena was made for.
    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// Records that were ever in use: an upper end for a look at all of them.
    pub(crate) fn ever(&self) -> u32 {
        self.arena.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.arena.bytes()
    }

    /// Makes sure that so many inserts succeed.
    pub(crate) fn reserve(&mut self, records: u32) -> Result<(), SlabFull> {
        if records != 0 && u64::from(self.live) + u64::from(records) > u64::from(self.limit) {
            return Err(SlabFull::Limit);
        }
        let chained = self.arena.len() - self.live;
        Ok(self.arena.reserve(records.saturating_sub(chained))?)
    }

    /// As [`Arena::take_memory`], for no more records than there may be.
    pub(crate) fn take_memory(&mut self, records: u32, bytes_max: usize) -> Result<usize, OutOfMemory> {
        self.arena.take_memory(records.min(self.limit), bytes_max)
    }

    /// Takes a record into use. Its fields are what the last user left, so that a generation goes on counting.
    pub(crate) fn insert(&mut self) -> Result<u32, SlabFull> {
        if self.live >= self.limit {
            return Err(SlabFull::Limit);
        }
        let index = match self.free {
            NONE => self.arena.push()?,
            index => {
                self.free = *self.arena[index].chain();
                index
            }
        };
        self.live += 1;
        Ok(index)
    }

    /// A hint that another record will be taken into use soon. A fresh one lies in memory that was never near.
    #[inline]
    pub(crate) fn approach_next(&self) {
        self.arena.approach(if self.free == NONE { self.arena.len() } else { self.free });
    }

    /// Gives a record back.
    pub(crate) fn remove(&mut self, index: u32) {
        *self.arena[index].chain() = self.free;
        self.free = index;
        self.live -= 1;
    }
}

impl<T: Default> Slab<T, Heap> {
    pub(crate) fn on_heap(limit: u32) -> Self {
        Self { arena: Arena::on_heap(), free: NONE, live: 0, limit }
    }
}

impl<T, B: Backing<T>> Slab<T, B> {
    /// The record, if the number was ever given out.
    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        (index < self.arena.len()).then(|| &self.arena[index])
    }

    /// Takes the records in hand for a loop; see [`Records::hold`].
    #[inline]
    pub(crate) fn hold(&mut self) -> <B::Records as Records<T>>::Held<'_> {
        self.arena.hold()
    }

    /// A hint that the record will be looked at soon; never wrong.
    #[inline]
    pub(crate) fn approach(&self, index: u32) {
        self.arena.approach(index);
    }
}

impl<T, B: Backing<T>> Index<u32> for Slab<T, B> {
    type Output = T;

    #[inline]
    fn index(&self, index: u32) -> &T {
        &self.arena[index]
    }
}

impl<T, B: Backing<T>> IndexMut<u32> for Slab<T, B> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.arena[index]
    }
}
