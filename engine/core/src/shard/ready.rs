//! The watchers that have something to be told, in order of arrival.
//!
//! An array and not a list through the records: the drain can look ahead and ask for the lines of the next watchers
//! together, where a list would make it wait for one after the other (measured: half the cost of a drain). A watcher
//! that leaves early stays in the array until its place comes, and knows that it is there: so nobody has two places,
//! the array is never longer than there were watchers, and neither coming nor going costs more than a few instructions.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::tenant::ReadyByTenant;
use super::watcher::{Standing, Watcher};
use crate::store::NONE;

/// A watcher's place in the queue, with what will be looked at when its turn comes, most likely: so that it can be asked
/// for in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) watcher: u32,
    /// The run that made it ready,
    pub(crate) run: u32,
    /// and the topic.
    pub(crate) topic: u32,
}

/// A queue of watchers, with those among them that have left.
#[derive(Default)]
pub(crate) struct Ready {
    /// Those before `next` are past; they are let go of together, when the queue is empty or its room is used up. That
    /// costs a third of what a ring does, and never more room than twice the watchers.
    places: Vec<Place>,
    next: usize,
    /// Watchers that have not left.
    pub(crate) waiting: usize,
    /// Those that wait for their tenant's turn, where there are tenants.
    pub(crate) by_tenant: Option<Box<ReadyByTenant>>,
}

impl Ready {
    /// An empty queue, on a shard with tenants or without.
    pub(crate) fn of_tenants(there_are: bool) -> Self {
        Self { by_tenant: there_are.then(|| Box::new(ReadyByTenant::new())), ..Self::default() }
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Makes a watcher ready: at the end, or where it has a place left from before.
    #[inline]
    pub(crate) fn enter(&mut self, place: Place, record: &mut Watcher) {
        record.standing = Standing::Ready as u8;
        self.waiting += 1;
        if core::mem::replace(&mut record.has_place, 1) == 0 {
            if self.places.len() == self.places.capacity() {
                self.make_room();
            }
            self.places.push(place);
        }
    }

    /// Takes the first place away. Its watcher may have left.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<u32> {
        loop {
            if let Some(&Place { watcher, .. }) = self.places.get(self.next) {
                self.next += 1;
                return Some(watcher);
            }
            self.places.clear();
            self.next = 0;
            if !self.refill() {
                return None;
            }
        }
    }

    /// Brings the watcher back whose tenant's turn it is.
    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> bool {
        let next = self.by_tenant.as_mut().and_then(|by_tenant| by_tenant.next());
        self.places.extend(next.map(|watcher| Place { watcher, run: NONE, topic: NONE }));
        next.is_some()
    }

    /// The place that comes after so many others.
    #[inline]
    pub(crate) fn ahead(&self, count: usize) -> Option<&Place> {
        self.places.get(self.next + count)
    }

    /// All places, in order; then those of tenants.
    pub(crate) fn places(&self) -> impl Iterator<Item = u32> + '_ {
        let by_tenant = self.by_tenant.iter().flat_map(|it| it.places());
        self.places.iter().skip(self.next).map(|place| place.watcher).chain(by_tenant)
    }

    pub(crate) fn bytes(&self) -> u64 {
        let by_tenant = self.by_tenant.as_ref().map_or(0, |it| it.bytes());
        (self.places.capacity() * size_of::<Place>()) as u64 + by_tenant
    }

    /// Lets go of the past, if that is most of it; else there is more room needed.
    #[cold]
    fn make_room(&mut self) {
        if self.next > self.places.len() / 2 {
            self.places.drain(..self.next);
            self.next = 0;
        } else {
            self.places.reserve(self.places.len().max(64));
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;

    use super::*;

    #[test]
    fn places_come_in_order_and_the_past_takes_no_more_room_than_the_present() {
        let (mut ready, mut model) = (Ready::default(), VecDeque::new());
        let mut records = [Watcher::default(); 300];
        for round in 0..50_000u32 {
            // It is never empty for long, and longest in the middle.
            let watcher = round * 7 % 300;
            let comes = round % 3 != 0 || model.len() < 20;
            if comes && records[watcher as usize].has_place == 0 && model.len() < 200 {
                ready.enter(Place { watcher, run: round, topic: 0 }, &mut records[watcher as usize]);
                model.push_back(watcher);
            } else if let Some(watcher) = model.pop_front() {
                assert_eq!(ready.ahead(0).map(|place| place.watcher), Some(watcher));
                assert_eq!(ready.pop(), Some(watcher));
                records[watcher as usize].has_place = 0;
            }
            assert!(ready.places().eq(model.iter().copied()));
        }
        assert!(model.len() > 20, "{}", model.len());
        assert!(ready.bytes() <= 2 * 300 * size_of::<Place>() as u64, "{}", ready.bytes());
        while let Some(watcher) = model.pop_front() {
            assert_eq!(ready.pop(), Some(watcher));
        }
        assert_eq!((ready.pop(), ready.ahead(0)), (None, None));
    }
}
