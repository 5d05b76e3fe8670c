//! A note: what a watcher is told of one presentity.
//!
//! It owns nothing: what it shows lies in the shard's records, and a document is looked for when it is asked for.

use super::documents::Documents;
use super::group::Group;
use super::topic::TopicParts;
use crate::document::Document;
use crate::id::{CATEGORIES, Categories, Category, PresentityId, SlotIndex, Stamp, TopicIndex, View};

/// One view of one presentity, told to one watcher. Everything in it is borrowed until the next note is asked for.
pub struct Note<'a> {
    /// What the embedder gave when it opened the watcher.
    pub watcher_token: u64,
    /// The subscription's place.
    pub slot: SlotIndex,
    /// Whose presence it is.
    pub presentity: PresentityId,
    /// In which rendering.
    pub view: View,
    /// The version: the state is the newest as of it.
    pub stamp: Stamp,
    /// Whether it is the first that the subscription is told (in this view), or all told again: for a refresh, or because a
    /// group's longest gap was over.
    pub first: bool,
    /// Changes of wanted categories that this note stands for besides its own.
    pub skipped: u32,
    /// Whether there may have been more of them: the topic remembers the categories of its last 16 changes only.
    pub skipped_at_least: bool,
    pub(super) topic: u32,
    pub(super) documents: &'a Documents,
    pub(super) parts: Option<&'a TopicParts>,
    pub(super) told: Categories,
    pub(super) group: &'a Group,
}

impl Note<'_> {
    /// What the embedder gave when it opened the group. Reads a line of memory that nothing else in a note needs.
    #[must_use]
    pub fn group_token(&self) -> u64 {
        self.group.token
    }

    /// The topic's place: the same for all watchers of this view on this shard.
    #[must_use]
    pub fn topic(&self) -> TopicIndex {
        TopicIndex(self.topic)
    }

    /// The categories told, those whose state is gone among them.
    #[must_use]
    pub fn told(&self) -> Categories {
        self.told
    }

    /// The first document told: all there is to an engine with one category. Without one the presentity has no state,
    /// or lost that of the categories told.
    #[must_use]
    pub fn document(&self) -> Option<&Document> {
        self.parts().find_map(|(_, document)| document)
    }

    /// The categories told, each with its document or with nothing where its state is gone.
    pub fn parts(&self) -> impl Iterator<Item = (Category, Option<&Document>)> {
        (0..CATEGORIES as u8).filter_map(Category::new).filter(|&category| self.told.contains(category)).map(
            |category| match self.parts {
                Some(parts) => (category, parts.documents[category.index()].as_ref()),
                None => (category, self.documents.look(self.topic)),
            },
        )
    }
}
