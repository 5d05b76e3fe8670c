//! Walks: a topic's change is marked at its subscribers, a bounded number of entries at a step.
//!
//! A walk goes round the subscriber list from where the last one stopped. A change that comes during a walk does not
//! restart it: the walk goes on until it is once round to where the change found it. Walks of a few entries go first;
//! a quarter of every step belongs to long ones, which take turns. So a small audience is told within two steps (C9),
//! and a large one always gets on. Where there are tenants each has walks of its own, and they share the step by weight
//! (`tenant/walks.rs`).

use super::counters::Counters;
use super::slot::Outboxes;
use super::subscriber::{ENTRIES, ENTRY_STRIDE, EntryRun};
use super::topic::{TopicPlaces, Topics, WALKS, WALKS_LONG, WALKS_SHORT};
use super::{FanOut, ShardMemory};
use crate::store::{List, NONE, Slab};

/// Entries that a long walk may visit before the next long one has its turn.
const QUANTUM: usize = 256;

/// Lines of subscriber lists on their way to be marked, over the bounds of topics: when a line comes in, its slots are
/// asked for; two lines later their watchers, whose numbers lie with the slots; and two later they are marked. So what a
/// mark touches has had the time of thirty others to come from memory, each time.
#[derive(Default)]
pub(crate) struct Lines {
    lines: [Line; LINES_TO_MARK],
    /// The place of the youngest.
    newest: usize,
}

/// Lines after which a line's watchers are asked for,
const LINES_TO_WATCHERS: usize = 2;
/// and after which it is marked. With one and two, a third of a mark was waiting at 100,000 users.
const LINES_TO_MARK: usize = 4;

/// Part of an entry run of one topic, and the topic's turn. Subscriber lists do not change while a step walks.
#[derive(Clone, Copy, Default)]
struct Line {
    run: u32,
    from: u32,
    to: u32,
    topic: u32,
    turn: u32,
}

impl Line {
    #[inline]
    fn slots<'a, B: ShardMemory>(&self, entries: &'a Slab<EntryRun, B>) -> &'a [u32] {
        if self.from >= self.to {
            return &[];
        }
        entries[self.run].slots.get(self.from as usize..self.to as usize).unwrap_or(&[])
    }
}

impl Lines {
    /// Takes in the next line, and marks the one that has waited longest.
    fn push<B: ShardMemory>(
        &mut self,
        line: Line,
        entries: &Slab<EntryRun, B>,
        outboxes: &mut Outboxes<B>,
        counters: &mut Counters,
    ) {
        outboxes.approach(line.slots(entries));
        self.newest = (self.newest + 1) % LINES_TO_MARK;
        let oldest = core::mem::replace(&mut self.lines[self.newest], line);
        let arrived = &self.lines[(self.newest + LINES_TO_MARK - LINES_TO_WATCHERS) % LINES_TO_MARK];
        outboxes.approach_watchers(arrived.slots(entries));
        outboxes.mark(oldest.slots(entries), (oldest.topic, oldest.turn), counters);
    }

    /// Marks what is left.
    fn finish<B: ShardMemory>(
        mut self,
        entries: &Slab<EntryRun, B>,
        outboxes: &mut Outboxes<B>,
        counters: &mut Counters,
    ) {
        for _ in 0..LINES_TO_MARK {
            self.push(Line::default(), entries, outboxes, counters);
        }
    }
}

/// Topics with a walk under way: all of the shard's, or where there are tenants, one's.
pub(crate) struct Walks {
    pub(crate) short: List,
    pub(crate) long: List,
    /// Quarters of entries that long walks were promised and did not get yet, for steps too small to be divided.
    promised_quarters: usize,
}

impl Walks {
    pub(crate) const NONE: Self = Self { short: List::EMPTY, long: List::EMPTY, promised_quarters: 0 };

    pub(crate) fn is_empty(&self) -> bool {
        self.short.is_empty() && self.long.is_empty()
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// A change has come: the walk has to pass every subscriber from here on, once.
    pub(crate) fn begin_or_extend_walk(&mut self, topic: u32) {
        self.turn_to_walks_of(topic);
        let record = &mut self.topics.topics[topic];
        if record.len == 0 {
            return;
        }
        record.remaining = record.len;
        if record.has(WALKS) {
            self.counters.walks_extended += 1;
        } else {
            record.cursor = record.head * ENTRY_STRIDE;
        }
        self.class_walk(topic);
    }

    /// Puts a walk into the list that it belongs to by what is left of it: subscribers come and go meanwhile.
    fn class_walk(&mut self, topic: u32) {
        let record = &mut self.topics.topics[topic];
        let flag = if record.remaining <= self.limits.short_walk_entries { WALKS_SHORT } else { WALKS_LONG };
        if record.has(flag) {
            return;
        }
        self.end_walk(topic);
        self.topics.topics[topic].state |= flag;
        let list = if flag == WALKS_SHORT { &mut self.walks.short } else { &mut self.walks.long };
        list.push_back(&mut self.topics.places, topic, TopicPlaces::walk_links);
    }

    /// Takes a topic out of the walk lists.
    pub(crate) fn end_walk(&mut self, topic: u32) {
        self.turn_to_walks_of(topic);
        let record = &mut self.topics.topics[topic];
        if record.has(WALKS_SHORT) {
            self.walks.short.remove(&mut self.topics.places, topic, TopicPlaces::walk_links);
        } else if record.has(WALKS_LONG) {
            self.walks.long.remove(&mut self.topics.places, topic, TopicPlaces::walk_links);
        }
        record.state &= !WALKS;
    }

    /// Visits up to `budget` entries and tells how many it were.
    pub(crate) fn walk_step(&mut self, budget: usize) -> usize {
        let mut lines = Lines::default();
        let visited = match self.tenants {
            None => self.walk_one_tenants(budget, &mut lines),
            Some(_) => self.walk_by_weight(budget, &mut lines),
        };
        lines.finish(&self.topics.entries, &mut self.outboxes, &mut self.counters);
        visited
    }

    /// Visits up to `budget` entries of the walks at hand.
    #[inline]
    pub(crate) fn walk_one_tenants(&mut self, budget: usize, lines: &mut Lines) -> usize {
        let mut for_long = 0;
        if self.walks.long.is_empty() {
            self.walks.promised_quarters = 0;
        } else {
            self.walks.promised_quarters += budget;
            for_long = (self.walks.promised_quarters / 4).min(budget);
            self.walks.promised_quarters -= for_long * 4;
        }
        let mut left = budget;
        left -= self.walk_short(budget - for_long, lines);
        left -= self.walk_long(left, lines);
        left -= self.walk_short(left, lines);
        budget - left
    }

    fn walk_short(&mut self, budget: usize, lines: &mut Lines) -> usize {
        let mut left = budget;
        while left > 0 && !self.walks.short.is_empty() {
            let topic = self.walks.short.head;
            if self.topics.topics[topic].remaining > self.limits.short_walk_entries {
                // It has grown since it began.
                self.class_walk(topic);
                continue;
            }
            left -= self.walk(topic, left, lines);
        }
        budget - left
    }

    fn walk_long(&mut self, budget: usize, lines: &mut Lines) -> usize {
        let mut left = budget;
        while left > 0 && !self.walks.long.is_empty() {
            let topic = self.walks.long.head;
            left -= self.walk(topic, left.min(QUANTUM), lines);
            if self.topics.topics[topic].has(WALKS_LONG) {
                self.walks.long.remove(&mut self.topics.places, topic, TopicPlaces::walk_links);
                self.walks.long.push_back(&mut self.topics.places, topic, TopicPlaces::walk_links);
            }
        }
        budget - left
    }

    /// Visits up to `entries` entries of a topic that has a walk under way; ends the walk if that was all. The last of
    /// them are marked with what comes next in `lines`, or when those are finished.
    fn walk(&mut self, topic: u32, entries: usize, lines: &mut Lines) -> usize {
        let Topics { topics, entries: runs, places, .. } = &mut self.topics;
        // The topics that will be walked next: the first line of the next one's list is asked for with the last of this one's,
        // and the one after it now, so that none of them is waited for. They were last looked at when they entered the list.
        let next_topic = places[topic].walk_links.next;
        let mut next_head = NONE;
        if next_topic != NONE {
            next_head = topics[next_topic].head;
            let after_next = places[next_topic].walk_links.next;
            topics.approach(after_next);
            places.approach(after_next);
        }
        let record = &mut topics[topic];
        let mut left = entries.min(record.remaining as usize) as u32;
        let visited = left;
        record.remaining -= left;
        let (mut run, mut position) = (record.cursor / ENTRY_STRIDE, record.cursor % ENTRY_STRIDE);
        while left > 0 {
            let fill = if run == record.head { Topics::<B>::fill(record.len) } else { ENTRIES };
            let end = fill.min(position.saturating_add(left));
            let next = runs[run].next;
            runs.approach(if next == NONE { next_head } else { next });
            let line = Line { run, from: position, to: end, topic, turn: record.turn };
            lines.push(line, runs, &mut self.outboxes, &mut self.counters);
            left -= end.saturating_sub(position);
            position = end.max(position);
            if position >= fill {
                run = if next == NONE { record.head } else { next };
                position = 0;
            }
        }
        record.cursor = run * ENTRY_STRIDE + position;
        self.counters.walk_entries += u64::from(visited);
        if record.remaining == 0 {
            self.end_walk(topic);
        }
        visited as usize
    }

    /// Keeps a walk that is overtaken by changes going round at least once a lap of `seen`, whatever the budget: so
    /// that everybody who is far behind is settled in time (see `Seen`).
    pub(crate) fn keep_pace(&mut self, topic: u32, turns: u32) {
        let record = &self.topics.topics[topic];
        if !record.has(WALKS) {
            return;
        }
        let lap = u64::from(self.outboxes.seen.lap);
        let due = (u64::from(record.len) * u64::from(turns)).div_ceil(lap);
        let mut lines = Lines::default();
        let visited = self.walk(topic, due.min(record.len.into()) as usize, &mut lines);
        lines.finish(&self.topics.entries, &mut self.outboxes, &mut self.counters);
        self.charge_walk(visited);
    }
}
