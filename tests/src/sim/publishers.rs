//! Those who publish through endpoints, set policies, and watch as somebody.

use std::sync::Arc;

use fanfare_core::status::{Activities, Activity, Availability};
use fanfare_core::{
    Categories, Category, Decision, EndpointId, EndpointPublication, Guard, Identity, PartEdit, Policy, PolicyEdit,
    PresentityId, Status, Tick, View, Who,
};
use rand::RngExt;

use super::presence::Kind;
use super::truth::{WatchGroup, Watched};
use super::world::World;

/// People who watch: few, so that policies hit them.
const USERS: u64 = 5;

impl World {
    /// One operation that only a world with meaning has.
    pub(super) fn operate_with_meaning(&mut self) -> Result<(), String> {
        match self.rng.random_range(0..100u32) {
            0..=39 => self.publish_endpoint(),
            40..=54 => self.open_group_for(),
            55..=79 => self.watch(),
            80..=93 => self.set_policy(),
            94 => self.policy_storm(),
            _ if self.polls => self.poll(),
            _ => self.fetch_for(),
        }
    }

    /// Whether states are composed in this world, and not set one by one.
    pub(super) fn is_composed(&self) -> bool {
        self.presences.as_ref().is_some_and(|presences| presences.kind != Kind::SetDirectly)
    }

    pub(super) fn any_identity(&mut self) -> Identity {
        let user = PresentityId::new(self.rng.random_range(1..=USERS));
        Identity { user, groups: [self.rng.random_range(0..2u64)].into(), ..Identity::default() }
    }

    fn any_decision(&mut self) -> Decision {
        match self.rng.random_range(0..6u32) {
            0 => Decision::Block,
            1 => Decision::Confirm,
            _ => Decision::Show(View(self.rng.random_range(0..self.views))),
        }
    }

    fn publish_endpoint(&mut self) -> Result<(), String> {
        let (shard, presentity) = (self.any_shard(), self.any_presentity());
        if !self.is_composed() {
            return Ok(());
        }
        let endpoint = match self.rng.random_range(0..6u64) {
            0 => EndpointId::HARD,
            nth => EndpointId(nth),
        };
        let known = self.tags.get(&(presentity.get(), endpoint.0)).copied();
        let availability = [Availability::AVAILABLE, Availability::BUSY, Availability::AWAY, Availability::OFFLINE];
        let status = Status::new(availability[self.rng.random_range(0..4usize)]);
        let status = status.with_activities(match self.rng.random_bool(0.5) {
            true => Activities::only(Activity::Meeting),
            false => Activities::NONE,
        });
        let lifetime_us = match self.rng.random_range(0..10u32) {
            0 => 0,
            1 => self.rng.random_range(1..self.limits.lifetime_us_min + 1),
            2..=5 => self.rng.random_range(self.limits.lifetime_us_min..3_000),
            _ => 1 << 40,
        };
        let mut publication = EndpointPublication {
            priority: self.rng.random_range(-2..3i8),
            active_at: Tick::from_micros(self.rng.random_range(0..4u64)),
            condition: known.filter(|_| self.rng.random_bool(0.4)),
            ..EndpointPublication::create(presentity, endpoint, status, lifetime_us)
        };
        if self.rng.random_bool(0.3) {
            publication.status = None;
        }
        if self.rng.random_bool(0.8) {
            for _ in 0..self.rng.random_range(1..=2) {
                let number = self.rng.random_range(0..self.categories);
                if publication.parts.iter().any(|part| part.category.index() == usize::from(number)) {
                    continue;
                }
                let document = match self.rng.random_range(0..6u32) {
                    0 => None,
                    _ => Some(self.truth.make_for_endpoint(presentity.get(), number, self.truth.next_length())),
                };
                let version = self.rng.random_bool(0.1).then(|| self.rng.random_range(0..3));
                let category = Category::new(number).ok_or("a category")?;
                publication.parts.push(PartEdit { category, document, version });
            }
        }
        let asked = self.shards[shard].publish_endpoint(publication);
        self.asked_to_publish(shard, presentity, asked)
    }

    fn open_group_for(&mut self) -> Result<(), String> {
        let Some(watcher) = self.any_session() else { return Ok(()) };
        let who = Arc::new(self.any_identity());
        let session = &self.sessions[&watcher];
        let key = self.next_key;
        let opened = self.shards[session.shard].open_group_for(session.id, key, Categories::ALL, who.clone());
        if let Ok(id) = opened {
            self.next_key += 1;
            let group = WatchGroup::new(id, watcher, Categories::ALL, Some(who));
            self.groups.insert(key, group);
            self.check_let_in(key, 0)?;
        }
        Ok(())
    }

    fn watch(&mut self) -> Result<(), String> {
        let Some(key) = self.any_group_where(|group| group.who.is_some()) else { return Ok(()) };
        let count = self.rng.random_range(1..=12);
        let list: Vec<PresentityId> = (0..count).map(|_| self.any_presentity()).collect();
        let group = self.groups.get_mut(&key).ok_or("a group")?;
        let shard = self.sessions[&group.watcher].shard;
        match self.shards[shard].watch(group.id, &list) {
            Ok(count) => {
                let before = group.watched.len();
                group.is_edited = true;
                for presentity in list {
                    // Which view it is shown there is what the policy says, whenever it is shown.
                    group.watched.entry(presentity.get()).or_insert_with(|| Watched::new(View::PENDING));
                }
                let fresh = group.watched.len() - before;
                if fresh == count {
                    self.check_let_in(key, count)
                } else {
                    Err(format!("{count} new subscriptions where {fresh} were"))
                }
            }
            Err(fanfare_core::Error::Limit { .. } | fanfare_core::Error::Crowded { .. }) => {
                self.faults.limit += 1;
                let held = self.shards[shard].subscriptions(group.id).count();
                if held == group.watched.len() { Ok(()) } else { Err("C8: a refused call left subscriptions".into()) }
            }
            Err(why) => Err(format!("a subscription was refused: {why}")),
        }
    }

    fn set_policy(&mut self) -> Result<(), String> {
        let (shard, presentity) = (self.any_shard(), self.any_presentity());
        self.set_policy_from(shard, presentity)
    }

    /// Many policies of one presentity, from everywhere, while what they deny goes on changing.
    fn policy_storm(&mut self) -> Result<(), String> {
        self.faults.policy_storm += 1;
        let presentity = self.any_presentity();
        for _ in 0..self.rng.random_range(5..40) {
            let shard = self.any_shard();
            self.set_policy_from(shard, presentity)?;
            if self.rng.random_bool(0.5) {
                self.step_one()?;
                self.drain_one()?;
            }
            if self.rng.random_bool(0.5) {
                self.carry_some()?;
            }
        }
        Ok(())
    }

    fn set_policy_from(&mut self, shard: usize, presentity: PresentityId) -> Result<(), String> {
        let author = presentity;
        let edit = if self.rng.random_bool(0.1) {
            PolicyEdit::remove(presentity, author)
        } else {
            let mut rules = Vec::new();
            for user in 1..=USERS {
                if self.rng.random_bool(0.4) {
                    rules.push((
                        Who::User(PresentityId::new(user)),
                        self.rng.random_range(0..3u16),
                        self.any_decision(),
                    ));
                }
            }
            rules.push((Who::Group(1), 1, self.any_decision()));
            PolicyEdit::new(presentity, author, Policy::ranked(rules, self.any_decision()))
        };
        let asked = self.shards[shard].set_policy(edit);
        self.asked(shard, presentity, asked)
    }

    fn fetch_for(&mut self) -> Result<(), String> {
        let (shard, presentity) = (self.any_shard(), self.any_presentity());
        let who = Arc::new(self.any_identity());
        let asked = self.shards[shard].fetch_for(presentity, who);
        self.asked(shard, presentity, asked)
    }

    /// The guard of an edit, as the model keeps it.
    pub(super) fn guard_of(edit: &PolicyEdit) -> Option<Arc<dyn Guard>> {
        edit.guard.clone()
    }
}
