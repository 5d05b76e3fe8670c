//! Watchers: who is told, and who is not told just now.
//!
//! A watcher is one session, on the shard of its connection. Its id carries a generation that is odd while the record
//! lives, as a group's does. One that is inactive (XEP-0352), parked (XEP-0198), or told at a pace, stays out of the queue of the ready with
//! what it has to be told: marks gather as ever and cost what they cost, and it is its turn that finds it held.

use bytemuck::{Pod, Zeroable};

use super::slot::Outboxes;
use super::watcher_information::WatcherEvent;
use super::{FanOut, ShardMemory, full};
use crate::error::{Bound, Error};
use crate::id::WatcherId;
use crate::store::{List, Record};
use crate::tenant::TenantId;

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
    /// It is inactive, parked, or its next batch is not due yet.
    Held,
}

/// Why a watcher's turn may pass: it is inactive,
pub(crate) const INACTIVE: u8 = 1;
/// or told in batches, a time apart;
pub(crate) const IN_BATCHES: u8 = 2;
/// or its turn is that of its tenant;
pub(crate) const OF_TENANT: u8 = 4;
/// or parked: its connection is gone, and somebody may come back for it.
pub(crate) const PARKED: u8 = 8;

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
    /// [`INACTIVE`], [`IN_BATCHES`], [`OF_TENANT`] and [`PARKED`]: looked at when its turn comes, with the line that is needed then.
    pub(crate) holds: u8,
}

const _: () = assert!(size_of::<Watcher>() == 32, "two watchers share a line, and none lies across two");

impl Record for Watcher {
    fn chain(&mut self) -> &mut u32 {
        &mut self.dirty.head
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// Lets a session watch. The token comes back with every note of the watcher's.
    ///
    /// # Errors
    /// [`Error::Limit`] at [`crate::Limits::watchers`], [`Error::OutOfMemory`].
    pub fn open_watcher(&mut self, token: u64) -> Result<WatcherId, Error> {
        self.open_watcher_of(TenantId::DEFAULT, token)
    }

    /// As [`Self::open_watcher`], for a tenant: the session is told in its turns, and what it subscribes to is its.
    ///
    /// # Errors
    /// [`Error::Limit`] at [`crate::Limits::watchers`] or [`crate::Tenant::watchers`]; [`Error::NoTenancy`] for any but the default
    /// one where the scheme knows no tenants; [`Error::OutOfMemory`].
    pub fn open_watcher_of(&mut self, tenant: TenantId, token: u64) -> Result<WatcherId, Error> {
        self.check_tenant(tenant)?;
        let Outboxes { watchers, ready, .. } = &mut self.outboxes;
        if let Some(by_tenant) = &mut ready.by_tenant {
            by_tenant.reserve(watchers.ever() + 1)?;
        }
        let index = watchers.insert().map_err(|why| full(why, Bound::Watchers, watchers.limit(), "watchers"))?;
        let record = &mut watchers[index];
        record.generation = record.generation.wrapping_add(1);
        record.token = token;
        record.groups = List::EMPTY;
        record.dirty = List::EMPTY;
        record.standing = Standing::Idle as u8;
        record.cursor = 0;
        record.holds = 0;
        if let Some(by_tenant) = &mut ready.by_tenant {
            by_tenant.set_tenant_of(index, tenant.0);
            record.holds = OF_TENANT;
        }
        let id = WatcherId { index, generation: record.generation };
        self.count_watcher(index, true);
        Ok(id)
    }

    /// Ends a session: its groups are closed with it. Nothing is told to it from now on (C5).
    ///
    /// Returns false, and does nothing, if the watcher was closed before. Costs what its subscriptions cost.
    pub fn close_watcher(&mut self, watcher: WatcherId) -> bool {
        let Some(index) = self.watcher(watcher) else { return false };
        self.close_watcher_at(index);
        true
    }

    pub(crate) fn close_watcher_at(&mut self, index: u32) {
        while self.outboxes.watchers[index].groups.head != crate::store::NONE {
            let group = self.outboxes.watchers[index].groups.head;
            self.close_group_at(group, WatcherEvent::Deactivated);
        }
        self.outboxes.end_batches(index);
        self.outboxes.sessions.end(index);
        let record = &mut self.outboxes.watchers[index];
        record.generation = record.generation.wrapping_add(1);
        self.outboxes.watchers.remove(index);
        self.count_watcher(index, false);
    }

    /// Says whether anybody looks at what a watcher is told (XEP-0352: client state indication). An inactive one is told
    /// nothing; once it is active again it is told, at once and together, the newest of whatever has changed meanwhile.
    ///
    /// Costs nothing while it is inactive but the marks, and no memory. Its [`Self::outbox`] tells it all the same, if the
    /// embedder asks for that.
    ///
    /// # Errors
    /// [`Error::NoSuchWatcher`].
    pub fn set_active(&mut self, watcher: WatcherId, is_active: bool) -> Result<(), Error> {
        let index = self.watcher(watcher).ok_or(Error::NoSuchWatcher(watcher))?;
        let record = &mut self.outboxes.watchers[index];
        if !is_active {
            record.holds |= INACTIVE;
            return Ok(());
        }
        record.holds &= !INACTIVE;
        self.outboxes.unhold(index);
        if !self.followings.is_empty() {
            self.offer_again(index);
        }
        Ok(())
    }

    /// Whether a watcher is active.
    #[must_use]
    pub fn is_active(&self, watcher: WatcherId) -> Option<bool> {
        self.watcher(watcher).map(|index| self.outboxes.watchers[index].holds & INACTIVE == 0)
    }

    /// The token that the watcher was opened with.
    #[must_use]
    pub fn watcher_token(&self, watcher: WatcherId) -> Option<u64> {
        self.watcher(watcher).map(|index| self.outboxes.watchers[index].token)
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

    pub(crate) fn watcher(&self, id: WatcherId) -> Option<u32> {
        let record = self.outboxes.watchers.get(id.index)?;
        // Nobody was given the id of one that is parked; what tells who watches whom may name it all the same.
        let is_open = record.generation & 1 == 1 && record.holds & PARKED == 0;
        (record.generation == id.generation && is_open).then_some(id.index)
    }
}
