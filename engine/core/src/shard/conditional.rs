//! Conditional notification: who says which state he knows is not told it once more (RFC 5839).
//!
//! A state's tag is a hash of what a subscription is shown. What watchers say they know lies beside the outboxes until the
//! first state, or all again, would be told, which is looked at then; nobody else pays for it. Invariant: each entry
//! is a used slot's whose run says so. An entry weighs some 30 bytes.

use alloc::collections::BTreeMap;
use core::hash::Hasher;

use siphasher::sip::SipHasher24;

use super::documents::Documents;
use super::drain::Due;
use super::note::Note;
use super::slot::{KNOWN, LANES, Outboxes, place};
use super::topic::TopicParts;
use super::verify::wrong;
use super::{FanOut, ShardMemory};
use crate::error::{Corrupt, Error};
use crate::id::{Categories, GroupId, PresentityId, View};
use crate::store::NONE;

/// What a subscription is shown of somebody, as a number: the same for the same documents, in whatever view, on any shard and
/// after any restart, as long as the scheme's secret is the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StateTag(pub u64);

/// Tags that watchers have said they know, by slot.
pub(crate) type KnownTags = BTreeMap<u32, StateTag>;

impl<B: ShardMemory> FanOut<B> {
    /// Says that a group's watcher knows this state of a presentity already, and tells whether the group watches him. If that
    /// is what it would be told as a first state, or all again, it is not told: what it is owed counts as unwanted. Anything
    /// else is told, and then this is forgotten.
    ///
    /// To be called right after [`Self::watch`], or before [`Self::refresh_group`]. Costs a look for the subscription.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`].
    pub fn know(&mut self, group: GroupId, presentity: PresentityId, tag: StateTag) -> Result<bool, Error> {
        let index = self.group(group).ok_or(Error::NoSuchGroup(group))?;
        let Some(slot) = self.subscription_of(index, presentity) else { return Ok(false) };
        self.outboxes.known_tags.insert(slot, tag);
        self.outboxes.runs[place(slot).0].flags |= KNOWN;
        Ok(true)
    }

    /// What a subscription is due whose watcher may know it: nothing, if he does.
    pub(in crate::shard) fn due_if_unknown(&mut self, due: Due, is_repeat: bool) -> Option<Due> {
        let Some(known) = self.outboxes.forget_tag(due.slot).filter(|_| due.first) else { return Some(due) };
        let parts = (due.parts != NONE).then(|| &self.topics.parts[due.parts]);
        let shown = due.told.and(self.outboxes.runs[place(due.slot).0].wants());
        if known != tag_of(&self.topics.documents, parts, due.topic, (due.presentity, due.view), shown) {
            return Some(due);
        }
        if is_repeat {
            self.counters.repeated -= 1;
        } else {
            self.counters.delivered -= 1;
            self.counters.filtered += 1;
        }
        None
    }
}

impl<B: ShardMemory> Outboxes<B> {
    /// A slot's watcher is told, moves to another view, or is gone: what he knows is of no use any more.
    #[cold]
    pub(crate) fn forget_tag(&mut self, slot: u32) -> Option<StateTag> {
        let tag = self.known_tags.remove(&slot);
        let (run, _) = place(slot);
        if self.known_tags.range(run * LANES..(run + 1) * LANES).next().is_none() {
            self.runs[run].flags &= !KNOWN;
        }
        tag
    }

    /// Checks that runs say which of them have tags.
    pub(crate) fn verify_tags(&self) -> Result<(), Corrupt> {
        for &slot in self.known_tags.keys() {
            let (run, lane) = place(slot);
            if self.runs[run].used >> lane & 1 == 0 || self.runs[run].flags & KNOWN == 0 {
                return wrong("a tag is that of a subscription whose run says so", slot);
            }
        }
        Ok(())
    }
}

impl Note<'_> {
    /// The tag of what the subscription is shown once it is told this: what its watcher may say he knows, when he comes back
    /// ([`FanOut::know`]). Reads all documents of the view that the group wants.
    #[must_use]
    pub fn state_tag(&self) -> StateTag {
        let shown = if self.parts.is_some() { self.group.wants() } else { self.told };
        tag_of(self.documents, self.parts, self.topic, (self.presentity, self.view), shown)
    }
}

/// The tag of these categories' documents. Of views only the closed ones count, which their watchers are told anyway: else who
/// is always shown as offline could tell by the tag that he is not shown what others are (C6).
fn tag_of(
    documents: &Documents,
    parts: Option<&TopicParts>,
    topic: u32,
    (presentity, view): (PresentityId, View),
    shown: Categories,
) -> StateTag {
    let mut hasher = SipHasher24::new_with_key(&documents.tag_secret);
    hasher.write_u64(presentity.get());
    hasher.write_u16(if view.is_closed() { view.0 } else { 0 });
    for category in shown.iter() {
        let document = match parts {
            Some(parts) => parts.documents[category.index()].as_ref(),
            None => documents[topic].as_ref(),
        };
        if let Some(document) = document {
            hasher.write_u8(category.number());
            hasher.write_u64(document.len() as u64);
            hasher.write(document.as_slice());
        }
    }
    StateTag(hasher.finish())
}
