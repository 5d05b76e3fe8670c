//! Watchers and their groups: who is told.
//!
//! A watcher is one session, on the shard of its connection. A group is a part of its subscriptions with an identity
//! and a filter of its own. Both ids carry a generation that is odd while the record lives.

use alloc::sync::Arc;

use bytemuck::{Pod, Zeroable};

use super::slot::{LANES, Outboxes, SlotRun};
use super::{FanOut, ShardMemory, full};
use crate::error::{Bound, Error};
use crate::id::{Categories, GroupId, WatcherId};
use crate::identity::Identity;
use crate::store::{Links, List, Record};

/// Where a watcher stands in the order of the drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Standing {
    /// It has nothing to be told.
    Idle,
    /// It is in the list of those that have.
    Ready,
    /// Its frontend left some of it untold, and has not called `writable` since.
    Blocked,
}

/// One session that watches.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C, align(32))]
pub struct Watcher {
    pub(crate) token: u64,
    /// Runs with something dirty, in the order in which they will be told.
    pub(crate) dirty: List,
    pub(crate) groups: List,
    pub(crate) generation: u32,
    pub(crate) standing: u8,
    /// The lane of the first dirty run where the drain goes on, so that a hot lane cannot starve those behind it.
    pub(crate) cursor: u8,
    /// Whether the queue of the ready has a place for it. It outlives the watcher: the place may, too.
    pub(crate) has_place: u8,
    pub(crate) spare: u8,
}

const _: () = assert!(size_of::<Watcher>() == 32, "two watchers share a line, and none lies across two");

impl Record for Watcher {
    fn chain(&mut self) -> &mut u32 {
        &mut self.dirty.head
    }
}

/// Subscriptions of one watcher that share filter and identity.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Group {
    pub(crate) token: u64,
    pub(crate) generation: u32,
    pub(crate) watcher: u32,
    /// Runs of slots, those with a free lane first.
    pub(crate) runs: List,
    pub(crate) links: Links,
    pub(crate) len: u32,
    wants_bits: u8,
    spare: [u8; 3],
}

impl Default for Group {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl Group {
    pub(crate) fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl Record for Group {
    fn chain(&mut self) -> &mut u32 {
        &mut self.links.next
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// Lets a session watch. The token comes back with every note of the watcher's.
    ///
    /// # Errors
    /// [`Error::Limit`] at [`crate::Limits::watchers`], [`Error::OutOfMemory`].
    pub fn open_watcher(&mut self, token: u64) -> Result<WatcherId, Error> {
        let watchers = &mut self.outboxes.watchers;
        let index = watchers.insert().map_err(|why| full(why, Bound::Watchers, watchers.limit(), "watchers"))?;
        let record = &mut watchers[index];
        record.generation = record.generation.wrapping_add(1);
        record.token = token;
        record.groups = List::EMPTY;
        record.dirty = List::EMPTY;
        record.standing = Standing::Idle as u8;
        record.cursor = 0;
        Ok(WatcherId { index, generation: record.generation })
    }

    /// Ends a session: its groups are closed with it. Nothing is told to it from now on (C5).
    ///
    /// Returns false, and does nothing, if the watcher was closed before. Costs what its subscriptions cost.
    pub fn close_watcher(&mut self, watcher: WatcherId) -> bool {
        let Some(index) = self.watcher(watcher) else { return false };
        while self.outboxes.watchers[index].groups.head != crate::store::NONE {
            let group = self.outboxes.watchers[index].groups.head;
            self.close_group_at(group);
        }
        let record = &mut self.outboxes.watchers[index];
        record.generation = record.generation.wrapping_add(1);
        self.outboxes.watchers.remove(index);
        true
    }

    /// The token that the watcher was opened with.
    #[must_use]
    pub fn watcher_token(&self, watcher: WatcherId) -> Option<u64> {
        self.watcher(watcher).map(|index| self.outboxes.watchers[index].token)
    }

    /// Opens a group of subscriptions that want to hear of these categories. The token comes back with every note.
    ///
    /// # Errors
    /// [`Error::NoSuchWatcher`], [`Error::Limit`] at [`crate::Limits::groups`], [`Error::OutOfMemory`].
    pub fn open_group(&mut self, watcher: WatcherId, token: u64, wants: Categories) -> Result<GroupId, Error> {
        self.open_group_of(watcher, token, wants, None)
    }

    /// Opens a group for somebody, so that policy says what he may see: see [`Self::watch`]. Groups of one session may
    /// share the identity.
    ///
    /// # Errors
    /// As [`Self::open_group`].
    pub fn open_group_for(
        &mut self,
        watcher: WatcherId,
        token: u64,
        wants: Categories,
        who: Arc<Identity>,
    ) -> Result<GroupId, Error> {
        self.open_group_of(watcher, token, wants, Some(who))
    }

    fn open_group_of(
        &mut self,
        watcher: WatcherId,
        token: u64,
        wants: Categories,
        who: Option<Arc<Identity>>,
    ) -> Result<GroupId, Error> {
        let owner = self.watcher(watcher).ok_or(Error::NoSuchWatcher(watcher))?;
        let groups = &mut self.outboxes.groups;
        let index = groups.insert().map_err(|why| full(why, Bound::Groups, groups.limit(), "groups"))?;
        if let Err(why) = self.gates.set_identity(index, who) {
            groups.remove(index);
            return Err(full(why, Bound::Groups, groups.limit(), "groups"));
        }
        let record = &mut groups[index];
        *record = Group {
            token,
            generation: record.generation.wrapping_add(1),
            watcher: owner,
            runs: List::EMPTY,
            links: record.links,
            len: 0,
            wants_bits: wants.bits(),
            spare: [0; 3],
        };
        let generation = record.generation;
        self.outboxes.watchers[owner].groups.push_back(groups, index, Group::links);
        Ok(GroupId { index, generation })
    }

    /// Who a group is, if it was opened for somebody.
    #[must_use]
    pub fn identity(&self, group: GroupId) -> Option<&Arc<Identity>> {
        self.gates.identity(self.group(group)?)
    }

    /// Ends all subscriptions of a group and the group itself (C5).
    ///
    /// Returns false, and does nothing, if the group was closed before. Costs two to three cache misses a subscription.
    pub fn close_group(&mut self, group: GroupId) -> bool {
        let Some(index) = self.group(group) else { return false };
        self.close_group_at(index);
        true
    }

    /// Tells that a watcher whose outbox was left with notes untold may be asked again.
    ///
    /// Does nothing for a watcher that is not waiting for it.
    pub fn writable(&mut self, watcher: WatcherId) {
        let Some(index) = self.watcher(watcher) else { return };
        if self.outboxes.watchers[index].standing == Standing::Blocked as u8 {
            self.outboxes.make_ready(index);
        }
    }

    fn close_group_at(&mut self, group: u32) {
        while self.outboxes.groups[group].runs.head != crate::store::NONE {
            let run = self.outboxes.groups[group].runs.head;
            for lane in 0..LANES {
                if self.outboxes.runs[run].used & 1 << lane != 0 {
                    self.end_subscription(run * LANES + lane);
                }
            }
        }
        let record = &mut self.outboxes.groups[group];
        record.generation = record.generation.wrapping_add(1);
        let owner = record.watcher;
        self.outboxes.watchers[owner].groups.remove(&mut self.outboxes.groups, group, Group::links);
        self.outboxes.groups.remove(group);
        // To forget takes no memory.
        let _ = self.gates.set_identity(group, None);
    }

    pub(crate) fn watcher(&self, id: WatcherId) -> Option<u32> {
        let record = self.outboxes.watchers.get(id.index)?;
        (record.generation == id.generation && record.generation & 1 == 1).then_some(id.index)
    }

    pub(crate) fn group(&self, id: GroupId) -> Option<u32> {
        let record = self.outboxes.groups.get(id.index)?;
        (record.generation == id.generation && record.generation & 1 == 1).then_some(id.index)
    }

    /// Takes a free slot of the group's, making a new run if there is none.
    pub(crate) fn take_slot(&mut self, group: u32) -> Result<u32, Error> {
        let Outboxes { groups, runs, .. } = &mut self.outboxes;
        let record = &mut groups[group];
        let mut run = record.runs.head;
        if run == crate::store::NONE || runs[run].is_full() {
            let limit = runs.limit() * LANES;
            run = runs.insert().map_err(|why| full(why, Bound::Subscriptions, limit, "subscriptions"))?;
            let Group { watcher, wants_bits, .. } = *record;
            runs[run] = SlotRun { watcher, group, wants_bits, ..SlotRun::zeroed() };
            record.runs.push_front(runs, run, SlotRun::links);
            runs.approach_next();
        }
        let slots = &mut runs[run];
        let lane = (!slots.used).trailing_zeros();
        slots.used |= 1 << lane;
        record.len += 1;
        if slots.is_full() {
            record.runs.remove(runs, run, SlotRun::links);
            record.runs.push_back(runs, run, SlotRun::links);
        }
        Ok(run * LANES + lane)
    }

    /// Gives a slot back; its mark must be gone.
    pub(crate) fn free_slot(&mut self, run: u32, lane: usize) {
        let outboxes = &mut self.outboxes;
        let was_full = outboxes.runs[run].is_full();
        let record = &mut outboxes.runs[run];
        record.used &= !(1 << lane);
        let (group, is_empty) = (record.group, record.used == 0);
        let group = &mut outboxes.groups[group];
        group.len -= 1;
        if is_empty {
            group.runs.remove(&mut outboxes.runs, run, SlotRun::links);
            outboxes.runs.remove(run);
        } else if was_full {
            group.runs.remove(&mut outboxes.runs, run, SlotRun::links);
            group.runs.push_front(&mut outboxes.runs, run, SlotRun::links);
        }
    }
}
