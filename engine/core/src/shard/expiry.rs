//! When states end: a heap of records by expiry, in which each record has one place and knows it.
//!
//! Changing an expiry moves the record's entry instead of leaving a dead one behind, so that the heap never holds more
//! than there are records with an expiry.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use crate::error::Corrupt;
use crate::id::Tick;
use crate::store::NONE;

/// A record with something in it that ends.
pub(crate) trait Expiring {
    /// When the first of it ends.
    fn expires(&self) -> Tick;
    /// Where the record stands in the heap; [`NONE`] while it does not.
    fn place(&self) -> u32;
    /// To say where.
    fn set_place(&mut self, place: u32);
}

/// Records by expiry, as a binary heap.
#[derive(Default)]
pub(crate) struct Expiries {
    heap: Vec<(Tick, u32)>,
}

impl Expiries {
    /// The first to expire.
    pub(crate) fn first(&self) -> Option<(Tick, u32)> {
        self.heap.first().copied()
    }

    /// Puts a record where its expiry belongs, or takes it out if it has none.
    pub(crate) fn set<T: Expiring>(&mut self, records: &mut impl IndexMut<u32, Output = T>, index: u32) {
        let expires = records[index].expires();
        let place = records[index].place();
        match (place, expires) {
            (NONE, Tick::NEVER) => {}
            (NONE, _) => {
                self.heap.push((expires, index));
                self.rise(records, self.heap.len() - 1);
            }
            (place, Tick::NEVER) => {
                let place = place as usize;
                self.heap.swap_remove(place);
                records[index].set_place(NONE);
                if place < self.heap.len() {
                    self.settle(records, place);
                }
            }
            (place, _) => {
                self.heap[place as usize].0 = expires;
                self.settle(records, place as usize);
            }
        }
    }

    fn settle<T: Expiring>(&mut self, records: &mut impl IndexMut<u32, Output = T>, place: usize) {
        let place = self.rise(records, place);
        self.sink(records, place);
    }

    fn rise<T: Expiring>(&mut self, records: &mut impl IndexMut<u32, Output = T>, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent] <= self.heap[place] {
                break;
            }
            self.heap.swap(parent, place);
            records[self.heap[place].1].set_place(place as u32);
            place = parent;
        }
        records[self.heap[place].1].set_place(place as u32);
        place
    }

    fn sink<T: Expiring>(&mut self, records: &mut impl IndexMut<u32, Output = T>, mut place: usize) {
        loop {
            let first = [2 * place + 1, 2 * place + 2]
                .into_iter()
                .filter(|&child| child < self.heap.len())
                .min_by_key(|&child| self.heap[child]);
            match first {
                Some(child) if self.heap[child] < self.heap[place] => {
                    self.heap.swap(child, place);
                    records[self.heap[place].1].set_place(place as u32);
                    place = child;
                }
                _ => break,
            }
        }
        records[self.heap[place].1].set_place(place as u32);
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.heap.capacity() * size_of::<(Tick, u32)>()) as u64
    }

    pub(crate) fn verify<T: Expiring>(&self, records: &impl Index<u32, Output = T>) -> Result<(), Corrupt> {
        for (place, &(expires, index)) in self.heap.iter().enumerate() {
            let record = &records[index];
            if record.expires() != expires || record.place() != place as u32 {
                return Err(Corrupt { rule: "an expiry is where its record says", index: index.into() });
            }
            if place > 0 && self.heap[(place - 1) / 2] > self.heap[place] {
                return Err(Corrupt { rule: "no expiry stands above an earlier one", index: place as u64 });
            }
        }
        Ok(())
    }
}
