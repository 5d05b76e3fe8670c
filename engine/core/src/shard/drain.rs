//! The drain: a watcher's dirty subscriptions become notes, newest state only.
//!
//! Within a watcher the drain rotates over runs and lanes, so that no subscription waits longer than a round. What a
//! mark says is only a hint: owed is who has not *seen* the topic's turn.

use super::note::Note;
use super::slot::{CHOOSY, KNOWN, LANES, Outboxes, PACED, SlotRun, TRACKED, place};
use super::topic::{Topic, Topics};
use super::watcher::{IN_BATCHES, Standing};
use super::{FanOut, ShardMemory};
use crate::id::{Categories, PresentityId, SlotIndex, Stamp, Tick, View, WatcherId};
use crate::store::NONE;

/// How many watchers before its outbox a watcher's lines are asked for: as long as a line takes from memory, about, while
/// others are told.
const AHEAD: usize = 12;

/// What a subscription is about to be told.
pub(super) struct Due {
    pub(super) slot: u32,
    pub(super) group: u32,
    pub(super) topic: u32,
    pub(super) parts: u32,
    pub(super) presentity: PresentityId,
    pub(super) stamp: Stamp,
    pub(super) view: View,
    pub(super) told: Categories,
    pub(super) first: bool,
    pub(super) skipped: u32,
    pub(super) skipped_at_least: bool,
    /// Turns that it was behind; none where it is told all again.
    pub(super) behind: u16,
}

impl Due {
    /// All that a topic has.
    #[inline(always)]
    fn of(slot: u32, group: u32, (topic, record): (u32, &Topic)) -> Self {
        Self {
            slot,
            group,
            topic,
            parts: record.parts,
            presentity: record.presentity,
            stamp: record.stamp,
            view: record.view,
            told: record.categories(),
            first: false,
            skipped: 0,
            skipped_at_least: false,
            behind: 0,
        }
    }
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
        let index = self.outboxes.pop_ready(self.now)?;
        self.approach_ready();
        Some(self.open_outbox(index))
    }

    /// The watcher that has waited longest to be told something. Its [`Self::outbox`] is to be asked next.
    pub fn next_ready(&mut self) -> Option<WatcherId> {
        let index = self.outboxes.pop_ready(self.now)?;
        Some(WatcherId { index, generation: self.outboxes.watchers[index].generation })
    }

    /// The notes of a watcher; none if it was closed, or is parked.
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
    /// Asks for the topics of a run's lanes, so that their lines come together, and for the documents, if they are
    /// looked at: a watcher that has just signed in is told sixteen that nobody has looked at for long.
    #[cold]
    fn approach_of(&self, run: &SlotRun, lanes: u16) {
        let topics = (0..LANES as usize).filter(|lane| lanes >> lane & 1 != 0).map(|lane| run.topics[lane]);
        topics.clone().for_each(|topic| self.topics.approach(topic));
        self.documents.approach_if_looked_at::<B>(topics);
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
    fn put_back(&mut self, watcher: u32, (cursor, left): (u8, u32), now: Tick) {
        let head = self.watchers[watcher].dirty.head;
        let lanes = self.runs[head].dirty & u16::MAX << cursor;
        let head = if lanes == 0 { self.rotate(watcher) } else { head };
        let record = &mut self.watchers[watcher];
        if lanes != 0 {
            record.cursor = lanes.trailing_zeros() as u8;
        }
        record.standing = Standing::Blocked as u8;
        if record.holds & IN_BATCHES != 0 || self.runs[head].flags & PACED != 0 {
            self.batch_goes_on(watcher, now);
        }
        if left == 0 {
            // It was us who stopped, for the sake of the other watchers: its turn comes again.
            self.make_ready(watcher);
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
            // Two copies of the code: one for the few runs whose group has a pace or whose watcher counts what it is told, so
            // that the other knows nothing of either.
            let due = match self.shard.outboxes.runs[self.run].flags {
                0 => self.due_of_run(u16::MAX),
                _ => self.due_of_flagged_run(),
            };
            if due.is_some() {
                return due;
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn due_of_flagged_run(&mut self) -> Option<Due> {
        let FanOut { outboxes, now, .. } = &mut *self.shard;
        let open = outboxes.open_lanes(self.run, *now);
        if open == 0 {
            self.cursor = 0;
            self.run = outboxes.watchers[self.watcher.index].dirty.head;
            return None;
        }
        let (flags, repeated) = (outboxes.runs[self.run].flags, self.shard.counters.repeated);
        let due = self.due_of_run(open)?;
        let group = due.group;
        let is_repeat = self.shard.counters.repeated != repeated;
        let mut told = Some(due);
        if flags & CHOOSY != 0 {
            told = told.and_then(|due| self.shard.due_if_fired(due));
        }
        if flags & KNOWN != 0 {
            told = told.and_then(|due| self.shard.due_if_unknown(due, is_repeat));
        }
        let Some(due) = told else {
            // It was counted, and is told nothing after all.
            self.left += 1;
            if flags & PACED != 0 {
                self.shard.outboxes.told_nothing(group, self.shard.now);
            }
            return None;
        };
        if flags & PACED != 0 {
            self.shard.outboxes.told(due.group, self.shard.now);
        }
        if flags & TRACKED != 0 {
            self.shard.outboxes.sessions.told(self.watcher.index, due.slot);
        }
        Some(due)
    }

    /// What the next dirty lane of the first run is due, if it is one of these and due anything.
    #[inline(always)]
    fn due_of_run(&mut self, open: u16) -> Option<Due> {
        let FanOut { outboxes, topics, now, counters, .. } = &mut *self.shard;
        let index = self.run;
        let run = &mut outboxes.runs[index];
        let lanes = run.dirty & open & u16::MAX << self.cursor;
        if lanes == 0 {
            self.cursor = 0;
            self.run = outboxes.rotate(self.watcher.index);
            return None;
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
            return self.due_again(index * LANES + lane);
        }
        let run = &mut outboxes.runs[index];
        run.seen[at] = outboxes.seen.of_turn(record.turn);
        let first = run.fresh & 1 << at != 0;
        if first {
            run.fresh &= !(1 << at);
        }
        let (group, wants) = (run.group, run.wants());
        let mut due = Due {
            first,
            skipped: u32::from(behind) - 1,
            behind,
            ..Due::of(index * LANES + lane, group, (topic, record))
        };
        if wants == Categories::ALL && due.parts == NONE {
            counters.delivered += 1;
            if behind != 1 {
                counters.skipped += u64::from(behind - 1);
            }
        } else if let Some((told, skipped, at_least)) = self.shard.wanted_of(topic, wants, behind, first) {
            (due.told, due.skipped, due.skipped_at_least) = (told, skipped, at_least);
        } else {
            return None;
        }
        self.left -= 1;
        Some(due)
    }

    /// What a slot is due whose mark was taken, and which is up to date or looks at a silent topic: nothing, unless it is to be
    /// told all again.
    #[cold]
    fn due_again(&mut self, slot: u32) -> Option<Due> {
        let FanOut { outboxes, topics, now, counters, .. } = &mut *self.shard;
        let (index, lane) = place(slot);
        let run = &mut outboxes.runs[index];
        let (topic, group, wants) = (run.topics[lane], run.group, run.wants());
        let record = &topics.topics[topic];
        if !record.is_open(*now) {
            // Its home is about to say what follows, or a policy is being applied; then everybody is marked again.
            return None;
        }
        if run.fresh & 1 << lane == 0 {
            counters.marks_needless += 1;
            return None;
        }
        run.fresh &= !(1 << lane);
        let due = Due::of(slot, group, (topic, record));
        self.left -= 1;
        Some(Due { told: self.shard.told_again(topic, wants), first: true, ..due })
    }
}

impl<B: ShardMemory> Drop for Outbox<'_, B> {
    #[inline]
    fn drop(&mut self) {
        if self.run != NONE {
            self.shard.outboxes.put_back(self.watcher.index, (self.cursor, self.left), self.shard.now);
        } else if self.left == self.shard.limits.notes_per_ready {
            // All marks were needless, or what they stood for waits.
            self.shard.outboxes.batch_goes_on(self.watcher.index, self.shard.now);
        }
    }
}
