//! The documents of topics, one for each: a topic of several categories has its own in `TopicParts`.
//!
//! They lie apart from the topics' records, because not every frontend looks at them (one may write what it rendered
//! before, for the same topic and turn), and those that do not are not to wait for their lines.

use core::ops::{Index, IndexMut};
use core::sync::atomic::{AtomicBool, Ordering};

use super::changes::Changes;
use crate::document::Document;
use crate::store::{Arena, Heap, Hints, OutOfMemory};

/// Documents by topic.
pub(crate) struct Documents {
    arena: Arena<Option<Document>, Heap>,
    /// Whether one was looked at since it was asked last. One thread alone reads and writes it; atomic, so that a shard and
    /// its notes may be shared like other values.
    looked_at: AtomicBool,
    /// What is known of their changes, for those who want to know.
    pub(super) changes: Changes,
    /// The secret of state tags.
    pub(super) tag_secret: [u8; 16],
}

impl Documents {
    pub(crate) fn none(changes: Changes, tag_secret: [u8; 16]) -> Self {
        Self { arena: Arena::on_heap(), looked_at: AtomicBool::new(false), changes, tag_secret }
    }

    /// Topics there is a place for.
    pub(crate) fn len(&self) -> u32 {
        self.arena.len()
    }

    pub(crate) fn push(&mut self) -> Result<u32, OutOfMemory> {
        self.arena.push()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.arena.bytes() + self.changes.bytes()
    }

    /// The topic's document, for somebody who was told of it.
    #[inline]
    pub(super) fn look(&self, topic: u32) -> Option<&Document> {
        self.looked_at.store(true, Ordering::Relaxed);
        self.arena[topic].as_ref()
    }

    /// Asks for these topics' documents, if the frontend has looked at any since the last call, and so will at these.
    pub(super) fn approach_if_looked_at<H: Hints>(&self, topics: impl Iterator<Item = u32> + Clone) {
        if self.looked_at.load(Ordering::Relaxed) {
            self.looked_at.store(false, Ordering::Relaxed);
            self.approach::<H>(topics);
        }
    }

    /// Asks for these topics' documents, so that their lines come together.
    pub(super) fn approach<H: Hints>(&self, topics: impl Iterator<Item = u32> + Clone) {
        let documents = || topics.clone().filter(|&topic| topic < self.len()).map(|topic| &self.arena[topic]);
        documents().for_each(|document| H::approach(&raw const *document));
        documents().flatten().for_each(|document| H::approach(document.address()));
    }
}

impl Index<u32> for Documents {
    type Output = Option<Document>;

    #[inline]
    fn index(&self, topic: u32) -> &Option<Document> {
        &self.arena[topic]
    }
}

impl IndexMut<u32> for Documents {
    #[inline]
    fn index_mut(&mut self, topic: u32) -> &mut Option<Document> {
        &mut self.arena[topic]
    }
}
