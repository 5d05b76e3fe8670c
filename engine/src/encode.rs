//! Encode a change once for all its watchers on a shard, not once for each.
//!
//! A frontend owns one [`EncodeOnce`] for every wire format that it writes, beside its sockets. Watchers of one view
//! are told of a change within a few turns of each other, so a table of the newest change of each topic, with as many
//! slots as topics change in that time, finds nearly all of them. Invariant: what is found was made from the same
//! state of the same view, all of it or what was left of it past an expiry (C7): never another presentity's, never an
//! older one. Bounded: two topics that meet in a slot replace each other. Cost: one line to look up, one comparison.

use std::fmt;

use fanfare_core::{Categories, Category, Note, PresentityId, Stamp, View};

/// Slots at most: beyond, the table is larger than what it spares.
const SLOTS_MAX: usize = 1 << 24;

/// A bounded table of encoded changes.
pub struct EncodeOnce<T> {
    slots: Box<[Option<Entry<T>>]>,
}

struct Entry<T> {
    key: Key,
    encoded: T,
}

/// What an encoding depends on. `first` and `skipped` differ from watcher to watcher, and are not part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    presentity: PresentityId,
    stamp: Stamp,
    view: View,
    told: Categories,
    present: Categories,
}

impl<T> fmt::Debug for EncodeOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncodeOnce").field("slots", &self.slots.len()).finish()
    }
}

impl<T> EncodeOnce<T> {
    /// A table with so many slots, rounded up to a power of two (16 million at most): as many as presentities change
    /// in the time in which a watcher is told. Takes 40 bytes and a `T` a slot at once.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let slots = slots.clamp(1, SLOTS_MAX).next_power_of_two();
        Self { slots: (0..slots).map(|_| None).collect() }
    }

    /// What this note's change is in this encoding: as found or, if it is the first of its shard, as `encode` makes it.
    ///
    /// `encode` must use only what all watchers of the view share: presentity, view, stamp, and the parts.
    pub fn get(&mut self, note: &Note<'_>, encode: impl FnOnce(&Note<'_>) -> T) -> &T {
        let present = note.parts().filter(|(_, document)| document.is_some());
        let key = Key {
            presentity: note.presentity,
            stamp: note.stamp,
            view: note.view,
            told: note.told(),
            present: present.fold(Categories::NONE, |set, (category, _): (Category, _)| set.with(category)),
        };
        let mask = self.slots.len() - 1;
        let slot = &mut self.slots[note.topic().index() & mask];
        if slot.as_ref().is_some_and(|entry| entry.key != key) {
            *slot = None;
        }
        &slot.get_or_insert_with(|| Entry { key, encoded: encode(note) }).encoded
    }
}
