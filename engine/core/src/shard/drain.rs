//! The drain: a watcher's dirty subscriptions become notes, newest state only.
//!
//! Within a watcher the drain rotates over runs and lanes, so that no subscription waits longer than a round. What a
//! mark says is only a hint: owed is who has not *seen* the topic's turn.

use super::slot::{LANES, Outboxes, SlotRun};
use super::topic::{TopicParts, Topics};
use super::watcher::{Group, Standing};
use super::{FanOut, ShardMemory};
use crate::document::Document;
use crate::id::{CATEGORIES, Categories, Category, PresentityId, SlotIndex, Stamp, TopicIndex, View, WatcherId};
use crate::store::{Arena, Heap, NONE};

/// Changes whose category the history tells.
const HISTORY: u32 = 16;

/// How many watchers before its outbox a watcher's lines are asked for: as long as a line takes from memory, about, while
/// others are told.
const AHEAD: usize = 12;

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
    /// Whether it is the first that the subscription is told (in this view).
    pub first: bool,
    /// Changes of wanted categories that this note stands for besides its own.
    pub skipped: u32,
    /// Whether there may have been more of them: the topic remembers the categories of its last 16 changes only.
    pub skipped_at_least: bool,
    topic: u32,
    documents: &'a Arena<Option<Document>, Heap>,
    parts: Option<&'a TopicParts>,
    told: Categories,
    group: &'a Group,
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
                None => (category, self.documents[self.topic].as_ref()),
            },
        )
    }
}

/// What a subscription is about to be told.
struct Due {
    slot: u32,
    group: u32,
    topic: u32,
    parts: u32,
    presentity: PresentityId,
    stamp: Stamp,
    view: View,
    told: Categories,
    first: bool,
    skipped: u32,
    skipped_at_least: bool,
}

/// What one watcher has still to be told. Taking a note means that the watcher has been told.
///
/// Left with notes untold, the watcher is not asked again until [`FanOut::writable`] is called for it. One that is
/// forgotten (`mem::forget`) holds its watcher up until that call, too.
///
/// What is told leaves the watcher's record at once: so there is little to keep here, and nothing to be lost with it.
pub struct Outbox<'a, B: ShardMemory> {
    shard: &'a mut FanOut<B>,
    watcher: WatcherId,
    token: u64,
    /// The run that is told, which is the first dirty one of the watcher's; none once all is told.
    run: u32,
    /// Where in it this round begins. Marks behind are told after all other runs'.
    cursor: u8,
    left: u32,
    /// The run whose topics' lines were asked for last.
    approached: u32,
}

impl<B: ShardMemory> FanOut<B> {
    /// The outbox of the watcher that has waited longest to be told something.
    ///
    /// Costs a third less than [`Self::next_ready`] and [`Self::outbox`], which are for callers who have to look at
    /// something else in between.
    #[inline]
    pub fn next_outbox(&mut self) -> Option<Outbox<'_, B>> {
        let index = self.outboxes.pop_ready()?;
        self.approach_ready();
        Some(self.open_outbox(index))
    }

    /// The watcher that has waited longest to be told something. Its [`Self::outbox`] is to be asked next.
    pub fn next_ready(&mut self) -> Option<WatcherId> {
        let index = self.outboxes.pop_ready()?;
        Some(WatcherId { index, generation: self.outboxes.watchers[index].generation })
    }

    /// The notes of a watcher; none if it was closed.
    pub fn outbox(&mut self, id: WatcherId) -> Outbox<'_, B> {
        let Some(index) = self.watcher(id) else {
            return Outbox { shard: self, watcher: id, token: 0, run: NONE, cursor: 0, left: 0, approached: NONE };
        };
        self.outboxes.unready(index);
        self.open_outbox(index)
    }

    /// The outbox of a watcher that is in nobody's queue.
    #[inline]
    fn open_outbox(&mut self, index: u32) -> Outbox<'_, B> {
        let left = self.limits.notes_per_ready;
        let record = &mut self.outboxes.watchers[index];
        let watcher = WatcherId { index, generation: record.generation };
        let (token, run) = (record.token, record.dirty.head);
        let cursor = core::mem::replace(&mut record.cursor, 0);
        Outbox { shard: self, watcher, token, run, cursor, left, approached: NONE }
    }

    /// Asks for the lines that a watcher's outbox will need which comes a little later. They come while others are told;
    /// in its turn they would be waited for.
    #[inline]
    fn approach_ready(&self) {
        if let Some(place) = self.outboxes.ready.ahead(AHEAD) {
            self.outboxes.watchers.approach(place.watcher);
            self.outboxes.runs.approach(place.run);
            self.topics.topics.approach(place.topic);
        }
    }
}

impl<B: ShardMemory> Topics<B> {
    /// Asks for the topics of a run's lanes, so that their lines come together.
    #[cold]
    fn approach_of(&self, run: &SlotRun, mut lanes: u16) {
        while lanes != 0 {
            self.topics.approach(run.topics[lanes.trailing_zeros() as usize % LANES as usize]);
            lanes &= lanes - 1;
        }
    }
}

impl<B: ShardMemory> Outboxes<B> {
    /// Takes a watcher's first run, which is told, out of its list; the next is the first now.
    #[inline]
    fn finish_run(&mut self, watcher: u32, next: u32) -> u32 {
        let record = &mut self.watchers[watcher];
        record.dirty.head = next;
        if next == NONE {
            record.dirty.tail = NONE;
            record.standing = Standing::Idle as u8;
        } else {
            self.runs[next].dirty_links.prev = NONE;
        }
        next
    }

    /// Puts a watcher's first run behind its others; gives the next.
    #[cold]
    fn rotate(&mut self, watcher: u32) -> u32 {
        let list = &mut self.watchers[watcher].dirty;
        let run = list.head;
        list.remove(&mut self.runs, run, SlotRun::dirty_links);
        list.push_back(&mut self.runs, run, SlotRun::dirty_links);
        list.head
    }

    /// Leaves a watcher with something untold.
    #[cold]
    fn put_back(&mut self, watcher: u32, cursor: u8, left: u32) {
        let mut record = &mut self.watchers[watcher];
        let lanes = self.runs[record.dirty.head].dirty & u16::MAX << cursor;
        if lanes == 0 {
            self.rotate(watcher);
            record = &mut self.watchers[watcher];
        } else {
            record.cursor = lanes.trailing_zeros() as u8;
        }
        if left == 0 {
            // It was us who stopped, for the sake of the other watchers: its turn comes again.
            self.make_ready(watcher);
        } else {
            record.standing = Standing::Blocked as u8;
        }
    }
}

impl<B: ShardMemory> Outbox<'_, B> {
    /// Whose it is.
    #[must_use]
    pub fn watcher(&self) -> WatcherId {
        self.watcher
    }

    /// The next note: for a presentity that changed, its newest state, once.
    ///
    /// Not an [`Iterator`], because a note borrows the documents of the shard.
    #[allow(clippy::should_implement_trait)]
    #[inline]
    pub fn next(&mut self) -> Option<Note<'_>> {
        let due = self.next_due()?;
        let topics = &self.shard.topics;
        Some(Note {
            watcher_token: self.token,
            slot: SlotIndex(due.slot),
            presentity: due.presentity,
            view: due.view,
            stamp: due.stamp,
            first: due.first,
            skipped: due.skipped,
            skipped_at_least: due.skipped_at_least,
            topic: due.topic,
            documents: &topics.documents,
            parts: if due.parts == NONE { None } else { Some(&topics.parts[due.parts]) },
            told: due.told,
            group: &self.shard.outboxes.groups[due.group],
        })
    }

    #[inline]
    fn next_due(&mut self) -> Option<Due> {
        loop {
            if self.run == NONE || self.left == 0 {
                return None;
            }
            let FanOut { outboxes, topics, now, counters, .. } = &mut *self.shard;
            let index = self.run;
            let run = &mut outboxes.runs[index];
            let lanes = run.dirty & u16::MAX << self.cursor;
            if lanes == 0 {
                self.cursor = 0;
                self.run = outboxes.rotate(self.watcher.index);
                continue;
            }
            let lane = lanes.trailing_zeros();
            let at = lane as usize % LANES as usize;
            run.dirty &= !(1 << at);
            let (topic, told_turn, next) = (run.topics[at], run.seen[at], run.dirty_links.next);
            if run.dirty == 0 {
                self.cursor = 0;
                self.run = outboxes.finish_run(self.watcher.index, next);
            } else if self.approached != index {
                self.approached = index;
                topics.approach_of(run, run.dirty);
            }
            let record = &topics.topics[topic];
            let behind = outboxes.seen.behind(record.turn, told_turn);
            if behind == 0 || !record.is_open(*now) {
                // A silent topic's home is about to say what follows, or a policy is being applied; then everybody is
                // marked again. A mark without a change is only needless.
                counters.marks_needless += u64::from(behind == 0 && record.is_open(*now));
                continue;
            }
            let run = &mut outboxes.runs[index];
            run.seen[at] = outboxes.seen.of_turn(record.turn);
            let first = run.fresh & 1 << at != 0;
            if first {
                run.fresh &= !(1 << at);
            }
            let (group, wants) = (run.group, run.wants());
            let mut due = Due {
                slot: index * LANES + lane,
                group,
                topic,
                parts: record.parts,
                presentity: record.presentity,
                stamp: record.stamp,
                view: record.view,
                told: record.categories(),
                first,
                skipped: u32::from(behind) - 1,
                skipped_at_least: false,
            };
            if wants == Categories::ALL && due.parts == NONE {
                counters.delivered += 1;
                if behind != 1 {
                    counters.skipped += u64::from(behind - 1);
                }
            } else if let Some((told, skipped, at_least)) = self.shard.wanted_of(topic, wants, behind, first) {
                (due.told, due.skipped, due.skipped_at_least) = (told, skipped, at_least);
            } else {
                continue;
            }
            self.left -= 1;
            return Some(due);
        }
    }
}

impl<B: ShardMemory> Drop for Outbox<'_, B> {
    #[inline]
    fn drop(&mut self) {
        if self.run != NONE {
            self.shard.outboxes.put_back(self.watcher.index, self.cursor, self.left);
        }
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// Which categories a subscription that is `behind` turns behind is told, how many wanted changes are skipped
    /// with it, and whether it may have been more; nothing if no change was wanted.
    fn wanted_of(
        &mut self,
        topic: u32,
        wants: Categories,
        behind: u16,
        first: bool,
    ) -> Option<(Categories, u32, bool)> {
        let record = &self.topics.topics[topic];
        let behind = u32::from(behind);
        let (changed, history) = match record.parts {
            NONE => {
                let only = record.categories();
                let number = only.iter().next().map_or(0, Category::number);
                (only, u64::from(number) * 0x1111_1111_1111_1111)
            }
            parts => {
                let parts = &self.topics.parts[parts];
                // Whoever was settled may have missed a change of any category.
                let any = first || behind >= u32::from(self.outboxes.seen.lap);
                let changed = (0..CATEGORIES as u8).filter_map(Category::new).filter(|category| {
                    let age = record.turn.wrapping_sub(parts.turns[category.index()]);
                    parts.known >> category.index() & 1 == 1
                        && (any || age < behind)
                        && !(first && parts.documents[category.index()].is_none())
                });
                (changed.fold(Categories::NONE, Categories::with), parts.history)
            }
        };
        let told = Categories::from_bits(changed.bits() & wants.bits());
        let counters = &mut self.counters;
        if wants == Categories::ALL {
            counters.delivered += 1;
            counters.skipped += u64::from(behind - 1);
            return Some((told, behind - 1, false));
        }
        if told == Categories::NONE && !first {
            counters.filtered += u64::from(behind);
            return None;
        }
        if record.parts == NONE {
            // All changes were of the one category, which is wanted, or of none at all.
            let skipped = if told == Categories::NONE { 0 } else { behind - 1 };
            counters.delivered += 1;
            counters.skipped += u64::from(skipped);
            counters.filtered += u64::from(behind - 1 - skipped);
            return Some((told, skipped, false));
        }
        let remembered = behind.min(HISTORY);
        let recent = (0..remembered)
            .filter(|&back| wants.contains(Category::from_low_bits((history >> (4 * back)) as u8)))
            .count() as u32;
        // At least one change was wanted, or it is the first state: that is this note. Others are skipped.
        let skipped = recent.saturating_sub(1);
        counters.delivered += 1;
        counters.skipped += u64::from(skipped);
        counters.filtered += u64::from(behind - 1 - skipped);
        Some((told, skipped, behind > HISTORY))
    }
}
