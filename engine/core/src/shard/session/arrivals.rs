//! Subscriptions that have come from another shard and wait until the home has said what has changed since they were told.

use alloc::collections::BTreeMap;

use super::super::slot::place;
use super::super::{FanOut, ShardMemory};
use crate::error::Corrupt;

/// What a subscription had seen when it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// The home's number of the newest change that it was told of.
    pub(super) turn: u32,
    /// Whether it is told all once more, changed or not.
    pub(super) again: bool,
}

/// Those that wait, by topic and slot. Their topics are silent, each until the answer to a join sent after they came. An
/// entry weighs about 32 bytes, for as long as that takes.
#[derive(Default)]
pub(crate) struct Arrivals {
    waiting: BTreeMap<(u32, u32), Arrival>,
}

impl Arrivals {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The subscription ends or moves to another topic.
    pub(crate) fn forget(&mut self, topic: u32, slot: u32) {
        self.waiting.remove(&(topic, slot));
    }

    pub(super) fn insert(&mut self, topic: u32, slot: u32, arrival: Arrival) {
        self.waiting.insert((topic, slot), arrival);
    }

    pub(super) fn get(&self, topic: u32, slot: u32) -> Option<Arrival> {
        self.waiting.get(&(topic, slot)).copied()
    }

    pub(crate) fn bytes(&self) -> u64 {
        // An entry of a tree with half of its places free.
        (self.waiting.len() * 2 * size_of::<((u32, u32), Arrival)>()) as u64
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// A topic has heard from its home. Each subscriber was counted `turns` turns behind for it, and `passed` more that nobody
    /// will be told of: for those that have come meanwhile it is something else.
    #[cold]
    pub(crate) fn settle_arrivals(&mut self, topic: u32, turns: u32, passed: u32) {
        while let Some((&key, &arrival)) = self.arrivals.waiting.range((topic, 0)..=(topic, u32::MAX)).next() {
            self.arrivals.waiting.remove(&key);
            self.settle_arrival(key.1, topic, arrival, (turns, passed));
        }
    }

    /// Lets a subscription that has come be owed what its topic has that it has not seen.
    pub(super) fn settle_arrival(&mut self, slot: u32, topic: u32, arrival: Arrival, (turns, passed): (u32, u32)) {
        let record = &self.topics.topics[topic];
        let unseen = record.home_turn.wrapping_sub(arrival.turn);
        // As for whoever stayed: `seen` tells no more than a lap, and what is beyond is counted at once.
        let due = unseen.min(self.outboxes.seen.lap.into());
        let (run, lane) = place(slot);
        self.outboxes.runs[run].seen[lane] = self.outboxes.seen.of_turn(record.turn.wrapping_sub(due));
        self.counters.owed = self.counters.owed.wrapping_add(due.into()).wrapping_sub(turns.into());
        let beyond = u64::from((unseen - due).saturating_sub(passed));
        self.counters.owed += beyond;
        self.outboxes.count_passed(slot, beyond, &mut self.counters);
        if due != 0 || arrival.again {
            // All of it: this shard does not know which categories have changed since, or are gone with their home.
            self.outboxes.mark_lanes_again(run, 1 << lane);
        }
    }

    pub(super) fn verify_arrivals(&self) -> Result<(), Corrupt> {
        for &(topic, slot) in self.arrivals.waiting.keys() {
            let (run, lane) = place(slot);
            let record = &self.outboxes.runs[run];
            let topic_record = &self.topics.topics[topic];
            let is_there = record.used >> lane & 1 == 1 && record.topics[lane] == topic && topic_record.lives();
            if !is_there || topic_record.has(super::super::topic::LIVE) {
                return Err(Corrupt { rule: "who has come and waits looks at a silent topic", index: slot.into() });
            }
        }
        Ok(())
    }
}
