//! From a presentity to the number of its record: five bytes an entry.
//!
//! The table holds record numbers only; the id itself is read from the record, which the caller touches next anyway.
//! It is cut by partition, so that no growth moves more than a thousandth of the entries at once and nobody waits for
//! a table of millions to be copied.

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashTable;

use super::backing::OutOfMemory;
use crate::id::{PARTITIONS, PresentityId, mix};

/// Numbers of records by presentity; several records may share a presentity.
pub(crate) struct IdTable {
    parts: Box<[HashTable<u32>]>,
    /// Ids may come from outside: without a secret, chosen ids could be made to share a bucket.
    seed: u64,
}

impl IdTable {
    pub(crate) fn new(seed: u64) -> Self {
        let parts: Vec<_> = core::iter::repeat_with(HashTable::new).take(PARTITIONS).collect();
        Self { parts: parts.into_boxed_slice(), seed }
    }

    /// The numbers entered for this presentity (and, rarely, for another with the same hash: the caller compares).
    pub(crate) fn candidates(&self, presentity: PresentityId) -> impl Iterator<Item = u32> + '_ {
        self.parts[presentity.partition().index()].iter_hash(hash(self.seed, presentity)).copied()
    }

    /// The entered number that `is` accepts.
    pub(crate) fn find(&self, presentity: PresentityId, is: impl Fn(u32) -> bool) -> Option<u32> {
        let part = &self.parts[presentity.partition().index()];
        part.find(hash(self.seed, presentity), |&index| is(index)).copied()
    }

    /// Enters a number. `presentity_of` reads the presentity of an entered number, for when the part grows.
    pub(crate) fn insert(
        &mut self,
        presentity: PresentityId,
        index: u32,
        presentity_of: impl Fn(u32) -> PresentityId,
    ) -> Result<(), OutOfMemory> {
        let seed = self.seed;
        let part = &mut self.parts[presentity.partition().index()];
        let rehash = |&index: &u32| hash(seed, presentity_of(index));
        part.try_reserve(1, rehash).map_err(|_| OutOfMemory)?;
        part.insert_unique(hash(seed, presentity), index, rehash);
        Ok(())
    }

    /// Takes a number out.
    pub(crate) fn remove(&mut self, presentity: PresentityId, index: u32) {
        let part = &mut self.parts[presentity.partition().index()];
        if let Ok(entry) = part.find_entry(hash(self.seed, presentity), |&entered| entered == index) {
            entry.remove();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(HashTable::len).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        let heads = self.parts.len() * size_of::<HashTable<u32>>();
        (heads + self.parts.iter().map(HashTable::allocation_size).sum::<usize>()) as u64
    }
}

fn hash(seed: u64, presentity: PresentityId) -> u64 {
    mix(presentity.get() ^ seed)
}
