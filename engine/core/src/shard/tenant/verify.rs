//! What must be true of tenants.

use super::super::verify::wrong;
use super::super::watcher::OF_TENANT;
use super::super::{FanOut, ShardMemory};
use super::TENANTS;
use crate::error::Corrupt;

impl<B: ShardMemory> FanOut<B> {
    /// Counts every tenant's watchers, subscriptions and credits again, and looks for walks in the wrong place.
    pub(crate) fn verify_tenants(&self) -> Result<(), Corrupt> {
        let (Some(tenants), Some(by_tenant)) = (&self.tenants, &self.outboxes.ready.by_tenant) else { return Ok(()) };
        let (mut watchers, mut subscriptions) = ([0u32; TENANTS], [0u32; TENANTS]);
        for index in 0..self.outboxes.watchers.ever() {
            let record = &self.outboxes.watchers[index];
            if record.generation & 1 == 1 {
                watchers[usize::from(by_tenant.tenant_of(index))] += 1;
                if record.holds & OF_TENANT == 0 {
                    return wrong("every watcher is a tenant's where there are tenants", index);
                }
            }
        }
        for group in 0..self.outboxes.groups.ever() {
            let record = &self.outboxes.groups[group];
            if record.generation & 1 == 1 {
                subscriptions[usize::from(by_tenant.tenant_of(record.watcher))] += record.len;
            }
        }
        for (tenant, account) in tenants.accounts.iter().enumerate() {
            if account.uses.watchers != watchers[tenant] || account.uses.subscriptions != subscriptions[tenant] {
                return wrong("a tenant's watchers and subscriptions are counted", tenant as u64);
            }
            let walks = if tenant == usize::from(tenants.at) { &self.walks } else { &tenants.walks[tenant] };
            if !walks.is_empty() && !tenants.walking.waits(tenant as u8) {
                return wrong("a tenant that has walks waits for its turn (C9)", tenant as u64);
            }
            if !by_tenant.waits(tenant as u8) {
                return wrong("a tenant that has ready watchers waits for its turn (C9)", tenant as u64);
            }
        }
        for (home, (link, credits)) in self.links.iter().zip(&tenants.credits).enumerate() {
            if link.credits_out != credits.all_out() {
                return wrong("each credit that is out is some tenant's", home as u64);
            }
        }
        Ok(())
    }
}
