//! Lists: groups whose first batch waits until they can be told of all their members together (RFC 4662).
//!
//! A list is a group with a pace of its own kind. While it gathers, the pace holds every dirty run, whatever is in it. What may
//! have been the last state that was missing only notes that it is to be looked at; the next step looks, once, however
//! many members were heard of in between. Cost of a look: a line for 16 members, and the topic of each that has a state and
//! was never told.

use alloc::collections::VecDeque;

use super::super::slot::{LANES, SlotRun};
use super::super::{FanOut, ShardMemory};
use crate::error::{Bound, Error};
use crate::id::{GroupId, PresentityId, Tick, WatcherId};
use crate::store::NONE;

/// A list that waits for its members' states.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gathering {
    /// Until when it waits for all of them,
    pub(super) until: Tick,
    /// and whether the last one may have come since it was looked at.
    pub(super) looks: bool,
}

/// A list that is told now: all of it together, or what there is after the time that it was to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// Whose it is.
    pub watcher: WatcherId,
    /// What the embedder gave when it opened the watcher.
    pub watcher_token: u64,
    /// Which it is.
    pub group: GroupId,
    /// What the embedder gave when it opened the group.
    pub group_token: u64,
    /// Members of whom nothing is known yet: [`FanOut::pending_members`] names them. What is known of them later is told as it
    /// comes.
    pub pending: u32,
}

/// A list between two shards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CarriedList {
    gathers_until: Option<Tick>,
    batches: u32,
}

/// Lists that have gathered and were not asked for: each at most once, so there are no more than lists.
pub(crate) type GatheredLists = VecDeque<GroupId>;

impl<B: ShardMemory> FanOut<B> {
    /// Makes a list of a group (RFC 4662; Lync's batchSub; RFC 5367): it is told nothing until each of its members has a first
    /// state, or explicitly none, and for so many microseconds at the most. Then all there is is told in one batch, which
    /// [`Self::next_gathered`] announces, and from then on what changes.
    ///
    /// To be called after its members were subscribed and before anybody is told of them: an empty list has gathered at
    /// once. Members that come while it gathers are waited for as well. A rate that the group has begins with the first batch.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`]; [`Error::Limit`] for a time longer than [`crate::Limits::gather_us_max`], and at
    /// [`crate::Limits::paces`]; [`Error::OutOfMemory`].
    pub fn gather(&mut self, group: GroupId, wait_us: u64) -> Result<(), Error> {
        let index = self.group(group).ok_or(Error::NoSuchGroup(group))?;
        let limit = self.limits.gather_us_max;
        if wait_us > limit {
            return Err(Error::Limit { bound: Bound::GatherTime, limit });
        }
        let pace = self.outboxes.pace_of_group(index, self.now)?;
        let paces = &mut self.outboxes.paces;
        let record = &mut paces.paces[pace];
        record.is_list = true;
        record.gathering = Some(Gathering { until: self.now.after_micros(wait_us), looks: true });
        paces.reschedule(pace);
        Ok(())
    }

    /// The next list that is told now. Ask before the watchers' outboxes, after a step.
    pub fn next_gathered(&mut self) -> Option<Gathered> {
        loop {
            let group = self.gathered.pop_front()?;
            let Some(index) = self.group(group) else { continue };
            let record = &self.outboxes.groups[index];
            let (group_token, watcher) = (record.token, record.watcher);
            if let Some(pace) = record.pace() {
                self.outboxes.paces.paces[pace].is_announced = true;
            }
            let record = &self.outboxes.watchers[watcher];
            return Some(Gathered {
                watcher: WatcherId { index: watcher, generation: record.generation },
                watcher_token: record.token,
                group,
                group_token,
                pending: self.members_without_state(index).count() as u32,
            });
        }
    }

    /// Members of a group that were never told and could not be: nobody has heard yet what their state is.
    pub fn pending_members(&self, group: GroupId) -> impl Iterator<Item = PresentityId> + '_ {
        self.group(group).into_iter().flat_map(|index| self.members_without_state(index))
    }

    /// How many batches a list was told: its version. One that was cut, by [`crate::Limits::notes_per_ready`] or because the
    /// frontend took no more, counts once for each part. Nothing for a group that is no list.
    #[must_use]
    pub fn list_version(&self, group: GroupId) -> Option<u32> {
        let pace = &self.outboxes.paces.paces[self.outboxes.groups[self.group(group)?].pace()?];
        pace.is_list.then_some(pace.batches)
    }

    /// What makes a group a list, if it is one.
    pub(crate) fn carry_list(&self, group: u32) -> Option<CarriedList> {
        let pace = &self.outboxes.paces.paces[self.outboxes.groups[group].pace()?];
        let gathers_until = pace.gathering.map(|gathering| gathering.until);
        pace.is_list.then_some(CarriedList { gathers_until, batches: pace.batches })
    }

    /// Makes a group the list that another shard had.
    pub(crate) fn put_list(&mut self, group: u32, carried: CarriedList) -> Result<(), Error> {
        let pace = self.outboxes.pace_of_group(group, self.now)?;
        let paces = &mut self.outboxes.paces;
        let record = &mut paces.paces[pace];
        (record.is_list, record.batches) = (true, carried.batches);
        record.gathering = carried.gathers_until.map(|until| Gathering { until, looks: true });
        paces.reschedule(pace);
        Ok(())
    }

    fn members_without_state(&self, group: u32) -> impl Iterator<Item = PresentityId> + '_ {
        let mut run = self.outboxes.groups[group].runs.head;
        core::iter::from_fn(move || {
            let record: &SlotRun = (run != NONE).then(|| &self.outboxes.runs[run])?;
            run = record.links.next;
            Some(record)
        })
        .flat_map(move |record| {
            let untold = record.used & record.fresh;
            (0..LANES as usize).filter(move |lane| untold >> lane & 1 != 0).filter_map(move |lane| {
                let topic = &self.topics.topics[record.topics[lane]];
                // A state that is here and whose walk has not come to the lane yet would be told after the batch.
                let is_at_hand = record.dirty >> lane & 1 != 0 && topic.is_open(self.now);
                (!is_at_hand).then_some(topic.presentity)
            })
        })
    }

    /// Sees whether a list that gathers has gathered, and tells how much that cost.
    pub(super) fn look_at_list(&mut self, pace: u32, until: Tick) -> usize {
        let group = self.outboxes.paces.paces[pace].owner;
        let looked_at = 1 + self.outboxes.groups[group].len as usize / LANES as usize;
        if self.now < until && self.members_without_state(group).next().is_some() {
            self.outboxes.paces.paces[pace].gathering = Some(Gathering { until, looks: false });
            self.outboxes.paces.reschedule(pace);
            return looked_at;
        }
        let live = self.outboxes.paces.paces.live() as usize;
        if self.gathered.len() >= live {
            // Of those that nobody has asked for some were closed.
            let mut gathered = core::mem::take(&mut self.gathered);
            gathered.retain(|group| self.group(*group).is_some());
            self.gathered = gathered;
        }
        let record = &mut self.outboxes.paces.paces[pace];
        record.gathering = None;
        if core::mem::take(&mut record.is_announced) {
            self.gathered.push_back(GroupId { index: group, generation: self.outboxes.groups[group].generation });
        }
        let released = self.outboxes.release(pace);
        self.outboxes.paces.reschedule(pace);
        looked_at + released
    }
}
