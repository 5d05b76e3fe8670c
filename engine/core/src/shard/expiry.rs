//! When states, groups and pauses end: a heap of records by the moment, in which each record has one place and knows it.
//!
//! Moments are ticks, or whole seconds where half the memory is worth more than to be exact. They stand in the records only,
//! so that a place weighs four bytes. Changing an expiry moves the record's place instead of leaving a dead one behind, so
//! that the heap never holds more than there are records with an expiry. Cost of a change: as many records looked at as the
//! heap has levels.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use bytemuck::{Pod, Zeroable};

use crate::error::Corrupt;
use crate::id::Tick;
use crate::store::NONE;

/// A moment at which something may end.
pub(crate) trait Moment: Copy + Ord {
    /// Later than all others: nothing ends then.
    const NEVER: Self;
}

impl Moment for Tick {
    const NEVER: Self = Self::NEVER;
}

/// A moment in seconds of 2^20 us each, which are counted for 142 years: what ends in hours need not be told to the
/// microsecond, and there are millions of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Second(u32);

impl Second {
    const SHIFT: u32 = 20;

    /// The first that is not before a moment.
    pub(crate) fn not_before(at: Tick) -> Self {
        let second = at.as_micros().div_ceil(1 << Self::SHIFT);
        Self(u32::try_from(second).unwrap_or(u32::MAX).min(u32::MAX - 1))
    }

    /// When it begins.
    pub(crate) fn tick(self) -> Tick {
        if self == Self::NEVER { Tick::NEVER } else { Tick::from_micros(u64::from(self.0) << Self::SHIFT) }
    }
}

impl Moment for Second {
    const NEVER: Self = Self(u32::MAX);
}

/// A record with something in it that ends.
pub(crate) trait Expiring {
    /// How exactly it is known when.
    type At: Moment;
    /// When the first of it ends.
    fn expires(&self) -> Self::At;
    /// Where the record stands in the heap; [`NONE`] while it does not.
    fn place(&self) -> u32;
    /// To say where.
    fn set_place(&mut self, place: u32);
}

/// Records by expiry, and by their number where that is the same, as a binary heap.
#[derive(Default)]
pub(crate) struct Expiries {
    heap: Vec<u32>,
}

impl Expiries {
    /// The first to expire.
    pub(crate) fn first<T: Expiring>(&self, records: &impl Index<u32, Output = T>) -> Option<(T::At, u32)> {
        let &index = self.heap.first()?;
        Some((records[index].expires(), index))
    }

    /// Puts a record where its expiry belongs, or takes it out if it has none.
    pub(crate) fn set<T: Expiring>(&mut self, records: &mut impl IndexMut<u32, Output = T>, index: u32) {
        let place = records[index].place();
        match (place, records[index].expires() == T::At::NEVER) {
            (NONE, true) => {}
            (NONE, false) => {
                if self.heap.len() == self.heap.capacity() {
                    // By an eighth and not to the double: there are as many as groups, which are counted in bytes.
                    self.heap.reserve_exact((self.heap.len() / 8).max(4));
                }
                self.heap.push(index);
                self.rise(records, self.heap.len() - 1);
            }
            (place, true) => {
                let place = place as usize;
                self.heap.swap_remove(place);
                records[index].set_place(NONE);
                if place < self.heap.len() {
                    self.settle(records, place);
                }
            }
            (place, false) => self.settle(records, place as usize),
        }
    }

    fn settle<T: Expiring>(&mut self, records: &mut impl IndexMut<u32, Output = T>, place: usize) {
        let place = self.rise(records, place);
        self.sink(records, place);
    }

    fn rise<T: Expiring>(&mut self, records: &mut impl IndexMut<u32, Output = T>, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.key(records, parent) <= self.key(records, place) {
                break;
            }
            self.heap.swap(parent, place);
            records[self.heap[place]].set_place(place as u32);
            place = parent;
        }
        records[self.heap[place]].set_place(place as u32);
        place
    }

    fn sink<T: Expiring>(&mut self, records: &mut impl IndexMut<u32, Output = T>, mut place: usize) {
        loop {
            let first = [2 * place + 1, 2 * place + 2]
                .into_iter()
                .filter(|&child| child < self.heap.len())
                .min_by_key(|&child| self.key(records, child));
            match first {
                Some(child) if self.key(records, child) < self.key(records, place) => {
                    self.heap.swap(child, place);
                    records[self.heap[place]].set_place(place as u32);
                    place = child;
                }
                _ => break,
            }
        }
        records[self.heap[place]].set_place(place as u32);
    }

    /// By what a place is ordered.
    fn key<T: Expiring>(&self, records: &impl Index<u32, Output = T>, place: usize) -> (T::At, u32) {
        let index = self.heap[place];
        (records[index].expires(), index)
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.heap.capacity() * size_of::<u32>()) as u64
    }

    pub(crate) fn verify<T: Expiring>(&self, records: &impl Index<u32, Output = T>) -> Result<(), Corrupt> {
        for (place, &index) in self.heap.iter().enumerate() {
            let record = &records[index];
            if record.expires() == T::At::NEVER || record.place() != place as u32 {
                return Err(Corrupt { rule: "an expiry is where its record says", index: index.into() });
            }
            if place > 0 && self.key(records, (place - 1) / 2) > self.key(records, place) {
                return Err(Corrupt { rule: "no expiry stands above an earlier one", index: place as u64 });
            }
        }
        Ok(())
    }
}
