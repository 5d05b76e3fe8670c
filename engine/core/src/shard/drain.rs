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
use crate::store::{Arena, Heap, List, NONE};

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
/// forgotten (`mem::forget`) holds its watcher up until that call, too, or until something else changes for the watcher.
pub struct Outbox<'a, B: ShardMemory> {
    shard: &'a mut FanOut<B>,
    watcher: WatcherId,
    token: u64,
    left: u32,
    /// The watcher's dirty runs, out of its record meanwhile: so that the record is written once, at the end.
    dirty: List,
    /// The run that is being told, in no list while lanes of it are left,
    run: u32,
    /// and these lanes, whose marks are taken away already.
    lanes: u16,
    /// Where the first run goes on.
    cursor: u8,
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
            // Closed: nobody's, and empty.
            let watcher = WatcherId { index: NONE, ..id };
            return Outbox {
                shard: self,
                watcher,
                token: 0,
                left: 0,
                dirty: List::EMPTY,
                run: NONE,
                lanes: 0,
                cursor: 0,
            };
        };
        if self.outboxes.is_forgotten(index) {
            self.outboxes.recover(index);
        }
        self.outboxes.unready(index);
        self.open_outbox(index)
    }

    #[inline]
    fn open_outbox(&mut self, index: u32) -> Outbox<'_, B> {
        let left = self.limits.notes_per_ready;
        let record = &mut self.outboxes.watchers[index];
        let watcher = WatcherId { index, generation: record.generation };
        let (token, cursor) = (record.token, core::mem::replace(&mut record.cursor, 0));
        let dirty = core::mem::replace(&mut record.dirty, List::EMPTY);
        Outbox { shard: self, watcher, token, left, dirty, run: NONE, lanes: 0, cursor }
    }

    /// Asks for the lines that a watcher's outbox will need which comes a little later. They come while others are told;
    /// in its turn they would be waited for.
    #[inline]
    fn approach_ready(&self) {
        if let Some((watcher, run)) = self.outboxes.ready.ahead(AHEAD) {
            self.outboxes.watchers.approach(watcher);
            self.outboxes.runs.approach(run);
        }
    }

    /// Asks for the topics of a run's lanes, so that their lines come together.
    #[cold]
    fn approach_topics(&self, run: u32, mut lanes: u16) {
        let topics = &self.outboxes.runs[run].topics;
        while lanes != 0 {
            self.topics.topics.approach(topics[lanes.trailing_zeros() as usize % LANES as usize]);
            lanes &= lanes - 1;
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
            parts: (due.parts != NONE).then(|| &topics.parts[due.parts]),
            told: due.told,
            group: &self.shard.outboxes.groups[due.group],
        })
    }

    #[inline]
    fn next_due(&mut self) -> Option<Due> {
        if self.left == 0 {
            return None;
        }
        loop {
            if self.lanes == 0 {
                if self.dirty.head == NONE {
                    return None;
                }
                self.begin_run();
            }
            let (index, lane) = (self.run, self.lanes.trailing_zeros());
            let at = lane as usize % LANES as usize;
            self.lanes &= self.lanes - 1;
            let FanOut { outboxes: Outboxes { runs, seen, .. }, topics, now, counters, .. } = &mut *self.shard;
            let run = &mut runs[index];
            if self.lanes == 0 && run.dirty != 0 {
                // The round through this run is over; what was marked behind the cursor waits for the next one.
                self.dirty.push_back(runs, index, SlotRun::dirty_links);
            }
            let run = &mut runs[index];
            let topic = run.topics[at];
            let record = &topics.topics[topic];
            let behind = seen.behind(record.turn, run.seen[at]);
            // A silent topic's home is about to say what follows, or a policy is being applied; then everybody is
            // marked again. A mark without a change is only needless.
            let is_open = record.is_open(*now);
            if !is_open || behind == 0 {
                counters.marks_needless += u64::from(is_open);
                continue;
            }
            run.seen[at] = seen.of_turn(record.turn);
            let first = run.fresh & 1 << at != 0;
            run.fresh &= !(1 << at);
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
            if wants == Categories::ALL && due.parts == NONE {
                counters.delivered += 1;
                counters.skipped += u64::from(behind - 1);
                if record.category != NO_CATEGORY {
                    due.told = Categories::only(Category::from_low_bits(record.category));
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

    /// Takes the first run out of the list, and the marks of its lanes from the cursor on. There is a first run.
    #[inline]
    fn begin_run(&mut self) {
        let runs = &mut self.shard.outboxes.runs;
        let mut index = self.dirty.head;
        let mut run = &mut runs[index];
        self.dirty.head = run.dirty_links.next;
        self.lanes = run.dirty & u16::MAX << self.cursor;
        self.cursor = 0;
        if self.dirty.head == NONE {
            self.dirty.tail = NONE;
        }
        if self.lanes == 0 {
            // All of it was marked behind the cursor: its next round is after all others'.
            self.dirty.push_back(runs, index, SlotRun::dirty_links);
            index = self.dirty.head;
            run = &mut runs[index];
            self.dirty.head = run.dirty_links.next;
            if self.dirty.head == NONE {
                self.dirty.tail = NONE;
            }
            self.lanes = run.dirty;
        }
        run.dirty &= !self.lanes;
        self.run = index;
        let others = self.lanes & (self.lanes - 1);
        if others != 0 {
            self.shard.approach_topics(index, others);
        }
    }

    /// Puts back what was not told.
    #[cold]
    fn put_back(&mut self) {
        let Outboxes { watchers, runs, .. } = &mut self.shard.outboxes;
        let mut cursor = self.cursor;
        if self.lanes != 0 {
            runs[self.run].dirty |= self.lanes;
            cursor = self.lanes.trailing_zeros() as u8;
            if self.dirty.head != NONE {
                runs[self.dirty.head].dirty_links.prev = NONE;
            }
            self.dirty.push_front(runs, self.run, SlotRun::dirty_links);
        } else {
            runs[self.dirty.head].dirty_links.prev = NONE;
        }
        let record = &mut watchers[self.watcher.index];
        (record.dirty, record.cursor) = (self.dirty, cursor);
        if self.left == 0 {
            // It was us who stopped, for the sake of the other watchers: its turn comes again.
            self.shard.outboxes.make_ready(self.watcher.index);
        } else {
            record.standing = Standing::Blocked as u8;
        }
    }
}

impl<B: ShardMemory> Drop for Outbox<'_, B> {
    #[inline]
    fn drop(&mut self) {
        if self.lanes != 0 || self.dirty.head != NONE {
            self.put_back();
        } else if self.watcher.index != NONE {
            self.shard.outboxes.watchers[self.watcher.index].standing = Standing::Idle as u8;
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
