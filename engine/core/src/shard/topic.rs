//! Topics: what this shard knows of one view of one presentity, and who here looks at it.
//!
//! A topic lives while it has a subscription, and until its leave is on the way to the home. The record is one cache
//! line of plain data, so that it may lie in huge pages: at a million topics every look at one would else pay for a walk
//! through the page table as well. Its document and its places in lists lie in arrays beside it.

use bytemuck::{Pod, Zeroable};

use super::ShardMemory;
use super::documents::Documents;
use super::subscriber::EntryRun;
use crate::document::Document;
use crate::error::Corrupt;
use crate::id::{CATEGORIES, Categories, Category, PresentityId, Stamp, Tick, View};
use crate::store::{Arena, Heap, IdTable, Links, NONE, Record, Slab, SlabFull};

/// The home has answered the newest join. Without it the topic is silent.
pub(crate) const LIVE: u8 = 1;
/// The topic has heard of its home at least once, so that turns can be counted on.
pub(crate) const HEARD: u8 = 1 << 1;
/// A join is on the way to the home, or was once: only a leave can end it.
pub(crate) const JOINED: u8 = 1 << 6;
/// The home has still to be told that the topic listens.
pub(crate) const OWES_JOIN: u8 = 1 << 2;
/// The home has still to be told that nobody listens.
pub(crate) const OWES_LEAVE: u8 = 1 << 3;
/// A walk is under way and in the list of short ones.
pub(crate) const WALKS_SHORT: u8 = 1 << 4;
/// A walk is under way and in the list of long ones.
pub(crate) const WALKS_LONG: u8 = 1 << 5;
/// A policy has come that is not applied to all its subscribers yet: the topic is silent.
pub(crate) const CLOSED: u8 = 1 << 7;
/// A walk is under way.
pub(crate) const WALKS: u8 = WALKS_SHORT | WALKS_LONG;

/// One view of one presentity, as known here.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Topic {
    pub(crate) presentity: PresentityId,
    /// The state is the presentity's newest as of this.
    pub(crate) stamp: Stamp,
    /// Past it the topic is silent until the home tells what follows.
    pub(crate) expires: Tick,
    /// This topic's own numbering of the view's changes: it goes in step with the home's.
    pub(crate) turn: u32,
    /// The home's number of the newest change heard of.
    pub(crate) home_turn: u32,
    /// The newest run of the subscriber list.
    pub(crate) head: u32,
    pub(crate) len: u32,
    /// Odd while the topic lives, and raised by two with every join: an update meant for an earlier join is stale.
    pub(crate) generation: u32,
    /// The documents, once there were several categories.
    pub(crate) parts: u32,
    /// Where the walk goes on, as an entry's number.
    pub(crate) cursor: u32,
    /// Entries until the walk is round.
    pub(crate) remaining: u32,
    pub(crate) view: View,
    pub(crate) state: u8,
    /// The category of all changes, while they were of one, as a set's bits: none before the first.
    category_bits: u8,
    /// The last bulk call whose group holds the topic; see `FanOut::subscribe`.
    pub(crate) held_in_call: u32,
}

const _: () = assert!(size_of::<Topic>() == 64, "whoever looks at a topic reads one line");

impl Topic {
    pub(crate) fn is(&self, presentity: PresentityId, view: View) -> bool {
        self.presentity == presentity && self.view == view
    }

    pub(crate) fn has(&self, flags: u8) -> bool {
        self.state & flags != 0
    }

    /// Whether it may be told: the home has said what it is, no policy waits to be applied, and it has not expired.
    pub(crate) fn is_open(&self, now: Tick) -> bool {
        self.state & (LIVE | CLOSED) == LIVE && self.expires > now
    }

    /// The category of all changes, as a set; only of use while `parts` is none.
    pub(crate) fn categories(&self) -> Categories {
        Categories::from_bits(self.category_bits)
    }

    pub(crate) fn lives(&self) -> bool {
        self.generation & 1 == 1
    }
}

impl Record for Topic {
    fn chain(&mut self) -> &mut u32 {
        &mut self.head
    }
}

/// The documents of a topic with several categories.
#[derive(Debug, Default)]
pub(crate) struct TopicParts {
    pub(crate) documents: [Option<Document>; CATEGORIES],
    /// The topic's turn when the category changed last.
    pub(crate) turns: [u32; CATEGORIES],
    /// The categories of the last sixteen changes, four bits each, the newest lowest.
    pub(crate) history: u64,
    /// The categories that ever changed, as a set's bits.
    pub(crate) known: u8,
    chain: u32,
}

impl Record for TopicParts {
    fn chain(&mut self) -> &mut u32 {
        &mut self.chain
    }
}

/// A topic's places in lists.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct TopicPlaces {
    /// Among the walks.
    pub(crate) walk_links: Links,
    /// In the link's list of topics that owe the home a join or a leave.
    pub(crate) interest_links: Links,
}

impl TopicPlaces {
    pub(crate) fn walk_links(&mut self) -> &mut Links {
        &mut self.walk_links
    }

    pub(crate) fn interest_links(&mut self) -> &mut Links {
        &mut self.interest_links
    }
}

/// The topics of a shard, with their subscriber lists.
pub(crate) struct Topics<B: ShardMemory> {
    pub(crate) topics: Slab<Topic, B>,
    pub(crate) places: Arena<TopicPlaces, B>,
    /// The document of each topic, while all its changes were of one category; else they lie in `parts`.
    pub(crate) documents: Documents,
    pub(crate) parts: Slab<TopicParts, Heap>,
    pub(crate) entries: Slab<EntryRun, B>,
    pub(crate) table: IdTable,
    /// Whether any presentity was ever looked at in two views here. While not, a topic found is the only one.
    pub(crate) has_views: bool,
}

impl<B: ShardMemory> Topics<B> {
    pub(crate) fn find(&self, presentity: PresentityId, view: View) -> Option<u32> {
        self.table.find(presentity, |index| self.topics[index].is(presentity, view))
    }

    /// Makes a topic that knows nothing yet.
    pub(crate) fn create(&mut self, presentity: PresentityId, view: View) -> Result<u32, SlabFull> {
        self.reserve(1)?;
        self.has_views |= self.table.candidates(presentity).any(|other| self.topics[other].presentity == presentity);
        let index = self.topics.insert()?;
        let topic = &mut self.topics[index];
        *topic = Topic {
            presentity,
            view,
            expires: Tick::NEVER,
            // Numbering goes on from the last user's: wrapping is met by every test that uses a topic twice.
            turn: topic.turn.wrapping_add(1),
            generation: topic.generation.wrapping_add(1),
            head: NONE,
            parts: NONE,
            ..Topic::default()
        };
        let topics = &self.topics;
        let entered = self.table.insert(presentity, index, |index| topics[index].presentity);
        if entered.is_err() {
            self.topics[index].generation = self.topics[index].generation.wrapping_add(1);
            self.topics.remove(index);
            return Err(SlabFull::Memory);
        }
        Ok(index)
    }

    /// Makes sure that so many topics can be created, as far as records go.
    pub(crate) fn reserve(&mut self, count: u32) -> Result<(), SlabFull> {
        self.topics.reserve(count)?;
        let wanted = self.topics.ever().saturating_add(count).min(self.topics.limit());
        while self.places.len() < wanted {
            self.places.push()?;
        }
        while self.documents.len() < wanted {
            self.documents.push()?;
        }
        Ok(())
    }

    /// Lets go of a topic without subscribers. Its documents must be gone.
    pub(crate) fn free(&mut self, index: u32) {
        let topic = &mut self.topics[index];
        debug_assert!(topic.len == 0 && topic.parts == NONE && self.documents[index].is_none());
        topic.generation = topic.generation.wrapping_add(1);
        topic.state = 0;
        self.documents.changes.forget(index);
        let presentity = topic.presentity;
        self.table.remove(presentity, index);
        self.topics.remove(index);
    }

    /// Takes every document out of a topic.
    pub(crate) fn take_documents(&mut self, index: u32, mut taken: impl FnMut(Document)) {
        if let Some(document) = self.documents[index].take() {
            taken(document);
        }
        let topic = &mut self.topics[index];
        if topic.parts != NONE {
            let parts = core::mem::replace(&mut topic.parts, NONE);
            for document in self.parts[parts].documents.iter_mut().filter_map(Option::take) {
                taken(document);
            }
            self.parts.remove(parts);
        }
    }

    /// A category's document.
    pub(crate) fn document(&self, index: u32, category: Category) -> Option<&Document> {
        let topic = &self.topics[index];
        match topic.parts {
            NONE if topic.categories().contains(category) => self.documents[index].as_ref(),
            NONE => None,
            parts => self.parts[parts].documents[category.index()].as_ref(),
        }
    }

    /// Replaces one category's document and gives back the one that was there.
    ///
    /// `turn` is the topic's turn of the change, `before` its turn before the update that brings the change. Only the
    /// first change of a second category needs memory.
    pub(crate) fn put(
        &mut self,
        index: u32,
        category: Category,
        (turn, before): (u32, u32),
        document: Option<Document>,
    ) -> Result<Option<Document>, SlabFull> {
        let topic = &mut self.topics[index];
        let only = Categories::only(category);
        if topic.parts == NONE && [Categories::NONE, only].contains(&topic.categories()) {
            topic.category_bits = only.bits();
            return Ok(core::mem::replace(&mut self.documents[index], document));
        }
        self.spread(index, before)?;
        let topic = &self.topics[index];
        let record = &mut self.parts[topic.parts];
        record.known |= 1 << category.number();
        record.turns[category.index()] = turn;
        Ok(core::mem::replace(&mut record.documents[category.index()], document))
    }

    /// Spreads a topic over several categories, if it is not yet: all its changes up to the turn `before` were of one.
    pub(crate) fn spread(&mut self, index: u32, before: u32) -> Result<(), SlabFull> {
        let topic = &mut self.topics[index];
        if topic.parts != NONE {
            return Ok(());
        }
        let parts = self.parts.insert()?;
        let record = &mut self.parts[parts];
        *record = TopicParts::default();
        if let Some(category) = topic.categories().iter().next() {
            record.turns[category.index()] = before;
            record.known = 1 << category.number();
            record.documents[category.index()] = self.documents[index].take();
        }
        topic.parts = parts;
        Ok(())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.record_bytes() + self.entries.bytes()
    }

    /// What topics weigh without their subscribers.
    pub(crate) fn record_bytes(&self) -> u64 {
        self.topics.bytes() + self.places.bytes() + self.documents.bytes() + self.parts.bytes()
    }

    pub(crate) fn verify(&self) -> Result<(), Corrupt> {
        let mut living = 0;
        for index in 0..self.topics.ever() {
            let topic = &self.topics[index];
            if !topic.lives() {
                continue;
            }
            living += 1;
            let wrong = |rule| Err(Corrupt { rule, index: index.into() });
            if self.find(topic.presentity, topic.view) != Some(index) {
                return wrong("a living topic is found by its presentity and view");
            }
            if topic.has(WALKS) && topic.remaining == 0 {
                return wrong("a walk in a list has entries left");
            }
            if topic.has(WALKS) && topic.remaining > topic.len {
                return wrong("a walk has no more entries left than the topic has");
            }
            if topic.len == 0 && !topic.has(OWES_LEAVE) {
                return wrong("a topic without subscribers owes a leave");
            }
        }
        if living != self.topics.live() {
            return Err(Corrupt { rule: "as many topics live as are counted", index: living.into() });
        }
        if self.table.len() != living as usize {
            return Err(Corrupt { rule: "the table has an entry for each topic", index: living.into() });
        }
        Ok(())
    }
}
