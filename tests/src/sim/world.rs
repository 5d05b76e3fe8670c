//! One seed's life: shards, clocks, the links between them, and the hand that chooses what happens next.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use fanfare_core::{
    Counters, Decision, EndpointId, EntityTag, Heap, Limits, Outcome, PresentityId, Scheme, Shard, ShardConfig, Tick,
    Ticket, View,
};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::OPERATIONS;
use super::faults::Faults;
use super::followers::Followers;
use super::lists::Lists;
use super::network::Network;
use super::policies::Policies;
use super::polls::{FETCH_PRESENTITIES_MAX, PolledBy};
use super::presence::{Due, Kind, Presences};
use super::sessions::Parked;
use super::tenants::Tenants;
use super::truth::{Expected, Session, Truth, WatchGroup, number_of, serial_of};
use super::wishes::{KnownStates, Prefix};

/// A seed that showed something that must not be.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The operation that it showed at.
    pub operation: usize,
    /// What.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} failed at operation {}: {}", self.seed, self.operation, self.what)
    }
}

/// What a request must be answered with.
#[derive(Debug)]
pub(super) enum Awaited {
    Unserved,
    Publication(Expected),
    State(View, Vec<(usize, u64)>),
    Endpoint(PresentityId, EndpointId, Due),
    /// The number of the policy among its presentity's.
    Policy(PresentityId, usize),
    Decision(View),
    Poll(PolledBy),
}

pub(super) struct World {
    pub(super) rng: Xoshiro256PlusPlus,
    pub(super) shards: Vec<Shard<Heap>>,
    pub(super) network: Network,
    /// Steps that each shard is still away.
    pub(super) stalled: Vec<u32>,
    pub(super) now: u64,
    pub(super) truth: Truth,
    pub(super) sessions: BTreeMap<u64, Session>,
    pub(super) groups: BTreeMap<u64, WatchGroup>,
    pub(super) next_key: u64,
    /// By asking shard and ticket.
    pub(super) awaited: BTreeMap<(usize, Ticket), Awaited>,
    /// Requests without an outcome, by asking shard and home.
    pub(super) outstanding: BTreeMap<(usize, usize), u32>,
    pub(super) presentities: u64,
    pub(super) views: u16,
    pub(super) categories: u8,
    pub(super) limits: Limits,
    pub(super) faults: Faults,
    pub(super) forgotten: BTreeSet<u64>,
    /// What endpoints publish, in a world where states have a meaning.
    pub(super) presences: Option<Presences>,
    pub(super) policies: Policies,
    /// The newest entity-tag that a publisher was given, by presentity and endpoint.
    pub(super) tags: BTreeMap<(u64, u64), EntityTag>,
    /// What the model knows of tenants, in a world that has some.
    pub(super) tenants: Option<Tenants>,
    /// Whether watchers say how they want to be told.
    pub(super) has_manners: bool,
    /// Whether they have lists, and what is on those, by shard.
    pub(super) has_lists: bool,
    pub(super) lists: Vec<Lists>,
    /// Whether groups wish to be told of changes otherwise than of each and in full, and which states were told.
    pub(super) has_wishes: bool,
    pub(super) known_states: KnownStates,
    /// Whether connections are lost and come back.
    pub(super) has_sessions: bool,
    /// Those that are lost.
    pub(super) parked: Vec<Parked>,
    /// Whether owners follow who watches them,
    pub(super) has_followers: bool,
    /// and what those believe.
    pub(super) followers: Followers,
    pub(super) polls: bool,
    /// Grows with everything told: two runs of a seed must agree in it.
    pub(super) trace: u64,
}

/// Lives one seed's life and returns the faults it met and a hash of all that was told.
///
/// # Errors
/// The first thing that must not be.
pub fn run(seed: u64) -> Result<(Faults, u64), Failure> {
    let mut world = World::new(seed);
    for operation in 0..OPERATIONS {
        let verified = world.operate().and_then(|()| if operation % 64 == 0 { world.verify() } else { Ok(()) });
        verified.map_err(|what| Failure { seed, operation, what })?;
    }
    let rested = world.rest().and_then(|()| world.end());
    rested.map_err(|what| Failure { seed, operation: OPERATIONS, what })?;
    world.count_faults();
    Ok((world.faults, world.trace))
}

/// The longest least gap between changes that are fanned out, in microseconds.
pub(super) const FAN_OUT_GAP_US_MAX: u64 = 1_000;

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let count = rng.random_range(2..=4usize);
        let mut limits = Limits {
            watchers: 40,
            groups: 60,
            subscriptions: rng.random_range(40..=2_000u32),
            subscriptions_per_group: rng.random_range(16..=200),
            topics: rng.random_range(8..=60),
            link_slots: rng.random_range(1..=6),
            credits: rng.random_range(1..=6),
            expiries_per_step: rng.random_range(1..=4),
            short_walk_entries: rng.random_range(2..=8),
            notes_per_ready: rng.random_range(1..=8),
            endpoints_per_presentity: 3,
            lifetime_us_min: 50,
            policy_apply_us: rng.random_range(100..3_000u64),
            ..Limits::default()
        };
        if Self::has_polls(seed) {
            limits.fetch_presentities_max = FETCH_PRESENTITIES_MAX;
        }
        let has_manners = Self::has_manners(seed);
        if has_manners {
            limits.paces = rng.random_range(2..=30);
            (limits.gap_us_max, limits.group_lifetime_us_min, limits.group_lifetime_us_max) = (5_000, 100, 2_000_000);
        }
        if seed % 7 == 5 {
            limits.fan_out_gap_us = rng.random_range(1..=FAN_OUT_GAP_US_MAX);
        }
        if Self::has_lists(seed) {
            (limits.list_members, limits.list_depth) = (rng.random_range(2..=20), 3);
        }
        let has_sessions = Self::has_sessions(seed);
        if has_sessions {
            (limits.park_us_max, limits.unacknowledged_per_watcher) = (3_000, rng.random_range(1..=24));
        }
        let has_followers = Self::has_followers(seed);
        if has_followers {
            limits.watchers_listed =
                if rng.random_bool(0.5) { rng.random_range(1..=3) } else { rng.random_range(1..=30) };
            (limits.followers_per_presentity, limits.followed_presentities) = (3, rng.random_range(1..=8));
        }
        let seen_bits = if rng.random_bool(0.7) { 6 } else { 16 };
        let seeds: Vec<u64> = (0..count).map(|_| rng.random()).collect();
        let presentities = rng.random_range(2..=24);
        let views = rng.random_range(1..=3);
        let categories = if rng.random_bool(0.5) { 1 } else { rng.random_range(2..=8) };
        let kind = match seed % 5 {
            0 => Some(Kind::LastWrite),
            1 => Some(Kind::HighestPriority),
            2 => Some(Kind::Union),
            3 => Some(Kind::SetDirectly),
            _ => None,
        };
        let presences = kind.map(|kind| Presences::new(kind, categories));
        let otherwise = if seed.is_multiple_of(2) { Decision::Show(View(0)) } else { Decision::Confirm };
        let scheme = presences.as_ref().map_or_else(Scheme::plain, |it| it.scheme(views, otherwise));
        let tenants = Self::has_tenants(seed).then(|| Tenants::new(limits));
        let scheme = if tenants.is_some() { Tenants::scheme(scheme) } else { scheme };
        let scheme = Arc::new(scheme.with_differ(Prefix));
        let shards = seeds.into_iter().enumerate().map(|(index, seed)| {
            let scheme = scheme.clone();
            let config = ShardConfig { epoch: 3, seed, limits, seen_bits, scheme, ..ShardConfig::new(index, count) };
            Shard::new(config, Heap).expect("a config in range")
        });
        let shards = shards.collect();
        Self {
            network: Network::new(count, limits.link_slots as usize),
            shards,
            stalled: vec![0; count],
            now: 1_000,
            truth: Truth::default(),
            sessions: BTreeMap::new(),
            groups: BTreeMap::new(),
            next_key: 1,
            awaited: BTreeMap::new(),
            outstanding: BTreeMap::new(),
            presentities,
            views,
            categories,
            presences,
            policies: Policies::new(otherwise),
            tags: BTreeMap::new(),
            limits,
            faults: Faults::default(),
            forgotten: BTreeSet::new(),
            tenants,
            has_manners,
            has_lists: Self::has_lists(seed),
            lists: vec![Lists::new(); count],
            has_wishes: Self::has_wishes(seed),
            known_states: KnownStates::new(),
            has_sessions,
            parked: Vec::new(),
            has_followers,
            followers: Followers::default(),
            polls: Self::has_polls(seed),
            trace: 0,
            rng,
        }
    }

    fn operate(&mut self) -> Result<(), String> {
        if self.presences.is_some() && self.rng.random_bool(0.3) {
            return self.operate_with_meaning();
        }
        if self.has_manners && self.rng.random_bool(0.15) {
            return self.operate_manners();
        }
        if self.has_lists && self.rng.random_bool(0.15) {
            return self.operate_lists();
        }
        if self.has_wishes && self.rng.random_bool(0.15) {
            return self.operate_wishes();
        }
        if self.tenants.is_some() && self.rng.random_bool(0.02) {
            return self.operate_tenants();
        }
        if self.has_sessions && self.rng.random_bool(0.15) {
            return self.operate_sessions();
        }
        if self.has_followers && self.rng.random_bool(0.25) {
            return self.operate_followers();
        }
        match self.rng.random_range(0..100u32) {
            0..=4 => self.open_session(),
            5..=6 => self.close_session(),
            7..=9 => self.open_group(),
            10..=11 => self.close_group(),
            12..=21 => self.subscribe(),
            22..=27 => self.unsubscribe(),
            28..=30 => self.move_subscription(),
            31..=45 => self.publish(),
            46 => self.storm(),
            47..=49 => self.fetch(),
            50..=52 => self.pass_time(),
            53 => self.stall(),
            54..=69 => self.step_one(),
            70..=84 => self.carry_some(),
            85..=96 => self.drain_one(),
            97..=98 => self.use_stale_id(),
            _ => self.open_writable(),
        }
    }

    pub(super) fn any_shard(&mut self) -> usize {
        self.rng.random_range(0..self.shards.len())
    }

    pub(super) fn any_presentity(&mut self) -> PresentityId {
        PresentityId::new(self.rng.random_range(1..=self.presentities))
    }

    pub(super) fn home_of(&self, presentity: PresentityId) -> usize {
        presentity.partition().home(self.shards.len()).index()
    }

    pub(super) fn stir(&mut self, value: u64) {
        self.trace = (self.trace ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    fn pass_time(&mut self) -> Result<(), String> {
        if self.rng.random_bool(0.1) {
            self.faults.clock_jump += 1;
            self.now += self.rng.random_range(1_000..100_000u64);
        } else {
            self.now += self.rng.random_range(1..200u64);
        }
        Ok(())
    }

    fn stall(&mut self) -> Result<(), String> {
        let shard = self.any_shard();
        self.faults.stall += 1;
        self.stalled[shard] = self.rng.random_range(5..60);
        Ok(())
    }

    pub(super) fn step_one(&mut self) -> Result<(), String> {
        let shard = self.any_shard();
        if self.stalled[shard] > 0 {
            self.stalled[shard] -= 1;
            return Ok(());
        }
        let budget = match self.rng.random_range(0..4u32) {
            0 => {
                self.faults.budget_one += 1;
                1
            }
            1 => self.rng.random_range(2..12),
            _ => self.rng.random_range(12..200),
        };
        let mut now = self.now;
        if self.rng.random_bool(0.05) {
            self.faults.clock_back += 1;
            now = now.saturating_sub(self.rng.random_range(1..500));
        }
        self.step(shard, now, budget)
    }

    /// One turn of a shard: its own messages first, through the same eyes as those of others.
    pub(super) fn step(&mut self, shard: usize, now: u64, budget: usize) -> Result<(), String> {
        self.carry_own(shard)?;
        self.shards[shard].step(Tick::from_micros(now), budget);
        self.take_ended(shard)?;
        if self.has_lists {
            self.take_followers(shard)?;
            self.take_gathered(shard)?;
        }
        self.take_ended_sessions(shard)?;
        self.take_outcomes(shard)
    }

    pub(super) fn take_outcomes(&mut self, shard: usize) -> Result<(), String> {
        while let Some((ticket, outcome)) = self.shards[shard].next_outcome() {
            let awaited = self.awaited.remove(&(shard, ticket)).ok_or("an outcome without a request")?;
            let fits = self.fits(&awaited, &outcome);
            if !fits {
                return Err(format!("{ticket:?} was answered with {outcome:?} where {awaited:?} was due"));
            }
            if let Awaited::Poll(poll) = &awaited {
                self.end_poll(shard, poll)?;
                continue;
            }
            let home = self.network.home_of_ticket.remove(&(shard, ticket)).ok_or("a ticket of no home")?;
            *self.outstanding.get_mut(&(shard, home)).ok_or("an outcome that nobody awaits")? -= 1;
        }
        Ok(())
    }

    /// Whether an answer is the one that the model has for the request; learns what only the engine can say.
    fn fits(&mut self, awaited: &Awaited, outcome: &Outcome) -> bool {
        match (awaited, outcome) {
            (Awaited::Publication(Expected::Refused), Outcome::Refused(_)) => true,
            (Awaited::Publication(Expected::Published { absorbed }), Outcome::Published(published)) => {
                *absorbed == published.absorbed
            }
            (Awaited::State(view, state), Outcome::Fetched(fetched)) => {
                let is_composed = self.is_composed();
                let told = fetched.parts.iter().map(|(category, bytes)| {
                    let number = if is_composed { Some(number_of(bytes)) } else { serial_of(bytes) };
                    Some((category.index(), number?))
                });
                fetched.view == *view && told.collect::<Option<Vec<_>>>().as_ref() == Some(state)
            }
            (Awaited::Endpoint(_, _, Due::Refused), Outcome::Refused(_)) => {
                self.faults.endpoint_refused += 1;
                true
            }
            (Awaited::Endpoint(presentity, endpoint, Due::Accepted(order)), Outcome::Accepted(accepted)) => {
                self.faults.endpoint_accepted += 1;
                self.tags.insert((presentity.get(), endpoint.0), accepted.tag);
                let Some(presences) = &mut self.presences else { return false };
                presences.orders.insert((presentity.get(), accepted.tag), *order).is_none()
            }
            (Awaited::Poll(poll), Outcome::FetchedMany(states)) => self.fits_poll(poll, states),
            (Awaited::Policy(presentity, number), Outcome::PolicyApplied { .. }) => {
                self.policies.completed(*presentity, *number);
                true
            }
            (Awaited::Decision(view), Outcome::Decided(verdict)) => *view == verdict.view,
            (Awaited::Policy(..), Outcome::Incomplete { shards, .. }) => {
                self.faults.policy_incomplete += 1;
                !shards.is_empty()
            }
            _ => false,
        }
    }

    pub(super) fn verify(&self) -> Result<(), String> {
        for (index, shard) in self.shards.iter().enumerate() {
            shard.verify().map_err(|corrupt| format!("shard {index}: {corrupt}"))?;
        }
        Ok(())
    }

    fn count_faults(&mut self) {
        let mut all = Counters::default();
        for shard in &self.shards {
            all.add(shard.counters());
        }
        self.faults.removal_in_walk += all.carried;
        self.faults.change_in_walk += all.walks_extended;
        self.faults.wrap_of_seen += all.settled;
        self.faults.eviction += all.evicted;
        self.faults.expiry += all.expired;
        self.faults.stale_update += all.updates_stale;
        self.faults.policy_taken += all.policies_taken;
        self.faults.reevaluated += all.reevaluated;
        self.faults.repeated += all.repeated;
    }
}
