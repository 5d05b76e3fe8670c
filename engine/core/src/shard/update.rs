//! A topic takes in what its home says.

use super::message::{Part, Parts, Update};
use super::topic::{HEARD, LIVE};
use super::{FanOut, ShardMemory};
use crate::document::Document;
use crate::id::ShardIndex;
use crate::store::NONE;

impl<B: ShardMemory> FanOut<B> {
    pub(crate) fn take_update(&mut self, home: ShardIndex, update: Update) {
        let Update { topic: index, generation, turn, whole, stamp, expires, history, mut parts } = update;
        let is_current = self.topics.topics.get(index).is_some_and(|topic| topic.generation == generation);
        if !is_current {
            // Meant for an earlier life of this topic, or for a join before its newest.
            self.counters.updates_stale += 1;
            each_part(parts, |part| {
                if let Some(document) = part.document {
                    self.give_back(home, document);
                }
            });
            return;
        }
        self.counters.updates_taken += 1;
        if let Parts::Guarded(guarded) = parts {
            let (guard, rest) = *guarded;
            self.take_guard(index, guard);
            parts = rest;
        }
        let topic = &mut self.topics.topics[index];
        let was_silent = !topic.is_open(self.now);
        // At its first word from the home the topic's own numbering stands where its subscribers expect it: each is
        // owed one state. From then on both numberings go in step, but for a jump of more than a lap: what is beyond
        // is counted at once, because `seen` could not tell it from less.
        let jump = if topic.has(HEARD) { turn.wrapping_sub(topic.home_turn) } else { 0 };
        let turns = jump.min(self.outboxes.seen.lap.into());
        let before = topic.turn;
        topic.turn = before.wrapping_add(turns);
        topic.home_turn = turn;
        // Only a view that hides the newest stamp can name an older one, to those who were moved there from another.
        topic.stamp = topic.stamp.max(stamp);
        topic.expires = expires;
        let now = topic.turn;
        topic.state |= LIVE | HEARD;
        self.counters.owed += u64::from(turns) * u64::from(topic.len);
        if jump > turns {
            self.pass_over(index, jump - turns);
        }

        if turns != 0 && self.topics.documents.changes.are_kept(index) {
            self.note_changes(index, now, whole, &parts);
        }
        if whole {
            self.forget_documents(home, index);
        }
        if let Parts::Many(_) = parts {
            self.topics.spread(index, before).expect("memory for a topic's second category");
        }
        each_part(parts, |part| {
            let at = now.wrapping_sub(turn.wrapping_sub(part.turn).min(turns));
            let replaced = self.topics.put(index, part.category, (at, before), part.document);
            // The mesh has no way to refuse a state for lack of memory, and a watcher never told would be worse.
            if let Some(document) = replaced.expect("memory for a topic's second category") {
                self.give_back(home, document);
            }
        });
        let topic = &self.topics.topics[index];
        if topic.parts != NONE {
            self.topics.parts[topic.parts].history = history;
        }

        if !self.arrivals.is_empty() {
            self.settle_arrivals(index, turns, jump - turns);
        }
        if turns != 0 || was_silent {
            self.begin_or_extend_walk(index);
            self.keep_pace(index, turns);
        }
    }

    /// Counts turns that nobody will be told of as owed and passed over, for each subscriber.
    #[cold]
    fn pass_over(&mut self, index: u32, turns: u32) {
        for slot in self.topics.subscribers(index) {
            self.counters.owed += u64::from(turns);
            self.outboxes.count_passed(slot, turns.into(), &mut self.counters);
        }
    }

    /// Empties a topic's documents without forgetting which categories there were.
    fn forget_documents(&mut self, home: ShardIndex, index: u32) {
        let single = self.topics.documents[index].take();
        let parts = self.topics.topics[index].parts;
        if let Some(document) = single {
            self.give_back(home, document);
        }
        if parts != NONE {
            for category in 0..crate::id::CATEGORIES {
                if let Some(document) = self.topics.parts[parts].documents[category].take() {
                    self.give_back(home, document);
                }
            }
        }
    }

    /// Sends a document that a topic holds no more to the core that made it.
    pub(crate) fn give_back(&mut self, home: ShardIndex, document: Document) {
        if home == self.index {
            self.homes.take_back(document);
        } else {
            self.links[home.index()].returns.push_back(document);
        }
    }
}

fn each_part<F: FnMut(Part)>(parts: Parts, mut take: F) {
    match parts {
        Parts::None => {}
        Parts::One(part) => take(part),
        Parts::Many(parts) => parts.into_iter().for_each(take),
        Parts::Guarded(guarded) => each_part(guarded.1, take),
    }
}
