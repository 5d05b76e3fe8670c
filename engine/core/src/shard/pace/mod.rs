//! Paces: how often a group is told at most and at least (RFC 6446), and how often a watcher is told at most.
//!
//! Lives beside the outboxes, and only for those that asked for it: a run knows that its group has a pace, and a watcher
//! that it has one. What comes too early is not queued. A run of a group that was told a moment ago leaves its watcher's
//! list with its marks and comes back when the group is due; a watcher's turn passes until it is due. What is told then is
//! the newest, once. Invariant: a run is held by its group's pace exactly while it is dirty and in no watcher's list, and a
//! pace that holds something, or has something to repeat, stands among those that are due. A pace weighs 128 bytes.

mod batches;
mod groups;
mod lists;
mod rate;
mod verify;

use alloc::collections::BTreeMap;

pub use lists::Gathered;
use lists::Gathering;
pub(crate) use lists::{CarriedList, GatheredLists};
use rate::REPEAT_US_MIN;
pub use rate::Rate;

use super::expiry::{Expiries, Expiring};
use super::group::PACES_MAX;
use super::{FanOut, ShardMemory, full};
use crate::error::{Bound, Error};
use crate::id::Tick;
use crate::store::{Heap, List, NONE, Record, Slab};

/// How one group or watcher is told.
#[derive(Debug)]
pub(crate) struct Pace {
    owner: u32,
    is_of_watcher: bool,
    rate: Rate,
    /// When its newest batch began; none before the first, and while one that was cut goes on.
    began: Option<Tick>,
    /// When all is told again, if nothing is told before; never, while that has been marked and not told.
    repeat: Tick,
    /// When something was told last,
    told: Option<Tick>,
    /// and how often in the period that began here, and in the one before.
    counted_from: Tick,
    counts: [u32; 2],
    /// How often in all,
    batches: u32,
    /// which is the version of a list.
    is_list: bool,
    /// Whether the embedder was told when the list had gathered last; yes before the first time.
    is_announced: bool,
    gathering: Option<Gathering>,
    /// Runs that wait, by the links with which they stand in a watcher's list else.
    held: List,
    due: Tick,
    place: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            owner: NONE,
            is_of_watcher: false,
            rate: Rate::default(),
            began: None,
            repeat: Tick::NEVER,
            told: None,
            counted_from: Tick::ZERO,
            counts: [0; 2],
            batches: 0,
            is_list: false,
            is_announced: true,
            gathering: None,
            held: List::EMPTY,
            due: Tick::NEVER,
            place: NONE,
        }
    }
}

impl Record for Pace {
    fn chain(&mut self) -> &mut u32 {
        &mut self.owner
    }
}

impl Expiring for Pace {
    type At = Tick;

    fn expires(&self) -> Tick {
        self.due
    }

    fn place(&self) -> u32 {
        self.place
    }

    fn set_place(&mut self, place: u32) {
        self.place = place;
    }
}

impl Pace {
    /// The first moment at which another batch may begin.
    fn next(&self) -> Tick {
        self.began.map_or(Tick::ZERO, |began| began.after_micros(self.rate.gap_us_min))
    }

    /// Whether something may be told now: a batch goes on while the time stands still.
    fn is_open(&self, now: Tick) -> bool {
        self.gathering.is_none() && self.is_over(now)
    }

    /// Whether the gap after the last batch is over, or the batch goes on.
    fn is_over(&self, now: Tick) -> bool {
        self.began == Some(now) || now >= self.next()
    }

    /// The batch that began now is not over. One that is over stays so, whatever was offered and not taken since.
    fn goes_on(&mut self, now: Tick) {
        if self.began == Some(now) {
            self.began = None;
        }
    }

    /// Something is told. What is told before the gap is over, a first state, is no batch that others would wait for, but
    /// counts as one.
    fn is_told(&mut self, now: Tick) {
        if self.is_over(now) {
            self.began = Some(now);
        }
        if self.told.replace(now) == Some(now) {
            return;
        }
        self.batches = self.batches.wrapping_add(1);
        let Rate { gap_us_max, adaptive_us, .. } = self.rate;
        let counted_us = now.as_micros().saturating_sub(self.counted_from.as_micros());
        if let Some(periods) = counted_us.checked_div(adaptive_us) {
            if periods != 0 {
                self.counts = [0, if periods == 1 { self.counts[0] } else { 0 }];
                self.counted_from = now;
            }
            self.counts[0] = self.counts[0].saturating_add(1);
        }
        self.repeat = if gap_us_max == 0 { Tick::NEVER } else { now.after_micros(self.repeat_us()) };
    }

    /// How long after a batch all is told again. RFC 6446, for the adaptive rate: the batches of a period, times the square
    /// of the mean gap, over the period; and no longer than a period, after which there are none to count.
    fn repeat_us(&self) -> u64 {
        let Rate { gap_us_max, adaptive_us, .. } = self.rate;
        if adaptive_us == 0 {
            return gap_us_max;
        }
        let count = u128::from(self.counts[0].max(self.counts[1]).max(1));
        let gap = u128::from(gap_us_max);
        let mean = count.saturating_mul(gap).saturating_mul(gap) / u128::from(adaptive_us);
        u64::try_from(mean).unwrap_or(u64::MAX).clamp(REPEAT_US_MIN, adaptive_us)
    }
}

/// All paces of a shard.
pub(crate) struct Paces {
    paces: Slab<Pace, Heap>,
    due: Expiries,
    of_watchers: BTreeMap<u32, u32>,
}

impl Paces {
    pub(crate) fn new(limit: u32) -> Self {
        Self { paces: Slab::on_heap(limit.min(PACES_MAX)), due: Expiries::default(), of_watchers: BTreeMap::new() }
    }

    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.paces.set_limit(limit);
    }

    /// When the first of them is due.
    pub(crate) fn first(&self) -> Option<Tick> {
        self.due.first(&self.paces).map(|(due, _)| due)
    }

    pub(crate) fn bytes(&self) -> u64 {
        // An entry of a tree with half of its places free.
        self.paces.bytes() + self.due.bytes() + (self.of_watchers.len() * 2 * size_of::<[u32; 2]>()) as u64
    }

    /// How a group's pace tells it.
    pub(crate) fn rate(&self, pace: u32) -> Rate {
        self.paces[pace].rate
    }

    /// The least time between two batches of a watcher; 0 if it is told as changes come.
    pub(crate) fn gap_of_watcher(&self, watcher: u32) -> u64 {
        self.of_watchers.get(&watcher).map_or(0, |&pace| self.paces[pace].rate.gap_us_min)
    }

    fn insert(&mut self, owner: u32, is_of_watcher: bool, now: Tick) -> Result<u32, Error> {
        let limit = self.paces.limit();
        let pace = self.paces.insert().map_err(|why| full(why, Bound::Paces, limit, "paces"))?;
        self.paces[pace] = Pace { owner, is_of_watcher, counted_from: now, ..Pace::default() };
        Ok(pace)
    }

    fn remove(&mut self, pace: u32) {
        self.set_due(pace, Tick::NEVER);
        self.paces.remove(pace);
    }

    /// Something has happened that may let a list's batch go, if it waits.
    pub(crate) fn look_again(&mut self, pace: u32) {
        if let Some(gathering) = &mut self.paces[pace].gathering {
            gathering.looks = true;
            self.reschedule(pace);
        }
    }

    fn set_due(&mut self, pace: u32, due: Tick) {
        self.paces[pace].due = due;
        self.due.set(&mut self.paces, pace);
    }

    /// Puts a group's pace where it belongs among those that are due.
    fn reschedule(&mut self, pace: u32) {
        let record = &self.paces[pace];
        if let Some(Gathering { until, looks }) = record.gathering {
            return self.set_due(pace, if looks { Tick::ZERO } else { until });
        }
        let release = if record.held.is_empty() { Tick::NEVER } else { record.next() };
        self.set_due(pace, release.min(record.repeat));
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// Does what is due of paces, up to so much, and tells how much it was.
    pub(crate) fn pace_due(&mut self, most: usize) -> usize {
        let mut done = 0;
        while done < most {
            let Some((_, pace)) =
                self.outboxes.paces.due.first(&self.outboxes.paces.paces).filter(|&(due, _)| due <= self.now)
            else {
                break;
            };
            done += 1;
            let Pace { owner, is_of_watcher, repeat, gathering, .. } = self.outboxes.paces.paces[pace];
            if is_of_watcher {
                self.outboxes.batch_is_due(owner, pace);
                continue;
            }
            if let Some(Gathering { until, .. }) = gathering {
                done += self.look_at_list(pace, until);
                continue;
            }
            if self.outboxes.paces.paces[pace].next() <= self.now {
                done += self.outboxes.release(pace);
            }
            if repeat <= self.now {
                done += self.outboxes.mark_group_again(owner);
                // What is told next sets it again: a watcher that cannot be told now costs nothing meanwhile.
                self.outboxes.paces.paces[pace].repeat = Tick::NEVER;
            }
            self.outboxes.paces.reschedule(pace);
        }
        done
    }
}

const _: () = assert!(size_of::<Pace>() == 128, "what the module, and the limit on paces, say that one weighs");
