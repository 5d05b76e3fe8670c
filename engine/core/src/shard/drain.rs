//! The drain: a watcher's dirty subscriptions become notes, newest state only.
//!
//! Within a watcher the drain rotates over runs and lanes, so that no subscription waits longer than a round. What a
//! mark says is only a hint: owed is who has not *seen* the topic's turn.

use super::slot::{LANES, Outboxes, SlotRun};
use super::topic::{NO_CATEGORY, TopicParts};
use super::watcher::{Group, Standing};
use super::{FanOut, ShardMemory};
use crate::document::Document;
use crate::id::{CATEGORIES, Categories, Category, PresentityId, SlotIndex, Stamp, TopicIndex, View, WatcherId};
use crate::store::{Arena, Heap, NONE};

/// Changes whose category the history tells.
const HISTORY: u32 = 16;

/// Watchers whose lines are asked for together.
const LOOK_AHEAD: usize = 16;

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
/// Left with notes untold, the watcher is not asked again until [`FanOut::writable`] is called for it.
pub struct Outbox<'a, B: ShardMemory> {
    shard: &'a mut FanOut<B>,
    watcher: u32,
    token: u64,
    left: u32,
    /// Whether the topics of the run under way were asked for.
    is_approached: bool,
}

impl<B: ShardMemory> FanOut<B> {
    /// A watcher that has something to be told, in order of arrival. Its [`Self::outbox`] is to be asked next.
    pub fn next_ready(&mut self) -> Option<WatcherId> {
        let watcher = self.outboxes.ready.front()?;
        if self.approached == 0 {
            self.approach_ready();
            self.approached = LOOK_AHEAD;
        }
        self.approached -= 1;
        self.take_from_ready(watcher);
        Some(WatcherId { index: watcher, generation: self.outboxes.watchers[watcher].generation })
    }

    /// The notes of a watcher; none if it was closed.
    pub fn outbox(&mut self, watcher: WatcherId) -> Outbox<'_, B> {
        let left = self.limits.notes_per_ready;
        let watcher = self.watcher(watcher).unwrap_or(NONE);
        let mut token = 0;
        if watcher != NONE {
            self.take_from_ready(watcher);
            token = self.outboxes.watchers[watcher].token;
        }
        Outbox { shard: self, watcher, token, left, is_approached: false }
    }

    /// Reads what the next watchers' outboxes will need, a step of the way for all of them at a time: lines that come
    /// from far away then come together. Costs about ten instructions a watcher; spares four waits in a row.
    fn approach_ready(&self) {
        let mut runs = [NONE; LOOK_AHEAD];
        for (run, watcher) in runs.iter_mut().zip(self.outboxes.ready.ahead(LOOK_AHEAD)) {
            *run = self.outboxes.watchers[watcher].dirty.head;
        }
        let mut topics = [NONE; LOOK_AHEAD];
        for (topic, &run) in topics.iter_mut().zip(runs.iter().filter(|&&run| run != NONE)) {
            let run = &self.outboxes.runs[run];
            *topic = run.topics[run.dirty.trailing_zeros() as usize % LANES as usize];
        }
        let documents = topics.iter().filter(|&&topic| topic != NONE).map(|&topic| {
            core::hint::black_box(self.topics.topics[topic].turn);
            self.topics.documents[topic].as_ref().map_or(0, Document::len)
        });
        core::hint::black_box(documents.sum::<usize>());
    }

    /// Reads the topics of a run's dirty lanes, so that their lines come together.
    #[inline]
    fn approach_topics(&self, run: u32, dirty: u16) {
        let topics = &self.outboxes.runs[run].topics;
        let mut lanes = dirty;
        let mut all = 0;
        while lanes != 0 {
            let topic = topics[lanes.trailing_zeros() as usize];
            all |= self.topics.topics[topic].turn;
            lanes &= lanes - 1;
        }
        core::hint::black_box(all);
    }

    fn take_from_ready(&mut self, watcher: u32) {
        let outboxes = &mut self.outboxes;
        if outboxes.watchers[watcher].standing == Standing::Ready as u8 {
            outboxes.unready(watcher);
            // Until the outbox is let go of; should it never be asked for, the watcher waits like a full one.
            outboxes.watchers[watcher].standing = Standing::Blocked as u8;
        }
    }
}

impl<B: ShardMemory> Outbox<'_, B> {
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
            parts: (due.parts != NONE).then(|| &topics.parts[due.parts]),
            told: due.told,
            group: &self.shard.outboxes.groups[due.group],
        })
    }

    fn next_due(&mut self) -> Option<Due> {
        if self.watcher == NONE || self.left == 0 {
            return None;
        }
        loop {
            let (index, lane) = self.next_dirty()?;
            let shard = &mut *self.shard;
            let run = &mut shard.outboxes.runs[index];
            let at = lane as usize % LANES as usize;
            let topic = run.topics[at];
            let record = &shard.topics.topics[topic];
            if !record.is_open(shard.now) {
                // Silent: the home is about to say what follows, or a policy is being applied; then everybody is
                // marked again.
                continue;
            }
            let behind = shard.outboxes.seen.behind(record.turn, run.seen[at]);
            if behind == 0 {
                shard.counters.marks_needless += 1;
                continue;
            }
            let first = run.fresh & 1 << lane != 0;
            run.seen[at] = shard.outboxes.seen.of_turn(record.turn);
            run.fresh &= !(1 << lane);
            let wants = run.wants();
            let mut due = Due {
                slot: index * LANES + lane,
                group: run.group,
                topic,
                parts: record.parts,
                presentity: record.presentity,
                stamp: record.stamp,
                view: record.view,
                told: Categories::NONE,
                first,
                skipped: u32::from(behind) - 1,
                skipped_at_least: false,
            };
            if wants == Categories::ALL && record.parts == NONE {
                shard.counters.delivered += 1;
                shard.counters.skipped += u64::from(behind - 1);
                if record.category != NO_CATEGORY {
                    due.told = Categories::only(Category::from_low_bits(record.category));
                }
            } else if let Some((told, skipped, at_least)) = shard.wanted_of(topic, wants, behind, first) {
                (due.told, due.skipped, due.skipped_at_least) = (told, skipped, at_least);
            } else {
                continue;
            }
            self.left -= 1;
            return Some(due);
        }
    }

    /// The next dirty lane, its mark taken away.
    #[inline]
    fn next_dirty(&mut self) -> Option<(u32, u32)> {
        let Outboxes { watchers, runs, .. } = &mut self.shard.outboxes;
        let watcher = &mut watchers[self.watcher];
        loop {
            let index = watcher.dirty.head;
            if index == NONE {
                return None;
            }
            let run = &mut runs[index];
            let ahead = u32::from(run.dirty) & u32::MAX << watcher.cursor;
            if ahead == 0 {
                // The round through this run is over; what was marked behind the cursor waits for the next one.
                watcher.cursor = 0;
                self.is_approached = false;
                watcher.dirty.remove(runs, index, SlotRun::dirty_links);
                watcher.dirty.push_back(runs, index, SlotRun::dirty_links);
                continue;
            }
            let lane = ahead.trailing_zeros();
            run.dirty &= !(1 << lane);
            watcher.cursor = lane as u8 + 1;
            let ahead = run.dirty;
            if ahead == 0 {
                // The watcher's standing is settled when the outbox is let go of.
                watcher.cursor = 0;
                watcher.dirty.remove(runs, index, SlotRun::dirty_links);
                self.is_approached = false;
            } else if !self.is_approached {
                self.is_approached = true;
                self.shard.approach_topics(index, ahead);
            }
            return Some((index, lane));
        }
    }
}

impl<B: ShardMemory> Drop for Outbox<'_, B> {
    fn drop(&mut self) {
        if self.watcher == NONE {
            return;
        }
        let spent = self.left == 0;
        let outboxes = &mut self.shard.outboxes;
        let record = &mut outboxes.watchers[self.watcher];
        match (record.dirty.is_empty(), spent) {
            (true, _) => record.standing = Standing::Idle as u8,
            // It was us who stopped, for the sake of the other watchers: its turn comes again.
            (false, true) => outboxes.make_ready(self.watcher),
            (false, false) => record.standing = Standing::Blocked as u8,
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
            NONE => match record.category {
                NO_CATEGORY => (Categories::NONE, 0),
                category => {
                    (Categories::only(Category::from_low_bits(category)), u64::from(category) * 0x1111_1111_1111_1111)
                }
            },
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
