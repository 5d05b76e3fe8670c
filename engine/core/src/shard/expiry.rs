//! When states end: a heap of views by expiry, in which each view has one place and knows it.
//!
//! Changing an expiry moves the view's entry instead of leaving a dead one behind, so that the heap never holds more
//! than there are views with an expiry.

use alloc::vec::Vec;

use super::home::HomeView;
use crate::error::Corrupt;
use crate::id::Tick;
use crate::store::{Heap, NONE, Slab};

type Views = Slab<HomeView, Heap>;

/// Views by the expiry of their earliest document, as a binary heap.
#[derive(Default)]
pub(crate) struct Expiries {
    heap: Vec<(Tick, u32)>,
}

impl Expiries {
    /// The first to expire.
    pub(crate) fn first(&self) -> Option<(Tick, u32)> {
        self.heap.first().copied()
    }

    /// Puts a view where its expiry belongs, or takes it out if it has none.
    pub(crate) fn set(&mut self, views: &mut Views, view: u32) {
        let expires = views[view].expires;
        let place = views[view].expiry_place;
        match (place, expires) {
            (NONE, Tick::NEVER) => {}
            (NONE, _) => {
                self.heap.push((expires, view));
                self.rise(views, self.heap.len() - 1);
            }
            (place, Tick::NEVER) => {
                let place = place as usize;
                self.heap.swap_remove(place);
                views[view].expiry_place = NONE;
                if place < self.heap.len() {
                    self.settle(views, place);
                }
            }
            (place, _) => {
                self.heap[place as usize].0 = expires;
                self.settle(views, place as usize);
            }
        }
    }

    fn settle(&mut self, views: &mut Views, place: usize) {
        let place = self.rise(views, place);
        self.sink(views, place);
    }

    fn rise(&mut self, views: &mut Views, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent] <= self.heap[place] {
                break;
            }
            self.heap.swap(parent, place);
            views[self.heap[place].1].expiry_place = place as u32;
            place = parent;
        }
        views[self.heap[place].1].expiry_place = place as u32;
        place
    }

    fn sink(&mut self, views: &mut Views, mut place: usize) {
        loop {
            let first = [2 * place + 1, 2 * place + 2]
                .into_iter()
                .filter(|&child| child < self.heap.len())
                .min_by_key(|&child| self.heap[child]);
            match first {
                Some(child) if self.heap[child] < self.heap[place] => {
                    self.heap.swap(child, place);
                    views[self.heap[place].1].expiry_place = place as u32;
                    place = child;
                }
                _ => break,
            }
        }
        views[self.heap[place].1].expiry_place = place as u32;
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.heap.capacity() * size_of::<(Tick, u32)>()) as u64
    }

    pub(crate) fn verify(&self, views: &Views) -> Result<(), Corrupt> {
        for (place, &(expires, view)) in self.heap.iter().enumerate() {
            let record = &views[view];
            if record.expires != expires || record.expiry_place != place as u32 {
                return Err(Corrupt { rule: "an expiry is where its view says", index: view.into() });
            }
            if place > 0 && self.heap[(place - 1) / 2] > self.heap[place] {
                return Err(Corrupt { rule: "no expiry stands above an earlier one", index: place as u64 });
            }
        }
        Ok(())
    }
}
