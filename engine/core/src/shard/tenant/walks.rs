//! Walks by tenant: each tenant's entries of a step, by weight (C9).
//!
//! The walks of the tenant whose turn it is lie where those of all lie on a shard without tenants, so that it is the same
//! code that walks them: short ones first, a quarter for long ones, in what this tenant gets of the step.

use super::super::walk::{Lines, Walks};
use super::super::{FanOut, ShardMemory};

/// Entries that a tenant may have walked before it is asked again whose turn it is. Less makes shares more even within a
/// step; a turn costs a look at each tenant that has walks.
const TURN: usize = 64;

impl<B: ShardMemory> FanOut<B> {
    /// Brings the walks of a topic's tenant to where they can be changed.
    #[inline]
    pub(crate) fn turn_to_walks_of(&mut self, topic: u32) {
        if self.tenants.is_some() {
            self.turn_to_tenant_of(topic);
        }
    }

    #[cold]
    #[inline(never)]
    fn turn_to_tenant_of(&mut self, topic: u32) {
        let Some(tenants) = &mut self.tenants else { return };
        let tenant = tenants.of_topics[topic];
        tenants.walking.enter(tenant);
        self.turn_to_walks_of_tenant(tenant);
    }

    fn turn_to_walks_of_tenant(&mut self, tenant: u8) {
        let Some(tenants) = &mut self.tenants else { return };
        if tenants.at != tenant {
            core::mem::swap(&mut self.walks, &mut tenants.walks[usize::from(tenants.at)]);
            core::mem::swap(&mut self.walks, &mut tenants.walks[usize::from(tenant)]);
            tenants.at = tenant;
        }
    }

    /// Visits up to `budget` entries, shared among the tenants that have walks, and tells how many it were.
    #[cold]
    #[inline(never)]
    pub(crate) fn walk_by_weight(&mut self, budget: usize, lines: &mut Lines) -> usize {
        let mut left = budget;
        while left > 0 {
            let Some(tenants) = &mut self.tenants else { break };
            let (at, walks, here) = (tenants.at, &tenants.walks, &self.walks);
            let has_walks = |tenant: u8| !if tenant == at { here } else { &walks[usize::from(tenant)] }.is_empty();
            let Some(tenant) = tenants.walking.next(has_walks) else { break };
            let turn = if tenants.walking.is_alone() { left } else { left.min(TURN) };
            self.turn_to_walks_of_tenant(tenant);
            let visited = self.walk_one_tenants(turn, lines);
            self.charge_walk(visited);
            left -= visited;
        }
        budget - left
    }

    /// The tenant whose walks are at hand had so many entries visited.
    #[inline]
    pub(crate) fn charge_walk(&mut self, entries: usize) {
        if let Some(tenants) = &mut self.tenants {
            let weight = tenants.weight(tenants.at);
            tenants.walking.got(tenants.at, entries, weight);
        }
    }

    /// Whether any tenant has a walk under way.
    pub(crate) fn has_walks(&self) -> bool {
        self.all_walks().any(|walks| !walks.is_empty())
    }

    pub(crate) fn all_walks(&self) -> impl Iterator<Item = &Walks> {
        let others = self.tenants.iter().flat_map(|tenants| &tenants.walks);
        core::iter::once(&self.walks).chain(others)
    }
}
