//! Subscriptions come, go and change their view.
//!
//! A group holds a presentity at most once, whatever the view: which view it gets is policy's to say. To be marked
//! dirty is all that a new subscription needs for its first state (C4), and to lose its slot is all that an ended one
//! needs to be silent (C5).

use super::gate::Gates;
use super::slot::{CHOOSY, KNOWN, LANES, PARTIAL, place};
use super::topic::{CLOSED, JOINED, LIVE, OWES_JOIN, OWES_LEAVE, WALKS};
use super::watcher_information::WatcherEvent;
use super::{FanOut, ShardMemory, full};
use crate::error::{Bound, Error};
use crate::id::{GroupId, PresentityId, View};
use crate::limits::Limits;
use crate::store::NONE;

/// Presentities looked up together: their cache misses overlap instead of queueing.
const BATCH: usize = 80;

impl<B: ShardMemory> FanOut<B> {
    /// Subscribes a group to presentities, thousands in one call, and tells how many it did not hold already.
    ///
    /// Each new subscription is told the current state first, or that there is none (C4). All or nothing: if there is
    /// not room for all, none is made. Costs about 0.2 us each in a large shard: four cache misses, overlapped.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`]; [`Error::HasIdentity`]; [`Error::Limit`] at `subscriptions`, `subscriptions_per_group`,
    /// `subscriptions_per_watcher`, [`crate::Tenant::subscriptions`], `topics` or `views_per_presentity`; [`Error::Crowded`]; [`Error::OutOfMemory`], after which some of the subscriptions may have been made.
    pub fn subscribe(&mut self, group: GroupId, view: View, presentities: &[PresentityId]) -> Result<usize, Error> {
        let index = self.group(group).ok_or(Error::NoSuchGroup(group))?;
        self.check_view(view)?;
        if self.gates.identity(index).is_some() {
            return Err(Error::HasIdentity(group));
        }
        self.subscribe_in(index, presentities, |_, _| view)
    }

    /// Lets a group that has an identity watch presentities, each in the view that policy grants, and tells how many it
    /// did not hold already.
    ///
    /// Whoever has to be asked first, or is refused, is told that: in [`View::PENDING`] or [`View::BLOCKED`], which show
    /// nothing. A later change of policy moves the subscription, and what it is told next is the first of its new view.
    /// Otherwise as [`Self::subscribe`].
    ///
    /// # Errors
    /// [`Error::NoIdentity`], and those of [`Self::subscribe`].
    pub fn watch(&mut self, group: GroupId, presentities: &[PresentityId]) -> Result<usize, Error> {
        let index = self.group(group).ok_or(Error::NoSuchGroup(group))?;
        let who = self.gates.identity(index).ok_or(Error::NoIdentity(group))?.clone();
        // Where the presentity turns out to have a policy of its own, that comes with the first update, and this is
        // looked at again before anything is shown.
        self.subscribe_in(index, presentities, |gates, presentity| gates.decide(presentity, &who).0.view)
    }

    fn subscribe_in(
        &mut self,
        index: u32,
        presentities: &[PresentityId],
        view_of: impl Fn(&Gates, PresentityId) -> View,
    ) -> Result<usize, Error> {
        let made = self.subscribe_each_in(index, presentities, view_of);
        if !self.reports.is_empty() {
            self.note_subscribed(index, presentities);
        }
        made
    }

    fn subscribe_each_in(
        &mut self,
        index: u32,
        presentities: &[PresentityId],
        view_of: impl Fn(&Gates, PresentityId) -> View,
    ) -> Result<usize, Error> {
        self.reserve_subscriptions(index, presentities, &view_of)?;
        // Whether the group holds a topic already is asked of the topic, whose line is at hand, once the group's own
        // topics were told of this call. With few to add to many it is cheaper to look for them in the group.
        let many = presentities.len() * 4 >= self.outboxes.groups[index].len as usize;
        let call = if many { self.begin_call(index) } else { 0 };
        let mut fresh = 0;
        for batch in presentities.chunks(BATCH) {
            let mut views = [View::PLAIN; BATCH];
            for (view, &presentity) in views.iter_mut().zip(batch) {
                *view = view_of(&self.gates, presentity);
            }
            let found = self.look_up(&views, batch);
            for ((&topic, &presentity), view) in found.iter().zip(batch).zip(views) {
                let is_held = match topic {
                    topic if topic != NONE && !self.topics.has_views => match call {
                        0 => self.slot_in(index, topic).is_some(),
                        call => self.topics.topics[topic].held_in_call == call,
                    },
                    // It may have been new to this very batch, or be held in another view.
                    _ if call == 0 => self.subscription_of(index, presentity).is_some(),
                    _ => self.is_held_in(call, presentity),
                };
                if is_held {
                    continue;
                }
                let topic = match topic {
                    NONE => self.topic_for(presentity, view)?,
                    topic => topic,
                };
                let slot = self.take_slot(index)?;
                self.count_subscriptions(index, 1, 0);
                self.attach(slot, topic)?;
                self.topics.topics[topic].held_in_call = call;
                fresh += 1;
            }
        }
        Ok(fresh)
    }

    /// Ends a group's subscriptions to these presentities and tells how many there were (C5).
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`].
    pub fn unsubscribe(&mut self, group: GroupId, presentities: &[PresentityId]) -> Result<usize, Error> {
        let index = self.group(group).ok_or(Error::NoSuchGroup(group))?;
        let mut ended = 0;
        for &presentity in presentities {
            if let Some(slot) = self.subscription_of(index, presentity) {
                self.end_subscription(slot, WatcherEvent::Timeout);
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// Moves a group's subscription to another view of the same presentity, and tells whether there was one to move.
    ///
    /// For embedders that decide by themselves who sees what. The subscription is *unseen* in its new view and is told
    /// that view's state as of a stamp no older than it was shown before (C1); it may be the same stamp.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`], [`Error::HasIdentity`], [`Error::Limit`] at `topics` or `views_per_presentity`,
    /// [`Error::OutOfMemory`].
    pub fn move_subscription(&mut self, group: GroupId, presentity: PresentityId, view: View) -> Result<bool, Error> {
        let index = self.group(group).ok_or(Error::NoSuchGroup(group))?;
        self.check_view(view)?;
        if self.gates.identity(index).is_some() {
            return Err(Error::HasIdentity(group));
        }
        let Some(slot) = self.subscription_of(index, presentity) else { return Ok(false) };
        if self.topics.find(presentity, view).is_none() {
            self.check_topics(1)?;
        }
        self.move_slot(slot, presentity, view)?;
        Ok(true)
    }

    /// Moves a subscription to another view, if it is not in it already.
    pub(crate) fn move_slot(&mut self, slot: u32, presentity: PresentityId, view: View) -> Result<(), Error> {
        let (run, lane) = place(slot);
        let from = self.outboxes.runs[run].topics[lane];
        if self.topics.topics[from].view == view {
            return Ok(());
        }
        let to = self.topic_for(presentity, view)?;
        let entries = &mut self.topics.entries;
        let room = entries.reserve(1).map_err(|why| full(why, Bound::Subscriptions, entries.limit(), "subscriptions"));
        if let Err(why) = room {
            self.drop_if_unwatched(to);
            return Err(why);
        }
        let left = self.topics.topics[from].view;
        let (shown, was_live) = (self.topics.topics[from].stamp, self.topics.topics[from].has(LIVE));
        self.detach(slot);
        self.attach(slot, to)?;
        let topic = &self.topics.topics[to];
        if topic.has(LIVE) && (!was_live || topic.stamp < shown) {
            // What is known here of the new view may be true as of an older stamp than the watcher was shown; if it
            // comes from a silent topic, nobody knows what it was shown before that. Ask the home again, and be
            // silent until it has answered.
            self.rejoin(to);
        }
        let topic = &mut self.topics.topics[to];
        topic.stamp = topic.stamp.max(shown);
        if !self.reports.is_empty() {
            self.note_moved(self.outboxes.runs[run].group, presentity, left, view);
        }
        Ok(())
    }

    /// Views are numbered below their limit, so that a presentity's views stay few whoever watches them.
    pub(crate) fn check_view(&self, view: View) -> Result<(), Error> {
        let limit = self.limits.views_per_presentity;
        if view.0 < limit { Ok(()) } else { Err(Error::Limit { bound: Bound::Views, limit: limit.into() }) }
    }

    /// Topics are bounded for those who ask for them. A change of policy may need more, and gets them: there are never
    /// more topics than subscriptions.
    pub(crate) fn check_topics(&self, more: usize) -> Result<(), Error> {
        let limit = self.limits.topics;
        if more != 0 && more as u64 + u64::from(self.topics.topics.live()) > u64::from(limit) {
            return Err(Error::Limit { bound: Bound::Topics, limit: limit.into() });
        }
        Ok(())
    }

    fn reserve_subscriptions(
        &mut self,
        group: u32,
        presentities: &[PresentityId],
        view_of: &impl Fn(&Gates, PresentityId) -> View,
    ) -> Result<(), Error> {
        let room = self.room_in(group);
        let (mut fresh, mut topics) = (presentities.len(), presentities.len());
        let runs_free = self.outboxes.runs.limit().saturating_sub(self.outboxes.runs.live()) as usize;
        let is_roomy = fresh <= room.left && self.check_topics(topics).is_ok() && fresh <= runs_free * LANES as usize;
        let mut lanes_free = 0;
        if !is_roomy {
            // The quick count takes every one for new; near a limit it pays to count again.
            let mut sorted = presentities.to_vec();
            sorted.sort_unstable();
            sorted.dedup();
            fresh = sorted.iter().filter(|&&id| self.subscription_of(group, id).is_none()).count();
            topics = sorted.iter().filter(|&&id| self.topics.find(id, view_of(&self.gates, id)).is_none()).count();
            lanes_free = self.lanes_free(group);
        }
        if fresh > room.left {
            return Err(room.refusal());
        }
        if fresh == 0 {
            return Ok(());
        }
        if self.limits.category_subscriptions_per_topic != Limits::UNBOUNDED {
            for &presentity in presentities {
                self.check_crowd(group, presentity, view_of(&self.gates, presentity))?;
            }
        }
        self.check_topics(topics)?;
        let (fresh, topics) = (fresh as u32, topics as u32);
        self.topics.reserve(topics).map_err(|why| full(why, Bound::Topics, self.limits.topics, "topics"))?;
        let limit = self.limits.subscriptions;
        let refuse = |why| full(why, Bound::Subscriptions, limit, "subscriptions");
        self.outboxes.runs.reserve(fresh.saturating_sub(lanes_free).div_ceil(LANES)).map_err(refuse)?;
        self.topics.entries.reserve(fresh).map_err(refuse)
    }

    /// Slots that a group's runs have free.
    fn lanes_free(&self, group: u32) -> u32 {
        let (mut run, mut free) = (self.outboxes.groups[group].runs.head, 0);
        while run != NONE {
            free += self.outboxes.runs[run].used.count_zeros();
            run = self.outboxes.runs[run].links.next;
        }
        free
    }

    /// Tells the topics that a group holds of a bulk call, and gives the call's number.
    fn begin_call(&mut self, group: u32) -> u32 {
        self.calls = self.calls.wrapping_add(1);
        if self.calls == 0 {
            // The numbers begin again: what topics remember of the last round would be taken for this one.
            for topic in 0..self.topics.topics.ever() {
                self.topics.topics[topic].held_in_call = 0;
            }
            self.calls = 1;
        }
        let mut run = self.outboxes.groups[group].runs.head;
        while run != NONE {
            let record = &self.outboxes.runs[run];
            for (_, &topic) in record.topics.iter().enumerate().filter(|(lane, _)| record.used >> lane & 1 != 0) {
                self.topics.topics[topic].held_in_call = self.calls;
            }
            run = record.links.next;
        }
        self.calls
    }

    /// Whether the group of a bulk call holds a presentity in any view.
    fn is_held_in(&self, call: u32, presentity: PresentityId) -> bool {
        let mut topics = self.topics.table.candidates(presentity).map(|topic| &self.topics.topics[topic]);
        topics.any(|topic| topic.presentity == presentity && topic.held_in_call == call)
    }

    /// Finds the topics of a batch, a step of the way for all of them at a time, so that the lines of each step come
    /// together: the table's, the topics', and those that the subscribers' numbers will be written to.
    fn look_up(&self, views: &[View; BATCH], batch: &[PresentityId]) -> [u32; BATCH] {
        let mut found = [NONE; BATCH];
        self.topics.table.approach::<B>(batch);
        for (found, &presentity) in found.iter_mut().zip(batch) {
            *found = self.topics.table.candidates(presentity).next().unwrap_or(NONE);
            self.topics.topics.approach(*found);
        }
        for ((found, &presentity), &view) in found.iter_mut().zip(batch).zip(views) {
            if *found != NONE {
                let topic = &self.topics.topics[*found];
                if topic.is(presentity, view) {
                    self.topics.entries.approach(topic.head);
                } else {
                    *found = self.topics.find(presentity, view).unwrap_or(NONE);
                }
            }
        }
        found
    }

    /// The slot of the group's subscription to this presentity, if it has one.
    pub(crate) fn subscription_of(&self, group: u32, presentity: PresentityId) -> Option<u32> {
        self.topics
            .table
            .candidates(presentity)
            .filter(|&topic| self.topics.topics[topic].presentity == presentity)
            .find_map(|topic| self.slot_in(group, topic))
    }

    /// Looks for the topic among the group's slots or for the group among the topic's subscribers, where fewer are.
    fn slot_in(&self, group: u32, topic: u32) -> Option<u32> {
        let record = &self.topics.topics[topic];
        // To look at a subscriber is a cache miss; the group's own runs are warm in a bulk call.
        if record.len.saturating_mul(8) < self.outboxes.groups[group].len.div_ceil(LANES) {
            return self.topics.subscribers(topic).find(|&slot| self.outboxes.runs[slot / LANES].group == group);
        }
        let mut run = self.outboxes.groups[group].runs.head;
        while run != NONE {
            let record = &self.outboxes.runs[run];
            // First whether any lane has it, which is four vector instructions; then which, and whether it is in use.
            if record.topics.iter().fold(false, |hit, &other| hit | (other == topic)) {
                let is_it = |lane: &u32| record.topics[*lane as usize] == topic && record.used & 1 << lane != 0;
                if let Some(lane) = (0..LANES).find(is_it) {
                    return Some(run * LANES + lane);
                }
            }
            run = record.links.next;
        }
        None
    }

    /// The topic for a view, made if there is none, and to be kept: a leave that it owed is called off.
    pub(crate) fn topic_for(&mut self, presentity: PresentityId, view: View) -> Result<u32, Error> {
        if let Some(topic) = self.topics.find(presentity, view) {
            return Ok(topic);
        }
        let limit = self.limits.topics;
        self.reserve_tenant_of_topic()?;
        let index = self.topics.create(presentity, view).map_err(|why| full(why, Bound::Topics, limit, "topics"))?;
        self.note_tenant_of_topic(index, presentity);
        self.owe_interest(index, OWES_JOIN);
        Ok(index)
    }

    /// Binds a slot to a topic; it is owed the topic's state from now on.
    pub(crate) fn attach(&mut self, slot: u32, topic: u32) -> Result<(), Error> {
        self.bind(slot, topic)?;
        let record = &self.topics.topics[topic];
        let (run, lane) = place(slot);
        let slots = &mut self.outboxes.runs[run];
        slots.seen[lane] = self.outboxes.seen.of_turn(record.turn.wrapping_sub(1));
        slots.fresh |= 1 << lane;
        self.counters.owed += 1;
        if record.has(LIVE) {
            self.outboxes.mark(&[slot], (topic, record.turn), &mut self.counters);
        }
        Ok(())
    }

    /// Binds a slot to a topic of which it has seen all there is.
    pub(crate) fn bind(&mut self, slot: u32, topic: u32) -> Result<(), Error> {
        if self.topics.topics[topic].has(OWES_LEAVE) {
            self.settle_interest(topic);
            if !self.topics.topics[topic].has(LIVE) {
                // The join that it waited for may have been called off with its last subscriber.
                self.rejoin(topic);
            }
        }
        let limit = self.limits.subscriptions;
        let entry = self
            .topics
            .add_entry(topic, slot)
            .map_err(|why| full(why, Bound::Subscriptions, limit, "subscriptions"))?;
        let record = &self.topics.topics[topic];
        let (run, lane) = place(slot);
        let slots = &mut self.outboxes.runs[run];
        slots.topics[lane] = topic;
        slots.entries[lane] = entry;
        slots.seen[lane] = self.outboxes.seen.of_turn(record.turn);
        if slots.flags & (CHOOSY | PARTIAL) != 0 {
            self.keep_changes(slot, topic);
        }
        Ok(())
    }

    /// Unbinds a slot from its topic: what it was still owed is cancelled.
    fn detach(&mut self, slot: u32) {
        let (run, lane) = place(slot);
        self.outboxes.clear(run, lane);
        let slots = &mut self.outboxes.runs[run];
        slots.fresh &= !(1 << lane);
        if slots.flags & KNOWN != 0 {
            self.outboxes.forget_tag(slot);
        }
        let slots = &self.outboxes.runs[run];
        let (topic, entry, seen) = (slots.topics[lane], slots.entries[lane], slots.seen[lane]);
        if !self.arrivals.is_empty() {
            self.arrivals.forget(topic, slot);
        }
        let record = &self.topics.topics[topic];
        self.counters.cancelled += u64::from(self.outboxes.seen.behind(record.turn, seen));
        let moved = self.topics.remove_entry(topic, entry);
        if self.topics.topics[topic].has(CLOSED) {
            self.shorten_reevaluation(topic);
        }
        if let Some(moved) = moved {
            let (run, lane) = place(moved.slot);
            self.outboxes.runs[run].entries[lane] = moved.entry;
            if self.topics.topics[topic].has(WALKS) {
                // It may have come from where the walk has not been to where it will not come again.
                self.counters.carried += 1;
                let turn = self.topics.topics[topic].turn;
                self.outboxes.mark(&[moved.slot], (topic, turn), &mut self.counters);
            }
        }
        self.drop_if_unwatched(topic);
    }

    /// Ends a subscription and frees its slot.
    pub(crate) fn end_subscription(&mut self, slot: u32, why: WatcherEvent) {
        let (run, lane) = place(slot);
        self.count_subscriptions(self.outboxes.runs[run].group, 0, 1);
        let reported = (!self.reports.is_empty()).then(|| {
            let record = &self.outboxes.runs[run];
            (record.group, self.topics.topics[record.topics[lane]].presentity)
        });
        self.detach(slot);
        self.free_slot(run, lane);
        if let Some((group, presentity)) = reported {
            self.note_ended(group, presentity, why);
        }
    }

    /// What becomes of a topic that may have lost its last subscriber.
    pub(crate) fn drop_if_unwatched(&mut self, topic: u32) {
        if self.topics.topics[topic].len != 0 {
            return;
        }
        self.end_walk(topic);
        self.settle_interest(topic);
        if self.topics.topics[topic].has(JOINED) {
            self.owe_interest(topic, OWES_LEAVE);
        } else {
            // The home never heard of it: there is nothing to take back.
            self.free_topic(topic);
        }
    }
}
