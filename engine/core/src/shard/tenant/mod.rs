//! Tenants on a shard: whose each topic and watcher is, what each tenant has, and whose turn it is (C9).
//!
//! There only where the scheme knows a tenancy. What is shared by weight, the entries of a walk, the turns of ready
//! watchers and the credits of a link, is shared among those who want some; who is alone has all. Walks and watchers wait in
//! a queue for each tenant, and the tenant that had least for its weight is next (`turns.rs`), so what one leaves goes to
//! the others at once. Invariant: counts are those of open watchers and their subscriptions; a tenant that has walks or ready
//! watchers is among those who wait. A byte for each topic and watcher, some 20 KB a shard, and 16 bytes for each link
//! and tenant that asked something over it.

mod budget;
mod credits;
mod ready;
mod turns;
mod verify;
mod walks;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;

use budget::Bucket;
use credits::Credits;
pub(crate) use ready::ReadyByTenant;
use turns::Waiting;

use super::quota::Room;
use super::walk::Walks;
use super::{FanOut, ShardMemory};
use crate::error::{Bound, Error};
use crate::id::{PresentityId, ShardIndex, WatcherId};
use crate::store::{Arena, Heap};
use crate::tenant::{Tenancy, Tenant, TenantId, TenantUse};

/// Tenants that a byte tells apart.
pub(crate) const TENANTS: usize = 256;

/// One tenant.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    tenant: Tenant,
    uses: TenantUse,
    publications: Bucket,
}

/// The tenants of a shard.
pub(crate) struct Tenants {
    tenancy: Arc<dyn Tenancy>,
    accounts: Box<[Account]>,
    /// By topic.
    of_topics: Arena<u8, Heap>,
    /// The walks of each, but for those of `at`, which lie in the fan-out.
    walks: Box<[Walks]>,
    at: u8,
    walking: Waiting,
    /// By the shard that is asked.
    credits: Box<[Credits]>,
}

impl Tenants {
    pub(crate) fn new(tenancy: Arc<dyn Tenancy>, shards: usize) -> Self {
        Self {
            tenancy,
            accounts: vec![Account::default(); TENANTS].into(),
            of_topics: Arena::on_heap(),
            walks: (0..TENANTS).map(|_| Walks::NONE).collect(),
            at: TenantId::DEFAULT.0,
            walking: Waiting::default(),
            credits: (0..shards).map(|_| Credits::default()).collect(),
        }
    }

    /// Whose a presentity is.
    pub(crate) fn of(&self, presentity: PresentityId) -> u8 {
        self.tenancy.tenant_of(presentity).0
    }

    fn weight(&self, tenant: u8) -> u16 {
        self.accounts[usize::from(tenant)].tenant.weight
    }

    pub(crate) fn bytes(&self) -> u64 {
        let fixed = size_of::<Account>() + size_of::<Walks>() + size_of::<u128>();
        let credits: u64 = self.credits.iter().map(Credits::bytes).sum();
        (TENANTS * fixed) as u64 + self.of_topics.bytes() + credits
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// Says what a tenant may use of this shard, while it runs, too. What it has above a lowered budget stays; only what
    /// is new is refused. A tenant that was never spoken of has weight 1 and no budgets.
    ///
    /// # Errors
    /// [`Error::NoTenancy`] where the scheme knows none; [`Error::OutOfRange`].
    pub fn set_tenant(&mut self, id: TenantId, tenant: Tenant) -> Result<(), Error> {
        let Some(tenants) = &mut self.tenants else { return Err(Error::NoTenancy) };
        tenant.validate().map_err(Error::OutOfRange)?;
        let account = &mut tenants.accounts[usize::from(id.0)];
        account.publications.change(&account.tenant, &tenant, self.now);
        account.tenant = tenant;
        if let Some(by_tenant) = &mut self.outboxes.ready.by_tenant {
            by_tenant.set_weight(id.0, tenant.weight);
        }
        Ok(())
    }

    /// What a tenant may use; nothing where there are no tenants.
    #[must_use]
    pub fn tenant(&self, id: TenantId) -> Option<&Tenant> {
        Some(&self.tenants.as_ref()?.accounts[usize::from(id.0)].tenant)
    }

    /// What a tenant has on this shard.
    #[must_use]
    pub fn tenant_use(&self, id: TenantId) -> TenantUse {
        self.tenants.as_ref().map_or_else(TenantUse::default, |it| it.accounts[usize::from(id.0)].uses)
    }

    /// Whose a watcher is.
    #[must_use]
    pub fn tenant_of(&self, watcher: WatcherId) -> Option<TenantId> {
        Some(self.tenant_of_watcher(self.watcher(watcher)?))
    }

    pub(crate) fn tenant_of_watcher(&self, watcher: u32) -> TenantId {
        TenantId(self.outboxes.ready.by_tenant.as_ref().map_or(0, |it| it.tenant_of(watcher)))
    }

    /// Whether a tenant may open another watcher.
    pub(crate) fn check_tenant(&self, id: TenantId) -> Result<(), Error> {
        let Some(tenants) = &self.tenants else {
            return if id == TenantId::DEFAULT { Ok(()) } else { Err(Error::NoTenancy) };
        };
        let Account { tenant, uses, .. } = &tenants.accounts[usize::from(id.0)];
        if uses.watchers >= tenant.watchers {
            return Err(Error::Limit { bound: Bound::TenantWatchers, limit: tenant.watchers.into() });
        }
        Ok(())
    }

    /// A watcher is opened, or closed, for its tenant.
    pub(crate) fn count_watcher(&mut self, watcher: u32, is_open: bool) {
        let (Some(tenants), Some(by_tenant)) = (&mut self.tenants, &self.outboxes.ready.by_tenant) else { return };
        let count = &mut tenants.accounts[usize::from(by_tenant.tenant_of(watcher))].uses.watchers;
        *count = if is_open { *count + 1 } else { *count - 1 };
    }

    /// Subscriptions of a group's have come or gone.
    #[inline]
    pub(crate) fn count_subscriptions(&mut self, group: u32, come: usize, gone: usize) {
        let (Some(tenants), Some(by_tenant)) = (&mut self.tenants, &self.outboxes.ready.by_tenant) else { return };
        let tenant = by_tenant.tenant_of(self.outboxes.groups[group].watcher);
        let count = &mut tenants.accounts[usize::from(tenant)].uses.subscriptions;
        *count = *count + come as u32 - gone as u32;
    }

    /// How many more subscriptions the tenant of a group may have.
    pub(crate) fn room_of_tenant(&self, group: u32) -> Option<Room> {
        let tenant = self.outboxes.ready.by_tenant.as_ref()?.tenant_of(self.outboxes.groups[group].watcher);
        let Account { tenant, uses, .. } = &self.tenants.as_ref()?.accounts[usize::from(tenant)];
        Some(Room::under(Bound::TenantSubscriptions, tenant.subscriptions, uses.subscriptions))
    }

    /// Room to say whose a topic is; the one that is made next, if that is a fresh record.
    pub(crate) fn reserve_tenant_of_topic(&mut self) -> Result<(), Error> {
        let Some(tenants) = &mut self.tenants else { return Ok(()) };
        while tenants.of_topics.len() <= self.topics.topics.ever() {
            tenants.of_topics.push().map_err(|_| Error::OutOfMemory("topics"))?;
        }
        Ok(())
    }

    /// A topic was made.
    pub(crate) fn note_tenant_of_topic(&mut self, topic: u32, presentity: PresentityId) {
        if let Some(tenants) = &mut self.tenants {
            tenants.of_topics[topic] = tenants.tenancy.tenant_of(presentity).0;
        }
    }

    /// Whose request it is, if its tenant may make one more now: of publications no more than its budget, and of credits no
    /// more than its share while others ask, too.
    pub(crate) fn admit(&mut self, presentity: PresentityId, is_publication: bool) -> Result<Option<u8>, Error> {
        let home = self.home_of(presentity);
        let Some(id) = self.tenants.as_ref().map(|tenants| tenants.of(presentity)) else { return Ok(None) };
        if !self.has_credit(Some(id), home) {
            return Err(self.is_busy(Some(id)));
        }
        let Some(tenants) = &mut self.tenants else { return Ok(None) };
        let account = &mut tenants.accounts[usize::from(id)];
        if is_publication && let Err(retry_after_us) = account.publications.take(&account.tenant, self.now) {
            account.uses.refused += 1;
            let (tenant, limit) = (TenantId(id), account.tenant.publications_per_s.into());
            return Err(Error::OverBudget { tenant, bound: Bound::TenantPublications, limit, retry_after_us });
        }
        Ok(Some(id))
    }

    /// Whether one more credit of a link may be taken now, and by that tenant, if there are any.
    pub(crate) fn has_credit(&mut self, tenant: Option<u8>, home: ShardIndex) -> bool {
        let limit = self.limits.credits;
        let is_left = self.links[home.index()].credits_out < limit;
        let (Some(tenants), Some(tenant)) = (&mut self.tenants, tenant) else { return is_left };
        let Tenants { accounts, credits, .. } = &mut **tenants;
        let credits = &mut credits[home.index()];
        credits.ask(tenant, self.now);
        let share = credits.share(tenant, limit, self.now, |tenant| accounts[usize::from(tenant)].tenant.weight);
        is_left && credits.out(tenant) < share
    }

    /// Takes a credit that is there.
    pub(crate) fn take_credit(&mut self, tenant: Option<u8>, home: ShardIndex) {
        self.links[home.index()].credits_out += 1;
        if let (Some(tenants), Some(tenant)) = (&mut self.tenants, tenant) {
            tenants.credits[home.index()].take(tenant);
        }
    }

    /// The refusal of a request for which there is no credit.
    pub(crate) fn is_busy(&mut self, tenant: Option<u8>) -> Error {
        self.counters.busy += 1;
        if let (Some(tenants), Some(tenant)) = (&mut self.tenants, tenant) {
            tenants.accounts[usize::from(tenant)].uses.refused += 1;
        }
        Error::Busy { retry_after_us: self.limits.retry_after_us }
    }

    /// An outcome was taken, and with it the credit of a tenant's request comes back.
    pub(crate) fn give_credit_back(&mut self, home: usize, tenant: u8) {
        if let Some(tenants) = &mut self.tenants {
            tenants.credits[home].give_back(tenant);
        }
    }
}

/// Tickets name the tenant of their request in the low byte, where there are tenants: so they go on rising, and an outcome
/// knows whose credit it gives back.
pub(crate) fn ticket_of(number: u64, tenant: u8) -> u64 {
    number << 8 | u64::from(tenant)
}

pub(crate) fn tenant_of_ticket(ticket: u64) -> u8 {
    ticket as u8
}
