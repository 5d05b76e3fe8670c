//! Tenants with budgets, and limits that change while everybody lives under them.
//!
//! In worlds of their own (nearly two seeds in eleven), so that other seeds live the lives that they always lived. The model has
//! buckets of its own, and counts what each tenant, watcher and presentity has.

use std::collections::BTreeMap;

use fanfare_core::{Bound, Error, Limits, PresentityId, Scheme, Tenancy, Tenant, TenantId, Tick, Ticket};
use rand::RngExt;

use super::world::World;
use crate::tenants::ByRemainder;

const BY: ByRemainder = ByRemainder(3);
/// For so long after it asked last a tenant's share of credits is kept.
const ASKS_US: u64 = 1_000_000;
/// Parts of a token: at so many a second one comes with each microsecond.
const PARTS: u128 = 1_000_000;

/// What the model knows of tenants.
pub(super) struct Tenants {
    tenants: [Tenant; 3],
    /// What the shard's tenant has left, in parts of tokens, and as of when; by shard and tenant.
    buckets: BTreeMap<(usize, u8), (u128, Tick)>,
    /// When a tenant asked a shard's link last; by shard, home and tenant.
    asked: BTreeMap<(usize, usize, u8), Tick>,
    /// The limits that the shards were made with.
    made_with: Limits,
}

impl Tenants {
    pub(super) fn new(made_with: Limits) -> Self {
        let (buckets, asked) = (BTreeMap::new(), BTreeMap::new());
        Self { tenants: [Tenant::default(); 3], buckets, asked, made_with }
    }

    /// The same scheme with tenants.
    pub(super) fn scheme(scheme: Scheme) -> Scheme {
        scheme.with_tenancy(BY)
    }

    /// What is left of a bucket at that time.
    fn level(&mut self, shard: usize, tenant: u8, now: Tick) -> &mut u128 {
        let Tenant { publications_per_s, publications_burst, .. } = self.tenants[usize::from(tenant)];
        let most = u128::from(publications_burst) * PARTS;
        let (level, then) = self.buckets.entry((shard, tenant)).or_insert((most, now));
        let passed_us = u128::from(now.as_micros() - then.as_micros());
        *level = (*level + passed_us * u128::from(publications_per_s)).min(most);
        *then = now;
        level
    }
}

impl World {
    /// Whether a seed's world has tenants.
    pub(super) fn has_tenants(seed: u64) -> bool {
        matches!(seed % 11, 8 | 9) && !Self::has_lists(seed)
    }

    pub(super) fn operate_tenants(&mut self) -> Result<(), String> {
        if self.rng.random_bool(0.5) { self.change_limits() } else { self.change_a_tenant() }
    }

    /// Whose the next session is.
    pub(super) fn any_tenant(&mut self) -> TenantId {
        if self.tenants.is_some() { TenantId(self.rng.random_range(0..3)) } else { TenantId::DEFAULT }
    }

    /// What opening a session of a tenant's must be refused for, if anything.
    pub(super) fn session_is_refused(&self, shard: usize, tenant: TenantId) -> Option<(Bound, u64)> {
        let open = |of: Option<TenantId>| {
            let there = self.sessions.values().filter(|it| it.shard == shard && of.is_none_or(|of| it.tenant == of));
            let parked = self.parked_on(shard).filter(|it| of.is_none_or(|of| it.session.tenant == of));
            (there.count() + parked.count()) as u64
        };
        let budget = self.tenants.as_ref().map_or(u32::MAX, |it| it.tenants[usize::from(tenant.0)].watchers);
        if open(Some(tenant)) >= u64::from(budget) {
            return Some((Bound::TenantWatchers, budget.into()));
        }
        let limit = u64::from(self.limits.watchers);
        (open(None) >= limit).then_some((Bound::Watchers, limit))
    }

    fn change_limits(&mut self) -> Result<(), String> {
        let Some(tenants) = &self.tenants else { return Ok(()) };
        let made = tenants.made_with;
        let rng = &mut self.rng;
        let mut part = |most: u32| if rng.random_bool(0.5) { Limits::UNBOUNDED } else { rng.random_range(1..most) };
        let (groups_per_watcher, subscriptions_per_watcher) = (part(5), part(60));
        let category_subscriptions_per_topic = part(60);
        let limits = Limits {
            groups_per_watcher,
            subscriptions_per_watcher,
            category_subscriptions_per_topic,
            watchers: rng.random_range(5..=made.watchers),
            groups: rng.random_range(5..=made.groups),
            subscriptions: rng.random_range(16..=made.subscriptions),
            subscriptions_per_group: rng.random_range(4..=200),
            topics: rng.random_range(4..=made.topics),
            credits: rng.random_range(1..=8),
            short_walk_entries: rng.random_range(2..=8),
            notes_per_ready: rng.random_range(1..=8),
            ..made
        };
        self.faults.limits_changed += 1;
        self.limits = limits;
        let mut shards = self.shards.iter_mut();
        shards.try_for_each(|shard| shard.set_limits(limits)).map_err(|why| format!("C8: {limits:?}: {why}"))
    }

    fn change_a_tenant(&mut self) -> Result<(), String> {
        let Some(tenants) = &mut self.tenants else { return Ok(()) };
        let id = self.rng.random_range(0..3u8);
        let rng = &mut self.rng;
        let mut some = |most: u32| if rng.random_bool(0.4) { Tenant::UNBOUNDED } else { rng.random_range(1..most) };
        let (publications_per_s, burst, watchers, subscriptions) = (some(20_000), some(20), some(12), some(150));
        let weight = rng.random_range(1..=10);
        let tenant = Tenant { weight, publications_per_s, publications_burst: burst, watchers, subscriptions };
        for (index, shard) in self.shards.iter_mut().enumerate() {
            // What was missing is missing still, up to the whole of the new burst.
            let level = *tenants.level(index, id, shard.now());
            let missing = u128::from(tenants.tenants[usize::from(id)].publications_burst) * PARTS - level;
            let most = u128::from(burst) * PARTS;
            tenants.buckets.insert((index, id), (most - missing.min(most), shard.now()));
            shard.set_tenant(TenantId(id), tenant).map_err(|why| format!("C8: {tenant:?}: {why}"))?;
        }
        tenants.tenants[usize::from(id)] = tenant;
        Ok(())
    }

    /// A request to publish has a ticket, or there was no credit for it, or it is over a budget that says when it is not.
    pub(super) fn asked_to_publish(
        &mut self,
        shard: usize,
        presentity: PresentityId,
        asked: Result<Ticket, Error>,
    ) -> Result<(), String> {
        let Some(tenants) = &mut self.tenants else { return self.asked(shard, presentity, asked) };
        let id = BY.tenant_of(presentity);
        let per_s = tenants.tenants[usize::from(id.0)].publications_per_s;
        if per_s == Tenant::UNBOUNDED {
            return self.asked(shard, presentity, asked);
        }
        let level = tenants.level(shard, id.0, self.shards[shard].now());
        match asked {
            Ok(_) if *level >= PARTS => *level -= PARTS,
            Ok(_) => return Err(format!("C8: {id:?} published over its budget of {per_s} a second")),
            Err(Error::OverBudget { tenant, limit, retry_after_us, .. }) => {
                let wait_us = PARTS.saturating_sub(*level).div_ceil(per_s.into());
                self.faults.over_budget += 1;
                let fits = tenant == id && limit == u64::from(per_s) && u128::from(retry_after_us) == wait_us;
                let home = self.home_of(presentity);
                self.note_asking(shard, home, id.0);
                return if fits && wait_us != 0 {
                    Ok(())
                } else {
                    Err(format!("C8: after {wait_us} us, not {asked:?}"))
                };
            }
            Err(_) => {}
        }
        self.asked(shard, presentity, asked)
    }

    /// A tenant asked something over a link.
    fn note_asking(&mut self, shard: usize, home: usize, tenant: u8) {
        let now = self.shards[shard].now();
        if let Some(tenants) = &mut self.tenants {
            tenants.asked.insert((shard, home, tenant), now);
        }
    }

    /// Whether a request finds its tenant's share of the credits used up: others ask, too, and it has at least as many out
    /// as its weight is of theirs.
    pub(super) fn share_is_used_up(&mut self, shard: usize, presentity: PresentityId) -> bool {
        let (home, now, id) = (self.home_of(presentity), self.shards[shard].now(), BY.tenant_of(presentity));
        self.note_asking(shard, home, id.0);
        let Some(tenants) = &self.tenants else { return false };
        let out = |tenant: u8| self.network.out_of(shard, home, |ticket| ticket.get() as u8 == tenant);
        let asks = |tenant: &u8| {
            let asked = tenants.asked.get(&(shard, home, *tenant));
            out(*tenant) != 0 || asked.is_some_and(|asked| now < asked.after_micros(ASKS_US))
        };
        let weight = |tenant: u8| u64::from(tenants.tenants[usize::from(tenant)].weight);
        let all: u64 = (0..3).filter(asks).map(weight).sum();
        let share = (u64::from(self.limits.credits) * weight(id.0) / all).max(1);
        out(id.0) as u64 >= share
    }

    /// After something was let in: whether it is within what its watcher and its tenant may have.
    pub(super) fn check_let_in(&self, group: u64, fresh: usize) -> Result<(), String> {
        let Some(tenants) = &self.tenants else { return Ok(()) };
        let watcher = self.groups[&group].watcher;
        let Some(session) = self.sessions.get(&watcher) else { return Err("a group without a watcher".into()) };
        let of_watcher = self.groups.values().filter(|it| it.watcher == watcher);
        let held: usize = of_watcher.clone().map(|it| it.watched.len()).sum();
        let is_tenants = |it: &&super::truth::WatchGroup| {
            let owner = &self.sessions[&it.watcher];
            owner.shard == session.shard && owner.tenant == session.tenant
        };
        let of_tenant: usize = self.groups.values().filter(is_tenants).map(|it| it.watched.len()).sum();
        let budget = tenants.tenants[usize::from(session.tenant.0)].subscriptions;
        let Limits { subscriptions_per_watcher, groups_per_watcher, .. } = self.limits;
        if fresh == 0 {
            let groups = of_watcher.count();
            let is_new = self.groups[&group].watched.is_empty();
            return match groups > groups_per_watcher as usize && is_new && self.next_key == group + 1 {
                true => Err(format!("C8: {groups} groups where {groups_per_watcher} may be")),
                false => Ok(()),
            };
        }
        if held > subscriptions_per_watcher as usize || of_tenant > budget as usize {
            return Err(format!("C8: a watcher has {held} subscriptions, and its tenant {of_tenant} of {budget}"));
        }
        Ok(())
    }
}
