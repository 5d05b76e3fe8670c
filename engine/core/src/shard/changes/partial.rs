//! Partial notifications: a change told as a difference to who has what was there before (RFC 5262 and 5263).

use core::fmt::Debug;

use bytes::Bytes;

use super::super::note::Note;
use super::super::{FanOut, ShardMemory};
use super::Changes;
use crate::error::Error;
use crate::id::{Category, GroupId};

/// Makes a difference of two documents, in the format of the embedder's protocol.
pub trait Differ: Debug + Send + Sync {
    /// What makes `after` of `before`; nothing where the whole is to be told. Asked once for each change on a shard that
    /// somebody watches in part.
    fn difference(&self, category: Category, before: &[u8], after: &[u8]) -> Option<Bytes>;
}

impl<B: ShardMemory> FanOut<B> {
    /// Offers a group's notes as differences as well ([`Note::difference`]), or does so no more.
    ///
    /// Costs a look at each subscription of the group; and from then on, for each change of whoever it watches, a call of the
    /// [`Differ`] and a copy of what was there.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`]; [`Error::NoDiffer`] if the shard's scheme has none.
    pub fn set_partial(&mut self, group: GroupId, is_partial: bool) -> Result<(), Error> {
        let index = self.group(group).ok_or(Error::NoSuchGroup(group))?;
        if is_partial && self.topics.documents.changes.differ.is_none() {
            return Err(Error::NoDiffer);
        }
        self.wish(index, |wish| wish.is_partial = is_partial);
        Ok(())
    }
}

impl Changes {
    pub(crate) fn difference(&self, topic: u32, category: Category) -> Option<&Bytes> {
        self.kept.get(&topic)?.differences[category.index()].as_ref()
    }
}

impl Note<'_> {
    /// What makes a category's document, as this note tells it, of the one that the subscription was told last (RFC 5262). One
    /// piece of bytes for all who are told the change.
    ///
    /// Nothing where the whole has to be told: for a first state or a refresh, after changes that were skipped, for a category
    /// that has come or gone, where the difference would be no shorter, and while no group here asks for differences.
    #[must_use]
    pub fn difference(&self, category: Category) -> Option<&Bytes> {
        let has_the_last = !self.first && self.skipped == 0 && !self.skipped_at_least;
        if !has_the_last || !self.told.contains(category) {
            return None;
        }
        self.documents.changes.difference(self.topic, category)
    }
}
