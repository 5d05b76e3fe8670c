//! Tenants by number: for tests and simulated worlds.

use fanfare_core::{Categories, GroupId, Heap, PresentityId, Shard, Tenancy, TenantId, WatcherId};

/// A presentity belongs to the tenant that its number leaves, divided by so many.
#[derive(Clone, Copy, Debug)]
pub struct ByRemainder(pub u64);

impl ByRemainder {
    /// The nth presentity of a tenant.
    #[must_use]
    pub fn presentity(self, tenant: u8, nth: u64) -> PresentityId {
        PresentityId::new((nth + 1) * self.0 + u64::from(tenant))
    }
}

impl Tenancy for ByRemainder {
    fn tenant_of(&self, presentity: PresentityId) -> TenantId {
        TenantId((presentity.get() % self.0) as u8)
    }
}

/// A tenant's watcher with one group that wants everything.
///
/// # Panics
/// At a limit.
pub fn watcher_of(shard: &mut Shard<Heap>, tenant: u8, token: u64) -> (WatcherId, GroupId) {
    let watcher = shard.open_watcher_of(TenantId(tenant), token).expect("room for a watcher");
    let group = shard.open_group(watcher, token, Categories::ALL).expect("room for a group");
    (watcher, group)
}
