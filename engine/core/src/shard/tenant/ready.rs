//! Ready watchers by tenant: whose watcher is told next (C9).
//!
//! Marks put every watcher into the one queue, so that they cost what they cost without tenants. Where there are tenants, a
//! watcher whose turn it is there moves on to the queue of its tenant, and once the common one is empty those have their turns
//! by weight: whose turn it is comes back into the common queue. So a
//! tenant whose watchers are all to be told at once, a hundred thousand that sign in, holds up its own. A turn is a watcher's,
//! whatever it has to be told.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;

use super::super::ShardMemory;
use super::super::slot::Outboxes;
use super::super::watcher::Standing;
use super::TENANTS;
use super::turns::Waiting;
use crate::error::Error;
use crate::store::{Arena, Heap};

/// The watchers of a shard with tenants.
pub(crate) struct ReadyByTenant {
    of_watchers: Arena<u8, Heap>,
    /// Those that have a place and are in the common queue no more.
    queues: Box<[VecDeque<u32>]>,
    weights: Box<[u16]>,
    waiting: Waiting,
    /// The watcher that came back last.
    turn: Option<u32>,
}

impl ReadyByTenant {
    pub(crate) fn new() -> Self {
        Self {
            of_watchers: Arena::on_heap(),
            queues: (0..TENANTS).map(|_| VecDeque::new()).collect(),
            weights: vec![1; TENANTS].into(),
            waiting: Waiting::default(),
            turn: None,
        }
    }

    pub(crate) fn tenant_of(&self, watcher: u32) -> u8 {
        self.of_watchers[watcher]
    }

    /// Room to say whose watchers below `count` are.
    pub(crate) fn reserve(&mut self, count: u32) -> Result<(), Error> {
        while self.of_watchers.len() < count {
            self.of_watchers.push().map_err(|_| Error::OutOfMemory("watchers"))?;
        }
        Ok(())
    }

    pub(crate) fn set_tenant_of(&mut self, watcher: u32, tenant: u8) {
        self.of_watchers[watcher] = tenant;
    }

    pub(super) fn set_weight(&mut self, tenant: u8, weight: u16) {
        self.weights[usize::from(tenant)] = weight;
    }

    /// All that have a place here.
    pub(crate) fn places(&self) -> impl Iterator<Item = u32> + '_ {
        self.queues.iter().flatten().copied()
    }

    pub(crate) fn bytes(&self) -> u64 {
        let queues: usize = self.queues.iter().map(|queue| queue.capacity() * size_of::<u32>()).sum();
        self.of_watchers.bytes() + (queues + TENANTS * size_of::<VecDeque<u32>>()) as u64
    }

    /// The watcher whose turn it is.
    pub(crate) fn next(&mut self) -> Option<u32> {
        let Self { queues, waiting, weights, turn, .. } = self;
        let tenant = waiting.next(|tenant| !queues[usize::from(tenant)].is_empty())?;
        waiting.got(tenant, 1, weights[usize::from(tenant)]);
        *turn = queues[usize::from(tenant)].pop_front();
        *turn
    }

    pub(super) fn waits(&self, tenant: u8) -> bool {
        self.waiting.waits(tenant) || self.queues[usize::from(tenant)].is_empty()
    }
}

impl<B: ShardMemory> Outboxes<B> {
    /// Whether a watcher that was taken from the common queue has moved on to its tenant's: not if it comes from there.
    pub(crate) fn waits_for_its_tenant(&mut self, watcher: u32) -> bool {
        let Some(by_tenant) = &mut self.ready.by_tenant else { return false };
        if by_tenant.turn.take() == Some(watcher) {
            return false;
        }
        let record = &mut self.watchers[watcher];
        record.standing = Standing::Ready as u8;
        record.has_place = 1;
        self.ready.waiting += 1;
        let tenant = by_tenant.tenant_of(watcher);
        by_tenant.queues[usize::from(tenant)].push_back(watcher);
        by_tenant.waiting.enter(tenant);
        true
    }
}
