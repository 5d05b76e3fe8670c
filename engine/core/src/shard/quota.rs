//! Bounds on parts of a shard: what one watcher may have, how many may look at one topic; and limits changed while it runs.
//!
//! Nothing here is counted ahead. What a watcher has is counted when it asks for more, over its groups, and what a topic
//! has it knows; where a bound is not below what the shard was made for, neither is looked at.

use super::group::PACES_MAX;
use super::slot::LANES;
use super::{FanOut, ShardMemory};
use crate::error::{Bound, Error, LimitsError};
use crate::id::{PresentityId, View};
use crate::limits::Limits;
use crate::store::NONE;

/// How much more a group may hold, and which bound says so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) left: usize,
    pub(crate) bound: Bound,
    pub(crate) limit: u32,
}

impl Room {
    /// What a bound leaves, of which so much is used. Nothing, if it was lowered below that.
    pub(crate) fn under(bound: Bound, limit: u32, used: u32) -> Self {
        Self { left: limit.saturating_sub(used) as usize, bound, limit }
    }

    /// The narrower of two.
    pub(crate) fn or_less(self, other: Self) -> Self {
        if other.left < self.left { other } else { self }
    }

    pub(crate) fn refusal(self) -> Error {
        Error::Limit { bound: self.bound, limit: self.limit.into() }
    }
}

impl<B: ShardMemory> FanOut<B> {
    /// How many more presentities a group may watch, as far as it and its watcher are concerned.
    pub(crate) fn room_in(&self, group: u32) -> Room {
        let Limits { subscriptions_per_group, subscriptions_per_watcher, .. } = self.limits;
        let record = &self.outboxes.groups[group];
        let mut room = Room::under(Bound::SubscriptionsPerGroup, subscriptions_per_group, record.len);
        if let Some(of_tenant) = self.room_of_tenant(group) {
            room = room.or_less(of_tenant);
        }
        if subscriptions_per_watcher >= self.made_with.subscriptions {
            return room;
        }
        let held = self.groups_of(record.watcher).map(|group| self.outboxes.groups[group].len).sum();
        room.or_less(Room::under(Bound::SubscriptionsPerWatcher, subscriptions_per_watcher, held))
    }

    /// Whether a watcher may open another group.
    pub(crate) fn check_groups(&self, watcher: u32) -> Result<(), Error> {
        let limit = self.limits.groups_per_watcher;
        if limit < self.made_with.groups && self.groups_of(watcher).take(limit as usize).count() == limit as usize {
            return Err(Error::Limit { bound: Bound::GroupsPerWatcher, limit: limit.into() });
        }
        Ok(())
    }

    fn groups_of(&self, watcher: u32) -> impl Iterator<Item = u32> + '_ {
        let mut group = self.outboxes.watchers[watcher].groups.head;
        core::iter::from_fn(move || {
            let this = (group != NONE).then_some(group)?;
            group = self.outboxes.groups[this].links.next;
            Some(this)
        })
    }

    /// Whether a presentity may be looked at by one more, who wants as many categories as this group: not if so many with so
    /// many each were more than a topic may have. Who is held already is not one more.
    pub(crate) fn check_crowd(&self, group: u32, presentity: PresentityId, view: View) -> Result<(), Error> {
        let limit = self.limits.category_subscriptions_per_topic;
        if limit == Limits::UNBOUNDED {
            return Ok(());
        }
        let wants = self.outboxes.groups[group].wants().bits() & self.categories.bits();
        let there = self.topics.find(presentity, view).map_or(0, |topic| self.topics.topics[topic].len);
        let would_be = (u64::from(there) + 1) * u64::from(wants.count_ones());
        if would_be > u64::from(limit) && self.subscription_of(group, presentity).is_none() {
            return Err(Error::Crowded { presentity, limit: limit.into() });
        }
        Ok(())
    }

    /// Changes the bounds: see [`crate::Shard::set_limits`].
    pub(crate) fn set_limits(&mut self, limits: Limits, views: u16) -> Result<(), LimitsError> {
        limits.validate()?;
        let Self { made_with, outboxes, .. } = self;
        let slots = u64::from(made_with.link_slots);
        let fields = [
            // The arrays have addresses for so many.
            ("watchers", u64::from(limits.watchers), 1, u64::from(made_with.watchers)),
            ("groups", limits.groups.into(), 1, made_with.groups.into()),
            ("subscriptions", limits.subscriptions.into(), 1, made_with.subscriptions.into()),
            ("topics", limits.topics.into(), 1, made_with.topics.into()),
            // The rings are as long as they are.
            ("link_slots", limits.link_slots.into(), slots, slots),
            ("views_per_presentity", limits.views_per_presentity.into(), views.into(), u64::from(u16::MAX) - 1),
        ];
        if let Some((field, value, min, max)) =
            fields.into_iter().find(|(_, value, min, max)| value < min || value > max)
        {
            return Err(LimitsError { field, value, min, max });
        }
        outboxes.watchers.set_limit(limits.watchers);
        outboxes.groups.set_limit(limits.groups);
        outboxes.runs.set_limit(limits.subscriptions.div_ceil(LANES));
        outboxes.paces.set_limit(limits.paces.min(PACES_MAX));
        made_with.credits = made_with.credits.max(limits.credits);
        self.limits = limits;
        Ok(())
    }
}
