//! Interest: topics tell their homes that they listen (first watcher) or do not any more (last one).
//!
//! Joins and leaves are owed state like everything else between shards: the topic is in its link's list until the ring
//! has room. A topic that owes a leave and finds a watcher again just stays; it is let go of at the moment when the
//! leave is sent, not before and not after, so that no join of its successor can be overtaken by it.

use super::home::Reader;
use super::message::{Interest, Message};
use super::topic::{JOINED, LIVE, OWES_JOIN, OWES_LEAVE, TopicPlaces};
use super::{FanOut, ShardMemory};
use crate::id::{CATEGORIES, ShardIndex};
use crate::store::{NONE, SlabFull};

impl<B: ShardMemory> FanOut<B> {
    /// The shard where a topic's presentity is at home.
    pub(crate) fn home_of_topic(&self, topic: u32) -> ShardIndex {
        self.home_of(self.topics.topics[topic].presentity)
    }

    /// The home has to be told, when there is room on the way.
    pub(crate) fn owe_interest(&mut self, topic: u32, flag: u8) {
        let home = self.home_of_topic(topic);
        self.topics.topics[topic].state |= flag;
        self.links[home.index()].interests.push_back(&mut self.topics.places, topic, TopicPlaces::interest_links);
    }

    /// The home needs to be told nothing.
    pub(crate) fn settle_interest(&mut self, topic: u32) {
        if !self.topics.topics[topic].has(OWES_JOIN | OWES_LEAVE) {
            return;
        }
        let home = self.home_of_topic(topic);
        self.topics.topics[topic].state &= !(OWES_JOIN | OWES_LEAVE);
        self.links[home.index()].interests.remove(&mut self.topics.places, topic, TopicPlaces::interest_links);
    }

    /// Silences a topic until the home has answered a join sent after this moment.
    pub(crate) fn rejoin(&mut self, topic: u32) {
        let record = &mut self.topics.topics[topic];
        record.state &= !LIVE;
        record.generation = record.generation.wrapping_add(2);
        if !record.has(OWES_JOIN) {
            self.owe_interest(topic, OWES_JOIN);
        }
    }

    /// The next join or leave for a home, made now.
    pub(crate) fn next_interest(&mut self, home: ShardIndex) -> Option<Message> {
        let link = &mut self.links[home.index()];
        let topic = link.interests.head;
        if topic == NONE {
            return None;
        }
        let record = &self.topics.topics[topic];
        let is_leave = record.has(OWES_LEAVE);
        if is_leave && home != self.index && !self.can_receive(home) {
            // Its documents go back with it, and there is no room for them.
            return None;
        }
        if is_leave && !self.reports.is_empty() && self.is_reported_before_leave(record.presentity) {
            // Whoever follows is told first how its watchers ended.
            return None;
        }
        let interest = Interest {
            presentity: record.presentity,
            view: record.view,
            topic,
            generation: record.generation,
            policy: self.gates.epoch_of(record.presentity),
        };
        self.settle_interest(topic);
        if !is_leave {
            self.topics.topics[topic].state |= JOINED;
            self.counters.joins_sent += 1;
            return Some(Message::Join(interest));
        }
        let mut returned: [_; CATEGORIES] = Default::default();
        let mut count = 0;
        self.topics.take_documents(topic, |document| {
            returned[count] = Some(document);
            count += 1;
        });
        for document in returned.into_iter().flatten() {
            self.give_back(home, document);
        }
        self.free_topic(topic);
        self.counters.leaves_sent += 1;
        Some(Message::Leave(interest))
    }

    /// Lets go of a topic, and of the presentity's policy with the last of its topics.
    pub(crate) fn free_topic(&mut self, topic: u32) {
        let presentity = self.topics.topics[topic].presentity;
        self.topics.free(topic);
        self.drop_gate_if_unwatched(presentity);
    }

    /// A shard listens to a view: it is owed the whole of it.
    pub(crate) fn take_join(&mut self, from: ShardIndex, interest: Interest) {
        // A join cannot be refused: its watchers would never be told. Homes that are only watched are bounded by the
        // topics of all shards; memory alone can fail, and then the shard must not go on as if nothing were.
        let view =
            self.homes.find_or_create(interest.presentity, interest.view).expect("memory for a joined presentity");
        let reader = self.reader_for(view, from).expect("memory for a joined presentity");
        let guard_marks = self.homes.guard_marks(view, interest.policy);
        let record = &mut self.homes.readers[reader];
        record.topic = interest.topic;
        record.generation = interest.generation;
        record.wants_whole = 1;
        record.guard_marks = guard_marks;
        self.owe_update(reader);
        if guard_marks != 0 {
            self.owe_guard_to(self.homes.views[view].home, |shard| shard == from);
        }
    }

    fn reader_for(&mut self, view: u32, shard: ShardIndex) -> Result<u32, SlabFull> {
        let homes = &mut self.homes;
        let mut reader = homes.views[view].readers;
        while reader != NONE {
            if homes.readers[reader].shard == shard.0 {
                return Ok(reader);
            }
            reader = homes.readers[reader].next;
        }
        let reader = homes.readers.insert()?;
        homes.readers[reader] = Reader { view, next: homes.views[view].readers, shard: shard.0, ..Reader::default() };
        homes.views[view].readers = reader;
        Ok(reader)
    }

    /// A shard listens no more.
    pub(crate) fn take_leave(&mut self, from: ShardIndex, interest: Interest) {
        let Some(view) = self.homes.find(interest.presentity, interest.view) else { return };
        let (mut before, mut reader) = (NONE, self.homes.views[view].readers);
        while reader != NONE && self.homes.readers[reader].shard != from.0 {
            before = reader;
            reader = self.homes.readers[reader].next;
        }
        // The ring keeps order, so the reader is that of a join before this leave, never of one after it.
        if reader == NONE {
            return;
        }
        let record = self.homes.readers[reader];
        match before {
            NONE => self.homes.views[view].readers = record.next,
            before => self.homes.readers[before].next = record.next,
        }
        if record.is_owed != 0 {
            self.links[from.index()].updates.remove(&mut self.homes.readers, reader, Reader::owed_links);
        }
        self.homes.readers.remove(reader);
        if self.homes.evict_if_empty(view) {
            self.counters.evicted += 1;
        }
    }
}
