//! The watchers that have something to be told, in order of arrival.
//!
//! An array and not a list through the records: the drain can look ahead and ask for the lines of the next watchers
//! together, where a list would make it wait for one after the other (measured: half the cost of a drain). A watcher
//! that leaves the queue early leaves a hole; holes are never more than watchers and a few.

use alloc::collections::VecDeque;

use crate::store::NONE;

/// Holes that are not worth a tidying.
const HOLES_MIN: usize = 64;

/// A queue in which each watcher has at most one place and knows it.
#[derive(Default)]
pub(crate) struct Ready {
    places: VecDeque<u32>,
    /// The number of the first place; numbers go round.
    first: u32,
    waiting: usize,
}

impl Ready {
    /// Watchers in the queue.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Adds a watcher and gives the number of its place.
    pub(crate) fn push(&mut self, watcher: u32) -> u32 {
        self.places.push_back(watcher);
        self.waiting += 1;
        self.first.wrapping_add(self.places.len() as u32 - 1)
    }

    /// The first watcher; it stays until [`Self::remove`].
    pub(crate) fn front(&self) -> Option<u32> {
        self.places.iter().copied().find(|&watcher| watcher != NONE)
    }

    /// The watchers that come next, about `count` of them.
    pub(crate) fn ahead(&self, count: usize) -> impl Iterator<Item = u32> + '_ {
        self.places.iter().take(count).copied().filter(|&watcher| watcher != NONE)
    }

    /// Empties a place. Tells whether the holes have become too many: then [`Self::tidy`].
    pub(crate) fn remove(&mut self, place: u32) -> bool {
        let index = place.wrapping_sub(self.first) as usize;
        self.places[index] = NONE;
        self.waiting -= 1;
        while self.places.front() == Some(&NONE) {
            self.places.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        self.places.len() > 2 * self.waiting + HOLES_MIN
    }

    /// Closes the holes; every watcher is told its new place.
    pub(crate) fn tidy(&mut self, mut moved: impl FnMut(u32, u32)) {
        self.places.retain(|&watcher| watcher != NONE);
        for (index, &watcher) in self.places.iter().enumerate() {
            moved(watcher, self.first.wrapping_add(index as u32));
        }
    }

    /// Places, holes included.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.places
            .iter()
            .enumerate()
            .filter(|&(_, &watcher)| watcher != NONE)
            .map(|(index, &watcher)| (self.first.wrapping_add(index as u32), watcher))
    }

    pub(crate) fn bytes(&self) -> u64 {
        (self.places.capacity() * size_of::<u32>()) as u64
    }
}
