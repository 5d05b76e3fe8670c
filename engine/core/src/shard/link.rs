//! What goes to another shard: made when the ring has room, from what is newest then.
//!
//! Nothing here grows with the load: requests and answers are bounded by credits, joins, leaves and updates are lists
//! through records that exist anyway, and documents to hand back are bounded by not taking more updates in.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::home::{Reader, WANTS_GUARD};
use super::message::{Message, NewGuard, Outcome, Part, Parts, Update};
use super::watcher_information::{Marks, Owed};
use super::{FanOut, ShardMemory};
use crate::document::Document;
use crate::id::{CATEGORIES, Category, ShardIndex, ShardSet, Ticket};
use crate::store::{List, NONE};

/// What is under way between this shard and one other (or itself).
pub(crate) struct Link {
    /// Credits that are out: requests whose outcome was not taken yet.
    pub(crate) credits_out: u32,
    pub(crate) requests: VecDeque<Message>,
    pub(crate) answers: VecDeque<Message>,
    /// Topics that owe that home a join or a leave.
    pub(crate) interests: List,
    /// Readers on that shard that are owed an update.
    pub(crate) updates: List,
    /// Gates that have applied a policy and not told that home yet.
    pub(crate) applied: List,
    /// What is owed about watchers who are followed.
    pub(crate) information: Marks<Owed>,
    /// Documents to be handed back to that home.
    pub(crate) returns: VecDeque<Document>,
    /// Whose turn it is: requests and their answers, interest, updates, policies applied. None of them may hold up the
    /// others, whatever the size of the ring.
    turn: u8,
    /// Whether watchers had the turn of policies last: they share it.
    told_of_watchers: bool,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            credits_out: 0,
            requests: VecDeque::new(),
            answers: VecDeque::new(),
            interests: List::EMPTY,
            updates: List::EMPTY,
            applied: List::EMPTY,
            information: Marks::default(),
            returns: VecDeque::new(),
            turn: 0,
            told_of_watchers: false,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.requests.is_empty()
            && self.answers.is_empty()
            && self.interests.is_empty()
            && self.updates.is_empty()
            && self.applied.is_empty()
            && self.information.is_empty()
            && self.returns.is_empty()
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// The next message for a shard. To be called only while the link has room: state is read at this moment.
    pub fn next_message(&mut self, to: ShardIndex) -> Option<Message> {
        let link = &mut self.links[to.index()];
        let turn = link.turn;
        link.turn = (turn + 1) % 4;
        (turn..turn + 4).find_map(|kind| match kind % 4 {
            0 => self.next_transaction(to),
            1 => self.next_interest(to),
            2 => self.next_update(to),
            _ => self.next_applied_or_information(to),
        })
    }

    #[inline]
    fn next_applied_or_information(&mut self, to: ShardIndex) -> Option<Message> {
        let link = &self.links[to.index()];
        if link.applied.is_empty() && link.information.is_empty() {
            return None;
        }
        self.next_seldom(to)
    }

    /// What is hardly ever there: policies that were applied, and who watches whom, in turns.
    #[cold]
    fn next_seldom(&mut self, to: ShardIndex) -> Option<Message> {
        let link = &mut self.links[to.index()];
        if link.information.is_empty() {
            return self.next_applied(to);
        }
        link.told_of_watchers = !link.told_of_watchers;
        if link.told_of_watchers {
            self.next_information(to).or_else(|| self.next_applied(to))
        } else {
            self.next_applied(to).or_else(|| self.next_information(to))
        }
    }

    fn next_transaction(&mut self, to: ShardIndex) -> Option<Message> {
        let link = &mut self.links[to.index()];
        link.answers.pop_front().or_else(|| link.requests.pop_front())
    }

    /// The next document to hand back to its home. To be called only while the ring back has room.
    pub fn next_return(&mut self, to: ShardIndex) -> Option<Document> {
        self.links[to.index()].returns.pop_front()
    }

    /// Whether a message of that shard may be taken in now: not while so many documents wait to be handed back to it
    /// that one more update would pass the bound. The hand-back ring waits for nothing, so this ends by itself.
    #[must_use]
    pub fn can_receive(&self, from: ShardIndex) -> bool {
        self.links[from.index()].returns.len() <= self.returns_max()
    }

    /// How many messages of that shard may be taken in together: as many as [`Self::can_receive`] would let in one by one,
    /// were each to replace every document of its topic; none if it would let in none.
    #[must_use]
    pub fn receive_room(&self, from: ShardIndex) -> usize {
        let room = (self.returns_max() + 1).saturating_sub(self.links[from.index()].returns.len());
        if room == 0 { 0 } else { (room / CATEGORIES).max(1) }
    }

    pub(crate) fn returns_max(&self) -> usize {
        self.limits.link_slots as usize
    }

    /// Answers a request: the ring back has room for it, sooner or later.
    pub(crate) fn answer(&mut self, to: ShardIndex, ticket: Ticket, outcome: Outcome) {
        if let Outcome::Refused(_) = outcome {
            self.counters.refused += 1;
        }
        self.links[to.index()].answers.push_back(Message::Answer { ticket, outcome });
    }

    /// Takes back a document that another shard held for this home.
    pub fn receive_return(&mut self, document: Document) {
        self.homes.take_back(document);
    }

    /// Takes back documents that another shard held, and leaves the vector empty. Faster than one after the other: nobody has
    /// looked at any of them here since it was replaced, and their lines come together. Not more than some dozens at a time.
    pub fn receive_returns(&mut self, documents: &mut Vec<Document>) {
        documents.iter().for_each(|document| B::approach(document.address()));
        documents.drain(..).for_each(|document| self.homes.take_back(document));
    }

    /// Every shard that listens to the view is owed its newest state.
    pub(crate) fn owe_updates(&mut self, view: u32) {
        let mut reader = self.homes.views[view].readers;
        while reader != NONE {
            self.owe_update(reader);
            reader = self.homes.readers[reader].next;
        }
    }

    pub(crate) fn owe_update(&mut self, reader: u32) {
        let record = &mut self.homes.readers[reader];
        if record.is_owed == 0 {
            record.is_owed = 1;
            let link = &mut self.links[usize::from(record.shard)];
            link.updates.push_back(&mut self.homes.readers, reader, Reader::owed_links);
        }
    }

    /// Every shard that looks at the presentity is owed its policy, and gets it before anything else. Whichever of the
    /// presentity's updates goes first brings it along, so nothing that is composed from now on arrives without (C6).
    pub(crate) fn owe_guard(&mut self, home: u32) -> ShardSet {
        self.owe_guard_to(home, |_| true)
    }

    /// As [`Self::owe_guard`], to some shards. Always for all of a shard's topics: it closes them all when the policy comes,
    /// and each opens with an update of its own.
    pub(crate) fn owe_guard_to(&mut self, home: u32, is_meant: impl Fn(ShardIndex) -> bool) -> ShardSet {
        let mut shards = ShardSet::NONE;
        let mut view = self.homes.homes[home].views;
        while view != NONE {
            let mut reader = self.homes.views[view].readers;
            while reader != NONE {
                let record = &mut self.homes.readers[reader];
                if !is_meant(ShardIndex(record.shard)) {
                    reader = record.next;
                    continue;
                }
                record.guard_marks |= WANTS_GUARD;
                shards.insert(ShardIndex(record.shard));
                let updates = &mut self.links[usize::from(record.shard)].updates;
                if core::mem::replace(&mut record.is_owed, 1) != 0 {
                    updates.remove(&mut self.homes.readers, reader, Reader::owed_links);
                }
                updates.push_front(&mut self.homes.readers, reader, Reader::owed_links);
                reader = self.homes.readers[reader].next;
            }
            view = self.homes.views[view].next;
        }
        shards
    }

    fn next_update(&mut self, to: ShardIndex) -> Option<Message> {
        let reader = self.links[to.index()].updates.head;
        if reader == NONE {
            return None;
        }
        // What is past its expiry is never told (C7). The change finds the reader in the list already.
        self.expire_view(self.homes.readers[reader].view);
        self.links[to.index()].updates.remove(&mut self.homes.readers, reader, Reader::owed_links);
        let parts = self.parts_for(reader);
        let homes = &mut self.homes;
        let stamp = homes.stamp_shown(&homes.views[homes.readers[reader].view]);
        let record = &mut homes.readers[reader];
        let view = &homes.views[record.view];
        let update = Update {
            topic: record.topic,
            generation: record.generation,
            turn: view.turn,
            whole: record.wants_whole != 0,
            stamp,
            expires: view.expires,
            history: if view.parts == NONE { 0 } else { homes.parts[view.parts].history },
            parts,
        };
        record.is_owed = 0;
        record.wants_whole = 0;
        record.sent_turn = view.turn;
        self.counters.updates_sent += 1;
        if record.guard_marks & WANTS_GUARD != 0 {
            record.guard_marks &= !WANTS_GUARD;
            let ward = &homes.wards[homes.homes[view.home].ward];
            let guard = NewGuard { epoch: ward.epoch, guard: ward.guard.clone() };
            return Some(Message::Update(Update { parts: Parts::Guarded((guard, update.parts).into()), ..update }));
        }
        Some(Message::Update(update))
    }

    /// What changed since the reader was sent something, or all there is.
    fn parts_for(&self, reader: u32) -> Parts {
        let homes = &self.homes;
        let record = &homes.readers[reader];
        let view = &homes.views[record.view];
        let whole = record.wants_whole != 0;
        let is_newer = |turn: u32| whole || turn.wrapping_sub(record.sent_turn) as i32 > 0;
        if view.parts == NONE {
            let Some(category) = Category::new(view.category).filter(|_| is_newer(view.turn)) else {
                return Parts::None;
            };
            let document = view.document.as_ref().map(Document::lend);
            return Parts::One(Part { category, turn: view.turn, document });
        }
        let parts = &homes.parts[view.parts];
        let mut changed: Vec<Part> = (0..CATEGORIES as u8)
            .filter_map(Category::new)
            .filter(|category| parts.known >> category.index() & 1 == 1 && is_newer(parts.turns[category.index()]))
            .map(|category| Part {
                category,
                turn: parts.turns[category.index()],
                document: parts.documents[category.index()].as_ref().map(Document::lend),
            })
            .collect();
        match changed.len() {
            0 => Parts::None,
            1 => Parts::One(changed.remove(0)),
            _ => Parts::Many(Box::from(changed)),
        }
    }
}
